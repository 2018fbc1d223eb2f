"""A person's data, whole: what is handed out when somebody asks what is known of him."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import StreamingResponse

from omnidesk.api.deps import ContactId, Db, Now, ReadsContacts, ReadsTickets, RequestId
from omnidesk.api.route import router
from omnidesk.db.bulk import as_json
from omnidesk.desk import contact_exports
from omnidesk.desk.contact_exports import Record
from omnidesk.domain import ids

routes = router("contacts")

_OBJECT = {
    "schema": {
        "type": "object",
        "description": "`exported_at`, `contact_id`, a list for each kind",
        "examples": [{"exported_at": "2026-11-28T09:30:00Z", "contact_id": "cnt_01jb0000000000000000000000"}],
    }
}
_LINES = {"schema": {"type": "string", "description": "One object a line, with its kind in `record`"}}


@routes.get(
    "/contacts/{contact_id}/export",
    summary="Export everything that is held about a person",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": _OBJECT, "application/x-ndjson": _LINES}}},
)
async def export_contact(
    contact_id: ContactId,
    actor: ReadsContacts,
    _: ReadsTickets,
    db: Db,
    request_id: RequestId,
    now: Now,
    form: Annotated[Literal["json", "ndjson"], Query(alias="format")] = "json",
) -> StreamingResponse:
    """The contact with whoever was merged into it, identities, tickets, conversations, messages, notes, revisions,
    files (with the address to fetch each), deliveries, promises, arrivals and events, streamed.

    For those who see every ticket; needs `tickets:read`, too. That it was exported is an event, `contact.exported`.
    """
    people = await contact_exports.begin(db, contact_id, actor, request_id=request_id)
    found = contact_exports.records(db, people)
    name = ids.encode("contact", contact_id)
    head = {"exported_at": now.isoformat(), "contact_id": name}
    body = _lines(found) if form == "ndjson" else _document(head, found)
    kind = "application/x-ndjson" if form == "ndjson" else "application/json"
    disposition = f'attachment; filename="{name}.{form}"'
    return StreamingResponse(
        body, media_type=kind, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"}
    )


async def _lines(found: AsyncIterator[Record]) -> AsyncIterator[str]:
    async for kind, fields in found:
        yield as_json({"record": kind, **fields}) + "\n"


async def _document(head: dict[str, str], found: AsyncIterator[Record]) -> AsyncIterator[str]:
    """One JSON object, written while it is read: a list for each kind."""
    yield as_json(head)[:-1]
    last = ""
    async for kind, fields in found:
        if kind != last:
            yield f"{']' if last else ''},{as_json(kind)}:[{as_json(fields)}"
            last = kind
        else:
            yield "," + as_json(fields)
    yield "]}" if last else "}"
