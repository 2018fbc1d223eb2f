"""Why a ticket is where it is, and which dates its customer was told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from omnidesk.api.deps import (
    AgentId,
    CalendarId,
    Db,
    DecisionId,
    MessageId,
    Now,
    Pages,
    PromiseId,
    ReadsTickets,
    Shown,
    TicketId,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.api.showing import fields_of, seen
from omnidesk.db import tickets as rows
from omnidesk.db.tickets import Decision, Promise
from omnidesk.desk import why
from omnidesk.domain.errors import NotFound

routes = router("tickets")


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
    return DecisionOut.model_validate({**fields_of(decision), "summary": summary})


class ChangeOut(Shown):
    kind: str = Field(description="status, hours, channel, queue, skill, capacity, free, allow, outrank …")
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
    return Changes(data=[ChangeOut.model_validate(fields_of(change)) for change in changes])


def promise(one: Promise) -> PromiseOut:
    return PromiseOut.model_validate(one)


@routes.get("/tickets/{ticket_id}/promises", summary="Dates that the customer was told")
async def list_promises(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Promises:
    """Oldest first, at most 200."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        return Promises(data=[promise(one) for one in await rows.promises(tx, ticket_id)])
