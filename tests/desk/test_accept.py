import asyncio
from uuid import UUID, uuid4

import pytest

from omnidesk.db import arrivals
from omnidesk.db.session import Database
from omnidesk.desk.accept import Door, clean_key, lane_of, pack, unpack
from omnidesk.desk.vault import Vault
from omnidesk.domain.errors import Refused, Unavailable
from omnidesk.domain.messages import Arrival

VAULT = Vault([b"k" * 32])


@pytest.fixture
async def inbox(db: Database) -> UUID:
    inbox_id = uuid4()
    async with db.transaction() as tx:
        await tx.driver.execute("INSERT INTO inboxes (id, channel, name) VALUES ($1, 'plain', 'Test')", inbox_id)
    return inbox_id


@pytest.fixture
def door(db: Database) -> Door:
    return Door(db, VAULT, wake=lambda: None)


def came(key: str, body: bytes = b"hello", order: str = "ivan") -> Arrival:
    return Arrival(dedupe_key=key, order_key=order, body=body, meta={"remote": "127.0.0.1"})


async def test_accepted_means_stored_and_the_same_key_again_is_the_same_arrival(
    db: Database, door: Door, inbox: UUID
) -> None:
    first = await door.accept(inbox, [came("a")])
    assert len(first) == 1
    assert await door.accept(inbox, [came("a", b"again")]) == []
    async with db.transaction() as tx:
        rows = await tx.driver.fetch("SELECT a.id, b.body FROM arrivals a JOIN arrival_bodies b ON b.arrival_id = a.id")
    assert [row["id"] for row in rows] == first
    stored = unpack(VAULT.decrypt(rows[0]["body"], "arrival"))
    assert stored == came("a"), "exactly as it came"
    assert b"hello" not in rows[0]["body"], "bodies are encrypted at rest"


async def test_what_comes_together_is_read_in_the_order_in_which_it_came(db: Database, door: Door, inbox: UUID) -> None:
    keys = ["m9", "m10", "a", "Z", "m1"]
    await door.accept(inbox, [came(key) for key in keys])
    async with db.transaction() as tx:
        rows = await tx.driver.fetch("SELECT dedupe_key FROM arrivals ORDER BY seq")
    assert [row["dedupe_key"] for row in rows] == keys


async def test_a_crowd_at_the_door_shares_inserts_and_each_hears_its_own_answer(
    db: Database, door: Door, inbox: UUID
) -> None:
    crowd = [door.accept(inbox, [came(f"m{n % 150}")]) for n in range(300)]
    heard = await asyncio.gather(*crowd)
    async with db.transaction() as tx:
        stored = {row["id"] for row in await tx.driver.fetch("SELECT id FROM arrivals")}
        statements = await tx.driver.fetchval("SELECT count(DISTINCT xmin::text) FROM arrivals")
    assert len(stored) == 150
    assert {arrival for answer in heard for arrival in answer} == stored
    assert sum(len(answer) for answer in heard) == 150, "of twins, only one hears that it was new"
    assert statements < 50, "they were grouped"


async def test_only_the_guilty_one_hears_of_a_failure(db: Database, door: Door, inbox: UUID) -> None:
    unknown = uuid4()  # no such inbox: its rows break the foreign key
    answers = await asyncio.gather(
        *(door.accept(inbox, [came(f"good{n}")]) for n in range(20)),
        door.accept(unknown, [came("bad")]),
        *(door.accept(inbox, [came(f"more{n}")]) for n in range(20)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers if isinstance(answer, BaseException)] == [Refused]
    async with db.transaction() as tx:
        assert await tx.driver.fetchval("SELECT count(*) FROM arrivals") == 40


async def test_while_the_database_is_away_nobody_hears_accepted(inbox: UUID) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    door = Door(away, VAULT, wake=lambda: None)
    answers = await asyncio.gather(*(door.accept(inbox, [came(f"m{n}")]) for n in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    await away.close()


async def test_what_nobody_understands_is_kept_and_shown(db: Database, door: Door, inbox: UUID) -> None:
    for _ in range(2):
        await door.keep_unreadable(inbox, b"\x00\xff new format", {}, "not a message of ours")
    async with db.transaction() as tx:
        parked = await arrivals.parked(tx)
    assert [(row.state, row.error) for row in parked] == [("unreadable", "not a message of ours")]


async def test_a_fetching_channel_commits_arrivals_and_cursor_together(db: Database, door: Door, inbox: UUID) -> None:
    await door.deliver(inbox, [came("u1"), came("u2")], {"uid": 2})
    with pytest.raises(Exception, match="foreign key"):
        await door.deliver(uuid4(), [came("u3")], {"uid": 3})
    async with db.transaction() as tx:
        cursor = await tx.driver.fetchval("SELECT cursor FROM inboxes WHERE id = $1", inbox)
        assert await tx.driver.fetchval("SELECT count(*) FROM arrivals") == 2
    assert cursor == {"uid": 2}


@pytest.mark.parametrize("key", ["", "x" * 500, "нет", "a\x00b", "a b", "\udcff"])
def test_keys_that_are_long_or_not_clean_are_hashed(key: str) -> None:
    assert clean_key(key).startswith("sha256:")
    assert len(clean_key(key)) < 80
    assert clean_key(key) == clean_key(key)


def test_plain_keys_stay_readable_and_one_order_key_has_one_lane() -> None:
    assert clean_key("update-17") == "update-17"
    inbox = uuid4()
    assert lane_of(inbox, "ivan") == lane_of(inbox, "ivan")
    assert len({lane_of(inbox, f"p{n}") for n in range(1000)}) == arrivals.LANES


def test_what_is_packed_comes_out_as_it_was() -> None:
    assert unpack(pack(came("k", b"\x00\r\n"))) == came("k", b"\x00\r\n")
