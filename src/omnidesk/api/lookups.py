"""Looking a caller up: one call from a number on the display to the person and what is open."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from omnidesk.api.contacts import ContactOut, dressed
from omnidesk.api.deps import ContactId, Db, ReadsContacts, ReadsTickets
from omnidesk.api.errors import Malformed
from omnidesk.api.route import router
from omnidesk.api.showing import TicketOut
from omnidesk.api.showing import shown as ticket_shown
from omnidesk.channels.phones import e164
from omnidesk.db import contacts, lookups
from omnidesk.db.lookups import TICKETS, Found
from omnidesk.db.session import Tx
from omnidesk.domain import numbers
from omnidesk.domain.errors import FieldError
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean

routes = router("contacts")

Text = Annotated[str | None, Query(min_length=1, max_length=400)]


class OpenTicketOut(BaseModel):
    contact_id: ContactId | None = Field(description="Whose it is, of those found")
    matched: bool = Field(description="It is about what was looked for: the order, the number, the phone stated in it")
    ticket: TicketOut


class LookupOut(BaseModel):
    by: Literal["phone", "email", "order", "number"]
    value: str = Field(description="What was looked for, as it is stored", examples=["+79161234567"])
    contacts: list[ContactOut] = Field(description="At most 20, the best match first")
    tickets: list[OpenTicketOut] = Field(
        description="What matched, also when it is done, then what is open, the last moved first"
    )
    more: bool = Field(description="There are more open tickets: ask for them with `GET /v1/tickets?contact=`")


def _phone(text: str) -> str:
    return e164(text) or text.strip()


def _email(text: str) -> str:
    return text.strip().lower()


def _order(text: str) -> str:
    return text.strip().lstrip("#№ ").strip()


def _number(text: str) -> str:
    digits = numbers.normalise(text)
    if digits is None:
        wrong = FieldError(pointer="number", code="bad_format", message="Not in the expected format.")
        raise Malformed("This is not a ticket's number.", errors=[wrong])
    return digits


_READ: Mapping[str, Callable[[str], str]] = {"phone": _phone, "email": _email, "order": _order, "number": _number}


def _find(by: str, tx: Tx, value: str, actor: Actor) -> Awaitable[Found]:
    match by:
        case "order":
            return lookups.by_order(tx, [value, value.upper(), value.lower()], actor)
        case "number":
            return lookups.by_number(tx, value, actor)
        case _:
            return lookups.by_address(tx, value, actor, phone=by == "phone")


@routes.get("/lookups", summary="Look a caller up")
async def look_up(
    actor: ReadsContacts,
    _: ReadsTickets,
    db: Db,
    phone: Annotated[Text, Query(description="As the telephone system shows it", examples=["8 916 123-45-67"])] = None,
    email: Annotated[Text, Query(examples=["ada@customer.example"])] = None,
    order: Annotated[Text, Query(description="An order's number that a customer stated", examples=["48213"])] = None,
    number: Annotated[Text, Query(description="A ticket's number, also as it is spoken")] = None,
) -> LookupOut:
    """By one of phone, email, order and number: the people, their addresses, and the open tickets that you may see.

    Nobody found is an empty answer. Needs `tickets:read`, too.
    """
    asked = {"phone": phone, "email": email, "order": order, "number": number}
    given = [(name, clean(text)) for name, text in asked.items() if text is not None and clean(text).strip()]
    if len(given) != 1:
        raise Malformed("Name one of phone, email, order and number.")
    by, value = given[0][0], _READ[given[0][0]](given[0][1])
    async with db.connection() as tx:
        found = await _find(by, tx, value, actor)
        people = await contacts.several(tx, found.contact_ids, actor)
        ordered = [people[one] for one in found.contact_ids if one in people]
        shown = await dressed(tx, ordered)
        waiting = await lookups.open_tickets(tx, [one.id for one in ordered], actor)
    whose = {identity.id: one.id for one in shown for identity in one.identities}
    matched = {row.id for row in found.matched}
    rows = [*found.matched, *(row for row in waiting[:TICKETS] if row.id not in matched)]
    data = [
        OpenTicketOut(contact_id=whose.get(row.requester_id), matched=row.id in matched, ticket=ticket_shown(row))
        for row in rows
    ]
    return LookupOut.model_validate(
        {"by": by, "value": value, "contacts": shown, "tickets": data, "more": len(waiting) > TICKETS}
    )
