"""Waiting lines: tickets that differ in nothing but how long they wait."""

from bisect import insort
from operator import attrgetter
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Setting
from omnidesk.routing.values import Policy, Ticket


class Line:
    """Waiting tickets of one kind. Sorted only when somebody may take from it."""

    __slots__ = (
        "_fresh", "_sorted", "_tickets", "accept_ms", "anchors", "channel", "count", "excluded", "index", "key",
        "left", "live", "masks", "needs", "primary", "queue_id", "reason", "setting", "size", "sticky", "target",
        "units", "version", "ways", "weight",
    )  # fmt: skip

    def __init__(self, key: tuple[object, ...], ticket: Ticket, policy: Policy) -> None:
        self.key = key
        self.queue_id, self.channel = ticket.queue_id, ticket.channel
        channel, urgency = match.channel_of(policy, ticket), match.standing_of(policy, ticket)
        self.live, self.accept_ms = channel.live, channel.accept_ms
        self.units, self.primary = match.units_of(policy, ticket), match.is_primary(policy, ticket)
        self.weight, self.target = urgency.weight, match.target_of(policy, ticket)
        self.index = 0  # step
        self.ways: tuple[match.Way, ...] = ()
        self.excluded: frozenset[UUID] = frozenset()
        self.sticky: UUID | None = None
        self.anchors: frozenset[int] | None = None  # whoever fits meets one of these needs; None: not indexed
        self.needs: tuple[int, ...] = ()  # of each way, as bits; set with the anchors
        self.size = 0  # without those that left from the middle
        self.reason = ""  # what all but the fresh have been told
        self._tickets: list[Ticket] = []  # oldest last, once sorted
        self._sorted = False
        self._fresh: list[Ticket] = []
        self.version = -1  # of the fleet, when the following were worked out
        self.setting: Setting | None = None
        self.masks = (0, 0, 0, 0)  # members, able, there, not excluded
        self.left = 0  # of those, the last agent in a sticky step
        self.count = 0  # how many these are

    def add(self, ticket: Ticket) -> None:
        if self._sorted:
            insort(self._tickets, ticket, key=_youth)
        else:
            self._tickets.append(ticket)
        self.size += 1
        if self.reason:
            self._fresh.append(ticket)

    def head(self, waiting: dict[int, Ticket]) -> Ticket | None:
        """Who waits longest; those who are not `waiting` any more are dropped."""
        tickets = self._tickets
        if not self._sorted:
            tickets.sort(key=_ID, reverse=True)  # two stable sorts by numbers are faster than one by pairs
            tickets.sort(key=_SINCE, reverse=True)
            self._sorted = True
        while tickets and waiting.get(tickets[-1].id.int) is not tickets[-1]:
            tickets.pop()
        return tickets[-1] if tickets else None

    def pop(self) -> Ticket:
        """Take the head away, after `head` has named it."""
        self.size -= 1
        return self._tickets.pop()

    def leave(self, waiting: dict[int, Ticket]) -> None:
        """Somebody who is not `waiting` any more left from the middle; swept out when they are many."""
        self.size -= 1
        if len(self._tickets) > 2 * self.size + 64:
            self._tickets = [ticket for ticket in self._tickets if waiting.get(ticket.id.int) is ticket]

    def listeners(self, reason: str) -> list[Ticket]:
        """Who is still to be told this reason, perhaps with some who left; from now on all know it."""
        fresh, self._fresh = self._fresh, []
        if reason == self.reason:
            return fresh
        self.reason = reason
        return self._tickets


_ID, _SINCE = attrgetter("id.int"), attrgetter("waiting_since_ms")


def _youth(ticket: Ticket) -> tuple[int, int]:
    return -ticket.waiting_since_ms, -ticket.id.int
