"""Every revision, up and down, with rows in every table; and the tables are what the code says they are."""

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from omnidesk.db import migrate as migrations
from omnidesk.db.tables import metadata
from tests import seed

REVISIONS = [
    script.revision for script in reversed([*ScriptDirectory.from_config(migrations.config()).walk_revisions()])
]


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def _counts(url: str) -> dict[str, int]:
    connection = await _connect(url)
    try:
        names = await connection.fetch(
            """
            SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            """
        )
        return {
            name: await connection.fetchval(f'SELECT count(*) FROM "{name}"')
            for (name,) in names
            if name != "alembic_version"
        }
    finally:
        await connection.close()


async def _fill_up_to(url: str, revision: str) -> None:
    """From nothing to a revision, each one's rows written when the schema is at it."""
    await migrations.migrate(url, "base")
    for each in REVISIONS[: REVISIONS.index(revision) + 1]:
        await migrations.migrate(url, each)
        connection = await _connect(url)
        await connection.execute(seed.rows(each))
        await connection.close()


async def test_every_table_has_a_row_in_the_seed(db_url: str) -> None:
    await _fill_up_to(db_url, REVISIONS[-1])
    counts = await _counts(db_url)
    assert set(counts) == set(metadata.tables)
    assert [name for name, count in counts.items() if count == 0] == []


@pytest.mark.parametrize("revision", REVISIONS[1:])
async def test_rows_survive_each_revision_up_and_down(db_url: str, revision: str) -> None:
    before = REVISIONS[REVISIONS.index(revision) - 1]
    await _fill_up_to(db_url, before)
    counts = await _counts(db_url)
    await migrations.migrate(db_url, revision)
    after = await _counts(db_url)
    assert {name: after[name] for name in counts if name in after} == {
        name: n for name, n in counts.items() if name in after
    }
    await migrations.migrate(db_url, before)
    assert await _counts(db_url) == counts


async def test_down_to_nothing_and_up_again_with_rows_in_the_tables(db_url: str) -> None:
    await _fill_up_to(db_url, REVISIONS[-1])
    await migrations.migrate(db_url, "base")
    assert await _counts(db_url) == {}
    assert await migrations.current(db_url) is None
    await migrations.migrate(db_url)
    assert await migrations.current(db_url) == migrations.head()
    assert (await _counts(db_url))["lanes"] == 64


async def test_the_schema_is_what_the_tables_say(db_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        def ours(name: str | None, kind: str, *_: object) -> bool:
            return not (kind == "table" and str(name).startswith("arrival_bodies_"))

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(make_url(db_url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
