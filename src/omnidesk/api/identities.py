"""Identities of contacts: the addresses under which people write and are written to."""

from typing import Annotated

from fastapi import Response
from pydantic import Field

from omnidesk.api.contacts import ContactOut, IdentityIn, IdentityOut, Name, after, seen
from omnidesk.api.deps import (
    Body,
    ContactId,
    Db,
    IdentityId,
    IfMatch,
    Now,
    ReadsContacts,
    RequestId,
    Shown,
    WritesContacts,
    given,
)
from omnidesk.api.route import router
from omnidesk.db import identities
from omnidesk.desk import contacts
from omnidesk.domain import ids

routes = router("contacts")


class Identities(Shown):
    data: list[IdentityOut]


class IdentityPatch(Body):
    name: Name | None = None
    verified: Annotated[bool | None, Field(description="You know that it is his, or that it is not")] = None
    reachable: Annotated[
        bool | None, Field(description="true: what came back is forgotten, answers are tried again")
    ] = None


@routes.get("/contacts/{contact_id}/identities", summary="List a person's addresses")
async def list_identities(contact_id: ContactId, actor: ReadsContacts, db: Db) -> Identities:
    """Oldest first, at most 200; without pages."""
    async with db.connection() as tx:
        await seen(tx, contact_id, actor)
        found = (await identities.of_contacts(tx, [contact_id])).get(contact_id, [])
    return Identities(data=[IdentityOut.model_validate(one) for one in found])


@routes.post("/contacts/{contact_id}/identities", status_code=201, summary="Note another address of a person")
async def add_identity(
    contact_id: ContactId,
    body: IdentityIn,
    response: Response,
    actor: WritesContacts,
    db: Db,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """Phones are kept in E.164, mail addresses in lower case. One that somebody has is refused: merge.

    The code is then `identity_taken`.
    """
    made = await contacts.add_identity(db, contact_id, actor, body.wanted(), request_id=request_id, now=now)
    path = f"/v1/contacts/{ids.encode('contact', contact_id)}/identities/{ids.encode('identity', made)}"
    response.headers["Location"] = path
    return await after(db, contact_id, response)


@routes.patch("/contacts/{contact_id}/identities/{identity_id}", summary="Change what is known of an address")
async def patch_identity(
    contact_id: ContactId,
    identity_id: IdentityId,
    body: IdentityPatch,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """If-Match names the version of the contact."""
    await contacts.change_identity(
        db, contact_id, identity_id, actor, given(body), version=version, request_id=request_id, now=now
    )
    return await after(db, contact_id, response)


@routes.delete("/contacts/{contact_id}/identities/{identity_id}", summary="Forget an unused address")
async def remove_identity(
    contact_id: ContactId,
    identity_id: IdentityId,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """One by which something was said is `identity_in_use`: detach it. If-Match names the version of the contact."""
    await contacts.remove_identity(db, contact_id, identity_id, actor, version=version, request_id=request_id, now=now)
    return await after(db, contact_id, response)


@routes.post(
    "/contacts/{contact_id}/identities/{identity_id}/detachments",
    status_code=201,
    summary="Make an address a person of its own",
)
async def detach_identity(
    contact_id: ContactId,
    identity_id: IdentityId,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> ContactOut:
    """The new contact, with everything that was said by this address. If-Match names the version of the old one."""
    made = await contacts.detach_identity(
        db, contact_id, identity_id, actor, version=version, request_id=request_id, now=now
    )
    response.headers["Location"] = f"/v1/contacts/{ids.encode('contact', made)}"
    return await after(db, made, response)
