"""Tickets: list, read, change what they are about, move them along, give them to somebody."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    Body,
    CalendarId,
    Clean,
    ClockId,
    ContactId,
    Db,
    DecisionId,
    HandoffId,
    Home,
    IdentityId,
    IfMatch,
    IfNoneMatch,
    InboxId,
    MessageId,
    Now,
    Pages,
    PromiseId,
    QueueId,
    ReadsTickets,
    RequestId,
    Shown,
    TicketId,
    Utc,
    WritesTickets,
    given,
)
from omnidesk.api.errors import Malformed
from omnidesk.api.paging import CursorText, Limit, Page, capped
from omnidesk.api.route import router
from omnidesk.db import handoffs
from omnidesk.db import tickets as rows
from omnidesk.db.session import Database
from omnidesk.db.tickets import Decision, Filter, LastMessage, Promise, Requester, Row
from omnidesk.desk import assign, clocks, escalate, pull, tickets, why
from omnidesk.desk import transfer as transfers
from omnidesk.domain import ids, numbers
from omnidesk.domain.errors import FieldError as Wrong
from omnidesk.domain.errors import Invalid, NotFound
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean
from omnidesk.domain.tickets import CUSTOMER_LABELS, Status, Urgency

routes = router("tickets")

LISTED = 50  # values of one filter


class ContactOut(Shown):
    id: ContactId
    identity_id: IdentityId
    kind: str = Field(examples=["email"])
    address: str = Field(examples=["ivan@customer.example"])
    name: str
    verified: bool
    unreachable_reason: str | None
    language: str | None
    zone: str | None


class LastMessageOut(Shown):
    id: MessageId
    direction: str
    author: str
    automatic: bool = Field(description="Written by the desk itself, or by a robot")
    text: str = Field(description="Its beginning")
    at: datetime


class ClockOut(Shown):
    id: ClockId
    kind: str = Field(description="first_reply, next_reply or resolution")
    state: str = Field(description="running, paused, met or breached; a breached one may still go on")
    target_s: int = Field(description="Open time of the calendar that was agreed")
    consumed_s: int = Field(description="Open time used so far")
    started_at: datetime
    paused_at: datetime | None
    due_at: datetime | None = Field(description="null: it stands")
    settled_at: datetime | None
    warned: int = Field(description="Per cent of the last warning")
    policy_version: int = Field(description="Whose target it is")


class LinkOut(Shown):
    kind: str = Field(description="follows, repeat_of or duplicate_of")
    ticket_id: TicketId


class TicketOut(Shown):
    id: TicketId
    number: str = Field(examples=["483920174"])
    number_shown: str = Field(description="In groups, as people write it", examples=["483-920-174"])
    status: Status
    customer_status: str | None = Field(description="What the customer sees, in his language", examples=["В работе"])
    subject: str
    category: str | None
    urgency: Urgency
    language: str
    channel: str = Field(description="Where it began")
    inbox_id: InboxId | None
    requester_id: IdentityId
    queue_id: QueueId
    assignee_id: AgentId | None
    assigned_at: datetime | None
    waiting_since: datetime | None = Field(description="The customer waits for us since; null: we owe no answer")
    required: list[str] = Field(description="Skills that it needs beside those of its queue", examples=[["law"]])
    preferred: list[str] = Field(description="Skills that are asked for while a step of its queue keeps them")
    facts: dict[str, Any]
    attention: str | None = Field(description="Why an agent should look now")
    level: int = Field(description="1: escalated to a senior, 2: to a supervisor")
    transfers: int = Field(description="How often it was handed on; after two it goes to the lead")
    chaser_count: int = Field(description="How often the customer wrote again before he was answered")
    merged_into: TicketId | None
    first_reply_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    contact: ContactOut | None = Field(None, description="With `include=contact`")
    last_message: LastMessageOut | None = Field(None, description="With `include=last_message`")
    links: list[LinkOut] | None = Field(None, description="Tickets that it follows or repeats; in lists null")
    clocks: list[ClockOut] | None = Field(None, description="What was agreed, and what is left; in lists null")


def shown(row: Row) -> TicketOut:
    labels = CUSTOMER_LABELS["ru" if row.language == "ru" else "en"]
    return TicketOut.model_validate(
        {
            **{name: getattr(row, name) for name in Row.__dataclass_fields__},
            "number_shown": numbers.grouped(row.number),
            "customer_status": labels.get(Status(row.status)),
        }
    )


def contact(person: Requester) -> ContactOut:
    return ContactOut.model_validate({**_fields(person), "id": person.contact_id})


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


async def seen(db: Database, ticket_id: UUID, actor: Actor) -> Row:
    """The ticket, if the actor may see it; what one may not see does not exist."""
    async with db.connection() as tx:
        row = await rows.read(tx, ticket_id, actor)
    if row is None:
        raise NotFound("There is no such ticket.")
    return row


async def changed(db: Database, ticket_id: UUID, response: Response) -> TicketOut:
    """The ticket after a change, also when that took it out of the actor's sight."""
    async with db.connection() as tx:
        row = await rows.read_any(tx, ticket_id)
        measured = await clocks.shown(tx, ticket_id, now=row.updated_at)
        linked = await rows.links(tx, ticket_id)
    response.headers["ETag"] = etags.of(row.version)
    return _whole(shown(row), measured, linked)


def _whole(ticket: TicketOut, measured: Sequence[clocks.Shown], linked: Sequence[rows.Link]) -> TicketOut:
    """What only the reader of one ticket is shown."""
    ticket.clocks = [ClockOut.model_validate(clock) for clock in measured]
    ticket.links = [LinkOut.model_validate(link) for link in linked]
    return ticket


# --- lists ----------------------------------------------------------------------------------------

Several = Annotated[str | None, Query(max_length=2000, description="One or more, with commas")]
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at"]


def _several(text: str | None, name: str, allowed: Sequence[str] | None = None) -> list[str]:
    if not text:
        return []
    values = list(dict.fromkeys(clean(value).strip() for value in text.split(",")))
    wrong = [value for value in values if not value or (allowed is not None and value not in allowed)]
    if wrong or len(values) > LISTED:
        raise _malformed(name)
    return values


def _malformed(name: str) -> Malformed:
    return Malformed(
        f"The parameter {name} has a wrong value.",
        errors=[Wrong(pointer=name, code="not_one_of", message="Not one of the allowed values.")],
    )


def _ids(text: str | None, name: str, noun: str) -> list[UUID]:
    try:
        return [ids.decode(noun, value) for value in _several(text, name)]
    except ValueError:
        raise _malformed(name) from None


def _assignees(text: str | None, actor: Actor) -> tuple[list[UUID], bool]:
    """(agents, also nobody's): `me`, `none` and agent ids, with commas."""
    values = _several(text, "assignee")
    found = _ids(",".join(value for value in values if value not in {"me", "none"}), "assignee", "agent")
    if "me" in values:
        if actor.agent_id is None:
            raise Malformed("This key is nobody's: it has no tickets of its own.")
        found.append(actor.agent_id)
    return found, "none" in values


def _number(text: str | None) -> str | None:
    if text is None:
        return None
    digits = numbers.normalise(text)
    if digits is None:
        raise _malformed("number")
    return digits


@routes.get("/tickets", summary="List tickets")
async def list_tickets(
    actor: ReadsTickets,
    db: Db,
    pages: Pages,
    status: Annotated[Several, Query(examples=["open,pending"])] = None,
    queue: Several = None,
    assignee: Annotated[Several, Query(description="`me`, `none`, or agent ids, with commas")] = None,
    urgency: Several = None,
    channel: Several = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    number: Annotated[str | None, Query(max_length=400, description="Whole, its beginning, or as it is spoken")] = None,
    contact_id: Annotated[ContactId | None, Query(alias="contact", description="Of this person")] = None,
    requester: Annotated[str | None, Query(max_length=500, description="An address of the requester")] = None,
    attention: Annotated[bool | None, Query(description="Those that an agent should look at now, or not")] = None,
    created_after: Utc | None = None,
    created_before: Utc | None = None,
    updated_after: Utc | None = None,
    sort: Sort = "-updated_at",
    include: Several = None,
    count: Annotated[Literal["estimate"] | None, Query(description='How many there are, at most "1000+"')] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[TicketOut]:
    """What you may see: by the queue that a ticket is in now. Spam only when `status` asks for it.

    `include=contact,last_message` adds these to each ticket.
    """
    agents, nobody = _assignees(assignee, actor)
    wanted = Filter(
        statuses=_several(status, "status", list(Status)),
        queue_ids=_ids(queue, "queue", "queue"),
        assignee_ids=agents,
        unassigned=nobody,
        urgencies=_several(urgency, "urgency", list(Urgency)),
        channels=_several(channel, "channel"),
        category=clean(category) if category is not None else None,
        number=_number(number),
        contact_id=contact_id,
        requester=clean(requester).strip().lower() if requester else None,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        attention=attention,
    )
    included = _several(include, "include", ["contact", "last_message"])
    after = pages.after(cursor)
    column, descending = sort.lstrip("-"), sort.startswith("-")
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            wanted,
            actor,
            sort=column,
            descending=descending,
            after=(datetime.fromisoformat(after[0]), UUID(after[1])) if after else None,
            limit=limit + 1,
        )
        many = capped(await rows.count(tx, wanted, actor)) if count else None
        people = await rows.requesters(tx, [row.requester_id for row in found]) if "contact" in included else {}
        last = await rows.last_messages(tx, [row.id for row in found[:limit]]) if "last_message" in included else {}
    return pages.page(
        found,
        limit,
        lambda row: _with(row, people, last),
        lambda row: [getattr(row, column).isoformat(), row.id],
        count=many,
    )


def _with(row: Row, people: Mapping[UUID, Requester], last: Mapping[UUID, LastMessage]) -> TicketOut:
    ticket = shown(row)
    if row.requester_id in people:
        ticket.contact = contact(people[row.requester_id])
    if row.id in last:
        ticket.last_message = LastMessageOut.model_validate(last[row.id])
    return ticket


@routes.get("/tickets/{ticket_id}", summary="Read a ticket", response_model=TicketOut)
async def read_ticket(
    ticket_id: TicketId,
    request: Request,
    response: Response,
    actor: ReadsTickets,
    db: Db,
    _: IfNoneMatch,
    now: Now,
    include: Several = None,
) -> Any:
    """`include=contact,last_message` adds these; the ETag then covers them, too."""
    included = _several(include, "include", ["contact", "last_message"])
    row = await seen(db, ticket_id, actor)
    if not included and etags.unchanged(request, etags.of(row.version)):
        return etags.answer(request, response, row.version)
    async with db.connection() as tx:
        measured = await clocks.shown(tx, ticket_id, now=now)
        linked = await rows.links(tx, ticket_id)
        people = await rows.requesters(tx, [row.requester_id]) if "contact" in included else {}
        last = await rows.last_messages(tx, [row.id]) if "last_message" in included else {}
    ticket = _with(row, people, last)
    _whole(ticket, measured, linked)
    if not included:
        response.headers["ETag"] = etags.of(row.version)
        return ticket
    response.headers["ETag"] = etag = etags.of(row.version, ticket.model_dump_json().encode())
    if etags.unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return ticket


# --- changes --------------------------------------------------------------------------------------


Skills = Annotated[
    list[Annotated[Clean, Field(min_length=1, max_length=100)]],
    Field(max_length=50, examples=[["law", "lang:kk", "cards>=3"]]),
]


class TicketPatch(Body):
    subject: Annotated[Clean | None, Field(max_length=500)] = None
    category: Annotated[Clean | None, Field(min_length=1, max_length=200, description="null: none")] = None
    urgency: Urgency | None = None
    language: Annotated[str | None, Field(pattern=r"^[a-z]{2,3}$", examples=["ru"])] = None
    queue_id: QueueId | None = None
    required: Annotated[Skills | None, Field(description="Replaces the list; whoever takes it has all of them")] = None
    preferred: Annotated[Skills | None, Field(description="Replaces the list; asked for while a step keeps them")] = (
        None
    )
    reason: Annotated[Clean | None, Field(max_length=500, description="Why; kept in the history")] = None


@routes.patch("/tickets/{ticket_id}", summary="Change what a ticket is about")
async def patch_ticket(
    ticket_id: TicketId,
    body: TicketPatch,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """A merge patch. In another queue, an agent who is no member of it gives the ticket back; its age stays."""
    values = given(body, "category", "reason")
    reason = values.pop("reason", None) or ""
    await tickets.patch(db, ticket_id, actor, values, version=version, reason=reason, request_id=request_id, now=now)
    return await changed(db, ticket_id, response)


class TransitionIn(Body):
    to: Annotated[Literal["open", "pending", "resolved"], Field(description="Closing comes some days after resolving")]
    reason: Annotated[Clean, Field(max_length=500, description="Why; kept in the history")] = ""


@routes.post("/tickets/{ticket_id}/transitions", summary="Move a ticket to a status")
async def transition(
    ticket_id: TicketId,
    body: TransitionIn,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """Refused with `transition_not_allowed` where it cannot follow. `pending` waits for the customer."""
    await tickets.transition(
        db, ticket_id, actor, Status(body.to), version=version, reason=body.reason, request_id=request_id, now=now
    )
    return await changed(db, ticket_id, response)


@routes.post("/tickets/{ticket_id}/spam", summary="Mark a ticket as spam")
async def mark_spam(
    ticket_id: TicketId,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """Hides it and stops its clocks; DELETE brings both back."""
    await tickets.mark_spam(db, ticket_id, actor, version=version, request_id=request_id, now=now)
    return await changed(db, ticket_id, response)


@routes.delete("/tickets/{ticket_id}/spam", summary="Not spam after all")
async def unmark_spam(
    ticket_id: TicketId,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """Brings back the status and the clocks that it had before."""
    await tickets.unmark_spam(db, ticket_id, actor, version=version, request_id=request_id, now=now)
    return await changed(db, ticket_id, response)


class AssignmentIn(Body):
    agent_id: Annotated[AgentId | Literal["me"] | None, Field(description="`me`, an agent, or null: back to the queue")]
    reassign: Annotated[bool, Field(description="Take it over when somebody else has it")] = False


@routes.post("/tickets/{ticket_id}/assignments", summary="Give a ticket to somebody, or back")
async def assign_ticket(
    ticket_id: TicketId,
    body: AssignmentIn,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    now: Now,
) -> TicketOut:
    """By hand means on purpose: capacity and presence are not asked. Back in the queue it keeps its age."""
    await seen(db, ticket_id, actor)
    if body.agent_id is None:
        await assign.unassign(db, ticket_id, actor, if_version=version, now=now)
    else:
        agent_id = _me(actor) if body.agent_id == "me" else body.agent_id
        assert isinstance(agent_id, UUID)
        await assign.assign(db, ticket_id, agent_id, actor, if_version=version, reassign=body.reassign, now=now)
    return await changed(db, ticket_id, response)


def _me(actor: Actor) -> UUID:
    if actor.agent_id is None:
        raise Invalid("This key is nobody's.", [Wrong(pointer="/agent_id", code="unknown", message="No agent.")])
    return actor.agent_id


class EscalationIn(Body):
    reason: Annotated[Clean, Field(min_length=1, max_length=500, description="Why; kept in the history")]


@routes.post("/tickets/{ticket_id}/escalations", summary="Give a ticket to somebody more senior")
async def escalate_ticket(
    ticket_id: TicketId,
    body: EscalationIn,
    response: Response,
    actor: WritesTickets,
    db: Db,
    parts: Home,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """To the senior of its queue, then to the supervisor; the customer is told by when he answers.

    Refused with `nobody_above` where nobody is left.
    """
    await escalate.escalate(db, parts.channels, ticket_id, actor, body.reason, request_id=request_id, now=now)
    return await changed(db, ticket_id, response)


CardText = Annotated[Clean, Field(max_length=10_000)]


class TransferIn(Body):
    agent_id: Annotated[AgentId | None, Field(description="To this colleague")] = None
    queue_id: Annotated[QueueId | None, Field(description="To whoever this queue gives it to")] = None
    details: Annotated[CardText, Field(description="What it is about")] = ""
    steps_tried: Annotated[CardText, Field(description="What was done already")] = ""
    expected_result: Annotated[CardText, Field(description="What the next one should achieve")] = ""


class HandoffOut(Shown):
    id: HandoffId
    from_agent_id: AgentId | None
    from_queue_id: QueueId
    to_agent_id: AgentId | None = Field(description="null: whoever the queue gave it to")
    to_queue_id: QueueId
    details: str
    steps_tried: str
    expected_result: str
    actor: str
    created_at: datetime


class Handoffs(BaseModel):
    data: list[HandoffOut]


@routes.post("/tickets/{ticket_id}/transfers", summary="Hand a ticket on")
async def transfer_ticket(
    ticket_id: TicketId,
    body: TransferIn,
    response: Response,
    actor: WritesTickets,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> TicketOut:
    """It keeps its age and the date that the customer was told; after two transfers it goes to the lead.

    Refused with `handoff_required` where the queue asks for a whole card.
    """
    if body.agent_id is None and body.queue_id is None:
        words = "Name an agent or a queue."
        raise Invalid(words, [Wrong(pointer="/agent_id", code="required", message=words)])
    card = transfers.Card(details=body.details, steps_tried=body.steps_tried, expected_result=body.expected_result)
    await transfers.transfer(
        db,
        ticket_id,
        actor,
        card,
        agent_id=body.agent_id,
        queue_id=body.queue_id,
        version=version,
        request_id=request_id,
        now=now,
    )
    return await changed(db, ticket_id, response)


@routes.get("/tickets/{ticket_id}/transfers", summary="Who handed a ticket on, and the cards")
async def list_transfers(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Handoffs:
    """Newest first, at most 200."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        return Handoffs(data=[HandoffOut.model_validate(one) for one in await handoffs.of_ticket(tx, ticket_id)])


@routes.post("/agents/me/next", summary="The next one, please", response_model=TicketOut)
async def next_ticket(response: Response, actor: WritesTickets, db: Db, now: Now) -> Any:
    """The most urgent waiting ticket that you are able to do is yours; 204: none waits for you."""
    ticket_id = await pull.next_ticket(db, _me(actor), actor, now=now)
    if ticket_id is None:
        return Response(status_code=204)
    return await changed(db, ticket_id, response)


class OfferAnswer(Body):
    outcome: Literal["accepted", "declined"]


@routes.post("/tickets/{ticket_id}/offer", summary="Take or leave a ticket that was offered to you")
async def answer_offer(
    ticket_id: TicketId, body: OfferAnswer, response: Response, actor: WritesTickets, db: Db, now: Now
) -> TicketOut:
    """An offer ends by itself after some seconds; then it is a conflict (`offer_over`)."""
    agent_id = _me(actor)
    if body.outcome == "accepted":
        await assign.accept_offer(db, ticket_id, agent_id, actor, now=now)
    else:
        await assign.decline_offer(db, ticket_id, agent_id, actor, now=now)
    return await changed(db, ticket_id, response)


# --- why ------------------------------------------------------------------------------------------


class Sentence(Shown):
    ru: str
    en: str


class DecisionOut(Shown):
    id: DecisionId
    summary: Sentence = Field(description="In one sentence")
    kind: str = Field(examples=["assigned"])
    reason: str = Field(examples=["best_fit"])
    agent_id: AgentId | None
    policy_version: int
    detail: Any = Field(description="Inputs, winner, best loser, counts per cause")
    created_at: datetime


class PromiseOut(Shown):
    id: PromiseId
    kind: str = Field(examples=["first_reply"])
    due_at: datetime
    state: str = Field(description="open, kept, broken or renegotiated")
    calendar_id: CalendarId | None
    calendar_version: int | None
    arithmetic: Any = Field(description="How the date was counted")
    message_id: MessageId | None = Field(description="The message that told the customer")
    created_at: datetime
    settled_at: datetime | None
    replaced_by: PromiseId | None


class Promises(BaseModel):
    data: list[PromiseOut]


@routes.get("/tickets/{ticket_id}/decisions", summary="Why a ticket is where it is")
async def list_decisions(
    ticket_id: TicketId, actor: ReadsTickets, db: Db, pages: Pages, limit: Limit = 50, cursor: CursorText = None
) -> Page[DecisionOut]:
    """Newest first."""
    await seen(db, ticket_id, actor)
    after = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.decisions(tx, ticket_id, before=UUID(after[0]) if after else None, limit=limit + 1)
        said = await why.sentences(tx, found)
    pairs = list(zip(found, said, strict=True))
    return pages.page(pairs, limit, lambda pair: _decision(*pair), lambda pair: [pair[0].id])


def _decision(decision: Decision, summary: Mapping[str, str]) -> DecisionOut:
    return DecisionOut.model_validate({**_fields(decision), "summary": summary})


class ChangeOut(Shown):
    kind: str = Field(description="status, channel, queue, skill, capacity, free, allow, outrank …")
    agent_id: AgentId | None
    ticket_id: TicketId | None
    value: Any
    text: Sentence


class Changes(BaseModel):
    data: list[ChangeOut]


@routes.get("/tickets/{ticket_id}/decisions/{decision_id}/what-would", summary="What would have sent it to somebody")
async def what_would(
    ticket_id: TicketId,
    decision_id: DecisionId,
    agent: Annotated[AgentId, Query(description="To whom")],
    actor: ReadsTickets,
    db: Db,
    now: Now,
) -> Changes:
    """On the desk as it is now: all of these changes are needed, and together they do it; none when it goes to him."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        if not await rows.has_decision(tx, ticket_id, decision_id):
            raise NotFound("There is no such decision.")
    changes = await why.would(db, ticket_id, agent, now=now)
    return Changes(data=[ChangeOut.model_validate(_fields(change)) for change in changes])


def promise(one: Promise) -> PromiseOut:
    return PromiseOut.model_validate(one)


@routes.get("/tickets/{ticket_id}/promises", summary="Dates that the customer was told")
async def list_promises(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Promises:
    """Oldest first, at most 200."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        return Promises(data=[promise(one) for one in await rows.promises(tx, ticket_id)])
