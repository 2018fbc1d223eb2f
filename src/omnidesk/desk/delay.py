"""«Почему так долго?»: why a ticket takes its time, in plain words, and by when its customer hears from us."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import clocks as ladder
from omnidesk.db import delay as store
from omnidesk.db import events, promises, queues, tickets
from omnidesk.db.promises import Counting
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Locked
from omnidesk.db.timers import Timer
from omnidesk.desk import policies, reply, texts
from omnidesk.desk.promises import Promised, told
from omnidesk.desk.sending import Channels
from omnidesk.desk.timers import Handler
from omnidesk.domain import business_time, numbers
from omnidesk.domain.business_time import NeverOpen, add_business_days, deadline
from omnidesk.domain.errors import Refused
from omnidesk.domain.events import Event
from omnidesk.domain.people import SYSTEM
from omnidesk.domain.tickets import WORKABLE
from omnidesk.routing.values import Policy

TIMER = "explain"
REASONS = {
    "all_full": "It waits in the queue {queue}: everybody there is busy with what came before.",
    "all_offline": "It waits in the queue {queue}: whoever can help is not at work now.",
    "closed_hours": "It waits in the queue {queue}, which is closed now.",
    "no_skill": "It waits in the queue {queue} for a specialist with particular knowledge.",
    "sticky_hold": "It waits in the queue {queue} for the specialist who helped you last.",
    "waits": "It waits in the queue {queue} for a free specialist.",
    "worked_on": "A specialist has it and is working on it.",
    "senior": "A senior specialist has it and is working on it.",
}


def asked(ticket_ids: Iterable[UUID], now: datetime) -> list[Timer]:
    """Customers asked why it takes so long: answered at once, but not within the taking in."""
    return [Timer(kind=TIMER, subject_id=ticket_id, due_at=now) for ticket_id in ticket_ids]


def handlers(channels: Channels) -> Mapping[str, Handler]:
    """The timers that need the ways out."""

    async def explain(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        policy, wanted = await policies.current(tx), [timer.subject_id for timer in due]
        free = await ladder.lock_free(tx, wanted)
        said = await store.explained(tx, sorted(free))
        for ticket_id in sorted(free):
            locked = await tickets.lock(tx, ticket_id, SYSTEM)
            if locked is None or locked.row.merged_into or locked.ticket.status not in WORKABLE:
                continue
            counted = await promises.counting(tx, ticket_id)
            assert counted is not None
            if _was_just_told(policy, said[ticket_id], counted, now):
                continue
            await events.record(tx, await _explain(tx, channels, locked, counted, now))
        return set(wanted) - free.keys()

    return {TIMER: explain}


def _was_just_told(policy: Policy, at: datetime | None, counted: Counting, now: datetime) -> bool:
    """Once in so much open time is enough; the policy may say: never."""
    if policy.explain_ms is None:
        return True
    if at is None:
        return False
    try:
        return deadline(at, timedelta(milliseconds=policy.explain_ms), business_time.from_dict(counted.hours)) > now
    except NeverOpen:
        return True


async def _explain(tx: Tx, channels: Channels, locked: Locked, counted: Counting, now: datetime) -> list[Event]:
    row = locked.row
    queue = (await queues.names_of(tx, [row.queue_id]))[row.queue_id]
    why = texts.say(row.language, REASONS[await _reason(tx, locked)], queue=queue)
    promised = await _promise(tx, row.id, counted, now)
    text = texts.say(
        row.language,
        "You ask why your request {number} takes so long. {why}",
        number=numbers.grouped(row.number),
        why=why,
    )
    if promised is not None:
        due = told(row.language, promised.due_at, counted)
        text = f"{text} {texts.say(row.language, 'You will hear from us by {due}.', due=due)}"
    try:
        said = await reply.announce(tx, channels, row.id, text, promised, now=now)
    except Refused:  # no way leads to him: the chaser has asked an agent to look
        return []
    await store.note(tx, row.id, now)
    return said


async def _reason(tx: Tx, locked: Locked) -> str:
    row = locked.row
    if row.assignee_id is not None:
        return "senior" if row.level else "worked_on"
    made = await tickets.decisions(tx, row.id, before=None, limit=1)
    waits = made[0].reason if made and made[0].kind == "waiting" else ""
    return waits if waits in REASONS else "waits"


async def _promise(tx: Tx, ticket_id: UUID, counted: Counting, now: datetime) -> Promised | None:
    """A date of its own, never later than one that he was told and that still lies ahead."""
    days = max(1, counted.reply_days)
    try:
        counting = add_business_days(now, days, business_time.from_dict(counted.hours))
    except NeverOpen:
        return None
    [silence] = await promises.silences(tx, [ticket_id], now)
    due = min(counting.due_at, silence.promised_for or counting.due_at)
    arithmetic = {"from": now.isoformat(), "business_days": days, "days": counting.steps}
    if due < counting.due_at:
        arithmetic["held"] = due.isoformat()
    return Promised(kind="progress", due_at=due, arithmetic=arithmetic)
