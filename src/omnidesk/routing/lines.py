"""Waiting lines: tickets that differ in nothing but how long they wait."""

from heapq import heapify, heappop, heappush
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Setting
from omnidesk.routing.values import Policy, Ticket


class Line:
    """Waiting tickets of one kind, oldest first."""

    __slots__ = (
        "accept_ms", "anchors", "channel", "excluded", "fresh", "heap", "heaped", "index", "key", "left", "live",
        "masks", "primary", "queue_id", "reason", "setting", "size", "sticky", "target", "tickets", "units",
        "version", "ways", "weight",
    )  # fmt: skip

    def __init__(self, key: tuple[object, ...], ticket: Ticket, policy: Policy) -> None:
        self.key = key
        self.queue_id, self.channel = ticket.queue_id, ticket.channel
        channel, urgency = match.channel_of(policy, ticket), match.urgency_of(policy, ticket)
        self.live, self.accept_ms = channel.live, channel.accept_ms
        self.units, self.primary = match.units_of(policy, ticket), match.is_primary(policy, ticket)
        self.weight, self.target = urgency.weight, match.target_of(policy, ticket)
        self.index = 0  # step
        self.ways: tuple[match.Way, ...] = ()
        self.excluded: frozenset[UUID] = frozenset()
        self.sticky: UUID | None = None
        self.anchors: frozenset[int] | None = None  # whoever fits meets one of these needs; None: not indexed
        self.tickets: list[Ticket] = []  # until the first one is asked for, then `heap`
        self.heap: list[tuple[int, int, Ticket]] = []
        self.heaped = False
        self.size = 0  # without those that left from the middle
        self.reason = ""  # what all but the fresh have been told
        self.fresh: list[Ticket] = []
        self.version = -1  # of the fleet, when the following were worked out
        self.setting: Setting | None = None
        self.masks = (0, 0, 0, 0)  # members, able, there, not excluded
        self.left = 0  # of those, the last agent in a sticky step

    def add(self, ticket: Ticket) -> None:
        if self.heaped:
            heappush(self.heap, (ticket.waiting_since_ms, ticket.id.int, ticket))
        else:
            self.tickets.append(ticket)
        self.size += 1
        if self.reason:
            self.fresh.append(ticket)

    def head(self, waiting: dict[int, Ticket]) -> tuple[int, int] | None:
        """Since when the first one waits, and the number of its id; those not `waiting` any more are dropped."""
        if not self.heaped:
            self.heap = [(ticket.waiting_since_ms, ticket.id.int, ticket) for ticket in self.tickets]
            self.tickets.clear()
            heapify(self.heap)
            self.heaped = True
        heap = self.heap
        while heap and waiting.get(heap[0][1]) is not heap[0][2]:
            heappop(heap)
        return heap[0][:2] if heap else None

    def pop(self) -> Ticket:
        """Take the head away, after `head` has named it."""
        self.size -= 1
        return heappop(self.heap)[2]

    def listeners(self, reason: str) -> list[Ticket]:
        """Who is still to be told this reason, perhaps with some who left; from now on all know it."""
        fresh, self.fresh = self.fresh, []
        if reason == self.reason:
            return fresh
        self.reason = reason
        return [entry[2] for entry in self.heap] if self.heaped else self.tickets
