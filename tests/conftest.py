"""A real PostgreSQL for the suite: one server, one migrated template, a fresh copy for each test that asks."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from omnidesk.db.migrate import migrate
from omnidesk.db.session import Database


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_with_database(url, "postgres").replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of a server on which this suite may create databases."""
    return os.environ["OMNIDESK_TEST_DATABASE_URL"]


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
