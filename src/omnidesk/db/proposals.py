"""Proposals: other solutions that customers were offered, and what they said to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    id: UUID
    ticket_id: UUID
    message_id: UUID  # that told the customer
    text: str
    state: str  # open | accepted | declined | withdrawn
    agent_id: UUID | None
    comment: str
    actor: str  # who answered or withdrew it
    created_at: datetime
    settled_at: datetime | None


_COLUMNS = ", ".join(Proposal.__dataclass_fields__)


async def add(
    tx: Tx, proposal_id: UUID, ticket_id: UUID, message_id: UUID, text: str, agent_id: UUID | None, now: datetime
) -> None:
    """A locked ticket's only open one: withdraw the one before first."""
    await tx.driver.execute(
        """
        INSERT INTO proposals (id, ticket_id, message_id, text, agent_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        proposal_id,
        ticket_id,
        message_id,
        text,
        agent_id,
        now,
    )


async def withdraw(tx: Tx, ticket_id: UUID, actor: str, now: datetime) -> list[UUID]:
    """Take back the open one of a locked ticket; which that was."""
    rows = await tx.driver.fetch(
        """
        UPDATE proposals SET state = 'withdrawn', actor = $2, settled_at = $3
         WHERE ticket_id = $1 AND state = 'open' RETURNING id
        """,
        ticket_id,
        actor,
        now,
    )
    return [row["id"] for row in rows]


async def settle(tx: Tx, proposal_id: UUID, state: str, actor: str, comment: str, now: datetime) -> None:
    await tx.driver.execute(
        "UPDATE proposals SET state = $2, actor = $3, comment = $4, settled_at = $5 WHERE id = $1",
        proposal_id,
        state,
        actor,
        comment,
        now,
    )


async def answered(tx: Tx, answers: Mapping[UUID, bool], now: datetime) -> list[tuple[UUID, UUID, str]]:
    """Customers of locked tickets said yes or no: (proposal, ticket, state) of those that were open."""
    rows = await tx.driver.fetch(
        """
        UPDATE proposals AS p SET state = CASE WHEN a.yes THEN 'accepted' ELSE 'declined' END, actor = 'contact',
               settled_at = $3
          FROM unnest($1::uuid[], $2::bool[]) AS a (ticket_id, yes)
         WHERE p.ticket_id = a.ticket_id AND p.state = 'open'
        RETURNING p.id, p.ticket_id, p.state
        """,
        list(answers),
        list(answers.values()),
        now,
    )
    return [(row["id"], row["ticket_id"], row["state"]) for row in rows]


async def read(tx: Tx, ticket_id: UUID, proposal_id: UUID) -> Proposal | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_COLUMNS} FROM proposals WHERE id = $1 AND ticket_id = $2",  # noqa: S608 - our own columns
        proposal_id,
        ticket_id,
    )
    return Proposal(**dict(row)) if row else None


async def of_ticket(tx: Tx, ticket_id: UUID) -> list[Proposal]:
    """The newest first, at most 200."""
    rows = await tx.driver.fetch(
        f"SELECT {_COLUMNS} FROM proposals WHERE ticket_id = $1 ORDER BY id DESC LIMIT 200",  # noqa: S608 - our own columns
        ticket_id,
    )
    return [Proposal(**dict(row)) for row in rows]
