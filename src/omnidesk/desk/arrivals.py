"""What a person decides about parked arrivals: read them again, or let held ones through."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import structlog

from omnidesk.channels import base
from omnidesk.db import arrivals, checks
from omnidesk.db.arrivals import Journal
from omnidesk.db.session import Database
from omnidesk.desk.accept import sealed, unpack
from omnidesk.desk.inboxes import Channels
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
        journal, body = await arrivals.read(tx, arrival_id), await checks.body(tx, arrival_id)
    if journal is None:
        raise NotFound("There is no such arrival.")
    return journal, unpack(vault.decrypt(body, "arrival")) if body else None


async def retry(db: Database, arrival_id: UUID, actor: Actor) -> Journal:
    """Read a `failed` or `unreadable` arrival again. Raises NotFound, Refused (`arrival_not_parked`)."""
    return await _again(db, arrival_id, actor, release=False)


async def release(db: Database, arrival_id: UUID, actor: Actor) -> Journal:
    """Let a `held` arrival through as if it came now, without an acknowledgement. Raises as `retry`."""
    return await _again(db, arrival_id, actor, release=True)


async def backfill(
    db: Database, channels: Channels, vault: Vault, inbox_id: UUID, since: date, actor: Actor, *, now: datetime
) -> int:
    """Bring what an inbox's account holds since that day, without acknowledgements; how many had not come before.

    Raises NotFound, Refused (`not_backfilled`) for an inbox whose channel keeps nothing, NeedsReauth, OSError.
    """
    opened = await channels.get(inbox_id)
    if not isinstance(opened.channel, base.Backfilling):
        raise Refused("This inbox does not fetch, so there is nothing older to bring.", code="not_backfilled")
    count = 0

    async def bring(came: Sequence[Arrival]) -> None:
        nonlocal count
        rows = [replace(sealed(vault, inbox_id, arrival, now), state="held") for arrival in came]
        async with db.transaction() as tx:  # held and released at once: released ones are not acknowledged
            stored = await arrivals.store(tx, rows)
            await arrivals.retry(tx, sorted(stored), release=True)
        count += len(stored)

    await opened.channel.backfill(since, bring)
    log.info("arrivals.backfilled", inbox_id=ids.encode("inbox", inbox_id), actor=str(actor), count=count)
    return count


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
