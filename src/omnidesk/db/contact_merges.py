"""How contacts were merged, so that each merger can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.bulk import as_json
from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    id: UUID
    source_id: UUID
    survivor_id: UUID
    moved: Sequence[str]  # identity ids
    filled: Mapping[str, Any]  # field of the survivor: [before, after]
    actor: str
    created_at: datetime
    undone_at: datetime | None
    undone_by: str | None


_NAMES = ", ".join(Merge.__dataclass_fields__)


async def add(tx: Tx, merge: Merge) -> None:
    """Note a merger; the source, locked, points to the survivor from now on."""
    await tx.driver.execute(
        """
        INSERT INTO contact_merges (id, source_id, survivor_id, moved, filled, actor, created_at)
        VALUES ($1, $2, $3, $4::text::jsonb, $5::text::jsonb, $6, $7)
        """,
        merge.id,
        merge.source_id,
        merge.survivor_id,
        as_json(list(merge.moved)),
        as_json(merge.filled),
        merge.actor,
        merge.created_at,
    )
    await point(tx, merge.source_id, merge.survivor_id, merge.created_at)


async def point(tx: Tx, source_id: UUID, survivor_id: UUID | None, now: datetime) -> None:
    """Who a locked contact is: somebody else, or (None) himself again."""
    await tx.driver.execute(
        "UPDATE contacts SET merged_into = $2, version = version + 1, updated_at = $3 WHERE id = $1",
        source_id,
        survivor_id,
        now,
    )


async def read(tx: Tx, merge_id: UUID) -> Merge | None:
    row = await tx.driver.fetchrow(f"SELECT {_NAMES} FROM contact_merges WHERE id = $1", merge_id)  # noqa: S608 - our own columns
    return Merge(**dict(row)) if row else None


async def of_contact(tx: Tx, contact_id: UUID, *, before: UUID | None, limit: int) -> list[Merge]:
    """In which a contact took part, newest first."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_NAMES} FROM contact_merges
         WHERE (survivor_id = $1 OR source_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - our own columns
        contact_id,
        before,
        limit,
    )
    return [Merge(**dict(row)) for row in rows]


async def undo(tx: Tx, merge_id: UUID, actor: str, now: datetime) -> None:
    await tx.driver.execute(
        "UPDATE contact_merges SET undone_at = $2, undone_by = $3 WHERE id = $1", merge_id, now, actor
    )


async def sources(tx: Tx, contact_id: UUID) -> list[UUID]:
    """Everybody who was merged into this contact, directly or by way of others."""
    rows = await tx.driver.fetch(
        """
        WITH RECURSIVE merged AS (
            SELECT id FROM contacts WHERE merged_into = $1
             UNION
            SELECT c.id FROM merged JOIN contacts AS c ON c.merged_into = merged.id
        )
        SELECT id FROM merged ORDER BY id
        """,
        contact_id,
    )
    return [row["id"] for row in rows]
