"""Events: written in the transaction of the change, numbered afterwards by the sequencer, read by number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk, as_json
from omnidesk.db.session import Tx
from omnidesk.domain.events import Event

SEQUENCER = 0x6F6D6E65  # the advisory lock of whoever numbers
_EVENTS = Bulk(tables.events, "type", "ticket_id", "subject_id", "actor", "data", "request_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """An event with its place in the one sequence; where its ticket is now tells who may see it."""

    seq: int
    type: str
    ticket_id: UUID | None
    subject_id: UUID | None
    actor: str
    data: dict[str, Any]
    request_id: str | None
    at: datetime
    queue_id: UUID | None  # the ticket's present queue
    inbox_id: UUID | None  # the inbox in which the ticket began
    assignee_id: UUID | None  # whose the ticket is now


async def record(tx: Tx, events: Sequence[Event], *, request_id: str | None = None) -> None:
    """Append facts, in this order. Call it after the ticket's row is locked: ids are drawn here."""
    if events:
        await _EVENTS.insert(
            tx,
            [
                (event.type, event.ticket_id, event.subject_id, event.actor, as_json(event.data), request_id)
                for event in events
            ],
        )


async def number(tx: Tx, limit: int = 5_000) -> int | None:
    """Give the next numbers to at most `limit` committed events; how many, or None while somebody else does it.

    The numbering is a second statement on purpose: its snapshot must be younger than the lock, else it
    does not see the numbers that the previous holder gave, and gives them again.
    """
    if not await tx.driver.fetchval("SELECT pg_try_advisory_xact_lock($1)", SEQUENCER):
        return None
    tag = await tx.driver.execute(
        """
        WITH fresh AS (
            SELECT id, row_number() OVER (ORDER BY id) AS n
              FROM (SELECT id FROM events WHERE seq IS NULL ORDER BY id LIMIT $1) AS e
        )
        UPDATE events AS e
           SET seq = (SELECT coalesce(max(seq), 0) FROM events) + fresh.n
          FROM fresh
         WHERE e.id = fresh.id
        """,
        limit,
    )
    return int(tag.split()[-1])


async def newest(tx: Tx) -> int:
    """The last number given; 0 before the first."""
    return int(await tx.driver.fetchval("SELECT coalesce(max(seq), 0) FROM events"))


async def before(tx: Tx, moment: datetime) -> int:
    """The last number given to an event before this moment; 0 when there is none.

    Events of one moment are few, and numbers follow time but for what long transactions held back: the answer is of
    the newest event that is older.
    """
    return int(await tx.driver.fetchval("SELECT coalesce(max(seq), 0) FROM events WHERE at < $1", moment))


async def events_after(tx: Tx, seq: int, types: Sequence[str] | None = None, limit: int = 500) -> list[Numbered]:
    """The next events after this number, in order, at most `limit`; `types` None means all of them."""
    rows = await tx.driver.fetch(
        """
        SELECT e.seq, e.type, e.ticket_id, e.subject_id, e.actor, e.data, e.request_id, e.at,
               t.queue_id, t.inbox_id, t.assignee_id
          FROM events AS e LEFT JOIN tickets AS t ON t.id = e.ticket_id
         WHERE e.seq > $1 AND ($2::text[] IS NULL OR e.type = ANY ($2))
         ORDER BY e.seq LIMIT $3
        """,
        seq,
        None if types is None else list(types),
        limit,
    )
    return [Numbered(**row) for row in rows]
