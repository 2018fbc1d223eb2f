"""Messages after they were written: changed, taken back, and what became of them on their way."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from omnidesk.api.deps import (
    AgentId,
    Body,
    ConversationId,
    Db,
    DeliveryId,
    Home,
    IfMatch,
    MessageId,
    Now,
    Pages,
    ReadsTickets,
    RequestId,
    RevisionId,
    Shown,
    TicketId,
    WritesMessages,
)
from omnidesk.api.errors import Malformed
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.api.showing import seen
from omnidesk.api.timeline import DeliveryOut, MessageOut, Text, made
from omnidesk.db import amendments, deliveries, delivery_log, timeline
from omnidesk.db.delivery_log import TROUBLED, Call, Step
from omnidesk.db.session import Database
from omnidesk.desk import amend
from omnidesk.domain import ids
from omnidesk.domain.errors import FieldError, Gone, NotFound
from omnidesk.domain.people import Actor, Role

routes = router("messages")


class MessagePatch(Body):
    text: Annotated[Text, Field(examples=["Здравствуйте! Деньги вернутся до четверга."])]
    html: Annotated[str, Field(max_length=500_000, description="Beside the text, where the channel can show it")] = ""


class RevisionOut(Shown):
    id: RevisionId
    text: str
    html: str
    actor: str | None = Field(description="Who changed it; null: the customer")
    created_at: datetime = Field(description="Until when it read so")


class StepOut(Shown):
    what: str = Field(
        description="queued, resent, sent, confirmed (somebody said that it arrived), delivered, read, deferred, "
        "rejected, unknown or bounced"
    )
    at: datetime
    actor: str
    reason: str | None


class CallOut(Shown):
    state: str = Field(description="queued, claimed, calling, deferred, unknown, sent or rejected")
    attempts: int
    due_at: datetime
    done_at: datetime | None
    error: str | None


class HistoryOut(DeliveryOut):
    history: list[StepOut] = Field(description="Oldest first")
    calls: list[CallOut] = Field(description="To the platform, one for each part; kept for a month after they ended")


class Deliveries(BaseModel):
    data: list[HistoryOut]


class TroubledOut(Shown):
    id: DeliveryId
    message_id: MessageId
    conversation_id: ConversationId
    ticket_id: TicketId
    number: str = Field(description="Of the ticket", examples=["483920174"])
    assignee_id: AgentId | None
    state: str = Field(description="unknown, rejected or bounced")
    error: str | None
    created_at: datetime
    updated_at: datetime


async def _home(db: Database, message_id: UUID, actor: Actor) -> UUID:
    """The ticket of a message, which the actor may see."""
    async with db.connection() as tx:
        home = await timeline.ticket_of(tx, message_id)
    if home is None:
        raise NotFound("There is no such message.")
    await seen(db, home, actor)
    return home


@routes.patch("/messages/{message_id}", summary="Change a note or an answer")
async def edit_message(
    message_id: MessageId,
    body: MessagePatch,
    response: Response,
    actor: WritesMessages,
    db: Db,
    parts: Home,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> MessageOut:
    """By its author or a supervisor. An answer only where the channel can (`edits` in `GET /v1/channels`), else
    `channel_cannot_edit`: a mail that left cannot be changed. The wording before is kept as a revision.
    """
    await amend.edit(
        db,
        parts.channels,
        message_id,
        actor,
        body.text,
        html=body.html,
        version=version,
        request_id=request_id,
        now=now,
    )
    return await made(db, message_id, response)


@routes.delete("/messages/{message_id}", summary="Take back a note or an answer")
async def delete_message(
    message_id: MessageId,
    response: Response,
    actor: WritesMessages,
    db: Db,
    parts: Home,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> MessageOut:
    """By its author or a supervisor; a tombstone stays. An answer only where the channel can (`deletes`)."""
    await amend.delete(db, parts.channels, message_id, actor, version=version, request_id=request_id, now=now)
    return await made(db, message_id, response)


@routes.get("/messages/{message_id}/revisions", summary="Read how a message read before")
async def list_revisions(
    message_id: MessageId, actor: ReadsTickets, db: Db, pages: Pages, limit: Limit = 50, cursor: CursorText = None
) -> Page[RevisionOut]:
    """Newest first. Those of a deleted message are for supervisors."""
    await _home(db, message_id, actor)
    place = pages.after(cursor)
    async with db.connection() as tx:
        head = await amendments.head(tx, message_id)
        if head is not None and head.deleted_at is not None and not actor.role.at_least(Role.SUPERVISOR):
            raise Gone("This message was deleted.", code="message_deleted")
        before = UUID(place[0]) if place else None
        found = await amendments.revisions(tx, message_id, before=before, limit=limit + 1)
    return pages.page(found, limit, RevisionOut.model_validate, lambda one: [one.id])


@routes.get("/messages/{message_id}/deliveries", summary="Read what became of a message on its way")
async def list_message_deliveries(message_id: MessageId, actor: ReadsTickets, db: Db) -> Deliveries:
    """Each way out with its history: when and why it was queued, deferred, sent, delivered, lost, sent again, and by
    whom; and the calls that are made for it.
    """
    home = await _home(db, message_id, actor)
    async with db.connection() as tx:
        message = await timeline.message(tx, message_id)
        rows = await deliveries.of_messages(tx, [message_id])
        named = [row["id"] for row in rows]
        steps = await delivery_log.steps(tx, home, named)
        calls = await delivery_log.calls(tx, named)
    agent_id = message.agent_id if message else None
    writer = f"agent:{ids.encode('agent', agent_id)}" if agent_id else "system"
    return Deliveries(
        data=[
            HistoryOut.model_validate(
                {
                    **row,
                    "history": [
                        StepOut(what="queued", at=row["created_at"], actor=writer, reason=None),
                        *_history(step for step in steps if step.delivery_id == row["id"]),
                    ],
                    "calls": _of(row["id"], calls),
                }
            )
            for row in rows
        ]
    )


def _of(delivery_id: UUID, calls: Sequence[Call]) -> list[CallOut]:
    return [CallOut.model_validate(call) for call in calls if call.delivery_id == delivery_id]


def _history(steps: Iterable[Step]) -> list[StepOut]:
    return [StepOut(what=_what(step), at=step.at, actor=step.actor, reason=step.reason) for step in steps]


def _what(step: Step) -> str:
    """A state's name; two of them are a person's word."""
    if step.state == "queued" and step.before in TROUBLED:
        return "resent"
    if step.state == "sent" and step.before == "unknown" and step.actor != "system":
        return "confirmed"
    return step.state


@routes.get("/deliveries", summary="List what did not arrive")
async def list_failed_deliveries(
    actor: ReadsTickets,
    db: Db,
    pages: Pages,
    state: Annotated[
        str | None, Query(max_length=100, description="unknown, rejected, bounced, with commas; default: all of them")
    ] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[TroubledOut]:
    """Messages of all tickets that you may see that failed, came back, or of which nobody knows whether they arrived;
    those that changed last first. Settle each with `resend` or `arrived`.
    """
    states = [one.strip() for one in state.split(",")] if state else list(TROUBLED)
    if not set(states) <= set(TROUBLED):
        wrong = FieldError(pointer="state", code="not_one_of", message="Not one of the allowed values.")
        raise Malformed("The parameter state has a wrong value.", errors=[wrong])
    place = pages.after(cursor)
    after = (datetime.fromisoformat(place[0]), UUID(place[1])) if place else None
    async with db.connection() as tx:
        found = await delivery_log.troubled(tx, actor, states=states, after=after, limit=limit + 1)
    return pages.page(found, limit, TroubledOut.model_validate, lambda one: [one.updated_at.isoformat(), one.id])
