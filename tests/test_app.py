"""The parts together: a served API with its doors for mail, a worker beside it, and what happens when they stop."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from omnidesk import app
from omnidesk.config import Settings, SettingsError
from omnidesk.db.embedded_setup import SOCKET
from omnidesk.db.session import Database
from omnidesk.desk import access, inboxes, setup
from omnidesk.desk.new_ids import new_id
from omnidesk.domain.people import SCOPES, SYSTEM
from omnidesk.process import together
from tests.servers import free_port, until

LETTER = b"From: Ivan <ivan@customer.example>\r\nTo: support@acme.example\r\nSubject: Refund\r\n\r\nWhere is it?\r\n"


def settings_of(url: str, folder: Path, **more: Any) -> Settings:
    ports = {"port": free_port(), "lmtp_port": free_port(), "smtp_port": 0}
    given = {"database_url": url, "data_dir": folder, "secret_key": SecretStr("k" * 32), **ports, **more}
    return Settings(_env_file=None, **given)


@pytest.fixture
async def settings(db: Database, db_url: str, tmp_path: Path) -> Settings:
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    return settings_of(db_url, tmp_path)


@asynccontextmanager
async def running(*mains: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[asyncio.Event]:
    """Processes of a desk, within this one; in the end they stop within five seconds, and their errors are raised."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(main(stop)) for main in mains]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)


def client(settings: Settings, secret: str = "") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", headers=headers, trust_env=False)


async def eventually(http: httpx.AsyncClient, path: str, good: Callable[[httpx.Response], Any]) -> Any:
    """Ask until the answer is good; what `good` made of it."""
    async with asyncio.timeout(20):
        while True:
            with suppress(httpx.TransportError):
                if found := good(await http.get(path)):
                    return found
            await asyncio.sleep(0.05)


async def answering(http: httpx.AsyncClient, path: str = "/health/live", status: int = 200) -> None:
    await eventually(http, path, lambda answer: answer.status_code == status)


async def a_key(db: Database) -> str:
    now = datetime.now(UTC)
    wish = access.KeyWish(name="test", scopes=frozenset(SCOPES))
    _, secret = await access.create_key(db, new_id(now), wish, SYSTEM, now=now)
    return secret


async def a_mailbox(settings: Settings) -> None:
    desk = app.open_desk(settings)
    wish = inboxes.Wish(name="Support", config={"address": "support@acme.example"})
    await inboxes.create(desk.db, desk.channels, desk.vault, "email", wish, SYSTEM, inbox_id=new_id())
    await desk.close()


def hand_in(port: int) -> dict[str, tuple[int, bytes]]:
    with smtplib.LMTP("127.0.0.1", port) as mta:
        return mta.sendmail("ivan@customer.example", ["support@acme.example"], LETTER)


async def test_a_letter_becomes_a_ticket_that_the_api_shows(settings: Settings, db: Database) -> None:
    await a_mailbox(settings)
    served, worked = (lambda stop: app.serve(settings, stop)), (lambda stop: app.work(settings, stop))
    async with running(served, worked), client(settings, await a_key(db)) as http:
        await answering(http)
        assert await asyncio.to_thread(hand_in, settings.lmtp_port) == {}

        tickets = await eventually(http, "/v1/tickets", lambda answer: answer.json()["data"])
        assert [ticket["subject"] for ticket in tickets] == ["Refund"]


async def test_stopping_ends_feeds_and_doors_within_seconds(settings: Settings, db: Database) -> None:
    secret = await a_key(db)
    async with running(lambda stop: app.serve(settings, stop)) as stop, client(settings, secret) as http:
        await answering(http)
        async with http.stream("GET", "/v1/events/stream", timeout=20) as feed:
            lines = feed.aiter_lines()
            assert (await anext(lines)).startswith("retry:")
            stop.set()
            async with asyncio.timeout(5):
                assert [line async for line in lines if line.startswith("data:")] == []  # it came to its end
    for port in (settings.port, settings.lmtp_port):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_without_its_database_the_desk_says_503_and_refuses_mail_for_now(tmp_path: Path) -> None:
    nowhere = f"postgresql+asyncpg://desk@127.0.0.1:{free_port()}/desk"
    settings = settings_of(nowhere, tmp_path)
    async with running(lambda stop: app.serve(settings, stop)), client(settings) as http:
        await answering(http)
        assert (await http.get("/health/ready")).status_code == 503
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await asyncio.to_thread(hand_in, settings.lmtp_port)
        assert [code for code, _ in refused.value.recipients.values()] == [451]


async def test_the_desk_recovers_when_its_database_comes(settings: Settings, db_url: str, tmp_path: Path) -> None:
    """A relay stands in for the database's server; at first nobody listens there."""
    url, folder = make_url(db_url), tmp_path / "socket"
    folder.mkdir()
    through = settings_of(url.set(query={"host": str(folder)}).render_as_string(hide_password=False), tmp_path)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(f"{url.query['host']}/{SOCKET}")
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))

    if "host" not in url.query:
        pytest.skip("the server of this run has no unix socket")
    async with running(lambda stop: app.serve(through, stop)), client(through) as http:
        await answering(http)
        await answering(http, "/health/ready", 503)
        async with await asyncio.start_unix_server(relay, folder / SOCKET):
            await answering(http, "/health/ready", 200)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.lmtp_port))
        other.listen()
        with pytest.raises(SettingsError, match=f"port {settings.lmtp_port}: Address already in use"):
            await app.serve(settings, asyncio.Event())


async def test_a_loop_that_fails_stops_the_others_and_is_heard() -> None:
    stop, ended = asyncio.Event(), list[str]()

    async def fails() -> None:
        raise LookupError("why")

    async def patient() -> None:
        await stop.wait()
        ended.append("patient")

    with pytest.raises(LookupError, match="why"):
        await together(stop, patient(), fails())
    assert ended == ["patient"]


async def test_a_loop_that_does_not_end_is_cut_short() -> None:
    stop, cut = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    stop.set()
    await together(stop, endless(), grace_s=0.05)
    await until(cut.is_set)


def test_message_ids_never_carry_a_bare_address(tmp_path: Path) -> None:
    for site, domain in (
        ("https://help.acme.example", "help.acme.example"),
        ("http://10.0.0.5:8000", app.WITHOUT_NAME),
    ):
        assert app.domain_of(settings_of("postgresql://h/d", tmp_path, public_url=site)) == domain
