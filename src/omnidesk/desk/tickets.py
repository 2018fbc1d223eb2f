"""Changes of a ticket that people ask for: its status, spam and back, what it is about and where it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import corrections, events, queues, tickets, timers
from omnidesk.db.corrections import Correction
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Locked
from omnidesk.db.timers import Timer
from omnidesk.desk import clocks
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.timers import close_later
from omnidesk.domain import ids
from omnidesk.domain.clocks import Step
from omnidesk.domain.errors import FieldError, Invalid, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import CLOSES_AFTER, Status, Ticket

PATCHABLE = ("subject", "category", "urgency", "language", "queue_id", "required", "preferred")
CORRECTED = {"category": "category", "urgency": "urgency", "queue_id": "queue"}


async def transition(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    to: Status,
    *,
    version: int | None = None,
    reason: str = "",
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Move a ticket to a status. Raises NotFound, Stale, Refused (`transition_not_allowed`, `ticket_merged`).

    `closed` is reached by a timer some days after `resolved`, `spam` by `mark_spam`.
    """
    if to in {Status.SPAM, Status.CLOSED, Status.NEW}:
        raise Refused(f"Nobody sets {to} by hand.", code="transition_not_allowed", details={"to": str(to)})

    async def work(tx: Tx) -> None:
        locked = await _locked(tx, ticket_id, actor, version)
        if locked.ticket.status == Status.SPAM:
            raise Refused("This ticket is marked as spam.", code="ticket_spam")
        await _step(tx, locked, locked.ticket.moved_to(to, at=now), actor, reason, request_id, now)

    await db.repeating(work)


async def mark_spam(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Hide a ticket and stop its clocks; `unmark_spam` brings both back. Raises NotFound, Stale, Refused."""

    async def work(tx: Tx) -> None:
        locked = await _locked(tx, ticket_id, actor, version)
        await _step(tx, locked, locked.ticket.moved_to(Status.SPAM, at=now), actor, "spam", request_id, now)

    await db.repeating(work)


async def unmark_spam(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Back to where it was, with the clocks as they were. Raises NotFound, Stale, Refused (`not_spam`)."""

    async def work(tx: Tx) -> None:
        locked = await _locked(tx, ticket_id, actor, version)
        await _step(tx, locked, locked.ticket.not_spam(), actor, "not_spam", request_id, now)

    await db.repeating(work)


async def _locked(tx: Tx, ticket_id: UUID, actor: Actor, version: int | None) -> Locked:
    locked = await tickets.lock(tx, ticket_id, actor)
    if locked is None:
        raise NotFound("There is no such ticket.")
    if version is not None and version != locked.row.version:
        raise Stale("The ticket has changed since.", details={"version": locked.row.version})
    if locked.row.merged_into:
        into = ids.encode("ticket", locked.row.merged_into)
        raise Refused("This ticket was merged into another one.", code="ticket_merged", details={"into": into})
    return locked


async def _step(
    tx: Tx, locked: Locked, after: Ticket, actor: Actor, reason: str, request_id: str | None, now: datetime
) -> None:
    """Write a step with its event and its timers; a step that leads nowhere changes nothing."""
    before = locked.ticket
    if after == before:
        return
    await tickets.save(tx, after, now=now)
    await _set_timers(tx, before, after, now)
    moved = await clocks.step(tx, [Step(before, after, now)], actor=str(actor))
    data = {"from": str(before.status), "to": str(after.status)}
    if reason:
        data["reason"] = reason
    fact = Event(type=EventType.TICKET_STATUS, ticket_id=before.id, actor=str(actor), data=data)
    await events.record(tx, [fact, *moved], request_id=request_id)


async def _set_timers(tx: Tx, before: Ticket, after: Ticket, now: datetime) -> None:
    """A resolved ticket closes after some days. Timers of a hidden one are dropped when due, so undo sets them anew."""
    if after.status == Status.RESOLVED and after.resolved_at:
        await close_later(tx, {after.id: max(after.resolved_at + CLOSES_AFTER, now)})
    elif before.status == Status.RESOLVED:
        await timers.cancel(tx, "close", [after.id])
    if before.status == Status.SPAM:
        kept = [one for one in await tickets.promises(tx, after.id) if one.state == "open"]
        again = [Timer(kind="promise", subject_id=one.id, due_at=one.due_at) for one in kept]
        await timers.set_timers(tx, [*again, Timer(kind="notice", subject_id=after.id, due_at=now)])


# --- what it is about -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    subject: str
    category: str | None
    urgency: str
    language: str
    queue_id: UUID
    required: Sequence[str]
    preferred: Sequence[str]


async def patch(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
    reason: str = "",
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Change subject, category, urgency, language, queue or the skills that it needs, recorded with who and why.

    A ticket that moves to a queue of which its agent is no member goes back to waiting, with its age; a date
    that the customer was told stays. Raises NotFound, Stale, Invalid, Refused (`ticket_closed`, `ticket_merged`).
    """

    async def work(tx: Tx) -> None:
        locked = await _locked(tx, ticket_id, actor, version)
        if locked.ticket.status in {Status.CLOSED, Status.SPAM}:
            raise Refused(
                f"A ticket that is {locked.ticket.status} is not changed.", code="ticket_" + locked.ticket.status
            )
        await _patch(tx, locked, changes, actor, reason, request_id, now)

    await db.repeating(work)


async def _patch(
    tx: Tx, locked: Locked, changes: Mapping[str, Any], actor: Actor, reason: str, request_id: str | None, now: datetime
) -> None:
    row = locked.row
    old = {name: getattr(row, name) for name in PATCHABLE}
    skills = {name: sorted(set(changes[name])) for name in ("required", "preferred") if name in changes}
    new = _Wanted(**{**old, **changes, **skills})
    changed = {name: [old[name], getattr(new, name)] for name in PATCHABLE if old[name] != getattr(new, name)}
    if not changed:
        return
    moved = "queue_id" in changed
    if moved and await queues.unknown(tx, [new.queue_id]):
        raise Invalid(
            "There is no such queue.",
            [FieldError(pointer="/queue_id", code="unknown", message="There is no such queue.")],
        )
    leaves = bool(moved and row.assignee_id and not await tickets.is_member(tx, new.queue_id, row.assignee_id))
    await tickets.describe(
        tx,
        row.id,
        subject=new.subject,
        category=new.category,
        urgency=new.urgency,
        language=new.language,
        queue_id=new.queue_id,
        required=new.required,
        preferred=new.preferred,
        queued_at=now if moved else None,
        unassign=leaves,
        now=now,
    )
    other_terms = {"category", "urgency"} & changed.keys()
    moved_clocks = await clocks.retarget(tx, row.id, now=now, actor=str(actor)) if other_terms else []
    await corrections.add(tx, await _corrected(tx, row.id, changed, actor, reason, now))
    told = _told(row.id, changed, row.assignee_id if leaves else None, actor, reason)
    await events.record(tx, [*told, *moved_clocks], request_id=request_id)


async def _corrected(
    tx: Tx, ticket_id: UUID, changed: Mapping[str, list[Any]], actor: Actor, reason: str, now: datetime
) -> list[Correction]:
    """What was decided at intake and is otherwise now: kept for people, and for whatever learns from them."""
    names = await queues.names_of(tx, changed["queue_id"]) if "queue_id" in changed else {}
    found = []
    for column, field in CORRECTED.items():
        if column in changed:
            old, new = (names.get(value, "") if field == "queue" else value or "" for value in changed[column])
            found.append(
                Correction(
                    id=new_id(now),
                    ticket_id=ticket_id,
                    field=field,
                    old=old,
                    new=new,
                    actor=str(actor),
                    reason=reason,
                    created_at=now,
                )
            )
    return found


def _told(
    ticket_id: UUID, changed: Mapping[str, list[Any]], left: UUID | None, actor: Actor, reason: str
) -> Sequence[Event]:
    """What changed; of a subject only that it did, its words may be the customer's."""
    shown = {
        name: [] if name == "subject" else [_named(name, value) for value in pair] for name, pair in changed.items()
    }
    data: dict[str, Any] = {"changed": shown}
    if reason:
        data["reason"] = reason
    found = [Event(type=EventType.TICKET_UPDATED, ticket_id=ticket_id, actor=str(actor), data=data)]
    if left:
        told = {"agent_id": ids.encode("agent", left), "reason": "queue_changed"}
        found.append(
            Event(type=EventType.TICKET_UNASSIGNED, ticket_id=ticket_id, subject_id=left, actor=str(actor), data=told)
        )
    return found


def _named(name: str, value: Any) -> Any:
    return ids.encode("queue", value) if name == "queue_id" and value else value
