"""Promises: the dates that customers were told."""

import json
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A ticket and when its customer heard from us last."""

    ticket_id: UUID
    number: str
    status: str
    merged_into: UUID | None
    heard_at: datetime | None  # None: we never wrote to him
    promised_for: datetime | None  # the nearest open date that is still ahead
    reminded: bool  # that we wait for his answer, since an agent wrote to him last


async def silences(tx: Tx, ticket_ids: Sequence[UUID], now: datetime) -> list[Silence]:
    rows = await tx.driver.fetch(
        """
        SELECT t.id AS ticket_id, t.number, t.status, t.merged_into,
               (SELECT max(m.at) FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
                 WHERE c.ticket_id = t.id AND m.direction = 'out') AS heard_at,
               (SELECT min(p.due_at) FROM promises AS p
                 WHERE p.ticket_id = t.id AND p.state = 'open' AND p.due_at > $2) AS promised_for,
               coalesce(t.reminded_at >= coalesce(t.last_outbound_at, t.created_at), false) AS reminded
          FROM tickets AS t WHERE t.id = ANY ($1) ORDER BY t.id
        """,
        list(ticket_ids),
        now,
    )
    return [Silence(**dict(row)) for row in rows]


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


async def reminded(tx: Tx, ticket_id: UUID, now: datetime) -> None:
    """A locked ticket's customer was told just now that we wait for him; whoever told him has raised its version."""
    await tx.driver.execute("UPDATE tickets SET reminded_at = $2 WHERE id = $1", ticket_id, now)


async def stalled(tx: Tx, ticket_id: UUID, now: datetime) -> None:
    """Ask an agent to look at a locked ticket on which nothing happens, unless something else asks already."""
    await tx.driver.execute(
        """
        UPDATE tickets SET attention = coalesce(attention, 'stalled'), version = version + 1, updated_at = $2
         WHERE id = $1
        """,
        ticket_id,
        now,
    )
