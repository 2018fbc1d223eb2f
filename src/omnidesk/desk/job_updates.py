"""`tickets.update`: the same change to many tickets, each by the rules that hold for one.

The result has a line for each ticket: what it became, or why it was not changed. A ticket changes as a whole or not
at all; one that is refused does not stop the others.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import tickets as rows
from omnidesk.db.jobs import Job
from omnidesk.db.session import Database, Tx
from omnidesk.desk import assign, tickets
from omnidesk.desk.job_exports import after_of, filter_of, position_of
from omnidesk.desk.jobs import Batch
from omnidesk.domain import ids
from omnidesk.domain.errors import DeskError, NotFound, Stale
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import Status

KIND = "tickets.update"
BATCH = 20  # tickets that one transaction locks


class TicketUpdate:
    scope = "tickets:write"
    changes = True

    async def total(self, tx: Tx, job: Job, actor: Actor) -> int:
        named = job.params.get("tickets")
        return len(named) if named is not None else await rows.total(tx, filter_of(job), actor)

    async def batch(self, db: Database, job: Job, actor: Actor, now: datetime) -> Batch:
        named, position, last = await _next(db, job, actor)
        async with db.connection() as tx:
            await rows.lock_all(tx, [ticket_id for ticket_id, _ in named])
        lines = [await _one(db, job, ticket_id, version, actor, now) for ticket_id, version in named]
        content = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
        failed = sum(not line["ok"] for line in lines)
        return Batch(position=position, done=len(lines), failed=failed, content=content.encode(), last=last)


async def _next(db: Database, job: Job, actor: Actor) -> tuple[Sequence[tuple[UUID, int | None]], Any, bool]:
    """(tickets with the versions that are expected, the position behind them, whether they are the last)."""
    listed = job.params.get("tickets")
    if listed is not None:
        start = job.position or 0
        some = listed[start : start + BATCH]
        end = start + len(some)
        return [(UUID(one["id"]), one.get("version")) for one in some], end, end >= len(listed)
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            filter_of(job),
            actor,
            sort="created_at",
            descending=False,
            after=after_of(job.position),
            limit=BATCH,
        )
    position = position_of(found[-1]) if found else job.position or []
    return [(row.id, None) for row in found], position, len(found) < BATCH


async def _one(
    db: Database, job: Job, ticket_id: UUID, version: int | None, actor: Actor, now: datetime
) -> Mapping[str, Any]:
    named = {"ticket_id": ids.encode("ticket", ticket_id)}
    try:
        async with db.transaction() as tx:
            before = await rows.read(tx, ticket_id, actor)
            if before is None:
                raise NotFound("There is no such ticket.")
            if version is not None and version != before.version:
                raise Stale("The ticket has changed since.", details={"version": before.version})
            await _change(db, job, ticket_id, actor, now)
            after = await rows.read_any(tx, ticket_id)
    except DeskError as error:
        return {**named, "ok": False, "error": {"code": error.code, "message": error.message, **error.details}}
    return {
        **named,
        "ok": True,
        "number": after.number,
        "changed": after.version != before.version,
        "version": after.version,
    }


async def _change(db: Database, job: Job, ticket_id: UUID, actor: Actor, now: datetime) -> None:
    wanted: dict[str, Any] = dict(job.params["changes"])
    reason, request_id, again = job.params.get("reason") or "", job.request_id, bool(job.params.get("reassign"))
    about: dict[str, Any] = {name: wanted[name] for name in ("urgency", "category") if name in wanted}
    if "queue_id" in wanted:
        about["queue_id"] = UUID(wanted["queue_id"])
    if about:
        await tickets.patch(db, ticket_id, actor, about, reason=reason, request_id=request_id, now=now)
    if "assignee_id" in wanted:
        if wanted["assignee_id"] is None:
            await assign.unassign(db, ticket_id, actor, now=now)
        else:
            await assign.assign(db, ticket_id, UUID(wanted["assignee_id"]), actor, reassign=again, now=now)
    if wanted.get("status") == Status.SPAM:
        await tickets.mark_spam(db, ticket_id, actor, request_id=request_id, now=now)
    elif "status" in wanted:
        to = Status(wanted["status"])
        await tickets.transition(db, ticket_id, actor, to, reason=reason, request_id=request_id, now=now)
