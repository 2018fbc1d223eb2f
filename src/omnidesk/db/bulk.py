"""Many rows into one table: arrays and `unnest` by asyncpg, or COPY, the fastest ways that were measured."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, dialect

from omnidesk.db.session import Tx

COPY_FROM = 16
"""From so many rows on COPY is used: half of the work for us, two thirds for the server, but one more round trip."""


class Bulk:
    """Inserts tuples into some columns of a table. A JSONB column takes JSON text, an array column a sequence."""

    def __init__(self, table: Table, *columns: str) -> None:
        types = [table.c[name].type for name in columns]
        names = ", ".join(columns)
        wire = [
            "text" if isinstance(kind, JSONB | ARRAY) else kind.compile(dialect()).lower()  # type: ignore[no-untyped-call]
            for kind in types
        ]
        values = ", ".join(
            f"{name}::{kind.compile(dialect()).lower()}" if isinstance(kind, JSONB | ARRAY) else name  # type: ignore[no-untyped-call]
            for name, kind in zip(columns, types, strict=True)
        )
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(wire, 1))
        self._sql = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM unnest({arrays})"  # noqa: S608
        self._sql += f" WITH ORDINALITY AS r ({names}, nth) ORDER BY nth"
        self._table, self._columns = table.name, columns
        self._arrays = {n for n, kind in enumerate(types) if isinstance(kind, ARRAY)}

    async def insert(self, tx: Tx, rows: Sequence[tuple[Any, ...]], *, conflict: str = "") -> None:
        """Write the rows in this order; `conflict` is an ON CONFLICT clause of our own."""
        if not rows:
            return
        if len(rows) >= COPY_FROM and not conflict:
            await tx.driver.copy_records_to_table(self._table, records=rows, columns=self._columns)
            return
        columns = [
            [_literal(value) for value in column] if n in self._arrays else list(column)
            for n, column in enumerate(zip(*rows, strict=True))
        ]
        await tx.driver.execute(f"{self._sql} {conflict}", *columns)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def as_json(value: Any) -> str:
    """A value as JSON text; of what JSON does not know, its `str`."""
    return "{}" if value == {} else _encode(value)


def _literal(values: Sequence[object]) -> str:
    """An array as text: `unnest` would take an array of arrays apart."""
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
