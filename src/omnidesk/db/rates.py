"""Token buckets that all processes share, by the database's clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: float
    burst: int  # most calls at once after a quiet time


@dataclass(frozen=True, slots=True)
class Grant:
    taken: int  # tokens granted now
    wait_s: float  # until the next token comes


async def take(tx: Tx, wanted: Mapping[str, tuple[int, Rate]]) -> dict[str, Grant]:
    """Take up to so many tokens from each named bucket; an unknown bucket is full.

    Granted tokens are spent when the transaction commits. A bucket that grants nothing is left as it is,
    so that asking often never loses the fraction that has gathered.
    """
    names = sorted(wanted)
    bursts = [wanted[name][1].burst for name in names]
    await tx.driver.execute(
        """
        INSERT INTO rate_limits (name, tokens, updated_at)
        SELECT name, burst * 1000, clock_timestamp() FROM unnest($1::text[], $2::int[]) AS b (name, burst)
        ON CONFLICT (name) DO NOTHING
        """,
        names,
        bursts,
    )
    records = await tx.driver.fetch(
        """
        WITH asked AS (
            SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::float8[]) AS a (name, wanted, burst, rate)
        ), seen AS (
            SELECT r.name, r.tokens, r.updated_at FROM rate_limits AS r WHERE r.name = ANY($1::text[])
             ORDER BY r.name FOR UPDATE
        ), full_of AS (
            SELECT a.*, least(a.burst * 1000.0::float8, s.tokens + 1000 * a.rate *
                        greatest(0, extract(epoch FROM clock_timestamp() - s.updated_at)::float8)) AS tokens
              FROM seen AS s JOIN asked AS a USING (name)
        ), granted AS (
            SELECT *, least(wanted, floor(tokens / 1000)::int) AS taken FROM full_of
        ), spent AS (
            UPDATE rate_limits AS r SET tokens = floor(g.tokens)::int - g.taken * 1000, updated_at = clock_timestamp()
              FROM granted AS g WHERE r.name = g.name AND g.taken > 0
        )
        SELECT name, taken, (1000 - (tokens - taken * 1000)) / 1000 / rate AS wait_s FROM granted
        """,
        names,
        [wanted[name][0] for name in names],
        bursts,
        [wanted[name][1].per_second for name in names],
    )
    return {record["name"]: Grant(record["taken"], max(0.0, record["wait_s"])) for record in records}
