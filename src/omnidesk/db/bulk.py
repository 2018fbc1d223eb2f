"""Many rows at once: arrays and `unnest` by asyncpg, or COPY, the fastest ways that were measured."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, dialect

from omnidesk.db.session import Tx

COPY_FROM = 16
"""From so many rows on a table takes COPY: half of the work for us, two thirds for the server, one round trip more."""
APART_FROM = 2_500
"""From so many rows on each table has a statement of its own: together they save round trips, apart they save work."""

Row = tuple[Any, ...]


class Bulk:
    """Inserts tuples into some columns of a table. A JSONB column takes JSON text, an array column a sequence."""

    def __init__(self, table: Table, *columns: str) -> None:
        kinds = [table.c[name].type for name in columns]
        self._types = [kind.compile(dialect()).lower() for kind in kinds]  # type: ignore[no-untyped-call]
        self._as_text = [isinstance(kind, JSONB | ARRAY) for kind in kinds]
        self._arrays = {n for n, kind in enumerate(kinds) if isinstance(kind, ARRAY)}
        self._table, self._names = table.name, columns
        self.width = len(columns)
        self._alone = self.sql()

    def sql(self, conflict: str = "", first: int = 1) -> str:
        """The INSERT; its arrays are parameters from `$first` on."""
        names = ", ".join(self._names)
        given = list(zip(self._names, self._types, self._as_text, strict=True))
        values = ", ".join(f"{name}::{kind}" if as_text else name for name, kind, as_text in given)
        arrays = ", ".join(
            f"${n}::{'text' if as_text else kind}[]" for n, (_, kind, as_text) in enumerate(given, first)
        )
        return (
            f"INSERT INTO {self._table} ({names}) SELECT {values} FROM unnest({arrays})"  # noqa: S608 - our own names
            f" WITH ORDINALITY AS r ({names}, nth) ORDER BY nth {conflict}"
        )

    def arrays(self, rows: Sequence[Row]) -> list[list[Any]]:
        """The rows as the INSERT takes them: column by column."""
        return [
            [_literal(value) for value in column] if n in self._arrays else list(column)
            for n, column in enumerate(zip(*rows, strict=True))
        ]

    async def insert(self, tx: Tx, rows: Sequence[Row], *, conflict: str = "") -> None:
        """Write the rows in this order; `conflict` is an ON CONFLICT clause of our own."""
        if not rows:
            return
        if len(rows) >= COPY_FROM and not conflict:
            await tx.driver.copy_records_to_table(self._table, records=rows, columns=self._names)
        else:
            await tx.driver.execute(self.sql(conflict) if conflict else self._alone, *self.arrays(rows))


@dataclass(frozen=True, slots=True)
class Write:
    """Rows for one table, and what is done about those that are there already."""

    bulk: Bulk
    rows: Sequence[Row]
    conflict: str = ""


async def insert_all(tx: Tx, writes: Iterable[Write]) -> None:
    """Write rows of several tables, parents before children: few of them in one statement, many one by one.

    Within one statement foreign keys are looked at when all rows are there.
    """
    some = [write for write in writes if write.rows]
    if len(some) > 1 and sum(len(write.rows) for write in some) < APART_FROM:
        sql = _together(tuple((write.bulk, write.conflict) for write in some))
        await tx.driver.execute(sql, *(column for write in some for column in write.bulk.arrays(write.rows)))
        return
    for write in some:
        await write.bulk.insert(tx, write.rows, conflict=write.conflict)


@lru_cache(256)
def _together(inserts: tuple[tuple[Bulk, str], ...]) -> str:
    """One statement for all. The server carries out the last of such parts first, so they stand in reverse order."""
    parts, first = [], 1
    for n, (bulk, conflict) in enumerate(inserts):
        parts.append(f"w{n} AS ({bulk.sql(conflict, first)})")
        first += bulk.width
    return f"WITH {', '.join(reversed(parts))} SELECT"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def as_json(value: Any) -> str:
    """A value as JSON text; of what JSON does not know, its `str`."""
    return "{}" if value == {} else _encode(value)


def _literal(values: Sequence[object]) -> str:
    """An array as text: `unnest` would take an array of arrays apart."""
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
