"""How a ticket is shown, alone and in lists, and what a change of it answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    ClockId,
    ContactId,
    IdentityId,
    InboxId,
    MessageId,
    QueueId,
    Shown,
    TicketId,
)
from omnidesk.db import tickets as rows
from omnidesk.db.session import Database
from omnidesk.db.tickets import LastMessage, Requester, Row
from omnidesk.desk import clocks
from omnidesk.domain import numbers
from omnidesk.domain.errors import NotFound
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import CUSTOMER_LABELS, Status, Urgency


class RequesterOut(Shown):
    id: ContactId
    identity_id: IdentityId
    kind: str = Field(examples=["email"])
    address: str = Field(examples=["ivan@customer.example"])
    name: str
    verified: bool
    unreachable_reason: str | None
    language: str | None
    zone: str | None


class LastMessageOut(Shown):
    id: MessageId
    direction: str
    author: str
    automatic: bool = Field(description="Written by the desk itself, or by a robot")
    text: str = Field(description="Its beginning")
    at: datetime


class ClockOut(Shown):
    id: ClockId
    kind: str = Field(description="first_reply, next_reply or resolution")
    state: str = Field(description="running, paused, met or breached; a breached one may still go on")
    target_s: int = Field(description="Open time of the calendar that was agreed")
    consumed_s: int = Field(description="Open time used so far")
    started_at: datetime
    paused_at: datetime | None
    due_at: datetime | None = Field(description="null: it stands")
    settled_at: datetime | None
    warned: int = Field(description="Per cent of the last warning")
    policy_version: int = Field(description="Whose target it is")


class LinkOut(Shown):
    kind: str = Field(description="follows, repeat_of or duplicate_of")
    ticket_id: TicketId


class TicketOut(Shown):
    id: TicketId
    number: str = Field(examples=["483920174"])
    number_shown: str = Field(description="In groups, as people write it", examples=["483-920-174"])
    status: Status
    customer_status: str | None = Field(description="What the customer sees, in his language", examples=["В работе"])
    subject: str
    category: str | None
    urgency: Urgency
    language: str
    channel: str = Field(description="Where it began")
    inbox_id: InboxId | None
    requester_id: IdentityId
    queue_id: QueueId
    assignee_id: AgentId | None
    assigned_at: datetime | None
    waiting_since: datetime | None = Field(description="The customer waits for us since; null: we owe no answer")
    required: list[str] = Field(description="Skills that it needs beside those of its queue", examples=[["law"]])
    preferred: list[str] = Field(description="Skills that are asked for while a step of its queue keeps them")
    asked_for: list[str] = Field(description="Facts that the customer is asked for before it waits in its queue")
    facts: dict[str, Any]
    attention: str | None = Field(description="Why an agent should look now")
    level: int = Field(description="1: escalated to a senior, 2: to a supervisor")
    transfers: int = Field(description="How often it was handed on; after two it goes to the lead")
    chaser_count: int = Field(description="How often the customer wrote again before he was answered")
    merged_into: TicketId | None
    first_reply_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    contact: RequesterOut | None = Field(None, description="With `include=contact`")
    last_message: LastMessageOut | None = Field(None, description="With `include=last_message`")
    links: list[LinkOut] | None = Field(None, description="Tickets that it follows or repeats; in lists null")
    clocks: list[ClockOut] | None = Field(None, description="What was agreed, and what is left; in lists null")


def shown(row: Row) -> TicketOut:
    labels = CUSTOMER_LABELS["ru" if row.language == "ru" else "en"]
    return TicketOut.model_validate(
        {
            **{name: getattr(row, name) for name in Row.__dataclass_fields__},
            "number_shown": numbers.grouped(row.number),
            "customer_status": labels.get(Status(row.status)),
        }
    )


def contact(person: Requester) -> RequesterOut:
    return RequesterOut.model_validate({**fields_of(person), "id": person.contact_id})


def fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


async def seen(db: Database, ticket_id: UUID, actor: Actor) -> Row:
    """The ticket, if the actor may see it; what one may not see does not exist."""
    async with db.connection() as tx:
        row = await rows.read(tx, ticket_id, actor)
    if row is None:
        raise NotFound("There is no such ticket.")
    return row


async def changed(db: Database, ticket_id: UUID, response: Response) -> TicketOut:
    """The ticket after a change, also when that took it out of the actor's sight."""
    async with db.connection() as tx:
        row = await rows.read_any(tx, ticket_id)
        measured = await clocks.shown(tx, ticket_id, now=row.updated_at)
        linked = await rows.links(tx, ticket_id)
    response.headers["ETag"] = etags.of(row.version)
    return whole(shown(row), measured, linked)


def whole(ticket: TicketOut, measured: Sequence[clocks.Shown], linked: Sequence[rows.Link]) -> TicketOut:
    """What only the reader of one ticket is shown."""
    ticket.clocks = [ClockOut.model_validate(clock) for clock in measured]
    ticket.links = [LinkOut.model_validate(link) for link in linked]
    return ticket


def dressed(row: Row, people: Mapping[UUID, Requester], last: Mapping[UUID, LastMessage]) -> TicketOut:
    ticket = shown(row)
    if row.requester_id in people:
        ticket.contact = contact(people[row.requester_id])
    if row.id in last:
        ticket.last_message = LastMessageOut.model_validate(last[row.id])
    return ticket
