"""Waking each other: LISTEN on one direct connection per process, and a NOTIFY without payload, seldom.

NOTIFY takes a lock of the whole database at commit, so transactions never send it: whoever committed
something calls `Listener.tell`, and one autocommit connection passes that on at most every 20 ms.
A wake is a hint. Nothing depends on it: every loop also looks each second.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from omnidesk.db.session import SESSION, is_away

ARRIVED = "omnidesk_arrived"  # something waits to be read
WORK = "omnidesk_work"  # something was committed: events, outbox rows, presence
NUMBERED = "omnidesk_numbered"  # events got their numbers
QUIET_S = 0.02
CHECK_S = 10.0

log = structlog.get_logger(__name__)


class Listener:
    """Wakes the loops of this process when any process has committed something; safe within one event loop.

    `url` leads straight to the server: a transaction pooler in between keeps no LISTEN.
    """

    def __init__(self, url: str) -> None:
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._wakes: dict[str, set[asyncio.Event]] = {ARRIVED: set(), WORK: set(), NUMBERED: set()}
        self._untold: set[str] = set()
        self._telling = asyncio.Event()
        self.connected = asyncio.Event()

    @contextmanager
    def wakes(self, channel: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happens on the channel; clear it before you look."""
        wake = asyncio.Event()
        self._wakes[channel].add(wake)
        try:
            yield wake
        finally:
            self._wakes[channel].discard(wake)

    def tell(self, channel: str = WORK) -> None:
        """Say that something was committed: the loops here at once, other processes within 20 ms."""
        self._wake(channel)
        self._untold.add(channel)
        self._telling.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen and tell until `stop`, connecting again whenever the server went away."""
        failures = 0
        while not stop.is_set():
            try:
                await self._serve(stop)
                failures = 0
            except Exception as error:
                if not is_away(error) and not isinstance(error, asyncpg.PostgresError):
                    raise
                failures = 1 if self.connected.is_set() else failures + 1
                log.warning("listen.away", error=type(error).__name__, failures=failures)
            finally:
                self.connected.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(10.0, 0.2 * 2 ** min(failures, 6)) * random.uniform(0.5, 1))  # noqa: S311 - spreads retries

    async def _serve(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10, command_timeout=10, server_settings=SESSION)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel in self._wakes:
                await connection.add_listener(channel, self._heard)
            self.connected.set()
            for channel in self._wakes:  # what was said while nobody listened
                self._wake(channel)
            await self._pass_on(connection, lost, stop)
        finally:
            with suppress(Exception):
                await connection.close(timeout=2)

    async def _pass_on(self, connection: Any, lost: asyncio.Event, stop: asyncio.Event) -> None:
        while not stop.is_set() and not lost.is_set():
            if await first_of(self._telling, lost, stop, timeout=CHECK_S):
                self._telling.clear()
                told, self._untold = self._untold, set()
                for channel in sorted(told):
                    await connection.execute(f"NOTIFY {channel}")
                await asyncio.sleep(QUIET_S)
            elif not lost.is_set():
                await connection.execute("SELECT 1")

    def _heard(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        if pid != connection.get_server_pid():
            self._wake(channel)

    def _wake(self, channel: str) -> None:
        for wake in self._wakes[channel]:
            wake.set()


async def first_of(*events: asyncio.Event, timeout: float) -> bool:
    """Wait until one of these is set; False when none was within `timeout` seconds."""
    if any(event.is_set() for event in events):
        return True
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in tasks:
            task.cancel()
