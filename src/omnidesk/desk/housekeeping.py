"""Housekeeping: days begin with a place for their bodies, and what has had its time leaves in small batches."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import asyncpg
import structlog

from omnidesk.db import access, housekeeping, idempotency, jobs, leases, outbox, webhook_deliveries, webhooks
from omnidesk.db.session import Database, Tx, is_away, root_cause
from omnidesk.desk import calendars
from omnidesk.desk.jobs import RESULTS_STAY
from omnidesk.desk.loops import keep, trace

log = structlog.get_logger(__name__)
LEASE = "housekeeping"
LEASE_S = 120.0
EVERY_S = 60.0
BATCH = 1_000
AHEAD = 3  # days that have their partition before they begin
OUTBOX_DAYS = 30  # after a call ended
JOBS_STAY = timedelta(days=30)  # after they are over
FILES_EVERY = timedelta(hours=1)

Job = Callable[[Tx, datetime], Awaitable[int]]  # one bounded batch; how many rows it was about


def utc_now() -> datetime:
    return datetime.now(UTC)


async def _outbox(tx: Tx, now: datetime) -> int:
    return await outbox.sweep(tx, days=OUTBOX_DAYS, limit=BATCH)


async def _idempotency(tx: Tx, now: datetime) -> int:
    return await idempotency.sweep(tx, now=now, limit=BATCH)


async def _webhook_deliveries(tx: Tx, now: datetime) -> int:
    return await webhook_deliveries.sweep(tx, days=OUTBOX_DAYS, limit=BATCH)


async def _webhooks(tx: Tx, now: datetime) -> int:
    return await webhooks.sweep(tx, limit=BATCH)


async def _jobs(tx: Tx, now: datetime) -> int:
    return await jobs.expire(tx, now, results_stay=RESULTS_STAY, jobs_stay=JOBS_STAY, limit=BATCH)


async def _sessions(tx: Tx, now: datetime) -> int:
    await access.sweep(tx, now)
    return 0


JOBS: Mapping[str, Job] = {
    "kept_bodies": lambda tx, now: housekeeping.drop_kept_bodies(tx, now, BATCH),
    "arrivals": lambda tx, now: housekeeping.drop_arrivals(tx, now, BATCH),
    "offers": lambda tx, now: housekeeping.drop_offers(tx, now, BATCH),
    "buckets": lambda tx, now: housekeeping.drop_buckets(tx, now, BATCH),
    "outbox": _outbox,
    "webhook_deliveries": _webhook_deliveries,
    "webhooks": _webhooks,
    "idempotency_keys": _idempotency,
    "jobs": _jobs,
    "sessions": _sessions,
}


class Housekeeper:
    """The loop of one process; of many, the one that holds the lease works."""

    def __init__(
        self,
        db: Database,
        sweep_files: Callable[[], Awaitable[int]] | None = None,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`sweep_files` removes stored files and uploads that nothing uses, once an hour."""
        self._db, self._sweep_files, self._now = db, sweep_files, now
        self._holder = uuid4()
        self._files_at = datetime.min.replace(tzinfo=UTC)
        self._calendars_on = date.min

    async def run(self, stop: asyncio.Event) -> None:
        await keep("housekeeping", stop, self.step, every_s=EVERY_S)

    async def step(self) -> bool:
        """One round, when this process holds the lease; True: there is more to do."""
        async with self._db.transaction() as tx:
            if await leases.take(tx, LEASE, self._holder, LEASE_S) is None:
                return False
        now = self._now()
        more = await sweep(self._db, now=now)
        if self._calendars_on != now.date() and await _guarded("calendars", self._fill_calendars(now)) is not None:
            self._calendars_on = now.date()
        if self._sweep_files and now - self._files_at >= FILES_EVERY:
            self._files_at = now
            await _guarded("files", self._sweep_files())
        return more

    async def _fill_calendars(self, now: datetime) -> int:
        async with self._db.transaction() as tx:
            return await calendars.refresh(tx, now=now)


async def sweep(db: Database, *, now: datetime) -> bool:
    """One bounded round of everything; True when some of it has more to do. One job that fails stops no other."""
    more = await _partitions(db, now)
    for name, job in JOBS.items():
        more |= (await _guarded(name, _run(db, job, now)) or 0) >= BATCH
    return more


async def _run(db: Database, job: Job, now: datetime) -> int:
    return await db.repeating(lambda tx: job(tx, now))


async def _partitions(db: Database, now: datetime) -> bool:
    """Make the days ahead; empty and drop those whose bodies have had their time."""
    async with db.connection() as tx:
        known = await housekeeping.days(tx)
    today = now.date()
    for day in housekeeping.missing(known, today, AHEAD):
        await _guarded("add_day", _add_day(db, day))
    done_before = (now - housekeeping.BODIES_STAY).date()
    moved = [await _guarded("drop_day", _drop_day(db, day, now)) for day in known if day < done_before]
    return any((count or 0) >= BATCH for count in moved)


async def _add_day(db: Database, day: date) -> int:
    try:
        async with db.transaction() as tx:
            await housekeeping.add_day(tx, day)
    except asyncpg.CheckViolationError:
        log.warning("housekeeping.day_in_default", day=day.isoformat())  # its bodies go one by one
    return 1


async def _drop_day(db: Database, day: date, now: datetime) -> int:
    """Bodies moved to where they stay; the partition goes when none is left that has to stay."""
    moved = await _run(db, lambda tx, now: housekeeping.keep_bodies(tx, day, now, BATCH), now)
    if moved < BATCH:
        async with db.transaction() as tx:
            over = await housekeeping.is_over(tx, day, now)
        if over:
            async with db.transaction() as tx:
                await housekeeping.drop_day(tx, day)
            log.info("housekeeping.day_dropped", day=day.isoformat())
    return moved


async def _guarded(name: str, work: Awaitable[int]) -> int | None:
    """What the job did; None when it failed, which is logged, and tried again in the next round."""
    try:
        return await work
    except Exception as error:
        if is_away(error):
            raise
        busy = isinstance(root_cause(error), asyncpg.LockNotAvailableError)
        (log.info if busy else log.error)("housekeeping.failed", job=name, **trace(error))
        return None
