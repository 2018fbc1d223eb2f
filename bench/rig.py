"""What every benchmark stands on: an embedded server with fsync, fresh desks, medians, and a line per figure."""

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import tests.plain
from sqlalchemy.engine import make_url

from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.db.migrate import migrate
from omnidesk.db.session import Database
from omnidesk.desk import inboxes, setup
from omnidesk.desk.accept import Door
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels, Wish
from omnidesk.desk.intake import Intake
from omnidesk.desk.reading import Reader
from omnidesk.desk.vault import Vault
from omnidesk.domain.people import SYSTEM

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
Figure = dict[str, Any]
Figures = dict[str, Figure]


def figure(value: float, unit: str, baseline: float | None = None, ratio: float | None = None) -> Figure:
    return {
        "value": round(value, 4),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 4),
        "ratio": None if ratio is None else round(ratio, 3),
    }


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


@contextmanager
def server(max_connections: int = 200) -> Iterator[EmbeddedPostgres]:
    """A durable PostgreSQL in a throw-away folder; begin it in the main thread, outside the event loop."""
    with tempfile.TemporaryDirectory(prefix="omnidesk-bench-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data", options={"max_connections": str(max_connections)}) as running:
            yield running


def plain_url(url: str) -> str:
    """As asyncpg itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def new_database(running: EmbeddedPostgres) -> str:
    """The URL of a migrated, empty database."""
    name = f"bench_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(plain_url(running.admin_url()))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' OWNER omnidesk")
    await admin.close()
    await migrate(running.url(name))
    return running.url(name)


@dataclass(frozen=True, slots=True)
class Desk:
    url: str
    db: Database
    door: Door
    intake: Intake
    channels: Channels
    inbox: UUID


@asynccontextmanager
async def desk(url: str, files: Path) -> AsyncIterator[Desk]:
    """A founded desk with one inbox of the tests' small platform."""
    db, vault = Database(url), Vault([b"k" * 32])
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    async with httpx.AsyncClient() as http:
        channels = Channels(db, vault, http, domain="desk.example")
        door = Door(db, vault, wake=lambda: None)
        reader = Reader(channels, vault, FileStore(files), zone="Europe/Moscow")
        inbox = await inboxes.create(
            db, channels, vault, "plain", Wish(name="Plain", language="ru"), SYSTEM, inbox_id=uuid4()
        )
        yield Desk(url, db, door, Intake(db, door, channels, reader), channels, inbox.id)
        reader.close()
    await db.close()


async def drain(one: Desk, *, flights: int = 2) -> None:
    """One worker process takes in everything that waits, with its batches in flight."""

    async def fly() -> None:
        while True:
            if not await one.intake.once():
                if not await _waiting(one):
                    return
                await asyncio.sleep(0.002)  # the other flight has the lanes

    await asyncio.wait_for(asyncio.gather(*(fly() for _ in range(flights))), 120)


async def _waiting(one: Desk) -> bool:
    async with one.db.connection() as tx:
        return bool(await tx.driver.fetchval("SELECT EXISTS (SELECT FROM arrivals WHERE state = 'new')"))


async def fill(
    desk: Desk, texts: Sequence[str], *, batch: int = 100, sender: Callable[[int], str] = "p{}".format
) -> None:
    """Bring messages to the door, each of another person."""
    for start in range(0, len(texts), batch):
        await asyncio.gather(
            *(
                desk.door.accept(desk.inbox, [tests.plain.arrival(sender(n), texts[n], id=f"m{n}", subject="Заказ")])
                for n in range(start, min(start + batch, len(texts)))
            )
        )
