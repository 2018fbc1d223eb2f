"""Escalation: a ticket goes to the senior of its queue, then to the supervisor, and the customer hears by when."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import clocks as ladder
from omnidesk.db import events, promises, tickets
from omnidesk.db import routing as store
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Locked
from omnidesk.db.timers import Timer
from omnidesk.desk import policies, reply, texts
from omnidesk.desk.promises import Promised, told
from omnidesk.desk.sending import Channels
from omnidesk.desk.timers import Handler
from omnidesk.domain import business_time, ids, numbers
from omnidesk.domain.business_time import NeverOpen, add_business_days, deadline
from omnidesk.domain.errors import NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import SYSTEM, Actor
from omnidesk.domain.tickets import ACTIVE
from omnidesk.routing import sla

RUNGS = {1: "senior", 2: "supervisor"}
TIMER = "escalate"


async def escalate(
    db: Database,
    channels: Channels,
    ticket_id: UUID,
    actor: Actor,
    reason: str,
    *,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Raise a ticket by a level and give it to somebody there.

    Raises NotFound, Refused (`ticket_merged`, `ticket_closed` …, `nobody_above`).
    """

    async def work(tx: Tx) -> None:
        locked = await tickets.lock(tx, ticket_id, actor)
        if locked is None:
            raise NotFound("There is no such ticket.")
        facts = await _climb(tx, channels, locked, str(actor), reason, now)
        await events.record(tx, facts, request_id=request_id)

    await db.repeating(work)


def asked(ticket_ids: Iterable[UUID], now: datetime) -> list[Timer]:
    """Customers asked for somebody more senior: done at once, but not within the taking in."""
    return [Timer(kind=TIMER, subject_id=ticket_id, due_at=now) for ticket_id in ticket_ids]


def handlers(channels: Channels) -> Mapping[str, Handler]:
    """The timers that need the ways out."""

    async def on_request(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        """A customer's wish counts once: whose ticket went up already has been heard."""
        wanted = [timer.subject_id for timer in due]
        free = await ladder.lock_free(tx, wanted)
        for ticket_id in free:
            locked = await tickets.lock(tx, ticket_id, SYSTEM)
            if locked is None or locked.row.level:
                continue
            try:
                facts = await _climb(tx, channels, locked, "contact", "customer_asked", now)
            except Refused:  # there is nobody, or nothing left to do: the message stays, and asks for attention
                facts = [Event(type=EventType.TICKET_ATTENTION, ticket_id=ticket_id, data={"reason": "senior_asked"})]
                await tickets.raise_level(tx, ticket_id, 0, now)
            await events.record(tx, facts)
        return set(wanted) - free.keys()

    return {TIMER: on_request}


async def _climb(tx: Tx, channels: Channels, locked: Locked, actor: str, reason: str, now: datetime) -> list[Event]:
    row = locked.row
    if row.merged_into or locked.ticket.status not in ACTIVE:
        code = "ticket_merged" if row.merged_into else f"ticket_{row.status}"
        raise Refused("Nobody works on this ticket any more.", code=code)
    people = (await ladder.leaders(tx, [row.queue_id]))[row.queue_id]
    able = {
        level: [agent for agent in people[rung] if agent != row.assignee_id]
        for level, rung in RUNGS.items()
        if level > row.level
    }
    level = next((level for level, agents in able.items() if agents), None)
    if level is None:
        raise Refused("Nobody stands above whoever has this ticket.", code="nobody_above")
    owner = able[level][0]
    await store.set_assignees(tx, {row.id: owner}, now)
    await tickets.raise_level(tx, row.id, level, now)
    before = ids.encode("agent", row.assignee_id) if row.assignee_id else None
    data = {"agent_id": ids.encode("agent", owner), "previous": before}
    facts = [
        Event(
            type=EventType.TICKET_ESCALATED,
            ticket_id=row.id,
            subject_id=owner,
            actor=actor,
            data={**data, "level": level, "reason": reason},
        ),
        Event(
            type=EventType.TICKET_ASSIGNED,
            ticket_id=row.id,
            subject_id=owner,
            actor=actor,
            data={**data, "reason": "escalated"},
        ),
    ]
    return [*facts, *await _tell(tx, channels, locked, level, now)]


async def _tell(tx: Tx, channels: Channels, locked: Locked, level: int, now: datetime) -> list[Event]:
    """The customer hears who has it now, and by when; where no way leads to him, nothing is promised."""
    row, counted = locked.row, await promises.counting(tx, locked.row.id)
    assert counted is not None
    due = await _due(tx, row.id, counted, now)
    if due is None:
        return []
    text = texts.say(
        row.language,
        "Your request {number} is with a senior specialist now. You will have an answer by {due}.",
        number=numbers.grouped(row.number),
        due=told(row.language, due, counted),
    )
    promised = Promised(kind="senior", due_at=due, arithmetic={"from": now.isoformat(), "level": level})
    try:
        return await reply.announce(tx, channels, row.id, text, promised, now=now)
    except Refused as error:
        return [Event(type=EventType.TICKET_ATTENTION, ticket_id=row.id, data={"reason": error.code})]


async def _due(tx: Tx, ticket_id: UUID, counted: promises.Counting, now: datetime) -> datetime | None:
    """The agreed time of the next reply, else the end of the next working day; None: the calendar never opens."""
    on, policy = (await ladder.grounds(tx, [ticket_id]))[ticket_id], await policies.current(tx)
    of = sla.Class(on.channel, on.category or "", on.urgency, on.tier or "")
    target, hours = sla.terms(policy.sla, of).next_reply_ms, business_time.from_dict(counted.hours)
    try:
        if target is not None:
            return deadline(now, timedelta(milliseconds=target), hours)
        return add_business_days(now, 1, hours).due_at
    except NeverOpen:
        return None
