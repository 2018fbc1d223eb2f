"""Queues: where tickets wait, and whose they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    id: UUID
    name: str
    position: int
    match: str
    require: Sequence[str]
    prefer: Sequence[str]
    steps: Sequence[Mapping[str, Any]]
    calendar_id: UUID
    reply_days: int
    is_default: bool
    needs_handoff: bool
    archived_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    agent_ids: Sequence[UUID]


_OWN = [name for name in Queue.__dataclass_fields__ if name != "agent_ids"]
_COLUMNS = ", ".join(
    [
        *(f"q.{name}" for name in _OWN),
        "ARRAY(SELECT agent_id FROM queue_agents m WHERE m.queue_id = q.id ORDER BY agent_id) AS agent_ids",
    ]
)


async def insert(tx: Tx, queue: Queue) -> None:
    """Write a new queue; its members are set apart."""
    await tx.driver.execute(
        """
        INSERT INTO queues (id, name, position, match, require, prefer, steps, calendar_id, reply_days, is_default,
                            created_at, updated_at, needs_handoff)
        VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11, $11, $12)
        """,
        queue.id,
        queue.name,
        queue.position,
        queue.match,
        list(queue.require),
        list(queue.prefer),
        json.dumps(list(queue.steps), ensure_ascii=False),
        queue.calendar_id,
        queue.reply_days,
        queue.is_default,
        queue.created_at,
        queue.needs_handoff,
    )


async def update(tx: Tx, queue: Queue, *, now: datetime) -> None:
    await tx.driver.execute(
        """
        UPDATE queues SET name = $2, position = $3, match = $4, require = $5, prefer = $6, steps = $7::jsonb,
               calendar_id = $8, reply_days = $9, is_default = $10, archived_at = $11, version = version + 1,
               updated_at = $12, needs_handoff = $13
         WHERE id = $1
        """,
        queue.id,
        queue.name,
        queue.position,
        queue.match,
        list(queue.require),
        list(queue.prefer),
        json.dumps(list(queue.steps), ensure_ascii=False),
        queue.calendar_id,
        queue.reply_days,
        queue.is_default,
        queue.archived_at,
        now,
        queue.needs_handoff,
    )


async def read(tx: Tx, queue_id: UUID, *, lock: bool = False) -> Queue | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_COLUMNS} FROM queues q WHERE q.id = $1 {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own columns
        queue_id,
    )
    return Queue(**dict(row)) if row else None


async def page(
    tx: Tx, *, limit: int, after: tuple[int, UUID] | None = None, archived: bool | None = False
) -> list[Queue]:
    """In the order in which their rules are asked; `archived` None shows those, too."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM queues q
         WHERE ($1::int IS NULL OR (q.position, q.id) > ($1, $2))
           AND ($3::bool IS NULL OR (q.archived_at IS NOT NULL) = $3)
         ORDER BY q.position, q.id LIMIT $4
        """,  # noqa: S608 - our own columns
        after[0] if after else None,
        after[1] if after else None,
        archived,
        limit,
    )
    return [Queue(**dict(row)) for row in rows]


async def name_taken(tx: Tx, name: str, except_id: UUID | None = None) -> bool:
    found = await tx.driver.fetchval(
        "SELECT true FROM queues WHERE name = $1 AND id IS DISTINCT FROM $2::uuid", name, except_id
    )
    return bool(found)


async def names(tx: Tx) -> dict[str, UUID]:
    return {row["name"]: row["id"] for row in await tx.driver.fetch("SELECT id, name FROM queues")}


async def names_of(tx: Tx, queue_ids: Sequence[UUID]) -> dict[UUID, str]:
    rows = await tx.driver.fetch("SELECT id, name FROM queues WHERE id = ANY ($1)", list(queue_ids))
    return {row["id"]: row["name"] for row in rows}


async def has_calendar(tx: Tx, calendar_id: UUID) -> bool:
    return bool(await tx.driver.fetchval("SELECT true FROM calendars WHERE id = $1", calendar_id))


async def clear_default(tx: Tx, now: datetime) -> None:
    """No queue is the default one, until the next statement makes one."""
    await tx.driver.execute(
        "UPDATE queues SET is_default = false, version = version + 1, updated_at = $1 WHERE is_default", now
    )


async def set_members(tx: Tx, queue_id: UUID, agent_ids: Sequence[UUID]) -> None:
    wanted = sorted(set(agent_ids))
    await tx.driver.execute(
        "DELETE FROM queue_agents WHERE queue_id = $1 AND NOT agent_id = ANY($2::uuid[])", queue_id, wanted
    )
    await tx.driver.execute(
        "INSERT INTO queue_agents (queue_id, agent_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        queue_id,
        wanted,
    )


async def unknown(tx: Tx, queue_ids: Sequence[UUID]) -> list[UUID]:
    """Those that do not exist or are archived."""
    rows = await tx.driver.fetch(
        "SELECT id FROM queues WHERE id = ANY($1::uuid[]) AND archived_at IS NULL", list(queue_ids)
    )
    known = {row["id"] for row in rows}
    return [one for one in queue_ids if one not in known]


async def bump(tx: Tx, table: str, ids: Sequence[UUID], *, now: datetime) -> None:
    """A change of membership shows on both sides: their versions rise."""
    assert table in {"agents", "queues"}
    await tx.driver.execute(
        f"UPDATE {table} SET version = version + 1, updated_at = $2 WHERE id = ANY($1::uuid[])",  # noqa: S608 - one of two
        list(ids),
        now,
    )
