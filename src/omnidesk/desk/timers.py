"""The loop of timers: what is due is handled in batches, by a handler for each kind."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from omnidesk.db import events, timers
from omnidesk.db.listen import Listener
from omnidesk.db.session import Database, Tx, is_away, root_cause
from omnidesk.db.timers import Timer
from omnidesk.desk import clocks
from omnidesk.desk.loops import keep, trace
from omnidesk.domain import ids
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.tickets import CLOSES_AFTER

log = structlog.get_logger(__name__)
BATCH = 500
BATCHES = 4  # of one kind, in one pass
BUSY = timedelta(seconds=1)  # somebody uses the subject right now
LONGEST_S = 3_600  # between two tries of a handler that fails
NARROWINGS = 20  # batches taken apart in one pass to find who spoils them; then the rest is put off together

Handler = Callable[[Tx, Sequence[Timer], datetime], Awaitable[Collection[UUID]]]
"""Handles timers of its kind in the transaction that removes them; returns the subjects whose timers stay,
because they were set anew or because somebody uses the subject right now (those are due again in a second).

It must never wait for a lock (SKIP LOCKED): others hold a ticket and then move its timer.
"""


async def close(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
    """Resolved tickets become closed; those opened again meanwhile are left, those resolved again wait anew."""
    subjects = [timer.subject_id for timer in due]
    closed = await timers.lock_resolved(tx, subjects, now - CLOSES_AFTER)
    await timers.close_tickets(tx, closed, now)
    facts = [
        Event(type=EventType.TICKET_STATUS, ticket_id=ticket, data={"from": "resolved", "to": "closed"})
        for ticket in closed
    ]
    await events.record(tx, facts)
    left = set(subjects) - set(closed)
    since = await timers.still_resolved(tx, list(left))
    again = {ticket: moment + CLOSES_AFTER for ticket, moment in since.items() if moment + CLOSES_AFTER > now}
    await close_later(tx, again)
    return since.keys()


async def promise(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
    """Open promises whose date has passed are broken, visibly; a later date waits anew."""
    found = await timers.open_promises(tx, [timer.subject_id for timer in due])
    late = [one for one in found if one.due_at <= now and one.status != "spam"]
    free = await timers.lock_free_tickets(tx, [one.ticket_id for one in late])
    broken = await timers.break_promises(tx, [one.id for one in late if one.ticket_id in free], now)
    await events.record(tx, [fact for one in broken for fact in _broken(one)])
    moved = [Timer(kind="promise", subject_id=one.id, due_at=one.due_at) for one in found if one.due_at > now]
    await timers.set_timers(tx, moved)
    busy = {one.id for one in late if one.ticket_id not in free}
    return busy | {timer.subject_id for timer in moved}


def _broken(one: timers.OpenPromise) -> list[Event]:
    about = {"promise_id": ids.encode("promise", one.id), "kind": one.kind, "due_at": one.due_at.isoformat()}
    return [
        Event(type=EventType.PROMISE_BROKEN, ticket_id=one.ticket_id, subject_id=one.id, data=about),
        Event(type=EventType.TICKET_ATTENTION, ticket_id=one.ticket_id, data={"reason": "promise_broken"}),
    ]


async def close_later(tx: Tx, tickets: Mapping[UUID, datetime]) -> None:
    """Close these tickets at these moments, if they are still resolved then."""
    await timers.set_timers(tx, [Timer(kind="close", subject_id=t, due_at=at) for t, at in tickets.items()])


async def resolved(tx: Tx, tickets: Collection[UUID], *, now: datetime) -> None:
    """Tickets were resolved just now: they close by themselves after `CLOSES_AFTER`."""
    await close_later(tx, dict.fromkeys(tickets, now + CLOSES_AFTER))


HANDLERS: Mapping[str, Handler] = {"close": close, "promise": promise, "clock": clocks.warn}


def utc_now() -> datetime:
    return datetime.now(UTC)


async def run_timers(
    db: Database,
    stop: asyncio.Event,
    *,
    handlers: Mapping[str, Handler] = HANDLERS,
    listener: Listener | None = None,
    now: Callable[[], datetime] = utc_now,
) -> None:
    """Handle what is due until `stop`. Any number of processes may run this; none waits for another."""

    async def step() -> bool:
        more = await handle_due(db, handlers, now=now())
        if more and listener:
            listener.tell()
        return more

    await keep("timers", stop, step)


async def handle_due(db: Database, handlers: Mapping[str, Handler] = HANDLERS, *, now: datetime) -> bool:
    """Some batches of each kind; True when there is more. A kind that fails does not hold up the others."""
    async with db.transaction() as tx:
        await timers.watch_promises(tx, now, BATCH)
    return any([await _has_more(db, kind, handler, now) for kind, handler in handlers.items()])


async def _has_more(db: Database, kind: str, handler: Handler, now: datetime) -> bool:
    """Batch after batch, each a transaction of its own, but for not so long that other kinds would wait."""
    for _ in range(BATCHES):
        if await _Pass(db, kind, handler, now).handle() < BATCH:
            return False
    return True


class _Pass:
    """One batch of one kind; when it fails it is taken apart in halves, so that only the guilty wait."""

    def __init__(self, db: Database, kind: str, handler: Handler, now: datetime) -> None:
        self.db, self.kind, self.handler, self.now = db, kind, handler, now
        self.narrowings = NARROWINGS
        self.claimed: list[UUID] = []

    async def handle(self, only: Sequence[UUID] | None = None) -> int:
        """Handle what is due, or `only` these; how many."""
        try:
            return await self.db.repeating(lambda tx: self._try(tx, only))
        except Exception as error:
            if is_away(error):
                raise
            await self._narrow(self.claimed, error)
            return len(self.claimed)

    async def _try(self, tx: Tx, only: Sequence[UUID] | None) -> int:
        due = await timers.claim(tx, self.kind, self.now, BATCH, only)
        self.claimed = [timer.subject_id for timer in due]
        if due:
            stay = set(await self.handler(tx, due, self.now))
            await timers.cancel(tx, self.kind, [subject for subject in self.claimed if subject not in stay])
            await timers.put_off(tx, self.kind, list(stay), self.now, self.now + BUSY)
        return len(due)

    async def _narrow(self, subjects: list[UUID], error: Exception) -> None:
        if len(subjects) > 1 and self.narrowings > 0:
            self.narrowings -= 1
            half = len(subjects) // 2
            await self.handle(subjects[:half])
            await self.handle(subjects[half:])
            return
        about = trace(error)
        log.error("timer.failed", kind=self.kind, count=len(subjects), subject_id=str(subjects[0]), **about)
        async with self.db.transaction() as tx:
            await timers.fail(tx, self.kind, subjects, type(root_cause(error)).__name__, self.now, LONGEST_S)
