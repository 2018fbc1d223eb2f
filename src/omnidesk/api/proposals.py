"""Proposals: another solution is offered to the customer, who accepts or declines it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from omnidesk.api.deps import (
    AgentId,
    Body,
    Clean,
    Db,
    Home,
    MessageId,
    Now,
    ProposalId,
    ReadsTickets,
    RequestId,
    Shown,
    TicketId,
    WritesMessages,
    WritesTickets,
)
from omnidesk.api.route import router
from omnidesk.api.showing import seen
from omnidesk.db import proposals as rows
from omnidesk.desk import proposals
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound

routes = router("tickets")


class ProposalIn(Body):
    text: Annotated[
        Clean,
        Field(min_length=1, max_length=20_000, examples=["The blue one is sold out. Would you take the green one?"]),
    ]


class ProposalAnswer(Body):
    outcome: Annotated[Literal["accepted", "declined"], Field(examples=["declined"])]
    comment: Annotated[Clean, Field(max_length=2_000, description="What he said, for colleagues")] = ""


class ProposalOut(Shown):
    id: ProposalId
    text: str
    state: str = Field(description="open, accepted, declined, or withdrawn: another one took its place")
    message_id: MessageId = Field(description="The message that told the customer")
    agent_id: AgentId | None = Field(description="Whose it is")
    comment: str
    actor: str = Field(description="Who answered it: `contact` when the customer wrote a plain yes or no")
    created_at: datetime
    settled_at: datetime | None


class Proposals(BaseModel):
    data: list[ProposalOut]


@routes.post("/tickets/{ticket_id}/proposals", status_code=201, summary="Offer the customer another solution")
async def create_proposal(
    ticket_id: TicketId,
    body: ProposalIn,
    response: Response,
    actor: WritesMessages,
    db: Db,
    parts: Home,
    request_id: RequestId,
    now: Now,
) -> ProposalOut:
    """Told as a reply that asks for yes or no; the ticket waits for the answer. One that is still open is withdrawn.

    A plain yes or no of the customer, and nothing else, settles it; for all other words an agent does.
    """
    await seen(db, ticket_id, actor)
    proposal_id = await proposals.propose(
        db, parts.channels, parts.files, ticket_id, actor, body.text, request_id=request_id, now=now
    )
    response.headers["Location"] = (
        f"/v1/tickets/{ids.encode('ticket', ticket_id)}/proposals/{ids.encode('proposal', proposal_id)}"
    )
    return await _shown(db, ticket_id, proposal_id)


@routes.get("/tickets/{ticket_id}/proposals", summary="What a customer was offered")
async def list_proposals(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Proposals:
    """Newest first, at most 200."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        return Proposals(data=[ProposalOut.model_validate(one) for one in await rows.of_ticket(tx, ticket_id)])


@routes.get("/tickets/{ticket_id}/proposals/{proposal_id}", summary="Read a proposal")
async def read_proposal(ticket_id: TicketId, proposal_id: ProposalId, actor: ReadsTickets, db: Db) -> ProposalOut:
    await seen(db, ticket_id, actor)
    return await _shown(db, ticket_id, proposal_id)


@routes.post("/tickets/{ticket_id}/proposals/{proposal_id}/answer", summary="Note what the customer said to it")
async def answer_proposal(
    ticket_id: TicketId,
    proposal_id: ProposalId,
    body: ProposalAnswer,
    actor: WritesTickets,
    db: Db,
    request_id: RequestId,
    now: Now,
) -> ProposalOut:
    """The ticket is open again and work goes on. A conflict (`proposal_over`) when it was answered already."""
    await seen(db, ticket_id, actor)
    await proposals.answer(
        db, ticket_id, proposal_id, actor, body.outcome, body.comment, request_id=request_id, now=now
    )
    return await _shown(db, ticket_id, proposal_id)


async def _shown(db: Db, ticket_id: UUID, proposal_id: UUID) -> ProposalOut:
    async with db.connection() as tx:
        found = await rows.read(tx, ticket_id, proposal_id)
    if found is None:
        raise NotFound("There is no such proposal.")
    return ProposalOut.model_validate(found)
