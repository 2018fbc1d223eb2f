"""A new ticket's first rows: its number, why it is in its queue, the acknowledgement and the promise in it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.bulk import as_json
from omnidesk.db.clocks import Stored
from omnidesk.db.deliveries import Post
from omnidesk.db.replies import Person
from omnidesk.db.timers import Timer
from omnidesk.desk import acknowledge, clarify, clocks, notices, posting
from omnidesk.desk.acknowledge import Acknowledgement
from omnidesk.desk.batch import Draft
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.setup import Setup
from omnidesk.desk.ways import Way
from omnidesk.domain import numbers, tokens
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Author
from omnidesk.domain.tickets import Status
from omnidesk.routing import sla

ACKS_AN_HOUR = 3
"""At most so many acknowledgements to one identity: two robots that write to each other soon fall silent."""


@dataclass(slots=True)
class Opened:
    """The rows, table by table."""

    tickets: list[tuple[Any, ...]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    promises: list[tuple[Any, ...]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    clocks: list[Stored] = field(default_factory=list)
    acks: dict[UUID, tuple[int, datetime]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


def open_tickets(drafts: Sequence[Draft], sequences: Sequence[int], setup: Setup, *, now: datetime) -> Opened:
    """The rows of a batch's new tickets, numbered from the sequence's next values."""
    rows = Opened()
    for draft, sequence in zip(drafts, sequences, strict=True):
        number = numbers.make(sequence, setup.number_key)
        counted = _budget(rows, draft, now) if _wants_acknowledgement(draft, setup) else None
        missing = clarify.asks(draft, setup, acknowledged=counted is not None)
        if missing:
            at = draft.read.arrival.received_at
            draft.ticket = draft.ticket.moved_to(Status.PENDING, at=at)
            rows.timers.append(clarify.patience(draft, setup, at))
        rows.tickets.append(_ticket(draft, number, missing))
        rows.decisions.append(
            (new_id(now), draft.id, "queued", draft.because["reason"], setup.policy.version, as_json(draft.because))
        )
        _start_clocks(rows, draft, setup)
        if counted is not None:
            rows.acks[draft.requester.id] = counted
            _acknowledge(rows, draft, number, setup, missing, now)
    return rows


def _ticket(draft: Draft, number: str, asked_for: Sequence[str]) -> tuple[Any, ...]:
    assert draft.read.opened is not None
    inbox, ticket = draft.read.opened.inbox, draft.ticket
    return (
        *(
            draft.id,
            number,
            ticket.status,
            draft.subject,
            draft.category or None,
            draft.extras.urgency,
            draft.language,
            inbox.channel,
            inbox.id,
        ),
        *(draft.requester.id, draft.queue.id, ticket.waiting_since, as_json(draft.facts), asked_for),
        *(draft.last_inbound_at, draft.read.arrival.received_at, draft.last_inbound_at),
    )


def _start_clocks(rows: Opened, draft: Draft, setup: Setup) -> None:
    calendar = setup.calendars[draft.queue.calendar_id]
    at = draft.ticket.waiting_since or draft.read.arrival.received_at
    asked = draft.ticket.status == Status.PENDING
    for clock, timer in clocks.begin(
        draft.id, setup.terms(_class(draft)), setup.policy.version, calendar.id, calendar.hours, at=at
    ):
        rows.clocks.append(clarify.standing(clock, calendar.hours, at) if asked else clock)
        rows.timers += [timer] if timer and not asked else []
    if notice := notices.first(draft.id, setup.policy, calendar.hours, at=at):
        rows.timers.append(notice)


def _class(draft: Draft) -> sla.Class:
    """What the terms of the ticket depend on."""
    assert draft.read.opened is not None
    return sla.Class(
        channel=draft.read.opened.inbox.channel,
        category=draft.category,
        urgency=draft.extras.urgency,
        tier=draft.requester.tier or "",
    )


def _wants_acknowledgement(draft: Draft, setup: Setup) -> bool:
    """Not to robots, not to those who asked for quiet, not to a forged sender, not for what a person released."""
    inbound, opened = draft.inbound, draft.read.opened
    assert opened is not None
    return (
        opened.inbox.acknowledge
        and (opened.answers or opened.answers_at_once)
        and not (inbound.automatic or inbound.quiet or inbound.suspicious or draft.read.arrival.released)
        and draft.requester.unreachable_at is None
        and inbound.private
        and inbound.sender.address not in setup.own_addresses
    )


def _budget(rows: Opened, draft: Draft, now: datetime) -> tuple[int, datetime] | None:
    """His acknowledgements with this one, and since when; None: he has had enough of them."""
    known = rows.acks.get(draft.requester.id, (draft.requester.acks, draft.requester.acks_since))
    return acknowledge.within_budget(*known, now, most=ACKS_AN_HOUR)


def _acknowledge(rows: Opened, draft: Draft, number: str, setup: Setup, missing: Sequence[str], now: datetime) -> None:
    said = acknowledge.compose(
        name=draft.inbound.sender.name,
        language=draft.language,
        number=number,
        received_at=draft.read.arrival.received_at,
        days=_reply_days(draft, setup),
        calendar=setup.calendars[draft.queue.calendar_id],
        moved=(draft.inbound.address, draft.queue.name) if draft.moved else None,
        missing=clarify.named(draft.language, missing),
    )
    assert draft.read.opened is not None
    post = _post(draft, number, said, setup, now) if draft.read.opened.answers else None
    if post is not None:
        rows.posts.append(post)
        rows.events.append(_created(draft.id, post.message_id))
    if said.due is not None:
        _promise(rows, draft, post.message_id if post else None, said, setup, now)


def _created(ticket_id: UUID, message_id: UUID) -> Event:
    return Event(type=EventType.MESSAGE_CREATED, ticket_id=ticket_id, subject_id=message_id, data={"automatic": True})


def _reply_days(draft: Draft, setup: Setup) -> int:
    """The business days that the customer is told: those of the SLA table, else the queue's."""
    return setup.terms(_class(draft)).reply_days or draft.queue.reply_days


def _post(draft: Draft, number: str, said: Acknowledgement, setup: Setup, now: datetime) -> Post:
    assert draft.read.opened is not None
    opened, sender = draft.read.opened, draft.inbound.sender
    way = Way(
        inbox_id=opened.inbox.id,
        manifest=opened.manifest,
        channel=opened.channel,
        address=next(iter(opened.config.addresses()), ""),
    )
    person = Person(
        id=draft.requester.id,
        kind=sender.kind,
        realm=sender.realm,
        address=sender.address,
        name=sender.name,
        reachable=True,
        ours=False,
    )
    return posting.prepare(
        way,
        posting.Draft(
            message_id=new_id(now),
            delivery_id=new_id(now),
            message_ref=tokens.message_id(secrets.token_bytes(15), setup.domain_of(opened)),
            conversation_id=draft.conversation_id,
            author=Author.SYSTEM,
            text=said.text,
            at=now,
            to=(person,),
            subject=draft.subject,
            automatic=True,
            language=draft.language,
            ticket_number=number,
        ),
    )


def _promise(
    rows: Opened, draft: Draft, message_id: UUID | None, said: Acknowledgement, setup: Setup, now: datetime
) -> None:
    assert said.due is not None
    calendar, promise_id = setup.calendars[draft.queue.calendar_id], new_id(now)
    arithmetic = {
        "from": draft.read.arrival.received_at.isoformat(),
        "business_days": _reply_days(draft, setup),
        "days": said.due.steps,
    }
    rows.promises.append(
        (
            *(promise_id, draft.id, "first_reply", said.due.due_at, calendar.id, calendar.version),
            *(as_json(arithmetic), message_id),
        )
    )
    rows.timers.append(Timer(kind="promise", subject_id=promise_id, due_at=said.due.due_at))
    rows.events.append(
        Event(
            type=EventType.PROMISE_MADE,
            ticket_id=draft.id,
            subject_id=promise_id,
            data={"kind": "first_reply", "due_at": said.due.due_at.isoformat()},
        )
    )
