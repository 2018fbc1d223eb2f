"""What became of what we sent, step by step, and what of it needs a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, tuple_

from omnidesk.db import tables, tickets
from omnidesk.db.session import Tx
from omnidesk.domain.people import Actor

TROUBLED = ("unknown", "rejected", "bounced")  # as the partial index says it
d = tables.deliveries.c
v = tables.conversations.c
t = tables.tickets.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A delivery that read differently from then on."""

    delivery_id: UUID
    at: datetime
    before: str
    state: str
    reason: str | None
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One provider call of a delivery, as it stands."""

    delivery_id: UUID
    state: str
    attempts: int
    due_at: datetime
    done_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """A delivery that failed or is in doubt, and where it belongs."""

    id: UUID
    message_id: UUID
    conversation_id: UUID
    ticket_id: UUID
    number: str
    assignee_id: UUID | None
    state: str
    error: str | None
    created_at: datetime
    updated_at: datetime


async def steps(tx: Tx, ticket_id: UUID, delivery_ids: Sequence[UUID]) -> list[Step]:
    """In their order; also those told while the conversation was on another ticket, by a merger."""
    rows = await tx.driver.fetch(
        """
        SELECT subject_id AS delivery_id, at, coalesce(data->>'from', '') AS before, data->>'to' AS state,
               data->>'reason' AS reason, actor
          FROM events
         WHERE type = 'delivery.changed' AND subject_id = ANY($2::uuid[])
           AND ticket_id IN (SELECT $1::uuid UNION SELECT source_id FROM merges WHERE survivor_id = $1
                              UNION SELECT survivor_id FROM merges WHERE source_id = $1)
         ORDER BY id
        """,
        ticket_id,
        list(delivery_ids),
    )
    return [Step(**dict(row)) for row in rows]


async def calls(tx: Tx, delivery_ids: Sequence[UUID]) -> list[Call]:
    """In the order in which they are made; those that ended long ago are no longer kept."""
    rows = await tx.driver.fetch(
        """
        SELECT subject_id AS delivery_id, state, attempts, due_at, done_at, error FROM outbox
         WHERE subject_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(delivery_ids),
    )
    return [Call(**dict(row)) for row in rows]


async def troubled(
    tx: Tx, actor: Actor, *, states: Sequence[str], after: tuple[datetime, UUID] | None, limit: int
) -> list[Troubled]:
    """Deliveries of visible tickets that failed or are in doubt, those that changed last first."""
    columns: list[Any] = [
        *(d.id, d.message_id, d.conversation_id, t.id.label("ticket_id"), t.number, t.assignee_id, d.state, d.error),
        *(d.created_at, d.updated_at),
    ]
    query = (
        select(*columns)
        .join(tables.conversations, v.id == d.conversation_id)
        .join(tables.tickets, t.id == v.ticket_id)
        .where(d.state.in_([literal(state, literal_execute=True) for state in TROUBLED]), t.status != "spam")
    )
    if set(states) != set(TROUBLED):
        query = query.where(d.state.in_(states))
    rule = tickets.visible(actor)
    if rule is not None:
        query = query.where(rule)
    if after is not None:
        query = query.where(tuple_(d.updated_at, d.id) < tuple_(literal(after[0]), literal(after[1])))
    rows = await tx.execute(query.order_by(d.updated_at.desc(), d.id.desc()).limit(limit))
    return [Troubled(**row) for row in rows.mappings()]
