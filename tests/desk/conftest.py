"""A small desk for use cases: a founded database, one `plain` inbox, and intake that runs when told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

import tests.plain
from omnidesk.db.session import Database
from omnidesk.desk import inboxes, setup
from omnidesk.desk.accept import Door
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels, Wish
from omnidesk.desk.intake import Intake
from omnidesk.desk.reading import Reader
from omnidesk.desk.sandbox import Sandbox
from omnidesk.desk.vault import Vault
from omnidesk.domain.people import SYSTEM


@dataclass
class Intaking:
    """Arrivals in, rows out."""

    db: Database
    vault: Vault
    files: FileStore
    door: Door
    channels: Channels
    reader: Reader
    intake: Intake
    inbox: UUID

    async def comes(self, sender: str, text: str = "Where is my refund?", *, id: str, **more: Any) -> None:  # noqa: A002
        await self.door.accept(self.inbox, [tests.plain.arrival(sender, text, id=id, **more)])

    async def work(self) -> None:
        """Take in everything that waits."""
        while await self.intake.once():
            pass

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.db.transaction() as tx:
            return [dict(row) for row in await tx.driver.fetch(sql, *values)]

    async def value(self, sql: str, *values: object) -> Any:
        rows = await self.rows(sql, *values)
        return next(iter(rows[0].values())) if rows else None

    async def states(self) -> dict[str, int]:
        return {
            row["state"]: row["n"] for row in await self.rows("SELECT state, count(*) AS n FROM arrivals GROUP BY 1")
        }

    def another(self) -> Intake:
        """A second worker of the same desk."""
        return Intake(self.db, self.door, self.channels, self.reader)


@pytest.fixture
async def desk(db: Database, tmp_path: Path) -> AsyncIterator[Intaking]:
    vault = Vault([b"k" * 32])
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    async with httpx.AsyncClient() as http:
        channels = Channels(db, vault, http, domain="desk.example", fresh_s=0)
        door = Door(db, vault, wake=lambda: None)
        files = FileStore(tmp_path)
        reader = Reader(channels, vault, files, zone="Europe/Moscow", sandbox=Sandbox(timeout_s=2))
        inbox = await inboxes.create(
            db, channels, vault, "plain", Wish(name="Plain", language="en"), SYSTEM, inbox_id=uuid4()
        )
        yield Intaking(db, vault, files, door, channels, reader, Intake(db, door, channels, reader), inbox.id)
        reader.close()
