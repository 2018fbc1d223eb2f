"""The feed: one process at a time numbers the events, one reader per process hands them to its followers."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from omnidesk.db import events
from omnidesk.db.events import Numbered
from omnidesk.db.listen import NUMBERED, Listener
from omnidesk.db.session import Database
from omnidesk.desk.loops import keep

PAGE = 500
BATCH = 5_000
RETRY_S = 0.02

Wants = Callable[[Numbered], bool]


class TooSlow(Exception):
    """The follower fell behind by more than its queue holds; it may come back with the last number it saw."""


async def run_sequencer(db: Database, listener: Listener, stop: asyncio.Event) -> None:
    """Number events as they are committed. Any number of processes may run this; one at a time does it."""
    await keep("sequencer", stop, lambda: number_batch(db, listener), listener=listener)


async def number_batch(db: Database, listener: Listener | None = None) -> bool:
    """Number what is committed, one bounded batch; True when there is probably more.

    While another process numbers, an event may have come too late for its snapshot: look again soon.
    """
    async with db.transaction() as tx:
        count = await events.number(tx, BATCH)
    if count is None:
        await asyncio.sleep(RETRY_S)
        return True
    if count and listener:
        listener.tell(NUMBERED)
    return count == BATCH


class _Follower:
    def __init__(self, wants: Wants, size: int, ready: asyncio.Event) -> None:
        self.wants, self.size, self.ready = wants, size, ready
        self.queue: deque[Numbered] = deque()
        self.cut: Exception | None = None

    def offer(self, event: Numbered) -> None:
        """Never raises: a follower's own error cuts off that follower alone."""
        if self.cut:
            return
        try:
            if not self.wants(event):
                return
            if len(self.queue) >= self.size:
                raise TooSlow
            self.queue.append(event)
        except Exception as error:
            self.cut = error
            self.queue.clear()
        self.ready.set()


class Feed:
    """Follows the sequence for all followers of this process; `queue` is how many events each may lag behind."""

    def __init__(self, db: Database, listener: Listener | None = None, *, queue: int = 256) -> None:
        self._db, self._listener, self._queue = db, listener, queue
        self._page = max(1, min(PAGE, queue // 2))  # less than a queue holds: who keeps up is never cut off
        self._followers: set[_Follower] = set()
        self._cursor = 0
        self._started = asyncio.Event()
        self._stopped = False

    async def run(self, stop: asyncio.Event) -> None:
        """Read what was numbered until `stop`; followers then come to their end."""
        try:
            await keep("feed", stop, self._read, listener=self._listener, channel=NUMBERED)
        finally:
            self._stopped = True
            for follower in self._followers:
                follower.ready.set()

    async def _read(self) -> bool:
        if not self._followers:
            async with self._db.connection() as tx:
                newest = await events.newest(tx)
            if not self._followers:
                self._cursor = newest
                self._started.set()
                return False
        async with self._db.connection() as tx:
            page = await events.events_after(tx, self._cursor, limit=self._page)
        for event in page:
            for follower in self._followers:
                follower.offer(event)
        self._cursor = page[-1].seq if page else self._cursor
        return len(page) == self._page

    async def subscribe(self, after: int | None = None, wants: Wants = lambda _: True) -> AsyncIterator[Numbered]:
        """Every wanted event after that number, in order, without gap or duplicate, then as they come.

        `after` None begins now; a number from the future counts as now. Ends when the feed stops; raises
        TooSlow when the follower lags: what it saw last is where it resumes. `wants` must not block.
        """
        async with aclosing(self.watch(after, wants, asyncio.Event())) as events:
            async for event in events:
                if event is not None:
                    yield event

    async def watch(
        self, after: int | None, wants: Wants, ready: asyncio.Event, beat_s: float | None = None
    ) -> AsyncGenerator[Numbered | None, None]:
        """As `subscribe`; and None when nothing came for `beat_s`, or `ready` was set to make it look up."""
        await self._started.wait()
        follower = _Follower(wants, self._queue, ready)
        position = self._cursor
        if after is not None:
            async with self._db.connection() as tx:
                position = min(max(after, 0), await events.newest(tx))
        try:
            while not self._stopped and position < self._cursor:  # behind the reader: from the database
                async with self._db.connection() as tx:
                    page = await events.events_after(tx, position, limit=PAGE)
                for event in page:
                    if wants(event):
                        yield event
                position = page[-1].seq if page else self._cursor
            self._followers.add(follower)  # nothing awaited since the comparison: the next page comes here, too
            while not self._stopped:
                await _set_within(ready, beat_s)
                ready.clear()
                if not follower.queue:
                    yield None
                while follower.queue:
                    event = follower.queue.popleft()
                    if event.seq > position:
                        yield event
                if follower.cut:
                    raise follower.cut
        finally:
            self._followers.discard(follower)


async def _set_within(ready: asyncio.Event, seconds: float | None) -> None:
    """Wait until it is set, but no longer than that; without a task of its own, there are thousands of these."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ready.wait()
