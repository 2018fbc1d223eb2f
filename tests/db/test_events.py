import asyncio
import random
from uuid import UUID, uuid4

from omnidesk.db import events
from omnidesk.db.session import Database
from omnidesk.desk.feed import number_batch
from omnidesk.domain.events import Event, EventType


async def _lock_and_record(db: Database, ticket: int, *, undo: bool, delay_s: float) -> None:
    """What every use case does: lock the ticket, then draw ids, then take its time to commit."""
    try:
        async with db.transaction() as tx:
            await tx.driver.execute("SELECT pg_advisory_xact_lock($1, $2)", 7, ticket)
            n = await tx.driver.fetchval("UPDATE counters SET n = n + 1 WHERE ticket = $1 RETURNING n", ticket)
            facts = [Event(type=EventType.TICKET_UPDATED, ticket_id=UUID(int=ticket), data={"n": n})]
            await events.record(tx, facts)
            await asyncio.sleep(delay_s)
            if undo:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass


async def test_twenty_writers_and_two_sequencers_leave_no_gap_and_no_duplicate(db_url: str) -> None:
    db, rng = Database(db_url, size=24), random.Random(20)
    async with db.connection() as tx:
        await tx.driver.execute("CREATE TABLE counters AS SELECT t AS ticket, 0 AS n FROM generate_series(0, 4) AS t")
    over = asyncio.Event()

    async def writer() -> None:
        for _ in range(15):
            await _lock_and_record(db, rng.randrange(5), undo=rng.random() < 0.25, delay_s=rng.choice([0, 0.001, 0.01]))

    async def sequencer() -> None:
        while not over.is_set():
            await number_batch(db)

    async def reader() -> list[events.Numbered]:
        seen: list[events.Numbered] = []
        while True:
            last = over.is_set()
            async with db.connection() as tx:
                page = await events.events_after(tx, seen[-1].seq if seen else 0, limit=7)
            seen += page
            if last and not page:
                return seen

    following = [asyncio.create_task(reader()), *(asyncio.create_task(sequencer()) for _ in range(2))]
    await asyncio.gather(*(writer() for _ in range(20)))
    while await number_batch(db):
        pass
    over.set()
    seen: list[events.Numbered] = (await asyncio.gather(*following))[0]  # type: ignore[assignment]

    async with db.connection() as tx:
        written = await tx.driver.fetchval("SELECT count(*) FROM events")
        assert await tx.driver.fetchval("SELECT count(*) FROM events WHERE seq IS NULL") == 0
        assert await events.newest(tx) == written
    await db.close()
    assert 150 < written < 300, "some writers gave up, most did not"
    assert [event.seq for event in seen] == list(range(1, written + 1)), "a reader by number missed or repeated"
    for ticket in range(5):
        mine = [event.data["n"] for event in seen if event.ticket_id == UUID(int=ticket)]
        assert mine == list(range(1, len(mine) + 1)), "the order inside a ticket"


async def test_numbering_is_bounded_and_readers_can_ask_for_types(db: Database) -> None:
    agent = uuid4()
    async with db.transaction() as tx:
        await events.record(tx, [Event(type=EventType.AGENT_PRESENCE, subject_id=agent)] * 3, request_id="req_1")
        await events.record(tx, [Event(type=EventType.KEY_CREATED, data={"name": "Ключ"})])
    async with db.transaction() as tx:
        assert await events.events_after(tx, 0) == [], "nothing is read before it has its number"
        assert [await events.number(tx, 2) for _ in range(3)] == [2, 2, 0]
        (found,) = await events.events_after(tx, 0, types=["key.created"])
        assert (found.seq, found.data, found.request_id) == (4, {"name": "Ключ"}, None)
        assert [e.seq for e in await events.events_after(tx, 1, limit=2)] == [2, 3]


async def test_an_event_of_a_slow_transaction_comes_after_those_already_numbered(db: Database) -> None:
    async with db.transaction() as slow:
        await events.record(slow, [Event(type=EventType.SIGNED_IN, data={"who": "slow"})])
        async with db.transaction() as quick:
            await events.record(quick, [Event(type=EventType.SIGNED_IN, data={"who": "quick"})])
        await number_batch(db)
    await number_batch(db)
    async with db.connection() as tx:
        assert [e.data["who"] for e in await events.events_after(tx, 0)] == ["quick", "slow"]
