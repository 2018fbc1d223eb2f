import asyncio

import pytest

from omnidesk.db.session import Database
from omnidesk.desk.assign import assign, unassign
from omnidesk.desk.planner import plan_once
from omnidesk.desk.presence import heartbeat, set_capacity, set_presence
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, NotFound, Refused, Stale
from omnidesk.domain.people import Role
from tests.desk.floor import Floor, acting


@pytest.fixture
def floor(db: Database) -> Floor:
    return Floor(db)


async def test_of_two_who_claim_one_wins_and_the_other_hears_who(floor: Floor) -> None:
    ticket = await floor.ticket(await floor.queue("general"))
    people = {await floor.agent(name): name for name in ("Olena", "Petro", "Maria")}
    claims = [assign(floor.db, ticket, agent, acting(agent), now=floor.now) for agent in people]
    results = await asyncio.gather(*claims, return_exceptions=True)
    winner = await floor.holder(ticket)
    assert winner is not None
    losers = [error for error in results if error is not None]
    assert len(losers) == 2
    for error in losers:
        assert isinstance(error, Conflict)
        assert error.code == "already_assigned"
        assert error.details == {"assignee": {"id": ids.encode("agent", winner), "name": people[winner]}}
    assert len(await floor.events(ticket)) == 1


async def test_a_claim_again_changes_nothing_and_a_stale_one_is_refused(floor: Floor) -> None:
    ticket, olena = await floor.ticket(await floor.queue("general")), await floor.agent("Olena")
    await assign(floor.db, ticket, olena, acting(olena), if_version=1, now=floor.now)
    await assign(floor.db, ticket, olena, acting(olena), now=floor.now)
    row = await floor.row("tickets", ticket)
    assert (row["version"], row["assigned_at"]) == (2, floor.now)
    with pytest.raises(Stale):
        await assign(floor.db, ticket, olena, acting(olena), if_version=1, now=floor.now)


async def test_the_holder_a_supervisor_or_an_explicit_wish_moves_a_ticket(floor: Floor) -> None:
    ticket = await floor.ticket(await floor.queue("general"))
    olena, petro = await floor.agent("Olena"), await floor.agent("Petro")
    boss = acting(await floor.agent("Boss"), Role.SUPERVISOR)
    await assign(floor.db, ticket, olena, acting(olena), now=floor.now)
    with pytest.raises(Conflict):
        await assign(floor.db, ticket, petro, acting(petro), now=floor.now)
    await assign(floor.db, ticket, petro, acting(olena), now=floor.now)
    await assign(floor.db, ticket, olena, boss, now=floor.now)
    await assign(floor.db, ticket, petro, acting(petro), reassign=True, now=floor.now)
    assert await floor.holder(ticket) == petro
    last = (await floor.events(ticket))[-1]
    names = {"agent_id": ids.encode("agent", petro), "previous": ids.encode("agent", olena)}
    assert last == ("ticket.assigned", {**names, "reason": "claimed"})


async def test_what_cannot_be_assigned(floor: Floor) -> None:
    queue, olena = await floor.queue("general"), await floor.agent("Olena")
    gone = await floor.agent("Gone", disabled_at=floor.now)
    ticket, closed = await floor.ticket(queue), await floor.ticket(queue, status="closed")
    merged = await floor.ticket(queue, merged_into=ticket)
    for target, agent, code in (
        (closed, olena, "ticket_closed"),
        (ticket, gone, "agent_disabled"),
        (merged, olena, "ticket_merged"),
    ):
        with pytest.raises(Refused) as refused:
            await assign(floor.db, target, agent, acting(olena), now=floor.now)
        assert refused.value.code == code
    for target, agent in ((floor.id(), olena), (ticket, floor.id())):
        with pytest.raises(NotFound):
            await assign(floor.db, target, agent, acting(olena), now=floor.now)


async def test_a_ticket_handed_back_goes_to_somebody_else_with_its_age(floor: Floor) -> None:
    ticket = await floor.ticket(await floor.queue("general"))
    olena = await floor.agent("Olena")
    petro = await floor.agent("Petro", capacity=0)
    await assign(floor.db, ticket, olena, acting(olena), now=floor.now)
    with pytest.raises(Refused, match="holder"):
        await unassign(floor.db, ticket, acting(petro), now=floor.now)
    floor.later(minutes=1)
    await unassign(floor.db, ticket, acting(olena), now=floor.now)
    await unassign(floor.db, ticket, acting(olena), now=floor.now)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) is None, "he who hands back is not asked at once"
    await set_capacity(floor.db, petro, 2, acting(petro), now=floor.now)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) == petro


async def test_presence_is_told_once_and_says_since_when(floor: Floor) -> None:
    olena = await floor.agent("Olena", status="offline", misses=2)
    floor.later(minutes=1)
    await set_presence(floor.db, olena, "online", acting(olena), now=floor.now)
    came = floor.now
    floor.later(minutes=1)
    await set_presence(floor.db, olena, "online", acting(olena), now=floor.now)
    row = await floor.row("agents", olena)
    assert (row["status"], row["status_since"], row["seen_at"], row["misses"]) == ("online", came, floor.now, 0)
    assert await floor.events() == [("agent.presence_changed", {"status": "online", "previous": "offline"})]
    floor.later(seconds=5)
    await heartbeat(floor.db, olena, now=floor.now)
    floor.later(seconds=20)
    await heartbeat(floor.db, olena, now=floor.now)
    assert (await floor.row("agents", olena))["seen_at"] == floor.now
    with pytest.raises(Refused):
        await set_presence(floor.db, olena, "asleep", acting(olena), now=floor.now)


async def test_capacity_is_a_number_of_units(floor: Floor) -> None:
    olena = await floor.agent("Olena")
    await set_capacity(floor.db, olena, 9, acting(olena), now=floor.now)
    await set_capacity(floor.db, olena, 9, acting(olena), now=floor.now)
    assert await floor.events() == [("agent.updated", {"changed": {"capacity": [6, 9]}})]
    with pytest.raises(Refused):
        await set_capacity(floor.db, olena, -1, acting(olena), now=floor.now)
