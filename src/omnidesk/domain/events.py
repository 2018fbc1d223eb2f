"""Facts that happened: ids and small facts, never bodies. Audit, feed, webhooks and metrics read one list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from omnidesk.domain import ids


class EventType(StrEnum):
    TICKET_CREATED = "ticket.created"
    TICKET_UPDATED = "ticket.updated"  # data.changed: {field: [old, new]}
    TICKET_ASSIGNED = "ticket.assigned"
    TICKET_UNASSIGNED = "ticket.unassigned"
    TICKET_OFFERED = "ticket.offered"  # to an agent who has some seconds to accept
    TICKET_OFFER_ENDED = "ticket.offer_ended"  # data.outcome: declined, missed, withdrawn
    TICKET_STATUS = "ticket.status_changed"
    TICKET_ATTENTION = "ticket.attention"
    TICKET_TRANSFERRED = "ticket.transferred"  # data: handoff, from, to, why; ids of agents and queues
    TICKET_ESCALATED = "ticket.escalated"  # data: level, reason, agent_id, previous
    TICKET_LINKED = "ticket.linked"
    TICKET_MOVED = "ticket.moved"  # kept, never shown: readers are told `left` or `entered`, by what each of them sees
    TICKET_LEFT = "ticket.left"  # to a reader whose sight it left; nothing but the id
    TICKET_ENTERED = "ticket.entered"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_CREATED = "message.created"  # a reply or notice of ours, queued
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    NOTE_CREATED = "note.created"
    NOTE_EDITED = "note.edited"
    NOTE_DELETED = "note.deleted"
    MESSAGE_NOT_CHANGED = "message.not_changed"  # the platform refused an edit or a deletion; data: action, reason
    DELIVERY_CHANGED = "delivery.changed"  # sent, deferred, rejected, unknown, bounced, delivered, read
    PROMISE_MADE = "promise.made"
    PROMISE_KEPT = "promise.kept"
    PROMISE_BROKEN = "promise.broken"
    PROMISE_RENEGOTIATED = "promise.renegotiated"  # data.replaced_by
    PROPOSAL_MADE = "proposal.made"  # another solution was offered to the customer
    PROPOSAL_ACCEPTED = "proposal.accepted"
    PROPOSAL_DECLINED = "proposal.declined"
    PROPOSAL_WITHDRAWN = "proposal.withdrawn"  # another one took its place
    CLOCK_CHANGED = "clock.changed"  # data: kind, state, at, due_at
    CLOCK_WARNED = "clock.warned"  # data: kind, percent, level, told
    CONTACT_CREATED = "contact.created"
    CONTACT_UPDATED = "contact.updated"  # data.changed: names of fields; data.identity_id: which of its identities
    CONTACT_MERGED = "contact.merged"  # into the subject; data: merge_id, source_id
    CONTACT_UNMERGED = "contact.unmerged"  # data: merge_id, source_id, back
    CONTACT_EXPORTED = "contact.exported"
    CONTACT_ERASED = "contact.erased"  # data: erasure_id, state
    AGENT_CREATED = "agent.created"
    AGENT_UPDATED = "agent.updated"
    AGENT_PRESENCE = "agent.presence_changed"
    POLICY_CHANGED = "policy.changed"  # data.version
    CALENDAR_CREATED = "calendar.created"
    CALENDAR_UPDATED = "calendar.updated"  # data.version: by which dates are counted from now on
    QUEUE_CREATED = "queue.created"
    QUEUE_UPDATED = "queue.updated"
    INBOX_CREATED = "inbox.created"
    INBOX_UPDATED = "inbox.updated"
    INBOX_HEALTH = "inbox.health_changed"
    ARRIVAL_PARKED = "arrival.parked"  # failed, unreadable or held
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"  # data.changed: names of fields
    WEBHOOK_DISABLED = "webhook.disabled"  # data: reason, url's host; switched off by the desk itself
    WEBHOOK_DELETED = "webhook.deleted"
    JOB_FINISHED = "job.finished"  # data: kind, state (done, failed, cancelled), done, failed
    SIGNED_IN = "agent.signed_in"


PASSAGES = frozenset({EventType.TICKET_LEFT, EventType.TICKET_ENTERED})
"""How `ticket.moved` is told."""
TOLD = frozenset(EventType) - {EventType.TICKET_MOVED}
"""The types that somebody may be told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    type: EventType
    ticket_id: UUID | None = None
    subject_id: UUID | None = None  # the message, delivery, agent … it is about
    actor: str = "system"  # `str(Actor)`
    data: Mapping[str, Any] = field(default_factory=dict)


_SUBJECTS = {
    "message": "message",
    "note": "message",
    "delivery": "delivery",
    "promise": "promise",
    "proposal": "proposal",
    "agent": "agent",
    "queue": "queue",
    "inbox": "inbox",
    "arrival": "arrival",
    "key": "key",
    "clock": "clock",
    "calendar": "calendar",
    "webhook": "webhook",
    "contact": "contact",
    "job": "job",
}
_ABOUT_AN_AGENT = frozenset({"ticket.assigned", "ticket.unassigned", "ticket.offered", "ticket.offer_ended"})


def subject(event_type: str, subject_id: UUID | None) -> str | None:
    """The TypeID of what an event is about."""
    if subject_id is None:
        return None
    noun = "agent" if event_type in _ABOUT_AN_AGENT else _SUBJECTS.get(event_type.partition(".")[0])
    return ids.encode(noun, subject_id) if noun else str(subject_id)
