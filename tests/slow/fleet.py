"""A desk as real processes, which tests kill, freeze and start again; its customers and mailboxes stay here."""

import asyncio
import json
import os
import signal
import smtplib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from aiosmtpd.smtp import SMTP

from omnidesk.config import Settings, secret_keys
from omnidesk.db.session import Database
from omnidesk.desk import setup
from omnidesk.desk.accept import Door
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids
from tests import story
from tests.servers import Sink
from tests.story import until

ROOT = Path(story.__file__).parents[1]


@dataclass
class Process:
    """One process of the desk."""

    kind: str
    pid: int
    log: Path

    def alive(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    async def gone(self, within_s: float = 8) -> None:
        await until(lambda: _now(not self.alive()), within_s=within_s)

    def said(self, *events: str) -> list[dict[str, Any]]:
        """What it logged, of these kinds; of every kind when none is named."""
        text = self.log.read_text() if self.log.exists() else ""  # it may have ended before its first word
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if not events or line["event"] in events]


async def _now(value: object) -> object:
    return value


@dataclass
class Fleet:
    """Processes of one desk: an API with its doors, and workers."""

    desk: story.Desk
    launcher: asyncio.subprocess.Process
    logs: Path
    every: list[Process] = field(default_factory=list)

    @property
    def api(self) -> Process:
        return next(one for one in self.every if one.kind == "serve" and one.alive())

    @property
    def workers(self) -> list[Process]:
        return [one for one in self.every if one.kind == "work" and one.alive()]

    async def start(self, kind: str = "work") -> Process:
        log = self.logs / f"{kind}-{len(self.every)}.log"
        assert self.launcher.stdin
        assert self.launcher.stdout
        self.launcher.stdin.write(f"{kind} {log}\n".encode())
        process = Process(kind, int(await self.launcher.stdout.readline()), log)
        self.every.append(process)
        return process

    async def stop_workers(self) -> None:
        """In an orderly way: what was begun is finished or given back."""
        for worker in self.workers:
            worker.thaw()
            worker.send(signal.SIGTERM)
        for worker in self.workers:
            await worker.gone()

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        return await self.desk.rows(sql, *values)

    async def value(self, sql: str, *values: object) -> Any:
        found = await self.rows(sql, *values)
        return next(iter(found[0].values())) if found else None

    async def until_none(self, sql: str, *values: object, within_s: float = 60) -> None:
        """Wait until a statement gives no rows."""

        async def none() -> bool:
            return not await self.rows(sql, *values)

        try:
            await until(none, within_s=within_s)
        except AssertionError:
            raise AssertionError(f"left: {(await self.rows(sql, *values))[:5]}") from None

    async def all_read(self, within_s: float = 60) -> None:
        await self.until_none("SELECT lane, state, attempts FROM arrivals WHERE state = 'new'", within_s=within_s)

    async def states(self, table: str = "arrivals") -> dict[str, int]:
        return {
            row["state"]: row["n"] for row in await self.rows(f"SELECT state, count(*) AS n FROM {table} GROUP BY 1")
        }

    async def deadlocks(self) -> int:
        """As the server counts them, also those that were repeated and did no harm."""
        return int(await self.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))

    async def inbox(self, channel: str, **config: Any) -> UUID:
        """Make an inbox of the test's own channels."""
        made = await self.desk.post("/v1/inboxes", {"channel": channel, "name": channel, "config": config})
        return ids.decode("inbox", made["id"])

    async def let_leases_of_the_dead_lapse(self) -> None:
        """Time is moved by hand: calls whose process was killed are given up after minutes."""
        await self.rows(
            "UPDATE outbox SET until = until - interval '1 hour' WHERE state IN ('claimed', 'calling') RETURNING id"
        )

    def errors(self) -> list[tuple[str, dict[str, Any]]]:
        """What any process called an error."""
        return [(one.log.name, line) for one in self.every for line in one.said() if line.get("level") in _BAD]

    def door(self) -> Door:
        """A way to the journal past the network, for messages of the test's own channels."""
        return Door(self.desk.db, Vault(secret_keys(self.desk.settings)), wake=lambda: None)


_BAD = {"error", "critical"}


def environment(settings: Settings) -> dict[str, str]:
    """The same settings, for another process."""
    ours = {
        "DATABASE_URL": settings.database_url or "",
        "DATA_DIR": str(settings.data_dir),
        "FILES_DIR": str(settings.files_dir),
        "SECRET_KEY": story.KEY,
        "PORT": str(settings.port),
        "LMTP_PORT": str(settings.lmtp_port),
        "SMTP_PORT": "0",
        "WEBHOOK_ALLOW_LOOPBACK": "true",
    }
    path = f"{ROOT / 'src'}:{ROOT}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIDESK_")}
    return {
        **kept,
        "PYTHONPATH": path,
        **{f"OMNIDESK_{name}": value for name, value in ours.items()},
    }


@asynccontextmanager
async def fleet(url: str, folder: Path, *, workers: int = 2, mailbox: Sink | None = None) -> AsyncIterator[Fleet]:
    """A founded desk with one API process and some workers; with a mailbox, the inbox support@acme.example."""
    settings, db = story.settings_for(url, folder), Database(url, size=4)
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    secret = await story.key_of(db)
    logs = folder / "logs"
    logs.mkdir()
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.slow.launch"),
        cwd=folder,
        env=environment(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert launcher.stdout
        assert (await launcher.stdout.readline()).strip() == b"ready"
        async with story.client(settings, secret) as api:
            desk = story.Desk(settings, db, api, mailbox or Sink(), "", secret=secret)
            one = Fleet(desk, launcher, logs)
            await one.start("serve")
            for _ in range(workers):
                await one.start()
            await until(lambda: _ready(api), within_s=30)
            if mailbox:
                desk.inbox = await story.email_inbox(desk)
            yield one
            for client in desk.clients:
                await client.aclose()
            for process in one.every:
                process.thaw()
                process.send(signal.SIGTERM)
            for process in one.every:
                await process.gone()
    finally:
        with suppress(ProcessLookupError):
            launcher.kill()  # and with it, by the kernel, whoever is left
        await launcher.wait()
        await db.close()


async def _ready(api: httpx.AsyncClient) -> bool:
    try:
        return (await api.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


# --- mailboxes --------------------------------------------------------------------------------------


@asynccontextmanager
async def slow_sink(pause: Callable[[bytes], Awaitable[object]]) -> AsyncIterator[Sink]:
    """A mail server that takes its time between keeping a mail and saying so."""
    told = Sink()

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            told.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
            await pause(envelope.content)
            return "250 2.0.0 OK"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: cast(asyncio.Protocol, SMTP(Handler(), hostname="sink.example", enable_SMTPUTF8=True, loop=loop)),
        "127.0.0.1",
        0,
    )
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()


# --- who writes ---------------------------------------------------------------------------------------


def mail(thread: int, n: int, *, cc: Sequence[str] = ()) -> bytes:
    """Mail number `n` of a customer's thread; all but the first answer the first."""
    lines = [
        f"From: customer{thread}@example.org",
        f"To: {story.SUPPORT}",
        *([f"Cc: {', '.join(cc)}"] if cc else []),
        f"Subject: {'Re: ' if n else ''}Order {thread}",
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S +0000}",
        f"Message-ID: <{thread}.{n}@example.org>",
        *([f"In-Reply-To: <{thread}.0@example.org>", f"References: <{thread}.0@example.org>"] if n else []),
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"line {n} of thread {thread}",
        "",
    ]
    return "\r\n".join(lines).encode()


@dataclass
class Postman:
    """Hands mails to the door one after the other, again and again until each is taken; counts what he heard."""

    port: int
    heard: dict[int, int] = field(default_factory=dict)  # by code; 0: no connection

    def hand_in(self, thread: int, raw: bytes) -> None:
        """Blocks until the mail is taken."""
        while True:
            code = self._try(thread, raw)
            self.heard[code] = self.heard.get(code, 0) + 1
            if code == 250:
                return
            assert code in {0, 421, 451}, code
            time.sleep(0.2)

    def _try(self, thread: int, raw: bytes) -> int:
        try:
            with smtplib.LMTP("127.0.0.1", self.port, timeout=40) as client:
                client.ehlo()
                code = client.mail(f"customer{thread}@example.org")[0]
                code = client.rcpt(story.SUPPORT)[0] if code < 300 else code
                return client.data(raw)[0] if code < 300 else code
                return code
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
        except (OSError, smtplib.SMTPServerDisconnected):
            return 0
