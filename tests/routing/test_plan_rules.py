"""What is true of every plan, on any desk."""

import math
import random
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from omnidesk.routing import Agent, Policy, Queue, Snapshot, Ticket, match, plan
from omnidesk.routing.paper import applied
from omnidesk.routing.policy import DEFAULT
from tests.routing import strategies as make
from tests.routing.oracle import Oracle, said
from tests.routing.strategies import NOW, policies, possible, seeds, snapshots

GIVEN = ("assigned", "offered")
T = TypeVar("T")


@settings(max_examples=1000, deadline=None)
@given(snapshots, policies)
def test_the_plan_is_that_of_the_plain_way(snapshot: Snapshot, policy: Policy) -> None:
    assert [said(decision) for decision in plan(snapshot, policy)] == Oracle(snapshot, policy).plan()


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_on_a_larger_desk_too(seed: int) -> None:
    chance = random.Random(seed)
    snapshot = Snapshot(
        now_ms=NOW,
        tickets=tuple(make.ticket(chance, UUID(int=1_000 + number)) for number in range(200)),
        agents=tuple(make.agent(chance, UUID(int=10 + number)) for number in range(70)),
        queues=tuple(make.queue(chance, queue_id) for queue_id in make.QUEUES),
    )
    rules = make.policy(chance)
    assert [said(decision) for decision in plan(snapshot, rules)] == Oracle(snapshot, rules).plan()


@settings(max_examples=300, deadline=None)
@given(snapshots, policies, st.integers(0, 10_000))
def test_the_order_of_the_input_is_nothing(snapshot: Snapshot, policy: Policy, seed: int) -> None:
    shuffle = random.Random(seed)

    def mixed(members: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(shuffle.sample(members, len(members)))

    other = replace(
        snapshot,
        tickets=mixed(snapshot.tickets),
        agents=mixed(snapshot.agents),
        queues=mixed(snapshot.queues),
        offers=mixed(snapshot.offers),
        held=mixed(snapshot.held),
    )
    assert plan(other, policy) == plan(snapshot, policy)


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_a_plan_carried_out_leaves_nothing_to_do(snapshot: Snapshot, policy: Policy) -> None:
    after = applied(snapshot, plan(snapshot, policy), policy)
    assert plan(after, policy) == []


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_nobody_gets_more_than_he_may(snapshot: Snapshot, policy: Policy) -> None:
    snapshot = possible(snapshot)
    primary = {agent.id: agent.primary_units for agent in snapshot.agents}
    total = {agent.id: agent.primary_units + agent.async_units for agent in snapshot.agents}
    units = {agent.id: agent.units for agent in snapshot.agents}
    for decision in plan(snapshot, policy):
        if decision.kind in GIVEN and decision.agent_id:
            agent_id, weight = decision.agent_id, match.units_of(policy, decision.ticket)
            total[agent_id] += weight
            if match.is_primary(policy, decision.ticket):
                primary[agent_id] += weight
                assert primary[agent_id] <= units[agent_id]
            else:
                assert total[agent_id] <= units[agent_id]


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_nobody_gets_what_he_cannot_do(snapshot: Snapshot, policy: Policy) -> None:
    agents = {agent.id: agent for agent in snapshot.agents}
    queues = {queue.id: queue for queue in snapshot.queues}
    for decision in plan(snapshot, policy):
        if decision.kind not in GIVEN or not decision.agent_id:
            continue
        ticket, agent = decision.ticket, agents[decision.agent_id]
        assert agent.status == "online"
        assert agent.id not in {e.agent_id for e in ticket.excluded if e.until_ms > NOW}
        assert agent.channels is None or ticket.channel in agent.channels
        assert all(agent.skills.get(skill, 0) >= 1 for skill in ticket.required)
        queue = queues[ticket.queue_id]
        if decision.step >= len(queue.steps) or queue.steps[decision.step].overflow is None:
            names = [
                name.format(language=ticket.language) for name in queue.require if ticket.language or "{" not in name
            ]
            assert all(
                agent.skills.get(name.partition(">=")[0], 0) >= int(name.partition(">=")[2] or 1) for name in names
            )
            assert agent.queues is None or queue.id in agent.queues


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_nobody_waits_beside_someone_who_could_take_it(snapshot: Snapshot, policy: Policy) -> None:
    silent = replace(snapshot, tickets=tuple(replace(ticket, waiting_reason="") for ticket in snapshot.tickets))
    decisions = plan(silent, policy)
    after = applied(silent, decisions, policy)
    for ticket in after.tickets:
        alone = replace(after, tickets=(replace(ticket, waiting_reason=""),), held=())
        if not any(offer.ticket_id == ticket.id for offer in after.offers):
            others = [other for other in after.tickets if any(o.ticket_id == other.id for o in after.offers)]
            alone = replace(alone, tickets=(*alone.tickets, *others))
            assert [d.kind for d in plan(alone, policy)] == ["waiting"]


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_the_bigger_rank_is_served_first(snapshot: Snapshot, policy: Policy) -> None:
    served = [decision for decision in plan(snapshot, policy) if decision.kind in GIVEN]
    for first, second in pairwise(served):
        assert first.rank >= second.rank
        same = [(d.ticket.urgency, d.ticket.target_ms, d.ticket.queue_id) for d in (first, second)]
        if same[0] == same[1]:
            assert first.age_ms >= second.age_ms


@settings(max_examples=300, deadline=None)
@given(snapshots, policies)
def test_whoever_comes_back_keeps_his_age(snapshot: Snapshot, policy: Policy) -> None:
    waiting = {ticket.id: ticket for ticket in snapshot.tickets} | {
        held.ticket.id: held.ticket for held in snapshot.held
    }
    for ticket in applied(snapshot, plan(snapshot, policy), policy).tickets:
        assert ticket.waiting_since_ms == waiting[ticket.id].waiting_since_ms


@given(
    st.sampled_from([1.0, 2.0, 4.0, 64.0]),
    st.sampled_from([1.0, 2.0, 4.0, 64.0]),
    st.integers(1_000, 10**8),
    st.integers(1_000, 10**8),
    st.floats(0.5, 5),
    st.integers(1, 10**7),
)
def test_any_ticket_passes_every_newcomer_after_a_computable_age(
    weight: float, other: float, target: int, other_target: int, sharpness: float, young: int
) -> None:
    steepness = other / weight * target / other_target
    age = math.ceil(target * steepness ** (1 / sharpness) * young / other_target * 1.000001) + 1
    mine = match.cost(weight, age, target, sharpness)
    assert mine > match.cost(other, young, other_target, sharpness)


def test_a_suggestion_is_answered_though_urgent_letters_never_end() -> None:
    minute, queue = 60_000, Queue(id=UUID(int=1))
    suggestion = Ticket(id=UUID(int=1), queue_id=queue.id, waiting_since_ms=0, urgency="low")
    for now in range(0, 10_000 * minute, minute):
        urgent = Ticket(id=UUID(int=now + 2), queue_id=queue.id, waiting_since_ms=now - minute, urgency="critical")
        one_place = Agent(id=UUID(int=9), units=1)
        desk = Snapshot(now_ms=now, tickets=(suggestion, urgent), agents=(one_place,), queues=(queue,))
        if plan(desk, DEFAULT)[0].ticket_id == suggestion.id:
            break
    else:
        raise AssertionError("it waits for ever")
    assert now > 1440 * minute  # and not before its own target


def _needs(names: tuple[str, ...], language: str) -> list[tuple[str, int]]:
    filled = [name.format(language=language) for name in names if language or "{" not in name]
    return [(name.partition(">=")[0], int(name.partition(">=")[2] or 1)) for name in filled]
