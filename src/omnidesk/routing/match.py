"""Who may take a ticket, and which ticket comes first: the rules for one ticket and one agent.

Sources of the rank: the generalised c-mu rule, Van Mieghem 1995; Mandelbaum and Stolyar 2004.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from omnidesk.routing.values import (
    URGENCIES,
    Agent,
    ChannelPolicy,
    Exclusion,
    Policy,
    Queue,
    Step,
    Ticket,
    UrgencyPolicy,
)

Need = tuple[str, int]  # a skill and its least level
Way = tuple[UUID, tuple[Need, ...]]  # members of this queue with these skills may take it
NO_STEP = Step()
EVERYTHING = "*"
_ASYNCHRONOUS = ChannelPolicy()
FACTS = ("language", "category", "channel", "urgency")  # of a ticket, for skills like lang:{language}
_FACT = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=4096)
def need(text: str) -> Need:
    """`cards>=3` is the skill `cards` from level 3; a bare name is any level."""
    name, sign, level = text.rpartition(">=")
    return (name.strip(), int(level)) if sign and level.strip().isdigit() else (text, 1)


def urgency_of(policy: Policy, ticket: Ticket) -> UrgencyPolicy:
    """A word that the policy does not know counts as normal."""
    return policy.urgencies.get(ticket.urgency) or policy.urgencies["normal"]


def lifted(policy: Policy, ticket: Ticket) -> str:
    """The urgency as which the ticket stands in line: its own, lifted by its channel."""
    lift = channel_of(policy, ticket).lift
    if not lift:
        return ticket.urgency
    own = URGENCIES.index(ticket.urgency if ticket.urgency in URGENCIES else "normal")
    return URGENCIES[min(own + lift, len(URGENCIES) - 1)]


def standing_of(policy: Policy, ticket: Ticket) -> UrgencyPolicy:
    """By which weight and target the ticket is ranked; whether it is primary work is its own urgency's matter."""
    return policy.urgencies.get(lifted(policy, ticket)) or policy.urgencies["normal"]


def channel_of(policy: Policy, ticket: Ticket) -> ChannelPolicy:
    return policy.channels.get(ticket.channel, _ASYNCHRONOUS)


def units_of(policy: Policy, ticket: Ticket) -> int:
    return max(1, channel_of(policy, ticket).units if ticket.units is None else ticket.units)


def is_primary(policy: Policy, ticket: Ticket) -> bool:
    """Live or critical: it may push asynchronous work aside."""
    return channel_of(policy, ticket).live or urgency_of(policy, ticket).primary


def target_of(policy: Policy, ticket: Ticket) -> int:
    return max(1, standing_of(policy, ticket).target_ms if ticket.target_ms is None else ticket.target_ms)


def clock(queue: Queue, now_ms: int) -> int:
    return now_ms if queue.clock_ms is None else queue.clock_ms


def step_index(ticket: Ticket, queue: Queue, clock_ms: int) -> int:
    """The step that the ticket has reached; their number when all are over."""
    since = ticket.waiting_since_ms if ticket.queued_since_ms is None else ticket.queued_since_ms
    elapsed = max(0, clock_ms - since)
    for index, step in enumerate(queue.steps):
        if step.until_ms is None or elapsed < step.until_ms:
            return index
    return len(queue.steps)


def step_ends(ticket: Ticket, queue: Queue, index: int) -> int | None:
    """When that step is over, on the clock of the queue; None: never."""
    if index >= len(queue.steps):
        return None
    until = queue.steps[index].until_ms
    since = ticket.waiting_since_ms if ticket.queued_since_ms is None else ticket.queued_since_ms
    return None if until is None else since + until


def step_of(queue: Queue, index: int) -> Step:
    return queue.steps[index] if index < len(queue.steps) else NO_STEP


def ways(ticket: Ticket, queue: Queue, step: Step, queues: Mapping[int, Queue]) -> tuple[Way, ...]:
    """Which members with which skills may take the ticket in this step; any one way suffices.

    The skills of the ticket itself are required on every way. In an overflow step the other queue judges
    by its own requirements, for its own members. `queues` by the number of the id.
    """
    kept = _kept(queue, step, ticket) if step.keep else frozenset()
    found = [(queue.id, _needs(_skills(queue.require, ticket) | ticket.required | kept))]
    other = queues.get(step.overflow.int) if step.overflow and step.overflow != queue.id else None
    if other is not None:
        found.append((other.id, _needs(_skills(other.require, ticket) | ticket.required)))
    return tuple(found)


def _kept(queue: Queue, step: Step, ticket: Ticket) -> frozenset[str]:
    """The preferred skills that this step still asks for; `*` keeps them all."""
    preferred = _skills(queue.prefer, ticket) | ticket.preferred
    return preferred if EVERYTHING in step.keep else preferred & _skills(step.keep, ticket)


def _skills(templates: tuple[str, ...], ticket: Ticket) -> frozenset[str]:
    filled = (
        _FACT.sub(lambda match: str(getattr(ticket, match[1])), text) for text in templates if _known(text, ticket)
    )
    return frozenset(filled)


def _known(template: str, ticket: Ticket) -> bool:
    return all(name in FACTS and getattr(ticket, name) for name in _FACT.findall(template))


def _needs(skills: frozenset[str]) -> tuple[Need, ...]:
    return tuple(sorted(need(skill) for skill in skills))


def sane(agent: Agent) -> Agent:
    """Nobody holds less than nothing, whatever was counted."""
    if min(agent.primary_units, agent.async_units, agent.live) >= 0:
        return agent
    loads = (max(0, agent.primary_units), max(0, agent.async_units), max(0, agent.live))
    return replace(agent, primary_units=loads[0], async_units=loads[1], live=loads[2])


def is_member(agent: Agent, queue_id: UUID) -> bool:
    return agent.queues is None or queue_id in agent.queues


def speaks(agent: Agent, channel: str) -> bool:
    return agent.channels is None or channel in agent.channels


def is_able(agent: Agent, needs: tuple[Need, ...]) -> bool:
    return all(agent.skills.get(name, 0) >= level for name, level in needs)


def excluded_now(ticket: Ticket, now_ms: int) -> frozenset[UUID]:
    return frozenset(e.agent_id for e in ticket.excluded if e.until_ms > now_ms)


def excluding(ticket: Ticket, agent_id: UUID, now_ms: int, policy: Policy) -> Ticket:
    """The ticket after this agent declined it or did not accept; its age is kept."""
    others = tuple(e for e in ticket.excluded if e.until_ms > now_ms and e.agent_id != agent_id)
    exclusion = Exclusion(agent_id=agent_id, until_ms=now_ms + policy.exclude_ms)
    return replace(ticket, excluded=(*others, exclusion))


def order_key(policy: Policy, weight: float, target_ms: int, age_ms: int) -> tuple[float, float]:
    """What comes first has the biggest key; equal keys go by age, then by id.

    cost      weight · (age / target)^sharpness / target in minutes: grows without bound, so nobody starves
    edd       time over the target
    priority  weight
    fifo      nothing
    """
    if policy.order == "cost":
        return cost(weight, age_ms, target_ms, policy.sharpness), weight / target_ms
    if policy.order == "edd":
        return float(age_ms - target_ms), weight
    return (weight, 0.0) if policy.order == "priority" else (0.0, 0.0)


def rank(policy: Policy, ticket: Ticket, age_ms: int) -> float:
    """The first term of the order of a ticket that waits for so long."""
    return order_key(policy, standing_of(policy, ticket).weight, target_of(policy, ticket), age_ms)[0]


def cost(weight: float, age_ms: int, target_ms: int, sharpness: float) -> float:
    lateness: float = (max(0, age_ms) / target_ms) ** sharpness
    return weight * lateness / (target_ms / 60_000)
