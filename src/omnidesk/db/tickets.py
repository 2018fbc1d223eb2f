"""Tickets as they are shown: lists, one ticket, what was decided and promised; and the row that a change locks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, any_, cast, false, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from omnidesk.db import tables
from omnidesk.db.session import Tx
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import Status, Ticket

SORTS = ("created_at", "updated_at")
COUNTED = 1000
t = tables.tickets.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A ticket as lists and readers show it."""

    id: UUID
    number: str
    status: str
    status_before_spam: str | None
    subject: str
    category: str | None
    urgency: str
    language: str
    channel: str
    inbox_id: UUID | None
    requester_id: UUID
    queue_id: UUID
    assignee_id: UUID | None
    assigned_at: datetime | None
    waiting_since: datetime | None
    required: Sequence[str]
    preferred: Sequence[str]
    asked_for: Sequence[str]
    facts: Mapping[str, Any]
    attention: str | None
    level: int
    transfers: int
    chaser_count: int
    merged_into: UUID | None
    first_reply_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = [tables.tickets.c[name] for name in Row.__dataclass_fields__]


def visible(actor: Actor) -> ColumnElement[bool] | None:
    """What an actor may see, the one rule for lists, readers, search, exports and files; None: everything.

    Its twin in memory is `domain.sight.sees`, and says it in words.
    """
    rules: list[ColumnElement[bool]] = []
    if actor.inbox_ids:
        rules.append(t.inbox_id == _any(actor.inbox_ids))
    if actor.queue_ids:
        rules.append(t.queue_id == _any(actor.queue_ids))
    if actor.queues_seen is not None:
        own = t.assignee_id == actor.agent_id if actor.agent_id else false()
        rules.append(or_(t.queue_id == _any(actor.queues_seen), own))
    return and_(*rules) if rules else None


def _any(wanted: Iterable[UUID]) -> ColumnElement[Any]:
    """As one parameter, so that the statement is the same for whatever number."""
    return any_(cast(sorted(wanted), ARRAY(Uuid)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tickets; an empty sequence or None asks for nothing in particular."""

    statuses: Sequence[str] = ()
    queue_ids: Sequence[UUID] = ()
    assignee_ids: Sequence[UUID] = ()
    unassigned: bool = False  # beside `assignee_ids`: nobody's
    urgencies: Sequence[str] = ()
    channels: Sequence[str] = ()
    category: str | None = None
    number: str | None = None  # whole, or how it begins
    contact_id: UUID | None = None
    requester: str | None = None  # an address, lower case
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    attention: bool | None = None


def conditions(wanted: Filter, actor: Actor) -> list[ColumnElement[bool]]:
    """What a ticket must meet: the filter, and that the actor may see it."""
    found: list[ColumnElement[bool]] = []
    rule = visible(actor)
    if rule is not None:
        found.append(rule)
    found.append(t.status.in_(wanted.statuses) if wanted.statuses else t.status != "spam")
    for column, values in ((t.queue_id, wanted.queue_ids), (t.urgency, wanted.urgencies), (t.channel, wanted.channels)):
        if values:
            found.append(column.in_(values))
    if wanted.assignee_ids or wanted.unassigned:
        some = t.assignee_id.in_(wanted.assignee_ids) if wanted.assignee_ids else false()
        found.append(or_(some, t.assignee_id.is_(None)) if wanted.unassigned else some)
    if wanted.category is not None:
        found.append(t.category == wanted.category)
    if wanted.number is not None:
        found.append(_begins(wanted.number))
    if wanted.contact_id or wanted.requester:
        found.append(t.requester_id.in_(_identities(wanted)))
    for column, least in ((t.created_at, wanted.created_after), (t.updated_at, wanted.updated_after)):
        if least is not None:
            found.append(column > least)
    if wanted.created_before is not None:
        found.append(t.created_at < wanted.created_before)
    if wanted.attention is not None:
        found.append(t.attention.is_not(None) if wanted.attention else t.attention.is_(None))
    return found


def _begins(digits: str) -> ColumnElement[bool]:
    """Numbers that begin so, as a range of the unique index: digits are ordered alike in every collation."""
    head = digits.rstrip("9")
    return and_(t.number >= digits, t.number < head[:-1] + str(int(head[-1]) + 1)) if head else t.number >= digits


def _identities(wanted: Filter) -> Select[tuple[UUID]]:
    i = tables.identities.c
    query = select(i.id)
    if wanted.contact_id:
        query = query.where(i.contact_id == wanted.contact_id)
    if wanted.requester:
        query = query.where(i.address == wanted.requester)
    return query


async def page(
    tx: Tx,
    wanted: Filter,
    actor: Actor,
    *,
    sort: str = "updated_at",
    descending: bool = True,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Row]:
    """Visible tickets in order; spam only when its status is asked for."""
    column = tables.tickets.c[sort]
    query = select(*_COLUMNS).where(*conditions(wanted, actor))
    if after is not None:
        here, last = tuple_(column, t.id), tuple_(literal(after[0]), literal(after[1]))
        query = query.where(here < last if descending else here > last)
    order = (column.desc(), t.id.desc()) if descending else (column, t.id)
    rows = await tx.execute(query.order_by(*order).limit(limit))
    return [Row(**row) for row in rows.mappings()]


async def count(tx: Tx, wanted: Filter, actor: Actor) -> int:
    """How many there are, counting no further than a little over a thousand."""
    some = select(literal(1)).select_from(tables.tickets).where(*conditions(wanted, actor)).limit(COUNTED + 1)
    return int((await tx.execute(select(func.count()).select_from(some.subquery()))).scalar_one())


async def total(tx: Tx, wanted: Filter, actor: Actor) -> int:
    """How many there are, whatever it takes."""
    query = select(func.count()).select_from(tables.tickets).where(*conditions(wanted, actor))
    return int((await tx.execute(query)).scalar_one())


async def several(tx: Tx, ticket_ids: Sequence[UUID], actor: Actor) -> list[Row]:
    """Those of them that the actor may see, in the order in which they are named."""
    rule = visible(actor)
    query = select(*_COLUMNS).where(t.id.in_(ticket_ids), *([rule] if rule is not None else []))
    found = {row["id"]: Row(**row) for row in (await tx.execute(query)).mappings()}
    return [found[ticket_id] for ticket_id in ticket_ids if ticket_id in found]


async def read(tx: Tx, ticket_id: UUID, actor: Actor) -> Row | None:
    """One ticket, if the actor may see it."""
    rule = visible(actor)
    query = select(*_COLUMNS).where(t.id == ticket_id, *([rule] if rule is not None else []))
    row = (await tx.execute(query)).mappings().one_or_none()
    return Row(**row) if row else None


async def read_any(tx: Tx, ticket_id: UUID) -> Row:
    """One ticket that is known to exist, whoever asks: to show a change that took it out of sight."""
    return Row(**(await tx.execute(select(*_COLUMNS).where(t.id == ticket_id))).mappings().one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    identity_id: UUID
    contact_id: UUID
    kind: str
    address: str
    name: str
    verified: bool
    unreachable_reason: str | None
    language: str | None
    zone: str | None


async def requesters(tx: Tx, identity_ids: Sequence[UUID]) -> dict[UUID, Requester]:
    rows = await tx.driver.fetch(
        """
        SELECT i.id AS identity_id, i.contact_id, i.kind, i.address, coalesce(nullif(i.name, ''), c.name) AS name,
               i.verified, i.unreachable_reason, c.language, c.zone
          FROM identities i JOIN contacts c ON c.id = i.contact_id WHERE i.id = ANY($1::uuid[])
        """,
        sorted(set(identity_ids)),
    )
    return {row["identity_id"]: Requester(**dict(row)) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastMessage:
    ticket_id: UUID
    id: UUID
    direction: str
    author: str
    automatic: bool
    text: str  # its beginning
    at: datetime


async def last_messages(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, LastMessage]:
    """The newest message of each ticket that is no note, its first 200 characters."""
    rows = await tx.driver.fetch(
        """
        SELECT k.ticket_id, m.id, m.direction, m.author, m.automatic, left(m.text, 200) AS text, m.at
          FROM unnest($1::uuid[]) AS k (ticket_id)
         CROSS JOIN LATERAL (
               SELECT last.* FROM conversations c
                CROSS JOIN LATERAL (
                      SELECT id, direction, author, automatic, text, at FROM messages
                       WHERE conversation_id = c.id ORDER BY at DESC, id DESC LIMIT 1
                ) AS last
                WHERE c.ticket_id = k.ticket_id ORDER BY last.at DESC, last.id DESC LIMIT 1
         ) AS m
        """,
        list(ticket_ids),
    )
    return {row["ticket_id"]: LastMessage(**dict(row)) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    id: UUID
    kind: str
    due_at: datetime
    state: str
    calendar_id: UUID | None
    calendar_version: int | None
    arithmetic: Any
    message_id: UUID | None
    created_at: datetime
    settled_at: datetime | None
    replaced_by: UUID | None


async def promises(tx: Tx, ticket_id: UUID) -> list[Promise]:
    rows = await tx.driver.fetch(
        """
        SELECT id, kind, due_at, state, calendar_id, calendar_version, arithmetic, message_id, created_at, settled_at,
               replaced_by
          FROM promises WHERE ticket_id = $1 ORDER BY created_at, id LIMIT 200
        """,
        ticket_id,
    )
    return [Promise(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    kind: str
    ticket_id: UUID


async def links(tx: Tx, ticket_id: UUID) -> list[Link]:
    """Which tickets this one follows, repeats or doubles."""
    rows = await tx.driver.fetch(
        "SELECT kind, other_id AS ticket_id FROM ticket_links WHERE ticket_id = $1 ORDER BY kind, other_id LIMIT 50",
        ticket_id,
    )
    return [Link(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    id: UUID
    kind: str
    reason: str
    agent_id: UUID | None
    policy_version: int
    detail: Any
    created_at: datetime


async def decisions(tx: Tx, ticket_id: UUID, *, before: UUID | None, limit: int) -> list[Decision]:
    """Why it is where it is, newest first."""
    rows = await tx.driver.fetch(
        """
        SELECT id, kind, reason, agent_id, policy_version, detail, created_at FROM decisions
         WHERE ticket_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        ticket_id,
        before,
        limit,
    )
    return [Decision(**dict(row)) for row in rows]


async def has_decision(tx: Tx, ticket_id: UUID, decision_id: UUID) -> bool:
    return bool(
        await tx.driver.fetchval("SELECT true FROM decisions WHERE id = $1 AND ticket_id = $2", decision_id, ticket_id)
    )


async def agent_names(tx: Tx, agent_ids: Sequence[UUID]) -> dict[UUID, str]:
    rows = await tx.driver.fetch("SELECT id, name FROM agents WHERE id = ANY ($1)", list(agent_ids))
    return {row["id"]: row["name"] for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A ticket's row, locked until the commit."""

    ticket: Ticket
    row: Row


async def lock(tx: Tx, ticket_id: UUID, actor: Actor) -> Locked | None:
    """Lock a ticket that the actor may see."""
    rule = visible(actor)
    query = select(*_COLUMNS).where(t.id == ticket_id, *([rule] if rule is not None else []))
    found = (await tx.execute(query.with_for_update(key_share=True))).mappings().one_or_none()
    if found is None:
        return None
    row = Row(**found)
    before = Status(row.status_before_spam) if row.status_before_spam else None
    ticket = Ticket(
        id=row.id,
        status=Status(row.status),
        status_before_spam=before,
        waiting_since=row.waiting_since,
        first_reply_at=row.first_reply_at,
        resolved_at=row.resolved_at,
        closed_at=row.closed_at,
    )
    return Locked(ticket=ticket, row=row)


async def lock_all(tx: Tx, ticket_ids: Sequence[UUID]) -> None:
    """Lock several tickets in their order, before any of them is changed."""
    await tx.driver.execute(
        "SELECT FROM tickets WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", list(ticket_ids)
    )


async def save(tx: Tx, ticket: Ticket, *, now: datetime) -> None:
    """Write a ticket's step."""
    await tx.driver.execute(
        """
        UPDATE tickets SET status = $2, status_before_spam = $3, waiting_since = $4, first_reply_at = $5,
               resolved_at = $6, closed_at = $7, updated_at = $8, version = version + 1
         WHERE id = $1
        """,
        ticket.id,
        ticket.status,
        ticket.status_before_spam,
        ticket.waiting_since,
        ticket.first_reply_at,
        ticket.resolved_at,
        ticket.closed_at,
        now,
    )


async def raise_level(tx: Tx, ticket_id: UUID, level: int, now: datetime) -> None:
    """A locked ticket went up; somebody should look now."""
    await tx.driver.execute(
        "UPDATE tickets SET level = $2, attention = 'escalated', version = version + 1, updated_at = $3 WHERE id = $1",
        ticket_id,
        level,
        now,
    )


async def describe(
    tx: Tx,
    ticket_id: UUID,
    *,
    subject: str,
    category: str | None,
    urgency: str,
    language: str,
    queue_id: UUID,
    required: Sequence[str],
    preferred: Sequence[str],
    queued_at: datetime | None,
    unassign: bool,
    now: datetime,
) -> None:
    """Write what an agent says about a ticket; `queued_at` is when it came into another queue, None: it did not."""
    await tx.driver.execute(
        """
        UPDATE tickets SET subject = $2, category = $3, urgency = $4, language = $5, queue_id = $6,
               queued_at = coalesce($7, queued_at),
               assignee_id = CASE WHEN $8 THEN NULL ELSE assignee_id END,
               assigned_at = CASE WHEN $8 THEN NULL ELSE assigned_at END,
               updated_at = $9, version = version + 1, required = $10, preferred = $11
         WHERE id = $1
        """,
        ticket_id,
        subject,
        category,
        urgency,
        language,
        queue_id,
        queued_at,
        unassign,
        now,
        list(required),
        list(preferred),
    )


async def is_member(tx: Tx, queue_id: UUID, agent_id: UUID) -> bool:
    return bool(
        await tx.driver.fetchval(
            "SELECT true FROM queue_agents WHERE queue_id = $1 AND agent_id = $2", queue_id, agent_id
        )
    )
