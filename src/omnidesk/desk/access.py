"""Coming in: passwords, sessions, one-time links and API keys, and what a role may do.

Secrets are random and shown once; SHA-256 of them is stored (they have 190 and more random bits, so a
slow hash would add nothing). Passwords are hashed with argon2id (RFC 9106) in a thread.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from omnidesk.db import access, agents, events, rates
from omnidesk.db.access import Key, Person
from omnidesk.db.session import Database
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, Forbidden, NotFound, Refused, Stale, TooMany, Unauthenticated
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import SCOPES, Actor, Role

SESSION_LIFE = timedelta(days=7)
SESSION_IDLE = timedelta(hours=12)
LINK_LIFE = timedelta(hours=24)
TOUCH_EVERY = timedelta(minutes=1)
SHORTEST_PASSWORD = 12
NOWHERE = UUID(int=0)
"""In `queue_ids` of somebody who is a member of no queue: empty would mean all of them."""

_AGENT = frozenset(
    [
        "tickets:read",
        "tickets:write",
        "messages:write",
        "contacts:read",
        "contacts:write",
        "agents:read",
        "queues:read",
        "inboxes:read",
        "events:read",
    ]
)
_SUPERVISOR = _AGENT | {"agents:write", "queues:write", "arrivals:read", "arrivals:write"}
ROLE_SCOPES: Mapping[Role, frozenset[str]] = {
    Role.AGENT: _AGENT,
    Role.SENIOR: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMIN: frozenset(SCOPES),
}
_ADDRESS_RATE = rates.Rate(per_second=1 / 6, burst=10)
_EMAIL_RATE = rates.Rate(per_second=1 / 30, burst=20)


def rights(actor: Actor) -> frozenset[str]:
    """The scopes that an actor has: what his role may, within what his key was given."""
    return ROLE_SCOPES[actor.role] & (actor.scopes if actor.scopes is not None else frozenset(SCOPES))


def sees_all_queues(role: Role) -> bool:
    return role.at_least(Role.SUPERVISOR)


def actor_of(person: Person) -> Actor:
    """The agent himself, signed in. He sees the tickets of his queues; from supervisor on, all."""
    role = Role(person.role)
    return Actor(
        kind="agent",
        id=person.id,
        agent_id=person.id,
        name=person.name,
        role=role,
        queue_ids=frozenset() if sees_all_queues(role) else frozenset(person.queue_ids) or frozenset({NOWHERE}),
        language=person.language,
    )


# --- passwords ------------------------------------------------------------------------------------

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's first choice for argon2id
_nobody = _hasher.hash(secrets.token_hex(16))
_hashing = ThreadPoolExecutor(max_workers=4, thread_name_prefix="argon2")  # each hash takes 19 MiB meanwhile


async def hashed(password: str) -> str:
    """Raises Refused (`weak_password`) below twelve characters."""
    if len(password) < SHORTEST_PASSWORD:
        raise Refused("A password has at least 12 characters.", code="weak_password")
    return await asyncio.get_running_loop().run_in_executor(_hashing, _hasher.hash, password)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


async def _matches(password_hash: str | None, password: str) -> bool:
    """Takes as long for nobody as for somebody."""
    loop = asyncio.get_running_loop()
    fits = await loop.run_in_executor(_hashing, _verify, password_hash or _nobody, password)
    return fits and password_hash is not None


# --- sessions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str  # for the cookie; not stored
    actor: Actor
    expires_at: datetime


async def sign_in(db: Database, email: str, password: str, *, address: str, now: datetime) -> SignedIn:
    """Begin a session. Raises Unauthenticated, the same for whatever is wrong, and TooMany."""
    email = email.strip().lower()
    await _slow_down(db, address, email)
    async with db.connection() as tx:
        person = await access.person_by_email(tx, email)
    fits = await _matches(person.password_hash if person else None, password)
    if not person or not fits or person.disabled_at:
        raise Unauthenticated("Wrong address or password.", code="wrong_credentials")
    return await _begin(db, person, now)


async def _slow_down(db: Database, address: str, email: str) -> None:
    digest = hashlib.sha256(email.encode()).hexdigest()[:32]
    buckets = {f"sign-in:from:{address}": (1, _ADDRESS_RATE), f"sign-in:as:{digest}": (1, _EMAIL_RATE)}
    async with db.transaction() as tx:
        grants = await rates.take(tx, buckets)
    waits = [grant.wait_s for grant in grants.values() if not grant.taken]
    if waits:
        raise TooMany("Too many attempts to sign in. Wait a little.", retry_after_s=max(waits))


async def _begin(db: Database, person: Person, now: datetime) -> SignedIn:
    token = secrets.token_urlsafe(32)
    actor = actor_of(person)
    async with db.transaction() as tx:
        await access.add_session(tx, _digest(token), person.id, now=now, expires_at=now + SESSION_LIFE)
        await events.record(tx, [Event(type=EventType.SIGNED_IN, subject_id=person.id, actor=str(actor))])
    return SignedIn(token, actor, now + SESSION_LIFE)


async def sign_out(db: Database, token: str) -> None:
    async with db.connection() as tx:
        await access.end_session(tx, _digest(token))


async def by_session(db: Database, token: str, *, now: datetime) -> Actor | None:
    """Whose session this is; None when it is unknown, over, or twelve hours idle."""
    async with db.connection() as tx:
        found = await access.session(tx, _digest(token))
        if found is None or found.expires_at <= now or found.person.disabled_at:
            return None
        if now - found.seen_at > SESSION_IDLE:
            return None
        if now - found.seen_at > TOUCH_EVERY:
            await access.touch_session(tx, _digest(token), now)
    return actor_of(found.person)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


# --- one-time links -------------------------------------------------------------------------------


async def make_link(db: Database, agent_id: UUID | None, *, now: datetime) -> str:
    """The secret of a link that signs an agent in once, within a day; for None it makes the first administrator.

    Raises NotFound for an unknown or disabled agent.
    """
    token = secrets.token_urlsafe(32)
    async with db.transaction() as tx:
        if agent_id is not None:
            person = await access.person(tx, agent_id)
            if person is None or person.disabled_at:
                raise NotFound("There is no such agent.")
        await access.add_link(tx, _digest(token), agent_id, now=now, expires_at=now + LINK_LIFE)
    return token


async def look_at_link(db: Database, token: str, *, now: datetime) -> Person | None:
    """Whom a link signs in, None for the first administrator; it stays unused. Raises Unauthenticated (`link_used`)."""
    async with db.connection() as tx:
        link = await access.link(tx, _digest(token), now)
        person = await access.person(tx, link.agent_id) if link and link.agent_id else None
    if link is None or (link.agent_id and (person is None or person.disabled_at)):
        raise Unauthenticated("This link was used already or is over.", code="link_used")
    return person


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who the first administrator is."""

    agent_id: UUID
    email: str
    name: str
    language: str = "ru"


async def use_link(
    db: Database,
    token: str,
    *,
    password: str | None = None,
    newcomer: Newcomer | None = None,
    address: str,
    now: datetime,
) -> SignedIn:
    """Use a link up: begin a session, set a new password if one is given; older sessions then end.

    Raises Unauthenticated (`link_used`), Refused (`weak_password`, `newcomer_needed`), Conflict, TooMany.
    """
    await _slow_down(db, address, _digest(token).hex())
    password_hash = await hashed(password) if password is not None else None
    async with db.transaction() as tx:
        link = await access.use_link(tx, _digest(token), now)
        if link is None:
            raise Unauthenticated("This link was used already or is over.", code="link_used")
        agent_id = link.agent_id
        if agent_id is None:
            if newcomer is None or password_hash is None:
                raise Refused(
                    "The first administrator needs an address, a name and a password.", code="newcomer_needed"
                )
            if await access.has_administrator(tx):
                raise Conflict("There is an administrator already.", code="has_administrator")
            agent_id = newcomer.agent_id
            await agents.insert(
                tx,
                agent_id,
                email=newcomer.email.strip().lower(),
                name=newcomer.name,
                role=Role.ADMIN,
                now=now,
                language=newcomer.language,
            )
            await events.record(tx, [Event(type=EventType.AGENT_CREATED, subject_id=agent_id, actor="system")])
        if password_hash is not None:
            await access.set_password(tx, agent_id, password_hash)
            await access.end_sessions_of(tx, agent_id)
        person = await access.person(tx, agent_id)
    if person is None or person.disabled_at:
        raise Unauthenticated("This link was used already or is over.", code="link_used")
    return await _begin(db, person, now)


async def change_password(db: Database, agent_id: UUID, old: str, new: str, *, address: str) -> None:
    """Raises Unauthenticated when the old one is wrong, Refused (`weak_password`). All sessions end."""
    async with db.connection() as tx:
        person = await access.person(tx, agent_id)
    await _slow_down(db, address, person.email if person else "")
    if not await _matches(person.password_hash if person else None, old):
        raise Unauthenticated("Wrong address or password.", code="wrong_credentials")
    password_hash = await hashed(new)
    async with db.transaction() as tx:
        await access.set_password(tx, agent_id, password_hash)
        await access.end_sessions_of(tx, agent_id)


# --- API keys -------------------------------------------------------------------------------------

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX = "omd_live_"


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def new_secret() -> tuple[str, str]:
    """(public id, whole key): `omd_live_<public id>_<32 base62><6 of a checksum>`, 190 random bits."""
    public_id = "".join(secrets.choice(_BASE62) for _ in range(12))
    body = _PREFIX + public_id + "_" + "".join(secrets.choice(_BASE62) for _ in range(32))
    return public_id, body + _base62(zlib.crc32(body.encode()), 6)


def public_part(key: str) -> str | None:
    """The public id of a well-formed key; None for a slip of the pen, which needs no look into the database."""
    if len(key) != len(_PREFIX) + 12 + 1 + 38 or not key.startswith(_PREFIX) or not key.isascii():
        return None
    public_id, _, rest = key[len(_PREFIX) :].partition("_")
    if len(public_id) != 12 or not rest.isalnum() or _base62(zlib.crc32(key[:-6].encode()), 6) != key[-6:]:
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
        hash=_digest(secret),
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


class Keyring:
    """Knows keys by their secret; remembers each for at most `fresh_s` seconds, so a revoked one is refused by then."""

    def __init__(self, db: Database, *, fresh_s: float = 2.0, most: int = 1000) -> None:
        self._db, self._fresh_s, self._most = db, fresh_s, most
        self._known: dict[str, tuple[float, Key, Person | None]] = {}

    async def actor(self, secret: str, *, now: datetime) -> Actor | None:
        """Whose key this is; None when it is unknown, wrong, expired, revoked, or its agent is disabled."""
        public_id = public_part(secret)
        if public_id is None:
            return None
        found = await self._find(public_id)
        if found is None:
            return None
        key, person = found
        if not hmac.compare_digest(_digest(secret), bytes(key.hash)):
            return None
        if key.revoked_at or (key.expires_at and key.expires_at <= now):
            return None
        if key.agent_id and (person is None or person.disabled_at):
            return None
        await self._touch(key, person, now)
        return key_actor(key, person)

    def forget(self, public_id: str) -> None:
        self._known.pop(public_id, None)

    async def _find(self, public_id: str) -> tuple[Key, Person | None] | None:
        known = self._known.get(public_id)
        if known and time.monotonic() - known[0] < self._fresh_s:
            return known[1], known[2]
        async with self._db.connection() as tx:
            key = await access.key_by_public_id(tx, public_id)
            if key is None:
                return None
            person = await access.person(tx, key.agent_id) if key.agent_id else None
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[public_id] = (time.monotonic(), key, person)
        return key, person

    async def _touch(self, key: Key, person: Person | None, now: datetime) -> None:
        """At most once a minute."""
        if key.last_used_at and now - key.last_used_at < TOUCH_EVERY:
            return
        async with self._db.connection() as tx:
            await access.touch_key(tx, key.id, now)
        if key.public_id in self._known:
            read_at = self._known[key.public_id][0]
            self._known[key.public_id] = (read_at, replace(key, last_used_at=now), person)


def key_actor(key: Key, person: Person | None) -> Actor:
    """A personal key acts as its agent, within its scopes and limits; another key acts for itself."""
    own = actor_of(person) if person else None
    return Actor(
        kind="key",
        id=key.id,
        agent_id=key.agent_id,
        name=own.name if own else key.name,
        role=own.role if own else Role.ADMIN,
        scopes=frozenset(key.scopes),
        inbox_ids=frozenset(key.inbox_ids),
        queue_ids=_narrowed(frozenset(key.queue_ids), own.queue_ids if own else frozenset()),
        language=own.language if own else "en",
    )


def _narrowed(one: frozenset[UUID], other: frozenset[UUID]) -> frozenset[UUID]:
    """Both limits together, where empty means no limit."""
    if not one or not other:
        return one or other
    return one & other or frozenset({NOWHERE})


def type_id(key: Key) -> str:
    return ids.encode("key", key.id)
