"""Whose key it is: known by its secret, for some seconds without asking the database again."""

import hmac
import time
from dataclasses import replace
from datetime import datetime

from omnidesk.db import access
from omnidesk.db.access import Key, Person
from omnidesk.db.session import Database
from omnidesk.desk.access.keys import public_part
from omnidesk.desk.access.passwords import digest
from omnidesk.desk.access.rights import actor_of
from omnidesk.desk.access.sessions import TOUCH_EVERY
from omnidesk.domain.people import Actor, Role


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
        actor = opened(key, person, digest(secret), now)
        if actor is not None:
            await self._touch(key, person, now)
        return actor

    def forget(self, public_id: str) -> None:
        self._known.pop(public_id, None)

    async def _find(self, public_id: str) -> tuple[Key, Person | None] | None:
        known = self._known.get(public_id)
        if known and time.monotonic() - known[0] < self._fresh_s:
            return known[1], known[2]
        async with self._db.connection() as tx:
            found = (await access.keys_by_public_id(tx, [public_id])).get(public_id)
        if found is None:
            return None
        key, person = found
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


def opened(key: Key, person: Person | None, secret_hash: bytes, now: datetime) -> Actor | None:
    """Who acts by a key, shown its secret; None when it is the wrong one, or the key is no longer valid."""
    if not hmac.compare_digest(secret_hash, bytes(key.hash)):
        return None
    if key.revoked_at or (key.expires_at and key.expires_at <= now):
        return None
    if key.agent_id and (person is None or person.disabled_at):
        return None
    return key_actor(key, person)


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
        queue_ids=frozenset(key.queue_ids),
        queues_seen=own.queues_seen if own else None,
        language=own.language if own else "en",
    )
