"""Every process looks whether another one froze with locks in its hands."""

import asyncio

import structlog

from omnidesk.db import frozen
from omnidesk.db.session import Database
from omnidesk.desk.loops import keep

log = structlog.get_logger(__name__)
EVERY_S = 5.0


async def run_thaw(db: Database, stop: asyncio.Event) -> None:
    """Take the locks of frozen processes away until `stop`. Needs no lease: whoever had it might be frozen."""

    async def look() -> bool:
        async with db.connection() as tx:
            ended = await frozen.end_frozen(tx)
        if ended:
            log.warning("frozen.ended", sessions=ended)
        return False

    await keep("frozen", stop, look, every_s=EVERY_S)
