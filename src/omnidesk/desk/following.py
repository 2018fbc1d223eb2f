"""What somebody who follows the events is told: by what he may, and by where each ticket is now.

The feed, `GET /v1/events` and webhooks ask here. A ticket that moves out of a reader's sight is a `ticket.left` to
him, one that moves in a `ticket.entered`, with the number of the move itself: in the sequence there is no gap and
nothing comes twice.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from uuid import UUID

from omnidesk.db.events import Numbered
from omnidesk.desk.access import rights
from omnidesk.domain import sight
from omnidesk.domain.events import PASSAGES, EventType
from omnidesk.domain.people import Actor
from omnidesk.domain.sight import Place

Sees = Callable[[Place], bool]
Told = Callable[[Numbered], Numbered | None]

_NEEDED = {"key": "keys:write", "arrival": "arrivals:read", "webhook": "webhooks:read"}


def teller(actor: Actor, *, narrowed: Sees = lambda _: True) -> Told:
    """How an actor is told of each event; None: not at all. `narrowed` leaves out some of the tickets that he sees."""
    may = rights(actor)

    def sees(place: Place) -> bool:
        return sight.sees(actor, place) and narrowed(place)

    def told(event: Numbered) -> Numbered | None:
        if event.ticket_id is not None:
            return _of_ticket(event, sees)
        return event if _of_desk(event.type, actor, may) else None

    return told if "events:read" in may else lambda _: None


def stored_types(types: Collection[str] | None) -> list[str] | None:
    """The types of the list of events in which these are found."""
    if types is None:
        return None
    return sorted({EventType.TICKET_MOVED if name in PASSAGES else name for name in types})


def _of_ticket(event: Numbered, sees: Sees) -> Numbered | None:
    if event.type != EventType.TICKET_MOVED:
        return event if sees(Place(event.queue_id, event.inbox_id, event.assignee_id)) else None
    before, after = (sees(_place(event.data[name])) for name in ("from", "to"))
    if before == after:
        return None
    return replace(event, type=EventType.TICKET_ENTERED if after else EventType.TICKET_LEFT, data={})


def _place(values: list[str | None]) -> Place:
    """As the table's trigger wrote it: queue, inbox, assignee."""
    return Place(*(UUID(value) if value else None for value in values))


def _of_desk(event_type: str, actor: Actor, may: frozenset[str]) -> bool:
    """What is about no ticket is for those without limits of their key; some of it needs the right to read it."""
    noun = event_type.partition(".")[0]
    if noun == "contact":
        return sight.sees_everything(actor)
    needed = _NEEDED.get(noun)
    return not sight.is_limited(actor) and (needed is None or needed in may)
