"""Jobs: long work that is asked for, watched, cancelled, and whose result is fetched."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, Field, model_validator

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    Anybody,
    Body,
    Clean,
    ContactId,
    Db,
    Home,
    IfNoneMatch,
    JobId,
    Now,
    Pages,
    Parts,
    QueueId,
    ReadsTickets,
    RequestId,
    Shown,
    TicketId,
    Utc,
    given,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import jobs as rows
from omnidesk.db import queues
from omnidesk.db.jobs import Job, Part
from omnidesk.db.tickets import Filter
from omnidesk.desk import job_exports, job_updates, jobs
from omnidesk.desk.job_exports import COLUMNS, TicketExport, filter_json
from omnidesk.desk.job_updates import TicketUpdate
from omnidesk.domain import ids, numbers
from omnidesk.domain.errors import FieldError, Invalid
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import Status, Urgency

routes = router("jobs")

MOST_TICKETS = 10_000
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


def _column(name: str) -> str:
    if name not in COLUMNS:
        raise ValueError("no column of an export")
    return name


ColumnName = Annotated[str, AfterValidator(_column), Field(json_schema_extra={"enum": list(COLUMNS)})]


class TicketFilter(Body):
    """The filters of `GET /v1/tickets`, as JSON. Spam is only among them when `status` asks for it."""

    status: Annotated[list[Status], Field(max_length=10)] = Field(default_factory=list)
    queue: Annotated[list[QueueId], Field(max_length=50)] = Field(default_factory=list)
    assignee: Annotated[
        list[AgentId | Literal["me", "none"]], Field(max_length=50, description="`me`, `none`, agents")
    ] = Field(default_factory=list)
    urgency: Annotated[list[Urgency], Field(max_length=10)] = Field(default_factory=list)
    channel: Annotated[list[Clean], Field(max_length=50)] = Field(default_factory=list)
    category: Annotated[Clean | None, Field(max_length=200)] = None
    number: Annotated[str | None, Field(max_length=400, description="Whole, or its beginning")] = None
    contact: ContactId | None = None
    requester: Annotated[Clean | None, Field(max_length=500, description="An address")] = None
    attention: bool | None = None
    created_after: Utc | None = None
    created_before: Utc | None = None
    updated_after: Utc | None = None


class TicketAt(Body):
    id: TicketId
    version: Annotated[int | None, Field(ge=1, description="Changed only if this is its version")] = None


class TicketChanges(Body):
    status: Literal["open", "pending", "resolved", "spam"] | None = None
    queue_id: QueueId | None = None
    urgency: Urgency | None = None
    category: Annotated[Clean | None, Field(min_length=1, max_length=200, description="null: none")] = None
    assignee_id: Annotated[
        AgentId | Literal["me"] | None, Field(description="`me`, an agent, or null: back to the queue")
    ] = None


_EXPORT = {"format", "columns", "bom", "delimiter"}
_UPDATE = {"tickets", "changes", "reason", "reassign"}


class JobIn(Body):
    kind: Literal["tickets.export", "tickets.update"]
    filter: Annotated[TicketFilter | None, Field(description="Which tickets; of those that you may see")] = None
    format: Annotated[Literal["csv", "ndjson"], Field(description="Of an export")] = "csv"
    columns: Annotated[
        list[ColumnName] | None,
        Field(max_length=len(COLUMNS), min_length=1, description="Of an export; null: all"),
    ] = None
    bom: Annotated[bool, Field(description="Of a CSV: begin as Excel wants it")] = False
    delimiter: Annotated[Literal[",", ";", "\t"], Field(description="Of a CSV")] = ","
    tickets: Annotated[
        list[TicketAt] | None,
        Field(max_length=MOST_TICKETS, min_length=1, description="Of a change, instead of `filter`"),
    ] = None
    changes: Annotated[TicketChanges | None, Field(description="Of a change: what all of them become")] = None
    reason: Annotated[Clean, Field(max_length=500, description="Of a change: why; kept in the history")] = ""
    reassign: Annotated[bool, Field(description="Of a change: take tickets over from those who have them")] = False

    @model_validator(mode="after")
    def _one_kind(self) -> "JobIn":
        foreign = self.model_fields_set & (_UPDATE if self.kind == "tickets.export" else _EXPORT)
        if foreign:
            raise ValueError(f"{sorted(foreign)[0]} belongs to another kind of job")
        if self.kind == "tickets.update":
            if self.changes is None or not self.changes.model_fields_set:
                raise ValueError("say what is to be changed")
            if (self.filter is None) == (self.tickets is None):
                raise ValueError("either tickets or a filter")
        return self


class JobOut(Shown):
    id: JobId
    kind: str
    state: str = Field(description="queued, running, done, failed or cancelled")
    total: int | None = Field(description="Rows, as counted when it began; null: not counted yet")
    done: int = Field(description="Rows done so far")
    failed: int = Field(description="Of those, refused ones; the result says why")
    error: str | None = Field(description="What ended it: owner_gone, missing_scope or gave_up")
    owner: str = Field(examples=["agent:agt_01jb000000e00800000000000g"])
    asked: dict[str, Any] = Field(description="What was asked for; the tickets of a change are left out")
    result_url: str | None = Field(description="null: there is none yet, or it was removed")
    result_until: datetime | None = Field(description="When the result is removed")
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    created_at: datetime


def shown(job: Job) -> JobOut:
    values = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    at = f"/v1/jobs/{ids.encode('job', job.id)}/result"
    there = job.expired_at is None and (job.state == "done" or (job.kind == job_updates.KIND and job.finished_at))
    return JobOut.model_validate(
        {
            **values,
            "owner": f"{job.owner_kind}:{ids.encode(job.owner_kind, job.owner_id)}",
            "asked": job.params.get("asked", {}),
            "result_url": at if there else None,
            "result_until": job.finished_at + jobs.RESULTS_STAY if there and job.finished_at else None,
        }
    )


@routes.post("/jobs", status_code=202, summary="Ask for a job")
async def create_job(
    body: JobIn, response: Response, actor: ReadsTickets, db: Db, request_id: RequestId, now: Now
) -> JobOut:
    """`tickets.export`: one row per ticket, CSV or NDJSON. `tickets.update`: the same change to many tickets.

    A change goes by the rules of each ticket and needs `tickets:write`; its result has a line for each ticket.

    Location is where the job tells how far it is. It is done by workers, with the rights that you have meanwhile.
    """
    params = _export(body, actor) if body.kind == job_exports.KIND else await _update(body, actor, db)
    params["asked"] = body.model_dump(mode="json", exclude_unset=True, exclude={"tickets", "kind"})
    scope = TicketExport.scope if body.kind == job_exports.KIND else TicketUpdate.scope
    job = await jobs.create(db, body.kind, params, actor, scope=scope, request_id=request_id, now=now)
    response.headers["Location"] = f"/v1/jobs/{ids.encode('job', job.id)}"
    response.headers["ETag"] = etags.of(job.version)
    return shown(job)


def _export(body: JobIn, actor: Actor) -> dict[str, Any]:
    return {
        "filter": filter_json(_filter(body.filter or TicketFilter(), actor)),
        "format": body.format,
        "columns": body.columns,
        "bom": body.bom,
        "delimiter": body.delimiter,
    }


async def _update(body: JobIn, actor: Actor, db: Db) -> dict[str, Any]:
    assert body.changes is not None
    changes = given(body.changes, "category", "assignee_id")
    if changes.get("assignee_id") == "me":
        changes["assignee_id"] = _me(actor)
    async with db.connection() as tx:
        if "queue_id" in changes and await queues.unknown(tx, [changes["queue_id"]]):
            wrong = FieldError(pointer="/changes/queue_id", code="unknown", message="There is no such queue.")
            raise Invalid("There is no such queue.", [wrong])
    named = {"tickets": [{"id": one.id, "version": one.version} for one in body.tickets]} if body.tickets else {}
    chosen = {"filter": filter_json(_filter(body.filter, actor))} if body.filter else {}
    return {**named, **chosen, "changes": changes, "reason": body.reason, "reassign": body.reassign}


def _me(actor: Actor) -> UUID:
    if actor.agent_id is None:
        words = "This key is nobody's: it has no tickets of its own."
        raise Invalid(words, [FieldError(pointer="", code="unknown", message=words)])
    return actor.agent_id


def _filter(wanted: TicketFilter, actor: Actor) -> Filter:
    agents = [_me(actor) if one == "me" else one for one in wanted.assignee if one != "none"]
    digits = numbers.normalise(wanted.number) if wanted.number is not None else None
    if wanted.number is not None and digits is None:
        wrong = FieldError(pointer="/filter/number", code="bad_format", message="No number.")
        raise Invalid("Some fields are not right.", [wrong])
    return Filter(
        statuses=[str(one) for one in wanted.status],
        queue_ids=wanted.queue,
        assignee_ids=[one for one in agents if isinstance(one, UUID)],
        unassigned="none" in wanted.assignee,
        urgencies=[str(one) for one in wanted.urgency],
        channels=wanted.channel,
        category=wanted.category,
        number=digits,
        contact_id=wanted.contact,
        requester=wanted.requester.strip().lower() if wanted.requester else None,
        created_after=wanted.created_after,
        created_before=wanted.created_before,
        updated_after=wanted.updated_after,
        attention=wanted.attention,
    )


@routes.get("/jobs", summary="List jobs")
async def list_jobs(
    actor: Anybody,
    db: Db,
    pages: Pages,
    state: Annotated[
        Literal["queued", "running", "done", "failed", "cancelled"] | None, Query(description="Only these")
    ] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[JobOut]:
    """Your own, newest first; administrators see everybody's. Kept for 30 days after their end."""
    after = pages.after(cursor)
    everyone = jobs.sees_all(actor)
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            owner=None if everyone else (actor.kind, actor.id or UUID(int=0)),
            state=state,
            before=UUID(after[0]) if after else None,
            limit=limit + 1,
        )
    return pages.page(found, limit, shown, lambda one: [one.id])


@routes.get("/jobs/{job_id}", summary="How far a job is", response_model=JobOut)
async def read_job(job_id: JobId, request: Request, response: Response, actor: Anybody, db: Db, _: IfNoneMatch) -> Any:
    """The ETag changes with the progress: ask again with `If-None-Match`."""
    async with db.connection() as tx:
        job = await jobs.find(tx, job_id, actor)
    return etags.answer(request, response, job.version) or shown(job)


@routes.post("/jobs/{job_id}/cancel", summary="Cancel a job")
async def cancel_job(job_id: JobId, response: Response, actor: Anybody, db: Db) -> JobOut:
    """What it did until then stays done. Refused with `job_over` when it has ended."""
    job = await jobs.cancel(db, job_id, actor)
    response.headers["ETag"] = etags.of(job.version)
    return shown(job)


@routes.get(
    "/jobs/{job_id}/result",
    summary="A job's result",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}},
)
async def read_result(job_id: JobId, actor: Anybody, db: Db, parts: Home) -> StreamingResponse:
    """Streamed. 409 `job_not_done` before its end, 404 `result_expired` a week after it.

    An export: one row per ticket. A change of tickets: one JSON line per ticket, also of what was done before it was
    cancelled.
    """
    async with db.connection() as tx:
        job, pieces = await jobs.result(tx, job_id, actor)
    kind = str(job.params.get("format", "ndjson"))
    name = f"{job.kind.replace('.', '-')}-{job.created_at:%Y-%m-%d}.{kind}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(sum(piece.size for piece in pieces)),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_stream(parts, pieces), media_type=TYPES[kind], headers=headers)


async def _stream(parts: Parts, pieces: Sequence[Part]) -> AsyncIterator[bytes]:
    for piece in pieces:
        async for chunk in parts.files.stream(piece.sha256):
            yield chunk
