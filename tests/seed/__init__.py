"""Rows for every table of the desk, by plain SQL: `<revision>.sql` fills what that revision made.

A revision's rows are written once the schema is at it, and every later revision must carry them along.
"""

from pathlib import Path


def rows(revision: str) -> str:
    """The SQL that belongs to a revision; empty where it made no table."""
    file = Path(__file__).parent / f"{revision}.sql"
    return file.read_text() if file.exists() else ""
