"""For whom the desk works when nobody asks right now: the owner of a webhook or a job, with the rights he has today."""

import time
from datetime import UTC, datetime
from uuid import UUID

from omnidesk.db import access
from omnidesk.db.session import Tx
from omnidesk.desk.access import actor_of, key_actor
from omnidesk.domain.errors import Forbidden
from omnidesk.domain.people import Actor

FRESH_S = 5.0  # what an owner may is looked at again after so long

Owner = tuple[str, UUID]  # agent or key, and its id


def owner_of(actor: Actor) -> Owner:
    """Whose it will be. Raises Forbidden for nobody in particular."""
    if actor.id is None or actor.kind not in {"agent", "key"}:
        raise Forbidden("This belongs to an agent or a key.")
    return actor.kind, actor.id


async def actor(tx: Tx, owner: Owner) -> Actor | None:
    """The owner as he is now; None when he is gone: disabled, revoked or expired."""
    kind, owner_id = owner
    if kind == "agent":
        person = await access.person(tx, owner_id)
        return actor_of(person) if person and not person.disabled_at else None
    key = await access.key(tx, owner_id)
    if key is None or key.revoked_at or (key.expires_at and key.expires_at <= datetime.now(UTC)):
        return None
    person = await access.person(tx, key.agent_id) if key.agent_id else None
    if key.agent_id and (person is None or person.disabled_at):
        return None
    return key_actor(key, person)


class Owners:
    """Remembers owners for some seconds."""

    def __init__(self, *, fresh_s: float = FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._known: dict[Owner, tuple[float, Actor | None]] = {}

    async def get(self, tx: Tx, owner: Owner) -> Actor | None:
        """As `actor` says, or said some seconds ago."""
        known = self._known.get(owner)
        if known is None or time.monotonic() - known[0] >= self._fresh_s:
            known = self._known[owner] = (time.monotonic(), await actor(tx, owner))
        return known[1]
