"""The filters of lists of tickets, as parameters say them."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from omnidesk.api.deps import (
    ContactId,
    ReadsTickets,
    Utc,
)
from omnidesk.api.errors import Malformed
from omnidesk.db.tickets import Filter
from omnidesk.domain import ids, numbers
from omnidesk.domain.errors import FieldError as Wrong
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean
from omnidesk.domain.tickets import Status, Urgency

LISTED = 50  # values of one filter
Several = Annotated[str | None, Query(max_length=2000, description="One or more, with commas")]


def several(text: str | None, name: str, allowed: Sequence[str] | None = None) -> list[str]:
    if not text:
        return []
    values = list(dict.fromkeys(clean(value).strip() for value in text.split(",")))
    wrong = [value for value in values if not value or (allowed is not None and value not in allowed)]
    if wrong or len(values) > LISTED:
        raise malformed(name)
    return values


def malformed(name: str) -> Malformed:
    return Malformed(
        f"The parameter {name} has a wrong value.",
        errors=[Wrong(pointer=name, code="not_one_of", message="Not one of the allowed values.")],
    )


def read_ids(text: str | None, name: str, noun: str) -> list[UUID]:
    try:
        return [ids.decode(noun, value) for value in several(text, name)]
    except ValueError:
        raise malformed(name) from None


def assignees(text: str | None, actor: Actor) -> tuple[list[UUID], bool]:
    """(agents, also nobody's): `me`, `none` and agent ids, with commas."""
    values = several(text, "assignee")
    found = read_ids(",".join(value for value in values if value not in {"me", "none"}), "assignee", "agent")
    if "me" in values:
        if actor.agent_id is None:
            raise Malformed("This key is nobody's: it has no tickets of its own.")
        found.append(actor.agent_id)
    return found, "none" in values


def number_of(text: str | None) -> str | None:
    if text is None:
        return None
    digits = numbers.normalise(text)
    if digits is None:
        raise malformed("number")
    return digits


def ticket_filter(
    actor: ReadsTickets,
    status: Annotated[Several, Query(examples=["open,pending"])] = None,
    queue: Several = None,
    assignee: Annotated[Several, Query(description="`me`, `none`, or agent ids, with commas")] = None,
    urgency: Several = None,
    channel: Several = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    number: Annotated[str | None, Query(max_length=400, description="Whole, its beginning, or as it is spoken")] = None,
    contact_id: Annotated[ContactId | None, Query(alias="contact", description="Of this person")] = None,
    requester: Annotated[str | None, Query(max_length=500, description="An address of the requester")] = None,
    attention: Annotated[bool | None, Query(description="Those that an agent should look at now, or not")] = None,
    created_after: Utc | None = None,
    created_before: Utc | None = None,
    updated_after: Utc | None = None,
) -> Filter:
    """The filter that the parameters of a request say."""
    agents, nobody = assignees(assignee, actor)
    return Filter(
        statuses=several(status, "status", list(Status)),
        queue_ids=read_ids(queue, "queue", "queue"),
        assignee_ids=agents,
        unassigned=nobody,
        urgencies=several(urgency, "urgency", list(Urgency)),
        channels=several(channel, "channel"),
        category=clean(category) if category is not None else None,
        number=number_of(number),
        contact_id=contact_id,
        requester=clean(requester).strip().lower() if requester else None,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        attention=attention,
    )


Filtered = Annotated[Filter, Depends(ticket_filter)]
