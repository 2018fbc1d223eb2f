"""Hand-offs: who gave a ticket to whom, with the card that the next one reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    id: UUID
    ticket_id: UUID
    from_agent_id: UUID | None
    from_queue_id: UUID
    to_agent_id: UUID | None
    to_queue_id: UUID
    details: str
    steps_tried: str
    expected_result: str
    actor: str
    created_at: datetime


_COLUMNS = ", ".join(Handoff.__dataclass_fields__)


async def add(tx: Tx, card: Handoff) -> None:
    await tx.driver.execute(
        f"INSERT INTO handoffs ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",  # noqa: S608 - our own columns
        *(getattr(card, name) for name in Handoff.__dataclass_fields__),
    )


async def of_ticket(tx: Tx, ticket_id: UUID) -> Sequence[Handoff]:
    """The newest first, at most 200."""
    rows = await tx.driver.fetch(
        f"SELECT {_COLUMNS} FROM handoffs WHERE ticket_id = $1 ORDER BY id DESC LIMIT 200",  # noqa: S608 - our own columns
        ticket_id,
    )
    return [Handoff(**dict(row)) for row in rows]


async def move(tx: Tx, ticket_id: UUID, queue_id: UUID, *, elsewhere: bool, release: bool, now: datetime) -> None:
    """A locked ticket goes on: to another queue its steps begin anew, its age stays; `release` takes it off a desk."""
    await tx.driver.execute(
        """
        UPDATE tickets SET queue_id = $2, transfers = transfers + 1,
               queued_at = CASE WHEN $3 THEN $5 ELSE queued_at END,
               assignee_id = CASE WHEN $4 THEN NULL ELSE assignee_id END,
               assigned_at = CASE WHEN $4 THEN NULL ELSE assigned_at END,
               updated_at = $5, version = version + 1
         WHERE id = $1
        """,
        ticket_id,
        queue_id,
        elsewhere,
        release,
        now,
    )
