"""One pool of connections, and transactions on it.

A transaction is always begun on asyncpg's own connection, so that hot statements (arrays and
`unnest`) and SQLAlchemy's expressions share it: `tx.driver` and `tx.execute`. On both, a jsonb column
reads as Python values; a jsonb parameter of the driver is JSON text.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import CursorResult, Executable
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

SESSION = {
    "application_name": "omnidesk",
    "timezone": "UTC",
    "jit": "off",  # compiling short statements costs more than it saves
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""What every connection sets, so that a frozen process lets go of its locks."""

AWAY: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a database that takes no connections now: closed for a restore
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of a step
    ConnectionError,
    TimeoutError,
    FileNotFoundError,  # the socket of an embedded server that is down
)
REPEATABLE: tuple[type[BaseException], ...] = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction: `execute` for SQLAlchemy's statements, `driver` for asyncpg's, one and the same."""

    connection: AsyncConnection
    driver: "asyncpg.Connection[asyncpg.Record]"

    async def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        return await self.connection.execute(statement, values)


class Database:
    """The store behind a URL; safe to share within one event loop.

    `pooled` is for a transaction pooler in between: no statement caches, no session state.
    """

    def __init__(self, url: str, *, size: int = 10, pooled: bool = False) -> None:
        self.deadlocks = 0  # transactions repeated after 40P01 or 40001
        arguments: dict[str, Any] = {"command_timeout": 60, "timeout": 10}
        if pooled:
            arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
            arguments["prepared_statement_name_func"] = lambda: ""
        else:
            arguments["server_settings"] = SESSION
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            isolation_level="AUTOCOMMIT",  # SQLAlchemy begins nothing; `transaction` does
            pool_size=size,
            max_overflow=size,
            pool_timeout=10,
            pool_recycle=1800,
            hide_parameters=True,
            connect_args=arguments,
        )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection outside any transaction: each statement commits by itself."""
        async with self.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            while driver.is_closed():  # cut while it lay in the pool, which cannot see what happens on the driver
                await connection.invalidate()
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
            yield Tx(connection, driver)

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncIterator[Tx]:
        """A transaction, committed when the block ends and undone when it raises.

        `read_only` sees one moment of the database throughout (REPEATABLE READ).
        """
        async with (
            self.connection() as tx,
            tx.driver.transaction(isolation="repeatable_read" if read_only else "read_committed", readonly=read_only),
        ):
            yield tx

    async def repeating(self, work: Callable[[Tx], Awaitable[T]], *, tries: int = 5) -> T:
        """Run `work` in a transaction, again with jitter when the server names it a deadlock's victim."""
        for attempt in range(1, tries + 1):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except (asyncpg.PostgresError, DBAPIError) as error:
                if not isinstance(root_cause(error), REPEATABLE) or attempt == tries:
                    raise
                self.deadlocks += 1
                await asyncio.sleep(random.uniform(0.5, 1.5) * 0.01 * 2**attempt)  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")

    async def close(self) -> None:
        await self.engine.dispose()


def root_cause(error: BaseException) -> BaseException:
    """asyncpg's own error behind SQLAlchemy's wrapping."""
    seen: BaseException = error
    while isinstance(seen, DBAPIError) or type(seen).__module__.startswith("sqlalchemy"):
        inner = getattr(seen, "orig", None) or seen.__cause__
        if inner is None:
            return seen
        seen = inner
    return seen


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached (or is starting, stopping): worth trying again later."""
    cause = root_cause(error)
    if isinstance(cause, asyncpg.LockNotAvailableError):  # a kin of AWAY's by its code: the database is there, and busy
        return False
    return isinstance(cause, AWAY) or (isinstance(cause, OSError) and not isinstance(cause, PermissionError))
