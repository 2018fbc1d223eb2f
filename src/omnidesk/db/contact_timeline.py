"""What a person and the desk said to each other: over all addresses and tickets, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, select, tuple_, union_all

from omnidesk.db import tables, tickets
from omnidesk.db.session import Tx
from omnidesk.domain.people import Actor

m = tables.messages.c
t = tables.tickets.c
v = tables.conversations.c
i = tables.identities.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message or note (rank 1), or (rank 0) that a ticket began."""

    at: datetime
    rank: int
    id: UUID
    ticket_id: UUID


async def page(
    tx: Tx, contact_id: UUID, actor: Actor, *, after: tuple[datetime, int, UUID] | None, limit: int
) -> list[Entry]:
    """The next entries of the visible tickets in which the person takes part, newest first."""
    own = select(i.id).where(i.contact_id == contact_id)
    rule = tickets.visible(actor)
    seen = [] if rule is None else [rule]
    talks = (
        select(v.id, v.ticket_id)
        .join(tables.tickets, t.id == v.ticket_id)
        .where(
            v.id.in_(select(tables.participants.c.conversation_id).where(tables.participants.c.identity_id.in_(own))),
            *seen,
        )
        .cte("talks")
        .prefix_with("MATERIALIZED")
    )
    asked = select(t.id, t.created_at).where(t.requester_id.in_(own), *seen).cte("asked").prefix_with("MATERIALIZED")
    said = select(m.at, literal(1).label("rank"), m.id, talks.c.ticket_id).join(talks, talks.c.id == m.conversation_id)
    noted = select(m.at, literal(1).label("rank"), m.id, asked.c.id.label("ticket_id")).join(
        asked, asked.c.id == m.ticket_id
    )
    strays = (  # what he wrote into talks of others, by their reference or token
        select(m.at, literal(1).label("rank"), m.id, v.ticket_id)
        .join(tables.conversations, v.id == m.conversation_id)
        .join(tables.tickets, t.id == v.ticket_id)
        .where(m.identity_id.in_(own), m.conversation_id.not_in(select(talks.c.id)), *seen)
    )
    begun = select(asked.c.created_at.label("at"), literal(0).label("rank"), asked.c.id, asked.c.id.label("ticket_id"))
    some = [
        _newest(said, m.at, m.id, 1, after, limit),
        _newest(strays, m.at, m.id, 1, after, limit),
        _newest(noted, m.at, m.id, 1, after, limit),
        _newest(begun, asked.c.created_at, asked.c.id, 0, after, limit),
    ]
    every = union_all(*[select(each.subquery()) for each in some]).subquery()
    order = (every.c.at.desc(), every.c.rank.desc(), every.c.id.desc())
    rows = await tx.execute(select(every).order_by(*order).limit(limit))
    return [Entry(**row) for row in rows.mappings()]


def _newest(
    query: Select[tuple[datetime, int, UUID, UUID]],
    at: ColumnElement[datetime],
    key: ColumnElement[UUID],
    rank: int,
    after: tuple[datetime, int, UUID] | None,
    limit: int,
) -> Select[tuple[datetime, int, UUID, UUID]]:
    """Its newest rows behind that place."""
    if after is not None:
        here = tuple_(at, literal(rank), key)
        query = query.where(here < tuple_(literal(after[0]), literal(after[1]), literal(after[2])))
    return query.order_by(at.desc(), key.desc()).limit(limit)


async def numbers(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, tuple[str, str, str]]:
    """(number, subject, status) of these tickets."""
    rows = await tx.driver.fetch(
        "SELECT id, number, subject, status FROM tickets WHERE id = ANY($1::uuid[])", list(ticket_ids)
    )
    return {row["id"]: (row["number"], row["subject"], row["status"]) for row in rows}
