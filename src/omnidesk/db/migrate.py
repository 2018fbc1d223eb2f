"""Bring the schema to a revision. One process at a time; the others wait and find it done."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

LOCK = 0x6F6D6E69  # a transaction-level advisory lock: upgrades of two machines do not meet


def scripts() -> Path:
    """Where the revisions lie: inside an installed package, or beside `src` in a checkout."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "migrations"
    return installed if installed.is_dir() else here.parents[3] / "migrations"


def config(connection: Connection | None = None) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(scripts()))
    settings.attributes["connection"] = connection
    return settings


def head() -> str:
    """The newest revision that this program knows."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None
    return revision


def revisions() -> list[str]:
    """Every revision that this program knows, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][::-1]


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=pool.NullPool)


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` up (or down) to `revision`, all or nothing."""

    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        context = MigrationContext.configure(connection)
        order = {None: -1} | {
            script.revision: n
            for n, script in enumerate(reversed([*ScriptDirectory.from_config(config()).walk_revisions()]))
        }
        wanted = head() if revision == "head" else None if revision == "base" else revision
        down = order[wanted] < order.get(context.get_current_revision(), -1)
        (command.downgrade if down else command.upgrade)(config(connection), revision)

    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def current(url: str) -> str | None:
    """The revision that the database is at; None: empty."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
    finally:
        await engine.dispose()
