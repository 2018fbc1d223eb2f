"""Who sees which ticket: one rule, as SQL and in memory."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from omnidesk.db import tables, tickets
from omnidesk.db.session import Database, Tx
from omnidesk.desk.setup import found
from omnidesk.domain import ids
from omnidesk.domain.people import Actor
from omnidesk.domain.sight import Place, sees

QUEUES, INBOXES, AGENTS = ([UUID(int=base + n) for n in range(3)] for base in (10, 20, 30))
PLACES = [Place(queue, inbox, agent) for queue in QUEUES for inbox in [None, *INBOXES] for agent in [None, *AGENTS]]

actors = st.builds(
    Actor,
    kind=st.sampled_from(["agent", "key"]),
    agent_id=st.sampled_from([None, *AGENTS]),
    queues_seen=st.none() | st.frozensets(st.sampled_from(QUEUES)),
    queue_ids=st.frozensets(st.sampled_from(QUEUES), max_size=2),
    inbox_ids=st.frozensets(st.sampled_from(INBOXES), max_size=2),
)


async def _furnish(tx: Tx) -> dict[UUID, Place]:
    """A ticket in every place that there is."""
    calendar = await tx.driver.fetchval("SELECT id FROM calendars LIMIT 1")
    await tx.execute(insert(tables.queues), [{"id": q, "name": str(q), "calendar_id": calendar} for q in QUEUES])
    await tx.execute(insert(tables.agents), [{"id": a, "email": f"{a}@acme.example", "name": "A"} for a in AGENTS])
    await tx.execute(
        insert(tables.inboxes), [{"id": i, "channel": "api", "name": str(i), "realm": str(i)} for i in INBOXES]
    )
    ivan, address = UUID(int=1), UUID(int=2)
    await tx.execute(insert(tables.contacts).values(id=ivan, name="Ivan"))
    await tx.execute(
        insert(tables.identities).values(id=address, contact_id=ivan, kind="email", address="ivan@customer.example")
    )
    placed = {ids.uuid7(n, secrets.token_bytes(10)): place for n, place in enumerate(PLACES)}
    rows = [
        {
            "id": ticket,
            "number": str(n),
            "channel": "api",
            "requester_id": address,
            "queue_id": place.queue_id,
            "inbox_id": place.inbox_id,
            "assignee_id": place.assignee_id,
        }
        for n, (ticket, place) in enumerate(placed.items())
    ]
    await tx.execute(insert(tables.tickets), rows)
    return placed


async def test_the_rule_as_sql_and_the_rule_in_memory_agree(db: Database) -> None:
    await found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    async with db.transaction() as tx:
        placed = await _furnish(tx)
    drawn: list[Actor] = []

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(actors)
    def draw(actor: Actor) -> None:
        drawn.append(actor)

    draw()

    assert len(drawn) > 50
    async with db.connection() as tx:
        for actor in drawn:
            rule = tickets.visible(actor)
            query = select(tables.tickets.c.id)
            rows = await tx.execute(query if rule is None else query.where(rule))
            by_sql = set(rows.scalars())
            assert by_sql == {ticket for ticket, place in placed.items() if sees(actor, place)}, actor
