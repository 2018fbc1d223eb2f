"""The journal of arrivals: what is parked and why, and what a person decides about it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from omnidesk.api.deps import (
    Anybody,
    ArrivalId,
    Db,
    InboxId,
    Pages,
    ReadsArrivals,
    Shown,
    TicketId,
    WritesArrivals,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import arrivals as rows
from omnidesk.db.arrivals import Journal
from omnidesk.desk import arrivals
from omnidesk.desk.access import rights
from omnidesk.domain.errors import Forbidden, NotFound
from omnidesk.domain.people import Actor

routes = router("arrivals")

Parked = Literal["failed", "unreadable", "held"]


class ArrivalOut(Shown):
    id: ArrivalId
    inbox_id: InboxId
    state: str = Field(description="new, done, ignored, failed, unreadable or held", examples=["held"])
    reason: str | None = Field(description="Why it is ignored or held")
    error: str | None = Field(description="What went wrong, without what was written")
    attempts: int
    size: int = Field(description="Bytes of the body")
    received_at: datetime
    done_at: datetime | None
    ticket_id: TicketId | None = Field(description="Where it landed")


def _arrival(journal: Journal) -> ArrivalOut:
    return ArrivalOut.model_validate(journal)


def _seen(journal: Journal | None, actor: Actor) -> Journal:
    if journal is None or (actor.inbox_ids and journal.inbox_id not in actor.inbox_ids):
        raise NotFound("There is no such arrival.")
    return journal


@routes.get("/arrivals", summary="List parked arrivals")
async def list_arrivals(
    actor: ReadsArrivals,
    db: Db,
    pages: Pages,
    state: Annotated[Parked | None, Query(description="Only those")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[ArrivalOut]:
    """What waits for a person: failed, unreadable and held arrivals, newest first."""
    after = pages.after(cursor)
    found: list[Journal] = []
    before = UUID(after[0]) if after else None
    states = [state] if state else ["failed", "unreadable", "held"]
    async with db.connection() as tx:
        while len(found) <= limit:
            some = await rows.parked(tx, states=states, before=before, limit=limit + 1)
            found += [one for one in some if not actor.inbox_ids or one.inbox_id in actor.inbox_ids]
            if len(some) <= limit:
                break
            before = some[-1].id
    return pages.page(found, limit, _arrival, lambda journal: [journal.id])


@routes.get("/arrivals/{arrival_id}", summary="Read what became of an arrival")
async def read_arrival(arrival_id: ArrivalId, actor: Anybody, db: Db) -> ArrivalOut:
    """With `arrivals:read`, or `tickets:write` to follow a ticket that was taken in with 202."""
    if not rights(actor) & {"arrivals:read", "tickets:write"}:
        raise Forbidden("This needs the scope arrivals:read.", code="missing_scope", details={"scope": "arrivals:read"})
    async with db.connection() as tx:
        return _arrival(_seen(await rows.read(tx, arrival_id), actor))


@routes.post("/arrivals/{arrival_id}/retry", status_code=202, summary="Read a failed arrival again")
async def retry_arrival(arrival_id: ArrivalId, actor: WritesArrivals, db: Db) -> ArrivalOut:
    """For what failed or could not be read: it is read again, in its place in the order."""
    return _arrival(await arrivals.retry(db, arrival_id, actor))


@routes.post("/arrivals/{arrival_id}/release", status_code=202, summary="Let a held arrival through")
async def release_arrival(arrival_id: ArrivalId, actor: WritesArrivals, db: Db) -> ArrivalOut:
    """It lands as if it came now, with the age of its own time and without an acknowledgement."""
    return _arrival(await arrivals.release(db, arrival_id, actor))
