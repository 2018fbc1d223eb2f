"""The journal of intake: what came, in which lane it waits, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from omnidesk.db.session import Tx

LANES = 64
LEASE_S = 10.0  # renewed while its holder works; also how long a killed one keeps others waiting
HALF_AT, ALONE_AT, PARK_AT = 1, 2, 5
"""Attempts without a verdict: a batch is halved, then its members are read alone, three times, then parked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArrival:
    """A row for the journal, its body sealed; `state` is `new`, `unreadable` or `held`."""

    id: UUID
    inbox_id: UUID
    dedupe_key: str
    order_key: str
    lane: int
    size: int
    day: date
    received_at: datetime
    body: bytes
    state: str = "new"
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An arrival taken for reading."""

    id: UUID
    inbox_id: UUID
    lane: int
    attempts: int  # this one included
    received_at: datetime
    released: bool
    body: bytes | None  # sealed; None when its body is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an arrival."""

    id: UUID
    state: str  # done | ignored | failed | unreadable | held
    reason: str | None = None
    error: str | None = None
    ticket_id: UUID | None = None
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    lane: int
    token: int


async def store(tx: Tx, rows: Sequence[NewArrival]) -> set[UUID]:
    """Write arrivals and bodies in one statement; the ids of those that had not come before.

    They are numbered in the order given, in which they will be read, and inserted in the order of their keys,
    so that two doors never wait for each other in a ring.
    """
    stored = await tx.driver.fetch(
        """
        WITH given AS MATERIALIZED (
            SELECT g.*, nextval('arrivals_seq_seq') AS seq
              FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int2[], $6::int4[],
                          $7::date[], $8::timestamptz[], $9::bytea[], $10::text[], $11::text[])
                   AS g (id, inbox_id, dedupe_key, order_key, lane, size, day, received_at, body, state, error)
        ), stored AS (
            INSERT INTO arrivals (id, seq, inbox_id, dedupe_key, order_key, lane, size, day, received_at, state, error)
            SELECT id, seq, inbox_id, dedupe_key, order_key, lane, size, day, received_at, state, error
              FROM given ORDER BY inbox_id, dedupe_key COLLATE "C", seq
            ON CONFLICT (inbox_id, dedupe_key) DO NOTHING
            RETURNING id
        ), bodies AS (
            INSERT INTO arrival_bodies (arrival_id, day, body)
            SELECT given.id, given.day, given.body FROM given JOIN stored USING (id)
        )
        SELECT id FROM stored
        """,
        [row.id for row in rows],
        [row.inbox_id for row in rows],
        [row.dedupe_key for row in rows],
        [row.order_key for row in rows],
        [row.lane for row in rows],
        [row.size for row in rows],
        [row.day for row in rows],
        [row.received_at for row in rows],
        [row.body for row in rows],
        [row.state for row in rows],
        [row.error for row in rows],
    )
    return {row["id"] for row in stored}


async def claim_lanes(
    tx: Tx, holder: UUID, *, limit: int, seconds: float = LEASE_S, only: int | None = None
) -> list[Lane]:
    """Lease free lanes, those that wait longest first, as many as fill `limit` arrivals."""
    rows = await tx.driver.fetch(
        """
        WITH free AS (
            SELECT lanes.lane, first.seq AS first, waiting.n
              FROM lanes
             CROSS JOIN LATERAL (
                   SELECT seq FROM arrivals WHERE arrivals.lane = lanes.lane AND state = 'new' ORDER BY seq LIMIT 1
             ) AS first
             CROSS JOIN LATERAL (
                   SELECT count(*) AS n FROM (
                       SELECT 1 FROM arrivals WHERE arrivals.lane = lanes.lane AND state = 'new' LIMIT $2
                   ) AS few
             ) AS waiting
             WHERE lanes.until < clock_timestamp() AND ($4::int2 IS NULL OR lanes.lane = $4)
        ), wanted AS (
            SELECT lane FROM (SELECT lane, sum(n) OVER (ORDER BY first) - n AS ahead FROM free) AS f WHERE ahead < $2
        ), locked AS (
            SELECT lane FROM lanes
             WHERE lane IN (SELECT lane FROM wanted) AND until < clock_timestamp()
             ORDER BY lane FOR UPDATE SKIP LOCKED
        )
        UPDATE lanes SET holder = $1, token = token + 1, until = clock_timestamp() + make_interval(secs => $3)
          FROM locked WHERE lanes.lane = locked.lane
        RETURNING lanes.lane, lanes.token
        """,
        holder,
        limit,
        seconds,
        only,
    )
    return [Lane(row["lane"], row["token"]) for row in rows]


async def take(tx: Tx, lanes: Sequence[Lane], *, limit: int, max_bytes: int) -> list[Waiting]:
    """The next arrivals of leased lanes in order, their attempts raised; a second statement after the claim.

    Whoever already had attempts without a verdict narrows the batch: to a half, then to itself alone.
    """
    rows = await tx.driver.fetch(
        """
        SELECT id, attempts, size
          FROM arrivals WHERE lane = ANY($1::int2[]) AND state = 'new' ORDER BY seq LIMIT $2
        """,
        [lane.lane for lane in lanes],
        limit,
    )
    chosen = _narrow([(row["id"], row["attempts"], row["size"]) for row in rows], limit, max_bytes)
    taken = await tx.driver.fetch(
        """
        UPDATE arrivals SET attempts = attempts + 1 WHERE id = ANY($1::uuid[])
        RETURNING id, seq, inbox_id, lane, attempts, received_at, released,
                  (SELECT body FROM arrival_bodies b WHERE b.arrival_id = arrivals.id AND b.day = arrivals.day)
        """,
        chosen,
    )
    return [
        Waiting(**{name: row[name] for name in Waiting.__dataclass_fields__})
        for row in sorted(taken, key=lambda row: row["seq"])
    ]


def _narrow(rows: Sequence[tuple[UUID, int, int]], limit: int, max_bytes: int) -> list[UUID]:
    """The ids that make up the next batch, of (id, attempts, size) in order."""
    tried = max((attempts for _, attempts, _ in rows[:1]), default=0)
    if tried >= ALONE_AT:
        return [rows[0][0]]
    chosen: list[UUID] = []
    room = max_bytes
    for arrival, attempts, size in rows[: limit // 2 if tried >= HALF_AT else limit]:
        if chosen and (size > room or attempts >= ALONE_AT):
            break
        chosen.append(arrival)
        room -= size
    return chosen


async def still_ours(tx: Tx, holder: UUID, lanes: Sequence[Lane]) -> bool:
    """Whether every lane is still held with our token; locks them, first of all locks, until the commit."""
    rows = await tx.driver.fetch(
        """
        SELECT lane FROM lanes JOIN unnest($2::int2[], $3::int8[]) AS ours (lane, token) USING (lane, token)
         WHERE holder = $1 ORDER BY lane FOR UPDATE OF lanes
        """,
        holder,
        [lane.lane for lane in lanes],
        [lane.token for lane in lanes],
    )
    return len(rows) == len(lanes)


async def renew_lanes(tx: Tx, holder: UUID, lanes: Sequence[Lane], *, seconds: float = LEASE_S) -> None:
    """Hold lanes longer, where they are still ours."""
    await tx.driver.execute(
        """
        UPDATE lanes SET until = clock_timestamp() + make_interval(secs => $4)
          FROM unnest($2::int2[], $3::int8[]) AS ours (lane, token)
         WHERE lanes.lane = ours.lane AND lanes.token = ours.token AND lanes.holder = $1
        """,
        holder,
        [lane.lane for lane in lanes],
        [lane.token for lane in lanes],
        seconds,
    )


async def release_lanes(tx: Tx, holder: UUID, lanes: Sequence[Lane]) -> None:
    """Free lanes at once, where they are still ours."""
    await renew_lanes(tx, holder, lanes, seconds=-1)


async def conclude(tx: Tx, verdicts: Sequence[Verdict], holder: UUID, lanes: Sequence[Lane]) -> None:
    """Write what became of arrivals and free their lanes. A person's decision makes the parked ones `new` again."""
    await tx.driver.execute(
        """
        WITH freed AS (
            UPDATE lanes SET until = clock_timestamp() - interval '1 second'
              FROM unnest($8::int2[], $9::int8[]) AS ours (lane, token)
             WHERE lanes.lane = ours.lane AND lanes.token = ours.token AND lanes.holder = $7
        )
        UPDATE arrivals AS a
           SET state = v.state, reason = v.reason, error = v.error, ticket_id = v.ticket_id,
               waits_for = v.waits_for, done_at = now()
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[])
               AS v (id, state, reason, error, ticket_id, waits_for)
         WHERE a.id = v.id AND a.state = 'new'
        """,
        [verdict.id for verdict in verdicts],
        [verdict.state for verdict in verdicts],
        [verdict.reason for verdict in verdicts],
        [verdict.error for verdict in verdicts],
        [verdict.ticket_id for verdict in verdicts],
        [verdict.waits_for for verdict in verdicts],
        holder,
        [lane.lane for lane in lanes],
        [lane.token for lane in lanes],
    )


async def give_back(tx: Tx, ids: Sequence[UUID]) -> None:
    """The attempt did not count: the database was away, or the process was asked to stop."""
    await tx.driver.execute(
        "UPDATE arrivals SET attempts = attempts - 1 WHERE id = ANY($1::uuid[]) AND state = 'new' AND attempts > 0", ids
    )


async def wake_overtaken(tx: Tx, refs: Sequence[str]) -> None:
    """The messages that edits and receipts waited for are here: read those again."""
    await tx.driver.execute(
        """
        UPDATE arrivals SET state = 'new', attempts = 0, waits_for = NULL, reason = NULL
         WHERE state = 'held' AND waits_for = ANY($1::text[])
        """,
        refs,
    )


async def retry(tx: Tx, ids: Sequence[UUID] | None = None, *, release: bool = False) -> int:
    """Read parked arrivals again: `failed` and `unreadable` ones, or with `release` the `held` ones; None: all."""
    tag = await tx.driver.execute(
        """
        UPDATE arrivals SET state = 'new', attempts = 0, error = NULL, reason = NULL, waits_for = NULL, released = $2
         WHERE state = ANY($3::text[]) AND ($1::uuid[] IS NULL OR id = ANY($1::uuid[]))
        """,
        list(ids) if ids is not None else None,
        release,
        ["held"] if release else ["failed", "unreadable"],
    )
    return int(tag.split()[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """An arrival as the journal shows it."""

    id: UUID
    inbox_id: UUID
    state: str
    reason: str | None
    error: str | None
    attempts: int
    size: int
    received_at: datetime
    done_at: datetime | None
    ticket_id: UUID | None
    lane: int


_JOURNAL = ", ".join(Journal.__dataclass_fields__)


async def find(tx: Tx, inbox_id: UUID, dedupe_key: str) -> Journal | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_JOURNAL} FROM arrivals WHERE inbox_id = $1 AND dedupe_key = $2",  # noqa: S608 - our own columns
        inbox_id,
        dedupe_key,
    )
    return Journal(**dict(row)) if row else None


async def read(tx: Tx, arrival_id: UUID) -> Journal | None:
    row = await tx.driver.fetchrow(f"SELECT {_JOURNAL} FROM arrivals WHERE id = $1", arrival_id)  # noqa: S608
    return Journal(**dict(row)) if row else None


async def parked(
    tx: Tx, *, states: Sequence[str] = ("failed", "unreadable", "held"), before: UUID | None = None, limit: int = 50
) -> list[Journal]:
    """Arrivals that wait for a person, newest first."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_JOURNAL} FROM arrivals
         WHERE state IN ('failed', 'unreadable', 'held') AND state = ANY($1::text[]) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - our own columns
        list(states),
        before,
        limit,
    )
    return [Journal(**dict(row)) for row in rows]


async def counts(tx: Tx) -> dict[str, int]:
    """How many arrivals are waiting and parked."""
    rows = await tx.driver.fetch(
        """
        SELECT state, count(*) AS n FROM arrivals WHERE state = 'new' GROUP BY state
        UNION ALL
        SELECT state, count(*) FROM arrivals WHERE state IN ('failed', 'unreadable', 'held') GROUP BY state
        """
    )
    return {"new": 0, "failed": 0, "unreadable": 0, "held": 0} | {row["state"]: row["n"] for row in rows}
