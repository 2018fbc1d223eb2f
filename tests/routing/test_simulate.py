"""What would have sent it to somebody: told changes, once made, really do it."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings

from omnidesk.routing import Agent, Policy, Queue, Snapshot, Ticket, plan
from omnidesk.routing.simulate import Change, changed, what_would
from tests.routing.strategies import NOW, desk, policy, seeds
from tests.routing.test_plan import CARDS, MINUTE, POLICY, STEPS, agent, ticket


def goes_to(snapshot: Snapshot, policy: Policy, ticket_id: UUID, agent_id: UUID) -> bool:
    kept = {(o.ticket_id, o.agent_id) for o in snapshot.offers if o.expires_ms > snapshot.now_ms}
    there = {one.id for one in snapshot.agents if one.status == "online"}
    if (ticket_id, agent_id) in kept and agent_id in there:
        return True
    given_to = [
        d.agent_id for d in plan(snapshot, policy) if d.ticket_id == ticket_id and d.kind in ("assigned", "offered")
    ]
    return given_to == [agent_id]


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_the_changes_do_it_and_each_of_them_is_needed(seed: int) -> None:
    chance = Random(seed)
    snapshot, rules = desk(chance), policy(chance)
    known = {queue.id for queue in snapshot.queues}
    waiting = [one for one in snapshot.tickets if one.queue_id in known][:3]
    for one in waiting:
        for person in snapshot.agents:
            changes = what_would(snapshot, rules, one.id, person.id)
            assert goes_to(changed(snapshot, changes), rules, one.id, person.id)
            for change in changes:
                without = [other for other in changes if other is not change]
                assert not goes_to(changed(snapshot, without), rules, one.id, person.id)


def ask(
    tickets: list[Ticket], agents: list[Agent], wanted: int, person: Agent, queue: Queue | None = None
) -> list[Change]:
    queues = (queue or Queue(id=CARDS, require=("cards",)),)
    snapshot = Snapshot(now_ms=NOW, tickets=tuple(tickets), agents=tuple(agents), queues=queues)
    return what_would(snapshot, POLICY, ticket(wanted).id, person.id)


def test_nothing_when_it_goes_there_anyway() -> None:
    assert ask([ticket(1)], [agent(1, "cards")], 1, agent(1)) == []


def test_presence_skill_and_room() -> None:
    person = agent(1, status="away", units=2, async_units=2)
    assert ask([ticket(1)], [person], 1, person) == [
        Change(kind="status", agent_id=person.id, value="online"),
        Change(kind="skill", agent_id=person.id, value=("cards", 1)),
        Change(kind="free", agent_id=person.id, value=(0, 1)),
    ]


def test_those_who_come_first() -> None:
    better, person, worse = agent(1, "cards"), agent(2, "cards", async_units=1), agent(3, "cards", async_units=3)
    (change,) = ask([ticket(1)], [better, person, worse], 1, person)
    assert (change.kind, change.value) == ("others", (better.id,))


def test_how_old_it_would_have_to_be() -> None:
    person = agent(1, "cards", units=1)
    (change,) = ask([ticket(1, waited=10), ticket(2, waited=30)], [person], 1, person)
    assert (change.kind, change.value[0]) == ("outrank", "normal")
    assert 30 * MINUTE < change.value[1] <= 30 * MINUTE + 10


def test_whom_it_waits_for() -> None:
    last, person = agent(1, "cards", units=1, async_units=1), agent(2, "cards", "vip")
    changes = ask([ticket(1, waited=1, last_agent_id=last.id)], [last, person], 1, person, STEPS)
    assert [change.kind for change in changes] == ["last_agent"]


def test_who_is_not_there_cannot_be_asked_about() -> None:
    with pytest.raises(LookupError, match="agent"):
        ask([ticket(1)], [], 1, agent(1))
    with pytest.raises(LookupError, match="ticket"):
        ask([], [agent(1)], 1, agent(1))
    with pytest.raises(LookupError, match="queue"):
        ask([ticket(1, queue=UUID(int=77))], [agent(1)], 1, agent(1))
