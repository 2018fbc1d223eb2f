import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise

import asyncpg

from omnidesk.db import events
from omnidesk.db.listen import Listener
from omnidesk.db.session import Database
from omnidesk.desk.feed import Feed, run_sequencer
from omnidesk.desk.housekeeping import Housekeeper
from omnidesk.desk.loops import keep, trace
from omnidesk.desk.planner import Planner
from omnidesk.desk.timers import run_timers
from omnidesk.domain.events import Event, EventType
from tests.desk.floor import Floor


@asynccontextmanager
async def running(*loops: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(loop(stop)) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)


async def cut_everybody(url: str) -> None:
    breaker = await asyncpg.connect(url)
    await breaker.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await breaker.close()


async def test_all_loops_go_on_alone_after_the_database_was_away(db_url: str) -> None:
    db, listener = Database(db_url), Listener(db_url)
    floor, feed, seen = Floor(db), Feed(db, listener), list[str]()
    queue = await floor.queue("general")
    await floor.agent("Olena", capacity=100)

    async def follow() -> None:
        """As a client does: who was cut off comes back with the last number that he saw."""
        last = 0
        while True:
            try:
                async for event in feed.subscribe(after=last):
                    seen.append(event.type)
                    last = event.seq
                return
            except Exception:
                await asyncio.sleep(0.02)

    clock = asyncio.get_running_loop()
    began = clock.time()

    def now() -> datetime:
        """Time goes on: a timer whose ticket is just being assigned is put off for a second."""
        return floor.now + timedelta(seconds=clock.time() - began)

    async with running(
        listener.run,
        lambda stop: run_sequencer(db, listener, stop),
        feed.run,
        Planner(db, listener, now=now).run,
        lambda stop: run_timers(db, stop, now=now),
        Housekeeper(db, now=now).run,
    ):
        following = asyncio.create_task(follow())
        for n in range(1, 3):
            await cut_everybody(db_url)
            async with asyncio.timeout(30):
                while True:
                    try:
                        ticket = await floor.ticket(queue)
                        promise = await floor.put("promises", ticket_id=ticket, kind="reply", due_at=floor.now)
                        async with db.transaction() as tx:
                            await events.record(tx, [Event(type=EventType.TICKET_CREATED, ticket_id=ticket)])
                        break
                    except Exception:
                        await asyncio.sleep(0.02)  # this connection was cut, too
                while seen.count("ticket.assigned") < n or seen.count("promise.broken") < n:
                    await asyncio.sleep(0.01)
            assert (await floor.row("promises", promise))["state"] == "broken"
    await asyncio.wait_for(following, 5)
    await db.close()


async def test_a_loop_survives_any_error_and_waits_longer_each_time() -> None:
    stop, tries, clock = asyncio.Event(), list[float](), asyncio.get_running_loop()

    async def body() -> bool:
        tries.append(clock.time())
        if len(tries) < 4:
            raise ZeroDivisionError
        stop.set()
        return False

    await asyncio.wait_for(keep("test", stop, body), 20)
    first, second, third = (later - earlier for earlier, later in pairwise(tries))
    assert first >= 0.2
    assert second >= 0.4
    assert third >= 0.8


def test_a_trace_says_where_but_repeats_no_text_of_the_error() -> None:
    try:
        Database("not a url")
    except Exception as error:
        said = trace(error)
    assert set(said) == {"error", "where"}
    assert said["where"].startswith("session.py:")
    assert "not a url" not in str(said)
