"""The board: waiting tickets in lines, agents in a fleet, and the loop that serves the lines.

Only the heads of lines are compared, and what is true of one ticket is true of its line: when nobody fits
the head, the line is done.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from heapq import heapify, heappop, heapreplace
from operator import attrgetter
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Decision, Scene, Setting
from omnidesk.routing.fleet import Desk, Fleet
from omnidesk.routing.lines import Line
from omnidesk.routing.values import Held, Offer, Policy, Queue, Snapshot, Ticket

_NOBODY: frozenset[UUID] = frozenset()
_TICKET = attrgetter("ticket_id.int")
_CAUSES = ("channel", "queue", "skill", "offline", "excluded", "sticky")
_Head = tuple[float, float, int, int, Line]


class Board:
    """State of one plan; the planner keeps one alive."""

    def __init__(self, snapshot: Snapshot, policy: Policy, *, keep: bool = False) -> None:
        self._keeps = keep
        self.now, self.policy = snapshot.now_ms, policy
        self.queues = {queue.id.int: queue for queue in snapshot.queues}
        self.fleet = Fleet(snapshot.agents, room=keep)
        self.waiting: dict[int, Ticket] = {}  # by the number of the id
        self.heard: dict[int, str] = {}  # the reason a ticket was told since it came
        self.lines: dict[tuple[object, ...], Line] = {}
        self.lost: list[Ticket] = []  # their queue is not known, and they have not been told so
        self.offers: dict[UUID, tuple[Offer, Ticket]] = {}
        self.held: dict[UUID, Held] = {}
        self.decisions: list[Decision] = []
        self._by_facts: dict[tuple[object, ...], Line] = {}
        self._ways: dict[tuple[object, ...], tuple[match.Way, ...]] = {}

    def open(self, snapshot: Snapshot) -> None:
        """Enter what the snapshot holds, and take back what is due."""
        tickets = {ticket.id: ticket for ticket in snapshot.tickets}
        self.held = {held.ticket.id: held for held in snapshot.held}
        for offer in snapshot.offers:
            ticket = tickets.pop(offer.ticket_id, None)
            if ticket is not None:
                self.reserve(offer, ticket)
        for back in (*self.take_back(), *self.end_offers()):
            tickets[back.id] = back
        for ticket in tickets.values():
            self.enter(ticket)

    # --- lines ------------------------------------------------------------------------------------

    def enter(self, ticket: Ticket) -> Line | None:
        """Put a waiting ticket in its line; None when its queue is not known."""
        self.waiting[ticket.id.int] = ticket
        queue = self.queues.get(ticket.queue_id.int)
        if queue is None:
            self.lost.append(ticket)
            return None
        index, sticky = 0, None
        excluded = match.excluded_now(ticket, self.now) if ticket.excluded else _NOBODY
        if queue.steps:
            index, sticky = self._step(ticket, queue, excluded)
        facts = (
            ticket.queue_id.int, index, ticket.channel, ticket.urgency, ticket.language, ticket.category,
            ticket.required, ticket.preferred, ticket.target_ms, ticket.units, sticky, excluded,
        )  # fmt: skip
        line = self._by_facts.get(facts)
        if line is None or line.size < 0:
            line = self._by_facts[facts] = self._line(ticket, queue, index, sticky, excluded)
        line.add(ticket)
        return line

    def _step(self, ticket: Ticket, queue: Queue, excluded: frozenset[UUID]) -> tuple[int, UUID | None]:
        """The step that counts now, and the last agent when it waits for him; passed over when he is not there."""
        index = match.step_index(ticket, queue, match.clock(queue, self.now))
        while match.step_of(queue, index).last_agent:
            if self._is_there(ticket, queue, index, excluded):
                return index, ticket.last_agent_id
            index += 1
        return index, None

    def _is_there(self, ticket: Ticket, queue: Queue, index: int, excluded: frozenset[UUID]) -> bool:
        """Is the customer's last agent online and able, full or not?"""
        desk = self.fleet.desks.get(ticket.last_agent_id) if ticket.last_agent_id else None
        if desk is None or not desk.online or desk.agent.id in excluded:
            return False
        agent = desk.agent
        ways = self.ways(ticket, queue, index)
        return match.speaks(agent, ticket.channel) and any(
            match.is_member(agent, queue_id) and match.is_able(agent, needs) for queue_id, needs in ways
        )

    def ways(self, ticket: Ticket, queue: Queue, index: int) -> tuple[match.Way, ...]:
        facts = (
            queue.id.int, index, ticket.channel, ticket.urgency, ticket.language, ticket.category, ticket.required,
            ticket.preferred,
        )  # fmt: skip
        found = self._ways.get(facts)
        if found is None:
            found = self._ways[facts] = match.ways(ticket, queue, match.step_of(queue, index), self.queues)
        return found

    def _line(self, ticket: Ticket, queue: Queue, index: int, sticky: UUID | None, excluded: frozenset[UUID]) -> Line:
        ways = self.ways(ticket, queue, index)
        key = (
            ways, queue.id.int, index, ticket.channel, ticket.urgency, ticket.target_ms, ticket.units, sticky, excluded,
        )  # fmt: skip
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = Line(key, ticket, self.policy)
            line.index, line.ways, line.sticky, line.excluded = index, ways, sticky, excluded
            self.fleet.know_units(line.units)
        return line

    def forget_ways(self) -> None:
        """The queues are not what they were."""
        self._ways.clear()
        self._by_facts.clear()

    def tidy(self) -> None:
        """Forget lines that are gone and facts of tickets that were; they are worked out again when asked for."""
        if len(self._by_facts) > 10_000 + 4 * len(self.lines):
            self.forget_ways()

    # --- offers, and work of those who left --------------------------------------------------------

    def reserve(self, offer: Offer, ticket: Ticket) -> None:
        self.offers[ticket.id] = (offer, ticket)
        self.place(offer.agent_id, ticket, 1)

    def place(self, agent_id: UUID, ticket: Ticket, sign: int) -> None:
        """Keep the place of an offered ticket on its agent, or give it up (`sign` -1)."""
        desk = self.fleet.desks.get(agent_id)
        if desk is not None:
            units, primary = match.units_of(self.policy, ticket), match.is_primary(self.policy, ticket)
            self.fleet.know_units(units)
            self.fleet.take(desk, sign * units, primary, sign * match.channel_of(self.policy, ticket).live)

    def take_back(self) -> list[Ticket]:
        """Tickets on the desks of agents who are gone for longer than the grace, unless it is an answered talk."""
        gone = sorted((held for held in self.held.values() if self.is_gone(held)), key=lambda held: held.ticket.id.int)
        for held in gone:
            desk = self.fleet.desks.get(held.agent_id)
            scene = Scene(self._own_setting(held.ticket), (desk.seen(),) if desk else (), held=held)
            self.decisions.append(
                Decision(
                    kind="returned",
                    ticket_id=held.ticket.id,
                    agent_id=held.agent_id,
                    reason="agent_offline",
                    policy_version=self.policy.version,
                    ticket=held.ticket,
                    scene=scene,
                )
            )
            del self.held[held.ticket.id]
        return [replace(held.ticket, waiting_reason="") for held in gone]

    def is_gone(self, held: Held) -> bool:
        if held.answered and match.is_primary(self.policy, held.ticket):
            return False
        desk = self.fleet.desks.get(held.agent_id)
        if desk is None:
            return True
        since = desk.agent.offline_since_ms
        if desk.agent.status != "offline" or since is None:
            return False
        return since + self.policy.offline_grace_ms <= self.now

    def end_offers(self) -> list[Ticket]:
        """Tickets whose offer was not accepted in time, or whose agent left; a late one may send its agent away."""
        late = [found for found in self.offers.values() if found[0].expires_ms <= self.now]
        back = [self._end(offer, ticket) for offer, ticket in sorted(late, key=_offer_order)]
        left = [found for found in self.offers.values() if not self._is_online(found[0].agent_id)]
        return back + [self._end(offer, ticket) for offer, ticket in sorted(left, key=_offer_order)]

    def _is_online(self, agent_id: UUID) -> bool:
        desk = self.fleet.desks.get(agent_id)
        return desk is not None and desk.online

    def _end(self, offer: Offer, ticket: Ticket) -> Ticket:
        del self.offers[ticket.id]
        desk = self.fleet.desks.get(offer.agent_id)
        missed = desk is not None and desk.online
        away = missed and desk is not None and desk.agent.misses + 1 >= self.policy.misses_to_away
        self.decisions.append(
            Decision(
                kind="missed",
                ticket_id=ticket.id,
                agent_id=offer.agent_id,
                reason="no_accept" if missed else "agent_left",
                until_ms=self.now + self.policy.exclude_ms if missed else None,
                away=away,
                policy_version=self.policy.version,
                ticket=ticket,
                scene=Scene(self._own_setting(ticket), (desk.own(),) if desk else (), offer=offer),
            )
        )
        self.place(offer.agent_id, ticket, -1)
        if missed and desk is not None:
            self.missed(desk, away)
            ticket = match.excluding(ticket, offer.agent_id, self.now, self.policy)
        return replace(ticket, waiting_reason="")

    def missed(self, desk: Desk, away: bool) -> None:
        """One more miss of this agent; he is set away after too many."""
        agent = desk.agent
        status = "away" if away else agent.status
        self.fleet.put(replace(agent, misses=agent.misses + 1, status=status), desk.reserved)

    # --- serving ----------------------------------------------------------------------------------

    def serve(self, lines: Iterable[Line], freed: Collection[Desk] | None = None) -> None:
        """Give away what can be given, biggest rank first.

        `freed`: nobody but these agents may fit the lines; spares asking everybody.
        """
        heads = [head for line in lines if (freed or self._fitting(line)) and (head := self._head(line))]
        heapify(heads)
        while heads and (freed is None or any(desk.load.fits(1, True) for desk in freed)):
            line = heads[0][4]
            may = freed is None or any(desk.load.fits(line.units, line.primary) for desk in freed)
            if may and self._give(line) and (head := self._head(line)):
                heapreplace(heads, head)
            else:
                heappop(heads)

    def _head(self, line: Line) -> _Head | None:
        """Where the line stands among the others; None when it is empty."""
        ticket = line.head(self.waiting)
        if ticket is None:
            return None
        age = match.clock(self.queues[line.queue_id.int], self.now) - ticket.waiting_since_ms
        first, second = match.order_key(self.policy, line.weight, line.target, age)
        return -first, -second, -age, ticket.id.int, line

    def look(self, line: Line) -> Setting:
        """Work out who may take from this line, as far as load does not matter."""
        fleet = self.fleet
        if line.version == fleet.version and line.setting is not None:
            return line.setting
        speaking, members, able = fleet.reach(line.channel, line.ways)
        there = able & fleet.masks.get("online", 0)
        asked = there & ~fleet.bits(line.excluded) if line.excluded else there
        line.left = asked & fleet.bits((line.sticky,)) if line.sticky else asked
        line.version, line.masks = fleet.version, (members, able, there, asked)
        line.count = line.left.bit_count()
        numbers = [len(fleet.desks), *(mask.bit_count() for mask in (speaking, *line.masks)), line.count]
        pairs = zip(_CAUSES, numbers, numbers[1:], strict=False)
        counts = {cause: before - after for cause, before, after in pairs if before > after}
        line.setting = self._setting(line.ways, counts)
        return line.setting

    def _setting(self, ways: tuple[match.Way, ...] = (), counts: dict[str, int] | None = None) -> Setting:
        return Setting(self.now, self.policy, tuple([self.queues[way[0].int] for way in ways]), counts or {})

    def _own_setting(self, ticket: Ticket) -> Setting:
        return self._setting(((ticket.queue_id, ()),) if ticket.queue_id.int in self.queues else ())

    def _fitting(self, line: Line) -> int:
        if line.version != self.fleet.version:
            self.look(line)
        return line.left & self.fleet.fitting(line.units, line.primary)

    def _give(self, line: Line) -> bool:
        """Give the head of the line to the best agent; False when nobody fits."""
        able = self._fitting(line)
        if not able:
            return False
        ticket = line.pop()
        del self.waiting[ticket.id.int]
        winner, loser, lost_by = self.fleet.pick(able, line.units, line.primary, line.live)
        eligible = able.bit_count()
        shown = (winner.seen(), loser.seen()) if loser else (winner.seen(),)
        decision = Decision(
            kind="assigned" if line.accept_ms is None else "offered",
            ticket_id=ticket.id,
            agent_id=winner.agent.id,
            reason="last_agent" if line.sticky else "best_fit" if loser else "only_fit",
            until_ms=None if line.accept_ms is None else self.now + line.accept_ms,
            step=line.index,
            loser_id=loser.agent.id if loser else None,
            lost_by=lost_by,
            policy_version=self.policy.version,
            ticket=ticket,
            scene=Scene(self.look(line), shown, line.count - eligible, eligible),
        )
        self.decisions.append(decision)
        self.fleet.take(winner, line.units, line.primary, line.live)
        return True

    # --- waiting ----------------------------------------------------------------------------------

    def tell(self, lines: Iterable[Line]) -> None:
        """Say why they wait to those of these lines who have not heard it, in order of their ids."""
        told = [decision for line in lines if line.size > 0 for decision in self._told(line)]
        scene, version = Scene(self._setting()), self.policy.version
        unknown = self._unheard(self.lost, "no_queue")
        told.extend(Decision("waiting", ticket.id, "no_queue", version, ticket, scene) for ticket in unknown)
        self.lost.clear()
        told.sort(key=_TICKET)
        self.decisions.extend(told)

    def _told(self, line: Line) -> list[Decision]:
        reason, cause, mask = self._why(line)
        tickets = self._unheard(line.listeners(reason), reason)
        if not tickets:
            return []
        near = self.fleet.first(mask)
        scene = Scene(self.look(line), (near.seen(),) if near else (), line.count)
        queue = self.queues[line.queue_id.int]
        near_id, lost_by, version = near.agent.id if near else None, cause if near else "", self.policy.version
        index, sticky = line.index, line.sticky
        return [
            Decision(
                "waiting",
                ticket.id,
                reason,
                version,
                ticket,
                scene,
                until_ms=self._until(ticket, queue, index) if sticky else None,
                step=index,
                loser_id=near_id,
                lost_by=lost_by,
            )
            for ticket in tickets
        ]

    def _unheard(self, tickets: list[Ticket], reason: str) -> list[Ticket]:
        """Those who still wait and were told something else last, as they were told; now they know."""
        if not self._keeps:  # nobody leaves a line from its middle
            return [ticket for ticket in tickets if ticket.waiting_reason != reason]
        get = self.waiting.get
        here = [self.as_told(ticket) for ticket in tickets if get(ticket.id.int) is ticket]
        unheard = [ticket for ticket in here if ticket.waiting_reason != reason]
        self.heard.update((ticket.id.int, reason) for ticket in unheard)
        return unheard

    def as_told(self, ticket: Ticket) -> Ticket:
        """The ticket with the reason that it was told last."""
        reason = self.heard.get(ticket.id.int, ticket.waiting_reason)
        return ticket if reason == ticket.waiting_reason else replace(ticket, waiting_reason=reason)

    def _why(self, line: Line) -> tuple[str, str, int]:
        """The reason, the cause that kept the nearest agents out, and who those are."""
        self.look(line)
        members, able, there, asked = line.masks
        if line.sticky:
            return "sticky_hold", "full", line.left
        if line.left:
            return "all_full", "full", line.left
        if there:
            return "all_declined", "excluded", there & ~asked
        if able:
            return "all_offline" if self.queues[line.queue_id.int].open else "closed_hours", "offline", able
        return "no_skill", "skill", members

    def _until(self, ticket: Ticket, queue: Queue, index: int) -> int | None:
        ends = match.step_ends(ticket, queue, index)
        return None if ends is None else self.now + ends - match.clock(queue, self.now)


def _offer_order(found: tuple[Offer, Ticket]) -> tuple[int, int]:
    return found[0].expires_ms, found[1].id.int
