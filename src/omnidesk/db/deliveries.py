"""Deliveries: one way out of a message, what the deliverer must know of it, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import outbox, tables
from omnidesk.db.bulk import Bulk, Write, insert_all
from omnidesk.db.session import Tx
from omnidesk.domain.messages import Author, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A message of ours with one way out, as rows. `calls` are the provider calls that it takes, in order."""

    message_id: UUID
    conversation_id: UUID
    author: Author
    text: str
    at: datetime
    delivery_id: UUID
    to_ids: tuple[UUID, ...]
    message_ref: str
    calls: tuple[outbox.New, ...]
    cc_ids: tuple[UUID, ...] = ()
    agent_id: UUID | None = None
    subject: str = ""
    html: str = ""
    automatic: bool = False
    ref: Ref | None = None  # what answers to it will name, when that is known before it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A delivery that reads differently now."""

    delivery_id: UUID
    message_id: UUID
    ticket_id: UUID
    before: str
    after: str
    error: str | None
    automatic: bool


_MESSAGES = Bulk(
    tables.messages,
    *("id", "conversation_id", "direction", "author", "agent_id", "subject", "text", "html", "automatic", "at"),
)
_DELIVERIES = Bulk(tables.deliveries, "id", "message_id", "conversation_id", "to_ids", "cc_ids", "message_ref")
_REFS = Bulk(tables.message_refs, "realm", "external_id", "variant", "message_id")


async def add(tx: Tx, posts: Sequence[Post]) -> None:
    """Store messages, deliveries, references and calls in one statement or few. Tickets are locked."""
    await insert_all(tx, new(posts))


def new(posts: Sequence[Post]) -> list[Write]:
    """Messages, deliveries, references and calls to store. Tickets are locked."""
    messages = [
        (
            *(post.message_id, post.conversation_id, "out", post.author, post.agent_id, post.subject, post.text),
            *(post.html, post.automatic, post.at),
        )
        for post in posts
    ]
    ways = [
        (post.delivery_id, post.message_id, post.conversation_id, post.to_ids, post.cc_ids, post.message_ref)
        for post in posts
    ]
    return [
        Write(_MESSAGES, messages),
        Write(_DELIVERIES, ways),
        _refs([(post.ref, post.message_id) for post in posts if post.ref]),
        *outbox.new([call for post in posts for call in post.calls]),
    ]


def _refs(refs: Sequence[tuple[Ref, UUID]]) -> Write:
    """Under which ids the world knows our messages; one that is known already stays as it is."""
    ordered = sorted(refs, key=lambda pair: pair[0].key)
    return Write(_REFS, [(*ref.key, message_id) for ref, message_id in ordered], "ON CONFLICT DO NOTHING")


async def add_refs(tx: Tx, refs: Sequence[tuple[Ref, UUID]]) -> None:
    """Note under which ids the world knows our messages; one that is known already stays as it is."""
    await insert_all(tx, [_refs(refs)])


async def known_as(tx: Tx, message_id: UUID, realm: str, external_id: str) -> bool:
    """Whether the world knows this message by that id already, whatever the variant."""
    return bool(
        await tx.driver.fetchval(
            "SELECT EXISTS (SELECT FROM message_refs WHERE message_id = $1 AND realm = $2 AND external_id = $3)",
            message_id,
            realm,
            external_id,
        )
    )


async def tickets_of(tx: Tx, delivery_ids: Sequence[UUID]) -> list[UUID]:
    """The tickets that these deliveries belong to now, each once, in the order to lock them."""
    records = await tx.driver.fetch(
        """
        SELECT DISTINCT c.ticket_id FROM deliveries AS d JOIN conversations AS c ON c.id = d.conversation_id
         WHERE d.id = ANY($1::uuid[]) ORDER BY 1
        """,
        delivery_ids,
    )
    return [record["ticket_id"] for record in records]


async def lock_tickets(tx: Tx, delivery_ids: Sequence[UUID]) -> None:
    """Lock the deliveries' tickets, so that their events stay in order; the first lock of a change."""
    await tx.driver.fetch(
        "SELECT id FROM tickets WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE",
        await tickets_of(tx, delivery_ids),
    )


async def refresh(tx: Tx, delivery_ids: Sequence[UUID]) -> list[Change]:
    """Bring deliveries to what their calls say; those that changed.

    The worst of the parts counts: unknown, rejected, deferred, queued, sent. What receipts and bounces told
    us is better known than `sent`.
    """
    records = await tx.driver.fetch(
        """
        WITH parts AS (
            SELECT subject_id AS id,
                   CASE WHEN bool_or(state = 'unknown') THEN 'unknown' WHEN bool_or(state = 'rejected') THEN 'rejected'
                        WHEN bool_or(state = 'deferred') THEN 'deferred' WHEN bool_and(state = 'sent') THEN 'sent'
                        ELSE 'queued' END AS state,
                   (array_agg(error ORDER BY state = 'unknown' DESC, state = 'rejected' DESC, state = 'deferred' DESC,
                                    id)
                      FILTER (WHERE error IS NOT NULL))[1] AS error
              FROM outbox WHERE kind = 'message' AND subject_id = ANY($1::uuid[]) GROUP BY subject_id
        ), was AS (
            SELECT d.id, d.state, d.error FROM deliveries AS d WHERE d.id = ANY($1::uuid[]) ORDER BY d.id FOR UPDATE
        )
        UPDATE deliveries AS d
           SET state = parts.state, error = parts.error, updated_at = clock_timestamp(),
               sent_at = CASE parts.state WHEN 'sent' THEN coalesce(d.sent_at, clock_timestamp()) ELSE d.sent_at END
          FROM parts JOIN was USING (id), messages AS m, conversations AS c
         WHERE d.id = parts.id AND m.id = d.message_id AND c.id = d.conversation_id
           AND (was.state, was.error) IS DISTINCT FROM (parts.state, parts.error)
           AND NOT (was.state IN ('delivered','read','bounced') AND parts.state IN ('queued','deferred','sent'))
        RETURNING d.id AS delivery_id, d.message_id, c.ticket_id, was.state AS before, d.state AS after, d.error,
                  m.automatic
        """,
        delivery_ids,
    )
    return [Change(**dict(record)) for record in records]


async def report(
    tx: Tx, delivery_ids: Sequence[UUID], states: Sequence[str], errors: Sequence[str | None]
) -> list[Change]:
    """Note what receipts and bounces say: delivered, read, bounced, rejected; sent, with a word, when it is late.

    Never back from read to delivered; lateness is news of what is on its way only.
    """
    records = await tx.driver.fetch(
        """
        WITH said AS (SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::text[], $3::text[])
                              WITH ORDINALITY AS s (id, state, error, n) ORDER BY id, state = 'read' DESC, n DESC),
        was AS (SELECT d.id, d.state, d.error FROM deliveries AS d WHERE d.id = ANY($1::uuid[])
                 ORDER BY d.id FOR UPDATE)
        UPDATE deliveries AS d SET state = said.state, error = said.error, updated_at = clock_timestamp()
          FROM said JOIN was USING (id), messages AS m, conversations AS c
         WHERE d.id = said.id AND m.id = d.message_id AND c.id = d.conversation_id
           AND (was.state, was.error) IS DISTINCT FROM (said.state, said.error)
           AND NOT (was.state = 'read' AND said.state = 'delivered')
           AND (said.state <> 'sent' OR was.state = 'sent')
        RETURNING d.id AS delivery_id, d.message_id, c.ticket_id, was.state AS before, d.state AS after, d.error,
                  m.automatic
        """,
        delivery_ids,
        states,
        errors,
    )
    return [Change(**dict(record)) for record in records]


async def messages_of(tx: Tx, delivery_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The message of each delivery that there is."""
    records = await tx.driver.fetch(
        "SELECT id, message_id FROM deliveries WHERE id = ANY($1::uuid[])", list(delivery_ids)
    )
    return {record["id"]: record["message_id"] for record in records}


async def set_queued(tx: Tx, delivery_id: UUID) -> None:
    """It is on its way again, whatever was known of it."""
    await tx.driver.execute(
        "UPDATE deliveries SET state = 'queued', error = NULL, updated_at = clock_timestamp() WHERE id = $1",
        delivery_id,
    )


async def read(tx: Tx, delivery_id: UUID) -> dict[str, Any] | None:
    """A delivery's row with its ticket_id; None when there is none."""
    row = await tx.driver.fetchrow(
        """
        SELECT d.*, c.ticket_id FROM deliveries AS d JOIN conversations AS c ON c.id = d.conversation_id
         WHERE d.id = $1
        """,
        delivery_id,
    )
    return dict(row) if row else None


async def is_gone(tx: Tx, delivery_id: UUID) -> bool:
    """Whether its message was deleted, or somebody whom it is for was erased."""
    return bool(
        await tx.driver.fetchval(
            """
            SELECT m.deleted_at IS NOT NULL
                OR EXISTS (SELECT FROM identities AS i JOIN contacts AS p ON p.id = i.contact_id
                            WHERE i.id = ANY(d.to_ids || d.cc_ids) AND p.erased_at IS NOT NULL)
              FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE d.id = $1
            """,
            delivery_id,
        )
    )


async def of_messages(tx: Tx, message_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The deliveries of messages, for a timeline; with the addresses they went to."""
    records = await tx.driver.fetch(
        """
        SELECT d.id, d.message_id, d.conversation_id, d.state, d.error, d.sent_at, d.created_at, d.updated_at,
               ARRAY(SELECT i.address FROM unnest(d.to_ids) WITH ORDINALITY AS r (id, n) JOIN identities AS i USING (id)
                      ORDER BY n) AS "to",
               ARRAY(SELECT i.address FROM unnest(d.cc_ids) WITH ORDINALITY AS r (id, n) JOIN identities AS i USING (id)
                      ORDER BY n) AS cc
          FROM deliveries AS d WHERE d.message_id = ANY($1::uuid[]) ORDER BY d.message_id, d.id
        """,
        message_ids,
    )
    return [dict(record) for record in records]


async def by_proof(tx: Tx, correlations: Sequence[str], refs: Sequence[Ref | None]) -> list[UUID | None]:
    """The delivery that each pair of correlation key and provider's id names; None where neither is known."""
    records = await tx.driver.fetch(
        """
        SELECT p.n, coalesce(
                 (SELECT d.id FROM deliveries AS d WHERE p.correlation <> '' AND d.message_ref = p.correlation),
                 (SELECT d.id FROM message_refs AS r JOIN deliveries AS d USING (message_id)
                   WHERE p.external_id <> '' AND r.realm = p.realm AND r.external_id = p.external_id
                     AND (p.variant = '' OR r.variant IN ('', p.variant))
                   ORDER BY d.created_at, d.id LIMIT 1)) AS id
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
               WITH ORDINALITY AS p (correlation, realm, external_id, variant, n)
         ORDER BY p.n
        """,
        correlations,
        [ref.realm if ref else "" for ref in refs],
        [ref.external_id if ref else "" for ref in refs],
        [ref.variant if ref else "" for ref in refs],
    )
    return [record["id"] for record in records]


async def calls_in_flight(tx: Tx, inbox_id: UUID, addresses: Sequence[str]) -> set[str]:
    """To which of these addresses a call of this inbox is being made: an echo from there may be that call's."""
    records = await tx.driver.fetch(
        """
        SELECT DISTINCT i.address
          FROM outbox AS o JOIN deliveries AS d ON d.id = o.subject_id JOIN identities AS i ON i.id = ANY(d.to_ids)
         WHERE o.state = 'calling' AND o.kind = 'message' AND o.inbox_id = $1 AND i.address = ANY($2::text[])
        """,
        inbox_id,
        addresses,
    )
    return {record["address"] for record in records}


async def note_sent(tx: Tx, inbox_id: UUID) -> bool:
    """Something went out: at most every ten seconds, unless the inbox was failing. True when it had been."""
    row = await tx.driver.fetchrow(
        """
        WITH was AS (SELECT id, send_state FROM inboxes
                      WHERE id = $1 AND (send_state = 'failing' OR sent_at IS NULL OR sent_at < now() - interval '10 s')
                        FOR NO KEY UPDATE SKIP LOCKED)
        UPDATE inboxes AS i
           SET sent_at = clock_timestamp(),
               send_state = CASE was.send_state WHEN 'failing' THEN 'ok' ELSE was.send_state END,
               send_error = CASE was.send_state WHEN 'failing' THEN NULL ELSE i.send_error END,
               version = version + CASE was.send_state WHEN 'failing' THEN 1 ELSE 0 END
          FROM was WHERE i.id = was.id
        RETURNING was.send_state = 'failing' AS recovered
        """,
        inbox_id,
    )
    return bool(row and row["recovered"])
