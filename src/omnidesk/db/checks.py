"""What `omnidesk doctor` asks the database, and a look at single arrivals."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the database's server says of itself."""

    version: str
    version_num: int  # 150004 is 15.4
    encoding: str
    read_only: bool
    size: int  # bytes of this database
    now: datetime


async def server(tx: Tx) -> Server:
    row = await tx.driver.fetchrow(
        """
        SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_num,
               pg_encoding_to_char(encoding) AS encoding,
               pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only,
               pg_database_size(datname) AS size, clock_timestamp() AS now
          FROM pg_database WHERE datname = current_database()
        """
    )
    assert row is not None
    return Server(**dict(row))


async def held(tx: Tx, lease: str) -> bool:
    """Does a living process hold the lease?"""
    found = await tx.driver.fetchval("SELECT until > clock_timestamp() FROM leases WHERE name = $1", lease)
    return bool(found)


async def failed_calls(tx: Tx, days: int) -> dict[str, int]:
    """How many calls to the outside are `unknown`, and how many were rejected in these days."""
    rows = await tx.driver.fetch(
        """
        SELECT 'unknown' AS state, count(*) AS n FROM outbox WHERE state = 'unknown'
        UNION ALL
        SELECT 'rejected', count(*) FROM outbox
         WHERE state = 'rejected' AND kind <> 'webhook' AND done_at > now() - make_interval(days => $1)
        """,
        days,
    )
    return {row["state"]: row["n"] for row in rows}


async def sealed_bodies(tx: Tx, limit: int) -> list[bytes]:
    """The newest bodies of arrivals, as they are stored."""
    rows = await tx.driver.fetch(
        """
        SELECT b.body FROM (SELECT id, day FROM arrivals ORDER BY id DESC LIMIT $1) AS a
          JOIN arrival_bodies AS b ON b.arrival_id = a.id AND b.day = a.day
        """,
        limit,
    )
    return [row["body"] for row in rows]


async def body(tx: Tx, arrival_id: UUID) -> bytes | None:
    """An arrival's body as it is stored; None when it is gone."""
    found: bytes | None = await tx.driver.fetchval(
        "SELECT body FROM arrival_bodies WHERE arrival_id = $1 ORDER BY day DESC LIMIT 1", arrival_id
    )
    return found
