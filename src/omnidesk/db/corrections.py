"""Corrections: what people changed of what had been decided about a ticket. Only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk
from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """`old` and `new` are words, of a queue its name; empty: there was, or is, none."""

    id: UUID
    ticket_id: UUID
    field: str  # category | urgency | queue
    old: str
    new: str
    actor: str
    reason: str
    created_at: datetime


_FIELDS = tuple(Correction.__dataclass_fields__)
_ROWS = Bulk(tables.corrections, *_FIELDS)


async def add(tx: Tx, corrections: Sequence[Correction]) -> None:
    await _ROWS.insert(tx, [tuple(getattr(one, name) for name in _FIELDS) for one in corrections])


async def of_ticket(tx: Tx, ticket_id: UUID) -> list[Correction]:
    """The newest first, at most 200."""
    rows = await tx.driver.fetch(
        """
        SELECT id, ticket_id, field, old, new, actor, reason, created_at FROM corrections
         WHERE ticket_id = $1 ORDER BY id DESC LIMIT 200
        """,
        ticket_id,
    )
    return [Correction(**dict(row)) for row in rows]
