"""The life of a ticket: statuses, what may follow what, and what each step does to the clocks.

    new ──► open ◄──► pending ──► resolved ──► closed
     └───────┴───────────┴────────────┴──► spam (and back to where it was)

`closed` is reached from `resolved` by a timer and is final: a later message makes a new ticket.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from omnidesk.domain.errors import Refused


class Status(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"
    SPAM = "spam"


class Urgency(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


ACTIVE = frozenset({Status.NEW, Status.OPEN, Status.PENDING})  # somebody still works on it
WORKABLE = frozenset({Status.NEW, Status.OPEN})  # the ball is in our court: takes an agent's units
CLOSES_AFTER = timedelta(days=4)  # resolved -> closed

CUSTOMER_LABELS = {
    "ru": {
        Status.NEW: "Принято",
        Status.OPEN: "В работе",
        Status.PENDING: "Требует уточнений",
        Status.RESOLVED: "Решено",
        Status.CLOSED: "Решено",
    },
    "en": {
        Status.NEW: "Received",
        Status.OPEN: "In progress",
        Status.PENDING: "Needs your answer",
        Status.RESOLVED: "Solved",
        Status.CLOSED: "Solved",
    },
}

_STEPS = {
    Status.NEW: {Status.OPEN, Status.PENDING, Status.RESOLVED, Status.SPAM},
    Status.OPEN: {Status.PENDING, Status.RESOLVED, Status.SPAM},
    Status.PENDING: {Status.OPEN, Status.RESOLVED, Status.SPAM},
    Status.RESOLVED: {Status.OPEN, Status.CLOSED, Status.SPAM},
    Status.CLOSED: {Status.SPAM},
    Status.SPAM: set[Status](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What rules need to know of a ticket; the whole row is `db`'s business."""

    id: UUID
    status: Status
    status_before_spam: Status | None = None
    waiting_since: datetime | None = None
    first_reply_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None

    def moved_to(self, status: Status, *, at: datetime) -> "Ticket":
        """The ticket after a transition. Raises Refused (`transition_not_allowed`) when it cannot follow."""
        if status == self.status:
            return self
        if status not in _STEPS[self.status]:
            raise Refused(
                f"A ticket that is {self.status} cannot become {status}.",
                code="transition_not_allowed",
                details={"from": str(self.status), "to": str(status)},
            )
        if status == Status.SPAM:
            return replace(self, status=status, status_before_spam=self.status)
        return replace(
            self,
            status=status,
            waiting_since=(self.waiting_since or at) if status == Status.OPEN else self._still_waiting(status),
            resolved_at=at if status == Status.RESOLVED else self.resolved_at if status == Status.CLOSED else None,
            closed_at=at if status == Status.CLOSED else None,
        )

    def _still_waiting(self, status: Status) -> datetime | None:
        return None if status in {Status.PENDING, Status.RESOLVED, Status.CLOSED} else self.waiting_since

    def not_spam(self) -> "Ticket":
        """Back to where it was. Raises Refused when it is not marked as spam."""
        if self.status != Status.SPAM:
            raise Refused("This ticket is not marked as spam.", code="not_spam")
        return replace(self, status=self.status_before_spam or Status.NEW, status_before_spam=None)

    def heard(self, *, at: datetime) -> "Ticket":
        """After a person's message came in: the customer waits, and what was pending or resolved is open again."""
        if self.status in {Status.CLOSED, Status.SPAM}:
            return self
        status = Status.OPEN if self.status in {Status.PENDING, Status.RESOLVED} else self.status
        return replace(self, status=status, waiting_since=self.waiting_since or at, resolved_at=None)

    def answered(self, *, at: datetime, then: Status | None = None) -> "Ticket":
        """After a reply of ours: nobody waits any more; `then` is the status asked for, default open."""
        if self.status in {Status.CLOSED, Status.SPAM}:
            raise Refused(f"A ticket that is {self.status} takes no reply.", code="ticket_" + self.status)
        step = replace(self, first_reply_at=self.first_reply_at or at)
        if then is None and self.status in {Status.NEW, Status.RESOLVED}:
            then = Status.OPEN
        return replace(step.moved_to(then, at=at) if then else step, waiting_since=None)
