"""Progress notices: who has heard nothing for long is told how his request stands, and by when he hears more."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import clocks, events, promises, timers
from omnidesk.db.promises import Counting, Silence
from omnidesk.db.session import Tx
from omnidesk.db.timers import Timer
from omnidesk.desk import policies, reply, texts
from omnidesk.desk.promises import Promised, told
from omnidesk.desk.sending import Channels
from omnidesk.desk.timers import Handler
from omnidesk.domain import business_time, numbers
from omnidesk.domain.business_time import Calendar, NeverOpen, add_business_days, deadline
from omnidesk.domain.errors import Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.tickets import CUSTOMER_LABELS, WORKABLE, Status
from omnidesk.routing.values import Policy

TIMER = "notice"
A_DAY = timedelta(days=1)


def first(ticket_id: UUID, policy: Policy, hours: Calendar, *, at: datetime) -> Timer | None:
    """When a new ticket's customer may have heard nothing for too long."""
    if policy.notice_ms is None:
        return None
    return Timer(kind=TIMER, subject_id=ticket_id, due_at=_late(at, policy.notice_ms, hours, now=at))


def handlers(channels: Channels) -> Mapping[str, Handler]:
    """The timers that need the ways out."""

    async def notice(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        policy, wanted = await policies.current(tx), [timer.subject_id for timer in due]
        free = await clocks.lock_free(tx, wanted)
        again, facts = list[Timer](), list[Event]()
        for silence in await promises.silences(tx, sorted(free), now):
            if policy.notice_ms is None or silence.merged_into or silence.status in (Status.CLOSED, Status.SPAM):
                continue
            counted = await promises.counting(tx, silence.ticket_id)
            assert counted is not None
            hours = business_time.from_dict(counted.hours)
            next_due = _late(silence.heard_at or now, policy.notice_ms, hours, now=now)
            if next_due <= now and silence.status in WORKABLE:
                facts += await _tell(tx, channels, silence, counted, hours, now)
            if next_due <= now and silence.status == Status.PENDING and not silence.reminded:
                facts += await _remind(tx, channels, silence, counted, now)
            if next_due <= now:
                next_due = _late(now, policy.notice_ms, hours, now=now)
            again.append(Timer(kind=TIMER, subject_id=silence.ticket_id, due_at=next_due))
        await events.record(tx, facts)
        await timers.set_timers(tx, again)
        return (set(wanted) - free.keys()) | {timer.subject_id for timer in again}

    return {TIMER: notice}


def _late(since: datetime, notice_ms: int, hours: Calendar, *, now: datetime) -> datetime:
    """When so much open time has passed; a calendar that never opens is asked again every day."""
    try:
        return deadline(since, timedelta(milliseconds=notice_ms), hours)
    except NeverOpen:
        return now + A_DAY


async def _remind(tx: Tx, channels: Channels, silence: Silence, counted: Counting, now: datetime) -> list[Event]:
    """Once after each question: the ball is with the customer, and he may have forgotten."""
    text = texts.say(
        counted.language,
        "We are waiting for your answer to go on with your request {number}. Please reply to this message.",
        number=numbers.grouped(silence.number),
    )
    await promises.reminded(tx, silence.ticket_id, now)
    try:
        return await reply.announce(tx, channels, silence.ticket_id, text, None, now=now)
    except Refused:  # no way leads to him
        return []


async def _tell(
    tx: Tx, channels: Channels, silence: Silence, counted: Counting, hours: Calendar, now: datetime
) -> list[Event]:
    """The status, and the date that holds or a new one; an agent is asked to look, too."""
    stalled = Event(type=EventType.TICKET_ATTENTION, ticket_id=silence.ticket_id, data={"reason": "stalled"})
    await promises.stalled(tx, silence.ticket_id, now)
    due, promised = silence.promised_for, None
    if due is None:
        try:
            counting = add_business_days(now, max(1, counted.reply_days), hours)
        except NeverOpen:
            return [stalled]
        due = counting.due_at
        arithmetic = {"from": now.isoformat(), "business_days": max(1, counted.reply_days), "days": counting.steps}
        promised = Promised(kind="progress", due_at=due, arithmetic=arithmetic)
    labels = CUSTOMER_LABELS[texts.supported(counted.language)]
    text = texts.say(
        counted.language,
        "We have not forgotten your request {number}. Its status: {status}. You will hear from us by {due}.",
        number=numbers.grouped(silence.number),
        status=labels[Status(silence.status)],
        due=told(counted.language, due, counted),
    )
    try:
        return [*await reply.announce(tx, channels, silence.ticket_id, text, promised, now=now), stalled]
    except Refused:  # no way leads to him: the agent sees it
        return [stalled]
