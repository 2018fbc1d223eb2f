"""What the pool of connections makes of a database that cannot be reached."""

import os

import pytest

from omnidesk.db.session import Database, is_away
from tests.conftest import SERVER


async def test_a_database_that_takes_no_connections_is_away_and_not_at_fault(db_url: str) -> None:
    """As while a backup is restored into it: the server is there and refuses politely."""
    name = db_url.rsplit("/", 1)[1].split("?")[0]
    admin, closed = Database(os.environ[SERVER]), Database(db_url)
    async with admin.connection() as tx:
        await tx.driver.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        with pytest.raises(Exception) as caught:
            async with closed.connection():
                pass
        assert is_away(caught.value)
        await tx.driver.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    async with closed.connection() as tx:
        assert await tx.driver.fetchval("SELECT 1") == 1
    await admin.close()
    await closed.close()
