"""The feed: what happened, in one sequence, to be read or followed without a gap."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from omnidesk.api import auth
from omnidesk.api.deps import Db, Home, ReadsEvents, Shown, TicketId
from omnidesk.api.errors import Malformed
from omnidesk.api.paging import Limit, PageInfo
from omnidesk.api.route import router
from omnidesk.db import events as rows
from omnidesk.db.events import Numbered
from omnidesk.desk.access import rights
from omnidesk.desk.feed import TooSlow
from omnidesk.domain.events import EventType, subject
from omnidesk.domain.people import Actor

routes = router("events")

HEARTBEAT_S = 15.0
SCANNED = 5_000  # events looked at for one page; fewer visible ones come back then, and `has_more`

Types = Annotated[
    str | None,
    Query(max_length=1000, description="Only these, with commas", examples=["ticket.created,message.received"]),
]


class EventOut(Shown):
    seq: int = Field(description="The place in the one sequence")
    type: str = Field(examples=["ticket.created"])
    ticket_id: TicketId | None
    subject_id: str | None = Field(description="The message, delivery, agent … that it is about")
    actor: str = Field(examples=["agent:agt_01jb0000000000000000000000"])
    data: dict[str, Any] = Field(description="Small facts, never what was written")
    request_id: str | None
    at: datetime


class EventPage(BaseModel):
    data: list[EventOut]
    page: PageInfo


def shown(event: Numbered) -> EventOut:
    return EventOut(
        seq=event.seq,
        type=event.type,
        ticket_id=event.ticket_id,
        subject_id=subject(event.type, event.subject_id),
        actor=event.actor,
        data=event.data,
        request_id=event.request_id,
        at=event.at,
    )


def wants(actor: Actor, types: frozenset[str] | None) -> Callable[[Numbered], bool]:
    """What an actor may see of the feed: by the present queue of the ticket and the inbox where it began.

    What is about no ticket (agents, queues …) is for those without limits of their key; keys are for those
    who may administer them.
    """
    may = rights(actor)
    limited = actor.kind == "key" and bool(actor.queue_ids or actor.inbox_ids)

    def check(event: Numbered) -> bool:
        if types is not None and event.type not in types:
            return False
        if event.ticket_id is not None:
            return (not actor.queue_ids or event.queue_id in actor.queue_ids) and (
                not actor.inbox_ids or event.inbox_id in actor.inbox_ids
            )
        if event.type.startswith("key."):
            return "keys:write" in may
        if event.type.startswith("contact."):
            return not (actor.queue_ids or actor.inbox_ids)
        if event.type.startswith("arrival."):
            return "arrivals:read" in may and not limited
        return not limited

    return check


def _types(text: str | None) -> frozenset[str] | None:
    if not text:
        return None
    names = frozenset(name.strip() for name in text.split(","))
    unknown = sorted(names - set(EventType))
    if unknown:
        raise Malformed(f"There is no event type {unknown[0][:50]!r}.")
    return names


@routes.get("/events", summary="Read events")
async def list_events(
    actor: ReadsEvents,
    db: Db,
    after: Annotated[int, Query(ge=0, le=2**62, description="The last `seq` that you have")] = 0,
    types: Types = None,
    limit: Limit = 50,
) -> EventPage:
    """The next events after a number, in order. `page.next_cursor` goes into `after`, also at the end: poll with it."""
    kinds, found, position, more = _types(types), list[Numbered](), after, True
    check = wants(actor, kinds)
    async with db.connection() as tx:
        for _ in range(SCANNED // 500):
            some = await rows.events_after(tx, position, sorted(kinds) if kinds else None, limit=500)
            for event in some:
                if check(event):
                    found.append(event)
                position = event.seq
                if len(found) == limit:
                    break
            if len(found) == limit or len(some) < 500:
                more = len(found) == limit
                break
    return EventPage(data=[shown(one) for one in found], page=PageInfo(next_cursor=str(position), has_more=more))


@routes.get(
    "/events/stream",
    summary="Follow events (SSE)",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    request: Request,
    actor: ReadsEvents,
    parts: Home,
    types: Types = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="Where to begin; default: now")] = None,
    last_event_id: Annotated[str | None, Header(description="What a browser sends when it comes back")] = None,
) -> StreamingResponse:
    """Server-sent events with the ids of the sequence: whoever comes back with `Last-Event-ID` misses nothing.

    A comment comes every 15 seconds. The stream ends when rights end, or for one who reads too slowly.
    """
    kinds = _types(types)
    begin = after
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19):
            raise Malformed("Last-Event-ID is not a number of ours.", code="bad_header")
        begin = int(last_event_id)
    if begin is None:
        async with parts.db.connection() as tx:
            begin = await rows.newest(tx)
    return StreamingResponse(
        _stream(request, actor, parts, begin, kinds),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, actor: Actor, parts: Home, begin: int, kinds: frozenset[str] | None
) -> AsyncIterator[str]:
    check = [wants(actor, kinds)]
    yield f"retry: 2000\nid: {begin}\n\n"
    source = parts.feed.subscribe(begin, lambda event: check[0](event))
    pending: asyncio.Future[Numbered] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if done:
                event, pending = pending.result(), None
                yield f"id: {event.seq}\nevent: {event.type}\ndata: {shown(event).model_dump_json()}\n\n"
                continue
            now_may = await auth.again(request)
            if now_may is None or "events:read" not in rights(now_may):
                return
            check[0] = wants(now_may, kinds)
            yield ": still here\n\n"
    except (StopAsyncIteration, TooSlow):
        return
    finally:
        if pending is not None:
            pending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await pending
        with suppress(RuntimeError):
            await source.aclose()  # type: ignore[attr-defined]
