"""Dates that customers are told: every one is a row, and a new one replaces those before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omnidesk.db import promises as store
from omnidesk.db import timers
from omnidesk.db.session import Tx
from omnidesk.db.timers import Timer
from omnidesk.desk import texts
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.events import Event, EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A date that a message tells, and how it was found."""

    kind: str  # next_action | senior | progress
    due_at: datetime
    arithmetic: Mapping[str, Any] = field(default_factory=dict)


async def make_promise(
    tx: Tx, ticket_id: UUID, promised: Promised, message_id: UUID, *, actor: str, now: datetime
) -> list[Event]:
    """Write the promise of a message; what was open before is renegotiated. The ticket is locked."""
    counted = await store.counting(tx, ticket_id)
    assert counted is not None
    promise_id = new_id(now)
    replaced = await store.make(
        tx,
        promise_id,
        ticket_id,
        kind=promised.kind,
        due_at=promised.due_at,
        counted=counted,
        arithmetic=promised.arithmetic,
        message_id=message_id,
        at=now,
    )
    await timers.cancel(tx, "promise", replaced)
    await timers.set_timers(tx, [Timer(kind="promise", subject_id=promise_id, due_at=promised.due_at)])
    by = ids.encode("promise", promise_id)
    gone = [
        Event(
            type=EventType.PROMISE_RENEGOTIATED,
            ticket_id=ticket_id,
            subject_id=old,
            actor=actor,
            data={"replaced_by": by},
        )
        for old in replaced
    ]
    data = {"kind": promised.kind, "due_at": promised.due_at.isoformat()}
    made = Event(type=EventType.PROMISE_MADE, ticket_id=ticket_id, subject_id=promise_id, actor=actor, data=data)
    return [*gone, made]


def told(language: str, due_at: datetime, counted: store.Counting) -> str:
    """The date as the customer reads it, on the clock of the queue's calendar."""
    return texts.moment(language, due_at, ZoneInfo(str(counted.hours["zone"])))
