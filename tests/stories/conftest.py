from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import story


@pytest.fixture
async def desk(db_url: str, tmp_path: Path) -> AsyncIterator[story.Desk]:
    """A whole desk on loopback with one mail inbox."""
    async with story.desk(db_url, tmp_path) as running:
        yield running
