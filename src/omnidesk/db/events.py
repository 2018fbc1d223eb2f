"""Events: written in the transaction of the change, numbered afterwards by the sequencer."""

import json
from collections.abc import Sequence

from omnidesk.db.session import Tx
from omnidesk.domain.events import Event


async def record(tx: Tx, events: Sequence[Event], *, request_id: str | None = None) -> None:
    """Append facts, in this order. Call it after the ticket's row is locked: ids are drawn here."""
    if events:
        await tx.driver.execute(
            """
            INSERT INTO events (type, ticket_id, subject_id, actor, data, request_id)
            SELECT type, ticket_id, subject_id, actor, data::jsonb, $6
              FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
                   WITH ORDINALITY AS e (type, ticket_id, subject_id, actor, data, n)
             ORDER BY n
            """,
            [event.type for event in events],
            [event.ticket_id for event in events],
            [event.subject_id for event in events],
            [event.actor for event in events],
            [json.dumps(event.data, ensure_ascii=False, separators=(",", ":"), default=str) for event in events],
            request_id,
        )
