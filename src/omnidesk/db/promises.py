"""Promises: the dates that customers were told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """By which calendar a ticket's dates are counted and told, and in which language."""

    calendar_id: UUID
    calendar_version: int
    hours: dict[str, Any]
    reply_days: int
    language: str


async def counting(tx: Tx, ticket_id: UUID) -> Counting | None:
    row = await tx.driver.fetchrow(
        """
        SELECT c.id AS calendar_id, c.version AS calendar_version, c.hours, q.reply_days, t.language
          FROM tickets AS t JOIN queues AS q ON q.id = t.queue_id JOIN calendars AS c ON c.id = q.calendar_id
         WHERE t.id = $1
        """,
        ticket_id,
    )
    return Counting(**dict(row)) if row else None


async def make(
    tx: Tx,
    promise_id: UUID,
    ticket_id: UUID,
    *,
    kind: str,
    due_at: datetime,
    counted: Counting,
    arithmetic: Mapping[str, Any],
    message_id: UUID,
    at: datetime,
) -> list[UUID]:
    """Write a promise of a locked ticket; those that were open, and are replaced by it."""
    await tx.driver.execute(
        """
        INSERT INTO promises (id, ticket_id, kind, due_at, calendar_id, calendar_version, arithmetic, message_id,
                              created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)
        """,
        promise_id,
        ticket_id,
        kind,
        due_at,
        counted.calendar_id,
        counted.calendar_version,
        json.dumps(arithmetic, ensure_ascii=False),
        message_id,
        at,
    )
    rows = await tx.driver.fetch(
        """
        UPDATE promises SET state = 'renegotiated', settled_at = $3, replaced_by = $2
         WHERE ticket_id = $1 AND id <> $2 AND state = 'open' RETURNING id
        """,
        ticket_id,
        promise_id,
        at,
    )
    return [row["id"] for row in rows]
