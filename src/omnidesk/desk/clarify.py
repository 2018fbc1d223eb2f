"""Clarification: what the category of a ticket needs and its customer did not say is asked for once, before it waits.

An incomplete ticket is `pending` until he answers, or until its category's patience is over; then it goes to its
queue, complete or not. Critical ones, live talks and people whom no message reaches are not made to wait for that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.db import clarify as store
from omnidesk.db import clocks as ladder
from omnidesk.db import events, promises, tickets
from omnidesk.db import intake as statements
from omnidesk.db.bulk import as_json
from omnidesk.db.clocks import Stored
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Locked
from omnidesk.db.timers import Timer
from omnidesk.desk import clocks, policies, reply, texts
from omnidesk.desk.batch import Draft
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.promises import Promised, told
from omnidesk.desk.sending import Channels
from omnidesk.desk.setup import Setup
from omnidesk.desk.timers import Handler
from omnidesk.domain import business_time, numbers
from omnidesk.domain.business_time import Calendar, NeverOpen, add_business_days, deadline
from omnidesk.domain.clarify import Answer
from omnidesk.domain.clocks import Step
from omnidesk.domain.errors import Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import SYSTEM
from omnidesk.domain.tickets import ACTIVE, Status
from omnidesk.routing import sla

TIMER = "clarify"
LABELS = {
    "order": "the number of the order",
    "login": "your login",
    "receipt": "the number of the receipt",
    "occurred_at": "when it happened",
    "amount": "the amount",
    "phone": "your phone number",
    "device": "your device",
    "os": "its operating system",
    "browser": "your browser",
    "app_version": "the version of the app",
}
A_DAY = timedelta(days=1)


def named(language: str | None, facts: Sequence[str]) -> str:
    """Facts as a customer reads them."""
    return ", ".join(texts.say(language, LABELS.get(name, name)) for name in facts)


# --- asking -----------------------------------------------------------------------------------------


def asks(draft: Draft, setup: Setup, *, acknowledged: bool) -> tuple[str, ...]:
    """The facts to ask for; () when the ticket goes straight to its queue. The decision's record says which and why."""
    category, opened = setup.needs.get(draft.category), draft.read.opened
    if category is None or opened is None:
        return ()
    missing = tuple(name for name in category.needs if not draft.facts.get(name))
    way = setup.policy.channels.get(opened.inbox.channel)
    straight = (
        *([] if missing else ["complete"]),
        *(["critical"] if draft.extras.urgency == "critical" else []),
        *(["live"] if way and way.live else []),
        *([] if acknowledged and opened.answers else ["no_way"]),
    )
    draft.because["clarification"] = {
        "needs": list(category.needs),
        "missing": list(missing),
        "asked": not straight,
        "because": straight[0] if straight else "incomplete",
    }
    return () if straight else missing


def patience(draft: Draft, setup: Setup, at: datetime) -> Timer:
    """When the ticket goes on without an answer."""
    hours = setup.calendars[draft.queue.calendar_id].hours
    wait = timedelta(milliseconds=setup.needs[draft.category].patience_ms)
    try:
        due = deadline(at, wait, hours)
    except NeverOpen:
        due = at + A_DAY
    return Timer(kind=TIMER, subject_id=draft.id, due_at=due)


def standing(stored: Stored, hours: Calendar, at: datetime) -> Stored:
    """A clock of a ticket that waits for its customer from the first moment."""
    return replace(stored, clock=stored.clock.stopped(at, hours), due_at=None)


# --- the answer -------------------------------------------------------------------------------------


def answered(answers: Mapping[UUID, Answer], version: int, now: datetime) -> tuple[list[tuple[Any, ...]], list[Timer]]:
    """The decisions' rows of tickets that go to their queues now, and the timers that tell their customers a date."""
    rows = [_decision(ticket, one, version, now) for ticket, one in answers.items()]
    return rows, [Timer(kind=TIMER, subject_id=ticket, due_at=now) for ticket in answers]


def _decision(ticket_id: UUID, one: Answer, version: int, now: datetime, reason: str = "") -> tuple[Any, ...]:
    why = reason or ("incomplete" if one.missing else "complete")
    detail = {"asked": list(one.asked), "given": sorted(one.given), "missing": one.missing}
    return new_id(now), ticket_id, "clarified", why, version, as_json(detail)


# --- going on -----------------------------------------------------------------------------------------


def handlers(channels: Channels) -> Mapping[str, Handler]:
    """The timers that need the ways out."""

    async def go_on(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        wanted = [timer.subject_id for timer in due]
        free = await ladder.lock_free(tx, wanted)
        asked = await store.asked_for(tx, sorted(free))
        for ticket_id in sorted(free):
            locked = await tickets.lock(tx, ticket_id, SYSTEM)
            if locked is None or locked.row.merged_into or locked.ticket.status not in ACTIVE:
                continue
            facts = await _without_answer(tx, locked, asked[ticket_id], now) if asked[ticket_id] else []
            await events.record(tx, [*facts, *await _tell(tx, channels, locked, bool(asked[ticket_id]), now)])
        return set(wanted) - free.keys()

    return {TIMER: go_on}


async def _without_answer(tx: Tx, locked: Locked, asked: tuple[str, ...], now: datetime) -> list[Event]:
    """Patience is over: the ticket goes to its queue as it is, unless an agent has it in his hands."""
    await store.asked_no_more(tx, locked.row.id)
    before = locked.ticket
    if before.status != Status.PENDING or before.first_reply_at is not None:
        return []
    after = before.moved_to(Status.OPEN, at=now)
    await tickets.save(tx, after, now=now)
    moved = await clocks.step(tx, [Step(before, after, now)])
    version = (await policies.current(tx)).version
    await statements.DECISIONS.insert(tx, [_decision(before.id, Answer(asked, {}), version, now, "no_answer")])
    data = {"from": str(before.status), "to": str(after.status), "reason": "no_answer"}
    return [Event(type=EventType.TICKET_STATUS, ticket_id=before.id, data=data), *moved]


async def _tell(tx: Tx, channels: Channels, locked: Locked, silent: bool, now: datetime) -> list[Event]:
    """By when he has an answer; nothing to somebody who was answered, or is asked something else."""
    row, counted = locked.row, await promises.counting(tx, locked.row.id)
    assert counted is not None
    if row.first_reply_at is not None or (row.status == Status.PENDING and not silent):
        return []
    on, policy = (await ladder.grounds(tx, [row.id]))[row.id], await policies.current(tx)
    of = sla.Class(on.channel, on.category or "", on.urgency, on.tier or "")
    days = sla.terms(policy.sla, of).reply_days or max(1, counted.reply_days)
    try:
        due = add_business_days(now, days, business_time.from_dict(counted.hours))
    except NeverOpen:
        return []
    when = told(row.language, due.due_at, counted)
    if silent:
        text = texts.say(
            row.language,
            "We have not heard from you and look into your request {number} with what we know. "
            "We will answer by {due}.",
            number=numbers.grouped(row.number),
            due=when,
        )
    else:
        text = texts.say(row.language, "Thank you, we are on it. We will answer by {due}.", due=when)
    arithmetic = {"from": now.isoformat(), "business_days": days, "days": due.steps}
    promised = Promised(kind="first_reply", due_at=due.due_at, arithmetic=arithmetic)
    try:
        return await reply.announce(tx, channels, row.id, text, promised, now=now)
    except Refused:  # no way leads to him: nothing is promised
        return []
