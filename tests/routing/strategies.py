"""Small desks of every shape: few ids, few skills, tight capacities, so that things collide.

Made from a seed by plain chance: a hundred times faster than composing strategies, and small enough to read
without shrinking.
"""

from dataclasses import replace
from random import Random
from uuid import UUID

from hypothesis import strategies as st

from omnidesk.routing import (
    Agent,
    ChannelPolicy,
    Exclusion,
    Held,
    Offer,
    Policy,
    Queue,
    Snapshot,
    Step,
    Ticket,
    UrgencyPolicy,
)
from omnidesk.routing.values import ORDERS, URGENCIES

NOW = 1_800_000_000_000
QUEUES = [UUID(int=n) for n in (1, 2, 3)]
AGENTS = [UUID(int=n) for n in range(10, 16)]
TICKETS = [UUID(int=n) for n in range(1000, 1012)]
SKILLS = ["cards", "loans", "vip", "lang:ru", "lang:en"]


def some(chance: Random, values: list[str], most: int) -> frozenset[str]:
    return frozenset(chance.sample(values, chance.randint(0, most)))


def ticket(chance: Random, ticket_id: UUID, now: int = NOW) -> Ticket:
    pick = chance.choice
    excluded = [
        Exclusion(agent_id=pick(AGENTS), until_ms=now + pick([-5_000, 0, 1, 5_000, 30_000]))
        for _ in range(pick([0, 0, 0, 1, 2]))
    ]
    return Ticket(
        id=ticket_id,
        queue_id=pick([*QUEUES, QUEUES[0], QUEUES[0]]),
        waiting_since_ms=now - 1_000 * chance.randint(-2, 90),
        queued_since_ms=pick([None, now - 1_000 * chance.randint(-2, 60)]),
        channel=pick(["email", "email", "chat", "phone"]),
        urgency=pick([*URGENCIES, "normal", "unheard-of"]),
        language=pick(["", "ru", "en"]),
        required=some(chance, SKILLS, pick([0, 0, 1])),
        preferred=some(chance, ["vip"], 1),
        target_ms=pick([None, None, 1_000, 60_000]),
        units=pick([None, None, None, 1, 3]),
        last_agent_id=pick([None, *AGENTS]),
        excluded=tuple(excluded),
        waiting_reason=pick(["", "", "no_skill", "all_full"]),
    )


def agent(chance: Random, agent_id: UUID, now: int = NOW) -> Agent:
    pick = chance.choice
    return Agent(
        id=agent_id,
        skills={name: chance.randint(1, 3) for name in chance.sample(SKILLS, pick([1, 2, 3, 4, 5]))},
        channels=pick([None, None, some(chance, ["email", "chat", "phone"], 3)]),
        queues=pick([None, frozenset(chance.sample(QUEUES, chance.randint(0, 3)))]),
        units=pick([0, 1, 2, 4, 6, 8]),
        status=pick(["online", "online", "online", "away", "offline"]),
        primary_units=pick([0, 0, 1, 3]),
        async_units=pick([0, 0, 1, 2, 5, -1]),  # nonsense must not stop the plan
        live=pick([0, 0, 1]),
        last_assigned_ms=now - pick([0, 0, 1, 2, 3]),
        misses=pick([0, 1]),
        offline_since_ms=pick([None, now - 59_999, now - 60_000]),
    )


def queue(chance: Random, queue_id: UUID, now: int = NOW) -> Queue:
    pick = chance.choice
    steps = [
        Step(
            until_ms=1_000 * chance.randint(0, 60),
            last_agent=pick([True, False]),
            keep=pick([(), ("vip",), ("vip", "lang:{language}"), ("*",)]),
            overflow=pick([None, None, *QUEUES, UUID(int=99)]),
        )
        for _ in range(pick([0, 1, 2, 3]))
    ]
    steps.sort(key=lambda step: step.until_ms or 0)
    if steps and chance.random() < 0.5:
        steps[-1] = replace(steps[-1], until_ms=None, last_agent=False)
    return Queue(
        id=queue_id,
        require=pick([(), (), ("cards",), ("loans>=2",), ("lang:{language}",), ("cards", "lang:{language}")]),
        prefer=pick([(), ("vip",), ("vip", "lang:{language}")]),
        steps=tuple(steps),
        open=pick([True, False]),
        clock_ms=pick([None, None, now + 1_000 * chance.randint(-60, 5)]),
    )


def desk(chance: Random) -> Snapshot:
    """Some tickets wait, some are under offer, some lie on the desks of others."""
    made = [ticket(chance, ticket_id) for ticket_id in chance.sample(TICKETS, chance.randint(0, 10))]
    split = chance.randint(0, len(made) // 3)
    held, waiting = made[:split], made[split:]
    return Snapshot(
        now_ms=NOW,
        tickets=tuple(waiting),
        agents=tuple(agent(chance, agent_id) for agent_id in chance.sample(AGENTS, chance.randint(0, 6))),
        queues=tuple(queue(chance, queue_id) for queue_id in chance.sample(QUEUES, chance.randint(1, 3))),
        offers=tuple(
            Offer(ticket_id=one.id, agent_id=chance.choice(AGENTS), expires_ms=NOW + chance.randint(-2, 2))
            for one in waiting
            if chance.randrange(5) == 0
        ),
        held=tuple(
            Held(ticket=one, agent_id=chance.choice(AGENTS), answered=chance.choice([True, False])) for one in held
        ),
    )


def policy(chance: Random) -> Policy:
    return Policy(
        order=chance.choice(ORDERS),
        sharpness=chance.choice([0.5, 1.0, 3.0]),
        urgencies={
            "critical": UrgencyPolicy(weight=64, target_ms=10_000, primary=True),
            "high": UrgencyPolicy(weight=4, target_ms=60_000),
            "normal": UrgencyPolicy(weight=2, target_ms=240_000),
            "low": UrgencyPolicy(weight=1, target_ms=1_440_000),
        },
        channels=chance.choice(
            [
                {
                    "chat": ChannelPolicy(live=True, units=2),
                    "phone": ChannelPolicy(live=True, units=4, lift=chance.choice([0, 1, 3]), accept_ms=20_000),
                },
                {"email": ChannelPolicy(units=2, accept_ms=1_000)},
            ]
        ),
        misses_to_away=chance.choice([1, 2]),
    )


seeds = st.integers(0, 2**48)
snapshots = seeds.map(lambda seed: desk(Random(seed)))
policies = seeds.map(lambda seed: policy(Random(seed)))


def possible(snapshot: Snapshot) -> Snapshot:
    """The same desk where nobody holds more than he may (a shrunk capacity can leave an agent over it)."""
    fitting = tuple(
        replace(agent, units=max(agent.units, agent.primary_units + agent.async_units)) for agent in snapshot.agents
    )
    return replace(snapshot, agents=fitting, offers=())
