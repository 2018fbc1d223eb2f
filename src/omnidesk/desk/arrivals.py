"""What a person decides about parked arrivals: read them again, or let held ones through."""

from uuid import UUID

import structlog

from omnidesk.db import arrivals, checks
from omnidesk.db.arrivals import Journal
from omnidesk.db.session import Database
from omnidesk.desk.accept import unpack
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound, Refused
from omnidesk.domain.messages import Arrival
from omnidesk.domain.people import Actor

log = structlog.get_logger(__name__)


async def opened(db: Database, vault: Vault, arrival_id: UUID) -> tuple[Journal, Arrival | None]:
    """An arrival with what came, for an operator's eyes; None when its body is gone.

    Raises NotFound, CannotDecrypt.
    """
    async with db.connection() as tx:
        journal, sealed = await arrivals.read(tx, arrival_id), await checks.body(tx, arrival_id)
    if journal is None:
        raise NotFound("There is no such arrival.")
    return journal, unpack(vault.decrypt(sealed, "arrival")) if sealed else None


async def retry(db: Database, arrival_id: UUID, actor: Actor) -> Journal:
    """Read a `failed` or `unreadable` arrival again. Raises NotFound, Refused (`arrival_not_parked`)."""
    return await _again(db, arrival_id, actor, release=False)


async def release(db: Database, arrival_id: UUID, actor: Actor) -> Journal:
    """Let a `held` arrival through as if it came now, without an acknowledgement. Raises as `retry`."""
    return await _again(db, arrival_id, actor, release=True)


async def _again(db: Database, arrival_id: UUID, actor: Actor, *, release: bool) -> Journal:
    async with db.transaction() as tx:
        before = await arrivals.read(tx, arrival_id)
        if before is None or (actor.inbox_ids and before.inbox_id not in actor.inbox_ids):
            raise NotFound("There is no such arrival.")
        if not await arrivals.retry(tx, [arrival_id], release=release):
            raise Refused("This arrival does not wait for that decision.", code="arrival_not_parked")
        after = await arrivals.read(tx, arrival_id)
    assert after is not None
    log.info("arrival.again", arrival_id=ids.encode("arrival", arrival_id), actor=str(actor), release=release)
    return after
