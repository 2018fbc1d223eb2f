"""Filling a desk: rows by COPY; indexes and foreign keys taken off before and put back after, in one transaction."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO

from omnidesk.db.session import Database, Tx

NO_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def is_empty(tx: Tx) -> bool:
    """Whether nobody has written to this desk yet."""
    return not await tx.driver.fetchval("SELECT EXISTS (SELECT FROM tickets) OR EXISTS (SELECT FROM contacts)")


async def has_agent(tx: Tx, email: str) -> bool:
    return bool(await tx.driver.fetchval("SELECT EXISTS (SELECT FROM agents WHERE email = $1)", email))


@asynccontextmanager
async def without_limits(tx: Tx) -> AsyncIterator[None]:
    """This transaction takes minutes; the memory that sorting an index may take is raised."""
    for name in NO_LIMITS:
        await tx.driver.execute(f"SET LOCAL {name} = 0")
    await tx.driver.execute("SET LOCAL maintenance_work_mem = '512MB'")
    yield


async def take_off(tx: Tx, tables: Sequence[str]) -> list[str]:
    """Drop the foreign keys and plain indexes of these tables; the statements that put them back.

    What is unique stays: a row that is there twice is refused at once.
    """
    rows = await tx.driver.fetch(
        """
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname) AS off,
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname,
                      pg_get_constraintdef(c.oid)) AS back
          FROM pg_constraint AS c WHERE c.contype = 'f' AND c.conrelid = ANY ($1::text[]::regclass[])
        UNION ALL
        SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
          FROM pg_index AS i WHERE NOT i.indisunique AND i.indrelid = ANY ($1::text[]::regclass[])
        """,
        list(tables),
    )
    for row in rows:
        await tx.driver.execute(row["off"])
    return sorted((row["back"] for row in rows), key=lambda back: not back.startswith("CREATE INDEX"))


async def put_back(tx: Tx, statement: str) -> None:
    """Execute one of `take_off`'s statements."""
    await tx.driver.execute(statement, timeout=3600)


async def copy(tx: Tx, table: str, columns: Sequence[str], rows: BytesIO) -> None:
    if rows.getbuffer().nbytes:
        await tx.driver.copy_to_table(table, source=rows, columns=list(columns), format="text", timeout=3600)


async def next_ticket(tx: Tx, count: int) -> int:
    """Take so many values of the sequence behind ticket numbers; the first of them."""
    last: int = await tx.driver.fetchval("SELECT nextval('ticket_numbers')")
    await tx.driver.fetchval("SELECT setval('ticket_numbers', $1)", last + count)
    return last


async def vacuum(db: Database, tables: Sequence[str]) -> None:
    """What the planner knows of the tables, and which of their pages everybody may see."""
    async with db.connection() as tx:
        await tx.driver.execute("SET statement_timeout = 0")
        try:
            for table in tables:
                await tx.driver.execute(f"VACUUM (ANALYZE) {table}", timeout=3600)
        finally:
            await tx.driver.execute("RESET statement_timeout")
