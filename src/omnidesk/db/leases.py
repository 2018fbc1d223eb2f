"""Leases: who holds what must be single. By the database's clock; double holding is made harmless elsewhere."""

from dataclasses import dataclass
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    holder: UUID
    token: int  # rises with each holder; a write made under an older one is refused


async def take(tx: Tx, name: str, holder: UUID, seconds: float) -> Lease | None:
    """Take or renew a lease for some seconds; None while somebody else holds it."""
    row = await tx.driver.fetchrow(
        """
        INSERT INTO leases AS l (name, holder, until, token)
        VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3), 1)
        ON CONFLICT (name) DO UPDATE
           SET holder = excluded.holder, until = excluded.until,
               token = l.token + CASE WHEN l.holder = excluded.holder AND l.until > clock_timestamp() THEN 0 ELSE 1 END
         WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
        RETURNING token
        """,
        name,
        holder,
        seconds,
    )
    return Lease(name, holder, row["token"]) if row else None


async def holds(tx: Tx, lease: Lease) -> bool:
    """Whether the lease is still ours; locks its row, so that it stays so until this transaction ends."""
    row = await tx.driver.fetchrow(
        "SELECT 1 FROM leases WHERE name = $1 AND holder = $2 AND token = $3 FOR SHARE",
        lease.name,
        lease.holder,
        lease.token,
    )
    return row is not None


async def release(tx: Tx, lease: Lease) -> None:
    await tx.driver.execute(
        "UPDATE leases SET until = '-infinity', holder = NULL WHERE name = $1 AND holder = $2 AND token = $3",
        lease.name,
        lease.holder,
        lease.token,
    )
