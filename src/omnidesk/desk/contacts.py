"""Contacts as people keep them: made, described, given identities, and rid of those that are somebody else's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from omnidesk.channels.phones import e164
from omnidesk.db import contacts, events, identities
from omnidesk.db.contacts import Contact
from omnidesk.db.identities import Identity, New
from omnidesk.db.session import Database, Tx
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

_EMAIL = re.compile(r"[^@\s<>,;]{1,128}@[^@\s<>,;]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An identity as somebody names it."""

    kind: str
    address: str
    realm: str = ""
    name: str = ""
    verified: bool = False


def address_of(kind: str, address: str, *, country: str = "RU", pointer: str = "/address") -> str:
    """An address as it is stored: e-mail in lower case, phones in E.164. Raises Invalid."""
    address = address.strip()
    if kind == "email":
        if _EMAIL.fullmatch(address):
            return address.lower()
        wrong = "Not an e-mail address."
    elif kind == "phone":
        if number := e164(address, country):
            return number
        wrong = "Not a phone number."
    elif address:
        return address
    else:
        wrong = "An address is needed."
    raise Invalid(wrong, [FieldError(pointer=pointer, code="bad_format", message=wrong)])


async def create(
    db: Database,
    actor: Actor,
    values: Mapping[str, Any],
    wanted: Sequence[Wanted],
    *,
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """Make a contact with its identities; its id.

    Raises Invalid; Conflict (`identity_taken`); Forbidden (`limited_key`): a key that sees some queues only could
    ask by this whom the desk knows.
    """
    _check(values)
    _may_add(actor)
    contact_id = new_id(now)
    new = _new(wanted, now)

    async def work(tx: Tx) -> UUID:
        await _add(tx, contact_id, new, actor, now)
        await contacts.add(tx, contact_id, values, creator=str(actor), now=now)
        made = Event(type=EventType.CONTACT_CREATED, subject_id=contact_id, actor=str(actor))
        await events.record(tx, [made], request_id=request_id)
        return contact_id

    return await db.repeating(work)


async def patch(
    db: Database,
    contact_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Change what is known of a person. Raises NotFound, Stale, Invalid; Refused (`contact_merged`, `_erased`)."""
    _check(changes)

    async def work(tx: Tx) -> None:
        before = await locked(tx, contact_id, actor, version)
        preferred = changes.get("preferred_identity_id")
        if preferred and preferred not in await identities.ids_of(tx, [contact_id]):
            raise _invalid("preferred_identity_id", "unknown", "This person has no such identity.")
        changed = {name: value for name, value in changes.items() if getattr(before, name) != value}
        if changed:
            await contacts.save(tx, contact_id, changed, now)
            await _tell(tx, contact_id, actor, request_id, changed=sorted(changed))

    await db.repeating(work)


async def add_identity(
    db: Database, contact_id: UUID, actor: Actor, wanted: Wanted, *, request_id: str | None = None, now: datetime
) -> UUID:
    """Note another address of a person; its id. Raises as `create` and `patch`."""
    _may_add(actor)
    new = _new([wanted], now, pointer="")

    async def work(tx: Tx) -> UUID:
        if await visible(tx, contact_id, actor) is None:
            raise _nobody()
        await _add(tx, contact_id, new, actor, now)
        await locked(tx, contact_id, actor)
        await contacts.save(tx, contact_id, {}, now)
        await _tell(tx, contact_id, actor, request_id, identity_id=ids.encode("identity", new[0].id), did="added")
        return new[0].id

    return await db.repeating(work)


async def change_identity(
    db: Database,
    contact_id: UUID,
    identity_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Its name, whether it is verified, and that it can be reached again. Raises as `patch`."""

    async def work(tx: Tx) -> None:
        before = await _locked_identity(tx, contact_id, identity_id, actor, version)
        after = replace(before, **{name: changes[name] for name in ("name", "verified") if name in changes})
        if changes.get("reachable"):
            after = replace(after, unreachable_at=None, unreachable_reason=None)
        if after != before:
            await identities.save(tx, after)
            await contacts.save(tx, contact_id, {}, now)
            await _tell(
                tx, contact_id, actor, request_id, identity_id=ids.encode("identity", identity_id), did="changed"
            )

    await db.repeating(work)


async def remove_identity(
    db: Database,
    contact_id: UUID,
    identity_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Forget an address that was never written from or to. Raises as `patch`; Refused (`identity_in_use`)."""

    async def work(tx: Tx) -> None:
        await _locked_identity(tx, contact_id, identity_id, actor, version)
        if await identities.in_use(tx, identity_id):
            raise Refused("Something was said by or to this address: detach it instead.", code="identity_in_use")
        await identities.remove(tx, identity_id)
        await _without(tx, contact_id, identity_id, now)
        await _tell(tx, contact_id, actor, request_id, identity_id=ids.encode("identity", identity_id), did="removed")

    await db.repeating(work)


async def detach_identity(
    db: Database,
    contact_id: UUID,
    identity_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """An address that is somebody else's becomes a contact of its own, with all that was said by it; its id.

    Raises as `patch`; Refused (`only_identity`) where nothing would be left.
    """
    other_id = new_id(now)

    async def work(tx: Tx) -> UUID:
        identity = await _locked_identity(tx, contact_id, identity_id, actor, version)
        if len(await identities.ids_of(tx, [contact_id])) == 1:
            raise Refused("This is the only address of this person.", code="only_identity")
        await contacts.add(tx, other_id, {"name": identity.name}, creator=str(actor), now=now)
        await identities.move(tx, [identity_id], other_id)
        await _without(tx, contact_id, identity_id, now)
        about = ids.encode("identity", identity_id)
        await _tell(tx, contact_id, actor, request_id, identity_id=about, did="detached")
        origin = {"identity_id": about, "from": ids.encode("contact", contact_id)}
        made = Event(type=EventType.CONTACT_CREATED, subject_id=other_id, actor=str(actor), data=origin)
        await events.record(tx, [made], request_id=request_id)
        return other_id

    return await db.repeating(work)


# --- what they share ------------------------------------------------------------------------------


async def visible(tx: Tx, contact_id: UUID, actor: Actor) -> Contact | None:
    """The contact, if the actor may see it."""
    return await contacts.read(tx, contact_id, actor)


async def locked(tx: Tx, contact_id: UUID, actor: Actor, version: int | None = None) -> Contact:
    """A contact to be changed, locked. Raises NotFound, Stale, Refused (`contact_merged`, `contact_erased`)."""
    if await visible(tx, contact_id, actor) is None:
        raise _nobody()
    contact = (await contacts.lock(tx, [contact_id]))[contact_id]
    if version is not None and version != contact.version:
        raise Stale("The contact has changed since.", details={"version": contact.version})
    changeable(contact)
    return contact


def changeable(contact: Contact) -> None:
    """Raises Refused for a person who was merged or erased."""
    if contact.merged_into:
        into = ids.encode("contact", contact.merged_into)
        raise Refused("This contact was merged into another one.", code="contact_merged", details={"into": into})
    if contact.erased_at:
        raise Refused("What was known of this person is erased.", code="contact_erased")


def _nobody() -> NotFound:
    return NotFound("There is no such contact.")


async def _locked_identity(tx: Tx, contact_id: UUID, identity_id: UUID, actor: Actor, version: int | None) -> Identity:
    """One of a contact's identities, it and its contact locked."""
    if await visible(tx, contact_id, actor) is None:
        raise _nobody()
    found = await identities.lock(tx, [identity_id])
    await locked(tx, contact_id, actor, version)
    if not found or found[0].contact_id != contact_id:
        raise NotFound("This contact has no such identity.")
    return found[0]


async def _without(tx: Tx, contact_id: UUID, identity_id: UUID, now: datetime) -> None:
    before = (await contacts.lock(tx, [contact_id]))[contact_id]
    gone = before.preferred_identity_id == identity_id
    await contacts.save(tx, contact_id, {"preferred_identity_id": None} if gone else {}, now)


def _may_add(actor: Actor) -> None:
    if actor.kind == "key" and (actor.queue_ids or actor.inbox_ids):
        raise Forbidden("A key that is limited to queues or inboxes makes no contacts.", code="limited_key")


def _new(wanted: Sequence[Wanted], now: datetime, pointer: str | None = None) -> list[New]:
    found: dict[tuple[str, str, str], New] = {}
    for n, one in enumerate(wanted):
        place = f"/identities/{n}" if pointer is None else pointer
        shared = one.kind in {"email", "phone"}
        if shared and one.realm:
            raise _invalid(f"{place[1:]}/realm".strip("/"), "invalid", "E-mail and phone have no realm.")
        address = address_of(one.kind, one.address, pointer=f"{place}/address")
        found[one.kind, one.realm, address] = New(
            id=new_id(now),
            kind=one.kind,
            realm=one.realm,
            address=address,
            name=one.name,
            verified=one.verified,
        )
    return list(found.values())


async def _add(tx: Tx, contact_id: UUID, new: Sequence[New], actor: Actor, now: datetime) -> None:
    """Raises Conflict (`identity_taken`), Refused (`own_address`)."""
    if await identities.is_ours(tx, [one.address for one in new if one.kind == "email"]):
        raise Refused("This is an address of the desk itself.", code="own_address")
    made = set(await identities.add(tx, contact_id, new, now))
    taken = next((one for one in new if one.id not in made), None)
    if taken is None:
        return
    holder = await identities.holder(tx, taken.kind, taken.realm, taken.address)
    shown = holder is not None and await visible(tx, holder, actor) is not None
    raise Conflict(
        "This address belongs to another contact already.",
        code="identity_taken",
        details={"contact_id": ids.encode("contact", holder)} if shown and holder else {},
    )


def _check(values: Mapping[str, Any]) -> None:
    zone = values.get("zone")
    if zone is not None and zone not in available_timezones():
        raise _invalid("zone", "unknown", "Not a time zone of the IANA database.")


def _invalid(field: str, code: str, message: str) -> Invalid:
    return Invalid(message, [FieldError(pointer=f"/{field}", code=code, message=message)])


async def _tell(tx: Tx, contact_id: UUID, actor: Actor, request_id: str | None, **data: Any) -> None:
    event = Event(type=EventType.CONTACT_UPDATED, subject_id=contact_id, actor=str(actor), data=data)
    await events.record(tx, [event], request_id=request_id)
