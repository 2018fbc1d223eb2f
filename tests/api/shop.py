"""A shop whose program is told by webhooks: its key, its receiver, and time that is moved by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from omnidesk.channels import outgoing
from omnidesk.db.session import Database
from omnidesk.desk import feed
from omnidesk.desk.deliver import Deliverer
from omnidesk.desk.owners import Owners
from omnidesk.desk.webhook_calls import LIMITS, Webhooks
from omnidesk.desk.webhook_feed import tell_batch
from tests.api.conftest import SITE, Desk
from tests.receiver import Receiver, receiver

BLIND = {"if-match": "*"}


@dataclass
class Shop:
    """A program of the shop's: its key, its webhook and the receiver behind it."""

    desk: Desk
    api: httpx.AsyncClient
    receiver: Receiver
    deliverer: Deliverer
    webhook: str = ""

    async def subscribe(self, **wish: Any) -> dict[str, Any]:
        made = await self.api.post("/v1/webhooks", json={"url": self.receiver.url, **wish})
        assert made.status_code == 201, made.text
        self.webhook = made.json()["id"]
        self.receiver.secrets.append(made.json()["secret"])
        return dict(made.json())

    async def changes(self, ticket: str, urgency: str = "high") -> None:
        changed = await self.api.patch(f"/v1/tickets/{ticket}", json={"urgency": urgency}, headers=BLIND)
        assert changed.status_code == 200, changed.text

    async def tell(self) -> int:
        """Number what happened and queue the calls; how many wait."""
        while await feed.number_batch(self.desk.db):
            pass
        while await tell_batch(self.desk.db, Owners()):
            pass
        return await self.desk.count("outbox WHERE state IN ('queued','deferred')")

    async def deliver(self) -> None:
        """Make calls until nothing more is due."""
        await self.tell()
        while await self.deliverer.deliver_once():
            pass

    async def log(self, **query: str) -> list[dict[str, Any]]:
        found = await self.api.get(f"/v1/webhooks/{self.webhook}/deliveries", params=query)
        assert found.status_code == 200, found.text
        return list(found.json()["data"])

    async def read(self) -> dict[str, Any]:
        return dict((await self.api.get(f"/v1/webhooks/{self.webhook}")).json())

    async def later(self, **time: float) -> None:
        await later(self.desk.db, timedelta(**time))

    async def events(self, kind: str) -> list[dict[str, Any]]:
        async with self.desk.db.connection() as tx:
            return [dict(row) for row in await tx.driver.fetch("SELECT * FROM events WHERE type = $1", kind)]


async def later(db: Database, ago: timedelta) -> None:
    """So much time passes for whatever goes by the database's clock."""
    async with db.transaction() as tx:
        for table, columns in {
            "outbox": ("due_at", "tried_at", "until", "done_at"),
            "circuits": ("open_until", "probing_until"),
            "webhooks": ("failing_since", "failed_at", "old_secret_until"),
            "webhook_deliveries": ("created_at", "done_at"),
        }.items():
            changes = ", ".join(f"{name} = {name} - $1::interval" for name in columns)
            await tx.driver.execute(f"UPDATE {table} SET {changes}", ago)


@asynccontextmanager
async def calling(desk: Desk, **more: Any) -> AsyncIterator[Deliverer]:
    async with outgoing.client(loopback=True) as http:
        kind = Webhooks(desk.db, desk.parts.vault, http, SITE, **more)
        yield Deliverer(desk.db, {"webhook": kind}, **LIMITS)


@pytest.fixture
async def shop(desk: Desk) -> AsyncIterator[Shop]:
    settings = replace(desk.parts.settings, loopback=True)
    desk.app.state.parts = replace(desk.parts, settings=settings)
    async with receiver() as program, calling(desk, within_s=0.5) as deliverer:
        yield Shop(desk, await desk.key(), program, deliverer)
