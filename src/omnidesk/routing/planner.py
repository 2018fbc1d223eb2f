"""The planner: keeps the desk in memory and plans again only what a change touches.

After every `step` no waiting ticket has an agent who could take it. So a new ticket can only go to those who
are free, and an agent who becomes free can only get what waits in lines that he may take: everything
else stands as it was, and the result is that of a full plan of the same desk at the same moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.board import Board
from omnidesk.routing.decision import Decision
from omnidesk.routing.fleet import Desk
from omnidesk.routing.lines import Line
from omnidesk.routing.paper import holding, offered
from omnidesk.routing.values import Agent, Held, Offer, Policy, Queue, Snapshot, Ticket

_FEW = 8  # freed agents up to this number are asked one by one


class Planner:
    """Tell it what changed, then `step`. It takes its decisions as carried out.

    If one could not be carried out, put the ticket and the agent back as they are. A ticket under offer is
    put before its offer. Lines are kept by policy, so another policy needs another planner.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self.policy = policy
        self._board = Board(replace(snapshot, tickets=(), offers=(), held=()), policy, keep=True)
        self._line_of: dict[int, Line | None] = {}
        self._by_anchor: dict[int | None, set[Line]] = {}
        self._by_last: dict[UUID, set[int]] = {}  # who waits in a sticky step, by the agent waited for
        self._offers_of: dict[UUID, set[UUID]] = {}
        self._wall: list[tuple[int, int]] = []  # exclusions that end
        self._open: dict[int, list[tuple[int, int]]] = {}  # steps that end, on the clock of the queue
        self._dirty: dict[Line, None] = {}  # to be served and told again
        self._told: dict[Line, None] = {}  # to be told again only
        self._freed: dict[UUID, None] = {}
        self._moved: dict[UUID, Agent] = {}  # who was given something in this step
        for ticket in snapshot.tickets:
            self.put_ticket(ticket)
        for offer in snapshot.offers:
            self.put_offer(offer)
        for held in snapshot.held:
            self.put_held(held)

    # --- what changed -----------------------------------------------------------------------------

    def put_ticket(self, ticket: Ticket) -> None:
        """A ticket waits, or what is known of it changed; an offer of it is void."""
        if self._board.waiting.get(ticket.id.int) is ticket:
            ticket = replace(ticket)  # where it stood, the old value must not count any more
        self.remove_ticket(ticket.id)
        line = self._board.enter(ticket)
        self._line_of[ticket.id.int] = line
        self._watch(ticket)
        if line is not None:
            if line.anchors is None:
                self._index(line)
            self._dirty[line] = None

    def remove_ticket(self, ticket_id: UUID) -> None:
        """It waits no more, and lies on nobody's desk: assigned by hand, solved, merged."""
        self.remove_offer(ticket_id)
        self.remove_held(ticket_id)
        self._forget(ticket_id)

    def put_agent(self, agent: Agent) -> None:
        """Somebody new, or his status, skills or load changed; places kept for offers are added by itself."""
        old = self._board.fleet.desks.get(agent.id)
        before = (old.agent, old.needs) if old else None
        desk = self._board.fleet.put(agent, self._reserved(agent.id))
        self._freed[agent.id] = None
        if before is None or not _looks_same(before[0], desk.agent):
            self._touched(before[1] if before else 0, desk)

    def remove_agent(self, agent_id: UUID) -> None:
        desk = self._board.fleet.desks.get(agent_id)
        if desk is not None:
            self._board.fleet.remove(agent_id)
            self._touched(desk.needs, desk)

    def put_queue(self, queue: Queue) -> None:
        """A queue is new or changed; its clock may be set here or in `step`."""
        old = self._board.queues.get(queue.id.int)
        self._board.queues[queue.id.int] = queue
        if old is not None and replace(old, clock_ms=queue.clock_ms) == queue:
            return
        if old is not None and replace(old, clock_ms=queue.clock_ms, open=queue.open) == queue:
            self._told.update((line, None) for line in self._board.lines.values() if line.queue_id == queue.id)
            return
        self._board.forget_ways()
        for ticket in list(self._board.waiting.values()):
            self.put_ticket(self._board.as_told(ticket))

    def put_offer(self, offer: Offer) -> None:
        """A ticket that waits here was offered."""
        ticket = self._board.waiting.get(offer.ticket_id.int)
        if ticket is not None:
            self._forget(ticket.id)
            self._reserve(offer, ticket)

    def remove_offer(self, ticket_id: UUID) -> None:
        """It was accepted or declined; put the agent, and the ticket when it waits again, as they are now."""
        found = self._board.offers.pop(ticket_id, None)
        if found is not None:
            offer, ticket = found
            self._offers_of[offer.agent_id].discard(ticket_id)
            self._board.place(offer.agent_id, ticket, -1)
            self._freed[offer.agent_id] = None

    def put_held(self, held: Held) -> None:
        """A ticket lies on the desk of somebody who may be gone."""
        self.remove_ticket(held.ticket.id)
        self._board.held[held.ticket.id] = held

    def remove_held(self, ticket_id: UUID) -> None:
        self._board.held.pop(ticket_id, None)

    # --- the next decisions -----------------------------------------------------------------------

    def step(self, now_ms: int, clocks: Mapping[UUID, int] | None = None) -> list[Decision]:
        """What is to be done now; the same as `plan` of this desk.

        `clocks`: the clocks of the queues that have one. Time does not go back: an earlier `now_ms` counts
        as the last one.
        """
        board = self._board
        board.now = max(board.now, now_ms)
        board.fleet.version += 1  # what lines remember of the time is over
        for queue_id, clock_ms in (clocks or {}).items():
            if queue_id.int in board.queues:
                board.queues[queue_id.int] = replace(board.queues[queue_id.int], clock_ms=clock_ms)
        board.decisions = []
        for ticket in self._due():
            self.put_ticket(board.as_told(ticket))
        self._come_back()
        self._serve()
        board.tell({**self._dirty, **self._told})
        self._clean()
        return board.decisions

    def agent(self, agent_id: UUID) -> Agent:
        """An agent as he stands now. Raises KeyError when he is not known."""
        return self._board.fleet.desks[agent_id].agent

    def snapshot(self) -> Snapshot:
        """The desk as it stands now."""
        board = self._board
        return Snapshot(
            now_ms=board.now,
            tickets=(*map(board.as_told, board.waiting.values()), *(ticket for _, ticket in board.offers.values())),
            agents=tuple(desk.agent for desk in board.fleet.desks.values()),
            queues=tuple(board.queues.values()),
            offers=tuple(offer for offer, _ in board.offers.values()),
            held=tuple(board.held.values()),
        )

    def _due(self) -> list[Ticket]:
        """Tickets whose exclusion or step has ended."""
        board, found = self._board, dict[int, Ticket]()
        heaps = [(self._wall, board.now)]
        heaps += [(heap, match.clock(board.queues[number], board.now)) for number, heap in self._open.items()]
        for heap, now in heaps:
            while heap and heap[0][0] <= now:
                _, number = heappop(heap)
                if number in board.waiting:
                    found[number] = board.waiting[number]
        return list(found.values())

    def _come_back(self) -> None:
        board = self._board
        if board.held:
            for held in dict(board.held).values():
                self._returned(held)
        for ticket in board.take_back():
            self.put_ticket(ticket)
        if not board.offers:
            return
        desks = board.fleet.desks
        before = {agent_id: desks[agent_id].agent for agent_id in self._offers_of if agent_id in desks}
        for ticket in board.end_offers():
            self.put_ticket(ticket)
        for decision in board.decisions:
            if decision.kind == "missed" and decision.agent_id is not None:
                self._offers_of[decision.agent_id].discard(decision.ticket_id)
        for agent_id, agent in before.items():
            if desks[agent_id].agent is not agent:
                self._freed[agent_id] = None
                if not _looks_same(agent, desks[agent_id].agent):
                    self._touched(desks[agent_id].needs, desks[agent_id])

    def _serve(self) -> None:
        board = self._board
        freed = [board.fleet.desks[agent_id] for agent_id in self._freed if agent_id in board.fleet.desks]
        if len(freed) > _FEW:
            board.serve([*board.lines.values()])
            self._settle(board.decisions)
            return
        able = [desk for desk in freed if desk.online]
        reach = {line: None for desk in able for line in self._lines_for(desk.needs) if self._may(desk, line)}
        only_freed = [line for line in reach if line not in self._dirty]
        if self._dirty:
            board.serve([*self._dirty, *only_freed])
        elif only_freed:
            board.serve(only_freed, able)
        self._settle(board.decisions)

    def _may(self, desk: Desk, line: Line) -> bool:
        """Could this agent take from this line?"""
        if line.size <= 0 or not desk.load.fits(line.units, line.primary) or desk.agent.id in line.excluded:
            return False
        meets = desk.needs
        return line.sticky in (None, desk.agent.id) and any(needs & meets == needs for needs in line.needs)

    # --- carrying out -----------------------------------------------------------------------------

    def _settle(self, decisions: Iterable[Decision]) -> None:
        """Take what was given as carried out; agents who were given something go to the end of their region."""
        board, agents = self._board, dict[UUID, Agent]()
        for decision in decisions:
            if decision.kind not in ("assigned", "offered") or decision.agent_id is None:
                continue
            agent_id, ticket = decision.agent_id, decision.ticket
            self._line_of.pop(ticket.id.int, None)
            board.heard.pop(ticket.id.int, None)
            self._unwatch(ticket)
            if decision.kind == "assigned":
                agent = agents.get(agent_id) or board.fleet.desks[agent_id].agent
                agents[agent_id] = replace(holding(agent, ticket, self.policy), last_assigned_ms=board.now)
            elif decision.until_ms is not None:
                offer = Offer(ticket_id=ticket.id, agent_id=agent_id, expires_ms=decision.until_ms)
                board.offers[ticket.id] = (offer, offered(ticket))
                self._offers_of.setdefault(agent_id, set()).add(ticket.id)
        self._moved = agents

    def _clean(self) -> None:
        board = self._board
        for agent_id in sorted(self._moved, key=lambda agent_id: agent_id.int):
            board.fleet.put(self._moved[agent_id], self._reserved(agent_id))
        self._moved = {}
        for line in [*self._dirty, *self._told]:
            if line.size == 0:
                self._drop(line)
        self._dirty, self._told, self._freed = {}, {}, {}
        board.tidy()

    def _returned(self, held: Held) -> None:
        """An agent who is gone no longer holds what comes back."""
        desk = self._board.fleet.desks.get(held.agent_id)
        if desk is not None and self._board.is_gone(held):
            self._board.fleet.put(holding(desk.agent, held.ticket, self.policy, -1), self._reserved(held.agent_id))

    # --- indexes ----------------------------------------------------------------------------------

    def _index(self, line: Line) -> None:
        """Enter the line where agents who may take from it are found: under the rarest need of each way."""
        fleet = self._board.fleet
        ways = [[fleet.number(need) for need in needs] for _, needs in line.ways]
        line.needs = tuple(sum(1 << number for number in way) for way in ways)
        if all(ways):
            rarest = (min(way, key=lambda number: fleet.masks.get(number, 0).bit_count()) for way in ways)
            line.anchors = frozenset(rarest)
        else:
            line.anchors = frozenset()
        for anchor in line.anchors or (None,):
            self._by_anchor.setdefault(anchor, set()).add(line)

    def _drop(self, line: Line) -> None:
        """Nobody stands in this line any more."""
        line.size = -1
        self._board.lines.pop(line.key, None)
        for anchor in line.anchors or (None,):
            self._by_anchor.get(anchor, set()).discard(line)

    def _lines_for(self, needs: int) -> Iterable[Line]:
        """Lines that somebody who meets these needs may take from; some of them in vain."""
        for anchor, lines in self._by_anchor.items():
            if anchor is None or needs >> anchor & 1:
                yield from lines

    def _touched(self, needs_before: int, desk: Desk) -> None:
        """What an agent can do, or whether he is there, changed: reasons and sticky steps may change with it."""
        self._told.update((line, None) for line in self._lines_for(needs_before | desk.needs) if line.size > 0)
        for number in list(self._by_last.get(desk.agent.id, ())):
            self.put_ticket(self._board.as_told(self._board.waiting[number]))

    def _watch(self, ticket: Ticket) -> None:
        """Note when the ticket may change its line by itself."""
        board, number = self._board, ticket.id.int
        ends = [exclusion.until_ms for exclusion in ticket.excluded if exclusion.until_ms > board.now]
        if ends:
            heappush(self._wall, (min(ends), number))
        queue = board.queues.get(ticket.queue_id.int)
        if queue is None or not queue.steps:
            return
        index = match.step_index(ticket, queue, match.clock(queue, board.now))
        end = match.step_ends(ticket, queue, index)
        if end is not None:
            heappush(self._open.setdefault(queue.id.int, []), (end, number))
        if ticket.last_agent_id is not None:
            self._by_last.setdefault(ticket.last_agent_id, set()).add(number)

    def _forget(self, ticket_id: UUID) -> None:
        number = ticket_id.int
        ticket, line = self._board.waiting.pop(number, None), self._line_of.pop(number, None)
        self._board.heard.pop(number, None)
        if ticket is None:
            return
        self._unwatch(ticket)
        if line is not None:
            line.leave(self._board.waiting)
            self._told[line] = None  # it may be empty now

    def _unwatch(self, ticket: Ticket) -> None:
        if ticket.last_agent_id is not None:
            self._by_last.get(ticket.last_agent_id, set()).discard(ticket.id.int)

    def _reserve(self, offer: Offer, ticket: Ticket) -> None:
        self._board.reserve(offer, ticket)
        self._offers_of.setdefault(offer.agent_id, set()).add(ticket.id)

    def _reserved(self, agent_id: UUID) -> tuple[int, int, int]:
        """Units of primary and other work and live talks that are kept for offers."""
        agent = Agent(id=agent_id)
        for ticket_id in self._offers_of.get(agent_id, ()):
            agent = holding(agent, self._board.offers[ticket_id][1], self.policy)
        return agent.primary_units, agent.async_units, agent.live


def _looks_same(old: Agent, new: Agent) -> bool:
    """Is he as able and as present as before?"""
    return (
        old.status == new.status
        and old.skills == new.skills
        and old.channels == new.channels
        and old.queues == new.queues
    )
