"""Queues and the calendars that they keep."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    Body,
    CalendarId,
    Clean,
    Db,
    IfMatch,
    IfNoneMatch,
    Now,
    Pages,
    QueueId,
    ReadsQueues,
    RequestId,
    Shown,
    WritesQueues,
    given,
    new_id,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import calendars
from omnidesk.db import queues as rows
from omnidesk.db.calendars import StoredCalendar
from omnidesk.db.queues import Queue
from omnidesk.desk import admin, configure
from omnidesk.domain import business_time, ids
from omnidesk.domain.errors import NotFound

routes = router("queues")

Name = Annotated[Clean, Field(min_length=1, max_length=100, examples=["cards"])]
Position = Annotated[int, Field(ge=0, le=1_000_000, description="Rules are asked in this order")]
Rule = Annotated[
    Clean,
    Field(max_length=5000, description="Tickets that fit come here", examples=['category in ["card", "fraud"]']),
]
Needs = Annotated[
    list[Annotated[Clean, Field(min_length=1, max_length=100)]],
    Field(max_length=50, description="Skills, also `name>=level` and `lang:{language}`", examples=[["cards"]]),
]
Steps = Annotated[
    list[dict[str, Any]],
    Field(max_length=20, description="How the search relaxes", examples=[[{"for": "2m", "agent": "last"}]]),
]
ReplyDays = Annotated[int, Field(ge=0, le=60, description="Promised working days to a first reply")]
NeedsHandoff = Annotated[
    bool, Field(description="A transfer to this queue, or within it, needs the whole hand-off card")
]
AgentIds = Annotated[list[AgentId], Field(max_length=5000, description="The members")]


class QueueIn(Body):
    name: Name
    calendar_id: CalendarId
    position: Position = 0
    match: Rule = ""
    require: Needs = Field(default_factory=list)
    prefer: Needs = Field(default_factory=list)
    steps: Steps = Field(default_factory=list)
    reply_days: ReplyDays = 1
    is_default: bool = False
    needs_handoff: NeedsHandoff = False
    agent_ids: AgentIds = Field(default_factory=list)


class QueuePatch(Body):
    name: Name | None = None
    calendar_id: CalendarId | None = None
    position: Position | None = None
    match: Rule | None = None
    require: Needs | None = None
    prefer: Needs | None = None
    steps: Steps | None = None
    reply_days: ReplyDays | None = None
    is_default: bool | None = None
    needs_handoff: NeedsHandoff | None = None
    agent_ids: AgentIds | None = None
    archived: Annotated[bool | None, Field(description="An archived queue takes no more tickets")] = None


class QueueOut(Shown):
    id: QueueId
    name: str
    position: int
    match: str
    require: list[str]
    prefer: list[str]
    steps: list[dict[str, Any]]
    calendar_id: CalendarId
    reply_days: int
    is_default: bool
    needs_handoff: bool
    archived_at: datetime | None
    agent_ids: list[AgentId]
    version: int
    created_at: datetime
    updated_at: datetime


def _queue(queue: Queue) -> QueueOut:
    return QueueOut.model_validate(queue)


@routes.get("/queues", summary="List queues")
async def list_queues(
    actor: ReadsQueues,
    db: Db,
    pages: Pages,
    archived: Annotated[bool, Query(description="The archived ones, instead")] = False,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[QueueOut]:
    """In the order in which their rules are asked."""
    after = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.page(
            tx, limit=limit + 1, after=(after[0], UUID(after[1])) if after else None, archived=archived
        )
    return pages.page(found, limit, _queue, lambda queue: [queue.position, queue.id])


@routes.post("/queues", status_code=201, summary="Make a queue")
async def create_queue(
    body: QueueIn, response: Response, actor: WritesQueues, db: Db, request_id: RequestId, now: Now
) -> QueueOut:
    """Its rule is checked at once; a mistake names its place."""
    fresh = Queue(id=new_id(now), archived_at=None, version=1, created_at=now, updated_at=now, **body.model_dump())
    queue = await admin.create_queue(db, fresh, actor, request_id=request_id, now=now)
    response.headers["Location"] = f"/v1/queues/{ids.encode('queue', queue.id)}"
    response.headers["ETag"] = etags.of(queue.version)
    return _queue(queue)


@routes.get("/queues/{queue_id}", summary="Read a queue", response_model=QueueOut)
async def read_queue(
    queue_id: QueueId, request: Request, response: Response, actor: ReadsQueues, db: Db, _: IfNoneMatch
) -> Any:
    """Its rule, skills, steps, calendar and members."""
    async with db.connection() as tx:
        queue = await rows.read(tx, queue_id)
    if queue is None:
        raise NotFound("There is no such queue.")
    return etags.answer(request, response, queue.version) or _queue(queue)


@routes.patch("/queues/{queue_id}", summary="Change a queue")
async def patch_queue(
    queue_id: QueueId,
    body: QueuePatch,
    response: Response,
    actor: WritesQueues,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> QueueOut:
    """A merge patch; lists (`agent_ids`, `steps` …) are replaced as a whole when they are sent."""
    queue = await admin.update_queue(db, queue_id, actor, given(body), version=version, request_id=request_id, now=now)
    response.headers["ETag"] = etags.of(queue.version)
    return _queue(queue)


class CalendarOut(Shown):
    id: CalendarId
    name: str
    country: str = Field(description="Whose holidays are filled in, ISO 3166")
    zone: str
    hours: dict[str, Any] = Field(description="Zone, week, holidays, exceptions: as promises are counted")
    version: int


def _calendar(stored: StoredCalendar) -> CalendarOut:
    return CalendarOut(
        id=stored.id,
        name=stored.name,
        country=stored.country,
        zone=stored.hours.zone if isinstance(stored.hours.zone, str) else str(stored.hours.zone),
        hours=dict(business_time.to_dict(stored.hours)),
        version=stored.version,
    )


@routes.get("/calendars", summary="List calendars", tags=["calendars"])
async def list_calendars(actor: ReadsQueues, db: Db, pages: Pages) -> Page[CalendarOut]:
    """All of them, by name: opening hours, holidays and exceptions."""
    async with db.connection() as tx:
        found = await calendars.every(tx)
    return pages.page(found, len(found), _calendar, lambda calendar: [calendar.id])


@routes.get("/calendars/{calendar_id}", summary="Read a calendar", tags=["calendars"], response_model=CalendarOut)
async def read_calendar(
    calendar_id: CalendarId, request: Request, response: Response, actor: ReadsQueues, db: Db, _: IfNoneMatch
) -> Any:
    """Opening hours with all their holidays and exceptions, as they are in force."""
    async with db.connection() as tx:
        found = [calendar for calendar in await calendars.every(tx) if calendar.id == calendar_id]
    if not found:
        raise NotFound("There is no such calendar.")
    return etags.answer(request, response, found[0].version) or _calendar(found[0])


Dates = dict[str, str]


class HoursIn(Body):
    zone: Annotated[str, Field(max_length=100, examples=["Europe/Moscow"])]
    week: Annotated[str, Field(max_length=2000, examples=["mon-fri 09:00-13:00 14:00-18:00"])]
    holidays: Dates = Field(default_factory=dict, max_length=2000, description="Closed dates by name")
    workdays: Dates = Field(default_factory=dict, max_length=2000, description="Dates that work like a weekday")
    exceptions: Dates = Field(default_factory=dict, max_length=2000, description="Other hours on these dates")


Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="Whose holidays are filled in; empty: nobody's")]


class CalendarIn(Body):
    name: Name
    country: Country = ""
    hours: HoursIn


class CalendarPatch(Body):
    name: Name | None = None
    country: Country | None = None
    hours: Annotated[HoursIn | None, Field(description="As a whole")] = None


@routes.post("/calendars", status_code=201, summary="Make a calendar", tags=["calendars"])
async def create_calendar(
    body: CalendarIn, response: Response, actor: WritesQueues, db: Db, request_id: RequestId, now: Now
) -> CalendarOut:
    """Holidays of the country are filled in for this year and the next two, and every day again."""
    made = await configure.create_calendar(
        db,
        new_id(now),
        actor,
        name=body.name,
        country=body.country,
        hours=body.hours.model_dump(),
        request_id=request_id,
        now=now,
    )
    response.headers["Location"] = f"/v1/calendars/{ids.encode('calendar', made.id)}"
    response.headers["ETag"] = etags.of(made.version)
    return _calendar(made)


@routes.patch("/calendars/{calendar_id}", summary="Change a calendar", tags=["calendars"])
async def patch_calendar(
    calendar_id: CalendarId,
    body: CalendarPatch,
    response: Response,
    actor: WritesQueues,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> CalendarOut:
    """Another version: dates that customers were told stay, the next ones are counted by it."""
    changes = given(body)
    if body.hours is not None:
        changes["hours"] = body.hours.model_dump()
    made = await configure.update_calendar(
        db, calendar_id, actor, changes, version=version, request_id=request_id, now=now
    )
    response.headers["ETag"] = etags.of(made.version)
    return _calendar(made)
