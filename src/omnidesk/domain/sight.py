"""Whose tickets somebody sees: the rule in memory, for feeds and webhooks.

`db.tickets.visible` is the same rule as SQL; a property test holds them together. Admins and supervisors see every
ticket. Agents and seniors see those of the queues that they are members of, of queues without members (open to all),
and what is assigned to them. A key narrows that to its own queues and inboxes; one that is nobody's sees what its
limits leave of everything.
"""

from dataclasses import dataclass
from uuid import UUID

from omnidesk.domain.people import Actor


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ticket is: its present queue, the inbox where it began, whose it is."""

    queue_id: UUID | None
    inbox_id: UUID | None
    assignee_id: UUID | None


def sees(actor: Actor, place: Place) -> bool:
    """Does the actor see a ticket that is there?"""
    if actor.inbox_ids and place.inbox_id not in actor.inbox_ids:
        return False
    if actor.queue_ids and place.queue_id not in actor.queue_ids:
        return False
    if actor.queues_seen is None or place.queue_id in actor.queues_seen:
        return True
    return actor.agent_id is not None and place.assignee_id == actor.agent_id


def sees_everything(actor: Actor) -> bool:
    return actor.queues_seen is None and not is_limited(actor)


def is_limited(actor: Actor) -> bool:
    """Is this a key that was given some queues or inboxes only?"""
    return bool(actor.queue_ids or actor.inbox_ids)


def queues_of(actor: Actor) -> frozenset[UUID] | None:
    """The queues of which the actor sees every ticket that his inboxes leave; None: all queues."""
    if actor.queues_seen is None:
        return actor.queue_ids or None
    return actor.queues_seen & actor.queue_ids if actor.queue_ids else actor.queues_seen
