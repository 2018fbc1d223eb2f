"""A small desk for tests of routing and timers: queues, agents and tickets put straight into the tables."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.session import Database
from omnidesk.domain import ids
from omnidesk.domain.people import Actor, Role

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


class Floor:
    """`now` is moved by hand; whoever is online is seen all the time, unless a test says otherwise."""

    def __init__(self, db: Database) -> None:
        self.db, self.now = db, MONDAY
        self._n = 0

    def id(self) -> UUID:
        self._n += 1
        return ids.uuid7(int(self.now.timestamp() * 1000), self._n.to_bytes(10, "big"))

    def later(self, **step: float) -> None:
        self.now += timedelta(**step)

    async def put(self, table: str, **values: Any) -> UUID:
        key = self.id()
        async with self.db.transaction() as tx:
            await tx.execute(tables.metadata.tables[table].insert().values(id=key, **values))
        return key

    async def queue(self, name: str, week: str = "24/7", **values: Any) -> UUID:
        calendar = await self.put("calendars", name=name, hours={"zone": "UTC", "week": week})
        return await self.put("queues", name=name, calendar_id=calendar, **values)

    async def agent(self, name: str, *skills: str, status: str = "online", **values: Any) -> UUID:
        times = {"status_since": self.now, "seen_at": self.now + timedelta(days=1)}
        person = {"email": f"{name.lower()}@desk.example", "name": name, "status": status, **times, **values}
        return await self.put("agents", skills=dict.fromkeys(skills, 1), **person)

    async def customer(self, name: str) -> UUID:
        contact = await self.put("contacts", name=name)
        address = f"{name.lower()}{self._n}@example.org"
        return await self.put("identities", kind="email", address=address, contact_id=contact)

    async def ticket(self, queue: UUID, *, by: UUID | None = None, **values: Any) -> UUID:
        by = by or await self.customer("Ivan")
        times = {"created_at": self.now, "updated_at": self.now, "waiting_since": self.now}
        values = {"channel": "email", **times, **values}
        return await self.put("tickets", number=f"N{self._n}", requester_id=by, queue_id=queue, **values)

    async def row(self, table: str, key: UUID) -> dict[str, Any]:
        async with self.db.connection() as tx:
            row = await tx.driver.fetchrow(f"SELECT * FROM {table} WHERE id = $1", key)
        assert row is not None
        return dict(row)

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.db.connection() as tx:
            return [tuple(row) for row in await tx.driver.fetch(sql, *values)]

    async def change(self, sql: str, *values: Any) -> None:
        async with self.db.connection() as tx:
            await tx.driver.execute(sql, *values)

    async def holder(self, ticket: UUID) -> UUID | None:
        found: UUID | None = (await self.row("tickets", ticket))["assignee_id"]
        return found

    async def events(self, ticket: UUID | None = None) -> list[tuple[str, dict[str, Any]]]:
        sql = "SELECT type, data FROM events WHERE $1::uuid IS NULL OR ticket_id = $1 ORDER BY id"
        return [(kind, data) for kind, data in await self.rows(sql, ticket)]

    async def reasons(self, ticket: UUID) -> list[tuple[str, str]]:
        sql = "SELECT kind, reason FROM decisions WHERE ticket_id = $1 ORDER BY id"
        return [(kind, reason) for kind, reason in await self.rows(sql, ticket)]


def acting(agent: UUID, role: Role = Role.AGENT) -> Actor:
    return Actor(kind="agent", id=agent, agent_id=agent, role=role)
