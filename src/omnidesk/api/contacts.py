"""Contacts: the people who write, what is known of them, and their tier of service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    Body,
    Clean,
    ContactId,
    Db,
    IdentityId,
    IfMatch,
    IfNoneMatch,
    Now,
    Pages,
    ReadsContacts,
    RequestId,
    Shown,
    Utc,
    WritesContacts,
    WritesTickets,
    given,
)
from omnidesk.api.errors import Malformed
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.channels.phones import e164
from omnidesk.db import contacts as rows
from omnidesk.db import identities
from omnidesk.db.contacts import Contact, Filter
from omnidesk.db.identities import Identity
from omnidesk.db.session import Database, Tx
from omnidesk.desk import contacts
from omnidesk.desk.contacts import Wanted
from omnidesk.domain import ids
from omnidesk.domain.errors import FieldError, NotFound
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean

routes = router("contacts")

PREFIX = 3  # characters of an address that a list can be asked for
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$", examples=["email"])]
Name = Annotated[Clean, Field(max_length=500, examples=["Ada Brown"])]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", examples=["ru"], description="Of what the desk writes to him")]
Zone = Annotated[str, Field(max_length=100, examples=["Europe/Moscow"], description="IANA; in which dates are told")]
Tier = Annotated[
    Clean, Field(min_length=1, max_length=100, examples=["vip"], description="Chooses rows of the SLA table")
]
Note = Annotated[Clean, Field(max_length=20_000, description="What colleagues should know; never leaves the desk")]


class IdentityIn(Body):
    kind: Kind
    address: Annotated[Clean, Field(min_length=1, max_length=500, examples=["ada@customer.example"])]
    realm: Annotated[
        Clean, Field(max_length=200, description="The account or site it belongs to; not of mail, phone")
    ] = ""
    name: Name = ""
    verified: Annotated[bool, Field(description="You know that it is his")] = False

    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump())


class ContactIn(Body):
    name: Name = ""
    language: Language | None = None
    zone: Zone | None = None
    tier: Tier | None = None
    note: Note = ""
    identities: Annotated[list[IdentityIn], Field(max_length=50)] = Field(default_factory=list)


class ContactPatch(Body):
    name: Name | None = None
    language: Annotated[Language | None, Field(description="null: not known")] = None
    zone: Annotated[Zone | None, Field(description="null: not known")] = None
    tier: Annotated[Tier | None, Field(description="null: none")] = None
    note: Note | None = None
    preferred_identity_id: Annotated[IdentityId | None, Field(description="Where answers go first; null: anywhere")] = (
        None
    )


class IdentityOut(Shown):
    id: IdentityId
    kind: str = Field(examples=["email"])
    realm: str
    address: str = Field(examples=["ada@customer.example"])
    name: str
    verified: bool = Field(description="Somebody or something vouched for it")
    unreachable_at: datetime | None
    unreachable_reason: str | None = Field(description="Why what was sent there came back")
    created_at: datetime


class ContactOut(Shown):
    id: ContactId
    name: str
    language: str | None
    zone: str | None
    tier: str | None = Field(description="Chooses rows of the SLA table")
    note: str
    preferred_identity_id: IdentityId | None = Field(description="Where answers go first")
    merged_into: ContactId | None = Field(description="This person is that one; the identities are there")
    erased_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    identities: list[IdentityOut]


def shown(contact: Contact, known: Sequence[Identity]) -> ContactOut:
    fields = {name: getattr(contact, name) for name in Contact.__dataclass_fields__}
    if contact.preferred_identity_id not in {one.id for one in known}:
        fields["preferred_identity_id"] = None
    return ContactOut.model_validate({**fields, "identities": list(known)})


async def dressed(tx: Tx, found: Sequence[Contact]) -> list[ContactOut]:
    """With their identities, one statement for all."""
    known = await identities.of_contacts(tx, [one.id for one in found])
    return [shown(one, known.get(one.id, ())) for one in found]


async def seen(tx: Tx, contact_id: UUID, actor: Actor) -> Contact:
    """The contact, if the actor may see it; whom one may not see does not exist."""
    found = await rows.read(tx, contact_id, actor)
    if found is None:
        raise NotFound("There is no such contact.")
    return found


def etag(contact: ContactOut) -> str:
    """The version, and a digest: that an address cannot be reached is shown, but is no change of the person."""
    return etags.of(contact.version, contact.model_dump_json().encode())


async def after(db: Database, contact_id: UUID, response: Response) -> ContactOut:
    """The contact after a change."""
    async with db.connection() as tx:
        contact = await rows.by_id(tx, contact_id)
        assert contact is not None
        made = (await dressed(tx, [contact]))[0]
    response.headers["ETag"] = etag(made)
    return made


def _address(text: str | None, begins: str | None) -> tuple[str | None, str | None]:
    """(whole address, how one begins), as they are stored."""
    if begins is not None and len(begins.strip()) < PREFIX:
        wrong = FieldError(pointer="address_begins", code="too_short", message="Too short.")
        raise Malformed(f"Of an address at least {PREFIX} characters.", errors=[wrong])
    whole = clean(text).strip() if text is not None else None
    if whole is not None:
        whole = whole.lower() if "@" in whole else e164(whole) or whole
    return whole, clean(begins).strip().lower() if begins is not None else None


@routes.get("/contacts", summary="List contacts")
async def list_contacts(
    actor: ReadsContacts,
    db: Db,
    pages: Pages,
    name: Annotated[str | None, Query(min_length=1, max_length=200, description="How words of the name begin")] = None,
    address: Annotated[str | None, Query(min_length=1, max_length=500, description="A whole address or number")] = None,
    address_begins: Annotated[str | None, Query(max_length=500, description="Three characters or more")] = None,
    tier: Annotated[str | None, Query(max_length=100)] = None,
    updated_after: Utc | None = None,
    updated_before: Utc | None = None,
    sort: Literal["updated_at", "-updated_at"] = "-updated_at",
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[ContactOut]:
    """People whom you may see: who sees all tickets sees all of them, others those who take part in a ticket that
    they see. Those who were merged into others or erased are left out.
    """
    whole, begins = _address(address, address_begins)
    wanted = Filter(
        name=clean(name) if name is not None else None,
        address=whole,
        address_begins=begins,
        tier=clean(tier) if tier is not None else None,
        updated_after=updated_after,
        updated_before=updated_before,
    )
    place = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            wanted,
            actor,
            after=(datetime.fromisoformat(place[0]), UUID(place[1])) if place else None,
            descending=sort.startswith("-"),
            limit=limit + 1,
        )
        data = await dressed(tx, found)
    return pages.page(data, limit, lambda one: one, lambda one: [one.updated_at.isoformat(), one.id])


@routes.post("/contacts", status_code=201, summary="Make a contact")
async def create_contact(
    body: ContactIn, response: Response, actor: WritesContacts, db: Db, request_id: RequestId, now: Now
) -> ContactOut:
    """An address that somebody has already is refused with `identity_taken` and, if you may see him, whose it is."""
    values = body.model_dump(exclude={"identities"})
    wanted = [one.wanted() for one in body.identities]
    contact_id = await contacts.create(db, actor, values, wanted, request_id=request_id, now=now)
    response.headers["Location"] = f"/v1/contacts/{ids.encode('contact', contact_id)}"
    return await after(db, contact_id, response)


@routes.get("/contacts/{contact_id}", summary="Read a contact", response_model=ContactOut)
async def read_contact(
    contact_id: ContactId, request: Request, response: Response, actor: ReadsContacts, db: Db, _: IfNoneMatch
) -> Any:
    """Of one who was merged: `merged_into` says who he is now."""
    async with db.connection() as tx:
        found = (await dressed(tx, [await seen(tx, contact_id, actor)]))[0]
    response.headers["ETag"] = current = etag(found)
    if etags.unchanged(request, current):
        return Response(status_code=304, headers={"ETag": current})
    return found


@routes.patch("/contacts/{contact_id}", summary="Change what is known of a person")
async def patch_contact(
    contact_id: ContactId,
    body: ContactPatch,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """A merge patch. A tier holds for what he asks from now on; what runs already keeps its terms.

    An answer that names no conversation goes to the one of the preferred identity, if the ticket has one.
    """
    values = given(body, "language", "zone", "tier", "preferred_identity_id")
    await contacts.patch(db, contact_id, actor, values, version=version, request_id=request_id, now=now)
    return await after(db, contact_id, response)


class TierIn(Body):
    tier: Annotated[Tier | None, Field(description="null: none")]


@routes.put("/contacts/{contact_id}/tier", summary="Say which tier of service a person has")
async def set_tier(
    contact_id: ContactId,
    body: TierIn,
    response: Response,
    actor: WritesTickets,
    db: Db,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """It holds for what he asks from now on; what runs already keeps its terms."""
    await contacts.patch(db, contact_id, actor, {"tier": body.tier}, request_id=request_id, now=now)
    return await after(db, contact_id, response)
