"""What a reply reads and writes of its ticket, beside the message itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx
from omnidesk.domain.tickets import Status, Ticket

ASKING_FOR_AN_ANSWER = [
    "sla_warning",
    "sla_breached",
    "promise_broken",
    "chaser",
    "escalated",
    "stalled",
    "message_not_changed",
]
"""Why a ticket asks for attention until somebody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A ticket, locked."""

    ticket: Ticket
    number: str
    subject: str
    language: str
    merged_into: UUID | None
    queue_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    id: UUID
    inbox_id: UUID
    thread_key: str
    token: str
    subject: str
    requester_id: UUID
    private: bool
    heard: bool  # somebody wrote in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An identity that a reply may go to."""

    id: UUID
    kind: str
    realm: str
    address: str
    name: str
    reachable: bool
    ours: bool  # one of the desk's own addresses


async def lock_ticket(tx: Tx, ticket_id: UUID) -> Head | None:
    row = await tx.driver.fetchrow(
        """
        SELECT id, number, subject, language, merged_into, queue_id, status, status_before_spam, waiting_since,
               first_reply_at, resolved_at, closed_at
          FROM tickets WHERE id = $1 FOR NO KEY UPDATE
        """,
        ticket_id,
    )
    if row is None:
        return None
    before = row["status_before_spam"]
    return Head(
        ticket=Ticket(
            id=row["id"],
            status=Status(row["status"]),
            status_before_spam=Status(before) if before else None,
            waiting_since=row["waiting_since"],
            first_reply_at=row["first_reply_at"],
            resolved_at=row["resolved_at"],
            closed_at=row["closed_at"],
        ),
        number=row["number"],
        subject=row["subject"],
        language=row["language"],
        merged_into=row["merged_into"],
        queue_id=row["queue_id"],
    )


async def conversations(tx: Tx, ticket_id: UUID) -> list[Conversation]:
    """The conversations of a locked ticket: with the requester's preferred identity first, then as they were heard."""
    rows = await tx.driver.fetch(
        """
        SELECT id, inbox_id, thread_key, token, subject, requester_id, private,
               last_inbound_at IS NOT NULL OR EXISTS (SELECT FROM messages AS m
                  WHERE m.conversation_id = c.id AND m.direction = 'in') AS heard
          FROM conversations AS c WHERE ticket_id = $1
         ORDER BY EXISTS (SELECT FROM identities AS i JOIN contacts AS p ON p.id = i.contact_id
                           WHERE i.id = c.requester_id AND p.preferred_identity_id = i.id) DESC,
                  last_inbound_at DESC NULLS LAST, id DESC
        """,
        ticket_id,
    )
    return [Conversation(**dict(row)) for row in rows]


_PERSON = """
    SELECT i.id, i.kind, i.realm, i.address, i.name, i.unreachable_at IS NULL AS reachable,
           i.kind = 'email' AND EXISTS (SELECT FROM inbox_addresses AS o WHERE o.address = i.address) AS ours
"""


async def participants(tx: Tx, conversation: Conversation) -> list[Person]:
    """The requester first, then everybody else in the conversation, by the time that they joined."""
    rows = await tx.driver.fetch(
        f"""
        {_PERSON} FROM identities AS i
          LEFT JOIN participants AS p ON p.identity_id = i.id AND p.conversation_id = $1
         WHERE i.id = $2 OR p.conversation_id IS NOT NULL
         ORDER BY i.id <> $2, p.created_at, i.id
        """,
        conversation.id,
        conversation.requester_id,
    )
    return [Person(**dict(row)) for row in rows]


async def people(tx: Tx, ids: Sequence[UUID]) -> list[Person]:
    """These identities, in this order; unknown ids are left out."""
    rows = await tx.driver.fetch(
        f"""
        {_PERSON} FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) JOIN identities AS i USING (id) ORDER BY n
        """,
        list(dict.fromkeys(ids)),
    )
    return [Person(**dict(row)) for row in rows]


async def inboxes_for(tx: Tx, ticket_id: UUID) -> list[UUID]:
    """The inboxes of the ticket's conversations, then those with addresses: its queue's first, then the oldest."""
    rows = await tx.driver.fetch(
        """
        SELECT i.id FROM inboxes AS i, tickets AS t
         WHERE t.id = $1 AND (i.id IN (SELECT inbox_id FROM inbox_addresses)
                              OR i.id IN (SELECT inbox_id FROM conversations WHERE ticket_id = $1))
         ORDER BY i.id IN (SELECT inbox_id FROM conversations WHERE ticket_id = $1) DESC,
                  i.queue_id IS NOT DISTINCT FROM t.queue_id DESC, i.created_at, i.id
        """,
        ticket_id,
    )
    return [row["id"] for row in rows]


async def add_note(tx: Tx, message_id: UUID, ticket_id: UUID, agent_id: UUID | None, text: str, at: datetime) -> None:
    await tx.driver.execute(
        """
        INSERT INTO messages (id, ticket_id, direction, author, agent_id, text, at)
        VALUES ($1, $2, 'note', $3, $4, $5, $6)
        """,
        message_id,
        ticket_id,
        "agent" if agent_id else "system",
        agent_id,
        text,
        at,
    )


async def use_attachments(tx: Tx, message_id: UUID, ids: Sequence[UUID], uploader: str) -> int:
    """Give uploaded files to a message, in this order; how many were there, unused and this uploader's."""
    tag = await tx.driver.execute(
        """
        UPDATE attachments AS a SET message_id = $1, position = w.n, uploader = NULL
          FROM unnest($2::uuid[]) WITH ORDINALITY AS w (id, n)
         WHERE a.id = w.id AND a.message_id IS NULL AND a.state = 'stored' AND a.uploader = $3
        """,
        message_id,
        list(ids),
        uploader,
    )
    return int(tag.split()[-1])


async def unused_files(tx: Tx, ids: Sequence[UUID], uploader: str) -> list[tuple[str, str, int, bytes]]:
    """(name, content type, size, sha256) of uploads that are this uploader's and unused, in this order."""
    rows = await tx.driver.fetch(
        """
        SELECT a.name, a.content_type, a.size, a.sha256
          FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) JOIN attachments AS a USING (id)
         WHERE a.message_id IS NULL AND a.state = 'stored' AND a.sha256 IS NOT NULL AND a.uploader = $2
         ORDER BY n FOR UPDATE OF a
        """,
        list(ids),
        uploader,
    )
    return [(row["name"], row["content_type"], row["size"], row["sha256"]) for row in rows]


async def save_answered(tx: Tx, ticket: Ticket, at: datetime) -> None:
    """Write the ticket after a reply of ours; what asked for an answer asks no more."""
    await tx.driver.execute(
        """
        UPDATE tickets SET status = $2, waiting_since = $3, first_reply_at = $4, resolved_at = $5, closed_at = $6,
               attention = CASE WHEN attention = ANY($8::text[]) THEN NULL ELSE attention END,
               last_outbound_at = $7, version = version + 1, updated_at = $7
         WHERE id = $1
        """,
        ticket.id,
        str(ticket.status),
        ticket.waiting_since,
        ticket.first_reply_at,
        ticket.resolved_at,
        ticket.closed_at,
        at,
        ASKING_FOR_AN_ANSWER,
    )


async def touch(tx: Tx, ticket_id: UUID, at: datetime) -> None:
    """The ticket's timeline grew."""
    await tx.driver.execute("UPDATE tickets SET version = version + 1, updated_at = $2 WHERE id = $1", ticket_id, at)


async def settle_promises(tx: Tx, ticket_id: UUID, at: datetime) -> list[tuple[UUID, str, bool]]:
    """What was promised has happened, somebody answered: (promise, kind, kept in time) of those that were open."""
    rows = await tx.driver.fetch(
        """
        UPDATE promises SET state = CASE WHEN due_at >= $2 THEN 'kept' ELSE 'broken' END, settled_at = $2
         WHERE ticket_id = $1 AND state = 'open'
        RETURNING id, kind, due_at >= $2 AS kept
        """,
        ticket_id,
        at,
    )
    return [(row["id"], row["kind"], row["kept"]) for row in rows]


async def raise_attention(tx: Tx, ticket_ids: Sequence[UUID], reason: str) -> list[UUID]:
    """Ask an agent to look at locked tickets, unless something as grave does already; those that changed.

    An answer of ours takes back what asked for one, but not this: it might be the answer that is lost.
    """
    rows = await tx.driver.fetch(
        """
        UPDATE tickets SET attention = $2, version = version + 1, updated_at = now()
         WHERE id = ANY($1::uuid[]) AND (attention IS NULL OR attention = ANY($3::text[])) AND status <> 'spam'
        RETURNING id
        """,
        list(ticket_ids),
        reason,
        ASKING_FOR_AN_ANSWER,
    )
    return [row["id"] for row in rows]


async def drop_attention(tx: Tx, ticket_ids: Sequence[UUID], reasons: Sequence[str]) -> list[UUID]:
    """Take back such a request where no delivery of the ticket is in trouble any more; those that changed."""
    rows = await tx.driver.fetch(
        """
        UPDATE tickets AS t SET attention = NULL, version = version + 1, updated_at = now()
         WHERE id = ANY($1::uuid[]) AND attention = ANY($2::text[])
           AND NOT EXISTS (SELECT FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
                             JOIN deliveries AS d ON d.message_id = m.id
                            WHERE c.ticket_id = t.id AND d.state IN ('unknown','rejected','bounced'))
        RETURNING id
        """,
        list(ticket_ids),
        list(reasons),
    )
    return [row["id"] for row in rows]


async def mark_unreachable(tx: Tx, delivery_id: UUID, address: str, reason: str) -> None:
    """A recipient of this delivery cannot be reached: the one named, or the only one there was.

    A mail that its only recipient's server passed on fails at an address that we never heard of.
    """
    await tx.driver.execute(
        """
        UPDATE identities AS i SET unreachable_at = now(), unreachable_reason = $3
          FROM deliveries AS d
         WHERE d.id = $1 AND i.id = ANY(d.to_ids || d.cc_ids)
           AND (i.address = $2 OR cardinality(d.to_ids || d.cc_ids) = 1)
        """,
        delivery_id,
        address,
        reason,
    )
