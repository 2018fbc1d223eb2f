"""Alembic's way to the database: a connection handed in by `db.migrate`, or OMNIDESK_DATABASE_URL."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from omnidesk.db.tables import metadata


def is_ours(name: str | None, kind: str, *_: object) -> bool:
    """Partitions of `arrival_bodies` come and go with the days; they are nobody's revision."""
    return not (kind == "table" and name is not None and name.startswith("arrival_bodies_"))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=is_ours,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    url = make_url(os.environ["OMNIDESK_DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    asyncio.run(connect_and_run())
