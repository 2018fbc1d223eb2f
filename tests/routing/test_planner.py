"""The planner that is told of changes decides what a plan of the whole desk decides."""

from dataclasses import replace
from random import Random
from uuid import UUID

from hypothesis import given, settings

from omnidesk.routing import Agent, Decision, Policy, Queue, Snapshot, Ticket, plan
from omnidesk.routing.match import excluding
from omnidesk.routing.paper import applied, holding
from omnidesk.routing.planner import Planner
from omnidesk.routing.policy import DEFAULT
from tests.routing.oracle import said
from tests.routing.strategies import AGENTS, QUEUES, TICKETS, agent, desk, policy, queue, seeds, ticket


def change(chance: Random, planner: Planner, policy: Policy, now: int) -> None:
    """Something happens on the desk."""
    desk_now = planner.snapshot()
    waiting, people, offers = desk_now.tickets, desk_now.agents, desk_now.offers
    happening = chance.randrange(10)
    if happening <= 2:
        planner.put_ticket(ticket(chance, chance.choice(TICKETS), now))
    elif happening == 3 and waiting:
        planner.remove_ticket(chance.choice(waiting).id)
    elif happening == 4:
        planner.put_agent(agent(chance, chance.choice(AGENTS), now))
    elif happening == 5 and people:
        freed = chance.choice(people)
        planner.put_agent(replace(freed, async_units=max(0, freed.async_units - 1), primary_units=0, live=0))
    elif happening == 6 and people:
        planner.put_agent(replace(chance.choice(people), status=chance.choice(["online", "away", "offline"])))
    elif happening == 7 and offers:
        offer = chance.choice(offers)
        offered = next(one for one in waiting if one.id == offer.ticket_id)
        taker = next((one for one in people if one.id == offer.agent_id), None)
        if taker and chance.random() < 0.5:  # accepted
            planner.remove_ticket(offered.id)
            planner.put_agent(replace(holding(taker, offered, policy), misses=0, last_assigned_ms=now))
        else:
            planner.put_ticket(excluding(offered, offer.agent_id, now, policy))
    elif happening == 8:
        planner.put_queue(queue(chance, chance.choice(QUEUES), now))
    elif happening == 9 and people and chance.random() < 0.3:
        planner.remove_agent(chance.choice(people).id)


def sorted_desk(snapshot: Snapshot) -> Snapshot:
    return replace(
        snapshot,
        tickets=tuple(sorted(snapshot.tickets, key=lambda one: one.id.int)),
        agents=tuple(sorted(snapshot.agents, key=lambda one: one.id.int)),
        queues=tuple(sorted(snapshot.queues, key=lambda one: one.id.int)),
        offers=tuple(sorted(snapshot.offers, key=lambda one: one.ticket_id.int)),
        held=tuple(sorted(snapshot.held, key=lambda one: one.ticket.id.int)),
    )


def follow(seed: int) -> None:
    chance = Random(seed)
    start, rules = desk(chance), policy(chance)
    start = replace(
        start,
        agents=tuple(replace(one, async_units=max(0, one.async_units)) for one in start.agents),
        offers=tuple(offer for offer in start.offers if offer.agent_id in {one.id for one in start.agents}),
    )
    planner, now = Planner(start, rules), start.now_ms
    clocks = {one.id: one.clock_ms for one in start.queues if one.clock_ms is not None}
    for _ in range(8):
        before = planner.snapshot()
        clocks = {one.id: one.clock_ms for one in before.queues if one.clock_ms is not None}
        passed = chance.choice([0, 1, 1_000, 7_000, 30_000])
        now += passed
        clocks = {queue_id: clock + passed * chance.choice([0, 1]) for queue_id, clock in clocks.items()}
        moved = tuple(replace(one, clock_ms=clocks.get(one.id)) for one in before.queues)
        whole = replace(before, now_ms=now, queues=moved)
        decisions = planner.step(now, clocks)
        assert [said(one) for one in decisions] == [said(one) for one in plan(whole, rules)]
        assert sorted_desk(planner.snapshot()) == sorted_desk(applied(whole, decisions, rules))
        for _ in range(chance.choice([0, 1, 1, 3])):
            change(chance, planner, rules, now)


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_told_of_changes_it_decides_as_a_plan_of_the_whole_desk(seed: int) -> None:
    follow(seed)


QUEUE = Queue(id=UUID(int=1))


def letter(number: int) -> Ticket:
    return Ticket(id=UUID(int=1000 + number), queue_id=QUEUE.id, waiting_since_ms=0)


def brief(decisions: list[Decision]) -> list[tuple[str, int]]:
    return [(one.reason, one.ticket_id.int - 1000) for one in decisions]


def test_work_flows_to_who_becomes_free() -> None:
    olena = Agent(id=UUID(int=10), units=1)
    planner = Planner(Snapshot(now_ms=0, agents=(olena,), queues=(QUEUE,)), DEFAULT)
    planner.put_ticket(letter(1))
    assert brief(planner.step(1_000)) == [("only_fit", 1)]
    planner.put_ticket(letter(2))
    assert brief(planner.step(2_000)) == [("all_full", 2)]
    assert planner.step(3_000) == []
    planner.put_agent(olena)
    assert brief(planner.step(4_000)) == [("only_fit", 2)]
    assert planner.step(5_000) == []


def test_the_longest_idle_changes_with_every_assignment() -> None:
    people = tuple(Agent(id=UUID(int=10 + n), units=3) for n in range(3))
    planner = Planner(Snapshot(now_ms=0, agents=people, queues=(QUEUE,)), DEFAULT)
    given_to = []
    for number in range(9):
        planner.put_ticket(letter(number))
        (decision,) = planner.step(number)
        given_to.append(decision.agent_id.int - 10 if decision.agent_id else None)
    assert given_to == [0, 1, 2] * 3
