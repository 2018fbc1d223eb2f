"""Contacts: the people behind identities."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    id: UUID
    name: str
    language: str | None
    zone: str | None
    tier: str | None
    version: int


async def set_tier(tx: Tx, contact_id: UUID, tier: str | None, now: datetime) -> Contact | None:
    """The contact afterwards; None: there is no such contact."""
    row = await tx.driver.fetchrow(
        """
        UPDATE contacts SET tier = $2, version = version + (tier IS DISTINCT FROM $2)::int, updated_at = $3
         WHERE id = $1 RETURNING id, name, language, zone, tier, version
        """,
        contact_id,
        tier,
        now,
    )
    return Contact(**dict(row)) if row else None
