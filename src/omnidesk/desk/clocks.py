"""What happens to a ticket's clocks: they start, stand, go on and are met; warnings climb to those who lead."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog

from omnidesk.db import clocks as store
from omnidesk.db import events, timers
from omnidesk.db.clocks import Stored
from omnidesk.db.session import Tx
from omnidesk.db.timers import Timer
from omnidesk.desk import policies
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import business_time, ids
from omnidesk.domain.business_time import Calendar
from omnidesk.domain.clocks import FIRST_REPLY, NEXT_REPLY, RESOLUTION, Clock, Step, follow, owes_reply
from omnidesk.domain.events import Event, EventType
from omnidesk.routing import sla

log = structlog.get_logger(__name__)
LADDER = {50: "agent", 80: "senior", 100: "supervisor"}
_CLIMB = ("agent", "senior", "supervisor")


def begin(
    ticket_id: UUID,
    terms: sla.Terms,
    policy_version: int,
    calendar_id: UUID,
    hours: Calendar,
    *,
    at: datetime,
    kinds: Sequence[str] = (FIRST_REPLY, RESOLUTION),
) -> list[tuple[Stored, Timer | None]]:
    """New clocks with their timers; none of a kind for which nothing is agreed."""
    made = []
    for kind in kinds:
        target = terms.of(kind)
        if target is None:
            continue
        clock = Clock(
            id=new_id(at),
            ticket_id=ticket_id,
            kind=kind,
            target=timedelta(milliseconds=target),
            started_at=at,
            runs_since=at,
        )
        made.append((_stored(clock, calendar_id, policy_version, hours), _timer(clock, hours)))
    return made


def _stored(clock: Clock, calendar_id: UUID, version: int, hours: Calendar) -> Stored:
    return Stored(
        clock=clock, calendar_id=calendar_id, policy_version=version, hours={}, due_at=clock.reaches(100, hours)
    )


def _timer(clock: Clock, hours: Calendar) -> Timer | None:
    due = clock.next_warning(hours)
    return Timer(kind="clock", subject_id=clock.id, due_at=due) if due else None


async def step(tx: Tx, steps: Sequence[Step], *, actor: str = "system") -> list[Event]:
    """Take the clocks of locked tickets along with their steps; the events to record."""
    if not steps:
        return []
    known: dict[UUID, list[Stored]] = {one.after.id: [] for one in steps}
    for stored in await store.of_tickets(tx, list(known)):
        known[stored.clock.ticket_id].append(stored)
    changed, facts = list[Stored](), list[Event]()
    for one in steps:
        for stored in known[one.after.id]:
            hours = _hours(stored.hours)
            clock = follow(stored.clock, one, hours)
            if clock != stored.clock:
                changed.append(replace(stored, clock=clock, due_at=clock.reaches(100, hours)))
                facts.append(_told(clock, changed[-1].due_at, one.at, actor))
    owing = [one for one in steps if owes_reply(one, (stored.clock for stored in known[one.after.id]))]
    started = await _start_next(tx, owing)
    await _write(tx, [*changed, *started])
    return [*facts, *(_told(one.clock, one.due_at, one.clock.started_at, actor) for one in started)]


async def _start_next(tx: Tx, steps: Sequence[Step]) -> list[Stored]:
    if not steps:
        return []
    policy, grounds = await policies.current(tx), await store.grounds(tx, [one.after.id for one in steps])
    made = list[Stored]()
    for one in steps:
        on = grounds[one.after.id]
        terms, hours = sla.terms(policy.sla, _class(on)), _hours(on.hours)
        began = begin(one.after.id, terms, policy.version, on.calendar_id, hours, at=one.at, kinds=[NEXT_REPLY])
        made += [replace(stored, hours=on.hours) for stored, _ in began]
    return made


async def retarget(tx: Tx, ticket_id: UUID, *, now: datetime, actor: str) -> list[Event]:
    """A locked ticket is another matter now: its clocks keep what they used, their targets are those of its class."""
    policy, on = await policies.current(tx), (await store.grounds(tx, [ticket_id]))[ticket_id]
    terms, changed = sla.terms(policy.sla, _class(on)), list[Stored]()
    for stored in await store.of_tickets(tx, [ticket_id]):
        target, hours = terms.of(stored.clock.kind), _hours(stored.hours)
        if target is None:
            continue
        clock = stored.clock.retargeted(timedelta(milliseconds=target), now, hours)
        if clock != stored.clock:
            due = clock.reaches(100, hours)
            changed.append(replace(stored, clock=clock, due_at=due, policy_version=policy.version))
    await _write(tx, changed)
    return [_told(one.clock, one.due_at, now, actor) for one in changed]


async def _write(tx: Tx, changed: Sequence[Stored]) -> None:
    """Clocks and the timers of their next warnings."""
    await store.write(tx, changed)
    wanted = {one.clock.id: _timer(one.clock, _hours(one.hours)) for one in changed}
    await timers.set_timers(tx, [timer for timer in wanted.values() if timer])
    if gone := [clock_id for clock_id, timer in wanted.items() if timer is None]:
        await timers.cancel(tx, "clock", gone)


def _class(on: store.Grounds) -> sla.Class:
    return sla.Class(on.channel, on.category or "", on.urgency, on.tier or "")


def _told(clock: Clock, due_at: datetime | None, at: datetime, actor: str) -> Event:
    state = "met" if clock.settled_at and clock.state == "met" else clock.state
    data = {
        "kind": clock.kind,
        "state": state,
        "runs": clock.runs_since is not None,
        "at": at.isoformat(),
        "due_at": due_at.isoformat() if due_at else None,
    }
    return Event(type=EventType.CLOCK_CHANGED, ticket_id=clock.ticket_id, subject_id=clock.id, actor=actor, data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A clock as people read it."""

    id: UUID
    kind: str
    state: str
    target_s: int
    consumed_s: int
    started_at: datetime
    paused_at: datetime | None
    due_at: datetime | None
    settled_at: datetime | None
    warned: int
    policy_version: int


async def shown(tx: Tx, ticket_id: UUID, *, now: datetime) -> list[Shown]:
    """All clocks of a ticket, oldest first, as they stand now."""
    return [
        Shown(
            id=one.clock.id,
            kind=one.clock.kind,
            state=one.clock.state,
            target_s=int(one.clock.target.total_seconds()),
            consumed_s=int(one.clock.used(now, _hours(one.hours)).total_seconds()),
            started_at=one.clock.started_at,
            paused_at=one.clock.paused_at,
            due_at=one.due_at,
            settled_at=one.clock.settled_at,
            warned=one.clock.warned,
            policy_version=one.policy_version,
        )
        for one in await store.of_tickets(tx, [ticket_id], all_of_them=True)
    ]


# --- warnings -------------------------------------------------------------------------------------


async def warn(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
    """Clocks that used up half, four fifths or all of their time: the agent hears, then the senior, then the
    supervisor. After a long stop only the last of the warnings that were missed is told."""
    found = await store.by_ids(tx, [timer.subject_id for timer in due])
    free = await store.lock_free(tx, sorted({one.clock.ticket_id for one in found}))
    busy = {one.clock.id for one in found if one.clock.ticket_id not in free}
    changed, facts = list[Stored](), list[Event]()
    fresh = await store.by_ids(tx, [one.clock.id for one in found if one.clock.id not in busy])  # as they are, locked
    people = await store.leaders(tx, sorted({watched.queue_id for watched in free.values()})) if fresh else {}
    for stored in fresh:
        hours = _hours(stored.hours)
        percent = stored.clock.reached(now, hours) if stored.clock.runs_since else 0
        if percent <= stored.clock.warned:
            continue
        state = "breached" if percent >= 100 else stored.clock.state
        clock = replace(stored.clock, warned=percent, state=state)
        changed.append(replace(stored, clock=clock))
        facts += _warned(clock, percent, free[clock.ticket_id], people)
    await store.write(tx, changed)
    breached = {one.clock.ticket_id for one in changed if one.clock.state == "breached"}
    warned = {one.clock.ticket_id for one in changed} - breached
    if changed:
        await store.draw_attention(tx, sorted(warned), sorted(breached), now)
    await events.record(tx, facts)
    now_is = {one.clock.id: one for one in [*fresh, *changed]}
    again = [timer for one in now_is.values() if (timer := _timer(one.clock, _hours(one.hours)))]
    await timers.set_timers(tx, again)
    return busy | {timer.subject_id for timer in again}


def _warned(
    clock: Clock, percent: int, on: store.Watched, people: Mapping[UUID, Mapping[str, list[UUID]]]
) -> list[Event]:
    """Who is told: the next one up the ladder when a rung is empty."""
    rungs = {"agent": [on.assignee_id] if on.assignee_id else [], **people[on.queue_id]}
    wanted = LADDER[percent]
    above = _CLIMB[_CLIMB.index(wanted) :]
    level = next((rung for rung in above if rungs[rung]), wanted)
    data: dict[str, Any] = {
        "kind": clock.kind,
        "percent": percent,
        "level": level,
        "told": [ids.encode("agent", agent) for agent in rungs[level]],
    }
    reason = "sla_breached" if percent >= 100 else "sla_warning"
    return [
        Event(type=EventType.CLOCK_WARNED, ticket_id=clock.ticket_id, subject_id=clock.id, data=data),
        Event(type=EventType.TICKET_ATTENTION, ticket_id=clock.ticket_id, data={"reason": reason, **data}),
    ]


def _hours(stored: Mapping[str, Any]) -> Calendar:
    return _calendar(json.dumps(stored, sort_keys=True))


@lru_cache(maxsize=128)
def _calendar(text: str) -> Calendar:
    """Opening hours; those that cannot be read count as always open, which only makes answers come sooner."""
    try:
        return business_time.from_dict(json.loads(text))
    except ValueError:
        log.error("calendar.unreadable")
        return business_time.always_open()
