import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import asyncpg
import pytest

from omnidesk.db import events
from omnidesk.db.events import Numbered
from omnidesk.db.listen import NUMBERED, WORK, Listener
from omnidesk.db.session import Database
from omnidesk.desk.feed import Feed, TooSlow, number_batch, run_sequencer
from omnidesk.domain.events import Event, EventType


async def write(db: Database, *ns: int, what: EventType = EventType.TICKET_UPDATED) -> None:
    async with db.transaction() as tx:
        await events.record(tx, [Event(type=what, data={"n": n}) for n in ns])


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(*loops: Callable[[asyncio.Event], object]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(loop(stop)) for loop in loops]  # type: ignore[call-overload]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


async def follow(
    feed: Feed, into: list[int], after: int | None = None, wants: Callable[[Numbered], bool] = lambda _: True
) -> None:
    async with aclosing(feed.subscribe(after, wants)) as following:  # type: ignore[type-var]
        async for event in following:
            into.append(event.seq)  # noqa: PERF401 - seen from outside while it grows


async def test_followers_get_everything_once_while_events_pour_in(db_url: str) -> None:
    db, listener = Database(db_url), Listener(db_url)
    feed = Feed(db, listener, queue=2_000)
    await write(db, *range(1_200))
    seen: list[list[int]] = [[] for _ in range(6)]
    async with running(listener.run, lambda stop: run_sequencer(db, listener, stop), feed.run):
        followers: list[asyncio.Task[None]] = []
        for n in range(30):  # joins in the middle of the stream: each must change over from pages to the live queue
            if n % 5 == 0:
                followers.append(asyncio.create_task(follow(feed, seen[n // 5], after=100 * n)))
            await write(db, *range(20))
            listener.tell()
        await until(lambda: all(s and s[-1] == 1_800 for s in seen))
    await asyncio.gather(*followers)
    await db.close()
    for n, mine in enumerate(seen):
        first = mine[0]
        assert mine == list(range(first, 1_801)), "a gap or a duplicate at the hand-over"
        assert first <= 500 * n + 1


async def test_a_slow_follower_is_cut_off_and_comes_back_where_it_was(db: Database) -> None:
    feed = Feed(db, queue=10)
    async with running(feed.run):
        other: list[int] = []
        beside = asyncio.create_task(follow(feed, other, after=0))
        slow = feed.subscribe(after=0)
        await write(db, 1)
        await number_batch(db)
        assert (await anext(slow)).seq == 1
        await write(db, *range(11))
        await number_batch(db)
        await until(lambda: len(other) >= 12, 15)
        with pytest.raises(TooSlow):
            await anext(slow)
        again: list[int] = []
        back = asyncio.create_task(follow(feed, again, after=1))
        await until(lambda: len(again) == 11)
        assert again == list(range(2, 13))
    await asyncio.gather(beside, back)


async def test_a_filter_sees_the_event_and_a_broken_one_hurts_only_its_owner(db: Database) -> None:
    feed = Feed(db)
    async with running(feed.run):
        keys: list[int] = []
        mine = asyncio.create_task(follow(feed, keys, wants=lambda e: e.type == "key.created"))
        everything: list[int] = []
        rest = asyncio.create_task(follow(feed, everything, after=0))
        broken = asyncio.create_task(follow(feed, [], wants=lambda e: 1 / 0 > 0))
        await asyncio.sleep(0)  # lets all three begin; they need no more than that once the feed has started
        await until(lambda: len(feed._followers) == 3)
        await write(db, 1, 2)
        await write(db, 3, what=EventType.KEY_CREATED)
        await number_batch(db)
        await until(lambda: len(everything) == 3 and len(keys) == 1)
        assert keys == [3]
        with pytest.raises(ZeroDivisionError):
            await broken
    await asyncio.gather(mine, rest)


async def test_a_number_from_the_future_counts_as_now(db: Database) -> None:
    feed, seen = Feed(db), list[int]()
    await write(db, 1)
    await number_batch(db)
    async with running(feed.run):
        task = asyncio.create_task(follow(feed, seen, after=10**12))
        await until(lambda: len(feed._followers) == 1)
        await write(db, 2)
        await number_batch(db)
        await until(lambda: seen == [2])
    await task


async def test_one_process_hears_of_the_other_and_both_survive_the_loss_of_their_connections(db_url: str) -> None:
    here, there = Listener(db_url), Listener(db_url)
    async with running(here.run, there.run):
        with there.wakes(WORK) as work, there.wakes(NUMBERED) as numbered:
            for listener in (here, there):
                await asyncio.wait_for(listener.connected.wait(), 10)
            work.clear()
            numbered.clear()
            here.tell(WORK)
            await asyncio.wait_for(work.wait(), 5)
            assert not numbered.is_set()

            breaker = await asyncpg.connect(db_url)
            await breaker.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await breaker.close()
            await until(lambda: not here.connected.is_set() and not there.connected.is_set())
            for listener in (here, there):
                await asyncio.wait_for(listener.connected.wait(), 20)
            assert numbered.is_set(), "whoever was deaf for a while looks at everything once"
            work.clear()
            here.tell(WORK)
            await asyncio.wait_for(work.wait(), 5)
