"""The plan written the slow and plain way, one ticket and one agent at a time, to compare the fast one with."""

from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from omnidesk.routing import Agent, Decision, Exclusion, Policy, Queue, Snapshot, Step, Ticket

CRITERIA = ("live", "overcommit", "band", "skills", "load", "idle", "id")


class Said(NamedTuple):
    kind: str
    ticket: UUID
    agent: UUID | None
    reason: str
    until: int | None
    away: bool
    step: int
    loser: UUID | None
    lost_by: str
    counts: dict[str, int]


def said(decision: Decision) -> Said:
    d = decision
    return Said(
        d.kind, d.ticket_id, d.agent_id, d.reason, d.until_ms, d.away, d.step, d.loser_id, d.lost_by, d.counts
    )  # fmt: skip


class Place:
    def __init__(self, agent: Agent) -> None:
        self.agent, self.status, self.misses = agent, agent.status, agent.misses
        self.primary, self.other = max(0, agent.primary_units), max(0, agent.async_units)
        self.live = max(0, agent.live)


class Oracle:
    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self.s, self.p, self.now = snapshot, policy, snapshot.now_ms
        self.queues = {q.id: q for q in snapshot.queues}
        self.places = {a.id: Place(a) for a in snapshot.agents}
        self.tickets = {t.id: t for t in snapshot.tickets}
        self.said: list[Said] = []

    def plan(self) -> list[Said]:
        under_offer = {o.ticket_id: self.tickets.pop(o.ticket_id) for o in self.s.offers if o.ticket_id in self.tickets}
        offers = [o for o in self.s.offers if o.ticket_id in under_offer]
        for o in offers:
            self.hold(self.places.get(o.agent_id), under_offer[o.ticket_id], 1)
        for h in sorted(self.s.held, key=lambda h: h.ticket.id.int):
            place = self.places.get(h.agent_id)
            since = place.agent.offline_since_ms if place else None
            gone = place is None or (
                place.status == "offline" and since is not None and self.now - since >= self.p.offline_grace_ms
            )
            if gone and not (h.answered and self.primary(h.ticket)):
                self.say("returned", h.ticket.id, h.agent_id, "agent_offline")
                self.tickets[h.ticket.id] = replace(h.ticket, waiting_reason="")
        offers.sort(key=lambda o: (o.expires_ms, o.ticket_id.int))
        for o in [o for o in offers if o.expires_ms <= self.now]:
            self.end(o.agent_id, under_offer.pop(o.ticket_id))
        for o in [o for o in offers if o.ticket_id in under_offer]:
            place = self.places.get(o.agent_id)
            if place is None or place.status != "online":
                self.end(o.agent_id, under_offer.pop(o.ticket_id))
        turns = sorted(self.tickets.values(), key=self.turn)
        left = [t for t in turns if not self.give(t)]
        for t in sorted(left, key=lambda t: t.id.int):
            self.wait(t)
        return self.said

    def say(self, kind: str, ticket: UUID, agent: UUID | None, reason: str, **more: Any) -> None:
        empty = Said(kind, ticket, agent, reason, None, False, 0, None, "", {})
        self.said.append(empty._replace(**more))

    # what a ticket is

    def urgency(self, t: Ticket) -> Any:
        return self.p.urgencies.get(t.urgency, self.p.urgencies["normal"])

    def live(self, t: Ticket) -> bool:
        return t.channel in self.p.channels and self.p.channels[t.channel].live

    def primary(self, t: Ticket) -> bool:
        return self.live(t) or bool(self.urgency(t).primary)

    def units(self, t: Ticket) -> int:
        by_channel = self.p.channels[t.channel].units if t.channel in self.p.channels else 1
        return max(1, by_channel if t.units is None else t.units)

    def age(self, t: Ticket) -> int:
        q = self.queues.get(t.queue_id)
        return (self.now if q is None or q.clock_ms is None else q.clock_ms) - t.waiting_since_ms

    def standing(self, t: Ticket) -> Any:
        """Its urgency, by so many classes higher as its channel says."""
        if t.channel not in self.p.channels or not self.p.channels[t.channel].lift:
            return self.urgency(t)
        classes = ["low", "normal", "high", "critical", "critical", "critical", "critical"]
        own = t.urgency if t.urgency in self.p.urgencies else "normal"
        return self.p.urgencies[classes[classes.index(own) + self.p.channels[t.channel].lift]]

    def turn(self, t: Ticket) -> tuple[Any, ...]:
        weight = self.standing(t).weight
        target = max(1, self.standing(t).target_ms if t.target_ms is None else t.target_ms)
        age = self.age(t)
        keys = {
            "cost": (weight * (max(0, age) / target) ** self.p.sharpness / (target / 60_000), weight / target),
            "edd": (age - target, weight),
            "priority": (weight, 0),
            "fifo": (0, 0),
        }
        first, second = keys[self.p.order]
        return -first, -second, -age, t.id.int

    # offers

    def hold(self, place: Place | None, t: Ticket, sign: int) -> None:
        if place is None:
            return
        if self.primary(t):
            place.primary += sign * self.units(t)
        else:
            place.other += sign * self.units(t)
        place.live += sign * self.live(t)

    def end(self, agent_id: UUID, t: Ticket) -> None:
        place = self.places.get(agent_id)
        self.hold(place, t, -1)
        t = replace(t, waiting_reason="")
        if place is None or place.status != "online":
            self.say("missed", t.id, agent_id, "agent_left")
        else:
            place.misses += 1
            away = place.misses >= self.p.misses_to_away
            place.status = "away" if away else "online"
            until = self.now + self.p.exclude_ms
            self.say("missed", t.id, agent_id, "no_accept", until=until, away=away)
            t = replace(t, excluded=(*t.excluded, Exclusion(agent_id=agent_id, until_ms=until)))
        self.tickets[t.id] = t

    # who may

    def look(self, t: Ticket, q: Queue) -> tuple[int, Step, dict[str, list[Place]]]:
        clock = self.now if q.clock_ms is None else q.clock_ms
        since = t.waiting_since_ms if t.queued_since_ms is None else t.queued_since_ms
        elapsed, index = max(0, clock - since), 0
        while index < len(q.steps) and not (
            (until := q.steps[index].until_ms) is None or elapsed < until
        ):  # fmt: skip
            index += 1
        while True:
            step = q.steps[index] if index < len(q.steps) else Step()
            found: dict[str, list[Place]] = {}
            for place in self.places.values():
                found.setdefault(self.cause(place, t, q, step), []).append(place)
            there = [*found.get("full", []), *found.get("eligible", [])]
            if not step.last_agent or any(place.agent.id == t.last_agent_id for place in there):
                return index, step, found
            index += 1

    def skills(self, names: tuple[str, ...], t: Ticket) -> set[str]:
        facts = {"language": t.language, "category": t.category, "channel": t.channel, "urgency": t.urgency}
        return {n.format(**facts) for n in names if all(v for k, v in facts.items() if "{" + k + "}" in n)}

    def cause(self, place: Place, t: Ticket, q: Queue, step: Step) -> str:
        a = place.agent
        if a.channels is not None and t.channel not in a.channels:
            return "channel"
        liked = self.skills(q.prefer, t) | t.preferred
        kept = liked if "*" in step.keep else liked & self.skills(step.keep, t)
        ways = {q.id: self.skills(q.require, t) | t.required | kept}
        if step.overflow in self.queues and step.overflow is not None:
            other = self.skills(self.queues[step.overflow].require, t) | t.required
            if step.overflow != q.id:
                ways[step.overflow] = other
        mine = [needs for queue_id, needs in ways.items() if a.queues is None or queue_id in a.queues]
        if not mine:
            return "queue"
        if not any(all(self.has(a, need) for need in needs) for needs in mine):
            return "skill"
        if place.status != "online":
            return "offline"
        if any(e.agent_id == a.id and e.until_ms > self.now for e in t.excluded):
            return "excluded"
        if step.last_agent and a.id != t.last_agent_id:
            return "sticky"
        used = place.primary if self.primary(t) else place.primary + place.other
        return "eligible" if used + self.units(t) <= a.units else "full"

    def has(self, a: Agent, need: str) -> bool:
        name, _, level = need.partition(">=")
        return a.skills.get(name, 0) >= int(level or 1)

    def taste(self, place: Place, t: Ticket) -> tuple[Any, ...]:
        a, total = place.agent, place.primary + place.other
        return (
            self.live(t) and place.live <= 0,
            max(0, total + self.units(t) - a.units),
            min(2, 3 * total // a.units),
            len(a.skills),
            total / a.units,
            a.last_assigned_ms,
            a.id.int,
        )

    # what happens

    def give(self, t: Ticket) -> bool:
        q = self.queues.get(t.queue_id)
        if q is None:
            return False
        index, step, found = self.look(t, q)
        able = sorted(found.get("eligible", []), key=lambda place: self.taste(place, t))
        if not able:
            return False
        loser = able[1] if len(able) > 1 else None
        lost_by = ""
        if loser:
            pairs = zip(CRITERIA, self.taste(able[0], t), self.taste(loser, t), strict=True)
            lost_by = next(name for name, x, y in pairs if x != y)
        channel = self.p.channels.get(t.channel)
        accept = channel.accept_ms if channel else None
        self.say(
            "assigned" if accept is None else "offered",
            t.id,
            able[0].agent.id,
            "last_agent" if step.last_agent else "best_fit" if loser else "only_fit",
            until=None if accept is None else self.now + accept,
            step=index,
            loser=loser.agent.id if loser else None,
            lost_by=lost_by,
            counts={cause: len(places) for cause, places in found.items()},
        )
        self.hold(able[0], t, 1)
        return True

    def wait(self, t: Ticket) -> None:
        q = self.queues.get(t.queue_id)
        if q is None:
            if t.waiting_reason != "no_queue":
                self.say("waiting", t.id, None, "no_queue")
            return
        index, step, found = self.look(t, q)
        reason, cause = self.why(q, step, found)
        if reason == t.waiting_reason:
            return
        order = sorted(
            found.get(cause, []), key=lambda p: (len(p.agent.skills), p.agent.last_assigned_ms, p.agent.id.int)
        )
        until = None
        if step.last_agent and step.until_ms is not None:
            since = t.waiting_since_ms if t.queued_since_ms is None else t.queued_since_ms
            until = self.now + since + step.until_ms - (self.now if q.clock_ms is None else q.clock_ms)
        self.say(
            "waiting",
            t.id,
            None,
            reason,
            until=until,
            step=index,
            loser=order[0].agent.id if order else None,
            lost_by=cause if order else "",
            counts={name: len(places) for name, places in found.items()},
        )

    def why(self, q: Queue, step: Step, found: dict[str, list[Place]]) -> tuple[str, str]:
        if step.last_agent:
            return "sticky_hold", "full"
        if found.get("full"):
            return "all_full", "full"
        if found.get("excluded"):
            return "all_declined", "excluded"
        if found.get("offline"):
            return ("all_offline" if q.open else "closed_hours"), "offline"
        return "no_skill", "skill"
