"""The door for mail: 250 means committed, everything else means that the MTA keeps the mail."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.channels.email.arriving import arrival_of, dedupe_key, sender_of
from omnidesk.channels.email.listener import Listener
from omnidesk.domain.messages import Arrival
from tests.servers import certificates, until

MAIL = b"From: Anna <Anna@Mail.example>\r\nSubject: hi\r\nMessage-ID: <1@mail.example>\r\n\r\n.dot\r\n..two\r\n"


class Desk:
    """Two inboxes behind the door, and a database that can be away."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Arrival] = {}
        self.deliveries = 0
        self.away: set[str] = set()
        self.slow = asyncio.Event()
        self.slow.set()

    async def find_inbox(self, address: str) -> str | None:
        if "lookup" in self.away:
            raise ConnectionError("away")
        return {"support@acme.example": "inb_1", "help@acme.example": "inb_1", "sales@acme.example": "inb_2"}.get(
            address
        )

    async def deliver(self, inbox_id: str, arrival: Arrival) -> None:
        self.deliveries += 1
        await self.slow.wait()
        if inbox_id in self.away:
            raise ConnectionError("away")
        self.kept[inbox_id, arrival.dedupe_key] = arrival


class Client:
    """A client that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        async with asyncio.timeout(10):
            lines = [await self.reader.readline()]
            while lines[-1][3:4] == b"-":
                lines.append(await self.reader.readline())
        return b"".join(lines).decode()

    async def says(self, line: str) -> str:
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def begins(self, *recipients: str, sender: str = "anna@mail.example", hello: str = "LHLO") -> list[str]:
        await self.says(f"{hello} mx.example")
        await self.says(f"MAIL FROM:<{sender}>")
        return [await self.says(f"RCPT TO:<{recipient}>") for recipient in recipients]

    async def data(self, content: bytes = MAIL, *, replies: int = 1) -> list[str]:
        assert (await self.says("DATA")).startswith("354")
        self.writer.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return [await self.reply() for _ in range(replies)]


@asynccontextmanager
async def opened(desk: Desk, **options: Any) -> AsyncIterator[tuple[Listener, Client]]:
    listener = Listener(desk.find_inbox, desk.deliver, **options)
    port = await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    assert (await client.reply()).startswith("220")
    yield listener, client
    writer.close()
    desk.slow.set()
    await listener.stop(grace_s=1)


async def test_a_mail_is_kept_as_it_was_sent_with_its_envelope() -> None:
    desk = Desk()
    async with opened(desk) as (_, client):
        await client.begins("Support+ABCD2345@Acme.Example")
        assert (await client.data())[0].startswith("250 2.0.0")

    [((inbox, _), arrival)] = desk.kept.items()
    assert (inbox, arrival.body, arrival.order_key) == ("inb_1", MAIL, "anna@mail.example")
    assert arrival.meta["mail_from"] == "anna@mail.example"
    assert json.loads(arrival.meta["rcpt_to"]) == ["Support+ABCD2345@Acme.Example"]
    assert arrival.meta["remote"] == "127.0.0.1"


async def test_each_recipient_hears_of_its_own_inbox() -> None:
    desk = Desk()
    desk.away = {"inb_2"}
    async with opened(desk) as (_, client):
        recipients = await client.begins(
            "support@acme.example", "nobody@acme.example", "sales@acme.example", "help@acme.example"
        )
        assert [reply[:3] for reply in recipients] == ["250", "550", "250", "250"]

        assert [reply[:3] for reply in await client.data(replies=3)] == ["250", "451", "250"]

    [((inbox, _), arrival)] = desk.kept.items()
    assert inbox == "inb_1"
    assert json.loads(arrival.meta["rcpt_to"]) == ["support@acme.example", "help@acme.example"]


async def test_over_smtp_one_inbox_that_is_away_keeps_the_whole_mail_with_the_mta() -> None:
    desk = Desk()
    desk.away = {"inb_2"}
    async with opened(desk, protocol="smtp") as (_, client):
        await client.begins("support@acme.example", "sales@acme.example", hello="EHLO")
        assert (await client.data())[0].startswith("451")
        desk.away.clear()
        await client.begins("support@acme.example", "sales@acme.example", hello="EHLO")
        assert (await client.data())[0].startswith("250")

    assert sorted(inbox for inbox, _ in desk.kept) == ["inb_1", "inb_2"]


async def test_the_database_is_away() -> None:
    desk = Desk()
    desk.away = {"lookup"}
    async with opened(desk) as (_, client):
        assert (await client.begins("support@acme.example"))[0].startswith("451")
        desk.away = {"inb_1"}
        assert (await client.says("RCPT TO:<support@acme.example>")).startswith("250")
        assert (await client.data())[0].startswith("451")
    assert not desk.kept


async def test_a_commit_that_takes_too_long_is_no_250() -> None:
    desk = Desk()
    desk.slow.clear()
    async with opened(desk, deliver_timeout_s=0.1) as (_, client):
        await client.begins("support@acme.example")
        assert (await client.data())[0].startswith("451")
    assert not desk.kept


async def test_a_huge_mail_is_refused_by_its_announcement_and_while_it_streams() -> None:
    desk = Desk()
    async with opened(desk, max_bytes=200_000) as (listener, client):
        assert "SIZE 200000" in await client.says("LHLO mx.example")
        assert (await client.says("MAIL FROM:<a@b.example> SIZE=200001")).startswith("552")
        await client.begins("support@acme.example", "sales@acme.example")
        assert (await client.says("DATA")).startswith("354")
        for _ in range(100):
            client.writer.write(b"x" * 100_000)
            await client.writer.drain()
            assert listener.held_bytes <= 200_005
        client.writer.write(b"\r\n.\r\n")
        assert [(await client.reply())[:3] for _ in range(2)] == ["552", "552"]
        await client.says("RSET")
        await client.begins("support@acme.example")
        assert (await client.data(b"x" * 199_000 + b"\r\n"))[0].startswith("250")
    assert [len(arrival.body) for arrival in desk.kept.values()] == [199_002]


async def test_many_large_mails_at_once_share_one_room() -> None:
    desk = Desk()
    desk.slow.clear()
    async with opened(desk, max_held_bytes=300_000) as (listener, client):
        await client.begins("support@acme.example")
        waiting = asyncio.create_task(client.data(b"a" * 200_000 + b"\r\n"))
        await until(lambda: desk.deliveries)
        reader, writer = await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        other = Client(reader, writer)
        await other.reply()
        await other.begins("support@acme.example")
        assert (await other.data(b"b" * 200_000 + b"\r\n"))[0].startswith("452")
        desk.slow.set()
        assert (await waiting)[0].startswith("250")
        await other.begins("support@acme.example")
        assert (await other.data(b"b" * 200_000 + b"\r\n"))[0].startswith("250")
        assert listener.held_bytes == 0
        writer.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".\r\n",
        b"x\r\n.\r\ny\r\n",
        b"\r\n\r\n",
        b"l" * 300_000 + b"\r\n",
        b"bare\n.\nlf\r\n",
        b"a\rb\0c\xff\r\n",
        b"..\r\n.\r\n...\r\n",
    ],
)
async def test_content_of_any_shape_arrives_byte_for_byte(content: bytes) -> None:
    desk = Desk()
    async with opened(desk) as (_, client):
        await client.begins("support@acme.example")
        assert (await client.says("DATA")).startswith("354")
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        for start in range(0, len(stuffed) + 1, 7 if len(stuffed) < 100 else 50_000):
            client.writer.write(stuffed[start : start + (7 if len(stuffed) < 100 else 50_000)])
            await client.writer.drain()
        client.writer.write(b".\r\nQUIT\r\n")
        assert (await client.reply()).startswith("250")
        assert (await client.reply()).startswith("221")
    assert [arrival.body for arrival in desk.kept.values()] == [content]


async def test_commands_may_come_all_at_once() -> None:
    desk = Desk()
    async with opened(desk) as (_, client):
        assert "PIPELINING" in await client.says("LHLO mx.example")
        for _ in range(2):
            client.writer.write(
                b"MAIL FROM:<>\r\nRCPT TO:<nobody@x.example>\r\nRCPT TO:<support@acme.example>\r\nDATA\r\n"
            )
            assert [(await client.reply())[:3] for _ in range(4)] == ["250", "550", "250", "354"]
            client.writer.write(MAIL + b".\r\nNOOP\r\n")
            assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]
    [arrival] = desk.kept.values()
    assert arrival.meta["mail_from"] == ""


async def test_without_a_known_recipient_there_is_no_data() -> None:
    async with opened(Desk()) as (_, client):
        await client.begins("nobody@acme.example")
        assert (await client.says("DATA")).startswith("503")


async def test_too_many_recipients_and_connections_are_asked_to_come_again() -> None:
    async with opened(Desk(), max_recipients=2, max_connections=1) as (_, client):
        replies = await client.begins(*["support@acme.example"] * 3)
        assert replies[2].startswith("452")
        reader, writer = await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        assert (await Client(reader, writer).reply()).startswith("421")
        assert await reader.read() == b""
        writer.close()


async def test_an_international_address_finds_its_inbox() -> None:
    found: list[str] = []

    async def find(address: str) -> str | None:
        found.append(address)
        return "inb_1"

    desk = Desk()
    listener = Listener(find, desk.deliver, protocol="smtp")
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=await listener.start(), start_tls=False)
    await client.connect()
    await client.mail("анна@почта.рф", options=["SMTPUTF8"], encoding="utf-8")
    await client.rcpt("Поддержка@Почта.рф", encoding="utf-8")
    await client.data(MAIL)
    await client.quit()
    await listener.stop()

    assert found == ["поддержка@xn--80a1acny.xn--p1ai"]
    assert next(iter(desk.kept.values())).meta["mail_from"] == "анна@почта.рф"


async def test_starttls_is_offered_when_there_is_a_certificate(tmp_path: Path) -> None:
    desk, trusted = Desk(), certificates(tmp_path)
    listener = Listener(desk.find_inbox, desk.deliver, protocol="smtp", tls=trusted.server)
    port = await listener.start()
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=True, tls_context=trusted.client) as client:
        await client.sendmail("anna@mail.example", ["support@acme.example"], MAIL)
    await listener.stop()

    assert [arrival.body for arrival in desk.kept.values()] == [MAIL]


async def test_a_client_that_vanishes_after_the_dot_delivers_once_when_it_comes_again() -> None:
    desk = Desk()
    desk.slow.clear()
    async with opened(desk) as (listener, client):
        await client.begins("support@acme.example")
        assert (await client.says("DATA")).startswith("354")
        client.writer.write(b"Received: from a; 10:00\r\n" + MAIL.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        await until(lambda: desk.deliveries)
        client.writer.transport.abort()
        await until(lambda: not listener.sessions)
        desk.slow.set()
        await until(lambda: desk.kept)
    async with opened(desk) as (_, again):
        await again.begins("support@acme.example")
        assert (await again.data(b"Received: from a; 10:05\r\n" + MAIL))[0].startswith("250")

    assert (desk.deliveries, len(desk.kept)) == (2, 1)


async def test_a_stop_lets_the_mail_in_hand_end_and_says_goodbye_to_the_idle() -> None:
    desk = Desk()
    desk.slow.clear()
    async with opened(desk) as (listener, client):
        await client.begins("support@acme.example")
        waiting = asyncio.create_task(client.data(replies=2))
        await until(lambda: desk.deliveries)
        reader, writer = await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        idle = Client(reader, writer)
        await idle.reply()

        stopping = asyncio.create_task(listener.stop(grace_s=5))
        assert (await idle.reply()).startswith("421")
        desk.slow.set()
        assert [reply[:3] for reply in await waiting] == ["250", "421"]
        await asyncio.wait_for(stopping, 3)
        writer.close()
    assert len(desk.kept) == 1


async def test_a_stop_does_not_wait_for_a_client_that_never_ends() -> None:
    desk = Desk()
    async with opened(desk) as (listener, client):
        await client.begins("support@acme.example")
        assert (await client.says("DATA")).startswith("354")
        client.writer.write(b"half a mail")
        await client.writer.drain()

        await asyncio.wait_for(listener.stop(grace_s=0.1), 3)
        assert not listener.sessions
    assert not desk.kept


TRACE = b"Return-Path: <a@b>\r\nDelivered-To: x@y\r\nReceived: from mx\r\n\tby here; Sun, 22 Nov 2026\r\n"


def test_new_trace_headers_do_not_make_a_new_mail_and_anything_else_does() -> None:
    assert dedupe_key(MAIL) == dedupe_key(TRACE + MAIL) == dedupe_key(TRACE + TRACE + MAIL)
    assert dedupe_key(MAIL) != dedupe_key(MAIL.replace(b"<1@", b"<2@"))
    assert dedupe_key(MAIL) != dedupe_key(MAIL + b" ")
    assert dedupe_key(b"Subject: x\r\n" + TRACE) != dedupe_key(b"Subject: x\r\n")


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_two_mails_never_share_a_key(one: bytes, other: bytes) -> None:
    one, other = b"From: a@b\r\n" + one, b"From: a@b\r\n" + other
    assert (dedupe_key(TRACE + one) == dedupe_key(other)) == (one == other)


@given(st.binary(max_size=400))
def test_anything_is_named(raw: bytes) -> None:
    arrival = arrival_of(raw, mail_from="Anna@mail.example", rcpt_to=[])
    assert len(arrival.dedupe_key) == len("mail:") + 64
    assert len(arrival.order_key) <= 254


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (b"From: Anna <Anna@Mail.example>\r\n\r\n", "anna@mail.example"),
        (b"Subject: x\nFROM:\n anna@mail.example\n\nFrom: b@c", "anna@mail.example"),
        (b'From: "x@y.example" <anna@mail.example>\r\n\r\n', "anna@mail.example"),
        (b"Subject: x\r\n\r\nFrom: anna@mail.example", ""),
        (b"Reply-From: anna@mail.example\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_the_order_goes_by_the_senders_address(raw: bytes, sender: str) -> None:
    assert sender_of(raw) == sender
