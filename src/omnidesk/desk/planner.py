"""The planner: one process at a time looks at what waits and who is there, and carries the plan out.

It keeps the desk in memory (`outlook`), follows the news, and plans again only what they touch. Now and then, after a
takeover, and whenever the policy, a queue or a calendar changed or something is in doubt, it looks at everything anew.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import structlog

from omnidesk import routing
from omnidesk.db import events, leases, presence
from omnidesk.db import news as newspaper
from omnidesk.db import routing as store
from omnidesk.db.leases import Lease
from omnidesk.db.listen import NUMBERED, Listener
from omnidesk.db.session import Database, Tx
from omnidesk.desk import policies, snapshot
from omnidesk.desk.loops import REST_S, keep
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.outlook import Outlook, Touched, touched
from omnidesk.desk.presence import changed, send_off_unseen
from omnidesk.desk.snapshot import Loads, from_ms, weigh
from omnidesk.domain import ids
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.tickets import WORKABLE
from omnidesk.routing import Decision, Policy

log = structlog.get_logger(__name__)
LEASE = "planner"
LEASE_S = 10.0  # longer than the longest plan
FULL_EVERY_S = 60.0  # the net under the news
MOST_NEWS = 5_000  # at once; after more than that it is quicker to look at everything
BREATH_S = 0.05  # between two plans; a plan that took longer rests as long as it took
BATCH = 200  # tickets in one transaction
MOST_REASONS = 5_000  # new reasons to wait, in one round; the next rounds write the rest


def utc_now() -> datetime:
    return datetime.now(UTC)


class Planner:
    """The loop of one process. Any number may run; the holder of the lease plans, another takes over in seconds."""

    def __init__(
        self, db: Database, listener: Listener | None = None, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db, self._listener, self._now = db, listener, now
        self._holder = uuid4()
        self._lease: Lease | None = None
        self._seen = 0  # number of the newest event looked at
        self._full_at = float("-inf")
        self._outlook: Outlook | None = None  # None: look at everything
        self._untold: list[Decision] = []  # reasons to wait that are still to be written

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await keep("planner", stop, self.step, listener=self._listener, channel=NUMBERED, rest_s=REST_S)
        finally:
            await self._let_go()

    async def step(self) -> bool:
        """Plan once if this process is the planner; True: look again at once."""
        async with self._db.transaction() as tx:
            lease = await leases.take(tx, LEASE, self._holder, LEASE_S)
        if lease is None or self._lease is None or lease.token != self._lease.token:
            self._outlook = None  # somebody else planned meanwhile, or plans now
        self._lease = lease
        if lease is None:
            return False
        began = time.monotonic()
        outlook, self._outlook = self._outlook, None  # what fails halfway is in doubt
        if began - self._full_at >= FULL_EVERY_S:
            outlook = None
        now = self._now()
        await send_off_unseen(self._db, now=now)
        following = await self._follow(outlook, now) if outlook else None
        fresh = following or await self._look_anew(now)
        again = await self._plan(fresh, lease, now)
        self._outlook = fresh
        return again

    async def _look_anew(self, now: datetime) -> Outlook:
        async with self._db.connection() as tx:
            seen, policy = await events.newest(tx), await policies.current(tx)  # before the look: nothing is missed
        rows = await snapshot.read(self._db, now=now)
        outlook = await asyncio.to_thread(Outlook, rows, policy)
        log.debug("planner.looked_anew", waiting=len(rows.waiting))
        self._seen, self._full_at, self._untold = seen, time.monotonic(), []
        return outlook

    async def _follow(self, outlook: Outlook, now: datetime) -> Outlook | None:
        """The same outlook, kept up with the news; None when it cannot be."""
        async with self._db.connection() as tx:
            seen, news = await newspaper.after(tx, self._seen, MOST_NEWS)
        about = touched(news) if len(news) <= MOST_NEWS else None
        if about is None or not await self._look_at(outlook, about, now):
            return None
        self._seen = seen
        return outlook

    async def _look_at(self, outlook: Outlook, about: Touched, now: datetime) -> bool:
        if not (about.tickets or about.agents):
            return True
        fresh = await outlook.read(self._db, about, now=now)
        return await asyncio.to_thread(outlook.follow, fresh, now)

    async def _plan(self, outlook: Outlook, lease: Lease, now: datetime) -> bool:
        began = time.monotonic()
        decisions = await asyncio.to_thread(outlook.step, now)
        reasons = self._untold + [decision for decision in decisions if decision.kind == "waiting"]
        due, self._untold = reasons[:MOST_REASONS], reasons[MOST_REASONS:]
        done = [*(decision for decision in decisions if decision.kind != "waiting"), *due]
        if not done:
            return False
        late = await carry_out(self._db, done, outlook.versions, outlook.policy, now=now, lease=lease)
        log.debug("planner.planned", decisions=len(decisions), late=len(late))
        if self._listener:
            self._listener.tell()
        agents = frozenset(one.agent_id for one in done if one.agent_id and one.ticket_id in late)
        trusted = await self._look_at(outlook, Touched(tickets=frozenset(late), agents=agents), now)
        if not trusted:
            self._full_at = float("-inf")
        await asyncio.sleep(max(BREATH_S, time.monotonic() - began))
        return bool(late or self._untold) or not trusted

    async def _let_go(self) -> None:
        if self._lease is None:
            return
        try:
            async with asyncio.timeout(2), self._db.transaction() as tx:
                await leases.release(tx, self._lease)
        except Exception as error:  # it lapses by itself
            log.info("planner.lease_kept", error=type(error).__name__)


async def plan_once(db: Database, *, now: datetime, lease: Lease | None = None) -> bool:
    """One full plan, made in a thread and carried out in batches; True when some of it is left for the next.

    Safe without the lease, too: whatever changed since the snapshot is left alone.
    """
    await send_off_unseen(db, now=now)
    policy = await current_policy(db)
    rows = await snapshot.read(db, now=now)
    if not rows.waiting and not rows.held:
        return False
    decisions = await asyncio.to_thread(lambda: routing.plan(snapshot.build(rows, policy), policy))
    first = [decision for decision in decisions if decision.kind != "waiting"]
    reasons = [decision for decision in decisions if decision.kind == "waiting"]
    late = await carry_out(db, [*first, *reasons[:MOST_REASONS]], rows.versions, policy, now=now, lease=lease)
    log.debug("planner.planned", waiting=len(rows.waiting), decisions=len(decisions), late=len(late))
    return bool(late) or len(reasons) > MOST_REASONS


async def carry_out(
    db: Database,
    decisions: Iterable[Decision],
    versions: Mapping[UUID, int],
    policy: Policy,
    *,
    now: datetime,
    lease: Lease | None = None,
) -> set[UUID]:
    """Write decisions in bounded batches; which tickets were not as the plan saw them and are left alone."""
    late = set[UUID]()
    for part in _parts(decisions):
        batch = await asyncio.to_thread(_with_details, part)
        late |= await db.repeating(partial(_carry_out, batch, versions, policy, now, lease))
    return late


async def current_policy(db: Database) -> Policy:
    """The newest policy, when it can be read; version 0 is the one that the program brings."""
    async with db.connection() as tx:
        return await policies.current(tx)


@dataclass(frozen=True, slots=True)
class Planned:
    decision: Decision
    detail: str  # JSON, enough to replay it


Batch = dict[UUID, list[Planned]]  # a ticket's decisions in their order


def _parts(decisions: Iterable[Decision]) -> Iterator[list[list[Decision]]]:
    """The decisions by ticket, in bounded parts; a ticket that comes back and is given away again stays together."""
    by_ticket: dict[UUID, list[Decision]] = {}
    for decision in decisions:
        by_ticket.setdefault(decision.ticket_id, []).append(decision)
    tickets = list(by_ticket.values())
    return (tickets[at : at + BATCH] for at in range(0, len(tickets), BATCH))


def _with_details(part: list[list[Decision]]) -> Batch:
    return {
        own[0].ticket_id: [Planned(one, json.dumps(detail(one), ensure_ascii=False)) for one in own] for own in part
    }


def detail(decision: Decision) -> dict[str, object]:
    return {
        "step": decision.step,
        "rank": decision.rank,
        "until_ms": decision.until_ms,
        "loser": str(decision.loser_id) if decision.loser_id else None,
        "lost_by": decision.lost_by,
        "counts": dict(decision.counts),
        "inputs": decision.inputs,
    }


async def _carry_out(
    batch: Batch, versions: Mapping[UUID, int], policy: Policy, now: datetime, lease: Lease | None, tx: Tx
) -> set[UUID]:
    """Write what still holds of these decisions; which tickets had changed meanwhile.

    Tickets are locked first, then agents; only then, by younger statements, is it asked what each agent holds:
    whoever gives him work at the same moment waits for the same lock.
    """
    if lease is not None and await leases.take(tx, LEASE, lease.holder, LEASE_S) is None:
        return set(batch)
    tickets = await store.lock_tickets(tx, batch)
    people = {one.decision.agent_id for own in batch.values() for one in own if one.decision.agent_id}
    agents = await store.lock_agents(tx, people)
    hand = _Hand(
        policy=policy,
        now=now,
        agents=agents,
        loads=Loads(policy, await store.work(tx, list(people), with_offers=True)),
        offered=await store.offers_of(tx, list(batch)),
    )
    late = set[UUID]()
    for ticket_id, planned in batch.items():
        ticket = tickets.get(ticket_id)
        unchanged = ticket is not None and ticket.version == versions[ticket_id]
        if not (ticket is not None and unchanged and _works(ticket) and hand.follow(ticket, planned)):
            late.add(ticket_id)
    await hand.write(tx)
    return late


def _works(ticket: store.LockedTicket) -> bool:
    return ticket.status in WORKABLE and ticket.merged_into is None


@dataclass
class _Hand:
    """Checks decisions against what is locked, and collects what is to be written."""

    policy: Policy
    now: datetime
    agents: Mapping[UUID, store.PresentAgent]
    loads: Loads
    offered: dict[UUID, UUID]  # ticket -> who was asked and has not answered
    cleared: list[UUID] = field(default_factory=list)
    assigned: dict[UUID, UUID] = field(default_factory=dict)
    offers: list[tuple[UUID, UUID, datetime]] = field(default_factory=list)
    ended: list[tuple[UUID, UUID, str, datetime | None]] = field(default_factory=list)
    misses: dict[UUID, int] = field(default_factory=dict)
    sent_away: dict[UUID, str] = field(default_factory=dict)
    kept: list[Planned] = field(default_factory=list)
    facts: list[Event] = field(default_factory=list)

    def follow(self, ticket: store.LockedTicket, planned: Iterable[Planned]) -> bool:
        """Take the ticket through its decisions as far as they hold; False when one of them came too late."""
        holder = ticket.assignee_id
        for one in planned:
            decision = one.decision
            if decision.kind == "returned":
                agent = self.agents.get(holder) if holder else None
                if holder != decision.agent_id or agent is None or agent.status != "offline":
                    return False
                holder = None
                self.cleared.append(ticket.id)
                self._tell(EventType.TICKET_UNASSIGNED, decision)
            elif holder is not None or not self._step(ticket, decision):
                return False
            self.kept.append(one)
        return True

    def _step(self, ticket: store.LockedTicket, decision: Decision) -> bool:
        if decision.kind == "missed":
            return self._miss(ticket, decision)
        if ticket.id in self.offered:
            return False
        return decision.kind == "waiting" or self._give(ticket, decision)

    def _give(self, ticket: store.LockedTicket, decision: Decision) -> bool:
        agent = self.agents.get(decision.agent_id) if decision.agent_id else None
        if agent is None or agent.status != "online" or agent.id in self.sent_away:
            return False
        load, weight = self.loads.of(agent.id), weigh(self.policy, ticket.channel, ticket.urgency, ticket.units)
        if not load.fits(weight, agent.capacity):
            return False
        load.add(weight)
        if decision.kind == "assigned":
            self.assigned[ticket.id] = agent.id
            self._tell(EventType.TICKET_ASSIGNED, decision)
        else:
            self.offers.append((ticket.id, agent.id, from_ms(decision.until_ms or 0)))
            self.offered[ticket.id] = agent.id
            self._tell(EventType.TICKET_OFFERED, decision)
        return True

    def _miss(self, ticket: store.LockedTicket, decision: Decision) -> bool:
        agent_id = self.offered.get(ticket.id)
        if agent_id is None or agent_id != decision.agent_id:
            return False
        del self.offered[ticket.id]
        outcome = "missed" if decision.reason == "no_accept" else "withdrawn"
        until = from_ms(decision.until_ms) if decision.until_ms else None
        self.ended.append((ticket.id, agent_id, outcome, until))
        weight = weigh(self.policy, ticket.channel, ticket.urgency, ticket.units)
        self.loads.of(agent_id).add(weight, -1)
        self._tell(EventType.TICKET_OFFER_ENDED, decision, outcome=outcome)
        agent = self.agents.get(agent_id)
        if agent and outcome == "missed":
            self.misses[agent_id] = self.misses.get(agent_id, agent.misses) + 1
            if decision.away and agent.status == "online":
                self.sent_away[agent_id] = agent.status
        return True

    def _tell(self, kind: EventType, decision: Decision, **more: str) -> None:
        data = (
            {"agent_id": ids.encode("agent", decision.agent_id), "reason": decision.reason} if decision.agent_id else {}
        )
        self.facts.append(
            Event(type=kind, ticket_id=decision.ticket_id, subject_id=decision.agent_id, data={**data, **more})
        )

    async def write(self, tx: Tx) -> None:
        if self.cleared:
            await store.clear_assignees(tx, self.cleared, self.now)
        for ticket_id, agent_id, outcome, until in self.ended:
            await store.end_offer(tx, ticket_id, agent_id, outcome, until, self.now)
        for agent_id, misses in sorted(self.misses.items()):
            await store.set_misses(tx, agent_id, misses)
        if self.assigned:
            await store.set_assignees(tx, self.assigned, self.now)
        if self.offers:
            await store.open_offers(tx, self.offers, self.now)
        for agent_id, before in sorted(self.sent_away.items()):
            await presence.set_status(tx, agent_id, "away", self.now)
            self.facts.append(changed(agent_id, before, "away", why="missed_offers"))
        await store.add_decisions(tx, [self._row(one) for one in self.kept])
        await events.record(tx, self.facts)

    def _row(self, one: Planned) -> tuple[UUID, UUID, str, str, UUID | None, int, str, datetime]:
        made = one.decision
        return (
            new_id(self.now),
            made.ticket_id,
            made.kind,
            made.reason,
            made.agent_id,
            made.policy_version,
            one.detail,
            self.now,
        )
