"""Calls still to be made to the outside: one row, one call.

    queued ──► claimed ──► calling ──► sent
       ▲          │           ├──────► rejected
       ├─ lapsed ─┘           ├──────► deferred ──► claimed …
       └── repeats safely ────┴──────► unknown ──► sent (proof, an agent) | queued (an agent)

Only the oldest unfinished row of an order key is due. What an agent must settle (`unknown`) holds the rows
behind it; an inbox that is paused or refused holds all of its rows. Every lease goes by the database's clock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import circuits, tables
from omnidesk.db.bulk import Bulk, Write, as_json
from omnidesk.db.session import Tx

UNFINISHED = "('queued','claimed','calling','deferred','unknown')"  # as the partial index says it


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A call to be made. `repeats`: the other side takes our key, so a lost call is made again."""

    kind: str
    order_key: str
    endpoint: str
    subject_id: UUID
    limit_key: str = ""
    inbox_id: UUID | None = None
    part: Mapping[str, Any] = field(default_factory=dict)
    repeats: bool = False
    due_at: datetime | None = None  # None: now


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A call that a holder has claimed; what it writes counts while `token` is still the row's."""

    id: int
    kind: str
    order_key: str
    limit_key: str
    endpoint: str
    subject_id: UUID
    inbox_id: UUID | None
    part: Mapping[str, Any]
    repeats: bool
    attempts: int  # this one included
    tried_s: float  # seconds since the first of these tries
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a call ended: `state` is sent, deferred, rejected, unknown or (not tried at all) queued."""

    state: str
    error: str | None = None  # our own words
    external_id: str = ""
    after_s: float = 0.0  # deferred and queued: not due before


_COLUMNS = ("kind", "order_key", "limit_key", "endpoint", "subject_id", "inbox_id", "part", "repeats")
_CALLS, _LATER = Bulk(tables.outbox, *_COLUMNS), Bulk(tables.outbox, *_COLUMNS, "due_at")


def new(rows: Sequence[New]) -> list[Write]:
    """Calls to queue, in this order. Rows of one order key are put under one lock (their ticket's)."""

    def values(row: New) -> tuple[Any, ...]:
        key = (row.kind, row.order_key, row.limit_key, row.endpoint, row.subject_id, row.inbox_id)
        return (*key, as_json(row.part), row.repeats)

    return [
        Write(_CALLS, [values(row) for row in rows if not row.due_at]),
        Write(_LATER, [(*values(row), row.due_at) for row in rows if row.due_at]),
    ]


async def put(tx: Tx, rows: Sequence[New]) -> list[int]:
    """Queue calls, in this order; their ids. Rows of one order key are put under one lock (their ticket's)."""
    if not rows:
        return []
    records = await tx.driver.fetch(
        """
        INSERT INTO outbox (kind, order_key, limit_key, endpoint, subject_id, inbox_id, part, repeats, due_at)
        SELECT kind, order_key, limit_key, endpoint, subject_id, inbox_id, part::jsonb, repeats, coalesce(due_at, now())
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::bool[],
                      $9::timestamptz[])
               WITH ORDINALITY
                    AS r (kind, order_key, limit_key, endpoint, subject_id, inbox_id, part, repeats, due_at, n)
         ORDER BY n
        RETURNING id
        """,
        [row.kind for row in rows],
        [row.order_key for row in rows],
        [row.limit_key for row in rows],
        [row.endpoint for row in rows],
        [row.subject_id for row in rows],
        [row.inbox_id for row in rows],
        [as_json(row.part) for row in rows],
        [row.repeats for row in rows],
        [row.due_at for row in rows],
    )
    return [record["id"] for record in records]


# OFFSET 0 keeps the look at older rows a probe of the index for each row read; as a join it is planned
# over everything that waits (measured with 20 000 waiting: 0.4 ms instead of 34 ms)
DUE = f"""
    SELECT o.id, o.endpoint
      FROM outbox AS o
     WHERE o.state IN ('queued','deferred')
       AND o.due_at <= now()
       AND o.kind = ANY($1::text[])
       AND o.endpoint <> ALL($2::text[])
       AND (o.inbox_id IS NULL OR o.inbox_id NOT IN
            (SELECT id FROM inboxes WHERE paused_at IS NOT NULL OR send_state = 'needs_reauth'))
       AND o.endpoint NOT IN (SELECT endpoint FROM circuits WHERE open_until > now() OR probing_until > now())
       AND NOT (SELECT EXISTS (SELECT FROM outbox AS p
                                WHERE p.order_key = o.order_key AND p.id < o.id AND p.state IN {UNFINISHED}) OFFSET 0)
     ORDER BY o.due_at, o.id
     LIMIT $3
       FOR UPDATE OF o SKIP LOCKED
"""  # noqa: S608 - our own list of states


async def claim(
    tx: Tx,
    holder: UUID,
    limit: int,
    lease_s: float,
    *,
    kinds: Collection[str],
    leave_out: Collection[str] = (),
    per_endpoint: int | None = None,
) -> list[Row]:
    """Take at most `limit` due calls for `lease_s` seconds, oldest due first; commit before using them, then `renew`.

    Endpoints in `leave_out` are passed over, and no endpoint gives more than `per_endpoint` rows, so that a
    slow one leaves room for others. One whose circuit is half open gives a single probe.
    """
    due = await tx.driver.fetch(DUE, list(kinds), list(leave_out), limit)
    if not due:
        return []
    chosen = await _fair(tx, [(row["id"], row["endpoint"]) for row in due], per_endpoint or limit)
    records = await tx.driver.fetch(
        """
        UPDATE outbox SET state = 'claimed', holder = $2, until = clock_timestamp() + make_interval(secs => $3),
               token = token + 1, attempts = attempts + 1, tried_at = coalesce(tried_at, clock_timestamp())
         WHERE id = ANY($1::bigint[])
        RETURNING id, kind, order_key, limit_key, endpoint, subject_id, inbox_id, part, repeats, attempts, token,
                  extract(epoch FROM clock_timestamp() - tried_at)::float8 AS tried_s
        """,
        chosen,
        holder,
        lease_s,
    )
    rows = [Row(**dict(record)) for record in records]
    return sorted(rows, key=lambda row: row.id)


async def _fair(tx: Tx, due: Sequence[tuple[int, str]], per_endpoint: int) -> list[int]:
    """Which of the due rows to take: so many of each endpoint, one where a probe is wanted and ours to make."""
    half_open = await circuits.half_open(tx, {endpoint for _, endpoint in due})
    probes = await circuits.begin_probes(tx, half_open) if half_open else set()
    room = {
        endpoint: (1 if endpoint in probes else 0) if endpoint in half_open else per_endpoint for _, endpoint in due
    }
    chosen: list[int] = []
    for row_id, endpoint in due:
        if room[endpoint] > 0:
            room[endpoint] -= 1
            chosen.append(row_id)
    return chosen


async def renew(tx: Tx, rows: Sequence[Row], lease_s: float) -> None:
    """Hold claimed rows for `lease_s` seconds from now, where they are still ours and their call has not begun."""
    await tx.driver.execute(
        """
        UPDATE outbox AS o SET until = clock_timestamp() + make_interval(secs => $3)
          FROM unnest($1::bigint[], $2::bigint[]) AS r (id, token)
         WHERE o.id = r.id AND o.token = r.token AND o.state = 'claimed'
        """,
        [row.id for row in rows],
        [row.token for row in rows],
        lease_s,
    )


async def calling(tx: Tx, row: Row, lease_s: float) -> bool:
    """Mark the part that cannot be repeated as begun; False when the lease is lost and the call must not be made."""
    tag = await tx.driver.execute(
        """
        UPDATE outbox SET state = 'calling', until = clock_timestamp() + make_interval(secs => $3)
         WHERE id = $1 AND token = $2 AND state = 'claimed'
        """,
        row.id,
        row.token,
        lease_s,
    )
    return bool(tag == "UPDATE 1")


async def finish(tx: Tx, row: Row, result: Result) -> bool:
    """Write how a call ended, where it is still ours to say; a late answer settles a row that became `unknown`.

    `queued` gives the row back as if it had not been tried.
    """
    tag = await tx.driver.execute(
        """
        UPDATE outbox SET state = $3, error = $4, external_id = nullif($5, ''), holder = NULL, until = NULL,
               due_at = CASE WHEN $3 IN ('queued','deferred') THEN clock_timestamp() + make_interval(secs => $6)
                             ELSE due_at END,
               done_at = CASE WHEN $3 IN ('sent','rejected') THEN clock_timestamp() END,
               attempts = attempts - CASE WHEN $3 = 'queued' THEN 1 ELSE 0 END,
               tried_at = CASE WHEN $3 = 'queued' AND attempts <= 1 THEN NULL ELSE tried_at END
         WHERE id = $1 AND token = $2 AND state IN ('claimed','calling','unknown')
        """,
        row.id,
        row.token,
        result.state,
        result.error,
        result.external_id,
        result.after_s,
    )
    return bool(tag == "UPDATE 1")


async def give_back(tx: Tx, rows: Sequence[tuple[Row, float]]) -> None:
    """Return claimed rows untried, each due again after so many seconds."""
    await tx.driver.execute(
        """
        UPDATE outbox AS o
           SET state = 'queued', holder = NULL, until = NULL, attempts = attempts - 1,
               tried_at = CASE WHEN attempts <= 1 THEN NULL ELSE tried_at END,
               due_at = clock_timestamp() + make_interval(secs => r.after_s)
          FROM unnest($1::bigint[], $2::bigint[], $3::float8[]) AS r (id, token, after_s)
         WHERE o.id = r.id AND o.token = r.token AND o.state = 'claimed'
        """,
        [row.id for row, _ in rows],
        [row.token for row, _ in rows],
        [after_s for _, after_s in rows],
    )


async def reject_rest(tx: Tx, subject_id: UUID, error: str) -> None:
    """The calls of a message behind one that was refused: half an answer helps nobody."""
    await tx.driver.execute(
        """
        UPDATE outbox SET state = 'rejected', error = $2, done_at = clock_timestamp()
         WHERE subject_id = $1 AND state IN ('queued','deferred')
        """,
        subject_id,
        error,
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: rows by state, and how long the oldest due one has been due (seconds)."""

    states: Mapping[str, int]
    late_s: float


async def backlog(tx: Tx) -> Backlog:
    """For health and metrics. Rows that an inbox or an open circuit holds count as waiting too."""
    records = await tx.driver.fetch(
        f"SELECT state, count(*) AS n FROM outbox WHERE state IN {UNFINISHED} GROUP BY state"  # noqa: S608
    )
    late = await tx.driver.fetchval(
        """
        SELECT extract(epoch FROM now() - min(due_at))::float8 FROM outbox
         WHERE state IN ('queued','deferred') AND due_at <= now()
        """
    )
    return Backlog({record["state"]: record["n"] for record in records}, late or 0.0)


async def sweep(tx: Tx, days: int = 90, limit: int = 5_000) -> int:
    """Drop calls that ended so long ago, oldest first; how many."""
    tag = await tx.driver.execute(
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE state IN ('sent','rejected') AND done_at < now() - make_interval(days => $1)
             ORDER BY done_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        days,
        limit,
    )
    return int(tag.split()[-1])
