from uuid import uuid4

from omnidesk.db import leases
from omnidesk.db.session import Database


async def test_one_holder_at_a_time_and_a_lapsed_lease_changes_hands(db: Database) -> None:
    one, two = uuid4(), uuid4()
    async with db.transaction() as tx:
        first = await leases.take(tx, "planner", one, 30)
    async with db.transaction() as tx:
        assert first is not None
        assert await leases.take(tx, "planner", two, 30) is None
        assert await leases.take(tx, "planner", one, -1) == first, "renewing keeps the token"
    async with db.transaction() as tx:
        second = await leases.take(tx, "planner", two, 30)
        assert second is not None
        assert second.token > first.token
        assert await leases.holds(tx, second)
        assert not await leases.holds(tx, first), "the lapsed holder's writes are refused"


async def test_a_released_lease_is_free_at_once(db: Database) -> None:
    async with db.transaction() as tx:
        lease = await leases.take(tx, "watch", uuid4(), 30)
        assert lease is not None
        await leases.release(tx, lease)
    async with db.transaction() as tx:
        assert await leases.take(tx, "watch", uuid4(), 30) is not None
