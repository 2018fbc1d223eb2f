"""The baseline of intake: asyncpg inserting exactly the same final rows, in batches of 200. Not tuned.

The rows are those that intake wrote; each table gets one `executemany` a batch, and each batch is one
transaction, parents before children.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.rig import plain_url

BATCH = 200  # arrivals
_OF_CONVERSATION = "{0} JOIN tickets t ON t.id = c.ticket_id"
_OF_MESSAGE = "{0} JOIN conversations c ON c.id = m.conversation_id JOIN tickets t ON t.id = c.ticket_id"
TABLES = {  # each with its way to the ticket, by which rows are put into batches
    "contacts": "contacts x JOIN identities i ON i.contact_id = x.id JOIN tickets t ON t.requester_id = i.id",
    "identities": "identities x JOIN tickets t ON t.requester_id = x.id",
    "tickets": "tickets x JOIN tickets t ON t.id = x.id",
    "conversations": "conversations x JOIN tickets t ON t.id = x.ticket_id",
    "participants": _OF_CONVERSATION.format("participants x JOIN conversations c ON c.id = x.conversation_id"),
    "messages": _OF_MESSAGE.format("messages x JOIN messages m ON m.id = x.id"),
    "message_refs": _OF_MESSAGE.format("message_refs x JOIN messages m ON m.id = x.message_id"),
    "decisions": "decisions x JOIN tickets t ON t.id = x.ticket_id",
    "deliveries": _OF_MESSAGE.format("deliveries x JOIN messages m ON m.id = x.message_id"),
    "outbox": _OF_MESSAGE.format(
        "outbox x JOIN deliveries d ON d.id = x.subject_id JOIN messages m ON m.id = d.message_id"
    ),
    "promises": "promises x JOIN tickets t ON t.id = x.ticket_id",
    "clocks": "clocks x JOIN tickets t ON t.id = x.ticket_id",
    "timers": "timers x JOIN (SELECT id, ticket_id FROM promises UNION ALL SELECT id, ticket_id FROM clocks"
    " UNION ALL SELECT id, id FROM tickets) p ON p.id = x.subject_id JOIN tickets t ON t.id = p.ticket_id",
    "events": "events x JOIN tickets t ON t.id = x.ticket_id",
}


@dataclass(frozen=True, slots=True)
class Copied:
    table: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


async def final_rows(source: "asyncpg.Connection[asyncpg.Record]") -> list[Copied]:
    """What intake left in its tables, in the order of the tables."""
    copied = []
    for table, way in TABLES.items():
        columns = await source.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", table
        )
        names = tuple(row["column_name"] for row in columns)
        rows = await source.fetch(f"SELECT x.* FROM {way} ORDER BY t.id")
        copied.append(Copied(table, names, [tuple(row) for row in rows]))
    return copied


async def insert(target: "asyncpg.Connection[asyncpg.Record]", copied: Sequence[Copied], arrivals: int) -> float:
    """Insert the rows into an empty desk; seconds that it took."""
    batches = max(1, arrivals // BATCH)
    statements = [
        (
            f"INSERT INTO {each.table} ({', '.join(each.columns)}) OVERRIDING SYSTEM VALUE "
            f"VALUES ({', '.join(f'${n}' for n in range(1, len(each.columns) + 1))})",
            each.rows,
            -(-len(each.rows) // batches),
        )
        for each in copied
    ]
    started = time.perf_counter()
    for number in range(batches):
        async with target.transaction():
            for statement, rows, size in statements:
                await target.executemany(statement, rows[number * size : (number + 1) * size])
    return time.perf_counter() - started


async def empty(target: "asyncpg.Connection[asyncpg.Record]") -> None:
    await target.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")


async def rate(url: str, arrivals: int) -> float:
    """Arrivals a second when the rows that so many left in this database are inserted again, into emptied tables."""
    connection = await asyncpg.connect(plain_url(url))
    try:
        done = await connection.fetchval("SELECT count(*) FROM arrivals WHERE state = 'done'")
        assert done == arrivals, f"{done} arrivals were taken in instead of {arrivals}"
        async with connection.transaction():
            rows = await final_rows(connection)
        await empty(connection)
        return arrivals / await insert(connection, rows, arrivals)
    finally:
        await connection.close()
