"""Forgetting a person, statement by statement: each takes a bounded piece, so that no transaction is long.

What stays are rows without words: that there was a message, a ticket, a call, and when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.bulk import as_json
from omnidesk.db.session import Tx

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """That a person was forgotten; `keys` says what to look for, and is empty when it is done."""

    id: UUID
    contact_id: UUID
    state: str
    step: str
    position: str
    counts: Mapping[str, int]
    keys: Mapping[str, Any] = field(repr=False)
    actor: str
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one bounded step did: where it ended (None: nothing is left), how many rows, and whose bytes are free."""

    last: UUID | None
    counts: Mapping[str, int]
    files: Sequence[bytes] = ()


_NAMES = ", ".join(Erasure.__dataclass_fields__)


async def of_contact(tx: Tx, contact_id: UUID) -> Erasure | None:
    row = await tx.driver.fetchrow(f"SELECT {_NAMES} FROM erasures WHERE contact_id = $1", contact_id)  # noqa: S608 - our own columns
    return Erasure(**dict(row)) if row else None


async def read(tx: Tx, erasure_id: UUID) -> Erasure | None:
    row = await tx.driver.fetchrow(f"SELECT {_NAMES} FROM erasures WHERE id = $1", erasure_id)  # noqa: S608 - our own columns
    return Erasure(**dict(row)) if row else None


async def page(tx: Tx, *, before: UUID | None, limit: int) -> list[Erasure]:
    """Newest first."""
    rows = await tx.driver.fetch(
        f"SELECT {_NAMES} FROM erasures WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",  # noqa: S608 - our own columns
        before,
        limit,
    )
    return [Erasure(**dict(row)) for row in rows]


async def add(tx: Tx, erasure: Erasure) -> None:
    await tx.driver.execute(
        """
        INSERT INTO erasures (id, contact_id, state, step, position, counts, keys, actor, created_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9)
        """,
        erasure.id,
        erasure.contact_id,
        erasure.state,
        erasure.step,
        erasure.position,
        as_json(erasure.counts),
        as_json(erasure.keys),
        erasure.actor,
        erasure.created_at,
    )


async def take(tx: Tx) -> Erasure | None:
    """An erasure that runs and that nobody works on, locked: the oldest."""
    row = await tx.driver.fetchrow(
        f"SELECT {_NAMES} FROM erasures WHERE state = 'running' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"  # noqa: S608 - our own columns
    )
    return Erasure(**dict(row)) if row else None


async def save(tx: Tx, erasure: Erasure) -> None:
    """Write how far a locked erasure is."""
    await tx.driver.execute(
        """
        UPDATE erasures SET state = $2, step = $3, position = $4, counts = $5::text::jsonb, keys = $6::text::jsonb,
               done_at = $7
         WHERE id = $1
        """,
        erasure.id,
        erasure.state,
        erasure.step,
        erasure.position,
        as_json(erasure.counts),
        as_json(erasure.keys),
        erasure.done_at,
    )


# --- at once --------------------------------------------------------------------------------------


async def stop_calls(tx: Tx, identity_ids: Sequence[UUID]) -> int | None:
    """Take back what waits to be sent to these addresses; how many calls. None: some are under way right now."""
    rows = await tx.driver.fetch(
        """
        SELECT o.id, o.subject_id, o.state FROM outbox AS o JOIN deliveries AS d ON d.id = o.subject_id
         WHERE o.state IN ('queued','claimed','calling','deferred','unknown') AND (d.to_ids || d.cc_ids) && $1::uuid[]
         ORDER BY o.id FOR UPDATE OF o
        """,
        list(identity_ids),
    )
    if any(row["state"] in {"claimed", "calling"} for row in rows):
        return None
    await tx.driver.execute(
        """
        UPDATE outbox SET state = 'rejected', error = 'The recipient was erased.', done_at = clock_timestamp(),
               part = '{}'::jsonb, token = token + 1
         WHERE id = ANY($1::bigint[])
        """,
        [row["id"] for row in rows],
    )
    await tx.driver.execute(
        """
        UPDATE deliveries SET state = 'rejected', error = 'The recipient was erased.', updated_at = clock_timestamp()
         WHERE id = ANY($1::uuid[])
        """,
        sorted({row["subject_id"] for row in rows}),
    )
    return len(rows)


async def blank_people(tx: Tx, contact_ids: Sequence[UUID], identity_ids: Sequence[UUID], now: datetime) -> None:
    """Nothing of locked contacts and identities says any more who they were; who writes from there is somebody new."""
    await tx.driver.execute(
        """
        UPDATE contacts SET name = '', note = '', language = NULL, zone = NULL, tier = NULL, creator = NULL,
               preferred_identity_id = NULL, erased_at = $2, version = version + 1, updated_at = $2
         WHERE id = ANY($1::uuid[])
        """,
        list(contact_ids),
        now,
    )
    await tx.driver.execute(
        """
        UPDATE identities SET address = 'erased:' || id, realm = '', name = '', verified = false, unreachable_at = $2,
               unreachable_reason = NULL
         WHERE id = ANY($1::uuid[])
        """,
        list(identity_ids),
        now,
    )
    await tx.driver.execute(
        """
        UPDATE contact_merges SET filled = '{}'::jsonb
         WHERE source_id = ANY($1::uuid[]) OR survivor_id = ANY($1::uuid[])
        """,
        list(contact_ids),
    )


# --- piece by piece -------------------------------------------------------------------------------


async def tickets(tx: Tx, identity_ids: Sequence[UUID], after: UUID, limit: int) -> Piece:
    """Their subjects, facts and hand-offs, and what events say in words."""
    rows = await tx.driver.fetch(
        """
        SELECT id FROM tickets WHERE id = ANY(ARRAY(
            SELECT id FROM tickets WHERE requester_id = ANY($1::uuid[]) AND id > $2 ORDER BY id LIMIT $3))
         ORDER BY id FOR NO KEY UPDATE
        """,
        list(identity_ids),
        after,
        limit,
    )
    ids = [row["id"] for row in rows]
    await tx.driver.execute(
        "UPDATE tickets SET subject = '', facts = '{}'::jsonb, version = version + 1 WHERE id = ANY($1::uuid[])", ids
    )
    await tx.driver.execute(
        "UPDATE handoffs SET details = '', steps_tried = '', expected_result = '' WHERE ticket_id = ANY($1::uuid[])",
        ids,
    )
    await tx.driver.execute("UPDATE corrections SET reason = '' WHERE ticket_id = ANY($1::uuid[])", ids)
    await tx.driver.execute("UPDATE proposals SET text = '', comment = '' WHERE ticket_id = ANY($1::uuid[])", ids)
    await tx.driver.execute(
        "UPDATE events SET data = data - 'reason' - 'details' WHERE ticket_id = ANY($1::uuid[]) AND data ?| $2::text[]",
        ids,
        ["reason", "details"],
    )
    return Piece(last=ids[-1] if ids else None, counts={"tickets": len(ids)})


async def conversations(tx: Tx, identity_ids: Sequence[UUID], after: UUID, limit: int) -> Piece:
    """Their subjects and threads; nothing joins them any more."""
    rows = await tx.driver.fetch(
        """
        UPDATE conversations SET thread_key = 'erased:' || id, subject = '', receives = false,
               token_revoked_at = coalesce(token_revoked_at, now())
         WHERE id = ANY(ARRAY(
            SELECT c.id FROM conversations AS c JOIN participants AS p ON p.conversation_id = c.id
             WHERE p.identity_id = ANY($1::uuid[]) AND c.requester_id = ANY($1::uuid[]) AND c.id > $2
             ORDER BY c.id LIMIT $3))
        RETURNING id
        """,
        list(identity_ids),
        after,
        limit,
    )
    ids = sorted(row["id"] for row in rows)
    return Piece(last=ids[-1] if ids else None, counts={"conversations": len(ids)})


_TALKS = """
    SELECT c.id FROM conversations AS c JOIN participants AS p ON p.conversation_id = c.id
     WHERE p.identity_id = ANY($1::uuid[]) AND c.requester_id = ANY($1::uuid[])
"""
TOLD = f"""
    SELECT m.id FROM messages AS m
     WHERE m.conversation_id IN ({_TALKS}) AND m.id > $2 ORDER BY m.id LIMIT $3
"""  # noqa: S608 - our own words
OWN = f"""
    SELECT m.id FROM messages AS m
     WHERE m.identity_id = ANY($1::uuid[]) AND m.conversation_id NOT IN ({_TALKS}) AND m.id > $2 ORDER BY m.id LIMIT $3
"""  # noqa: S608 - our own words
NOTES = """
    SELECT m.id FROM messages AS m
     WHERE m.ticket_id IN (SELECT id FROM tickets WHERE requester_id = ANY($1::uuid[]))
       AND m.id > $2 ORDER BY m.id LIMIT $3
"""


async def spoke_in(tx: Tx, identity_ids: Sequence[UUID], after: UUID, limit: int) -> list[UUID]:
    """The next tickets in which they asked, took part or said something."""
    rows = await tx.driver.fetch(
        """
        SELECT id FROM (
            SELECT id FROM tickets WHERE requester_id = ANY($1::uuid[])
             UNION
            SELECT c.ticket_id FROM participants AS p JOIN conversations AS c ON c.id = p.conversation_id
             WHERE p.identity_id = ANY($1::uuid[])
             UNION
            SELECT c.ticket_id FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
             WHERE m.identity_id = ANY($1::uuid[])
        ) AS t WHERE id > $2 ORDER BY id LIMIT $3
        """,
        list(identity_ids),
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def messages(tx: Tx, which: str, identity_ids: Sequence[UUID], after: UUID, limit: int) -> Piece:
    """Messages of `which` query: their words, earlier wordings, files, raw bodies, provider's ids and calls."""
    rows = await tx.driver.fetch(which, list(identity_ids), after, limit)
    ids = [row["id"] for row in rows]
    if not ids:
        return Piece(last=None, counts={})
    bodies = await _blank_messages(tx, ids)
    revised = await tx.driver.execute("DELETE FROM message_revisions WHERE message_id = ANY($1::uuid[])", ids)
    hashes = await _blank_files(tx, ids)
    await _tombstones(tx, ids)
    await _blank_calls(tx, ids)
    arrived = await blank_arrivals(tx, bodies)
    counts = {
        "messages": len(ids),
        "revisions": int(revised.split()[-1]),
        "files": len(hashes),
        "arrivals": arrived,
    }
    return Piece(last=ids[-1], counts=counts, files=[one for one in hashes if one])


async def _blank_messages(tx: Tx, ids: Sequence[UUID]) -> list[UUID]:
    """Leave tombstones; the arrivals that they came with."""
    rows = await tx.driver.fetch(
        """
        WITH was AS (SELECT id, arrival_id FROM messages WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE)
        UPDATE messages AS m SET text = '', html = '', quoted = '', subject = '', hints = '{}', group_key = NULL,
               deleted_at = coalesce(m.deleted_at, now()), version = m.version + 1
          FROM was WHERE m.id = was.id
        RETURNING was.arrival_id
        """,
        list(ids),
    )
    return [row["arrival_id"] for row in rows if row["arrival_id"]]


async def _blank_files(tx: Tx, ids: Sequence[UUID]) -> list[bytes | None]:
    """Their attachments lead nowhere; what each pointed to."""
    rows = await tx.driver.fetch(
        """
        WITH was AS (SELECT id, sha256 FROM attachments
                      WHERE message_id = ANY($1::uuid[]) AND state <> 'erased' ORDER BY id FOR UPDATE)
        UPDATE attachments AS a SET state = 'erased', sha256 = NULL, name = '', cid = '', source_url = NULL,
               error = NULL, content_type = 'application/octet-stream', size = 0
          FROM was WHERE a.id = was.id
        RETURNING was.sha256
        """,
        list(ids),
    )
    return [row["sha256"] for row in rows]


async def _tombstones(tx: Tx, ids: Sequence[UUID]) -> None:
    """Provider's ids are kept as digests: a mail that is fetched once more is known, and stays away."""
    await tx.driver.execute(
        """
        WITH gone AS (
            DELETE FROM message_refs WHERE message_id = ANY($1::uuid[]) RETURNING realm, external_id, variant
        )
        INSERT INTO erased_refs (digest)
        SELECT DISTINCT sha256(convert_to(concat_ws(E'\\x1f', realm, external_id, variant), 'UTF8')) AS digest
          FROM gone ORDER BY digest
        ON CONFLICT DO NOTHING
        """,
        list(ids),
    )


async def _blank_calls(tx: Tx, ids: Sequence[UUID]) -> None:
    await tx.driver.execute(
        """
        UPDATE outbox SET part = '{}'::jsonb, error = NULL, external_id = NULL
         WHERE subject_id IN (SELECT id FROM deliveries WHERE message_id = ANY($1::uuid[]))
           AND state IN ('sent','rejected')
        """,
        list(ids),
    )
    await tx.driver.execute("UPDATE deliveries SET error = NULL WHERE message_id = ANY($1::uuid[])", list(ids))


async def blank_arrivals(tx: Tx, ids: Sequence[UUID]) -> int:
    """Their raw bodies go; the journal keeps that something came. A mail's key is a digest already, and stays."""
    await tx.driver.execute("DELETE FROM arrival_bodies WHERE arrival_id = ANY($1::uuid[])", list(ids))
    tag = await tx.driver.execute(
        """
        UPDATE arrivals SET order_key = 'erased', waits_for = NULL, error = NULL,
               dedupe_key = CASE WHEN dedupe_key LIKE 'mail:%' THEN dedupe_key ELSE 'erased:' || id END,
               state = CASE WHEN state IN ('failed','unreadable','held') THEN 'ignored' ELSE state END,
               reason = CASE WHEN state IN ('failed','unreadable','held') THEN 'erased' END
         WHERE id = ANY($1::uuid[]) AND order_key <> 'erased'
        """,
        list(ids),
    )
    return int(tag.split()[-1])


async def arrivals(tx: Tx, identity_ids: Sequence[UUID], addresses: Sequence[str], after: UUID, limit: int) -> Piece:
    """Of the next so many arrivals those from these addresses or to their tickets: copies, bounces, parked."""
    rows = await tx.driver.fetch(
        """
        WITH chunk AS MATERIALIZED (
            SELECT id, order_key, ticket_id, state FROM arrivals WHERE id > $3 ORDER BY id LIMIT $4)
        SELECT s.id, s.order_key <> 'erased' AND s.state <> 'new' AND (
                 s.order_key = ANY($2::text[])
                 OR s.ticket_id IN (SELECT id FROM tickets WHERE requester_id = ANY($1::uuid[]))) AS theirs
          FROM chunk AS s ORDER BY s.id
        """,
        list(identity_ids),
        list(addresses),
        after,
        limit,
    )
    count = await blank_arrivals(tx, [row["id"] for row in rows if row["theirs"]])
    return Piece(last=rows[-1]["id"] if rows else None, counts={"arrivals": count})


async def known(tx: Tx, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these provider's ids (as digests) belong to messages that were erased."""
    rows = await tx.driver.fetch("SELECT digest FROM erased_refs WHERE digest = ANY($1::bytea[])", list(digests))
    return {bytes(row["digest"]) for row in rows}


async def drop_bodies(tx: Tx, arrival_ids: Sequence[UUID]) -> None:
    """What came again though it was erased leaves no body behind."""
    await tx.driver.execute("DELETE FROM arrival_bodies WHERE arrival_id = ANY($1::uuid[])", list(arrival_ids))
