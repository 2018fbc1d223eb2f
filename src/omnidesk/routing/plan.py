"""The plan: which waiting ticket goes to which agent now."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.values import (
    Agent,
    Decision,
    Evidence,
    Exclusion,
    Held,
    Kind,
    Offer,
    Policy,
    Queue,
    Seen,
    Snapshot,
    Ticket,
)

CRITERIA = ("live", "overcommit", "band", "skills", "load", "idle", "id")


class _Desk:
    """An agent while the plan fills him."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.online = agent.status == "online"
        self.misses = agent.misses
        self.primary, self.asynchronous, self.live = agent.primary_units, agent.async_units, agent.live

    def take(self, units: int, primary: bool, live: bool) -> None:
        if primary:
            self.primary += units
        else:
            self.asynchronous += units
        self.live += live

    def seen(self) -> Seen:
        return Seen(self.agent, self.primary, self.asynchronous, self.live)


def plan(snapshot: Snapshot, policy: Policy) -> list[Decision]:
    """What to do now with every ticket of the snapshot; [] when nothing is to change.

    Pure: the same snapshot in any order gives the same decisions. Applying them and planning again gives [].
    """
    return _Plan(snapshot, policy).run()


class _Plan:
    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self.now, self.policy = snapshot.now_ms, policy
        self.queues = {queue.id: queue for queue in snapshot.queues}
        self.desks = {agent.id: _Desk(agent) for agent in snapshot.agents}
        self.tickets = {ticket.id: ticket for ticket in snapshot.tickets}
        self.snapshot = snapshot
        self.decisions: list[Decision] = []

    def run(self) -> list[Decision]:
        for held in sorted(self.snapshot.held, key=lambda held: held.ticket.id.int):
            self._return(held)
        self._offers()
        waiting = sorted(self.tickets.values(), key=self._turn)
        left = [ticket for ticket in waiting if not self._assign(ticket)]
        for ticket in left:
            self._wait(ticket)
        return self.decisions

    def _turn(self, ticket: Ticket) -> tuple[float, float, int, int]:
        queue = self.queues.get(ticket.queue_id)
        age = (match.clock(queue, self.now) if queue else self.now) - ticket.waiting_since_ms
        first, second = match.order_key(self.policy, ticket, age)
        return -first, -second, -age, ticket.id.int

    def _return(self, held: Held) -> None:
        desk = self.desks.get(held.agent_id)
        if desk is None or desk.agent.status != "offline" or desk.agent.offline_since_ms is None:
            return
        if self.now - desk.agent.offline_since_ms < self.policy.offline_grace_ms:
            return
        if held.answered and match.is_primary(self.policy, held.ticket):
            return
        evidence = Evidence(self.now, self.policy, held.ticket, (), (desk.seen(),), {}, held=held)
        self._say("returned", held.ticket, "agent_offline", evidence, agent_id=held.agent_id)
        self.tickets[held.ticket.id] = held.ticket

    def _offers(self) -> None:
        late = [offer for offer in self.snapshot.offers if offer.expires_ms <= self.now]
        current = [offer for offer in self.snapshot.offers if offer.expires_ms > self.now]
        for offer in sorted(late, key=lambda offer: (offer.agent_id.int, offer.ticket_id.int)):
            self._end(offer, late=True)
        for offer in sorted(current, key=lambda offer: (offer.agent_id.int, offer.ticket_id.int)):
            desk, ticket = self.desks.get(offer.agent_id), self.tickets.get(offer.ticket_id)
            if ticket is None:
                continue
            if desk is None or not desk.online:
                self._end(offer, late=False)
                continue
            live = match.channel_of(self.policy, ticket).live
            desk.take(match.units_of(self.policy, ticket), match.is_primary(self.policy, ticket), live)
            del self.tickets[ticket.id]

    def _end(self, offer: Offer, late: bool) -> None:
        desk, ticket = self.desks.get(offer.agent_id), self.tickets.get(offer.ticket_id)
        if ticket is None:
            return
        missed = late and desk is not None and desk.agent.status == "online"
        seen = (desk.seen(),) if desk else ()
        away = False
        if missed and desk:
            desk.misses += 1
            away = desk.online and desk.misses >= self.policy.misses_to_away
            desk.online = desk.online and not away
        until = self.now + self.policy.exclude_ms
        self._say(
            "missed",
            ticket,
            "no_accept" if missed else "agent_left",
            Evidence(self.now, self.policy, ticket, (), seen, {}, offer=offer),
            agent_id=offer.agent_id,
            until_ms=until,
            away=away,
        )
        exclusion = Exclusion(agent_id=offer.agent_id, until_ms=until)
        self.tickets[ticket.id] = replace(ticket, excluded=(*ticket.excluded, exclusion))

    def _say(self, kind: Kind, ticket: Ticket, reason: str, evidence: Evidence, **more: Any) -> None:
        self.decisions.append(
            Decision(
                kind=kind,
                ticket_id=ticket.id,
                reason=reason,
                evidence=evidence,
                policy_version=self.policy.version,
                **more,
            )
        )

    def _funnel(self, ticket: Ticket, queue: Queue) -> tuple[int, UUID | None, dict[str, list[_Desk]]]:
        index = match.step_index(ticket, queue, match.clock(queue, self.now))
        while True:
            step = match.step_of(queue, index)
            causes = self._causes(ticket, queue, index, step.last_agent)
            if not step.last_agent or any(
                d.agent.id == ticket.last_agent_id for c in ("full", "eligible") for d in causes.get(c, [])
            ):
                return index, ticket.last_agent_id if step.last_agent else None, causes
            index += 1

    def _causes(self, ticket: Ticket, queue: Queue, index: int, sticky: bool) -> dict[str, list[_Desk]]:
        ways = match.ways(ticket, queue, match.step_of(queue, index), self.queues)
        excluded = match.excluded_now(ticket, self.now)
        found: dict[str, list[_Desk]] = {}
        for desk in self.desks.values():
            found.setdefault(self._cause(desk, ticket, ways, excluded, sticky), []).append(desk)
        return found

    def _cause(
        self, desk: _Desk, ticket: Ticket, ways: tuple[match.Way, ...], excluded: frozenset[UUID], sticky: bool
    ) -> str:
        agent = desk.agent
        if not match.speaks(agent, ticket.channel):
            return "channel"
        mine = [needs for queue_id, needs in ways if match.is_member(agent, queue_id)]
        if not mine:
            return "queue"
        if not any(match.is_able(agent, needs) for needs in mine):
            return "skill"
        if not desk.online:
            return "offline"
        if agent.id in excluded:
            return "excluded"
        if sticky and agent.id != ticket.last_agent_id:
            return "sticky"
        units, primary = match.units_of(self.policy, ticket), match.is_primary(self.policy, ticket)
        used = desk.primary if primary else desk.primary + desk.asynchronous
        return "eligible" if used + units <= agent.units else "full"

    def _preference(self, desk: _Desk, ticket: Ticket) -> tuple[float, ...]:
        units, cap, total = match.units_of(self.policy, ticket), desk.agent.units, desk.primary + desk.asynchronous
        live = match.channel_of(self.policy, ticket).live
        over = max(0, total + units - cap)
        return (
            float(live and not desk.live),
            over,
            min(2, 3 * total // cap),
            len(desk.agent.skills),
            total / cap,
            desk.agent.last_assigned_ms,
            desk.agent.id.int,
        )

    def _assign(self, ticket: Ticket) -> bool:
        queue = self.queues.get(ticket.queue_id)
        if queue is None:
            return False
        index, sticky, causes = self._funnel(ticket, queue)
        able = sorted(causes.get("eligible", []), key=lambda desk: self._preference(desk, ticket))
        if not able:
            return False
        winner, loser = able[0], able[1] if len(able) > 1 else None
        lost_by = ""
        if loser:
            a, b = self._preference(winner, ticket), self._preference(loser, ticket)
            lost_by = next(name for name, x, y in zip(CRITERIA, a, b, strict=True) if x != y)
        counts = {cause: len(desks) for cause, desks in causes.items()}
        shown = tuple(desk.seen() for desk in (winner, loser) if desk)
        others = {**counts, "eligible": counts["eligible"] - len(shown)}
        queues = tuple(self.queues[q] for q, _ in match.ways(ticket, queue, match.step_of(queue, index), self.queues))
        channel = match.channel_of(self.policy, ticket)
        self._say(
            "assigned" if channel.accept_ms is None else "offered",
            ticket,
            "last_agent" if sticky else "best_fit" if loser else "only_fit",
            Evidence(self.now, self.policy, ticket, queues, shown, others),
            agent_id=winner.agent.id,
            until_ms=None if channel.accept_ms is None else self.now + channel.accept_ms,
            step=index,
            rank=-self._turn(ticket)[0],
            loser_id=loser.agent.id if loser else None,
            lost_by=lost_by,
            counts=counts,
        )
        winner.take(match.units_of(self.policy, ticket), match.is_primary(self.policy, ticket), channel.live)
        return True

    def _wait(self, ticket: Ticket) -> None:
        queue = self.queues.get(ticket.queue_id)
        if queue is None:
            if ticket.waiting_reason != "no_queue":
                self._say("waiting", ticket, "no_queue", Evidence(self.now, self.policy, ticket, (), (), {}))
            return
        index, sticky, causes = self._funnel(ticket, queue)
        reason, cause = self._why(queue, sticky, causes)
        if reason == ticket.waiting_reason:
            return
        near = min(
            causes.get(cause, []),
            key=lambda d: (len(d.agent.skills), d.agent.last_assigned_ms, d.agent.id.int),
            default=None,
        )
        counts = {name: len(desks) for name, desks in causes.items()}
        shown = (near.seen(),) if near else ()
        others = {**counts, cause: counts[cause] - 1} if near else counts
        queues = tuple(self.queues[q] for q, _ in match.ways(ticket, queue, match.step_of(queue, index), self.queues))
        self._say(
            "waiting",
            ticket,
            reason,
            Evidence(self.now, self.policy, ticket, queues, shown, others),
            until_ms=self._until(ticket, queue, index) if sticky else None,
            step=index,
            rank=-self._turn(ticket)[0],
            loser_id=near.agent.id if near else None,
            lost_by=cause if near else "",
            counts=counts,
        )

    def _until(self, ticket: Ticket, queue: Queue, index: int) -> int | None:
        ends = match.step_ends(ticket, queue, index)
        return None if ends is None else self.now + ends - match.clock(queue, self.now)

    def _why(self, queue: Queue, sticky: UUID | None, causes: dict[str, list[_Desk]]) -> tuple[str, str]:
        if sticky:
            return "sticky_hold", "full"
        if causes.get("full"):
            return "all_full", "full"
        if causes.get("excluded"):
            return "all_declined", "excluded"
        if causes.get("offline"):
            return ("all_offline" if queue.open else "closed_hours"), "offline"
        return "no_skill", "skill"
