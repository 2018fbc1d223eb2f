"""What webhooks are told: numbered events become calls, once each, seen with the eyes of the webhook's owner.

Each webhook has a cursor in the one sequence. Whoever turns events into calls holds the cursor's lock and moves it in
the same transaction, so that a process that dies in between has done nothing, and two never do the same. A webhook of
which many calls wait is left behind until some are made: its events stay where they are, in order.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from omnidesk.db import events, outbox, webhook_deliveries, webhooks
from omnidesk.db.events import Numbered
from omnidesk.db.listen import NUMBERED, Listener
from omnidesk.db.session import Database, Tx
from omnidesk.db.webhook_deliveries import New
from omnidesk.db.webhooks import Webhook
from omnidesk.desk import following
from omnidesk.desk.loops import REST_S, keep
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.owners import Owners
from omnidesk.desk.webhooks import again, call_of, find, switch_off
from omnidesk.domain.people import Actor
from omnidesk.domain.sight import Place

PAGE = 200
MOST_WAITING = 2_000  # calls of one webhook
SCANNED = 5_000  # events of one request to replay


def told(webhook: Webhook, owner: Actor, event: Numbered) -> Numbered | None:
    """How a webhook hears of an event: of a type it wants, within its limits, seen by its owner; None: it does not."""

    def within(place: Place) -> bool:
        in_queues = not webhook.queue_ids or place.queue_id in webhook.queue_ids
        return in_queues and (not webhook.inbox_ids or place.inbox_id in webhook.inbox_ids)

    if event.ticket_id is None and (webhook.queue_ids or webhook.inbox_ids):
        return None
    seen = following.teller(owner, narrowed=within)(event)
    return seen if seen and (not webhook.types or seen.type in webhook.types) else None


def _heard(webhook: Webhook, owner: Actor, events: Iterable[Numbered]) -> list[Numbered]:
    return [seen for event in events if (seen := told(webhook, owner, event)) is not None]


async def run_telling(db: Database, listener: Listener | None, stop: asyncio.Event) -> None:
    """Turn events into calls until told to stop; any number of processes may."""
    owners = Owners()

    async def step() -> bool:
        told = await tell_batch(db, owners)
        if told and listener:
            listener.tell()
        return told

    await keep("webhooks", stop, step, listener=listener, channel=NUMBERED, rest_s=REST_S)


async def tell_batch(db: Database, owners: Owners) -> bool:
    """One page of events for the webhooks that are furthest behind; False when all know everything."""

    async def work(tx: Tx) -> bool:
        behind = await webhooks.behind(tx, MOST_WAITING)
        page = await events.events_after(tx, behind[0][1], limit=PAGE) if behind else []
        if not page:
            return False
        here = [(webhook, seq) for webhook, seq in behind if seq < page[-1].seq]
        await _put(tx, [pair for webhook, seq in here for pair in await _told(tx, owners, webhook, seq, page)])
        await webhooks.advance(tx, [webhook.id for webhook, _ in here], page[-1].seq)
        return True

    return await db.repeating(work)


async def _told(
    tx: Tx, owners: Owners, webhook: Webhook, seq: int, page: Sequence[Numbered]
) -> list[tuple[Webhook, Numbered]]:
    owner = await owners.get(tx, (webhook.owner_kind, webhook.owner_id))
    if owner is None:
        await switch_off(tx, webhook.id, "owner_gone")
        return []
    return [(webhook, event) for event in _heard(webhook, owner, (event for event in page if event.seq > seq))]


async def _put(tx: Tx, told: Sequence[tuple[Webhook, Numbered]]) -> int:
    """Log and queue these calls in the order of their events; those that are in the log already are left."""
    rows = [
        New(id=new_id(), webhook_id=webhook.id, seq=event.seq, type=event.type, ticket_id=event.ticket_id)
        for webhook, event in told
    ]
    added = await webhook_deliveries.put(tx, rows)
    calls = [
        call_of(webhook.id, row.id, event.ticket_id, event.subject_id)
        for row, (webhook, event) in zip(rows, told, strict=True)
        if row.id in added
    ]
    await outbox.put(tx, calls)
    return len(calls)


async def replay_range(
    db: Database,
    webhook_id: UUID,
    actor: Actor,
    *,
    after: int,
    through: int | None,
    since: datetime | None,
    until: datetime | None,
    only_failed: bool,
) -> tuple[int, int, bool]:
    """Tell events of a range once more, and those that it never heard of; (how many, looked at up to, is there more).

    `only_failed` leaves out what was delivered. At most so many events are looked at in one go. Raises NotFound.
    """

    async def work(tx: Tx) -> tuple[int, int, bool]:
        webhook = await find(tx, webhook_id, actor)
        owner = await Owners().get(tx, (webhook.owner_kind, webhook.owner_id))
        first = max(after, await events.before(tx, since)) if since else after
        last = min(each for each in (through, await events.newest(tx)) if each is not None)
        last = min(last, await events.before(tx, until)) if until else last
        count, position = 0, first
        while position < last and position - first < SCANNED:
            page = [event for event in await events.events_after(tx, position, limit=PAGE) if event.seq <= last]
            if not page:
                break
            wanted = _heard(webhook, owner, page) if owner else []
            count += await _replay(tx, webhook, wanted, only_failed=only_failed)
            position = page[-1].seq
        return count, max(position, first), position < last

    return await db.repeating(work)


async def _replay(tx: Tx, webhook: Webhook, wanted: Sequence[Numbered], *, only_failed: bool) -> int:
    known = await webhook_deliveries.by_seq(tx, webhook.id, [event.seq for event in wanted])
    new = await _put(tx, [(webhook, event) for event in wanted if event.seq not in known])
    repeated = [one for one in known.values() if not (only_failed and one.state == "delivered")]
    await again(tx, webhook.id, repeated)
    return new + len(repeated)
