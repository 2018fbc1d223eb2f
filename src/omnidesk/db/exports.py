"""What an export shows of tickets beside their own rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True)
class Counts:
    messages_in: int
    messages_out: int


async def message_counts(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """How much was said in each ticket, notes aside; tickets in which nothing was are left out."""
    rows = await tx.driver.fetch(
        """
        SELECT c.ticket_id, count(*) FILTER (WHERE m.direction = 'in') AS messages_in,
               count(*) FILTER (WHERE m.direction = 'out') AS messages_out
          FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
         WHERE c.ticket_id = ANY($1::uuid[]) GROUP BY c.ticket_id
        """,
        list(ticket_ids),
    )
    return {row["ticket_id"]: Counts(row["messages_in"], row["messages_out"]) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What ids are called."""

    queues: dict[UUID, str]
    inboxes: dict[UUID, str]
    agents: dict[UUID, str]


async def names(tx: Tx, agent_ids: Sequence[UUID]) -> Names:
    """Of all queues and inboxes, and of these agents."""
    rows = await tx.driver.fetch(
        """
        SELECT 'queue' AS noun, id, name FROM queues
        UNION ALL SELECT 'inbox', id, name FROM inboxes
        UNION ALL SELECT 'agent', id, name FROM agents WHERE id = ANY($1::uuid[])
        """,
        list(agent_ids),
    )
    found: dict[str, dict[UUID, str]] = {"queue": {}, "inbox": {}, "agent": {}}
    for row in rows:
        found[row["noun"]][row["id"]] = row["name"]
    return Names(queues=found["queue"], inboxes=found["inbox"], agents=found["agent"])
