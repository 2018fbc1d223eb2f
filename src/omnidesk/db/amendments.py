"""Messages that change after they were written: their rows, earlier wordings, and what a channel must be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import files
from omnidesk.db.session import Tx
from omnidesk.domain.messages import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A message that is to change."""

    id: UUID
    ticket_id: UUID  # where it is now
    conversation_id: UUID | None
    direction: str
    author: str
    agent_id: UUID | None
    version: int
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One way out that it took: through which inbox, and whether any of its calls were begun."""

    delivery_id: UUID
    conversation_id: UUID
    inbox_id: UUID
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """How a message read until somebody changed it; `actor` None: the customer did."""

    id: UUID
    text: str
    html: str
    actor: str | None
    created_at: datetime  # when it was replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a channel must know to change what it sent."""

    delivery_id: UUID
    message_ref: str
    delivered: bool  # it, or a part of it, went out
    to: tuple[Address, ...]
    thread_key: str
    external_ids: tuple[str, ...]
    text: str
    html: str
    deleted: bool
    changed_at: datetime | None


async def head(tx: Tx, message_id: UUID, *, lock: bool = False) -> Head | None:
    """The message; its ticket is locked before it is."""
    row = await tx.driver.fetchrow(
        f"""
        SELECT m.id, coalesce(m.ticket_id, c.ticket_id) AS ticket_id, m.conversation_id, m.direction, m.author,
               m.agent_id, m.version, m.deleted_at
          FROM messages AS m LEFT JOIN conversations AS c ON c.id = m.conversation_id
         WHERE m.id = $1 {"FOR UPDATE OF m" if lock else ""}
        """,  # noqa: S608 - our own words
        message_id,
    )
    return Head(**dict(row)) if row else None


async def sent(tx: Tx, message_id: UUID) -> list[Sent]:
    rows = await tx.driver.fetch(
        """
        SELECT d.id AS delivery_id, d.conversation_id,
               coalesce((SELECT o.inbox_id FROM outbox AS o WHERE o.subject_id = d.id AND o.inbox_id IS NOT NULL
                          ORDER BY o.id LIMIT 1), c.inbox_id) AS inbox_id,
               NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = d.id)
                 OR EXISTS (SELECT FROM outbox AS o
                             WHERE o.subject_id = d.id AND (o.state <> 'queued' OR o.attempts > 0)) AS begun
          FROM deliveries AS d JOIN conversations AS c ON c.id = d.conversation_id
         WHERE d.message_id = $1 ORDER BY d.id
        """,
        message_id,
    )
    return [Sent(**dict(row)) for row in rows]


async def revise(
    tx: Tx, revision_id: UUID, message_id: UUID, *, text: str, html: str, actor: str, at: datetime
) -> None:
    """Another wording of a locked message; the one before becomes a revision."""
    await _keep(tx, revision_id, message_id, actor, at)
    await tx.driver.execute(
        "UPDATE messages SET text = $2, html = $3, edited_at = $4, version = version + 1 WHERE id = $1",
        message_id,
        text,
        html,
        at,
    )


async def bury(tx: Tx, revision_id: UUID, message_id: UUID, *, actor: str, at: datetime) -> None:
    """Leave a tombstone of a locked message; its last wording becomes a revision, its files are let go."""
    await _keep(tx, revision_id, message_id, actor, at)
    await tx.driver.execute(
        """
        UPDATE messages SET text = '', html = '', quoted = '', deleted_at = $2, version = version + 1 WHERE id = $1
        """,
        message_id,
        at,
    )
    await files.let_go(tx, [message_id])


async def _keep(tx: Tx, revision_id: UUID, message_id: UUID, actor: str, at: datetime) -> None:
    await tx.driver.execute(
        """
        INSERT INTO message_revisions (id, message_id, text, html, actor, created_at)
        SELECT $1, id, text, html, $3, $4 FROM messages WHERE id = $2
        """,
        revision_id,
        message_id,
        actor,
        at,
    )


async def revisions(tx: Tx, message_id: UUID, *, before: UUID | None, limit: int) -> list[Revision]:
    """Newest first."""
    rows = await tx.driver.fetch(
        """
        SELECT id, text, html, actor, created_at FROM message_revisions
         WHERE message_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        message_id,
        before,
        limit,
    )
    return [Revision(**dict(row)) for row in rows]


async def take_back(tx: Tx, delivery_ids: Sequence[UUID], reason: str) -> set[UUID]:
    """Make none of these ways' calls, where none was begun; which ways that were. Their tickets are locked.

    A way whose call somebody has just claimed stays: that call may be under way.
    """
    await tx.driver.execute(
        """
        UPDATE outbox SET state = 'rejected', error = $2, done_at = clock_timestamp(), token = token + 1
         WHERE subject_id = ANY($1::uuid[]) AND state = 'queued'
        """,
        list(delivery_ids),
        reason,
    )
    rows = await tx.driver.fetch(
        """
        UPDATE deliveries AS d SET state = 'rejected', error = $2, updated_at = clock_timestamp()
         WHERE id = ANY($1::uuid[])
           AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = d.id AND o.state <> 'rejected')
        RETURNING id
        """,
        list(delivery_ids),
        reason,
    )
    return {row["id"] for row in rows}


async def load(tx: Tx, delivery_id: UUID) -> Loaded | None:
    """What a channel must be told of a changed message, as it reads now; None when it is gone."""
    row = await tx.driver.fetchrow(
        """
        SELECT d.id AS delivery_id, d.message_ref, d.to_ids, c.thread_key, m.text, m.html,
               m.deleted_at IS NOT NULL AS deleted, coalesce(m.deleted_at, m.edited_at) AS changed_at,
               d.state IN ('sent','delivered','read') OR EXISTS (
                 SELECT FROM outbox AS o WHERE o.subject_id = d.id AND o.state = 'sent') AS delivered,
               ARRAY(SELECT o.external_id FROM outbox AS o
                      WHERE o.subject_id = d.id AND o.external_id IS NOT NULL ORDER BY o.id) AS external_ids
          FROM deliveries AS d
          JOIN messages AS m ON m.id = d.message_id
          JOIN conversations AS c ON c.id = d.conversation_id
         WHERE d.id = $1
        """,
        delivery_id,
    )
    if row is None:
        return None
    people = await tx.driver.fetch(
        """
        SELECT i.kind, i.realm, i.address, i.name FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n)
          JOIN identities AS i USING (id) ORDER BY n
        """,
        row["to_ids"],
    )
    values = {name: value for name, value in row.items() if name not in {"to_ids", "external_ids"}}
    return Loaded(
        **values,
        external_ids=tuple(row["external_ids"]),
        to=tuple(Address(**dict(person)) for person in people),
    )
