"""Circuits: an endpoint that keeps failing is left alone for a while, then one call at a time probes it.

Shared by every worker. No row, or `open_until` null, is a closed circuit: calls go through.
"""

from collections.abc import Collection

from omnidesk.db.session import Tx

OPENS_AT = 5  # failures in a row
FIRST_S, LONGEST_S = 15.0, 600.0
PROBE_S = 120.0  # how long a probe keeps others away when nothing is heard of it


async def half_open(tx: Tx, endpoints: Collection[str]) -> set[str]:
    """Those whose pause is over and which nobody has tried since."""
    records = await tx.driver.fetch(
        "SELECT endpoint FROM circuits WHERE endpoint = ANY($1::text[]) AND open_until IS NOT NULL", list(endpoints)
    )
    return {record["endpoint"] for record in records}


async def begin_probes(tx: Tx, endpoints: Collection[str]) -> set[str]:
    """Take the one probe of each of these; those that were ours to take."""
    records = await tx.driver.fetch(
        """
        UPDATE circuits SET probing_until = clock_timestamp() + make_interval(secs => $2)
         WHERE endpoint IN (SELECT endpoint FROM circuits
                             WHERE endpoint = ANY($1::text[]) AND open_until <= clock_timestamp()
                               AND (probing_until IS NULL OR probing_until <= clock_timestamp())
                             ORDER BY endpoint FOR UPDATE SKIP LOCKED)
        RETURNING endpoint
        """,
        list(endpoints),
        PROBE_S,
    )
    return {record["endpoint"] for record in records}


async def worked(tx: Tx, endpoint: str) -> bool:
    """The endpoint answered: close its circuit. True when it had been open."""
    row = await tx.driver.fetchrow(
        """
        WITH was AS (SELECT endpoint, open_until FROM circuits
                      WHERE endpoint = $1 AND (failures > 0 OR open_until IS NOT NULL) FOR UPDATE)
        UPDATE circuits AS c SET failures = 0, open_until = NULL, probing_until = NULL
          FROM was WHERE c.endpoint = was.endpoint
        RETURNING was.open_until IS NOT NULL AS reopened
        """,
        endpoint,
    )
    return bool(row and row["reopened"])


async def failed(tx: Tx, endpoint: str, jitter: float) -> bool:
    """Count a failure; from the fifth in a row the circuit opens, each time for longer. True when it is open now.

    `jitter` is random within 0 … 1: the pause is that part of its second half, so that workers spread.
    """
    return bool(
        await tx.driver.fetchval(
            """
            INSERT INTO circuits AS c (endpoint, failures) VALUES ($1, 1)
            ON CONFLICT (endpoint) DO UPDATE
               SET failures = c.failures + 1, probing_until = NULL,
                   open_until = CASE WHEN c.failures + 1 >= $2
                                     THEN clock_timestamp() + make_interval(secs =>
                                          least($4::float8, $3::float8 * 2 ^ least(c.failures + 1 - $2, 20))
                                          * (0.5 + $5::float8 / 2))
                                     ELSE c.open_until END
            RETURNING open_until IS NOT NULL
            """,
            endpoint,
            OPENS_AT,
            FIRST_S,
            LONGEST_S,
            jitter,
        )
    )


async def pause(tx: Tx, endpoint: str, seconds: float) -> None:
    """The platform asked for a pause (429): hold the endpoint so long, then probe; no failure is counted."""
    await tx.driver.execute(
        """
        INSERT INTO circuits AS c (endpoint, open_until) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
        ON CONFLICT (endpoint) DO UPDATE
           SET open_until = greatest(c.open_until, excluded.open_until), probing_until = NULL
        """,
        endpoint,
        seconds,
    )


async def end_probe(tx: Tx, endpoint: str) -> None:
    """The probe did not happen (its inbox is refused, its worker stops): the next claim may make it."""
    await end_probes(tx, [endpoint])


async def end_probes(tx: Tx, endpoints: Collection[str]) -> None:
    """The same for several."""
    await tx.driver.execute(
        """
        UPDATE circuits AS c SET probing_until = NULL
          FROM (SELECT endpoint FROM circuits WHERE endpoint = ANY($1::text[]) AND probing_until IS NOT NULL
                 ORDER BY endpoint FOR UPDATE) AS probed
         WHERE c.endpoint = probed.endpoint
        """,
        list(endpoints),
    )
