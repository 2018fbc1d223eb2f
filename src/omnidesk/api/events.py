"""The feed: what happened, in one sequence, to be read or followed without a gap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
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
from omnidesk.desk import following
from omnidesk.desk.access import rights
from omnidesk.desk.feed import TooSlow
from omnidesk.domain.events import TOLD, subject
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


def _types(text: str | None) -> frozenset[str] | None:
    if not text:
        return None
    names = frozenset(name.strip() for name in text.split(","))
    unknown = sorted(names - TOLD)
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
    told = following.teller(actor)
    async with db.connection() as tx:
        for _ in range(SCANNED // 500):
            some = await rows.events_after(tx, position, following.stored_types(kinds), limit=500)
            for event in some:
                seen = told(event)
                if seen is not None and (kinds is None or seen.type in kinds):
                    found.append(seen)
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

    A comment comes every 15 seconds. The stream ends within seconds when rights end, and for one who reads too
    slowly. A ticket that moves out of your sight is told as `ticket.left`, one that moves in as `ticket.entered`.
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


class _Reader:
    """Who reads a stream, as he is now, and what he is told."""

    def __init__(self, actor: Actor, kinds: frozenset[str] | None) -> None:
        self._actor, self._kinds, self._told = actor, kinds, following.teller(actor)
        self.ready, self.gone = asyncio.Event(), False

    def told(self, event: Numbered) -> Numbered | None:
        seen = self._told(event)
        return seen if seen is not None and (self._kinds is None or seen.type in self._kinds) else None

    def wants(self, event: Numbered) -> bool:
        return self.told(event) is not None

    def now_is(self, actor: Actor | None) -> None:
        if actor is None or "events:read" not in rights(actor):
            self.gone = True
            self.ready.set()
        elif actor != self._actor:
            self._actor, self._told = actor, following.teller(actor)


async def _stream(
    request: Request, actor: Actor, parts: Home, begin: int, kinds: frozenset[str] | None
) -> AsyncIterator[str]:
    reader = _Reader(actor, kinds)
    yield f"retry: 2000\nid: {begin}\n\n"
    with request.app.state.standing.follows(auth.credential(request), reader.now_is), suppress(TooSlow):
        async with aclosing(parts.feed.watch(begin, reader.wants, reader.ready, HEARTBEAT_S)) as events:
            async for event in events:
                if reader.gone:
                    return
                told = reader.told(event) if event is not None else None
                if told is not None:
                    yield f"id: {told.seq}\nevent: {told.type}\ndata: {shown(told).model_dump_json()}\n\n"
                elif event is None:
                    yield ": still here\n\n"
