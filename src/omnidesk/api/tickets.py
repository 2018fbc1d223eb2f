"""Tickets: list, read, change what they are about, move them along, give them to somebody."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags, search
from omnidesk.api.deps import (
    Body,
    Clean,
    Db,
    IfMatch,
    IfNoneMatch,
    Now,
    Pages,
    QueueId,
    ReadsTickets,
    RequestId,
    TicketId,
    WritesTickets,
    given,
)
from omnidesk.api.paging import CursorText, Limit, Page, capped
from omnidesk.api.route import router
from omnidesk.api.showing import TicketOut, changed, dressed, seen, whole
from omnidesk.api.ticket_filters import Filtered, Several, several
from omnidesk.db import tickets as rows
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Row
from omnidesk.desk import clocks, tickets
from omnidesk.domain.text import clean
from omnidesk.domain.tickets import Status, Urgency

routes = router("tickets")

# --- lists ----------------------------------------------------------------------------------------

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "relevance"]


@routes.get("/tickets", summary="List tickets")
async def list_tickets(
    actor: ReadsTickets,
    db: Db,
    pages: Pages,
    wanted: Filtered,
    now: Now,
    q: Annotated[str | None, Query(max_length=2000, description=search.DESCRIPTION, examples=["возврат денег"])] = None,
    sort: Annotated[
        Sort | None, Query(description="Default -updated_at; with `q` relevance, or -created_at for the newest first")
    ] = None,
    include: Several = None,
    count: Annotated[Literal["estimate"] | None, Query(description='How many there are, at most "1000+"')] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[TicketOut]:
    """What you may see: by the queue that a ticket is in now. Spam only when `status` asks for it.

    `q` looks for words and can be combined with every filter. It has 200 ms: when they were not enough, `page.partial`
    is true, and `page.next_cursor` goes on looking. `include=contact,last_message` adds these to each ticket.
    """
    included = several(include, "include", ["contact", "last_message"])
    after = pages.after(cursor)
    if q is not None:
        hits = await search.page(
            db, search.query(clean(q)), wanted, actor, sort=sort, place=search.Place.read(after), limit=limit, now=now
        )
        async with db.connection() as tx:
            shown_here = await _dressed(tx, await rows.several(tx, hits.ids, actor), included)
        return pages.given(shown_here, hits.following, count=hits.count if count else None, partial=hits.partial)
    column, descending = search.plain_sort(sort)
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
        shown_by_id = {ticket.id: ticket for ticket in await _dressed(tx, found[:limit], included)}
    return pages.page(
        found,
        limit,
        lambda row: shown_by_id[row.id],
        lambda row: [getattr(row, column).isoformat(), row.id],
        count=many,
    )


async def _dressed(tx: Tx, found: Sequence[Row], included: Sequence[str]) -> list[TicketOut]:
    """With what was asked to be included, one statement each."""
    people = await rows.requesters(tx, [row.requester_id for row in found]) if "contact" in included else {}
    last = await rows.last_messages(tx, [row.id for row in found]) if "last_message" in included else {}
    return [dressed(row, people, last) for row in found]


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
    included = several(include, "include", ["contact", "last_message"])
    row = await seen(db, ticket_id, actor)
    if not included and etags.unchanged(request, etags.of(row.version)):
        return etags.answer(request, response, row.version)
    async with db.connection() as tx:
        measured = await clocks.shown(tx, ticket_id, now=now)
        linked = await rows.links(tx, ticket_id)
        people = await rows.requesters(tx, [row.requester_id]) if "contact" in included else {}
        last = await rows.last_messages(tx, [row.id]) if "last_message" in included else {}
    ticket = dressed(row, people, last)
    whole(ticket, measured, linked)
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
    to: Annotated[
        Literal["open", "pending", "resolved"],
        Field(description="Closing comes some days after resolving", examples=["resolved"]),
    ]
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
