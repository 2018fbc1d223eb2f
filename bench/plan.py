"""How long planning takes on a large desk: 100 000 waiting tickets, 10 000 agents, 50 skills.

`plan_full` plans from nothing: a busy morning where every agent has some units free and nobody who waits
has been told why. `plan_increment` is one event (a new ticket, or an agent who finished one) on the same desk.
Both are seconds of this process on a processor: planning waits for nothing, so on a quiet machine that is the
time that passes, and on a shared one it leaves out what others take.
"""

import gc
import random
import statistics
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from omnidesk.routing import Agent, Queue, Snapshot, Ticket, plan
from omnidesk.routing.planner import Planner
from omnidesk.routing.policy import DEFAULT

NOW = 1_800_000_000_000
TOPICS = [f"topic{n}" for n in range(44)]
LANGUAGES = ["ru", "en", "de", "kk", "tr", "zh"]
HOUR = 3_600_000


def snapshot(tickets: int = 100_000, agents: int = 10_000, seed: int = 1) -> Snapshot:
    """A desk where skills, loads, ages and urgencies are spread as on a large one."""
    chance = random.Random(seed)
    queues = tuple(
        Queue(id=UUID(int=n + 1), name=name, require=(name, "lang:{language}")) for n, name in enumerate(TOPICS)
    )
    return Snapshot(
        now_ms=NOW,
        queues=queues,
        agents=tuple(_agent(chance) for _ in range(agents)),
        tickets=tuple(_ticket(chance, queues) for _ in range(tickets)),
    )


def _agent(chance: random.Random) -> Agent:
    skills = chance.sample(TOPICS, chance.choice((1, 2, 2, 3, 3, 4, 5)))
    skills += [f"lang:{name}" for name in chance.sample(LANGUAGES, chance.choice((1, 1, 2)))]
    return Agent(
        id=UUID(int=chance.getrandbits(128)),
        skills=dict.fromkeys(skills, 1),
        units=chance.choice((4, 6, 6, 8)),
        status=chance.choice(("online", "online", "online", "away", "offline")),
        async_units=chance.randrange(4),
        last_assigned_ms=NOW - chance.randrange(8 * HOUR),
    )


def _ticket(chance: random.Random, queues: tuple[Queue, ...]) -> Ticket:
    return Ticket(
        id=UUID(int=chance.getrandbits(128)),
        queue_id=chance.choice(queues).id,
        channel=chance.choice(("email", "email", "email", "web_form", "chat")),
        urgency=chance.choice(("low", "normal", "normal", "normal", "high", "critical")),
        language=chance.choice(LANGUAGES),
        waiting_since_ms=NOW - chance.randrange(48 * HOUR),
    )


def full(desk: Snapshot) -> float:
    """Seconds of one plan from nothing."""
    gc.collect()
    started = time.process_time()
    decisions = plan(desk, DEFAULT)
    took = time.process_time() - started
    assert len(decisions) == len(desk.tickets)
    return took


def increments(desk: Snapshot, events: int = 1_000) -> list[float]:
    """Seconds of each step: by turns a new ticket, and an agent who finished one of his letters."""
    planner = Planner(desk, DEFAULT)
    planner.step(NOW)
    chance, took, now = random.Random(2), list[float](), NOW
    queues = desk.queues
    busy = [agent for agent in planner.snapshot().agents if agent.status == "online" and agent.async_units]
    for number in range(events):
        now += 7
        if number % 2:
            agent = busy[chance.randrange(len(busy))]
            freed = planner.agent(agent.id)
            change = replace(freed, async_units=max(0, freed.async_units - 1))
        else:
            ticket = replace(_ticket(chance, queues), waiting_since_ms=now)
        started = time.process_time()
        if number % 2:
            planner.put_agent(change)
        else:
            planner.put_ticket(ticket)
        planner.step(now)
        took.append(time.process_time() - started)
    return took


def run() -> dict[str, dict[str, Any]]:
    """Median of five full plans in seconds, and p99 of a thousand single changes in milliseconds."""
    desk = snapshot()
    plans = statistics.median(full(desk) for _ in range(5))
    took = sorted(increments(desk))
    p50, p99 = (took[len(took) * share // 100] * 1_000 for share in (50, 99))
    return {
        "plan_full": {"value": round(plans, 3), "unit": "s", "baseline": None, "ratio": None},
        "plan_increment": {"value": round(p99, 3), "unit": "ms", "baseline": None, "ratio": None, "p50": round(p50, 3)},
    }


if __name__ == "__main__":
    for name, measured in run().items():
        print(name, measured)
