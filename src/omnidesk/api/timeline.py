"""What was said on a ticket: its timeline and conversations, replies, notes, and their deliveries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    AttachmentId,
    Body,
    Clean,
    ConversationId,
    Db,
    DeliveryId,
    Home,
    IdentityId,
    IfNoneMatch,
    InboxId,
    MessageId,
    Now,
    Pages,
    ReadsTickets,
    RequestId,
    Shown,
    TicketId,
    Utc,
    WritesMessages,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.api.showing import seen
from omnidesk.db import deliveries
from omnidesk.db import timeline as rows
from omnidesk.db.session import Tx
from omnidesk.db.timeline import Happened, Position
from omnidesk.desk import renegotiate
from omnidesk.desk import reply as desk
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound
from omnidesk.domain.events import subject
from omnidesk.domain.tickets import Status

routes = router("messages")


class DeliveryOut(Shown):
    id: DeliveryId
    conversation_id: ConversationId
    state: str = Field(description="queued, sent, delivered, read, deferred, rejected, unknown or bounced")
    error: str | None
    to: list[str]
    cc: list[str]
    sent_at: datetime | None
    created_at: datetime
    updated_at: datetime


class FileOut(Shown):
    id: AttachmentId
    name: str
    content_type: str
    size: int
    cid: str = Field(description="Set when the HTML shows it in place")
    state: str
    error: str | None


class MessageOut(Shown):
    type: Literal["message", "note"] = "message"
    id: MessageId
    conversation_id: ConversationId | None
    direction: str = Field(description="in, out or note")
    kind: str = Field(description="text or call")
    author: str = Field(description="requester, participant, unverified, agent, staff, bot or system")
    author_name: str
    address: str
    identity_id: IdentityId | None
    agent_id: AgentId | None
    subject: str
    text: str = Field(description="Secrets of customers are masked")
    quoted: str = Field(description="History and signature, to be kept folded")
    html: str = Field(description="Sanitised; empty when the message was plain text")
    hints: list[str]
    automatic: bool
    at: datetime = Field(description="As the platform orders it")
    edited_at: datetime | None
    deleted_at: datetime | None
    version: int = Field(description="Rises with each change of the words")
    created_at: datetime
    files: list[FileOut]
    deliveries: list[DeliveryOut]


class HappenedOut(Shown):
    type: Literal["event"] = "event"
    seq: int | None
    event: str = Field(examples=["ticket.assigned"])
    subject_id: str | None
    actor: str
    data: dict[str, Any]
    request_id: str | None
    at: datetime


Entry = Annotated[MessageOut | HappenedOut, Field(discriminator="type")]


def _message(message: rows.Message, files: Sequence[rows.Attachment], sent: Sequence[Mapping[str, Any]]) -> MessageOut:
    fields = {name: getattr(message, name) for name in rows.Message.__dataclass_fields__}
    kind = "note" if message.direction == "note" else "message"
    return MessageOut.model_validate({**fields, "type": kind, "files": list(files), "deliveries": list(sent)})


def _happened(event: Happened) -> HappenedOut:
    return HappenedOut(
        seq=event.seq,
        event=event.type,
        subject_id=subject(event.type, event.subject_id),
        actor=event.actor,
        data=dict(event.data),
        request_id=event.request_id,
        at=event.at,
    )


async def dressed(tx: Tx, entries: Sequence[rows.Message | Happened]) -> list[MessageOut | HappenedOut]:
    """With the files and deliveries of the messages, two statements for the page."""
    message_ids = [entry.id for entry in entries if isinstance(entry, rows.Message)]
    files = await rows.attachments(tx, message_ids)
    sent: dict[UUID, list[Mapping[str, Any]]] = {}
    for delivery in await deliveries.of_messages(tx, message_ids):
        sent.setdefault(delivery["message_id"], []).append(delivery)
    return [
        _message(entry, files.get(entry.id, ()), sent.get(entry.id, ()))
        if isinstance(entry, rows.Message)
        else _happened(entry)
        for entry in entries
    ]


@routes.get("/tickets/{ticket_id}/timeline", summary="Read what happened on a ticket")
async def read_timeline(
    ticket_id: TicketId,
    actor: ReadsTickets,
    db: Db,
    pages: Pages,
    sort: Literal["at", "-at"] = "at",
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[Entry]:
    """Messages with their files and deliveries, notes, and the events between them, in order."""
    await seen(db, ticket_id, actor)
    after = pages.after(cursor)
    place = Position(at=datetime.fromisoformat(after[0]), rank=after[1], id=after[2]) if after else None
    async with db.connection() as tx:
        found = await rows.page(tx, ticket_id, after=place, descending=sort == "-at", limit=limit + 1)
        data = await dressed(tx, found)
    pairs = list(zip(found, data, strict=True))
    return pages.page(pairs, limit, lambda pair: pair[1], lambda pair: _place(pair[0].position))


def _place(position: Position) -> list[Any]:
    return [position.at.isoformat(), position.rank, position.id]


class ParticipantOut(Shown):
    identity_id: IdentityId
    kind: str
    address: str
    name: str
    role: str


class ConversationOut(Shown):
    id: ConversationId
    inbox_id: InboxId
    channel: str
    subject: str
    private: bool = Field(description="False: everybody can read it")
    receives: bool = Field(description="What comes in this thread joins here")
    requester_id: IdentityId
    last_inbound_at: datetime | None
    created_at: datetime
    participants: list[ParticipantOut]


class Conversations(BaseModel):
    data: list[ConversationOut]


@routes.get("/tickets/{ticket_id}/conversations", summary="List a ticket's conversations")
async def list_conversations(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Conversations:
    """With the people who take part; a reply names one of them, or takes the newest private one."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        found = await rows.conversations(tx, ticket_id)
    data = []
    for one in found:
        fields = {name: getattr(one, name) for name in rows.Conversation.__dataclass_fields__}
        people = [{**person, "identity_id": UUID(person["identity_id"])} for person in one.participants]
        data.append(ConversationOut.model_validate({**fields, "participants": people}))
    return Conversations(data=data)


# --- saying something -----------------------------------------------------------------------------

Text = Annotated[Clean, Field(max_length=200_000)]
Files = Annotated[list[AttachmentId], Field(max_length=50, description="Uploaded before, by you")]
People = Annotated[list[IdentityId] | None, Field(max_length=100)]


class ReplyIn(Body):
    text: Annotated[Text, Field(examples=["Здравствуйте! Деньги вернутся до пятницы."])]
    html: Annotated[str, Field(max_length=500_000, description="Beside the text, where the channel can show it")] = ""
    conversation_id: Annotated[ConversationId | None, Field(description="Default: the newest private one")] = None
    to: Annotated[People, Field(description="Default: everybody in the conversation")] = None
    cc: People = None
    attachment_ids: Files = Field(default_factory=list)
    status_after: Annotated[
        Literal["open", "pending", "resolved"] | None, Field(description="Where the ticket goes with it")
    ] = None


class PromiseIn(Body):
    due_at: Annotated[Utc, Field(description="By when; it lies ahead, within a year")]
    next_action: Annotated[Clean, Field(min_length=1, max_length=500, examples=["проверим платёж в банке"])]
    text: Annotated[Text, Field(description="Said before the sentence with the date")] = ""


class NoteIn(Body):
    text: Text
    attachment_ids: Files = Field(default_factory=list)


async def made(db: Db, message_id: UUID, response: Response) -> MessageOut:
    async with db.connection() as tx:
        message = await rows.message(tx, message_id)
        assert message is not None
        shown = (await dressed(tx, [message]))[0]
    assert isinstance(shown, MessageOut)
    response.headers["Location"] = f"/v1/messages/{ids.encode('message', message_id)}"
    response.headers["ETag"] = etag(shown)
    return shown


def etag(message: MessageOut) -> str:
    """The version, and a digest: deliveries are shown with it, and change by themselves."""
    return etags.of(message.version, message.model_dump_json().encode())


@routes.post("/tickets/{ticket_id}/replies", status_code=201, summary="Reply to the customer")
async def create_reply(
    ticket_id: TicketId,
    body: ReplyIn,
    response: Response,
    actor: WritesMessages,
    db: Db,
    parts: Home,
    request_id: RequestId,
    now: Now,
) -> MessageOut:
    """Queued when this answers; delivery is reported by `delivery.changed` events.

    Asking a customer for a password, a code or card data is refused with `secret_request_blocked`.
    """
    await seen(db, ticket_id, actor)
    message_id = await desk.reply(
        db,
        parts.channels,
        parts.files,
        ticket_id,
        actor,
        body.text,
        html=body.html,
        conversation_id=body.conversation_id,
        to=body.to,
        cc=body.cc,
        attachment_ids=body.attachment_ids,
        status_after=Status(body.status_after) if body.status_after else None,
        request_id=request_id,
        now=now,
    )
    return await made(db, message_id, response)


@routes.post("/tickets/{ticket_id}/promises", status_code=201, summary="Tell the customer another date")
async def create_promise(
    ticket_id: TicketId,
    body: PromiseIn,
    response: Response,
    actor: WritesMessages,
    db: Db,
    parts: Home,
    request_id: RequestId,
    now: Now,
) -> MessageOut:
    """The message that tells it. The new date replaces the one told before, which is renegotiated, not broken."""
    await seen(db, ticket_id, actor)
    message_id = await renegotiate.promise(
        db,
        parts.channels,
        parts.files,
        ticket_id,
        actor,
        due_at=body.due_at,
        next_action=body.next_action,
        text=body.text,
        request_id=request_id,
        now=now,
    )
    return await made(db, message_id, response)


@routes.post("/tickets/{ticket_id}/notes", status_code=201, summary="Write a note for colleagues")
async def create_note(
    ticket_id: TicketId,
    body: NoteIn,
    response: Response,
    actor: WritesMessages,
    db: Db,
    request_id: RequestId,
    now: Now,
) -> MessageOut:
    """It never leaves the desk."""
    await seen(db, ticket_id, actor)
    message_id = await desk.note(
        db, ticket_id, actor, body.text, attachment_ids=body.attachment_ids, request_id=request_id, now=now
    )
    return await made(db, message_id, response)


@routes.get("/messages/{message_id}", summary="Read a message", response_model=MessageOut)
async def read_message(
    message_id: MessageId, request: Request, response: Response, actor: ReadsTickets, db: Db, _: IfNoneMatch
) -> Any:
    """One message or note, with its files and what became of each way out."""
    async with db.connection() as tx:
        home = await rows.ticket_of(tx, message_id)
        message = await rows.message(tx, message_id)
        if home is None or message is None:
            raise NotFound("There is no such message.")
        shown = (await dressed(tx, [message]))[0]
    await seen(db, home, actor)
    assert isinstance(shown, MessageOut)
    response.headers["ETag"] = current = etag(shown)
    if etags.unchanged(request, current):
        return Response(status_code=304, headers={"ETag": current})
    return shown


async def _delivery(db: Db, delivery_id: UUID, actor: ReadsTickets) -> UUID:
    """The message of a delivery whose ticket the actor may see."""
    async with db.connection() as tx:
        row = await deliveries.read(tx, delivery_id)
    if row is None:
        raise NotFound("There is no such delivery.")
    await seen(db, row["ticket_id"], actor)
    message_id: UUID = row["message_id"]
    return message_id


@routes.post("/deliveries/{delivery_id}/resend", summary="Send a lost message again")
async def resend(
    delivery_id: DeliveryId, response: Response, actor: WritesMessages, db: Db, request_id: RequestId
) -> MessageOut:
    """For what is unknown, rejected or bounced: you say that it did not arrive. What is on its way is 409."""
    message_id = await _delivery(db, delivery_id, actor)
    await desk.resend(db, delivery_id, actor, request_id=request_id)
    return await made(db, message_id, response)


@routes.post("/deliveries/{delivery_id}/arrived", summary="Say that a message arrived")
async def arrived(
    delivery_id: DeliveryId, response: Response, actor: WritesMessages, db: Db, request_id: RequestId
) -> MessageOut:
    """For what is unknown: you know that it arrived."""
    message_id = await _delivery(db, delivery_id, actor)
    await desk.mark_arrived(db, delivery_id, actor, request_id=request_id)
    return await made(db, message_id, response)
