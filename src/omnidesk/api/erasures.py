"""Forgetting people, and the certificate of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from omnidesk.api.deps import (
    ContactId,
    Db,
    ErasureId,
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
from omnidesk.db import erasures as rows
from omnidesk.db.erasures import Erasure
from omnidesk.desk import erasures
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound

routes = router("contacts")


class ErasureOut(Shown):
    id: ErasureId
    contact_id: ContactId
    state: str = Field(description="running or done")
    counts: Annotated[
        dict[str, int],
        Field(
            description="How much of what was erased; nothing of the person",
            examples=[{"contacts": 1, "identities": 2, "tickets": 3, "messages": 14, "files": 2, "arrivals": 8}],
        ),
    ]
    actor: str = Field(description="Who asked for it")
    created_at: datetime
    done_at: datetime | None


def _shown(erasure: Erasure) -> ErasureOut:
    return ErasureOut.model_validate(erasure)


@routes.post("/contacts/{contact_id}/erasures", status_code=202, summary="Erase what is known of a person")
async def erase_contact(
    contact_id: ContactId,
    response: Response,
    actor: WritesContacts,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> ErasureOut:
    """Names and addresses go at once, with everybody who was merged into this contact; the words, files and raw mail of
    his tickets follow in the background. It cannot be undone. What was erased does not come back when a mailbox is read
    anew; what he writes from now on is from somebody new.

    For those who see every ticket. Refused with `calls_under_way` (409) while something is being sent to him. Asked
    for again, the same erasure is the answer.
    """
    made = await erasures.request(db, contact_id, actor, version=version, request_id=request_id, now=now)
    response.headers["Location"] = f"/v1/erasures/{ids.encode('erasure', made.id)}"
    return _shown(made)


@routes.get("/erasures", summary="List erasures")
async def list_erasures(
    actor: ReadsContacts, db: Db, pages: Pages, limit: Limit = 50, cursor: CursorText = None
) -> Page[ErasureOut]:
    """The record of who had whom erased, newest first. For those who see every ticket."""
    erasures.whole(actor)
    place = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.page(tx, before=UUID(place[0]) if place else None, limit=limit + 1)
    return pages.page(found, limit, _shown, lambda one: [one.id])


@routes.get("/erasures/{erasure_id}", summary="Read the certificate of an erasure")
async def read_erasure(erasure_id: ErasureId, actor: ReadsContacts, db: Db) -> ErasureOut:
    """What was erased, when, and at whose word; without anything about the person. For those who see every ticket."""
    erasures.whole(actor)
    async with db.connection() as tx:
        found = await rows.read(tx, erasure_id)
    if found is None:
        raise NotFound("There is no such erasure.")
    return _shown(found)
