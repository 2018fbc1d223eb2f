"""Many rows at once read as few rows do: by arrays and by COPY."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from omnidesk.db import outbox, tables
from omnidesk.db.bulk import APART_FROM, COPY_FROM, Bulk, Write, insert_all
from omnidesk.db.outbox import New
from omnidesk.db.session import Database

BUNDLES = Bulk(tables.deliveries, "id", "message_id", "conversation_id", "to_ids", "cc_ids", "message_ref")
NOTES = Bulk(tables.events, "type", "subject_id", "data")
MANY = COPY_FROM + 4


@pytest.fixture
async def unbound(db: Database) -> Database:
    """A desk whose deliveries need no messages."""
    async with db.connection() as tx:
        await tx.driver.execute("ALTER TABLE deliveries DROP CONSTRAINT fk_deliveries_message_id")
        await tx.driver.execute("ALTER TABLE deliveries DROP CONSTRAINT fk_deliveries_conversation_id")
    return db


@pytest.mark.parametrize("count", [2, MANY])
async def test_lists_and_json_read_as_they_were_given(unbound: Database, count: int) -> None:
    people = [uuid4() for _ in range(3)]
    rows = [(uuid4(), uuid4(), uuid4(), people[: n % 4], (), f"<{n}@acme.example>") for n in range(count)]
    async with unbound.transaction() as tx:
        await BUNDLES.insert(tx, rows)
        await NOTES.insert(tx, [("note", row[0], f'{{"n":{n},"said":"«Ёлка» \\"1\\""}}') for n, row in enumerate(rows)])

    async with unbound.connection() as tx:
        kept = await tx.driver.fetch("SELECT id, to_ids, cc_ids FROM deliveries ORDER BY created_at, message_ref")
        told = await tx.driver.fetch("SELECT subject_id, data FROM events ORDER BY id")
    assert {row["id"]: row["to_ids"] for row in kept} == {row[0]: row[3] for row in rows}
    assert all(row["cc_ids"] == [] for row in kept)
    assert [row["subject_id"] for row in told] == [row[0] for row in rows], "numbered in the order given"
    assert [row["data"] for row in told] == [{"n": n, "said": '«Ёлка» "1"'} for n in range(count)]


@pytest.mark.parametrize("count", [2, MANY])
async def test_a_row_that_is_there_already_undoes_all_of_them(unbound: Database, count: int) -> None:
    twice = (uuid4(), uuid4(), uuid4(), [uuid4()], (), "<1@acme.example>")
    others = [(uuid4(), uuid4(), uuid4(), [uuid4()], (), f"<{n}@acme.example>") for n in range(2, count + 2)]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with unbound.transaction() as tx:
            await BUNDLES.insert(tx, [twice, *others, twice])
    async with unbound.connection() as tx:
        assert await tx.driver.fetchval("SELECT count(*) FROM deliveries") == 0


@pytest.mark.parametrize("count", [2, MANY])
async def test_calls_are_queued_in_order_and_one_for_later_waits(db: Database, count: int) -> None:
    def call(n: int, due_at: datetime | None = None) -> New:
        return New(kind="message", order_key=f"k{n}", endpoint="e", subject_id=UUID(int=n), due_at=due_at)

    later = datetime(2100, 1, 1, tzinfo=UTC)
    async with db.transaction() as tx:
        await insert_all(tx, outbox.new([call(n) for n in range(count)]))
        await insert_all(tx, outbox.new([call(count + n, later if n == 1 else None) for n in range(count)]))

    async with db.connection() as tx:
        kept = await tx.driver.fetch("SELECT subject_id, due_at > now() AS waits FROM outbox ORDER BY id")
    now = [row["subject_id"].int for row in kept if not row["waits"]]
    assert now == [n for n in range(2 * count) if n != count + 1]
    assert [row["subject_id"].int for row in kept if row["waits"]] == [count + 1]


@pytest.mark.parametrize("count", [2, APART_FROM])
async def test_parents_and_children_go_together_in_order(db: Database, count: int) -> None:
    contacts = Bulk(tables.contacts, "id", "name")
    identities = Bulk(tables.identities, "id", "contact_id", "kind", "realm", "address")
    people = [(uuid4(), f"Person {n}") for n in range(count)]
    addresses = [(uuid4(), person, "email", "", f"p{n}@customers.example") for n, (person, _) in enumerate(people)]
    async with db.transaction() as tx:
        twice = Write(identities, addresses[:1], "ON CONFLICT DO NOTHING")
        await insert_all(tx, [Write(contacts, people), Write(identities, addresses), Write(contacts, []), twice])

    async with db.connection() as tx:
        rows = await tx.driver.fetch(
            "SELECT c.name, address FROM identities AS i JOIN contacts AS c ON c.id = contact_id"
        )
    assert {(row["name"], row["address"]) for row in rows} == {
        (f"Person {n}", f"p{n}@customers.example") for n in range(count)
    }
