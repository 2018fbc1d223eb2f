"""Calls to addresses that others chose: public ones only, the checked one, bounded in every way."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from omnidesk.channels import outgoing
from tests.servers import certificates, free_port


@dataclass
class Hook:
    """A web server that keeps what is posted and answers as told."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    silent: bool = False
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/replies"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.got.append((head[0], headers, body))
        if self.silent:
            await reader.read()
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def hook(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hook]:
    told = Hook()
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    yield told
    server.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("2002:7f00:1::", False),
        ("ff02::1", False),
        ("192.168.0.1", False),
        ("240.0.0.1", False),
        ("not an address", False),
        ("fec0::1", False),
        ("3fff::1", False),
        ("64:ff9b:1::1", False),
        ("2001:0:a00:1::1", False),
        ("192.88.99.1", False),
        ("168.63.129.16", False),
        ("::7f00:1", False),
        ("fd00:ec2::254", False),
        ("2002:5db8:d70e::1", True),
    ],
)
def test_only_the_public_internet_counts(address: str, public: bool) -> None:
    assert outgoing.is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://93.184.215.14:22/",
        "https://93.184.215.14:80/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data",
        "https://u:p@93.184.215.14/",
        "ftp://93.184.215.14/",
        "file:///etc/passwd",
    ],
)
async def test_the_desks_own_network_is_never_called(url: str) -> None:
    async with outgoing.client() as http:
        with pytest.raises(httpx.TransportError) as caught:
            await outgoing.call(http, "GET", url)
    assert isinstance(caught.value, outgoing.NotAllowed | httpx.UnsupportedProtocol)


@pytest.mark.parametrize(
    "host", ["0177.0.0.1", "127.0.0.1.", "localhost.", "①②⑦.⓪.⓪.①", "017700000001", "127。0。0。1"]
)
async def test_odd_spellings_of_a_host_lead_nowhere_else(host: str) -> None:
    async with outgoing.client(resolve=answering(["127.0.0.1"])) as http:
        with pytest.raises((outgoing.NotAllowed, httpx.InvalidURL)):
            await outgoing.call(http, "GET", f"https://{host}/")


async def test_loopback_is_called_only_when_it_is_said_and_without_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with hook() as server, outgoing.client(loopback=True) as http, outgoing.client() as strict:
        answer = await outgoing.call(http, "POST", server.url, content=b"x")
        with pytest.raises(outgoing.NotAllowed):
            await outgoing.call(strict, "POST", server.url, content=b"x")

    assert (answer.status, len(server.got)) == (204, 1)


def answering(*looks: list[str]) -> outgoing.Resolve:
    """A resolver whose every look-up gives the next answer; the last one stays."""
    left = list(looks)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def test_the_address_that_was_checked_is_the_one_that_is_called(tmp_path: Path) -> None:
    """A second look-up would give another address; and the certificate is the name's, not the address's."""
    trusted, rebinding = certificates(tmp_path, "shop.example"), answering(["127.0.0.1"], ["127.0.0.9"])
    async with (
        hook(trusted.server) as server,
        outgoing.client(loopback=True, verify=trusted.client, resolve=rebinding) as http,
    ):
        answer = await outgoing.call(http, "POST", f"https://shop.example:{server.port}/x", content=b"x")

    assert answer.status == 204
    assert [headers["host"] for _, headers, _ in server.got] == [f"shop.example:{server.port}"]


async def test_a_name_that_turns_private_at_the_second_look_is_refused_then() -> None:
    rebinding = answering(["127.0.0.1"], ["10.0.0.1"])
    async with hook() as server, outgoing.client(loopback=True, resolve=rebinding) as http:
        assert (await outgoing.call(http, "GET", f"http://shop.example:{server.port}/")).status == 204
        with pytest.raises(outgoing.NotAllowed):
            await outgoing.call(http, "GET", f"http://shop.example:{server.port}/")
    assert len(server.got) == 1


async def test_a_certificate_of_another_name_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    trusted, here = certificates(tmp_path, "shop.example"), answering(["127.0.0.1"])
    async with (
        hook(trusted.server) as server,
        outgoing.client(loopback=True, verify=trusted.client, resolve=here) as http,
    ):
        with pytest.raises(httpx.ConnectError):
            await outgoing.call(http, "POST", f"https://other.example:{server.port}/x", content=b"x")
    assert server.got == []


@pytest.mark.parametrize("name", ["shop.example.", "SHOP.example", "магазин.example"])
async def test_a_name_is_verified_however_it_is_spelled(tmp_path: Path, name: str) -> None:
    certified = name.rstrip(".").encode("idna").decode().lower()
    trusted, here = certificates(tmp_path, certified), answering(["127.0.0.1"])
    async with (
        hook(trusted.server) as server,
        outgoing.client(loopback=True, verify=trusted.client, resolve=here) as http,
    ):
        answer = await outgoing.call(http, "POST", f"https://{name}:{server.port}/x", content=b"x")
    assert answer.status == 204


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    async with outgoing.client(resolve=answering(["93.184.215.14", "10.0.0.1"])) as http:
        with pytest.raises(outgoing.NotAllowed):
            await outgoing.call(http, "GET", "https://shop.example/")


async def test_a_host_whose_first_family_cannot_be_reached_is_called_by_the_other() -> None:
    async with hook() as server, outgoing.client(loopback=True, resolve=answering(["::1", "127.0.0.1"])) as http:
        answer = await outgoing.call(http, "POST", f"http://shop.example:{server.port}/", content=b"x")
    assert (answer.status, len(server.got)) == (204, 1)


async def test_redirects_are_answers_and_are_not_followed() -> None:
    async with hook() as server, outgoing.client(loopback=True) as http:
        server.answer = f"HTTP/1.1 302 Found\r\nLocation: {server.url}\r\nContent-Length: 0\r\n\r\n".encode()
        assert (await outgoing.call(http, "GET", server.url)).status == 302
    assert len(server.got) == 1


async def test_a_large_answer_and_a_small_bomb_are_cut_off() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb,
    ]
    async with hook() as server, outgoing.client(loopback=True) as http:
        for server.answer in answers:
            with pytest.raises(outgoing.TooLarge):
                await outgoing.call(http, "GET", server.url, max_bytes=100_000)


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with hook() as server, outgoing.client(loopback=True) as http:
        server.silent = True
        with pytest.raises(httpx.ReadTimeout):
            await outgoing.call(http, "GET", server.url, within_s=0.2)


async def test_where_only_the_status_matters_no_body_can_harm() -> None:
    answers = {
        200: b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
        202: b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
        203: b"HTTP/1.1 203 Fine\r\nContent-Length: 50\r\n\r\ncut sho",
    }
    async with hook() as server, outgoing.client(loopback=True) as http:
        for status, server.answer in answers.items():
            answer = await outgoing.call(http, "GET", server.url, max_bytes=1000, status_only=True)
            assert (answer.status, len(answer.body) <= 1000) == (status, True)
