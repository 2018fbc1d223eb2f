"""Lines for COPY: one per row, and ids that sort by a moment of the past."""

import random
from datetime import UTC, datetime
from io import BytesIO

NULL = r"\N"


def uid(chance: random.Random, at: float) -> str:
    """A UUIDv7 of a moment (seconds since 1970), as text."""
    moment, drawn = f"{int(at * 1000):012x}", chance.getrandbits(74)
    return (
        f"{moment[:8]}-{moment[8:]}-7{drawn >> 62:03x}-{8 | drawn >> 60 & 3:x}{drawn >> 48 & 0xFFF:03x}"
        f"-{drawn & 0xFFFFFFFFFFFF:012x}"
    )


def when(at: float | None) -> str:
    """A moment as PostgreSQL reads it; None is null."""
    return NULL if at is None else datetime.fromtimestamp(at, UTC).isoformat()


class Sheet:
    """Rows of one table, gathered for one COPY; values are text without tabs, newlines and backslashes."""

    def __init__(self, table: str, columns: str) -> None:
        self.table, self.columns = table, columns.split()
        self._lines: list[str] = []

    def add(self, *values: object) -> None:
        self._lines.append("\t".join(map(str, values)))

    def take(self) -> BytesIO:
        """What was gathered; the sheet is empty then."""
        lines, self._lines = self._lines, []
        return BytesIO("".join(f"{line}\n" for line in lines).encode())
