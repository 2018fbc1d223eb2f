"""What leaves the hot tables in time: old bodies with their partitions, done arrivals, forgotten buckets."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from omnidesk.db.session import Tx

PARTITION = "arrival_bodies_"
KEPT_DAY = date(1970, 1, 1)  # bodies of parked arrivals move to this day, that is into the default partition
BODIES_STAY = timedelta(days=7)  # after their arrival is done or ignored
ARRIVALS_STAY = timedelta(days=90)
OFFERS_STAY = timedelta(days=30)
BUCKETS_STAY = timedelta(days=1)  # a bucket that nobody used for so long is full again
LOCK_TIMEOUT_MS = 500  # the door waits behind a lock on the whole table: rather try again later


def partition_of(day: date) -> str:
    return f"{PARTITION}{day:%Y%m%d}"


async def days(tx: Tx) -> list[date]:
    """The days that have a partition of their own, the oldest first."""
    rows = await tx.driver.fetch(
        """
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'arrival_bodies'::regclass AND c.relname ~ '^arrival_bodies_[0-9]{8}$'
         ORDER BY c.relname
        """
    )
    return [datetime.strptime(row["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date() for row in rows]


async def add_day(tx: Tx, day: date) -> None:
    """Make the partition of a day. Raises CheckViolationError when bodies of that day lie in the default one."""
    await _be_quick(tx)
    await tx.driver.execute(
        f"CREATE TABLE IF NOT EXISTS {partition_of(day)} PARTITION OF arrival_bodies"
        f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )


async def keep_bodies(tx: Tx, day: date, now: datetime, limit: int) -> int:
    """Move bodies of that day that have to stay to `KEPT_DAY`; how many. Those being read right now are left."""
    rows = await tx.driver.fetch(
        """
        WITH kept AS (
            SELECT a.id FROM arrivals AS a JOIN arrival_bodies AS b ON b.arrival_id = a.id AND b.day = $1
             WHERE a.day = $1 AND (a.state IN ('failed', 'unreadable', 'held')
                                   OR a.state IN ('done', 'ignored') AND a.done_at >= $2)
             LIMIT $3 FOR NO KEY UPDATE OF a SKIP LOCKED
        ), moved AS (
            UPDATE arrival_bodies AS b SET day = $4 FROM kept WHERE b.arrival_id = kept.id AND b.day = $1
        )
        UPDATE arrivals AS a SET day = $4 FROM kept WHERE a.id = kept.id RETURNING a.id
        """,
        day,
        now - BODIES_STAY,
        limit,
        KEPT_DAY,
    )
    return len(rows)


async def is_over(tx: Tx, day: date, now: datetime) -> bool:
    """Whether every body of that day may go. Once true it stays true: what is done is never read again."""
    return not await tx.driver.fetchval(
        """
        SELECT EXISTS (
            SELECT 1 FROM arrivals AS a JOIN arrival_bodies AS b ON b.arrival_id = a.id AND b.day = $1
             WHERE a.day = $1 AND NOT (a.state IN ('done', 'ignored') AND a.done_at < $2)
        )
        """,
        day,
        now - BODIES_STAY,
    )


async def drop_day(tx: Tx, day: date) -> None:
    """Drop the partition of a day that is over."""
    await _be_quick(tx)
    await tx.driver.execute(f"DROP TABLE IF EXISTS {partition_of(day)}")


async def drop_kept_bodies(tx: Tx, now: datetime, limit: int) -> int:
    """Delete bodies in the default partition whose arrival was done or ignored long enough ago, or is gone."""
    tag = await tx.driver.execute(
        """
        DELETE FROM arrival_bodies_rest WHERE ctid = ANY (ARRAY(
            SELECT b.ctid FROM arrival_bodies_rest AS b LEFT JOIN arrivals AS a ON a.id = b.arrival_id
             WHERE a.id IS NULL OR (a.state IN ('done', 'ignored') AND a.done_at < $1)
             LIMIT $2
        ))
        """,
        now - BODIES_STAY,
        limit,
    )
    return count(tag)


async def drop_arrivals(tx: Tx, now: datetime, limit: int) -> int:
    """Delete arrivals that were done or ignored long ago; parked ones stay until a person decides."""
    tag = await tx.driver.execute(
        """
        DELETE FROM arrivals WHERE id = ANY (ARRAY(
            SELECT id FROM arrivals WHERE received_at < $1 AND state IN ('done', 'ignored')
             ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        """,
        now - ARRIVALS_STAY,
        limit,
    )
    return count(tag)


async def drop_offers(tx: Tx, now: datetime, limit: int) -> int:
    """Forget answers to offers that no longer exclude anybody; events and decisions remember them."""
    tag = await tx.driver.execute(
        """
        DELETE FROM offers WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM offers WHERE outcome IS NOT NULL AND offered_at < $1 LIMIT $2
        ))
        """,
        now - OFFERS_STAY,
        limit,
    )
    return count(tag)


async def drop_buckets(tx: Tx, now: datetime, limit: int) -> int:
    tag = await tx.driver.execute(
        """
        DELETE FROM rate_limits WHERE name = ANY (ARRAY(
            SELECT name FROM rate_limits WHERE updated_at < $1 ORDER BY name LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        """,
        now - BUCKETS_STAY,
        limit,
    )
    return count(tag)


def count(tag: str) -> int:
    return int(tag.split()[-1])


def missing(known: Sequence[date], today: date, ahead: int) -> list[date]:
    """Days from today on that have no partition yet."""
    return [day for n in range(ahead + 1) if (day := today + timedelta(days=n)) not in known]


async def _be_quick(tx: Tx) -> None:
    await tx.driver.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
