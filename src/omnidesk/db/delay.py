"""When the customers of tickets were told why it takes so long."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


async def explained(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, datetime | None]:
    rows = await tx.driver.fetch("SELECT id, explained_at FROM tickets WHERE id = ANY ($1)", list(ticket_ids))
    return {row["id"]: row["explained_at"] for row in rows}


async def note(tx: Tx, ticket_id: UUID, now: datetime) -> None:
    """A locked ticket's customer was told just now; whoever told him has raised its version."""
    await tx.driver.execute("UPDATE tickets SET explained_at = $2 WHERE id = $1", ticket_id, now)
