"""Timers: what is due at a moment; one for each kind and subject, set again by setting it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk, Write, as_json
from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    kind: str
    subject_id: UUID
    due_at: datetime
    attempts: int = 0  # failures so far
    data: Mapping[str, Any] = field(default_factory=dict)


_TIMERS = Bulk(tables.timers, "kind", "subject_id", "due_at", "data")


def new(timers: Collection[Timer]) -> Write:
    """The timers of subjects that are new: there is none of them yet."""
    return Write(_TIMERS, [(each.kind, each.subject_id, each.due_at, as_json(each.data)) for each in timers])


async def set_timers(tx: Tx, timers: Collection[Timer]) -> None:
    """Set timers, or move those that there are to the new moment. Call it after the subjects are locked."""
    ordered = sorted({(timer.kind, timer.subject_id): timer for timer in timers}.items())
    if ordered:
        await tx.driver.execute(
            """
            INSERT INTO timers (kind, subject_id, due_at, data)
            SELECT kind, subject_id, due_at, data::jsonb
              FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[]) AS t (kind, subject_id, due_at, data)
            ON CONFLICT (kind, subject_id) DO UPDATE
               SET due_at = excluded.due_at, data = excluded.data, attempts = 0, error = NULL
            """,
            [kind for (kind, _), _ in ordered],
            [subject for (_, subject), _ in ordered],
            [timer.due_at for _, timer in ordered],
            [as_json(timer.data) for _, timer in ordered],
        )


async def cancel(tx: Tx, kind: str, subjects: Sequence[UUID]) -> None:
    """Take timers away; those that there are not are no error."""
    await tx.driver.execute("DELETE FROM timers WHERE kind = $1 AND subject_id = ANY ($2)", kind, list(subjects))


async def claim(tx: Tx, kind: str, now: datetime, limit: int, only: Sequence[UUID] | None = None) -> list[Timer]:
    """Due timers of a kind, the oldest first, locked until the commit; those that others handle are left out."""
    rows = await tx.driver.fetch(
        """
        SELECT kind, subject_id, due_at, attempts, data FROM timers
         WHERE kind = $1 AND due_at <= $2 AND ($4::uuid[] IS NULL OR subject_id = ANY ($4))
         ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
        """,
        kind,
        now,
        limit,
        None if only is None else list(only),
    )
    return [Timer(**row) for row in rows]


async def put_off(tx: Tx, kind: str, subjects: Sequence[UUID], now: datetime, due_at: datetime) -> None:
    """Those of them that are still due are due again later, without a failure: their subjects were busy."""
    await tx.driver.execute(
        "UPDATE timers SET due_at = $4 WHERE kind = $1 AND subject_id = ANY ($2) AND due_at <= $3",
        kind,
        list(subjects),
        now,
        due_at,
    )


async def fail(tx: Tx, kind: str, subjects: Sequence[UUID], error: str, now: datetime, longest_s: int) -> None:
    """Due again after 10 s, 20 s, 40 s … at most `longest_s`; the error stays visible on the timer."""
    await tx.driver.execute(
        """
        UPDATE timers SET attempts = least(attempts + 1, 1000), error = $3,
               due_at = $4::timestamptz + make_interval(secs => least($5::float8, 10 * 2 ^ least(attempts, 20)))
         WHERE kind = $1 AND subject_id = ANY ($2)
        """,
        kind,
        list(subjects),
        error,
        now,
        longest_s,
    )


async def lock_resolved(tx: Tx, tickets: Sequence[UUID], resolved_before: datetime) -> list[UUID]:
    """Tickets that have been resolved since before then, locked; those that somebody uses right now are left out."""
    rows = await tx.driver.fetch(
        """
        SELECT id FROM tickets WHERE id = ANY ($1) AND status = 'resolved' AND resolved_at <= $2
         ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        """,
        list(tickets),
        resolved_before,
    )
    return [row["id"] for row in rows]


async def still_resolved(tx: Tx, tickets: Sequence[UUID]) -> dict[UUID, datetime]:
    """Of these tickets those that are resolved, and since when; locks nothing."""
    rows = await tx.driver.fetch(
        "SELECT id, resolved_at FROM tickets WHERE id = ANY ($1) AND status = 'resolved' AND resolved_at IS NOT NULL",
        list(tickets),
    )
    return {row["id"]: row["resolved_at"] for row in rows}


async def close_tickets(tx: Tx, tickets: Sequence[UUID], now: datetime) -> None:
    """Close locked tickets, and their conversations to what comes later: a later message makes a new ticket."""
    await tx.driver.execute(
        """
        UPDATE tickets SET status = 'closed', closed_at = $2, waiting_since = NULL, updated_at = $2,
               version = version + 1
         WHERE id = ANY ($1)
        """,
        list(tickets),
        now,
    )
    await tx.driver.execute(
        """
        UPDATE conversations AS c SET receives = false
          FROM (SELECT id FROM conversations WHERE ticket_id = ANY ($1) AND receives
                 ORDER BY id FOR NO KEY UPDATE) AS own
         WHERE c.id = own.id
        """,
        list(tickets),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPromise:
    id: UUID
    ticket_id: UUID
    due_at: datetime
    kind: str
    status: str  # of its ticket


async def watch_promises(tx: Tx, now: datetime, limit: int) -> int:
    """Set a timer for every open promise that is overdue and has none, whoever made it; spam waits."""
    tag = await tx.driver.execute(
        """
        INSERT INTO timers (kind, subject_id, due_at)
        SELECT 'promise', p.id, p.due_at FROM promises AS p JOIN tickets AS t ON t.id = p.ticket_id
         WHERE p.state = 'open' AND p.due_at <= $1 AND t.status <> 'spam'
               AND NOT EXISTS (SELECT 1 FROM timers AS w WHERE w.kind = 'promise' AND w.subject_id = p.id)
         ORDER BY p.id LIMIT $2
        ON CONFLICT DO NOTHING
        """,
        now,
        limit,
    )
    return int(tag.split()[-1])


async def open_promises(tx: Tx, promises: Sequence[UUID]) -> list[OpenPromise]:
    rows = await tx.driver.fetch(
        """
        SELECT p.id, p.ticket_id, p.due_at, p.kind, t.status FROM promises AS p JOIN tickets AS t ON t.id = p.ticket_id
         WHERE p.id = ANY ($1) AND p.state = 'open'
        """,
        list(promises),
    )
    return [OpenPromise(**row) for row in rows]


async def lock_free_tickets(tx: Tx, tickets: Sequence[UUID]) -> set[UUID]:
    """Lock those of these tickets that nobody uses right now."""
    rows = await tx.driver.fetch(
        "SELECT id FROM tickets WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED", list(tickets)
    )
    return {row["id"] for row in rows}


async def break_promises(tx: Tx, promises: Sequence[UUID], now: datetime) -> list[OpenPromise]:
    """Mark what is still open and overdue as broken, and its ticket as in need of attention."""
    rows = await tx.driver.fetch(
        """
        WITH broken AS (
            UPDATE promises SET state = 'broken', settled_at = $2
             WHERE id = ANY ($1) AND state = 'open' AND due_at <= $2
            RETURNING id, ticket_id, due_at, kind
        ), noted AS (
            UPDATE tickets
               SET attention = CASE WHEN attention LIKE 'delivery_%' THEN attention ELSE 'promise_broken' END,
                   updated_at = $2, version = version + 1
             WHERE id IN (SELECT ticket_id FROM broken)
        )
        SELECT b.id, b.ticket_id, b.due_at, b.kind, t.status
          FROM broken AS b JOIN tickets AS t ON t.id = b.ticket_id ORDER BY b.id
        """,
        list(promises),
        now,
    )
    return [OpenPromise(**row) for row in rows]
