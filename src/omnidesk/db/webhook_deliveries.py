"""The log of calls to webhooks: a row per event and webhook, with its tries; the calls themselves are in the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.bulk import as_json
from omnidesk.db.outbox import UNFINISHED
from omnidesk.db.session import Tx

TRIES_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An event that a webhook is to be told of; `seq` None: a test."""

    id: UUID
    webhook_id: UUID
    seq: int | None
    type: str
    ticket_id: UUID | None


async def put(tx: Tx, rows: Sequence[New]) -> set[UUID]:
    """Note what is to be told; the ids of those that were not noted before."""
    records = await tx.driver.fetch(
        """
        INSERT INTO webhook_deliveries (id, webhook_id, seq, type, ticket_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[])
        ON CONFLICT (webhook_id, seq) DO NOTHING RETURNING id
        """,
        [row.id for row in rows],
        [row.webhook_id for row in rows],
        [row.seq for row in rows],
        [row.type for row in rows],
        [row.ticket_id for row in rows],
    )
    return {record["id"] for record in records}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a call needs to be made."""

    webhook_id: UUID
    url: str
    secret: bytes
    old_secret: bytes | None  # while it still signs
    is_on: bool
    seq: int | None
    type: str
    ticket_id: UUID | None
    at: datetime
    subject_id: UUID | None
    actor: str
    data: Mapping[str, Any]


async def load(tx: Tx, delivery_id: UUID) -> Loaded | None:
    """None when the webhook was deleted."""
    row = await tx.driver.fetchrow(
        """
        SELECT d.webhook_id, w.url, w.secret,
               CASE WHEN w.old_secret_until > clock_timestamp() THEN w.old_secret END AS old_secret,
               w.disabled_at IS NULL AS is_on, d.seq, d.type, d.ticket_id, coalesce(e.at, d.created_at) AS at,
               e.subject_id, coalesce(e.actor, 'system') AS actor,
               CASE WHEN e.type = d.type THEN e.data ELSE '{}'::jsonb END AS data
          FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
          LEFT JOIN events AS e ON e.seq = d.seq
         WHERE d.id = $1 AND w.deleted_at IS NULL
        """,
        delivery_id,
    )
    return Loaded(**dict(row)) if row else None


async def lock(tx: Tx, delivery_ids: Sequence[UUID]) -> None:
    await tx.driver.execute(
        "SELECT FROM webhook_deliveries WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(delivery_ids)
    )


async def note_try(tx: Tx, delivery_id: UUID, state: str, tried: Mapping[str, Any] | None) -> UUID | None:
    """Write how a try ended, and what the call is now; the webhook's id."""
    found: UUID | None = await tx.driver.fetchval(
        """
        UPDATE webhook_deliveries
           SET state = $2, done_at = CASE WHEN $2 <> 'waiting' THEN clock_timestamp() END,
               tries = CASE WHEN $3::jsonb IS NULL THEN tries WHEN jsonb_array_length(tries) >= $4
                            THEN (tries - 0) || $3::jsonb ELSE tries || $3::jsonb END
         WHERE id = $1 RETURNING webhook_id
        """,
        delivery_id,
        state,
        as_json([tried]) if tried else None,
        TRIES_KEPT,
    )
    return found


async def give_up(tx: Tx, delivery_ids: Sequence[UUID]) -> None:
    """Calls that nobody came to make: the outbox has given them up."""
    await tx.driver.execute(
        """
        UPDATE webhook_deliveries SET state = 'failed', done_at = clock_timestamp()
         WHERE id = ANY($1::uuid[]) AND state = 'waiting'
        """,
        list(delivery_ids),
    )


# --- the log --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A call as the log shows it."""

    id: UUID
    webhook_id: UUID
    seq: int | None
    type: str
    ticket_id: UUID | None
    state: str  # waiting | delivered | failed
    tries: Sequence[Mapping[str, Any]]
    next_try_at: datetime | None
    created_at: datetime
    done_at: datetime | None


_SHOWN = f"""
    SELECT d.id, d.webhook_id, d.seq, d.type, d.ticket_id, d.state, d.tries, d.created_at, d.done_at,
           CASE WHEN d.state = 'waiting'
                THEN (SELECT o.due_at FROM outbox AS o WHERE o.subject_id = d.id AND o.state IN {UNFINISHED}
                       ORDER BY o.id DESC LIMIT 1) END AS next_try_at
      FROM webhook_deliveries AS d
"""  # noqa: S608 - our own list of states


async def page(
    tx: Tx,
    webhook_id: UUID,
    *,
    state: str | None = None,
    event_type: str | None = None,
    ticket_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[Delivery]:
    """The log of a webhook, newest first."""
    rows = await tx.driver.fetch(
        _SHOWN
        + """
         WHERE d.webhook_id = $1 AND ($2::text IS NULL OR d.state = $2) AND ($3::text IS NULL OR d.type = $3)
           AND ($4::uuid IS NULL OR d.ticket_id = $4) AND ($5::uuid IS NULL OR d.id < $5)
         ORDER BY d.id DESC LIMIT $6
        """,
        webhook_id,
        state,
        event_type,
        ticket_id,
        before,
        limit,
    )
    return [Delivery(**dict(row)) for row in rows]


async def read(tx: Tx, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
    row = await tx.driver.fetchrow(_SHOWN + " WHERE d.webhook_id = $1 AND d.id = $2", webhook_id, delivery_id)
    return Delivery(**dict(row)) if row else None


# --- once more ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A call that may be made once more; what orders it, and whether it waits to be made already."""

    id: UUID
    seq: int | None
    type: str
    state: str
    ticket_id: UUID | None
    subject_id: UUID | None
    waiting: bool


_KNOWN = f"""
    SELECT d.id, d.seq, d.type, d.state, d.ticket_id, (SELECT e.subject_id FROM events AS e WHERE e.seq = d.seq),
           EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = d.id AND o.state IN {UNFINISHED}) AS waiting
      FROM webhook_deliveries AS d
"""  # noqa: S608 - our own list of states


async def by_id(tx: Tx, webhook_id: UUID, delivery_ids: Sequence[UUID]) -> list[Known]:
    """Those of this webhook, locked, oldest first."""
    rows = await tx.driver.fetch(
        _KNOWN + " WHERE d.webhook_id = $1 AND d.id = ANY($2::uuid[]) ORDER BY d.id FOR UPDATE OF d",
        webhook_id,
        list(delivery_ids),
    )
    return [Known(**dict(row)) for row in rows]


async def by_seq(tx: Tx, webhook_id: UUID, seqs: Sequence[int]) -> dict[int, Known]:
    """What this webhook was, or is to be, told of these events; locked."""
    rows = await tx.driver.fetch(
        _KNOWN + " WHERE d.webhook_id = $1 AND d.seq = ANY($2::bigint[]) ORDER BY d.id FOR UPDATE OF d",
        webhook_id,
        list(seqs),
    )
    return {row["seq"]: Known(**dict(row)) for row in rows}


async def begin_again(tx: Tx, delivery_ids: Sequence[UUID]) -> None:
    """These wait to be told once more; those whose call waits for another try are due now, with all their tries."""
    await tx.driver.execute(
        "UPDATE webhook_deliveries SET state = 'waiting', done_at = NULL WHERE id = ANY($1::uuid[])",
        list(delivery_ids),
    )
    await tx.driver.execute(
        """
        UPDATE outbox SET due_at = clock_timestamp(), attempts = 0, tried_at = NULL
         WHERE id IN (SELECT id FROM outbox WHERE subject_id = ANY($1::uuid[]) AND state IN ('queued','deferred')
                       ORDER BY id FOR UPDATE)
        """,
        list(delivery_ids),
    )


async def sweep(tx: Tx, *, days: int, limit: int) -> int:
    """Drop what ended so long ago, oldest first; how many."""
    tag = await tx.driver.execute(
        """
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT id FROM webhook_deliveries
             WHERE state <> 'waiting' AND done_at < now() - make_interval(days => $1)
             ORDER BY done_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        days,
        limit,
    )
    return int(tag.split()[-1])
