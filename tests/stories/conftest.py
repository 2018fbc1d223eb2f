import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import story
from tests.conftest import _admin, _with_database


@pytest.fixture
async def desk(db_url: str, tmp_path: Path) -> AsyncIterator[story.Desk]:
    """A whole desk on loopback with one mail inbox."""
    async with story.desk(db_url, tmp_path) as running:
        yield running


@pytest.fixture
async def other_url(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a second database: another house's desk."""
    name = f"omnidesk_other_{secrets.token_hex(6)}"
    await _admin(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(server_url, name)
    await _admin(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
