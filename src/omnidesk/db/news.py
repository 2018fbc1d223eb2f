"""News for the planner: what happened that may change the plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx
from omnidesk.domain import ids

CONCERNS_PLANNER = (
    *("ticket.created", "ticket.updated", "ticket.unassigned", "ticket.status_changed", "ticket.assigned"),
    *("ticket.offered", "ticket.offer_ended", "ticket.linked", "message.received", "queue.created", "queue.updated"),
    *("policy.changed", "calendar.updated"),
    *("agent.created", "agent.updated", "agent.presence_changed"),
)


@dataclass(frozen=True, slots=True)
class News:
    """Something happened that may change the plan: to a ticket, to an agent, or (neither) to how the desk works."""

    type: str
    ticket_id: UUID | None
    agent_ids: tuple[UUID, ...]


async def after(tx: Tx, seq: int, limit: int) -> tuple[int, list[News]]:
    """(the newest number, what concerns the plan since `seq`, at most so many and one more)."""
    rows = await tx.driver.fetch(
        """
        SELECT seq, type, ticket_id, subject_id, data->>'agent_id' AS agent_id, data->>'previous' AS previous
          FROM events WHERE seq > $1 AND type = ANY ($2) ORDER BY seq LIMIT $3
        """,
        seq,
        list(CONCERNS_PLANNER),
        limit + 1,
    )
    found = [News(row["type"], row["ticket_id"], tuple(_agents_in(row))) for row in rows]
    return max((row["seq"] for row in rows), default=seq), found


def _agents_in(row: Any) -> Iterable[UUID]:
    if row["type"].startswith("agent.") and row["subject_id"]:
        yield row["subject_id"]
    for name in ("agent_id", "previous"):  # of an agent's own change this is a word: his status before
        if (row[name] or "").startswith("agt_"):
            yield ids.decode("agent", row[name])
