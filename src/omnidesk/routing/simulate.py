"""What would have sent a ticket to somebody: the changes that do it, tried on paper before they are told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Decision
from omnidesk.routing.paper import applied, holding
from omnidesk.routing.plan import plan
from omnidesk.routing.values import URGENCIES, Agent, Exclusion, Policy, Queue, Snapshot, Ticket

__all__ = ["Change", "applied", "changed", "what_would"]

_TRIES = 20
_GIVEN = ("assigned", "offered")
_FOR_EVER = 1 << 62

ChangeKind = Literal[
    "status", "channel", "queue", "skill", "capacity", "free", "allow", "last_agent", "withdraw", "outrank", "others"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would have to be otherwise.

    status      the agent is online
    channel     he takes this channel (`value`)
    queue       he is a member of this queue (`value`, an id)
    skill       he has this skill (`value`, name and level)
    capacity    he takes so many units at once (`value`)
    free        he holds less: (`value`, units of primary and of other work)
    allow       he had not declined the ticket
    last_agent  the ticket does not wait for somebody else: he served the customer last
    withdraw    the offer of the ticket `ticket_id` is taken back
    outrank     the ticket is older or more urgent (`value`: urgency and milliseconds waited)
    others      these agents (`value`, ids), who come first, do not take it
    """

    kind: ChangeKind
    agent_id: UUID | None = None
    ticket_id: UUID | None = None
    value: Any = None


def what_would(snapshot: Snapshot, policy: Policy, ticket_id: UUID, agent_id: UUID) -> list[Change]:
    """Changes after which a plan gives the ticket to the agent; [] when it does already.

    They were tried together, and leaving any of them out would not do.
    Raises LookupError when the ticket does not wait, or when it, its queue or the agent is not in the snapshot.
    """

    def case(changes: list[Change]) -> _Case:
        return _Case(changed(snapshot, changes), policy, ticket_id, agent_id)

    changes: list[Change] = []
    for _ in range(_TRIES):
        change = case(changes).in_his_way() or case(changes).in_the_plan()
        if change is None:
            break
        changes.append(change)
    else:
        changes += case(changes).whatever_it_takes()
    while changes:
        fewer = ([other for other in changes if other is not one] for one in reversed(changes))
        without = next((rest for rest in fewer if case(rest).is_his()), None)
        if without is None:
            break
        changes = without
    return changes


def changed(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """The desk with these changes made."""
    for change in changes:
        snapshot = _changed(snapshot, change)
    return snapshot


def _changed(snapshot: Snapshot, change: Change) -> Snapshot:
    if change.kind == "withdraw":
        return replace(snapshot, offers=tuple(o for o in snapshot.offers if o.ticket_id != change.ticket_id))
    if change.ticket_id is not None:
        tickets = (_changed_ticket(t, change, snapshot) if t.id == change.ticket_id else t for t in snapshot.tickets)
        return replace(snapshot, tickets=tuple(tickets))
    agents = (_changed_agent(a, change) if a.id == change.agent_id else a for a in snapshot.agents)
    return replace(snapshot, agents=tuple(agents))


def _changed_ticket(ticket: Ticket, change: Change, snapshot: Snapshot) -> Ticket:
    if change.kind == "allow":
        return replace(ticket, excluded=tuple(e for e in ticket.excluded if e.agent_id != change.agent_id))
    if change.kind == "last_agent":
        return replace(ticket, last_agent_id=change.agent_id)
    if change.kind == "others":
        others = tuple(Exclusion(agent_id=agent_id, until_ms=_FOR_EVER) for agent_id in change.value)
        return replace(ticket, excluded=(*ticket.excluded, *others))
    urgency, age = change.value
    queue = next(queue for queue in snapshot.queues if queue.id == ticket.queue_id)
    queued = ticket.waiting_since_ms if ticket.queued_since_ms is None else ticket.queued_since_ms
    since = match.clock(queue, snapshot.now_ms) - age
    return replace(ticket, urgency=urgency, waiting_since_ms=since, queued_since_ms=queued)


def _changed_agent(agent: Agent, change: Change) -> Agent:
    match change.kind:
        case "status":
            return replace(agent, status="online", offline_since_ms=None)
        case "channel":
            return replace(agent, channels=(agent.channels or frozenset()) | {change.value})
        case "queue":
            return replace(agent, queues=(agent.queues or frozenset()) | {change.value})
        case "skill":
            name, level = change.value
            return replace(agent, skills={**agent.skills, name: level})
        case "capacity":
            return replace(agent, units=change.value)
        case _:
            primary, other = change.value
            agent = match.sane(agent)
            return replace(agent, primary_units=agent.primary_units - primary, async_units=agent.async_units - other)


class _Case:
    """One ticket, one agent, and what stands between them on this desk."""

    def __init__(self, snapshot: Snapshot, policy: Policy, ticket_id: UUID, agent_id: UUID) -> None:
        self._desk, self._policy = snapshot, policy
        self._ticket = _find(snapshot.tickets, ticket_id, "ticket")
        self._agent: Agent = match.sane(_find(snapshot.agents, agent_id, "agent"))
        self._queue: Queue = _find(snapshot.queues, self._ticket.queue_id, "queue")
        self._queues = {queue.id.int: queue for queue in snapshot.queues}
        self._agents = {agent.id: match.sane(agent) for agent in snapshot.agents}
        self._clock = match.clock(self._queue, snapshot.now_ms)
        self._units, self._primary = match.units_of(policy, self._ticket), match.is_primary(policy, self._ticket)

    # --- the agent ----------------------------------------------------------------------------------

    def in_his_way(self) -> Change | None:
        """The first thing that keeps the agent from taking the ticket, were it the only one."""
        if self._is_with_him():
            return None
        return self._presence() or self._offer() or self._ability() or self._room()

    def _offer(self) -> Change | None:
        """A current offer keeps the ticket where it is; late ones of this agent exclude him or send him away."""
        now, agent = self._desk.now_ms, self._agent
        late = [offer for offer in self._desk.offers if offer.agent_id == agent.id and offer.expires_ms <= now]
        leaves = agent.misses + len(late) >= self._policy.misses_to_away
        for offer in sorted(self._desk.offers, key=lambda offer: offer.ticket_id.int):
            kept = self._is_kept(offer.agent_id, offer.expires_ms)
            mine = offer.ticket_id == self._ticket.id and (kept or offer in late)
            if mine or (leaves and offer in late):
                return Change(kind="withdraw", ticket_id=offer.ticket_id, agent_id=offer.agent_id)
        return None

    def _presence(self) -> Change | None:
        agent, ticket = self._agent, self._ticket
        if agent.status != "online":
            return Change(kind="status", agent_id=agent.id, value="online")
        if not match.speaks(agent, ticket.channel):
            return Change(kind="channel", agent_id=agent.id, value=ticket.channel)
        if agent.id in match.excluded_now(ticket, self._desk.now_ms):
            return Change(kind="allow", ticket_id=ticket.id, agent_id=agent.id)
        return None

    def _ability(self) -> Change | None:
        index = self._index()
        if match.step_of(self._queue, index).last_agent:
            if self._ticket.last_agent_id == self._agent.id:
                return None
            return Change(kind="last_agent", ticket_id=self._ticket.id, agent_id=self._agent.id)
        lacking = min((self._lacking(way) for way in self._ways(index)), key=len)
        return lacking[0] if lacking else None

    def _index(self) -> int:
        """The step that counts; one that waits for the last agent is passed over while he is not there."""
        index, last = match.step_index(self._ticket, self._queue, self._clock), self._agents.get
        while match.step_of(self._queue, index).last_agent:
            agent = last(self._ticket.last_agent_id) if self._ticket.last_agent_id else None
            if agent is not None and self._can(agent, index):
                break
            index += 1
        return index

    def _ways(self, index: int) -> tuple[match.Way, ...]:
        return match.ways(self._ticket, self._queue, match.step_of(self._queue, index), self._queues)

    def _can(self, agent: Agent, index: int) -> bool:
        """Is this agent there and able in this step, full or not?"""
        if agent.status != "online" or agent.id in match.excluded_now(self._ticket, self._desk.now_ms):
            return False
        return match.speaks(agent, self._ticket.channel) and any(
            match.is_member(agent, queue_id) and match.is_able(agent, needs) for queue_id, needs in self._ways(index)
        )

    def _lacking(self, way: match.Way) -> list[Change]:
        queue_id, needs = way
        agent = self._agent
        queue = [] if match.is_member(agent, queue_id) else [Change(kind="queue", agent_id=agent.id, value=queue_id)]
        missing = (need for need in needs if agent.skills.get(need[0], 0) < need[1])
        return queue + [Change(kind="skill", agent_id=agent.id, value=need) for need in missing]

    def _room(self) -> Change | None:
        agent = self._agent
        if agent.units < self._units:
            return Change(kind="capacity", agent_id=agent.id, value=self._units)
        full = self._loads(())[agent.id]
        used = full.primary_units + (0 if self._primary else full.async_units)
        lacking = used + self._units - agent.units
        if lacking <= 0:
            return None
        other = 0 if self._primary else min(lacking, max(0, agent.async_units))
        primary = min(lacking - other, max(0, agent.primary_units))
        if other or primary:
            return Change(kind="free", agent_id=agent.id, value=(primary, other))
        offer = min((o.ticket_id for o in self._desk.offers if o.agent_id == agent.id), key=lambda one: one.int)
        return Change(kind="withdraw", ticket_id=offer, agent_id=agent.id)

    def _is_with_him(self) -> bool:
        here = (o for o in self._desk.offers if o.ticket_id == self._ticket.id and o.agent_id == self._agent.id)
        return any(self._is_kept(offer.agent_id, offer.expires_ms) for offer in here)

    # --- the others -----------------------------------------------------------------------------------

    def is_his(self) -> bool:
        """Does the agent get the ticket, or is he being asked?"""
        if self._is_with_him():
            return True
        mine = (d for d in plan(self._desk, self._policy) if d.ticket_id == self._ticket.id)
        return any(d.kind in _GIVEN and d.agent_id == self._agent.id for d in mine)

    def in_the_plan(self) -> Change | None:
        """What keeps the plan from giving it to him: tickets that come first, or agents who do."""
        if self._is_with_him():
            return None
        before: list[Decision] = []
        for decision in plan(self._desk, self._policy):
            given = decision.kind in _GIVEN
            if decision.ticket_id == self._ticket.id and given:
                return None if decision.agent_id == self._agent.id else self._beaten(before)
            if given:
                before.append(decision)
        return self._outrun(before)

    def _beaten(self, before: list[Decision]) -> Change:
        """Somebody else got it: because he comes first, or because other tickets had filled this agent."""
        loads = self._loads(before)
        own = loads[self._agent.id]
        if not self._fits(own):
            return self._outrun(before)
        wish, index = self._wish(own), self._index()
        able = (one for one in loads.values() if self._fits(one) and self._can(one, index))
        others = sorted((one.id for one in able if self._wish(one) < wish), key=lambda agent_id: agent_id.int)
        return Change(kind="others", ticket_id=self._ticket.id, agent_id=self._agent.id, value=tuple(others))

    def _outrun(self, before: list[Decision]) -> Change:
        """Other tickets filled him first; this one must come before the first that is one too many."""
        taken: list[Decision] = []
        for decision in before:
            if decision.agent_id == self._agent.id:
                if not self._fits(self._loads([*taken, decision])[self._agent.id]):
                    return self._passing(decision.ticket)
                taken.append(decision)
        return self._passing(before[0].ticket)

    def _passing(self, other: Ticket) -> Change:
        """Just older or more urgent than this ticket."""
        queue = self._queues[other.queue_id.int]
        age = match.clock(queue, self._desk.now_ms) - other.waiting_since_ms
        urgency = self._ticket.urgency
        policy, weight = self._policy, match.standing_of(self._policy, self._ticket).weight
        target, goal = match.target_of(policy, self._ticket), match.standing_of(policy, other).weight
        if policy.order == "priority" and weight < goal:
            urgency, needed = self._as_heavy_as(goal) or other.urgency, age + 1
        elif policy.order == "edd":
            needed = age - match.target_of(policy, other) + target + 1
        elif policy.order == "cost":
            rank = match.rank(policy, other, age)
            needed = int(target * (rank * (target / 60_000) / weight) ** (1 / policy.sharpness) * (1 + 1e-9)) + 1
        else:
            needed = age + 1
        return Change(kind="outrank", ticket_id=self._ticket.id, value=(urgency, max(needed, 1)))

    def _as_heavy_as(self, goal: float) -> str | None:
        """The first urgency with which this ticket stands so high."""
        policy = self._policy
        for urgency in URGENCIES:
            if match.standing_of(policy, replace(self._ticket, urgency=urgency)).weight >= goal:
                return urgency
        return None

    def whatever_it_takes(self) -> list[Change]:
        """When one by one leads nowhere: before all other tickets, and nobody else may."""
        tickets = (*self._desk.tickets, *(held.ticket for held in self._desk.held))
        first = max((ticket for ticket in tickets if ticket.queue_id.int in self._queues), key=self._key)
        others = tuple(agent.id for agent in self._desk.agents if agent.id != self._agent.id)
        return [
            self._passing(first),
            Change(kind="others", ticket_id=self._ticket.id, agent_id=self._agent.id, value=others),
        ]

    def _key(self, ticket: Ticket) -> tuple[float, float, int]:
        age = match.clock(self._queues[ticket.queue_id.int], self._desk.now_ms) - ticket.waiting_since_ms
        weight = match.standing_of(self._policy, ticket).weight
        return (*match.order_key(self._policy, weight, match.target_of(self._policy, ticket), age), age)

    # --- loads ----------------------------------------------------------------------------------------

    def _loads(self, given: Iterable[Decision]) -> Mapping[UUID, Agent]:
        """Agents with places kept for offers, and with what was given in the plan so far."""
        agents = dict(self._agents)
        tickets = {ticket.id: ticket for ticket in self._desk.tickets}
        kept = [
            (o.agent_id, tickets[o.ticket_id]) for o in self._desk.offers if self._is_kept(o.agent_id, o.expires_ms)
        ]
        now = [(decision.agent_id, decision.ticket) for decision in given]
        for agent_id, ticket in (*kept, *now):
            if agent_id in agents:
                agents[agent_id] = holding(agents[agent_id], ticket, self._policy)
        return agents

    def _is_kept(self, agent_id: UUID, expires_ms: int) -> bool:
        return expires_ms > self._desk.now_ms and agent_id in self._agents and self._agents[agent_id].status == "online"

    def _fits(self, agent: Agent) -> bool:
        used = agent.primary_units + (0 if self._primary else agent.async_units)
        return used + self._units <= agent.units

    def _wish(self, agent: Agent) -> tuple[float, ...]:
        """The order of `Fleet.pick`, for one agent."""
        total, units = agent.primary_units + agent.async_units, agent.units
        live = match.channel_of(self._policy, self._ticket).live
        over, band = max(0, total + self._units - units), min(2, 3 * total // units)
        return (
            live and not agent.live,
            over,
            band,
            len(agent.skills),
            total / units,
            agent.last_assigned_ms,
            agent.id.int,
        )


def _find(members: Iterable[Any], wanted: UUID, name: str) -> Any:
    found = next((member for member in members if member.id == wanted), None)
    if found is None:
        raise LookupError(f"no such {name} here")
    return found
