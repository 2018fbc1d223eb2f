"""Pure decisions: who gets which ticket, in which queue, how urgently, and why."""

from omnidesk.routing.decision import Decision
from omnidesk.routing.plan import plan
from omnidesk.routing.values import (
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

__all__ = [
    "Agent",
    "ChannelPolicy",
    "Decision",
    "Exclusion",
    "Held",
    "Offer",
    "Policy",
    "Queue",
    "Snapshot",
    "Step",
    "Ticket",
    "UrgencyPolicy",
    "plan",
]
