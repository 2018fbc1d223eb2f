"""What a batch of intake writes, each kind in one statement."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from omnidesk.db import files, tables
from omnidesk.db.bulk import Bulk
from omnidesk.db.session import Tx


async def draw_numbers(tx: Tx, count: int) -> list[int]:
    """The next values of the sequence behind ticket numbers."""
    rows = await tx.driver.fetch("SELECT nextval('ticket_numbers') AS n FROM generate_series(1, $1::int)", count)
    return [row["n"] for row in rows]


async def heard(tx: Tx, rows: Sequence[tuple[UUID, str, datetime | None, datetime | None, datetime, str, int]]) -> None:
    """Tickets after a person wrote: (id, status, waiting since, resolved at, said at, new facts as JSON, chasers)."""
    if rows:
        await tx.driver.execute(
            """
            UPDATE tickets AS t
               SET status = h.status, asked_for = '{}', waiting_since = h.waiting_since, resolved_at = h.resolved_at,
                   last_inbound_at = greatest(t.last_inbound_at, h.at), facts = t.facts || h.facts::jsonb,
                   chaser_count = t.chaser_count + h.chasers,
                   attention = CASE WHEN h.chasers > 0 THEN coalesce(t.attention, 'chaser') ELSE t.attention END,
                   updated_at = now(), version = t.version + 1
              FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                           $7::int[])
                   AS h (id, status, waiting_since, resolved_at, at, facts, chasers)
             WHERE t.id = h.id
            """,
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def link_repeats(tx: Tx, ticket_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Link new tickets to the last one of the same person about the same thing within 30 days: (ticket, earlier one).

    The same thing: the same subject, however often answered, or the same order. Of each of his addresses the last
    500 tickets are looked at. OFFSET 0 keeps `LIMIT 1` from making the planner walk through all tickets from the
    newest (measured on a young desk: 1.4 s a batch).
    """
    if not ticket_ids:
        return []
    rows = await tx.driver.fetch(
        r"""
        INSERT INTO ticket_links (ticket_id, kind, other_id)
        SELECT t.id, 'repeat_of', earlier.id
          FROM tickets AS t JOIN identities AS i ON i.id = t.requester_id
         CROSS JOIN LATERAL (
               SELECT o.id FROM (
                      SELECT his.* FROM identities AS own
                       CROSS JOIN LATERAL (SELECT id, status, created_at, facts, subject FROM tickets
                                            WHERE requester_id = own.id AND id < t.id ORDER BY id DESC LIMIT 500) AS his
                       WHERE own.contact_id = i.contact_id OFFSET 0) AS o
                WHERE o.status <> 'spam' AND o.created_at > t.created_at - interval '30 days'
                      AND (o.facts->>'order' = t.facts->>'order'
                           OR (t.subject <> ''
                               AND regexp_replace(lower(o.subject), '^((re|fwd?|отв)\s*:\s*)+', '')
                                   = regexp_replace(lower(t.subject), '^((re|fwd?|отв)\s*:\s*)+', '')))
                ORDER BY o.id DESC LIMIT 1
         ) AS earlier
         WHERE t.id = ANY ($1) ORDER BY t.id
        ON CONFLICT DO NOTHING RETURNING ticket_id, other_id
        """,
        list(ticket_ids),
    )
    return [(row["ticket_id"], row["other_id"]) for row in rows]


async def heard_in(tx: Tx, rows: Sequence[tuple[UUID, datetime]]) -> None:
    """Conversations in which somebody wrote: (id, when)."""
    if rows:
        await tx.driver.execute(
            """
            UPDATE conversations AS c SET last_inbound_at = greatest(c.last_inbound_at, h.at)
              FROM unnest($1::uuid[], $2::timestamptz[]) AS h (id, at) WHERE c.id = h.id
            """,
            [row[0] for row in rows],
            [row[1] for row in rows],
        )


async def heard_from(tx: Tx, identity_ids: Sequence[UUID]) -> None:
    """People whose address was thought dead wrote: answers are tried again."""
    if identity_ids:
        await tx.driver.execute(
            "UPDATE identities SET unreachable_at = NULL, unreachable_reason = NULL WHERE id = ANY($1::uuid[])",
            identity_ids,
        )


async def count_acks(tx: Tx, rows: Sequence[tuple[UUID, int, datetime]]) -> None:
    """Identities that were sent an acknowledgement: (id, how many in the hour since …)."""
    if rows:
        await tx.driver.execute(
            """
            UPDATE identities AS i SET acks = a.n, acks_since = a.since
              FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS a (id, n, since) WHERE i.id = a.id
            """,
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def edit_messages(tx: Tx, rows: Sequence[tuple[UUID, UUID, str, str, datetime]]) -> None:
    """New texts of messages: (revision id, message id, text, html, when); what stood there becomes a revision."""
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    await tx.driver.execute(
        """
        WITH e AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
                            AS e (revision_id, message_id, text, html, at)),
             kept AS (INSERT INTO message_revisions (id, message_id, text, html)
                      SELECT e.revision_id, m.id, m.text, m.html FROM e JOIN messages m ON m.id = e.message_id)
        UPDATE messages AS m SET text = e.text, html = e.html, edited_at = e.at, version = m.version + 1 FROM e
         WHERE m.id = e.message_id AND m.deleted_at IS NULL
        """,
        *columns,
    )


async def delete_messages(tx: Tx, message_ids: Sequence[UUID], at: datetime) -> None:
    """Leave a tombstone: the row stays, its words and earlier wordings go."""
    if message_ids:
        await tx.driver.execute("DELETE FROM message_revisions WHERE message_id = ANY($1::uuid[])", message_ids)
        await tx.driver.execute(
            """
            UPDATE messages SET text = '', html = '', quoted = '', deleted_at = $2, version = version + 1
             WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL
            """,
            message_ids,
            at,
        )
        await files.let_go(tx, message_ids)


TICKETS = Bulk(
    tables.tickets,
    *(
        "id",
        "number",
        "status",
        "subject",
        "category",
        "urgency",
        "language",
        "channel",
        "inbox_id",
        "requester_id",
        "queue_id",
    ),
    *("waiting_since", "facts", "asked_for", "last_inbound_at", "created_at", "updated_at"),
)
LINKS = Bulk(tables.ticket_links, "ticket_id", "kind", "other_id")
CONVERSATIONS = Bulk(
    tables.conversations,
    *("id", "inbox_id", "thread_key", "ticket_id", "requester_id", "private", "token", "subject", "last_inbound_at"),
)
PARTICIPANTS = Bulk(tables.participants, "conversation_id", "identity_id", "role")
MESSAGES = Bulk(
    tables.messages,
    *("id", "conversation_id", "direction", "author", "identity_id", "subject", "text", "quoted", "html", "hints"),
    *("automatic", "group_key", "arrival_id", "at"),
)
REFS = Bulk(tables.message_refs, "realm", "external_id", "variant", "message_id", "digest")
FILES = Bulk(tables.files, "sha256", "size")
ATTACHMENTS = Bulk(
    tables.attachments,
    *("id", "message_id", "sha256", "name", "content_type", "size", "cid", "position", "state", "source_url"),
)
PROMISES = Bulk(
    tables.promises,
    *("id", "ticket_id", "kind", "due_at", "calendar_id", "calendar_version", "arithmetic", "message_id"),
)
DECISIONS = Bulk(tables.decisions, "id", "ticket_id", "kind", "reason", "policy_version", "detail")
