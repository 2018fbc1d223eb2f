"""The search rows follow the desk: whoever follows reads the events, like everybody else, and writes the rows anew.

Nothing is written in the transaction of a change, so that taking mail in costs nothing more; the rows are there a
moment after the commit. Tickets that have no rows yet are gone through from the newest to the oldest, in batches.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from omnidesk.db import events
from omnidesk.db import search as rows
from omnidesk.db.events import Numbered
from omnidesk.db.listen import NUMBERED, Listener
from omnidesk.db.session import Database, Tx
from omnidesk.desk.loops import keep
from omnidesk.domain import ids
from omnidesk.domain.events import EventType

PAGE = 200  # events, or tickets, of one step
SAYS_NOTHING_NEW = frozenset(
    {
        EventType.TICKET_ASSIGNED,
        EventType.TICKET_UNASSIGNED,
        EventType.TICKET_OFFERED,
        EventType.TICKET_OFFER_ENDED,
        EventType.TICKET_STATUS,
        EventType.TICKET_ATTENTION,
        EventType.TICKET_TRANSFERRED,
        EventType.TICKET_ESCALATED,
        EventType.TICKET_LINKED,
        EventType.DELIVERY_CHANGED,
        EventType.PROMISE_MADE,
        EventType.PROMISE_KEPT,
        EventType.PROMISE_BROKEN,
        EventType.PROMISE_RENEGOTIATED,
        EventType.CLOCK_CHANGED,
        EventType.CLOCK_WARNED,
    }
)
"""Events of a ticket after which its search row is what it was; after all others it is made anew."""


async def run_following(db: Database, listener: Listener | None, stop: asyncio.Event) -> None:
    """Keep the rows in step until told to stop. Any number of processes may; one at a time does it."""
    await keep("search", stop, lambda: follow(db), listener=listener, channel=NUMBERED)


async def follow(db: Database) -> bool:
    """One bounded step; True when there is more to do."""
    return await db.repeating(_step)


async def _step(tx: Tx) -> bool:
    state = await rows.lock_state(tx)
    if state is None:
        return await rows.begin(tx, seq=await events.newest(tx), filling=True)
    page = await events.events_after(tx, state.seq, limit=PAGE)
    await rows.touch_contacts(tx, _people(page))
    said = _tickets(page)
    due = await rows.take_due(tx, PAGE) if len(said) < PAGE else []
    await rows.write(tx, await rows.documents(tx, sorted({*said, *due})))
    after = replace(state, seq=page[-1].seq if page else state.seq)
    more = len(page) == PAGE or len(due) == PAGE
    if state.filling and not page:
        after, more = await _fill(tx, state), True
    if after != state:
        await rows.save_state(tx, after)
    return more


async def _fill(tx: Tx, state: rows.State) -> rows.State:
    """The next older tickets; when there are none, the filling is over."""
    older = await rows.before(tx, state.below, PAGE)
    await rows.write(tx, await rows.documents(tx, older))
    return replace(state, below=older[-1]) if older else replace(state, below=None, filling=False)


def _tickets(page: Sequence[Numbered]) -> set[UUID]:
    return {event.ticket_id for event in page if event.ticket_id and event.type not in SAYS_NOTHING_NEW}


def _people(page: Iterable[Numbered]) -> list[UUID]:
    """Contacts of whom something changed, and those they were merged with."""
    found: set[UUID] = set()
    for event in page:
        if event.type.startswith("contact.") and event.subject_id:
            found.add(event.subject_id)
            if source := event.data.get("source_id"):
                found.add(ids.decode("contact", source))
    return sorted(found)
