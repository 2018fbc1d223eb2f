"""Who is here: statements about the presence and the capacity of agents."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    id: UUID
    name: str
    status: str  # online | away | offline
    capacity: int
    disabled_at: datetime | None


async def lock(tx: Tx, agent_id: UUID) -> Presence | None:
    row = await tx.driver.fetchrow(
        "SELECT id, name, status, capacity, disabled_at FROM agents WHERE id = $1 FOR NO KEY UPDATE", agent_id
    )
    return Presence(**row) if row else None


async def set_status(tx: Tx, agent_id: UUID, status: str, now: datetime) -> None:
    """Another status; whoever comes back online begins without misses."""
    await tx.driver.execute(
        """
        UPDATE agents SET status = $2, status_since = $3, seen_at = $3, updated_at = $3, version = version + 1,
               misses = CASE WHEN $2 = 'online' THEN 0 ELSE misses END
         WHERE id = $1
        """,
        agent_id,
        status,
        now,
    )


async def touch(tx: Tx, agent_id: UUID, now: datetime, unless_since: datetime) -> None:
    """Note that the agent was seen, unless that was noted since then."""
    await tx.driver.execute(
        "UPDATE agents SET seen_at = $2 WHERE id = $1 AND (seen_at IS NULL OR seen_at < $3)",
        agent_id,
        now,
        unless_since,
    )


async def send_off_unseen(tx: Tx, seen_before: datetime, now: datetime) -> list[tuple[UUID, str]]:
    """Agents not seen since then become offline: (agent, the status before). Those in use right now are left."""
    rows = await tx.driver.fetch(
        """
        WITH gone AS (
            SELECT id, status FROM agents
             WHERE status <> 'offline' AND coalesce(seen_at, status_since) < $1
             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE agents AS a SET status = 'offline', status_since = $2, updated_at = $2, version = version + 1
          FROM gone WHERE a.id = gone.id
        RETURNING a.id, gone.status
        """,
        seen_before,
        now,
    )
    return [(row["id"], row["status"]) for row in rows]


async def set_capacity(tx: Tx, agent_id: UUID, units: int, now: datetime) -> None:
    await tx.driver.execute(
        "UPDATE agents SET capacity = $2, updated_at = $3, version = version + 1 WHERE id = $1", agent_id, units, now
    )
