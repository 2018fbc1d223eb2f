"""The statements of intake: look up everything that a batch may touch, then write it, each in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk
from omnidesk.db.session import Tx
from omnidesk.domain.messages import Address
from omnidesk.domain.threading import Key, Via
from omnidesk.domain.tickets import Status, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRef:
    """A message that is here, by one of its provider ids."""

    realm: str
    external_id: str
    variant: str
    digest: bytes | None
    message_id: UUID
    conversation_id: UUID | None
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownConversation:
    """A conversation that a message of the batch may belong to, and how it was found."""

    id: UUID
    ticket_id: UUID
    inbox_id: UUID
    thread_key: str
    requester: Key
    via: Via
    named: str  # the token, delivery, thread key or number that found it


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIdentity:
    id: UUID
    contact_id: UUID
    language: str | None
    tier: str | None
    acks: int  # acknowledgements since `acks_since`
    acks_since: datetime | None
    unreachable_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTicket:
    """A ticket whose row is locked until the commit."""

    ticket: Ticket
    number: str
    queue_id: UUID
    assignee_id: UUID | None
    language: str


async def find_refs(tx: Tx, keys: Sequence[tuple[str, str]]) -> list[KnownRef]:
    """Messages by (realm, external id), in every variant."""
    if not keys:
        return []
    rows = await tx.driver.fetch(
        """
        SELECT r.realm, r.external_id, r.variant, r.digest, m.id AS message_id, m.conversation_id, m.direction
          FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS k (realm, external_id)
          JOIN message_refs r USING (realm, external_id)
          JOIN messages m ON m.id = r.message_id
        """,
        [realm for realm, _ in keys],
        [external_id for _, external_id in keys],
    )
    return [KnownRef(**dict(row)) for row in rows]


async def find_conversations(
    tx: Tx,
    *,
    ids: Sequence[UUID],
    tokens: Sequence[str],
    threads: Sequence[tuple[UUID, str]],
    numbers: Sequence[str],
    deliveries: Sequence[UUID] = (),
) -> list[KnownConversation]:
    """Conversations by id (from references), reply token or delivery, thread that receives, and ticket number.

    A number leads to the newest private conversation of its ticket, of a merged one to the last survivor's.
    """
    rows = await tx.driver.fetch(
        """
        WITH RECURSIVE survivors AS (
            SELECT number, id, merged_into FROM tickets WHERE number = ANY($5::text[])
            UNION
            SELECT s.number, t.id, t.merged_into FROM survivors s JOIN tickets t ON t.id = s.merged_into
        ), found AS (
            SELECT id, 2 AS via, id::text AS named FROM conversations WHERE id = ANY($1::uuid[])
            UNION ALL
            SELECT id, 1, token FROM conversations WHERE token = ANY($2::text[]) AND token_revoked_at IS NULL
            UNION ALL
            SELECT conversation_id, 1, id::text FROM deliveries WHERE id = ANY($6::uuid[])
            UNION ALL
            SELECT c.id, 3, c.thread_key
              FROM (SELECT DISTINCT * FROM unnest($3::uuid[], $4::text[])) AS t (inbox_id, thread_key)
              JOIN conversations c ON c.inbox_id = t.inbox_id AND c.thread_key = t.thread_key AND c.receives
            UNION ALL
            (SELECT DISTINCT ON (t.number) c.id, 4, t.number
               FROM survivors t JOIN conversations c ON c.ticket_id = t.id
              WHERE t.merged_into IS NULL AND c.private
              ORDER BY t.number, c.last_inbound_at DESC NULLS LAST, c.id)
        )
        SELECT c.id, c.ticket_id, c.inbox_id, c.thread_key, i.kind, i.realm, i.address, found.via, found.named
          FROM found JOIN conversations c USING (id) JOIN identities i ON i.id = c.requester_id
        """,
        ids,
        tokens,
        [inbox for inbox, _ in threads],
        [thread for _, thread in threads],
        numbers,
        deliveries,
    )
    return [
        KnownConversation(
            id=row["id"],
            ticket_id=row["ticket_id"],
            inbox_id=row["inbox_id"],
            thread_key=row["thread_key"],
            requester=(row["kind"], row["realm"], row["address"]),
            via=Via(row["via"]),
            named=row["named"],
        )
        for row in rows
    ]


async def participants(tx: Tx, conversation_ids: Sequence[UUID]) -> dict[UUID, set[Key]]:
    rows = await tx.driver.fetch(
        """
        SELECT p.conversation_id, i.kind, i.realm, i.address
          FROM participants p JOIN identities i ON i.id = p.identity_id
         WHERE p.conversation_id = ANY($1::uuid[])
        """,
        conversation_ids,
    )
    found: dict[UUID, set[Key]] = {}
    for row in rows:
        found.setdefault(row["conversation_id"], set()).add((row["kind"], row["realm"], row["address"]))
    return found


async def tickets_of(tx: Tx, conversation_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which ticket each conversation belongs to now; read again once the tickets are locked."""
    rows = await tx.driver.fetch("SELECT id, ticket_id FROM conversations WHERE id = ANY($1::uuid[])", conversation_ids)
    return {row["id"]: row["ticket_id"] for row in rows}


async def lock_tickets(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, LockedTicket]:
    """Lock a batch's tickets, in the order of their ids."""
    if not ticket_ids:
        return {}
    rows = await tx.driver.fetch(
        """
        SELECT id, status, status_before_spam, waiting_since, first_reply_at, resolved_at, closed_at,
               number, queue_id, assignee_id, language
          FROM tickets WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
        """,
        ticket_ids,
    )
    return {
        row["id"]: LockedTicket(
            ticket=Ticket(
                id=row["id"],
                status=Status(row["status"]),
                status_before_spam=Status(row["status_before_spam"]) if row["status_before_spam"] else None,
                waiting_since=row["waiting_since"],
                first_reply_at=row["first_reply_at"],
                resolved_at=row["resolved_at"],
                closed_at=row["closed_at"],
            ),
            number=row["number"],
            queue_id=row["queue_id"],
            assignee_id=row["assignee_id"],
            language=row["language"],
        )
        for row in rows
    }


async def identify(
    tx: Tx,
    people: Sequence[tuple[UUID, UUID, Address, str | None]],
    *,
    senders: Sequence[Key] = (),
    reported: Sequence[UUID] = (),
) -> dict[Key, KnownIdentity]:
    """Find or make the identities of (identity id, contact id, address, language); new ones get a contact each.

    Sorted by key, so that batches which share people wait for each other in one direction only. Then the
    `senders`, who may be counted an acknowledgement, and the recipients of the `reported` deliveries are
    locked: what is read of them is true until the commit.
    """
    if not people:
        await _lock_identities(tx, senders, reported)
        return {}
    people = sorted(people, key=lambda person: person[2].key)
    made = await tx.driver.fetch(
        """
        INSERT INTO identities (id, contact_id, kind, realm, address, name, verified)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[])
        ON CONFLICT (kind, realm, address) DO NOTHING
        RETURNING id
        """,
        [identity for identity, _, _, _ in people],
        [contact for _, contact, _, _ in people],
        [address.kind for _, _, address, _ in people],
        [address.realm for _, _, address, _ in people],
        [address.address for _, _, address, _ in people],
        [address.name for _, _, address, _ in people],
        [address.verified for _, _, address, _ in people],
    )
    new = {row["id"] for row in made}
    await _CONTACTS.insert(
        tx, [(contact, address.name, language) for identity, contact, address, language in people if identity in new]
    )
    await _lock_identities(tx, senders, reported)
    rows = await tx.driver.fetch(
        """
        SELECT i.id, i.kind, i.realm, i.address, i.contact_id, i.acks, i.acks_since, i.unreachable_at, c.language,
               c.tier
          FROM unnest($1::text[], $2::text[], $3::text[]) AS k (kind, realm, address)
          JOIN identities i USING (kind, realm, address) JOIN contacts c ON c.id = i.contact_id
        """,
        [address.kind for _, _, address, _ in people],
        [address.realm for _, _, address, _ in people],
        [address.address for _, _, address, _ in people],
    )
    return {
        (row["kind"], row["realm"], row["address"]): KnownIdentity(
            id=row["id"],
            contact_id=row["contact_id"],
            language=row["language"],
            tier=row["tier"],
            acks=row["acks"],
            acks_since=row["acks_since"],
            unreachable_at=row["unreachable_at"],
        )
        for row in rows
    }


async def _lock_identities(tx: Tx, senders: Sequence[Key], reported: Sequence[UUID]) -> None:
    if senders or reported:
        await tx.driver.execute(
            """
            SELECT id FROM identities WHERE id = ANY(ARRAY(
                SELECT i.id FROM unnest($1::text[], $2::text[], $3::text[]) AS k (kind, realm, address)
                  JOIN identities AS i USING (kind, realm, address)
                 UNION
                SELECT unnest(to_ids || cc_ids) FROM deliveries WHERE id = ANY($4::uuid[])))
             ORDER BY id FOR NO KEY UPDATE
            """,
            [kind for kind, _, _ in senders],
            [realm for _, realm, _ in senders],
            [address for _, _, address in senders],
            reported,
        )


async def draw_numbers(tx: Tx, count: int) -> list[int]:
    """The next values of the sequence behind ticket numbers."""
    rows = await tx.driver.fetch("SELECT nextval('ticket_numbers') AS n FROM generate_series(1, $1::int)", count)
    return [row["n"] for row in rows]


async def group_messages(tx: Tx, groups: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], UUID]:
    """Messages that an album's items append to, by (conversation, group key)."""
    if not groups:
        return {}
    rows = await tx.driver.fetch(
        """
        SELECT m.conversation_id, m.group_key, m.id
          FROM unnest($1::uuid[], $2::text[]) AS g (conversation_id, group_key)
          JOIN messages m USING (conversation_id, group_key)
        """,
        [conversation for conversation, _ in groups],
        [group for _, group in groups],
    )
    return {(row["conversation_id"], row["group_key"]): row["id"] for row in rows}


async def heard(tx: Tx, rows: Sequence[tuple[UUID, str, datetime | None, datetime | None, datetime, str, int]]) -> None:
    """Tickets after a person wrote: (id, status, waiting since, resolved at, said at, new facts as JSON, chasers)."""
    if rows:
        await tx.driver.execute(
            """
            UPDATE tickets AS t
               SET status = h.status, waiting_since = h.waiting_since, resolved_at = h.resolved_at,
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

    The same thing: the same subject, however often answered, or the same order.
    """
    if not ticket_ids:
        return []
    rows = await tx.driver.fetch(
        r"""
        INSERT INTO ticket_links (ticket_id, kind, other_id)
        SELECT t.id, 'repeat_of', earlier.id
          FROM tickets AS t JOIN identities AS i ON i.id = t.requester_id
         CROSS JOIN LATERAL (
               SELECT o.id FROM identities AS own JOIN tickets AS o ON o.requester_id = own.id
                WHERE own.contact_id = i.contact_id AND o.id < t.id AND o.status <> 'spam'
                      AND o.created_at > t.created_at - interval '30 days'
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
        UPDATE messages AS m SET text = e.text, html = e.html, edited_at = e.at FROM e
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
            UPDATE messages SET text = '', html = '', quoted = '', deleted_at = $2
             WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL
            """,
            message_ids,
            at,
        )


_CONTACTS = Bulk(tables.contacts, "id", "name", "language")
TICKETS = Bulk(
    tables.tickets,
    *("id", "number", "status", "subject", "urgency", "language", "channel", "inbox_id", "requester_id", "queue_id"),
    *("waiting_since", "facts", "last_inbound_at", "created_at", "updated_at"),
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
