"""A real PostgreSQL for the suite: one server, one migrated template, a fresh copy for each test that asks."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.db.migrate import migrate
from omnidesk.db.session import Database

SERVER = "OMNIDESK_TEST_DATABASE_URL"
"""A server to test on, with the right to create databases; without it the suite starts an embedded one."""

_started = pytest.StashKey[tuple[EmbeddedPostgres, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, in the process that hands tests to the others."""
    if SERVER in os.environ or hasattr(config, "workerinput"):
        return
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-tests-", dir="/var/tmp"))
    folder.chmod(0o711)  # started by root, the server runs as another user and must pass through
    options = {"fsync": "off", "full_page_writes": "off", "max_connections": "300", "shared_buffers": "128MB"}
    server = EmbeddedPostgres(folder / "data", options=options)
    server.start()
    os.environ[SERVER] = server.admin_url()
    config.stash[_started] = (server, folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _started in config.stash:
        server, folder = config.stash[_started]
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_with_database(url, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of a server on which this suite may create databases."""
    return os.environ[SERVER]


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated, empty database; one for each process of the suite."""
    name = f"omnidesk_template_{secrets.token_hex(4)}"
    asyncio.run(_admin(server_url, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    asyncio.run(migrate(_with_database(server_url, name)))
    yield name
    asyncio.run(_admin(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture
async def db_url(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a database of this test's own."""
    name = f"omnidesk_test_{secrets.token_hex(6)}"
    await _admin(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(server_url, name)
    await _admin(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    database = Database(db_url)
    yield database
    await database.close()
