"""What a role may do, and whose tickets an agent sees."""

from collections.abc import Mapping

from omnidesk.db.access import Person
from omnidesk.domain.people import SCOPES, Actor, Role

_AGENT = frozenset(
    [
        "tickets:read",
        "tickets:write",
        "messages:write",
        "contacts:read",
        "contacts:write",
        "agents:read",
        "queues:read",
        "inboxes:read",
        "events:read",
    ]
)
_SUPERVISOR = _AGENT | {"agents:write", "queues:write", "arrivals:read", "arrivals:write"}
ROLE_SCOPES: Mapping[Role, frozenset[str]] = {
    Role.AGENT: _AGENT,
    Role.SENIOR: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMIN: frozenset(SCOPES),
}


def rights(actor: Actor) -> frozenset[str]:
    """The scopes that an actor has: what his role may, within what his key was given."""
    return ROLE_SCOPES[actor.role] & (actor.scopes if actor.scopes is not None else frozenset(SCOPES))


def sees_all_queues(role: Role) -> bool:
    return role.at_least(Role.SUPERVISOR)


def actor_of(person: Person) -> Actor:
    """The agent himself, signed in. He sees the tickets of his queues and of open ones; from supervisor on, all."""
    role = Role(person.role)
    return Actor(
        kind="agent",
        id=person.id,
        agent_id=person.id,
        name=person.name,
        role=role,
        queues_seen=None if sees_all_queues(role) else frozenset([*person.queue_ids, *person.open_queue_ids]),
        language=person.language,
    )
