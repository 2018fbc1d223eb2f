"""Forgetting a person: asked for once, begun at once, finished piece by piece, and certified.

Asked for, the person is unknown in the same moment: names and addresses go, what waits to be sent is taken back,
replies to old threads find nothing. Words, files and raw mail follow in pieces of some hundred rows, each a short
transaction of its own. A worker that dies goes on where it was. What was erased stays away when a mailbox is read
anew: its ids are kept as digests.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from omnidesk.db import contact_merges, contacts, erasures, events, files, identities, search, tickets
from omnidesk.db.erasures import FIRST, NOTES, OWN, TOLD, Erasure, Piece
from omnidesk.db.listen import Listener
from omnidesk.db.session import Database, Tx
from omnidesk.desk.files import FileStore
from omnidesk.desk.loops import keep
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, Forbidden, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Ref
from omnidesk.domain.people import Actor

TICKETS, MESSAGES, ARRIVALS = 200, 300, 5_000  # rows of one piece
RETRY_S = 30


async def request(
    db: Database,
    contact_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> Erasure:
    """Begin to forget a person, with everybody who was merged into him; asked for again, what became of it.

    Raises NotFound, Stale; Forbidden (`needs_all_queues`) for whoever does not see every ticket; Refused
    (`contact_merged`); Conflict (`calls_under_way`) while something is being sent to him this moment.
    """
    erasure_id = new_id(now)

    async def work(tx: Tx) -> Erasure:
        if await contacts.read(tx, contact_id, actor) is None:
            raise NotFound("There is no such contact.")
        whole(actor)
        people = [contact_id, *await contact_merges.sources(tx, contact_id)]
        addresses = await identities.lock_of(tx, people)
        contact = (await contacts.lock(tx, people))[contact_id]
        if begun := await erasures.of_contact(tx, contact_id):
            return begun
        if version is not None and version != contact.version:
            raise Stale("The contact has changed since.", details={"version": contact.version})
        if contact.merged_into:
            into = ids.encode("contact", contact.merged_into)
            raise Refused("This contact was merged into another one.", code="contact_merged", details={"into": into})
        stopped = await erasures.stop_calls(tx, [one.id for one in addresses])
        if stopped is None:
            raise Conflict(
                "Something is being sent to this person right now. Try again in a minute.",
                code="calls_under_way",
                details={"retry_after_s": RETRY_S},
            )
        made = Erasure(
            id=erasure_id,
            contact_id=contact_id,
            state="running",
            step=_ORDER[0],
            position=str(FIRST),
            counts={"contacts": len(people), "identities": len(addresses), "calls": stopped},
            keys={
                "identities": [str(one.id) for one in addresses],
                "addresses": sorted({one.address for one in addresses}),
            },
            actor=str(actor),
            created_at=now,
            done_at=None,
        )
        await erasures.blank_people(tx, people, [one.id for one in addresses], now)
        await erasures.add(tx, made)
        await _tell(tx, made, str(actor), request_id)
        return made

    return await db.repeating(work)


def whole(actor: Actor) -> None:
    """Raises Forbidden for who sees a part of the tickets only: a person is exported or erased as a whole."""
    if tickets.visible(actor) is not None:
        raise Forbidden("This is for those who see every ticket.", code="needs_all_queues")


async def run(db: Database, store: FileStore, stop: asyncio.Event, listener: Listener | None = None) -> None:
    """Go on with what was asked for until `stop`; any number of processes may."""
    await keep("erasures", stop, lambda: step(db, store), listener=listener)


async def step(db: Database, store: FileStore, *, now: datetime | None = None) -> bool:
    """One piece of the oldest erasure, in one short transaction; False when there is nothing to erase."""

    async def work(tx: Tx) -> bool:
        erasure = await erasures.take(tx)
        if erasure is None:
            return False
        found = await _STEPS[erasure.step](tx, erasure)
        free = await files.take_free(tx, found.files)
        await asyncio.to_thread(store.set_aside, free)
        counts = dict(Counter(erasure.counts) + Counter(found.counts))
        after = replace(erasure, counts=counts, position=str(found.last or FIRST))
        if found.last is None:
            after = _next(after, now or datetime.now(UTC))
        await erasures.save(tx, after)
        if after.done_at:
            await _tell(tx, after, "system")
        return True

    return await db.repeating(work)


def _next(erasure: Erasure, now: datetime) -> Erasure:
    """The next step from its beginning; after the last one it is done, and nothing is left to look for."""
    following = _ORDER[_ORDER.index(erasure.step) + 1 :]
    if following:
        return replace(erasure, step=following[0])
    return replace(erasure, state="done", step="", position="", keys={}, done_at=now)


def _identities(erasure: Erasure) -> Sequence[UUID]:
    return [UUID(one) for one in erasure.keys["identities"]]


def _of_messages(which: str) -> "_Step":
    async def work(tx: Tx, erasure: Erasure) -> Piece:
        return await erasures.messages(tx, which, _identities(erasure), UUID(erasure.position), MESSAGES)

    return work


async def _tickets(tx: Tx, erasure: Erasure) -> Piece:
    return await erasures.tickets(tx, _identities(erasure), UUID(erasure.position), TICKETS)


async def _conversations(tx: Tx, erasure: Erasure) -> Piece:
    return await erasures.conversations(tx, _identities(erasure), UUID(erasure.position), TICKETS)


async def _arrivals(tx: Tx, erasure: Erasure) -> Piece:
    after, addresses = UUID(erasure.position), list(erasure.keys["addresses"])
    return await erasures.arrivals(tx, _identities(erasure), addresses, after, ARRIVALS)


async def _found_by(tx: Tx, erasure: Erasure) -> Piece:
    """The rows by which their tickets are found, written anew from what is left."""
    await search.keep_still(tx)
    found = await erasures.spoke_in(tx, _identities(erasure), UUID(erasure.position), TICKETS)
    await search.write(tx, await search.documents(tx, found))
    return Piece(last=found[-1] if found else None, counts={})


_Step = Callable[[Tx, Erasure], Awaitable[Piece]]
_STEPS: dict[str, _Step] = {
    "conversations": _conversations,  # first: nothing joins them any more
    "tickets": _tickets,
    "messages": _of_messages(TOLD),
    "messages_elsewhere": _of_messages(OWN),
    "notes": _of_messages(NOTES),
    "arrivals": _arrivals,
    "search": _found_by,  # last: it reads what the others left
}
_ORDER = list(_STEPS)


async def _tell(tx: Tx, erasure: Erasure, actor: str, request_id: str | None = None) -> None:
    data = {"erasure_id": ids.encode("erasure", erasure.id), "state": erasure.state}
    event = Event(type=EventType.CONTACT_ERASED, subject_id=erasure.contact_id, actor=actor, data=data)
    await events.record(tx, [event], request_id=request_id)


def digest(ref: Ref) -> bytes:
    """How a provider's id of an erased message is remembered."""
    return hashlib.sha256("\x1f".join(ref.key).encode()).digest()
