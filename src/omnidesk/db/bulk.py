"""Many rows in one INSERT: arrays by asyncpg and `unnest`, the fastest way that was measured."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, dialect

from omnidesk.db.session import Tx


class Bulk:
    """An INSERT of tuples into some columns of a table.

    A JSONB column takes JSON text, an array column the text of an array literal (see `array`).
    """

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
        self._sql = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM unnest({arrays}) AS r ({names})"  # noqa: S608
        self._columns = len(columns)

    async def insert(self, tx: Tx, rows: Sequence[tuple[Any, ...]], *, conflict: str = "") -> None:
        """Write the rows in this order; `conflict` is an ON CONFLICT clause of our own."""
        if rows:
            await tx.driver.execute(f"{self._sql} {conflict}", *(list(column) for column in zip(*rows, strict=True)))


as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
"""A value as JSON text; of what JSON does not know, its `str`."""


def array(values: Sequence[object]) -> str:
    """The literal of an array whose elements need no quoting: ids and our own words."""
    return "{" + ",".join(str(value) for value in values) + "}"
