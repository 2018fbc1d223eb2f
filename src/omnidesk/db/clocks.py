"""Clocks: what is left of the time that was agreed, ticket by ticket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk, Write
from omnidesk.db.session import Tx
from omnidesk.domain.clocks import Clock

MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A clock with the calendar that it counts by, and the policy that its target is from."""

    clock: Clock
    calendar_id: UUID
    policy_version: int
    hours: dict[str, Any]
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What the terms of a ticket depend on, and the calendar of its queue."""

    ticket_id: UUID
    channel: str
    category: str | None
    urgency: str
    tier: str | None
    calendar_id: UUID
    hours: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A due clock's ticket, and who has it."""

    ticket_id: UUID
    queue_id: UUID
    assignee_id: UUID | None


_COLUMNS = """
       c.id, c.ticket_id, c.kind, c.target_ms, c.started_at, c.runs_since, c.paused_at, c.consumed_ms, c.state,
       c.warned, c.settled_at, c.calendar_id, c.policy_version, c.due_at, k.hours
"""


def _stored(row: Any) -> Stored:
    clock = Clock(
        id=row["id"],
        ticket_id=row["ticket_id"],
        kind=row["kind"],
        target=row["target_ms"] * MS,
        started_at=row["started_at"],
        runs_since=row["runs_since"],
        paused_at=row["paused_at"],
        consumed=row["consumed_ms"] * MS,
        state=row["state"],
        warned=row["warned"],
        settled_at=row["settled_at"],
    )
    return Stored(
        clock=clock,
        calendar_id=row["calendar_id"],
        policy_version=row["policy_version"],
        hours=row["hours"],
        due_at=row["due_at"],
    )


async def of_tickets(tx: Tx, ticket_ids: Sequence[UUID], *, all_of_them: bool = False) -> list[Stored]:
    """The clocks of tickets that still go, and those of their solutions; or all of them, oldest first."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM clocks AS c JOIN calendars AS k ON k.id = c.calendar_id
         WHERE c.ticket_id = ANY ($1) AND ($2 OR c.settled_at IS NULL OR c.kind = 'resolution')
         ORDER BY c.started_at, c.id
        """,  # noqa: S608 - our own words
        list(ticket_ids),
        all_of_them,
    )
    return [_stored(row) for row in rows]


async def by_ids(tx: Tx, clock_ids: Sequence[UUID]) -> list[Stored]:
    """Clocks that still go."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM clocks AS c JOIN calendars AS k ON k.id = c.calendar_id
         WHERE c.id = ANY ($1) AND c.settled_at IS NULL ORDER BY c.id
        """,  # noqa: S608 - our own words
        list(clock_ids),
    )
    return [_stored(row) for row in rows]


async def grounds(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, Grounds]:
    rows = await tx.driver.fetch(
        """
        SELECT t.id AS ticket_id, t.channel, t.category, t.urgency, p.tier, q.calendar_id, k.hours
          FROM tickets AS t JOIN queues AS q ON q.id = t.queue_id JOIN calendars AS k ON k.id = q.calendar_id
          JOIN identities AS i ON i.id = t.requester_id JOIN contacts AS p ON p.id = i.contact_id
         WHERE t.id = ANY ($1)
        """,
        list(ticket_ids),
    )
    return {row["ticket_id"]: Grounds(**dict(row)) for row in rows}


_WRITTEN = Bulk(
    tables.clocks,
    *("id", "ticket_id", "kind", "calendar_id", "policy_version", "target_ms", "state", "started_at", "runs_since"),
    *("paused_at", "due_at", "consumed_ms", "warned", "settled_at"),
)
_AGAIN = """
ON CONFLICT (id) DO UPDATE SET policy_version = excluded.policy_version, target_ms = excluded.target_ms,
   state = excluded.state, runs_since = excluded.runs_since, paused_at = excluded.paused_at,
   due_at = excluded.due_at, consumed_ms = excluded.consumed_ms, warned = excluded.warned,
   settled_at = excluded.settled_at
"""


def new(clocks: Sequence[Stored]) -> Write:
    """The clocks of new tickets."""
    return Write(_WRITTEN, _rows(clocks))


async def write(tx: Tx, clocks: Sequence[Stored]) -> None:
    """Write clocks, new ones and changed ones. Their tickets are locked."""
    await _WRITTEN.insert(tx, _rows(clocks), conflict=_AGAIN)


def _rows(clocks: Sequence[Stored]) -> list[tuple[Any, ...]]:
    return [
        (
            *(one.clock.id, one.clock.ticket_id, one.clock.kind, one.calendar_id, one.policy_version),
            *(one.clock.target // MS, one.clock.state, one.clock.started_at, one.clock.runs_since),
            *(one.clock.paused_at, one.due_at, one.clock.consumed // MS, one.clock.warned, one.clock.settled_at),
        )
        for one in clocks
    ]


async def lock_free(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, Watched]:
    """Lock those of these tickets that nobody uses right now."""
    rows = await tx.driver.fetch(
        """
        SELECT id AS ticket_id, queue_id, assignee_id FROM tickets
         WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        """,
        list(ticket_ids),
    )
    return {row["ticket_id"]: Watched(**dict(row)) for row in rows}


async def leaders(tx: Tx, queue_ids: Sequence[UUID]) -> dict[UUID, dict[str, list[UUID]]]:
    """Who leads each queue: its own `senior` agents, and its `supervisor`s, else those of the whole desk."""
    rows = await tx.driver.fetch(
        """
        SELECT q.id AS queue_id, a.id AS agent_id, a.role, m.agent_id IS NOT NULL AS own
          FROM unnest($1::uuid[]) AS q (id) CROSS JOIN agents AS a
          LEFT JOIN queue_agents AS m ON m.queue_id = q.id AND m.agent_id = a.id
         WHERE a.disabled_at IS NULL
               AND (a.role IN ('supervisor', 'admin') OR (a.role = 'senior' AND m.agent_id IS NOT NULL))
         ORDER BY q.id, a.role = 'admin', a.status <> 'online', a.id
        """,
        list(queue_ids),
    )
    found: dict[UUID, dict[str, list[UUID]]] = {queue: {"senior": [], "supervisor": []} for queue in queue_ids}
    for queue in queue_ids:
        bosses = [row for row in rows if row["queue_id"] == queue and row["role"] in ("supervisor", "admin")]
        own = [row for row in bosses if row["own"]]
        pure = [row for row in bosses if row["role"] == "supervisor"]
        found[queue]["supervisor"] = [row["agent_id"] for row in own or pure or bosses]
        found[queue]["senior"] = [
            row["agent_id"] for row in rows if row["queue_id"] == queue and row["role"] == "senior"
        ]
    return found


async def draw_attention(tx: Tx, warned: Sequence[UUID], breached: Sequence[UUID], now: datetime) -> None:
    """Locked tickets whose clocks ran far: a breach is said over anything but a lost answer, a warning alone."""
    await tx.driver.execute(
        """
        UPDATE tickets SET attention = CASE WHEN attention LIKE 'delivery_%' THEN attention
                                            WHEN id = ANY ($2) THEN 'sla_breached'
                                            ELSE coalesce(attention, 'sla_warning') END,
               updated_at = $3, version = version + 1
         WHERE id = ANY ($1)
        """,
        [*warned, *breached],
        list(breached),
        now,
    )
