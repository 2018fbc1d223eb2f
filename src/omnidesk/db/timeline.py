"""What happened on a ticket, in order: messages and notes, and the events between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx

UNTOLD = ("message.received", "message.created", "note.created", "ticket.moved")
"""Events that say nothing beside what stands in the timeline itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the timeline: the time, messages before events, then their ids."""

    at: datetime
    rank: int  # 0 a message or note, 1 an event
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: UUID
    conversation_id: UUID | None
    direction: str
    kind: str
    author: str
    identity_id: UUID | None
    agent_id: UUID | None
    author_name: str
    address: str
    subject: str
    text: str
    quoted: str
    html: str
    hints: Sequence[str]
    automatic: bool
    at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    version: int
    created_at: datetime

    @property
    def position(self) -> Position:
        return Position(at=self.at, rank=0, id=str(self.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event of the ticket; `seq` is null until it is numbered."""

    id: int
    seq: int | None
    type: str
    subject_id: UUID | None
    actor: str
    data: Mapping[str, Any]
    request_id: str | None
    at: datetime

    @property
    def position(self) -> Position:
        return Position(at=self.at, rank=1, id=str(self.id))


_MESSAGE = """
SELECT m.id, m.conversation_id, m.direction, m.kind, m.author, m.identity_id, m.agent_id,
       coalesce(a.name, nullif(i.name, ''), c.name, '') AS author_name, coalesce(i.address, '') AS address,
       m.subject, m.text, m.quoted, m.html, m.hints, m.automatic, m.at, m.edited_at, m.deleted_at,
       m.version, m.created_at
  FROM messages m
  LEFT JOIN agents a ON a.id = m.agent_id
  LEFT JOIN identities i ON i.id = m.identity_id
  LEFT JOIN contacts c ON c.id = i.contact_id
"""


async def page(
    tx: Tx, ticket_id: UUID, *, after: Position | None, descending: bool, limit: int
) -> list[Message | Happened]:
    """The next entries after a place, at most `limit`."""
    messages = await _messages(tx, ticket_id, after, descending, limit)
    events = await _events(tx, ticket_id, after, descending, limit)
    merged: list[Message | Happened] = [*messages, *events]
    merged.sort(key=_order, reverse=descending)
    return merged[:limit]


def _order(entry: Message | Happened) -> tuple[datetime, int, int]:
    return (entry.at, 0, entry.id.int) if isinstance(entry, Message) else (entry.at, 1, entry.id)


def _bound(after: Position | None, rank: int, descending: bool) -> tuple[str, datetime | None, str | None]:
    """(how an entry of this rank compares with the place, time, id): `<` or `<=` on the time, or on both."""
    if after is None:
        return "all", None, None
    if rank == after.rank:
        return "both", after.at, after.id
    beyond = rank < after.rank if descending else rank > after.rank
    return ("at_or_after" if beyond else "after"), after.at, None


async def _messages(tx: Tx, ticket_id: UUID, after: Position | None, descending: bool, limit: int) -> list[Message]:
    mode, at, last = _bound(after, 0, descending)
    rows = await tx.driver.fetch(
        f"""
        WITH wanted AS (
            (SELECT id, at FROM messages
              WHERE conversation_id IN (SELECT id FROM conversations WHERE ticket_id = $1)
                AND {_where(mode, descending)}
              ORDER BY {_by(descending)} LIMIT $4)
            UNION ALL
            (SELECT id, at FROM messages WHERE ticket_id = $1 AND {_where(mode, descending)}
              ORDER BY {_by(descending)} LIMIT $4)
        )
        {_MESSAGE} WHERE m.id IN (SELECT id FROM wanted) ORDER BY {_by(descending, "m.")} LIMIT $4
        """,  # noqa: S608 - our own words
        ticket_id,
        at,
        UUID(last) if last else None,
        limit,
    )
    return [Message(**dict(row)) for row in rows]


def _where(mode: str, descending: bool, cast: str = "uuid") -> str:
    sign = "<" if descending else ">"
    return {
        "all": f"($2::timestamptz IS NULL AND $3::{cast} IS NULL)",
        "both": f"(at, id) {sign} ($2::timestamptz, $3::{cast})",
        "after": f"(at {sign} $2::timestamptz AND $3::{cast} IS NULL)",
        "at_or_after": f"(at {sign}= $2::timestamptz AND $3::{cast} IS NULL)",
    }[mode]


def _by(descending: bool, of: str = "") -> str:
    way = " DESC" if descending else ""
    return f"{of}at{way}, {of}id{way}"


async def _events(tx: Tx, ticket_id: UUID, after: Position | None, descending: bool, limit: int) -> list[Happened]:
    mode, at, last = _bound(after, 1, descending)
    rows = await tx.driver.fetch(
        f"""
        SELECT id, seq, type, subject_id, actor, data, request_id, at FROM events
         WHERE ticket_id = $1 AND type <> ALL ($5::text[]) AND {_where(mode, descending, "int8")}
         ORDER BY {_by(descending)} LIMIT $4
        """,  # noqa: S608 - our own words
        ticket_id,
        at,
        int(last) if last else None,
        limit,
        list(UNTOLD),
    )
    return [Happened(**dict(row)) for row in rows]


async def message(tx: Tx, message_id: UUID) -> Message | None:
    row = await tx.driver.fetchrow(f"{_MESSAGE} WHERE m.id = $1", message_id)
    return Message(**dict(row)) if row else None


async def messages(tx: Tx, message_ids: Sequence[UUID]) -> list[Message]:
    """These messages, in no order."""
    rows = await tx.driver.fetch(f"{_MESSAGE} WHERE m.id = ANY($1::uuid[])", list(message_ids))
    return [Message(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    id: UUID
    message_id: UUID
    name: str
    content_type: str
    size: int
    cid: str
    state: str
    error: str | None


async def attachments(tx: Tx, message_ids: Sequence[UUID]) -> dict[UUID, list[Attachment]]:
    rows = await tx.driver.fetch(
        """
        SELECT id, message_id, name, content_type, size, cid, state, error FROM attachments
         WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, position, id
        """,
        list(message_ids),
    )
    found: dict[UUID, list[Attachment]] = {}
    for row in rows:
        found.setdefault(row["message_id"], []).append(Attachment(**dict(row)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    id: UUID
    inbox_id: UUID
    channel: str
    subject: str
    private: bool
    receives: bool
    requester_id: UUID
    last_inbound_at: datetime | None
    created_at: datetime
    participants: Sequence[Mapping[str, Any]]


async def conversations(tx: Tx, ticket_id: UUID) -> list[Conversation]:
    """A ticket's conversations with who takes part in them."""
    rows = await tx.driver.fetch(
        """
        SELECT c.id, c.inbox_id, b.channel, c.subject, c.private, c.receives, c.requester_id, c.last_inbound_at,
               c.created_at,
               coalesce((SELECT jsonb_agg(jsonb_build_object('identity_id', i.id, 'kind', i.kind, 'address', i.address,
                                          'name', i.name, 'role', p.role) ORDER BY p.role DESC, i.id)
                           FROM participants p JOIN identities i ON i.id = p.identity_id
                          WHERE p.conversation_id = c.id), '[]'::jsonb) AS participants
          FROM conversations c JOIN inboxes b ON b.id = c.inbox_id
         WHERE c.ticket_id = $1 ORDER BY c.created_at, c.id LIMIT 200
        """,
        ticket_id,
    )
    return [Conversation(**dict(row)) for row in rows]


async def ticket_of(tx: Tx, message_id: UUID) -> UUID | None:
    """The ticket that a message is on now."""
    found: UUID | None = await tx.driver.fetchval(
        """
        SELECT coalesce(m.ticket_id, c.ticket_id)
          FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id WHERE m.id = $1
        """,
        message_id,
    )
    return found
