"""The clocks of a ticket: how long until the first reply, the next one, and the solution, in open time.

A clock runs while the ball is in our court (`new`, `open`), stands while the customer has it (`pending`) or
the ticket is hidden as spam, and is met by a person's reply or by the solution. Nothing resets it: not a
transfer, not another queue, not another policy.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from omnidesk.domain.business_time import Calendar, NeverOpen, deadline, open_time_between
from omnidesk.domain.tickets import WORKABLE, Status, Ticket

FIRST_REPLY, NEXT_REPLY, RESOLUTION = "first_reply", "next_reply", "resolution"
REPLIES = (FIRST_REPLY, NEXT_REPLY)
WARNINGS = (50, 80, 100)  # per cent of the target
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """`consumed` counts open time up to `runs_since`; a clock without it stands.

    `state` is running, paused, met or breached; a breached clock goes on until somebody answers.
    """

    id: UUID
    ticket_id: UUID
    kind: str
    target: timedelta
    started_at: datetime
    runs_since: datetime | None
    paused_at: datetime | None = None
    consumed: timedelta = _ZERO
    state: str = "running"
    warned: int = 0  # the last of WARNINGS that was told
    settled_at: datetime | None = None

    def used(self, at: datetime, hours: Calendar) -> timedelta:
        """Open time used up until then."""
        return self.consumed + (open_time_between(self.runs_since, at, hours) if self.runs_since else _ZERO)

    def reaches(self, percent: int, hours: Calendar) -> datetime | None:
        """When that share of the target is used up; None while it stands, or when the calendar never opens enough."""
        if self.runs_since is None or self.settled_at is not None:
            return None
        try:
            return deadline(self.runs_since, max(_ZERO, self.target * percent / 100 - self.consumed), hours)
        except NeverOpen:
            return None

    def next_warning(self, hours: Calendar) -> datetime | None:
        """When the next warning is due."""
        left = [percent for percent in WARNINGS if percent > self.warned]
        return self.reaches(left[0], hours) if left else None

    def reached(self, at: datetime, hours: Calendar) -> int:
        """The biggest of WARNINGS that is used up; 0: none is."""
        used = self.used(at, hours)
        return max((percent for percent in WARNINGS if used >= self.target * percent / 100), default=0)

    def stopped(self, at: datetime, hours: Calendar) -> "Clock":
        if self.runs_since is None:
            return self
        state = "paused" if self.state == "running" else self.state
        return replace(self, consumed=self.used(at, hours), runs_since=None, paused_at=at, state=state)

    def going(self, at: datetime) -> "Clock":
        """Running again; never from before it was stopped, however late a message is read."""
        if self.runs_since is not None:
            return self
        state = "running" if self.state == "paused" else self.state
        return replace(self, runs_since=max(at, self.paused_at or at), paused_at=None, state=state)

    def met(self, at: datetime, hours: Calendar) -> "Clock":
        """What it waited for has happened: in time, or too late."""
        if self.settled_at is not None:
            return self
        late = self.state == "breached" or self.used(at, hours) > self.target
        stopped = replace(self.stopped(at, hours), paused_at=None)
        return replace(stopped, state="breached" if late else "met", settled_at=at)

    def reopened(self, at: datetime) -> "Clock":
        """The solution was none: the clock goes on from where it stood."""
        state = "paused" if self.state == "met" else self.state
        return replace(self, state=state, settled_at=None).going(at)

    def retargeted(self, target: timedelta, at: datetime, hours: Calendar) -> "Clock":
        """Another target for the same wait; what was used stays used, warnings count anew from there."""
        if self.settled_at is not None or target == self.target:
            return self
        changed = replace(self, target=target)
        overdue = changed.used(at, hours) > target
        state = "breached" if overdue else "running" if self.runs_since else "paused"
        return replace(changed, state=state, warned=min(self.warned, changed.reached(at, hours)))


class Step(NamedTuple):
    """Something happened to a ticket; `replied`: a person answered the customer."""

    before: Ticket
    after: Ticket
    at: datetime
    replied: bool = False


def follow(clock: Clock, step: Step, hours: Calendar) -> Clock:
    """What a step of its ticket does to a clock."""
    status, at = step.after.status, step.at
    solved = status in {Status.RESOLVED, Status.CLOSED}
    if clock.settled_at is not None:
        back = clock.kind == RESOLUTION and not solved and step.before.status == Status.RESOLVED
        if not back:
            return clock
        clock = clock.reopened(at)
    if solved or (step.replied and clock.kind in REPLIES):
        return clock.met(at, hours)
    return clock.going(at) if status in WORKABLE else clock.stopped(at, hours)


def owes_reply(step: Step, clocks: Iterable[Clock]) -> bool:
    """The customer begins to wait and no clock of an answer goes: the one of the next reply starts."""
    began = step.before.waiting_since is None and step.after.waiting_since is not None
    waits = began and step.after.status in WORKABLE
    return waits and all(clock.settled_at is not None for clock in clocks if clock.kind in REPLIES)
