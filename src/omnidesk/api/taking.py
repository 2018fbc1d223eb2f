"""Messages that programs hand in: made into an arrival, and read at once, so that the answer has a number."""

import json
import re
import secrets
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from omnidesk.api import etags, idempotency
from omnidesk.api.decisions import PromiseOut, promise
from omnidesk.api.deps import ArrivalId, Body, Clean, Db, Home, InboxId, Shown, Utc, WritesTickets
from omnidesk.api.route import router
from omnidesk.api.showing import TicketOut, shown
from omnidesk.channels.base import BadPayload
from omnidesk.db import inboxes
from omnidesk.db import tickets as rows
from omnidesk.db.inboxes import Inbox
from omnidesk.domain import ids
from omnidesk.domain.errors import FieldError, Invalid, NotFound, Refused
from omnidesk.domain.messages import Arrival
from omnidesk.domain.people import Actor

routes = router("tickets")

CHANNEL = "api"
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")  # E.164


def _one_line(text: str) -> str:
    return " ".join(text.split())


Short = Annotated[Clean, Field(max_length=500)]


class RequesterIn(Body):
    kind: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,30}$",
            description="`email`, `phone`, or a word for ids of your own system",
            examples=["email"],
        ),
    ]
    address: Annotated[Clean, Field(min_length=1, max_length=320, examples=["ivan@customer.example"])]
    name: Annotated[Clean, Field(max_length=200, examples=["Иван"])] = ""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.kind == "email" and not _EMAIL.fullmatch(self.address.strip()):
            raise PydanticCustomError("value_error", "not an e-mail address")
        if self.kind == "phone" and not _PHONE.fullmatch(self.address.strip()):
            raise PydanticCustomError("value_error", "not a phone number in E.164")
        return self


class MessageIn(Body):
    requester: RequesterIn
    text: Annotated[Clean, Field(min_length=1, max_length=200_000, examples=["Заказ 48213 не пришёл."])]
    subject: Annotated[Short, AfterValidator(_one_line)] = ""
    external_id: Annotated[Clean | None, Field(min_length=1, max_length=200, description="Your id: comes in once")] = (
        None
    )
    thread: Annotated[
        Clean | None, Field(min_length=1, max_length=200, description="Messages of one thread join one ticket")
    ] = None
    sent_at: Annotated[Utc | None, Field(description="When it was written; default now")] = None
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$", examples=["ru"])] = ""
    category: Annotated[
        Clean, AfterValidator(_one_line), Field(max_length=200, description="What it is about, when you know it")
    ] = ""


class TicketIn(MessageIn):
    inbox_id: Annotated[InboxId | None, Field(description="Default: the only inbox of the channel `api`")] = None


class TakenOut(Shown):
    state: Literal["done"] = "done"
    arrival_id: ArrivalId
    number: str
    ticket: TicketOut
    promise: PromiseOut | None = Field(description="The date that the customer is told")


class WaitingOut(Shown):
    state: str = Field(description="new: being read; held, failed, unreadable: waits for a person", examples=["new"])
    arrival_id: ArrivalId
    status_url: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"model": WaitingOut, "description": "Safe, but not read yet, or parked: see `status_url`"}
}


@routes.post("/tickets", status_code=201, summary="Make a ticket", response_model=TakenOut, responses=RESPONSES)
@idempotency.beside
async def create_ticket(body: TicketIn, request: Request, actor: WritesTickets, db: Db, parts: Home) -> Response:
    """A customer's message that you took elsewhere. The same intake as for every channel: it may also join a ticket.

    With `external_id` (or Idempotency-Key) it comes in once, however often it is sent.
    """
    inbox = await _inbox(db, body.inbox_id, actor)
    return await _take(request, inbox, body, actor, db, parts)


@routes.post(
    "/inboxes/{inbox_id}/messages",
    status_code=201,
    summary="Hand in a message",
    response_model=TakenOut,
    responses=RESPONSES,
)
@idempotency.beside
async def create_message(
    inbox_id: InboxId, body: MessageIn, request: Request, actor: WritesTickets, db: Db, parts: Home
) -> Response:
    """Like `POST /v1/tickets`, for a named inbox whose channel takes messages over the API.

    Instead of a key, a request may be signed with the inbox's secret (headers `webhook-id`, `webhook-timestamp`,
    `webhook-signature`, as Standard Webhooks says). It is then stored and answered with 202 at once.
    """
    return await _take(request, await _inbox(db, inbox_id, actor), body, actor, db, parts)


async def _inbox(db: Db, inbox_id: UUID | None, actor: Actor) -> Inbox:
    async with db.connection() as tx:
        found = [one for one in await inboxes.every(tx) if not actor.inbox_ids or one.id in actor.inbox_ids]
    if inbox_id is not None:
        named = [one for one in found if one.id == inbox_id]
        if not named:
            raise NotFound("There is no such inbox.")
        return named[0]
    own = [one for one in found if one.channel == CHANNEL]
    if len(own) != 1:
        raise Invalid(
            "Name the inbox: there is not exactly one of the channel api.",
            [FieldError(pointer="/inbox_id", code="missing", message="This field is required.")],
        )
    return own[0]


async def _take(request: Request, inbox: Inbox, body: MessageIn, actor: Actor, db: Db, parts: Home) -> Response:
    landed = await parts.intake.submit(inbox.id, await _arrival(request, inbox, body, actor, parts))
    if landed.ticket_id is None:
        url = f"/v1/arrivals/{ids.encode('arrival', landed.arrival_id)}"
        waiting = WaitingOut(state=landed.state, arrival_id=landed.arrival_id, status_url=url)
        return _json(waiting, 202, {"Location": url})
    async with db.connection() as tx:
        row = await rows.read_any(tx, landed.ticket_id)
        made = await rows.promises(tx, landed.ticket_id)
    taken = TakenOut(
        arrival_id=landed.arrival_id,
        number=row.number,
        ticket=shown(row),
        promise=promise(made[-1]) if made else None,
    )
    location = f"/v1/tickets/{ids.encode('ticket', row.id)}"
    return _json(taken, 201, {"Location": location, "ETag": etags.of(row.version)})


async def _arrival(request: Request, inbox: Inbox, body: MessageIn, actor: Actor, parts: Home) -> Arrival:
    """`external_id` makes it one arrival for ever, an Idempotency-Key for those who send it again."""
    opened = await parts.channels.get(inbox.id)
    accept_from = getattr(opened.channel, "accept_from", None)
    if accept_from is None:
        raise Refused("This inbox takes no messages over the API.", code="inbox_takes_no_messages")
    external_id = body.external_id or await idempotency.effect_key(request) or secrets.token_hex(16)
    said = {
        "external_id": external_id,
        "thread": body.thread or external_id,
        "sender": body.requester.model_dump(),
        "subject": body.subject,
        "text": body.text,
        "sent_at": body.sent_at.isoformat() if body.sent_at else None,
        "language": body.language,
        "category": body.category,
    }
    try:
        accepted = accept_from(str(actor), json.dumps(said, ensure_ascii=False).encode())
    except BadPayload:
        raise Refused("This inbox does not understand such a message.", code="inbox_takes_no_messages") from None
    arrival: Arrival = accepted.arrivals[0]
    return arrival


def _json(model: BaseModel, status: int, headers: dict[str, str]) -> Response:
    return Response(model.model_dump_json(), status_code=status, media_type="application/json", headers=headers)
