"""Who works on a filled desk and where: queues, agents, inboxes that nobody watches."""

import random
from dataclasses import dataclass
from itertools import accumulate
from uuid import UUID

from omnidesk.filling.copying import Sheet, uid, when

QUEUES = ("Orders", "Delivery", "Payments", "Returns", "Accounts", "App", "Business", "Loyalty", "Complaints", "Legal")
AGENTS = 60
CATEGORIES = ("order", "delivery", "payment", "refund", "account", "app", "invoice", "other")


@dataclass(frozen=True, slots=True)
class Staff:
    """What tickets refer to; ids as text."""

    queues: list[str]
    weights: list[float]  # how often each queue is chosen, summed up
    agents: dict[str, list[str]]  # by queue
    inboxes: dict[str, str]  # by channel


def email_of(number: int, seed: int) -> str:
    """The address by which an agent signs in."""
    return f"agent{number}.{seed}@desk.example"


class Sheets:
    """The tables that hold them."""

    def __init__(self) -> None:
        self.queues = Sheet("queues", "id name position calendar_id created_at updated_at")
        self.agents = Sheet("agents", "id email name role language created_at updated_at")
        self.members = Sheet("queue_agents", "queue_id agent_id")
        self.inboxes = Sheet("inboxes", "id channel name acknowledge paused_at created_at updated_at")

    def all(self) -> list[Sheet]:
        return [self.queues, self.agents, self.members, self.inboxes]


def hire(chance: random.Random, calendar_id: UUID, at: float, seed: int) -> tuple[Staff, Sheets]:
    """Queues of unequal size with their agents, all since `at`; `seed` tells this filling from others."""
    sheets, since = Sheets(), when(at)
    queues = [uid(chance, at) for _ in QUEUES]
    for position, (queue_id, title) in enumerate(zip(queues, QUEUES, strict=True), 10):
        sheets.queues.add(queue_id, f"{title} {seed}", position, calendar_id, since, since)
    agents: dict[str, list[str]] = {queue_id: [] for queue_id in queues}
    for number in range(AGENTS):
        agent_id = uid(chance, at)
        sheets.agents.add(
            agent_id, email_of(number, seed), f"Agent {number}", "agent", "ru" if number % 2 else "en", since, since
        )
        for queue_id in {queues[number % len(queues)], *chance.sample(queues, k=chance.randint(0, 2))}:
            agents[queue_id].append(agent_id)
    for queue_id, members in agents.items():
        for agent_id in sorted(members):
            sheets.members.add(queue_id, agent_id)
    inboxes = {channel: uid(chance, at) for channel in ("email", "api")}
    for channel, inbox_id in inboxes.items():
        sheets.inboxes.add(inbox_id, channel, f"{channel} {seed}", "f", since, since, since)
    weights = list(accumulate(1 / rank for rank in range(1, len(queues) + 1)))
    return Staff(queues, weights, agents, inboxes), sheets
