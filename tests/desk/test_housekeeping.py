import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from omnidesk.db import arrivals
from omnidesk.db.arrivals import NewArrival
from omnidesk.db.session import Database
from omnidesk.desk.housekeeping import Housekeeper, sweep
from tests.desk.floor import Floor


@pytest.fixture
def floor(db: Database) -> Floor:
    floor = Floor(db)
    floor.now = datetime.now(UTC)  # some tables keep the database's time
    return floor


async def partitions(floor: Floor) -> list[str]:
    sql = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'arrival_bodies'::regclass ORDER BY 1"
    return [name for (name,) in await floor.rows(sql)]


async def bodies(floor: Floor) -> set[UUID]:
    """Those that can be read the way intake reads them."""
    sql = "SELECT a.id FROM arrivals a JOIN arrival_bodies b ON b.arrival_id = a.id AND b.day = a.day"
    return {key for (key,) in await floor.rows(sql)}


async def arrive(floor: Floor, inbox: UUID, state: str = "done", *, done_after: timedelta = timedelta()) -> UUID:
    key = floor.id()
    row = NewArrival(
        id=key, inbox_id=inbox, dedupe_key=str(key), order_key="k", lane=0, size=1, body=b"x",
        day=floor.now.date(), received_at=floor.now,
    )  # fmt: skip
    async with floor.db.transaction() as tx:
        await arrivals.store(tx, [row])
    done = floor.now + done_after if state in ("done", "ignored") else None
    await floor.change("UPDATE arrivals SET state = $2, done_at = $3 WHERE id = $1", key, state, done)
    return key


def name(day: date) -> str:
    return f"arrival_bodies_{day:%Y%m%d}"


async def test_bodies_go_after_a_week_with_their_day_but_those_a_person_must_decide_on_stay(floor: Floor) -> None:
    inbox = await floor.put("inboxes", channel="email", name="Support")
    await sweep(floor.db, now=floor.now)
    first = floor.now.date()
    assert await partitions(floor) == [*(name(first + timedelta(days=n)) for n in range(4)), "arrival_bodies_rest"]
    done = [await arrive(floor, inbox) for _ in range(3)]
    kept = [await arrive(floor, inbox, state) for state in ("failed", "unreadable", "held")]
    late = await arrive(floor, inbox, done_after=timedelta(days=2))
    waiting = await arrive(floor, inbox, "new")
    ours = {*done, *kept, late, waiting}
    assert [(n,) for n in (len(ours),)] == await floor.rows(f"SELECT count(*) FROM {name(first)}")

    floor.later(days=7)
    await sweep(floor.db, now=floor.now)
    assert await bodies(floor) == ours, "a week is not over before it is over"
    floor.later(days=1)
    await sweep(floor.db, now=floor.now)
    assert name(first) in await partitions(floor), "one of them was never read"
    await floor.change("UPDATE arrivals SET state = 'done', done_at = $2 WHERE id = $1", waiting, floor.now)
    await sweep(floor.db, now=floor.now)
    assert name(first) not in await partitions(floor)
    assert await bodies(floor) == {*kept, late, waiting}

    await floor.change("UPDATE arrivals SET state = 'ignored', done_at = $2 WHERE id = $1", kept[2], floor.now)
    floor.later(days=8)
    await sweep(floor.db, now=floor.now)
    assert await bodies(floor) == set(kept[:2])


async def test_bodies_that_came_while_their_day_had_no_place_are_kept_and_go_as_well(floor: Floor) -> None:
    inbox = await floor.put("inboxes", channel="email", name="Support")
    early = await arrive(floor, inbox)
    await sweep(floor.db, now=floor.now)
    assert name(floor.now.date()) not in await partitions(floor)
    assert name(floor.now.date() + timedelta(days=1)) in await partitions(floor), "the others are made all the same"
    assert await bodies(floor) == {early}
    floor.later(days=8)
    await sweep(floor.db, now=floor.now)
    assert await bodies(floor) == set()


async def test_a_busy_table_is_left_for_the_next_round_and_holds_nobody_up(floor: Floor) -> None:
    """A long reader of the bodies: the partition cannot be dropped, and others must not queue up behind the try."""
    inbox = await floor.put("inboxes", channel="email", name="Support")
    await sweep(floor.db, now=floor.now)
    day = floor.now.date()
    await arrive(floor, inbox)
    bucket = floor.now - timedelta(days=3)
    await floor.change("INSERT INTO rate_limits (name, tokens, updated_at) VALUES ('old', 1, $1)", bucket)
    floor.later(days=9)
    async with floor.db.transaction() as reader:
        await reader.driver.fetch("SELECT * FROM arrival_bodies")
        began = asyncio.get_running_loop().time()
        await sweep(floor.db, now=floor.now)
        assert asyncio.get_running_loop().time() - began < 8
        assert name(day) in await partitions(floor)
        assert await floor.rows("SELECT name FROM rate_limits") == [], "the other jobs went on"
    await sweep(floor.db, now=floor.now)
    assert name(day) not in await partitions(floor)
    assert name(floor.now.date()) in await partitions(floor)


async def test_old_rows_leave_in_time_and_young_or_open_ones_stay(floor: Floor) -> None:
    inbox = await floor.put("inboxes", channel="email", name="Support")
    old = floor.now
    for state in ("done", "failed"):
        await arrive(floor, inbox, state)
    olena = await floor.agent("Olena")
    ticket = await floor.ticket(await floor.queue("general"))
    floor.later(days=91)
    young = await arrive(floor, inbox)
    for outcome in ("declined", None):
        other = await floor.agent(f"Petro{outcome}")
        await floor.change(
            "INSERT INTO offers (ticket_id, agent_id, offered_at, expires_at, outcome) VALUES ($1, $2, $3, $3, $4)",
            ticket, other, old, outcome,
        )  # fmt: skip
    for expires in (old, floor.now + timedelta(hours=1)):
        await floor.change(
            "INSERT INTO sessions (token_hash, agent_id, expires_at) VALUES ($1, $2, $3)",
            str(expires).encode(), olena, expires,
        )  # fmt: skip
    for at in (floor.now - timedelta(days=8), floor.now):
        await floor.change(
            "INSERT INTO idempotency_keys (owner, route, key, body_hash, status, body, created_at)"
            " VALUES ('o', 'r', $1, '', 201, '', $2)", str(at), at,
        )  # fmt: skip
    for state, days in (("sent", 31), ("sent", 29), ("unknown", 31)):
        await floor.change(
            "INSERT INTO outbox (kind, order_key, endpoint, subject_id, state, done_at)"
            " VALUES ('message', 'k', 'e', $1, $2, now() - make_interval(days => $3))", floor.id(), state, days,
        )  # fmt: skip
    await sweep(floor.db, now=floor.now)
    assert set(await floor.rows("SELECT state, id = $1 FROM arrivals", young)) == {
        ("failed", False),
        ("done", True),
    }
    assert await floor.rows("SELECT outcome FROM offers") == [(None,)]
    for table in ("sessions", "idempotency_keys"):
        assert await floor.rows(f"SELECT count(*) FROM {table}") == [(1,)], table
    assert sorted(await floor.rows("SELECT state FROM outbox")) == [("sent",), ("unknown",)]


async def test_one_keeper_at_a_time_and_batches_are_bounded(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnidesk.desk.housekeeping.BATCH", 10)
    await floor.change(
        "INSERT INTO rate_limits SELECT 'b' || n, 1, $1 FROM generate_series(1, 25) AS n", floor.now - timedelta(days=2)
    )
    swept: list[int] = []

    async def sweep_files() -> int:
        swept.append(1)
        return 0

    one = Housekeeper(floor.db, sweep_files, now=lambda: floor.now)
    other = Housekeeper(floor.db, sweep_files, now=lambda: floor.now)
    assert await one.step() is True
    assert await other.step() is False, "not the holder"
    assert await floor.rows("SELECT count(*) FROM rate_limits") == [(15,)]
    assert await one.step() is True
    assert await one.step() is False
    assert swept == [1], "files are looked through once an hour"
