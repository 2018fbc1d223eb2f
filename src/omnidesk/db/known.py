"""What a batch of intake may touch, each kind in one statement: people, messages, conversations, tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
    new: bool = False  # made by this batch: nobody's ticket before it


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTicket:
    """A ticket whose row is locked until the commit."""

    ticket: Ticket
    number: str
    queue_id: UUID
    assignee_id: UUID | None
    language: str
    asked_for: tuple[str, ...] = ()  # facts that its customer is asked for


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
               number, queue_id, assignee_id, language, asked_for
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
            asked_for=tuple(row["asked_for"]),
        )
        for row in rows
    }


_PEOPLE = """
SELECT i.id, i.kind, i.realm, i.address, i.contact_id, i.acks, i.acks_since, i.unreachable_at, c.language, c.tier
  FROM unnest($1::text[], $2::text[], $3::text[]) AS k (kind, realm, address)
  JOIN identities i USING (kind, realm, address) JOIN contacts c ON c.id = i.contact_id
"""


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
        WITH given AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[],
                                 $8::text[])
                     WITH ORDINALITY AS g (id, contact_id, kind, realm, address, name, verified, language, nth)
        ), made AS (
            INSERT INTO identities (id, contact_id, kind, realm, address, name, verified)
            SELECT id, contact_id, kind, realm, address, name, verified FROM given ORDER BY nth
            ON CONFLICT (kind, realm, address) DO NOTHING
            RETURNING id
        ), met AS (
            INSERT INTO contacts (id, name, language)
            SELECT given.contact_id, given.name, given.language FROM made JOIN given USING (id)
        )
        SELECT id FROM made
        """,
        [identity for identity, _, _, _ in people],
        [contact for _, contact, _, _ in people],
        [address.kind for _, _, address, _ in people],
        [address.realm for _, _, address, _ in people],
        [address.address for _, _, address, _ in people],
        [address.name for _, _, address, _ in people],
        [address.verified for _, _, address, _ in people],
        [language for _, _, _, language in people],
    )
    new = {row["id"] for row in made}
    all_write = not reported and len(people) == len(senders)
    if not all_write:
        await _lock_identities(tx, senders, reported)
    rows = await tx.driver.fetch(
        _PEOPLE + (" ORDER BY i.id FOR NO KEY UPDATE OF i" if all_write else ""),
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
            new=row["id"] in new,
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
