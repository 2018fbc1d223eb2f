"""What a channel needs to make a call of a delivery: its words, people, files and thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx
from omnidesk.domain.messages import Address, Author


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    name: str
    content_type: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Everything that a channel needs to make a call of this delivery. Never changes from one try to the next."""

    delivery_id: UUID
    message_id: UUID
    message_ref: str
    ticket_id: UUID
    ticket_number: str
    language: str
    author: Author
    agent_name: str
    subject: str
    text: str
    html: str
    automatic: bool
    created_at: datetime
    conversation_id: UUID
    conversation_inbox_id: UUID
    thread_key: str
    token: str
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    files: tuple[StoredFile, ...] = ()
    references: tuple[str, ...] = ()  # external ids of the conversation's messages before this one, oldest first
    answers: str = ""  # the external id of the message that this one answers
    quoted: str = ""


async def load(tx: Tx, delivery_id: UUID) -> Loaded | None:
    """A delivery with all that a channel needs; None when it is gone (erased)."""
    row = await tx.driver.fetchrow(
        """
        SELECT d.id AS delivery_id, d.message_id, d.message_ref, d.to_ids, d.cc_ids, t.id AS ticket_id,
               t.number AS ticket_number, t.language, m.author, coalesce(a.name, '') AS agent_name, m.subject, m.text,
               m.html, m.automatic, m.at AS created_at, c.id AS conversation_id, c.inbox_id AS conversation_inbox_id,
               c.thread_key, CASE WHEN c.token_revoked_at IS NULL THEN c.token ELSE '' END AS token
          FROM deliveries AS d
          JOIN messages AS m ON m.id = d.message_id
          JOIN conversations AS c ON c.id = d.conversation_id
          JOIN tickets AS t ON t.id = c.ticket_id
          LEFT JOIN agents AS a ON a.id = m.agent_id
         WHERE d.id = $1 AND m.deleted_at IS NULL
        """,
        delivery_id,
    )
    if row is None:
        return None
    values: dict[str, Any] = dict(row)
    to_ids, cc_ids = values.pop("to_ids"), values.pop("cc_ids")
    people = await _people(tx, [*to_ids, *cc_ids])
    answered = await _answered(tx, row["conversation_id"], row["message_id"], [*to_ids, *cc_ids])
    return Loaded(
        **values | {"author": Author(values["author"])},
        to=tuple(people[each] for each in to_ids if each in people),
        cc=tuple(people[each] for each in cc_ids if each in people),
        files=await _files(tx, row["message_id"]),
        references=await _references(tx, row["conversation_id"], row["message_id"]),
        answers=answered[0],
        quoted=answered[1],
    )


async def _people(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Address]:
    records = await tx.driver.fetch(
        "SELECT id, kind, realm, address, name, verified FROM identities WHERE id = ANY($1::uuid[])", ids
    )
    return {
        row["id"]: Address(
            kind=row["kind"], realm=row["realm"], address=row["address"], name=row["name"], verified=row["verified"]
        )
        for row in records
    }


async def _files(tx: Tx, message_id: UUID) -> tuple[StoredFile, ...]:
    records = await tx.driver.fetch(
        """
        SELECT name, content_type, size, sha256 FROM attachments
         WHERE message_id = $1 AND state = 'stored' AND sha256 IS NOT NULL ORDER BY position, id
        """,
        message_id,
    )
    return tuple(StoredFile(**dict(row)) for row in records)


async def _references(tx: Tx, conversation_id: UUID, message_id: UUID) -> tuple[str, ...]:
    """The conversation's ids before this message: the first, which roots the thread, and the last twenty."""
    records = await tx.driver.fetch(
        """
        SELECT external_id FROM (
            SELECT r.external_id, m.at, m.id, row_number() OVER (ORDER BY m.at, m.id, r.external_id) AS first,
                   row_number() OVER (ORDER BY m.at DESC, m.id DESC, r.external_id DESC) AS last
              FROM messages AS own, messages AS m JOIN message_refs AS r ON r.message_id = m.id
             WHERE own.id = $2 AND m.conversation_id = $1 AND m.id <> $2
               AND m.at <= own.at AND m.created_at <= own.created_at) AS refs
         WHERE first = 1 OR last <= 20
         ORDER BY at, id, external_id
        """,
        conversation_id,
        message_id,
    )
    return tuple(row["external_id"] for row in records)


async def _answered(tx: Tx, conversation_id: UUID, message_id: UUID, recipients: Sequence[UUID]) -> tuple[str, str]:
    """(external id of the newest message from outside before this one, what the first recipient wrote last).

    The text is quoted only when everybody else who gets it belongs to the conversation.
    """
    row = await tx.driver.fetchrow(
        """
        WITH heard AS (
            SELECT m.id, m.text, m.identity_id, m.at FROM messages AS m, messages AS own
             WHERE own.id = $2 AND m.conversation_id = $1 AND m.direction = 'in' AND m.deleted_at IS NULL
               AND m.at <= own.at AND m.created_at <= own.created_at
        )
        SELECT (SELECT min(r.external_id) FROM message_refs AS r
                 WHERE r.message_id = (SELECT id FROM heard ORDER BY at DESC, id DESC LIMIT 1)) AS answers,
               (SELECT text FROM heard WHERE identity_id = $3 ORDER BY at DESC, id DESC LIMIT 1) AS quoted,
               NOT EXISTS (SELECT FROM unnest($4::uuid[]) AS other (id), conversations AS c
                            WHERE c.id = $1 AND other.id NOT IN ($3, c.requester_id)
                              AND NOT EXISTS (SELECT FROM participants AS p
                                               WHERE p.conversation_id = $1 AND p.identity_id = other.id)) AS among_us
        """,
        conversation_id,
        message_id,
        recipients[0] if recipients else None,
        recipients,
    )
    assert row is not None
    return row["answers"] or "", (row["quoted"] or "") if row["among_us"] else ""
