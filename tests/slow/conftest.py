"""Fixtures of the tests that kill: chance that can be repeated, and a server that may be stopped."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnidesk.db.embedded import EmbeddedPostgres
from tests.slow.seeds import chance


@pytest.fixture
def rng() -> random.Random:
    return chance()


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-slow-", dir="/var/tmp"))
    folder.chmod(0o711)  # started by root, the server runs as another user and must pass through
    own = EmbeddedPostgres(folder / "data", options={"max_connections": "200"})
    own.start()
    yield own
    own.stop()
    shutil.rmtree(folder, ignore_errors=True)
