"""The desk's configuration as intake needs it, and its settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    id: UUID
    name: str
    match: str
    position: int
    calendar_id: UUID
    reply_days: int
    is_default: bool


async def queues(tx: Tx) -> Sequence[QueueRow]:
    """Queues that take tickets, in the order in which their rules are asked."""
    rows = await tx.driver.fetch(
        """
        SELECT id, name, match, position, calendar_id, reply_days, is_default FROM queues
         WHERE archived_at IS NULL ORDER BY position, created_at, id
        """
    )
    return [QueueRow(**dict(row)) for row in rows]


async def setting(tx: Tx, name: str) -> Any:
    return await tx.driver.fetchval("SELECT value FROM settings WHERE name = $1", name)


async def put_setting(tx: Tx, name: str, value: Any) -> None:
    """Write a setting, whatever stood there."""
    await tx.driver.execute(
        """
        INSERT INTO settings (name, value) VALUES ($1, $2::jsonb)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """,
        name,
        json.dumps(value),
    )


async def make_setting(tx: Tx, name: str, value: Any) -> Any:
    """Write a setting unless it is there; returns what stands there now."""
    await tx.driver.execute(
        "INSERT INTO settings (name, value) VALUES ($1, $2::jsonb) ON CONFLICT (name) DO NOTHING",
        name,
        json.dumps(value),
    )
    return await setting(tx, name)


async def insert_first_queue(tx: Tx, queue_id: UUID, name: str, calendar_id: UUID) -> None:
    """The queue for everything that no rule takes; who writes again is kept for whoever served him, for a moment."""
    await tx.driver.execute(
        "INSERT INTO queues (id, name, calendar_id, is_default, steps) VALUES ($1, $2, $3, true, $4::jsonb)",
        queue_id,
        name,
        calendar_id,
        json.dumps([{"for": "2m", "agent": "last"}]),
    )
