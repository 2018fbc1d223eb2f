"""Merging contacts that are one person, and undoing that."""

from datetime import datetime
from uuid import UUID

from fastapi import Response
from pydantic import Field

from omnidesk.api.contacts import seen
from omnidesk.api.deps import (
    Body,
    ContactId,
    ContactMergeId,
    Db,
    IdentityId,
    IfMatch,
    Now,
    Pages,
    ReadsContacts,
    RequestId,
    Shown,
    WritesContacts,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import contact_merges as rows
from omnidesk.db.contact_merges import Merge
from omnidesk.desk import contact_merges
from omnidesk.domain import ids

routes = router("contacts")


class MergeIn(Body):
    source_id: ContactId = Field(description="Who is the same person, and is found at this contact from now on")


class MergeOut(Shown):
    id: ContactMergeId
    source_id: ContactId
    survivor_id: ContactId
    identity_ids: list[IdentityId] = Field(description="The addresses that came along")
    filled: list[str] = Field(description="Fields that the survivor took over")
    actor: str
    created_at: datetime
    undone_at: datetime | None
    undone_by: str | None


def _shown(merge: Merge) -> MergeOut:
    fields = {name: getattr(merge, name) for name in Merge.__dataclass_fields__}
    moved = [UUID(one) for one in merge.moved]
    return MergeOut.model_validate({**fields, "identity_ids": moved, "filled": sorted(merge.filled)})


@routes.post("/contacts/{contact_id}/merges", status_code=201, summary="Merge another contact into this one")
async def merge_contacts(
    contact_id: ContactId,
    body: MergeIn,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> MergeOut:
    """Tickets and messages stay as they are, and are found at this contact; it takes over what is not known of it."""
    made = await contact_merges.merge(
        db, contact_id, body.source_id, actor, version=version, request_id=request_id, now=now
    )
    path = f"/v1/contacts/{ids.encode('contact', contact_id)}/merges/{ids.encode('contact_merge', made.id)}"
    response.headers["Location"] = path
    return _shown(made)


@routes.get("/contacts/{contact_id}/merges", summary="List a person's mergers")
async def list_merges(
    contact_id: ContactId,
    actor: ReadsContacts,
    db: Db,
    pages: Pages,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[MergeOut]:
    """Into this contact and of it into others, also those that were undone; newest first."""
    place = pages.after(cursor)
    async with db.connection() as tx:
        await seen(tx, contact_id, actor)
        found = await rows.of_contact(tx, contact_id, before=UUID(place[0]) if place else None, limit=limit + 1)
    return pages.page(found, limit, _shown, lambda one: [one.id])


@routes.delete("/contacts/{contact_id}/merges/{merge_id}", summary="Undo a merger")
async def undo_merge(
    contact_id: ContactId,
    merge_id: ContactMergeId,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> MergeOut:
    """The addresses go back, and with them all that was said by them since. Any merger can be undone, in any order.

    If-Match names the version of the contact in the path, which is either of the two.
    """
    undone = await contact_merges.unmerge(
        db, contact_id, merge_id, actor, version=version, request_id=request_id, now=now
    )
    return _shown(undone)
