"""Everything that is held about a person, kind by kind and page by page."""
# ruff: noqa: S608  put together from our own words

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows of one kind: $1 contacts, $2 identities, $3 the last id of the page before, $4 how many."""

    name: str
    sql: str
    nouns: Mapping[str, str]  # column -> noun of its TypeID
    key: str = "id"  # column that pages go by
    numbered: bool = False  # by numbers, else by UUIDs


_MINE = "t.requester_id = ANY($2::uuid[])"
_TALKS = "SELECT conversation_id FROM participants WHERE identity_id = ANY($2::uuid[])"
_TICKETS = f"SELECT t.id FROM tickets AS t WHERE {_MINE}"
_MESSAGES = f"""
    m.id IN (SELECT id FROM messages WHERE conversation_id IN ({_TALKS})
              UNION SELECT id FROM messages WHERE identity_id = ANY($2::uuid[])
              UNION SELECT id FROM messages WHERE ticket_id IN ({_TICKETS}))
"""
_PAGE = "ORDER BY {0} LIMIT $4"

SECTIONS = (
    Section(
        name="contact",
        sql=f"""
            SELECT id, name, language, zone, tier, note, preferred_identity_id, merged_into, created_at, updated_at
              FROM contacts WHERE id = ANY($1::uuid[]) AND cardinality($2::uuid[]) >= 0 AND id > $3
            {_PAGE.format("id")}
        """,
        nouns={"id": "contact", "preferred_identity_id": "identity", "merged_into": "contact"},
    ),
    Section(
        name="identity",
        sql=f"""
            SELECT id, contact_id, kind, realm, address, name, verified, unreachable_at, unreachable_reason, created_at
              FROM identities WHERE contact_id = ANY($1::uuid[]) AND cardinality($2::uuid[]) >= 0 AND id > $3
            {_PAGE.format("id")}
        """,
        nouns={"id": "identity", "contact_id": "contact"},
    ),
    Section(
        name="ticket",
        sql=f"""
            SELECT t.id, t.number, t.status, t.subject, t.category, t.urgency, t.language, t.channel, t.requester_id,
                   t.facts, t.created_at, t.first_reply_at, t.resolved_at, t.closed_at
              FROM tickets AS t WHERE $1::uuid[] IS NOT NULL AND t.id > $3 AND t.id IN ({_TICKETS} UNION
                   SELECT c.ticket_id FROM conversations AS c WHERE c.id IN ({_TALKS}))
            {_PAGE.format("t.id")}
        """,
        nouns={"id": "ticket", "requester_id": "identity"},
    ),
    Section(
        name="conversation",
        sql=f"""
            SELECT c.id, c.ticket_id, c.subject, c.thread_key, c.private, c.requester_id, c.created_at
              FROM conversations AS c WHERE $1::uuid[] IS NOT NULL AND c.id IN ({_TALKS}) AND c.id > $3
            {_PAGE.format("c.id")}
        """,
        nouns={"id": "conversation", "ticket_id": "ticket", "requester_id": "identity"},
    ),
    Section(
        name="message",
        sql=f"""
            SELECT m.id, m.conversation_id, m.ticket_id, m.direction, m.author, m.identity_id, m.subject, m.text,
                   m.quoted, m.html, m.at, m.edited_at, m.deleted_at, m.created_at
              FROM messages AS m WHERE $1::uuid[] IS NOT NULL AND ({_MESSAGES}) AND m.id > $3
            {_PAGE.format("m.id")}
        """,
        nouns={"id": "message", "conversation_id": "conversation", "ticket_id": "ticket", "identity_id": "identity"},
    ),
    Section(
        name="revision",
        sql=f"""
            SELECT r.id, r.message_id, r.text, r.html, r.created_at
              FROM message_revisions AS r JOIN messages AS m ON m.id = r.message_id
             WHERE $1::uuid[] IS NOT NULL AND ({_MESSAGES}) AND r.id > $3
            {_PAGE.format("r.id")}
        """,
        nouns={"id": "revision", "message_id": "message"},
    ),
    Section(
        name="file",
        sql=f"""
            SELECT a.id, a.message_id, a.name, a.content_type, a.size, encode(a.sha256, 'hex') AS sha256, a.state,
                   a.created_at
              FROM attachments AS a JOIN messages AS m ON m.id = a.message_id
             WHERE $1::uuid[] IS NOT NULL AND ({_MESSAGES}) AND a.id > $3
            {_PAGE.format("a.id")}
        """,
        nouns={"id": "attachment", "message_id": "message"},
    ),
    Section(
        name="delivery",
        sql=f"""
            SELECT d.id, d.message_id, d.state, d.error, d.sent_at, d.created_at
              FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id
             WHERE $1::uuid[] IS NOT NULL AND m.conversation_id IN ({_TALKS})
               AND (d.to_ids || d.cc_ids) && $2::uuid[] AND d.id > $3
            {_PAGE.format("d.id")}
        """,
        nouns={"id": "delivery", "message_id": "message"},
    ),
    Section(
        name="promise",
        sql=f"""
            SELECT p.id, p.ticket_id, p.kind, p.due_at, p.state, p.created_at, p.settled_at
              FROM promises AS p JOIN tickets AS t ON t.id = p.ticket_id
             WHERE $1::uuid[] IS NOT NULL AND {_MINE} AND p.id > $3
            {_PAGE.format("p.id")}
        """,
        nouns={"id": "promise", "ticket_id": "ticket"},
    ),
    Section(
        name="arrival",
        sql=f"""
            SELECT a.id, a.size, a.state, a.received_at
              FROM arrivals AS a JOIN messages AS m ON m.arrival_id = a.id
             WHERE $1::uuid[] IS NOT NULL AND m.identity_id = ANY($2::uuid[]) AND a.id > $3
            {_PAGE.format("a.id")}
        """,
        nouns={"id": "arrival"},
    ),
    Section(
        name="event",
        sql=f"""
            SELECT e.id, e.type, e.ticket_id, e.actor, e.data, e.at
              FROM events AS e
             WHERE $1::uuid[] IS NOT NULL AND e.ticket_id IN ({_TICKETS}) AND e.id > $3
            {_PAGE.format("e.id")}
        """,
        nouns={"ticket_id": "ticket"},
        numbered=True,
    ),
)


async def page(
    tx: Tx, section: Section, contact_ids: Sequence[UUID], identity_ids: Sequence[UUID], after: Any
) -> list[dict[str, Any]]:
    """The next rows of a section."""
    rows = await tx.driver.fetch(section.sql, list(contact_ids), list(identity_ids), after, PAGE)
    return [dict(row) for row in rows]
