"""Who has a ticket: given by hand, handed on, escalated, offered, or the next one that waits."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from omnidesk.api.deps import (
    AgentId,
    Body,
    Clean,
    Db,
    HandoffId,
    Home,
    IfMatch,
    Now,
    QueueId,
    ReadsTickets,
    RequestId,
    Shown,
    TicketId,
    WritesTickets,
)
from omnidesk.api.route import router
from omnidesk.api.showing import TicketOut, changed, seen
from omnidesk.db import handoffs
from omnidesk.desk import assign, escalate, pull
from omnidesk.desk import transfer as transfers
from omnidesk.domain.errors import FieldError as Wrong
from omnidesk.domain.errors import Invalid
from omnidesk.domain.people import Actor

routes = router("tickets")


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
        agent_id = me_of(actor) if body.agent_id == "me" else body.agent_id
        assert isinstance(agent_id, UUID)
        await assign.assign(db, ticket_id, agent_id, actor, if_version=version, reassign=body.reassign, now=now)
    return await changed(db, ticket_id, response)


def me_of(actor: Actor) -> UUID:
    if actor.agent_id is None:
        raise Invalid("This key is nobody's.", [Wrong(pointer="/agent_id", code="unknown", message="No agent.")])
    return actor.agent_id


class EscalationIn(Body):
    reason: Annotated[
        Clean,
        Field(min_length=1, max_length=500, description="Why; kept in the history", examples=["He asks for a manager"]),
    ]


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
    ticket_id = await pull.next_ticket(db, me_of(actor), actor, now=now)
    if ticket_id is None:
        return Response(status_code=204)
    return await changed(db, ticket_id, response)


class OfferAnswer(Body):
    outcome: Annotated[Literal["accepted", "declined"], Field(examples=["accepted"])]


@routes.post("/tickets/{ticket_id}/offer", summary="Take or leave a ticket that was offered to you")
async def answer_offer(
    ticket_id: TicketId, body: OfferAnswer, response: Response, actor: WritesTickets, db: Db, now: Now
) -> TicketOut:
    """An offer ends by itself after some seconds; then it is a conflict (`offer_over`)."""
    agent_id = me_of(actor)
    if body.outcome == "accepted":
        await assign.accept_offer(db, ticket_id, agent_id, actor, now=now)
    else:
        await assign.decline_offer(db, ticket_id, agent_id, actor, now=now)
    return await changed(db, ticket_id, response)
