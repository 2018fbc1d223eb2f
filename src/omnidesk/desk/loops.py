"""How a loop of the desk runs: wait for a wake or a second, work, back off when the database is away."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import structlog

from omnidesk.db.listen import WORK, Listener, first_of
from omnidesk.db.session import is_away, root_cause

log = structlog.get_logger(__name__)
LONGEST_S = 10.0
REST_S = 0.05  # a rest for loops that many wakes reach


def trace(error: BaseException) -> dict[str, str]:
    """What a log may say of an error: its class and where it was raised; its text may carry data of customers."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "omnidesk" in frame.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": type(root_cause(error)).__name__, "where": where}


async def keep(
    name: str,
    stop: asyncio.Event,
    body: Callable[[], Awaitable[bool]],
    *,
    listener: Listener | None = None,
    channel: str = WORK,
    every_s: float = 1.0,
    rest_s: float = 0.0,
) -> None:
    """Call `body` again and again until `stop`: at once while it says that there is more, else on a wake or in time.

    Looks that find nothing are `rest_s` apart, so that many wakes share one. An error never ends the loop: it is
    logged by its class, and the next try waits longer each time, up to ten seconds.
    """
    failures, clock = 0, asyncio.get_running_loop().time
    with listener.wakes(channel) if listener else nullcontext(asyncio.Event()) as wake:
        while not stop.is_set():
            wake.clear()
            rested = clock() + rest_s
            try:
                more = await body()
                failures = 0
            except Exception as error:
                more, failures = False, failures + 1
                report = log.warning if is_away(error) else log.error
                report("loop.failed", loop=name, failures=failures, **trace(error))
            if failures:
                wait_s = min(LONGEST_S, 0.2 * 2 ** min(failures, 8)) * random.uniform(0.5, 1)  # noqa: S311 - spreads retries
                await first_of(stop, timeout=wait_s)
            elif not more:
                await first_of(stop, wake, timeout=every_s)
                if clock() < rested:
                    await first_of(stop, timeout=rested - clock())
            else:
                await asyncio.sleep(0)
