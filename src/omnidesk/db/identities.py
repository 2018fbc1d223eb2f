"""Identities of contacts: added, changed, moved from one person to another, removed while nothing came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    id: UUID
    contact_id: UUID
    kind: str
    realm: str
    address: str
    name: str
    verified: bool
    unreachable_at: datetime | None
    unreachable_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An identity to be added, its address as it is stored."""

    id: UUID
    kind: str
    realm: str
    address: str
    name: str
    verified: bool


_NAMES = ", ".join(Identity.__dataclass_fields__)
SHOWN = 200  # identities of one contact


async def of_contacts(tx: Tx, contact_ids: Sequence[UUID]) -> dict[UUID, list[Identity]]:
    """The identities of each contact, oldest first."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_NAMES} FROM identities WHERE contact_id = ANY($1::uuid[]) ORDER BY contact_id, created_at, id LIMIT $2
        """,  # noqa: S608 - our own columns
        list(contact_ids),
        SHOWN * max(1, len(contact_ids)),
    )
    found: dict[UUID, list[Identity]] = {}
    for row in rows:
        found.setdefault(row["contact_id"], []).append(Identity(**dict(row)))
    return found


async def lock_of(tx: Tx, contact_ids: Sequence[UUID]) -> list[Identity]:
    """Lock the identities of contacts until the commit, in the order of their ids; before the contacts."""
    rows = await tx.driver.fetch(
        f"SELECT {_NAMES} FROM identities WHERE contact_id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE",  # noqa: S608 - our own columns
        list(contact_ids),
    )
    return [Identity(**dict(row)) for row in rows]


async def lock(tx: Tx, identity_ids: Sequence[UUID]) -> list[Identity]:
    rows = await tx.driver.fetch(
        f"SELECT {_NAMES} FROM identities WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE",  # noqa: S608 - our own columns
        list(identity_ids),
    )
    return [Identity(**dict(row)) for row in rows]


async def ids_of(tx: Tx, contact_ids: Sequence[UUID]) -> list[UUID]:
    rows = await tx.driver.fetch(
        "SELECT id FROM identities WHERE contact_id = ANY($1::uuid[]) ORDER BY id", list(contact_ids)
    )
    return [row["id"] for row in rows]


async def add(tx: Tx, contact_id: UUID, new: Sequence[New], now: datetime) -> list[UUID]:
    """Add identities, in the order of their keys; the ids of those that nobody had."""
    ordered = sorted(new, key=lambda one: (one.kind, one.realm, one.address))
    rows = await tx.driver.fetch(
        """
        INSERT INTO identities (id, contact_id, kind, realm, address, name, verified, created_at)
        SELECT id, $1, kind, realm, address, name, verified, $8
          FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[])
               AS n (id, kind, realm, address, name, verified)
        ON CONFLICT (kind, realm, address) DO NOTHING RETURNING id
        """,
        contact_id,
        [one.id for one in ordered],
        [one.kind for one in ordered],
        [one.realm for one in ordered],
        [one.address for one in ordered],
        [one.name for one in ordered],
        [one.verified for one in ordered],
        now,
    )
    return [row["id"] for row in rows]


async def holder(tx: Tx, kind: str, realm: str, address: str) -> UUID | None:
    """Whose identity this is."""
    found: UUID | None = await tx.driver.fetchval(
        "SELECT contact_id FROM identities WHERE kind = $1 AND realm = $2 AND address = $3", kind, realm, address
    )
    return found


async def is_ours(tx: Tx, addresses: Sequence[str]) -> list[str]:
    """Which of these e-mail addresses belong to the desk itself."""
    rows = await tx.driver.fetch(
        "SELECT address FROM inbox_addresses WHERE address = ANY($1::text[]) ORDER BY address", list(addresses)
    )
    return [row["address"] for row in rows]


async def save(tx: Tx, identity: Identity) -> None:
    """Write name, verified and reachability of a locked identity."""
    await tx.driver.execute(
        "UPDATE identities SET name = $2, verified = $3, unreachable_at = $4, unreachable_reason = $5 WHERE id = $1",
        identity.id,
        identity.name,
        identity.verified,
        identity.unreachable_at,
        identity.unreachable_reason,
    )


async def move(tx: Tx, identity_ids: Sequence[UUID], contact_id: UUID) -> None:
    """Give locked identities to a locked contact, and with them everything that points to them."""
    await tx.driver.execute(
        "UPDATE identities SET contact_id = $2 WHERE id = ANY($1::uuid[])", list(identity_ids), contact_id
    )


async def in_use(tx: Tx, identity_id: UUID) -> bool:
    """Whether anything was ever said by or to it."""
    return bool(
        await tx.driver.fetchval(
            """
            SELECT EXISTS (SELECT FROM participants WHERE identity_id = $1)
                OR EXISTS (SELECT FROM tickets WHERE requester_id = $1)
                OR EXISTS (SELECT FROM messages WHERE identity_id = $1)
            """,
            identity_id,
        )
    )


async def remove(tx: Tx, identity_id: UUID) -> None:
    """Forget a locked identity that nothing points to."""
    await tx.driver.execute("DELETE FROM identities WHERE id = $1", identity_id)
