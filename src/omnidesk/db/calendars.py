"""Calendars: opening hours with holidays as data."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx
from omnidesk.domain import business_time


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalendar:
    id: UUID
    name: str
    country: str
    version: int
    hours: business_time.Calendar


def _stored(row: Any) -> StoredCalendar:
    return StoredCalendar(
        id=row["id"],
        name=row["name"],
        country=row["country"],
        version=row["version"],
        hours=business_time.from_dict(row["hours"]),
    )


async def every(tx: Tx) -> list[StoredCalendar]:
    rows = await tx.driver.fetch('SELECT id, name, country, version, hours FROM calendars ORDER BY name COLLATE "C"')
    return [_stored(row) for row in rows]


async def insert(tx: Tx, calendar_id: UUID, name: str, country: str, hours: business_time.Calendar) -> None:
    await tx.driver.execute(
        "INSERT INTO calendars (id, name, country, hours) VALUES ($1, $2, $3, $4::jsonb)",
        calendar_id,
        name,
        country,
        json.dumps(business_time.to_dict(hours), ensure_ascii=False),
    )


async def read(tx: Tx, calendar_id: UUID, *, lock: bool = False) -> StoredCalendar | None:
    row = await tx.driver.fetchrow(
        f"SELECT id, name, country, version, hours FROM calendars WHERE id = $1 {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own words
        calendar_id,
    )
    return _stored(row) if row else None


async def name_taken(tx: Tx, name: str, except_id: UUID | None = None) -> bool:
    found = await tx.driver.fetchval(
        "SELECT true FROM calendars WHERE name = $1 AND id IS DISTINCT FROM $2::uuid", name, except_id
    )
    return bool(found)


async def describe(tx: Tx, calendar_id: UUID, name: str, country: str) -> None:
    """Another name, or other holidays; the caller sets the hours, and with them the next version."""
    await tx.driver.execute("UPDATE calendars SET name = $2, country = $3 WHERE id = $1", calendar_id, name, country)


async def set_hours(tx: Tx, calendar_id: UUID, hours: business_time.Calendar) -> None:
    """Other hours are another version: promises remember by which they were counted."""
    await tx.driver.execute(
        "UPDATE calendars SET hours = $2::jsonb, version = version + 1, updated_at = now() WHERE id = $1",
        calendar_id,
        json.dumps(business_time.to_dict(hours), ensure_ascii=False),
    )
