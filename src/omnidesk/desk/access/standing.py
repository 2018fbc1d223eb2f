"""Those who follow for long: looked at again together, so that a right that ends closes its streams within seconds."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from omnidesk.db import access
from omnidesk.db.access import Key, Person, Session
from omnidesk.db.session import Database
from omnidesk.desk.access.keyring import opened
from omnidesk.desk.access.keys import public_part
from omnidesk.desk.access.passwords import digest
from omnidesk.desk.access.sessions import TOUCH_EVERY, who
from omnidesk.desk.loops import trace
from omnidesk.domain.people import Actor

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
"""A revoked key, a disabled agent, another role or membership are seen after so long."""

NowIs = Callable[[Actor | None], None]


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody came in with: the public id of a key, or None for a session; and the hash of the secret."""

    public_id: str | None
    secret_hash: bytes

    @classmethod
    def of_key(cls, secret: str) -> "Credential":
        return cls(public_part(secret) or "", digest(secret))

    @classmethod
    def of_session(cls, token: str) -> "Credential":
        return cls(None, digest(token))


class Standing:
    """Tells followers of this process who they are now: an actor with other rights, or None when they may go."""

    def __init__(self, db: Database, now: Callable[[], datetime], *, every_s: float = LOOK_EVERY_S) -> None:
        self._db, self._now, self._every_s = db, now, every_s
        self._told: dict[int, tuple[Credential, NowIs]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def follows(self, credential: Credential, now_is: NowIs) -> Iterator[None]:
        """As long as this lasts, `now_is` hears who it is, every time that is looked at."""
        mine = id(now_is)
        self._told[mine] = (credential, now_is)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self._told.pop(mine, None)
            if not self._told and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except Exception as error:  # the database is away: nothing happens there meanwhile either
                log.warning("standing.not_seen", **trace(error))

    async def look(self) -> None:
        """Look at everybody once, with two statements."""
        wanted = {credential for credential, _ in self._told.values()}
        async with self._db.connection() as tx:
            keys = await access.keys_by_public_id(tx, sorted({one.public_id for one in wanted if one.public_id}))
            sessions = await access.sessions(tx, [one.secret_hash for one in wanted if one.public_id is None])
        now = self._now()
        actors = {credential: _actor(credential, keys, sessions, now) for credential in wanted}
        for credential, now_is in list(self._told.values()):
            if credential in actors:
                now_is(actors[credential])
        await self._touch([token for token, one in sessions.items() if now - one.seen_at > TOUCH_EVERY], now)

    async def _touch(self, tokens: list[bytes], now: datetime) -> None:
        """Who follows is not idle."""
        if tokens:
            async with self._db.connection() as tx:
                await access.touch_sessions(tx, tokens, now)


def _actor(
    credential: Credential,
    keys: Mapping[str, tuple[Key, Person | None]],
    sessions: Mapping[bytes, Session],
    now: datetime,
) -> Actor | None:
    if credential.public_id is None:
        return who(sessions.get(credential.secret_hash), now)
    found = keys.get(credential.public_id)
    return opened(*found, credential.secret_hash, now) if found else None
