"""Claims: each due call once, in order, quickly; and what they must not see."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from omnidesk.db import outbox, rates, settle
from omnidesk.db.outbox import New, Result, Row
from omnidesk.db.session import Database

HOLDER = uuid4()


def call(order_key: str, **more: Any) -> New:
    values: dict[str, Any] = {"kind": "message", "order_key": order_key, "endpoint": "inbox", "subject_id": uuid4()}
    return New(**values | more)


async def put(db: Database, *rows: New) -> list[int]:
    async with db.transaction() as tx:
        return await outbox.put(tx, rows)


async def claim(db: Database, limit: int = 50, holder: UUID = HOLDER, **more: Any) -> list[Row]:
    async with db.transaction() as tx:
        return await outbox.claim(tx, holder, limit, 30, kinds=["message"], **more)


async def finish(db: Database, row: Row, state: str) -> bool:
    async with db.transaction() as tx:
        return await outbox.finish(tx, row, Result(state=state))


async def test_only_the_oldest_unfinished_call_of_an_order_key_is_due(db: Database) -> None:
    ids = await put(db, call("a", part={"n": "Привет"}), call("b"), call("a"), call("a"))
    first = await claim(db)
    assert [row.id for row in first] == ids[:2]
    assert first[0].part == {"n": "Привет"}
    assert await claim(db) == []

    assert await finish(db, first[0], "sent")
    assert [row.id for row in await claim(db)] == [ids[2]]


@pytest.mark.parametrize(
    ("state", "next_due"), [("sent", True), ("rejected", True), ("unknown", False), ("deferred", False)]
)
async def test_what_holds_the_calls_behind(db: Database, state: str, next_due: bool) -> None:
    ids = await put(db, call("a"), call("a"))
    (head,) = await claim(db)
    async with db.transaction() as tx:
        await outbox.finish(tx, head, Result(state=state, after_s=60))
    assert [row.id for row in await claim(db)] == ([ids[1]] if next_due else [])


async def test_claims_at_the_same_time_share_no_call(db: Database) -> None:
    await put(db, *(call(str(n)) for n in range(200)))
    batches = await asyncio.gather(*(claim(db, 20, uuid4()) for _ in range(8)))
    taken = [row.id for batch in batches for row in batch]
    assert len(taken) == len(set(taken)) > 100


async def test_a_result_counts_only_under_its_own_lease(db: Database) -> None:
    await put(db, call("a"))
    (old,) = await claim(db)
    async with db.transaction() as tx:
        await tx.driver.execute("UPDATE outbox SET until = now() - interval '1 s'")
    async with db.transaction() as tx:
        found = await settle.find_lapsed(tx)
        (lapsed,) = await settle.lapse(tx, [row_id for row_id, _ in found])
    assert lapsed.state == "queued"
    (new,) = await claim(db)
    assert new.token > old.token
    assert new.attempts == 2
    async with db.transaction() as tx:
        assert not await outbox.calling(tx, old, 30)
        assert not await outbox.finish(tx, old, Result(state="sent"))
        assert await outbox.calling(tx, new, 30)
        assert not await outbox.calling(tx, new, 30), "begun once"
        assert await outbox.finish(tx, new, Result(state="sent"))


async def test_a_lapsed_call_that_kills_its_holders_waits_longer_and_is_given_up(db: Database) -> None:
    await put(db, call("a"))
    states: list[str] = []
    while "rejected" not in states:
        assert len(states) < 20
        async with db.transaction() as tx:
            await tx.driver.execute("UPDATE outbox SET due_at = now(), tried_at = tried_at - interval '8 h 1 min'")
        assert len(await claim(db)) == 1
        async with db.transaction() as tx:
            await tx.driver.execute("UPDATE outbox SET until = now() - interval '1 s'")
        async with db.transaction() as tx:
            (lapsed,) = await settle.lapse(tx, [row_id for row_id, _ in await settle.find_lapsed(tx)])
        states.append(lapsed.state)
    assert states == ["queued"] * 6 + ["rejected"], "two days of eight hours each, and not before"


async def test_one_endpoint_gives_only_so_many(db: Database) -> None:
    await put(db, *(call(f"a{n}") for n in range(5)), *(call(f"b{n}", endpoint="other") for n in range(5)))
    rows = await claim(db, 10, per_endpoint=2)
    assert sorted(row.endpoint for row in rows) == ["inbox", "inbox", "other", "other"]
    assert {row.endpoint for row in await claim(db, 10, leave_out=["inbox"])} == {"other"}


async def test_a_call_given_back_was_not_tried(db: Database) -> None:
    await put(db, call("a"))
    (row,) = await claim(db)
    async with db.transaction() as tx:
        await outbox.give_back(tx, [(row, 0.0)])
    (again,) = await claim(db)
    assert again.attempts == 1


async def test_tokens_come_back_with_time_and_never_above_the_burst(db: Database) -> None:
    rate = rates.Rate(per_second=0.5, burst=4)

    async def take(n: int) -> rates.Grant:
        async with db.transaction() as tx:
            return (await rates.take(tx, {"k": (n, rate)}))["k"]

    async def wait(seconds: float) -> None:
        async with db.transaction() as tx:
            await tx.driver.execute(
                "UPDATE rate_limits SET updated_at = updated_at - make_interval(secs => $1)", seconds
            )

    assert (await take(3)).taken == 3
    second = await take(3)
    assert second.taken == 1
    assert 1 < second.wait_s <= 2
    for _ in range(5):
        assert (await take(1)).taken == 0
        await wait(0.39)
    await wait(0.1)
    assert (await take(5)).taken == 1, "asking in vain loses nothing"
    await wait(3600)
    assert (await take(9)).taken == 4


async def test_the_sweep_takes_only_what_ended_long_ago(db: Database) -> None:
    await put(db, call("a"), call("b"), call("c"))
    for row, state in zip(await claim(db), ("sent", "unknown", "rejected"), strict=True):
        await finish(db, row, state)
    async with db.transaction() as tx:
        assert await outbox.sweep(tx, 90) == 0
        await tx.driver.execute("UPDATE outbox SET done_at = now() - interval '91 days' WHERE state <> 'unknown'")
    async with db.transaction() as tx:
        assert await outbox.sweep(tx, 90) == 2
        backlog = await outbox.backlog(tx)
    assert backlog.states == {"unknown": 1}


async def test_the_claim_reads_only_what_waits(db: Database) -> None:
    """With many done calls the plan uses the partial indexes alone, and stops when it has enough."""
    async with db.transaction() as tx:
        await tx.driver.execute(
            """
            INSERT INTO outbox (kind, order_key, endpoint, subject_id, state, done_at)
            SELECT 'message', 'k' || n % 5000, 'e' || n % 50, gen_random_uuid(), 'sent', now()
              FROM generate_series(1, 20000) AS n;
            INSERT INTO outbox (kind, order_key, endpoint, subject_id)
            SELECT 'message', 'k' || n % 700, 'e' || n % 50, gen_random_uuid() FROM generate_series(1, 2000) AS n;
            """
        )
        await tx.driver.execute("ANALYZE outbox")
        plan = await tx.driver.fetchval(f"EXPLAIN (FORMAT JSON) {outbox.DUE}", ["message"], [""], 50)
    nodes = list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
    scans = [node for node in nodes if node.get("Relation Name") == "outbox"]
    assert {node.get("Index Name") for node in scans} == {"ix_outbox_due", "ix_outbox_unfinished"}, plan
    assert not [node for node in nodes if node["Node Type"] == "Sort"], "the first rows come at once"


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
