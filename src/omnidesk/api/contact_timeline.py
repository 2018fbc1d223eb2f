"""The timeline of a person: everything that was said, over all addresses, conversations and tickets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from omnidesk.api.contacts import seen
from omnidesk.api.deps import ContactId, Db, Pages, ReadsContacts, ReadsTickets, Shown, TicketId
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.api.timeline import MessageOut, dressed
from omnidesk.db import contact_timeline as rows
from omnidesk.db import timeline
from omnidesk.db.contact_timeline import Entry
from omnidesk.db.session import Tx

routes = router("contacts")


class SaidOut(Shown):
    type: Literal["message"] = "message"
    ticket_id: TicketId
    at: datetime
    message: MessageOut


class BegunOut(Shown):
    type: Literal["ticket"] = "ticket"
    ticket_id: TicketId
    number: str
    subject: str
    status: str = Field(description="As it is now")
    at: datetime = Field(description="When the ticket began")


EntryOut = Annotated[SaidOut | BegunOut, Field(discriminator="type")]


@routes.get("/contacts/{contact_id}/timeline", summary="Read what a person and the desk said to each other")
async def read_contact_timeline(
    contact_id: ContactId,
    actor: ReadsContacts,
    _: ReadsTickets,
    db: Db,
    pages: Pages,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[EntryOut]:
    """Of all his addresses: messages and notes with files and deliveries, and where tickets began; newest first.

    Of tickets that you may not see there is nothing. Needs `tickets:read`, too.
    """
    place = pages.after(cursor)
    async with db.connection() as tx:
        await seen(tx, contact_id, actor)
        found = await rows.page(
            tx,
            contact_id,
            actor,
            after=(datetime.fromisoformat(place[0]), place[1], UUID(place[2])) if place else None,
            limit=limit + 1,
        )
        shown = await _shown(tx, found)
    pairs = list(zip(found, shown, strict=True))
    return pages.page(pairs, limit, lambda pair: pair[1], lambda pair: _place(pair[0]))


def _place(entry: Entry) -> list[Any]:
    return [entry.at.isoformat(), entry.rank, entry.id]


async def _shown(tx: Tx, found: Sequence[Entry]) -> list[SaidOut | BegunOut]:
    said = await timeline.messages(tx, [entry.id for entry in found if entry.rank == 1])
    messages = {one.id: one for one in await dressed(tx, said) if isinstance(one, MessageOut)}
    begun = await rows.numbers(tx, [entry.id for entry in found if entry.rank == 0])
    return [
        SaidOut(ticket_id=entry.ticket_id, at=entry.at, message=messages[entry.id])
        if entry.rank == 1
        else BegunOut(
            ticket_id=entry.id,
            at=entry.at,
            **dict(zip(("number", "subject", "status"), begun[entry.id], strict=True)),
        )
        for entry in found
    ]
