"""A filled desk: as much as was wanted, the same each time, and whole: keys, indexes, and words of a known weight."""

from datetime import UTC, datetime, timedelta

import pytest

from omnidesk.db import setup as settings
from omnidesk.db.session import Database
from omnidesk.desk import setup
from omnidesk.domain import numbers
from omnidesk.domain.errors import Refused
from omnidesk.filling.fill import Wish, run
from omnidesk.filling.words import SHARES

DAY = datetime(2026, 11, 1, tzinfo=UTC)


async def value(db: Database, sql: str, *values: object) -> object:
    async with db.connection() as tx:
        return await tx.driver.fetchval(sql, *values)


async def founded(db: Database) -> Database:
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=DAY)
    return db


async def definitions(db: Database) -> object:
    return await value(
        db,
        """
        SELECT array_agg(said ORDER BY said) FROM (
            SELECT pg_get_indexdef(indexrelid) AS said FROM pg_index WHERE indrelid::regclass::text !~ '^pg_'
             UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
        ) AS s
        """,
    )


async def test_a_desk_is_filled_with_exactly_what_was_wanted_and_keeps_its_keys(db: Database) -> None:
    await founded(db)
    before = await definitions(db)
    said: list[str] = []

    await run(db, Wish(tickets=300, messages=1_500, until=DAY), said.append)

    assert await value(db, "SELECT count(*) FROM tickets") == 300
    assert await value(db, "SELECT count(*) FROM messages") == 1_500
    assert await value(db, "SELECT count(*) FROM tickets WHERE created_at > $1", DAY) == 0
    assert await value(db, "SELECT count(*) FROM events WHERE seq IS NULL") == 0
    assert await definitions(db) == before, "an index or a key was lost"
    assert "300 of 300 tickets" in said
    number = str(await value(db, "SELECT number FROM tickets LIMIT 1"))
    assert numbers.is_valid(number)
    closed = await value(db, "SELECT count(*) FROM tickets WHERE status = 'closed'")
    assert isinstance(closed, int)
    assert closed > 200


async def test_the_same_seed_makes_the_same_desk(db: Database) -> None:
    await founded(db)
    async with db.transaction() as tx:
        await settings.put_setting(tx, "number_key", "00")
    wish = Wish(tickets=50, messages=200, until=DAY, seed=7)
    rows = "SELECT md5(string_agg(m.id || m.text || m.at, ',' ORDER BY m.id)) FROM messages AS m"

    await run(db, wish, lambda _: None)
    first = await value(db, rows)
    async with db.transaction() as tx:
        await tx.driver.execute("TRUNCATE tickets, contacts, events, agents, inboxes CASCADE")
        await tx.driver.execute("DELETE FROM queues WHERE NOT is_default")
    await run(db, wish, lambda _: None)

    assert await value(db, rows) == first


async def test_a_desk_with_data_is_left_alone_unless_forced(db: Database) -> None:
    await founded(db)
    await run(db, Wish(tickets=10, messages=20, until=DAY), lambda _: None)

    with pytest.raises(Refused, match="has data"):
        await run(db, Wish(tickets=10, messages=20, until=DAY, seed=2), lambda _: None)
    with pytest.raises(Refused, match="this seed"):
        await run(db, Wish(tickets=10, messages=20, until=DAY, force=True), lambda _: None)
    await run(db, Wish(tickets=10, messages=20, until=DAY, seed=2, force=True), lambda _: None)

    assert await value(db, "SELECT count(*) FROM tickets") == 20


async def test_words_stand_in_their_share_of_the_messages(db: Database) -> None:
    await founded(db)
    await run(db, Wish(tickets=1_000, messages=4_000, until=DAY), lambda _: None)

    counted = await value(db, "SELECT count(*) FROM messages WHERE text LIKE '%доставка%'")

    assert isinstance(counted, int)
    assert counted / 4_000 == pytest.approx(SHARES["доставка"], rel=0.2)
    old = "SELECT count(*) FROM messages WHERE text LIKE '%факсимиле%'"
    assert await value(db, old) != 0
    assert await value(db, f"{old} AND at > $1", DAY - timedelta(days=2 * 365)) == 0
