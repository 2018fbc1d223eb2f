"""Corrections: who changed what had been decided about a ticket, and why."""

from datetime import datetime

from pydantic import BaseModel, Field

from omnidesk.api.deps import CorrectionId, Db, ReadsTickets, Shown, TicketId
from omnidesk.api.route import router
from omnidesk.api.showing import seen
from omnidesk.db import corrections

routes = router("tickets")


class CorrectionOut(Shown):
    id: CorrectionId
    field: str = Field(description="category, urgency or queue", examples=["category"])
    old: str = Field(description="Empty: there was none", examples=["delivery"])
    new: str = Field(description="Empty: there is none any more", examples=["payment"])
    actor: str = Field(description="Who", examples=["agent:agt_01h455vb4pex5vsknk084sn02q"])
    reason: str = Field(description="Why, when he said so")
    created_at: datetime


class Corrections(BaseModel):
    data: list[CorrectionOut]


@routes.get("/tickets/{ticket_id}/corrections", summary="What people corrected on a ticket")
async def list_corrections(ticket_id: TicketId, actor: ReadsTickets, db: Db) -> Corrections:
    """Category, urgency and queue as they were decided, and what people made of them. Newest first, at most 200."""
    await seen(db, ticket_id, actor)
    async with db.connection() as tx:
        return Corrections(
            data=[CorrectionOut.model_validate(one) for one in await corrections.of_ticket(tx, ticket_id)]
        )
