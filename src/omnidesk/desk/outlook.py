"""What the planner knows: the desk in its memory, kept up with the news, so that a change costs what it touches.

It says what a full plan of the same desk would say. When it cannot follow, it says so, and is made anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import routing as store
from omnidesk.db.news import News
from omnidesk.db.session import Database
from omnidesk.desk import snapshot
from omnidesk.desk.snapshot import Loads, Rows, ms
from omnidesk.domain import business_time
from omnidesk.routing import Decision, Held, Policy
from omnidesk.routing.plan import collector_paused
from omnidesk.routing.planner import Planner

SPARE = timedelta(days=7)  # tickets that come back may have waited longer than all that wait
AHEAD = timedelta(days=1)  # long before this the memory is made anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Which tickets and agents are to be looked at again."""

    tickets: frozenset[UUID]
    agents: frozenset[UUID]


def touched(news: Iterable[News]) -> Touched | None:
    """What this news is about; None when it is about how the desk works."""
    tickets, agents = set[UUID](), set[UUID]()
    for one in news:
        if one.ticket_id is None and not one.agent_ids:
            return None
        tickets |= {one.ticket_id} if one.ticket_id else set()
        agents |= set(one.agent_ids)
    return Touched(tickets=frozenset(tickets), agents=frozenset(agents))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Some tickets and agents as they are now."""

    touched: Touched  # with whoever holds one of the tickets
    tickets: list[store.Waiting]
    held: list[store.Waiting]  # by agents of these who are absent
    agents: list[store.PresentAgent]
    work: list[store.Work]
    asked: list[store.Asked]


class Outlook:
    """The desk in memory. Not for several threads at once; making it is slow on a large desk."""

    def __init__(self, rows: Rows, policy: Policy) -> None:
        with collector_paused():
            self.policy, self.versions = policy, rows.versions
            self._queues = {row.id: row for row in rows.queues}
            self._sticky = snapshot.sticky(rows.queues)
            self._clocks = snapshot.clocks_of(rows, spare=SPARE, ahead=AHEAD)
            made = snapshot.build(rows, policy, self._clocks)
            self._known = {queue.id: queue for queue in made.queues}
            self._shifts = {row.id: (row, snapshot.at_work(row, rows.now)) for row in rows.agents if row.hours}
            self._held = {one.ticket.id: one.agent_id for one in made.held}
            self._planner = Planner(made, policy)

    async def read(self, db: Database, about: Touched, *, now: datetime) -> Fresh:
        """Look at these again, at the agents who hold them, and at what asks for who served the same people last."""
        async with db.transaction(read_only=True) as tx:
            others = await store.of_same_people(tx, list(about.tickets), self._sticky)
            about = replace(about, tickets=about.tickets | frozenset(others))
            tickets = await store.named(tx, list(about.tickets), self._sticky)
            asked = await store.asked(tx, now, list(about.tickets))
            holders = await store.holders(tx, list(about.tickets))
            agents = list(about.agents | holders | {row.agent_id for row in asked})
            return Fresh(
                touched=replace(about, agents=frozenset(agents)),
                tickets=tickets,
                asked=asked,
                held=await store.held_by_absent(tx, self._sticky, now, agents),
                agents=await store.agents(tx, only=agents),
                work=await store.work(tx, agents, with_offers=False),
            )

    def follow(self, fresh: Fresh, now: datetime) -> bool:
        """Take in what changed; False when it cannot: a queue is unknown, or a ticket older than the memory."""
        rows = [*fresh.tickets, *fresh.held]
        if any(not self._reaches(row) for row in rows):
            return False
        self.versions |= {row.id: row.version for row in rows}
        excluded = snapshot.exclusions(fresh.asked, now)
        waiting = {row.id: row for row in fresh.tickets if row.held_by is None}
        for ticket_id in fresh.touched.tickets - waiting.keys():
            self._gone(ticket_id)
        for ticket_id, row in waiting.items():
            self._held.pop(ticket_id, None)
            self._planner.put_ticket(snapshot.ticket_of(row, self._clocks, excluded))
        for offer in snapshot.offers_of(fresh.asked):
            if offer.ticket_id in waiting:
                self._planner.put_offer(offer)
        self._meet(fresh, now)
        for ticket_id in [ticket for ticket, agent in self._held.items() if agent in fresh.touched.agents]:
            self._gone(ticket_id)
        for row in fresh.held:
            assert row.held_by is not None
            self._held[row.id] = row.held_by
            ticket = snapshot.ticket_of(row, self._clocks, {})
            self._planner.put_held(Held(ticket=ticket, agent_id=row.held_by, answered=row.answered))
        return True

    def _reaches(self, row: store.Waiting) -> bool:
        clock = self._clocks.get(row.queue_id)
        return clock is not None and clock.start <= min(row.waiting_since, row.queued_at or row.waiting_since)

    def _gone(self, ticket_id: UUID) -> None:
        self._held.pop(ticket_id, None)
        self._planner.remove_ticket(ticket_id)

    def _meet(self, fresh: Fresh, now: datetime) -> None:
        """Agents as they are; a closed account counts while somebody's work lies on its desk."""
        loads, holding = Loads(self.policy, fresh.work), {row.held_by for row in fresh.held}
        for row in fresh.agents:
            self._shifts.pop(row.id, None)
            if row.closed and row.id not in holding:
                self._planner.remove_agent(row.id)
                continue
            if row.hours:
                self._shifts[row.id] = (row, snapshot.at_work(row, now))
            self._planner.put_agent(snapshot.agent_of(row, loads, now))

    def step(self, now: datetime) -> list[Decision]:
        """What is to be done now."""
        with collector_paused():
            clocks = {}
            for queue_id, queue in self._known.items():
                clocks[queue_id] = self._clocks[queue_id].at(now)
                is_open = business_time.is_open(now, snapshot.hours_of(self._queues[queue_id]))
                if is_open != queue.open:
                    self._known[queue_id] = replace(queue, open=is_open)
                    self._planner.put_queue(replace(queue, open=is_open, clock_ms=clocks[queue_id]))
            self._change_shifts(now)
            return self._planner.step(ms(now), clocks)

    def _change_shifts(self, now: datetime) -> None:
        """Working hours begin and end by themselves."""
        for agent_id, (row, before) in self._shifts.items():
            works = snapshot.at_work(row, now)
            if works != before:
                self._shifts[agent_id] = (row, works)
                if row.status == "online":
                    known = self._planner.agent(agent_id)
                    self._planner.put_agent(replace(known, status="online" if works else "away"))
