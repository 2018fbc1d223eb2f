"""Who acts: an agent, an API key, a customer or the desk itself."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from omnidesk.domain import ids


class Role(StrEnum):
    AGENT = "agent"
    SENIOR = "senior"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"

    def at_least(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


SCOPES = {
    "tickets:read": "Read tickets, their timeline and attachments",
    "tickets:write": "Create and change tickets",
    "messages:write": "Write replies and notes, upload files",
    "contacts:read": "Read contacts, their identities and timelines; look callers up",
    "contacts:write": "Create, change, merge and erase contacts",
    "agents:read": "Read agents and their presence",
    "agents:write": "Create and change agents, set presence",
    "queues:read": "Read queues",
    "queues:write": "Create and change queues",
    "inboxes:read": "Read inboxes and their health",
    "inboxes:write": "Create, change, test and pause inboxes",
    "arrivals:read": "Read the journal of arrivals",
    "arrivals:write": "Retry and release arrivals",
    "events:read": "Follow the feed of events",
    "keys:write": "Create and revoke API keys",
    "webhooks:read": "Read webhooks and the log of their deliveries",
    "webhooks:write": "Create, change, test and replay webhooks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks for something; `scopes` None means everything that the role may."""

    kind: str  # agent | key | contact | system
    id: UUID | None = None
    agent_id: UUID | None = None  # the agent acting, also through a personal key
    name: str = ""
    role: Role = Role.AGENT
    scopes: frozenset[str] | None = None
    inbox_ids: frozenset[UUID] = field(default_factory=frozenset)  # limits of his key; empty: none
    queue_ids: frozenset[UUID] = field(default_factory=frozenset)  # limits of his key; empty: none
    queues_seen: frozenset[UUID] | None = None  # by role and membership; None: all. See `sight`
    language: str = "en"

    def __str__(self) -> str:
        """As events name it: `agent:agt_…`, `key:key_…`, `system`."""
        return f"{self.kind}:{ids.encode(self.kind, self.id)}" if self.id and self.kind in ids.PREFIXES else self.kind

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


SYSTEM = Actor(kind="system", name="Omnidesk", role=Role.ADMIN)
