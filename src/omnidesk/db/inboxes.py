"""Inboxes: configured accounts of channels, their addresses, health and cursors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """An inbox as it stands in the table; `secrets` is sealed."""

    id: UUID
    channel: str
    name: str
    realm: str
    config: Mapping[str, Any]
    secrets: bytes | None
    queue_id: UUID | None
    category: str | None
    language: str
    acknowledge: bool
    paused_at: datetime | None
    receive_state: str
    receive_error: str | None
    received_at: datetime | None
    send_state: str
    send_error: str | None
    sent_at: datetime | None
    cursor: Mapping[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = ", ".join(Inbox.__dataclass_fields__)


def _inbox(row: Any) -> Inbox:
    return Inbox(**dict(row))


async def insert(
    tx: Tx,
    *,
    inbox_id: UUID,
    channel: str,
    name: str,
    realm: str,
    config: Mapping[str, Any],
    secrets: bytes | None,
    queue_id: UUID | None,
    category: str | None,
    language: str,
    acknowledge: bool,
) -> None:
    await tx.driver.execute(
        """
        INSERT INTO inboxes (id, channel, name, realm, config, secrets, queue_id, language, acknowledge, category)
        VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10)
        """,
        inbox_id,
        channel,
        name,
        realm,
        json.dumps(config),
        secrets,
        queue_id,
        language,
        acknowledge,
        category,
    )


async def update(
    tx: Tx,
    inbox_id: UUID,
    *,
    name: str,
    realm: str,
    config: Mapping[str, Any],
    secrets: bytes | None,
    queue_id: UUID | None,
    category: str | None,
    language: str,
    acknowledge: bool,
    paused_at: datetime | None,
) -> None:
    await tx.driver.execute(
        """
        UPDATE inboxes SET name = $2, realm = $3, config = $4::jsonb, secrets = $5, queue_id = $6, language = $7,
               acknowledge = $8, paused_at = $9, category = $10, version = version + 1, updated_at = now()
         WHERE id = $1
        """,
        inbox_id,
        name,
        realm,
        json.dumps(config),
        secrets,
        queue_id,
        language,
        acknowledge,
        paused_at,
        category,
    )


async def set_addresses(tx: Tx, inbox_id: UUID, addresses: Sequence[str]) -> list[str]:
    """Make these the inbox's addresses (lower case); returns those that belong to another inbox and were not taken."""
    wanted = sorted(set(addresses))
    await tx.driver.execute(
        "DELETE FROM inbox_addresses WHERE inbox_id = $1 AND NOT address = ANY($2::text[])", inbox_id, wanted
    )
    await tx.driver.execute(
        "INSERT INTO inbox_addresses (address, inbox_id) SELECT unnest($2::text[]), $1 ON CONFLICT DO NOTHING",
        inbox_id,
        wanted,
    )
    rows = await tx.driver.fetch(
        "SELECT address FROM inbox_addresses WHERE address = ANY($2::text[]) AND inbox_id <> $1", inbox_id, wanted
    )
    return [row["address"] for row in rows]


async def read(tx: Tx, inbox_id: UUID, *, lock: bool = False) -> Inbox | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_COLUMNS} FROM inboxes WHERE id = $1 {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own columns
        inbox_id,
    )
    return _inbox(row) if row else None


async def every(tx: Tx) -> list[Inbox]:
    rows = await tx.driver.fetch(f"SELECT {_COLUMNS} FROM inboxes ORDER BY created_at, id")  # noqa: S608 - our own columns
    return [_inbox(row) for row in rows]


async def addresses(tx: Tx) -> dict[str, UUID]:
    """Every address that is ours, and whose it is."""
    return {row["address"]: row["inbox_id"] for row in await tx.driver.fetch("SELECT * FROM inbox_addresses")}


async def by_address(tx: Tx, address: str) -> UUID | None:
    """The inbox that an address (lower case) belongs to; paused inboxes still take mail in."""
    found: UUID | None = await tx.driver.fetchval("SELECT inbox_id FROM inbox_addresses WHERE address = $1", address)
    return found


async def taken(tx: Tx, inbox_id: UUID, channel: str, realm: str) -> bool:
    """Whether another inbox is connected to this account."""
    found = await tx.driver.fetchval(
        "SELECT true FROM inboxes WHERE channel = $2 AND realm = $3 AND id <> $1", inbox_id, channel, realm
    )
    return bool(found)


async def move_cursor(tx: Tx, inbox_id: UUID, cursor: Mapping[str, Any]) -> None:
    """Keep how far an inbox has fetched: it receives, but for what the cursor says is `missing`."""
    await tx.driver.execute(
        """
        UPDATE inboxes SET cursor = $2::jsonb, received_at = now(), receive_state = $3, receive_error = $4
         WHERE id = $1
        """,
        inbox_id,
        json.dumps(cursor),
        "failing" if cursor.get("missing") else "ok",
        cursor.get("missing"),
    )


async def note_received(tx: Tx, inbox_ids: Sequence[UUID]) -> None:
    """Something came in: at most once a minute, so that a busy inbox's row is not rewritten with every batch."""
    await tx.driver.execute(
        """
        UPDATE inboxes SET received_at = now(), receive_state = 'ok', receive_error = NULL
         WHERE id IN (SELECT id FROM inboxes
                       WHERE id = ANY($1::uuid[])
                         AND (receive_state <> 'ok' OR received_at IS NULL OR received_at < now() - interval '1 minute')
                       ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
        """,
        inbox_ids,
    )


async def set_health(tx: Tx, inbox_id: UUID, direction: str, state: str, error: str | None) -> bool:
    """Say how a direction (`receive` or `send`) is; True when that is news."""
    state_column, error_column = f"{direction}_state", f"{direction}_error"
    tag = await tx.driver.execute(
        f"""
        UPDATE inboxes SET {state_column} = $2, {error_column} = $3, version = version + 1, updated_at = now()
         WHERE id = $1 AND ({state_column}, {error_column}) IS DISTINCT FROM ($2, $3)
        """,  # noqa: S608 - one of two directions
        inbox_id,
        state,
        error,
    )
    return bool(tag != "UPDATE 0")
