"""Two contacts that are one person become one, and two again when they were not.

Everything that was said points to identities, so a merger moves only these: tickets and messages stay where they
are and are found at the survivor. Undone, each identity goes back, and with it whatever came in meanwhile.
Locks: the identities of all who are concerned, then the contacts, each by id; two mergers of the same people at
once wait for each other, and the second one sees what the first did.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import contact_merges, contacts, events, identities
from omnidesk.db.contact_merges import Merge
from omnidesk.db.contacts import Contact
from omnidesk.db.session import Database, Tx
from omnidesk.desk.contacts import changeable
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

FILLED = ("name", "language", "zone", "tier", "preferred_identity_id")


async def merge(
    db: Database,
    survivor_id: UUID,
    source_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> Merge:
    """Make the source a part of the survivor, who also takes over what was not known of him.

    Raises NotFound, Stale (of the survivor); Refused (`same_contact`, `contact_merged`, `contact_erased`).
    """
    if survivor_id == source_id:
        raise Refused("These are the same contact.", code="same_contact")
    merge_id = new_id(now)

    async def work(tx: Tx) -> Merge:
        for contact_id in (survivor_id, source_id):
            await _seen(tx, contact_id, actor)
        found = await _locked(tx, [survivor_id, source_id])
        survivor, source = found[survivor_id], found[source_id]
        if version is not None and version != survivor.version:
            raise Stale("The contact has changed since.", details={"version": survivor.version})
        changeable(survivor)
        changeable(source)
        moved = await identities.ids_of(tx, [source_id])
        filled = _filled(survivor, source)
        done = Merge(
            id=merge_id,
            source_id=source_id,
            survivor_id=survivor_id,
            moved=[str(one) for one in moved],
            filled={name: [_plain(value) for value in pair] for name, pair in filled.items()},
            actor=str(actor),
            created_at=now,
            undone_at=None,
            undone_by=None,
        )
        await identities.move(tx, moved, survivor_id)
        await contacts.save(tx, survivor_id, {name: pair[1] for name, pair in filled.items()}, now)
        await contact_merges.add(tx, done)
        await _tell(tx, EventType.CONTACT_MERGED, done, actor, request_id)
        return done

    return await db.repeating(work)


async def unmerge(
    db: Database,
    contact_id: UUID,
    merge_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> Merge:
    """Make the source a person of his own again: his identities go back, with all that they said since.

    An identity that was detached meanwhile stays where it is; what the survivor took over he gives up, unless
    somebody changed it. `contact_id` is one of the two, and `version` his. Mergers are undone in any order.
    Raises NotFound, Stale; Refused (`not_merged`, `contact_erased`).
    """

    async def work(tx: Tx) -> Merge:
        await _seen(tx, contact_id, actor)
        found = await contact_merges.read(tx, merge_id)
        if found is None or contact_id not in {found.source_id, found.survivor_id}:
            raise NotFound("There is no such merger.")
        kept = await contacts.root(tx, found.survivor_id)
        assert kept is not None
        people = await _locked(tx, sorted({found.survivor_id, found.source_id, kept}))
        if await contacts.root(tx, found.survivor_id) != kept:
            raise Conflict("Somebody merged or divided these contacts just now.")
        if version is not None and version != people[contact_id].version:
            raise Stale("The contact has changed since.", details={"version": people[contact_id].version})
        found = await contact_merges.read(tx, merge_id)
        assert found is not None
        if found.undone_at is not None:
            raise Refused("This merger is undone already.", code="not_merged")
        if any(person.erased_at for person in people.values()):
            raise Refused("What was known of this person is erased.", code="contact_erased")
        await _divide(tx, found, people[found.survivor_id], kept, now)
        await contact_merges.undo(tx, merge_id, str(actor), now)
        await _tell(tx, EventType.CONTACT_UNMERGED, found, actor, request_id)
        after = await contact_merges.read(tx, merge_id)
        assert after is not None
        return after

    return await db.repeating(work)


async def _divide(tx: Tx, merged: Merge, survivor: Contact, kept: UUID, now: datetime) -> None:
    moved = {UUID(one) for one in merged.moved}
    back = [one for one in await identities.ids_of(tx, [kept]) if one in moved]
    await identities.move(tx, back, merged.source_id)
    await contact_merges.point(tx, merged.source_id, None, now)
    given_up = {
        name: _typed(name, before)
        for name, (before, after) in merged.filled.items()
        if _plain(getattr(survivor, name)) == after
    }
    await contacts.save(tx, survivor.id, given_up, now)
    if kept != survivor.id:
        await contacts.save(tx, kept, {}, now)


def _filled(survivor: Contact, source: Contact) -> Mapping[str, list[Any]]:
    """What the survivor takes over: what is not known of him; notes are kept one below the other."""
    found = {
        name: [getattr(survivor, name), getattr(source, name)]
        for name in FILLED
        if not getattr(survivor, name) and getattr(source, name)
    }
    if source.note and source.note != survivor.note:
        found["note"] = [survivor.note, "\n\n".join(note for note in (survivor.note, source.note) if note)]
    return found


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _typed(name: str, value: Any) -> Any:
    return UUID(value) if name == "preferred_identity_id" and value else value


async def _seen(tx: Tx, contact_id: UUID, actor: Actor) -> None:
    if await contacts.read(tx, contact_id, actor) is None:
        raise NotFound("There is no such contact.")


async def _locked(tx: Tx, contact_ids: list[UUID]) -> dict[UUID, Contact]:
    """These contacts, locked with all of their identities. Raises Conflict where an identity came in between."""
    held = {one.id for one in await identities.lock_of(tx, contact_ids)}
    found = await contacts.lock(tx, contact_ids)
    if not held >= set(await identities.ids_of(tx, contact_ids)):
        raise Conflict("One of these contacts was given an address just now.")
    return found


async def _tell(tx: Tx, what: EventType, merged: Merge, actor: Actor, request_id: str | None) -> None:
    data = {
        "merge_id": ids.encode("contact_merge", merged.id),
        "source_id": ids.encode("contact", merged.source_id),
    }
    event = Event(type=what, subject_id=merged.survivor_id, actor=str(actor), data=data)
    await events.record(tx, [event], request_id=request_id)
