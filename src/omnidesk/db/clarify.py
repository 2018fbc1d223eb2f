"""Clarification: which facts a ticket's customer was asked for."""

from collections.abc import Sequence
from uuid import UUID

from omnidesk.db.session import Tx


async def asked_for(tx: Tx, ticket_ids: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
    """What is still awaited; () when he has answered, or was never asked."""
    rows = await tx.driver.fetch("SELECT id, asked_for FROM tickets WHERE id = ANY ($1)", list(ticket_ids))
    return {row["id"]: tuple(row["asked_for"]) for row in rows}


async def asked_no_more(tx: Tx, ticket_id: UUID) -> None:
    """Nothing is awaited of a locked ticket's customer any more; whoever calls writes the ticket, too."""
    await tx.driver.execute("UPDATE tickets SET asked_for = '{}' WHERE id = $1", ticket_id)
