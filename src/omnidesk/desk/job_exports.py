"""`tickets.export`: one row per ticket, as CSV or NDJSON.

Tickets come in the order of their creation, each once, as it is when its batch is read; those that are created after
the job was asked for are not among them.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from omnidesk.db import exports, tickets
from omnidesk.db.exports import Counts, Names
from omnidesk.db.jobs import Job
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Filter, Requester, Row
from omnidesk.desk.jobs import Batch
from omnidesk.domain import ids
from omnidesk.domain.people import Actor

KIND = "tickets.export"
BATCH = 500
BOM = "\ufeff"  # tells Excel that it is UTF-8
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_filters = TypeAdapter(Filter)


def filter_json(wanted: Filter) -> Any:
    """A filter as a job keeps it."""
    return _filters.dump_python(wanted, mode="json")


def filter_of(job: Job) -> Filter:
    """The tickets that a job is about: those that there were when it was asked for."""
    wanted = _filters.validate_python(job.params.get("filter") or {})
    before = wanted.created_before
    return replace(wanted, created_before=min(before, job.created_at) if before else job.created_at)


def after_of(position: Any) -> tuple[datetime, UUID] | None:
    return (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None


def position_of(row: Row) -> list[str]:
    return [row.created_at.isoformat(), str(row.id)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A ticket with what is known around it."""

    row: Row
    person: Requester | None
    counts: Counts
    names: Names


Column = Callable[[_Seen], Any]


def _own(name: str) -> Column:
    return lambda seen: getattr(seen.row, name)


def _id(noun: str, name: str) -> Column:
    return lambda seen: ids.encode(noun, getattr(seen.row, name)) if getattr(seen.row, name) else None


def _person(name: str) -> Column:
    return lambda seen: getattr(seen.person, name) if seen.person else None


COLUMNS: Mapping[str, Column] = {
    "id": _id("ticket", "id"),
    "number": _own("number"),
    "status": _own("status"),
    "subject": _own("subject"),
    "category": _own("category"),
    "urgency": _own("urgency"),
    "language": _own("language"),
    "channel": _own("channel"),
    "inbox_id": _id("inbox", "inbox_id"),
    "inbox": lambda seen: seen.names.inboxes.get(seen.row.inbox_id) if seen.row.inbox_id else None,
    "queue_id": _id("queue", "queue_id"),
    "queue": lambda seen: seen.names.queues.get(seen.row.queue_id),
    "assignee_id": _id("agent", "assignee_id"),
    "assignee": lambda seen: seen.names.agents.get(seen.row.assignee_id) if seen.row.assignee_id else None,
    "contact_id": lambda seen: ids.encode("contact", seen.person.contact_id) if seen.person else None,
    "requester_name": _person("name"),
    "requester_kind": _person("kind"),
    "requester_address": _person("address"),
    "messages_in": lambda seen: seen.counts.messages_in,
    "messages_out": lambda seen: seen.counts.messages_out,
    "transfers": _own("transfers"),
    "level": _own("level"),
    "chaser_count": _own("chaser_count"),
    "attention": _own("attention"),
    "merged_into": _id("ticket", "merged_into"),
    "required": lambda seen: list(seen.row.required),
    "preferred": lambda seen: list(seen.row.preferred),
    "facts": lambda seen: dict(seen.row.facts),
    "created_at": _own("created_at"),
    "updated_at": _own("updated_at"),
    "waiting_since": _own("waiting_since"),
    "assigned_at": _own("assigned_at"),
    "first_reply_at": _own("first_reply_at"),
    "last_inbound_at": _own("last_inbound_at"),
    "last_outbound_at": _own("last_outbound_at"),
    "resolved_at": _own("resolved_at"),
    "closed_at": _own("closed_at"),
}


class TicketExport:
    scope = "tickets:read"
    changes = False

    async def total(self, tx: Tx, job: Job, actor: Actor) -> int:
        return await tickets.total(tx, filter_of(job), actor)

    async def batch(self, db: Database, job: Job, actor: Actor, now: datetime) -> Batch:
        async with db.connection() as tx:
            found = await tickets.page(
                tx,
                filter_of(job),
                actor,
                sort="created_at",
                descending=False,
                after=after_of(job.position),
                limit=BATCH,
            )
            seen = await _around(tx, found)
        columns = job.params.get("columns") or list(COLUMNS)
        rows = [{name: COLUMNS[name](one) for name in columns if name in COLUMNS} for one in seen]
        return Batch(
            position=position_of(found[-1]) if found else job.position or [],
            done=len(found),
            content=written(rows, columns, job.params, first=job.position is None),
            last=len(found) < BATCH,
        )


async def _around(tx: Tx, found: Sequence[Row]) -> list[_Seen]:
    if not found:
        return []
    people = await tickets.requesters(tx, [row.requester_id for row in found])
    counts = await exports.message_counts(tx, [row.id for row in found])
    names = await exports.names(tx, [row.assignee_id for row in found if row.assignee_id])
    return [_Seen(row, people.get(row.requester_id), counts.get(row.id, Counts(0, 0)), names) for row in found]


def written(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], params: Mapping[str, Any], *, first: bool
) -> bytes:
    """A piece of the result; the first of a CSV has the names of the columns."""
    if params.get("format") == "ndjson":
        return "".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows).encode()
    out = io.StringIO()
    writer = csv.writer(out, delimiter=params.get("delimiter") or ",", lineterminator="\r\n")
    if first:
        writer.writerow(columns)
    writer.writerows([[cell(row.get(name)) for name in columns] for row in rows])
    return ((BOM if first and params.get("bom") else "") + out.getvalue()).encode("utf-8", "replace")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def cell(value: Any) -> str:
    """A value as a cell of a CSV; text that a spreadsheet would take for a formula gets an apostrophe before it.

    Source: OWASP, CSV Injection.
    """
    if value is None:
        return ""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, default=_plain) if value else ""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return _plain(value)
    text = value.replace("\0", "")
    return f"'{text}" if text.startswith(FORMULAS) else text
