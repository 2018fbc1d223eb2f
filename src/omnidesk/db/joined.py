"""One transaction for a whole request: what a use case takes for its own is a savepoint of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from omnidesk.db.session import Database, Tx

T = TypeVar("T")


class Joined(Database):
    """Stands in for the database within a transaction that somebody else commits.

    Use cases stay as they are: they commit when the outer transaction does, or not at all. A deadlock
    is the outer transaction's to repeat.
    """

    def __init__(self, outer: Database, tx: Tx) -> None:
        self.deadlocks = 0
        self.engine = outer.engine
        self._tx = tx

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        yield self._tx

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncIterator[Tx]:
        async with self._tx.driver.transaction():
            yield self._tx

    async def repeating(self, work: Callable[[Tx], Awaitable[T]], *, tries: int = 5) -> T:
        async with self.transaction() as tx:
            return await work(tx)

    async def close(self) -> None:
        """Nothing: the connection is the outer transaction's."""
