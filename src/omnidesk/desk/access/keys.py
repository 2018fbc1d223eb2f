"""API keys: made and revoked within the rights of whoever does it; the secret is shown once."""

import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import access, events
from omnidesk.db.access import Key
from omnidesk.db.session import Database
from omnidesk.desk.access.passwords import digest
from omnidesk.desk.access.rights import rights
from omnidesk.domain import ids
from omnidesk.domain.errors import Forbidden, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX = "omd_live_"


def base62(number: int, length: int) -> str:
    """A number in digits and letters, with zeros in front."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def new_secret() -> tuple[str, str]:
    """(public id, whole key): `omd_live_<public id>_<32 base62><6 of a checksum>`, 190 random bits."""
    public_id = "".join(secrets.choice(_BASE62) for _ in range(12))
    body = _PREFIX + public_id + "_" + "".join(secrets.choice(_BASE62) for _ in range(32))
    return public_id, body + base62(zlib.crc32(body.encode()), 6)


def public_part(key: str) -> str | None:
    """The public id of a well-formed key; None for a slip of the pen, which needs no look into the database."""
    if len(key) != len(_PREFIX) + 12 + 1 + 38 or not key.startswith(_PREFIX) or not key.isascii():
        return None
    public_id, _, rest = key[len(_PREFIX) :].partition("_")
    if len(public_id) != 12 or not rest.isalnum() or base62(zlib.crc32(key[:-6].encode()), 6) != key[-6:]:
        return None
    return public_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWish:
    name: str
    scopes: frozenset[str]
    agent_id: UUID | None = None  # a personal key
    inbox_ids: frozenset[UUID] = frozenset()
    queue_ids: frozenset[UUID] = frozenset()
    expires_at: datetime | None = None


async def create_key(db: Database, key_id: UUID, wish: KeyWish, actor: Actor, *, now: datetime) -> tuple[Key, str]:
    """Make a key; returns it and its secret, which is never shown again.

    Nobody gives more than he has: scopes and limits stay within the actor's. Raises Forbidden, Refused.
    """
    _check_wish(wish, actor, now)
    public_id, secret = new_secret()
    key = Key(
        id=key_id,
        public_id=public_id,
        name=wish.name,
        hash=digest(secret),
        scopes=sorted(wish.scopes),
        agent_id=wish.agent_id,
        inbox_ids=sorted(wish.inbox_ids),
        queue_ids=sorted(wish.queue_ids),
        expires_at=wish.expires_at,
        last_used_at=None,
        revoked_at=None,
        version=1,
        created_at=now,
    )
    async with db.transaction() as tx:
        if wish.agent_id and (await access.person(tx, wish.agent_id)) is None:
            raise NotFound("There is no such agent.")
        await access.add_key(tx, key)
        fact = {"name": wish.name, "scopes": key.scopes}
        await events.record(tx, [Event(type=EventType.KEY_CREATED, subject_id=key_id, actor=str(actor), data=fact)])
    return key, secret


def _check_wish(wish: KeyWish, actor: Actor, now: datetime) -> None:
    own = actor.kind == "agent" and wish.agent_id == actor.agent_id
    if not own and "keys:write" not in rights(actor):
        raise Forbidden("This needs the scope keys:write.", code="missing_right", details={"scope": "keys:write"})
    more = wish.scopes - rights(actor)
    if more:
        scope = sorted(more)[0]
        raise Forbidden(f"You cannot give {scope}: you do not have it.", code="missing_right", details={"scope": scope})
    if actor.kind == "key" and not (
        _within(wish.inbox_ids, actor.inbox_ids) and _within(wish.queue_ids, actor.queue_ids)
    ):
        raise Forbidden("A key cannot reach further than the one that makes it.")
    if wish.expires_at and wish.expires_at <= now:
        raise Refused("The key would be expired from the start.", code="expired")


def _within(wanted: frozenset[UUID], allowed: frozenset[UUID]) -> bool:
    return not allowed or (bool(wanted) and wanted <= allowed)


async def revoke_key(db: Database, key_id: UUID, actor: Actor, *, version: int | None, now: datetime) -> Key:
    """Revoke at once. Raises NotFound (also for the keys of others, without keys:write), Stale."""
    async with db.transaction() as tx:
        key = await access.key(tx, key_id, lock=True)
        if key is None or not _may_see(key, actor):
            raise NotFound("There is no such key.")
        if version is not None and version != key.version:
            raise Stale("The key has changed since.", details={"version": key.version})
        if key.revoked_at is None:
            await access.revoke_key(tx, key_id, now)
            await events.record(tx, [Event(type=EventType.KEY_REVOKED, subject_id=key_id, actor=str(actor))])
        after = await access.key(tx, key_id)
    assert after is not None
    return after


def _may_see(key: Key, actor: Actor) -> bool:
    return "keys:write" in rights(actor) or (actor.agent_id is not None and key.agent_id == actor.agent_id)


def type_id(key: Key) -> str:
    return ids.encode("key", key.id)
