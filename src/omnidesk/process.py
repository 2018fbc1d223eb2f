"""How a process of the desk runs: until it is told to stop, then in an orderly way, within five seconds."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
import uvloop

log = structlog.get_logger(__name__)

GRACE_S = 2.5  # for what was begun when we are told to stop
LAST_S = 4.8  # then the kernel ends us, whatever still hangs

Main = Callable[[asyncio.Event], Awaitable[None]]
"""What a process does until the event is set."""


def settle_heap() -> None:
    """Take what is loaded out of the garbage collector's rounds: looking through it took a sixth of intake's time,
    and stopped everything for a tenth of a second each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def run(main: Main) -> None:
    """Run `main` until it returns; SIGTERM and Ctrl-C tell it to stop, a second one ends the process at once."""
    settle_heap()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(main))
    signal.setitimer(signal.ITIMER_REAL, 0)


async def _until_told(main: Main) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def told(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("process.stopping", signal=signal.Signals(number).name)
        signal.setitimer(signal.ITIMER_REAL, LAST_S)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    await main(stop)


async def together(stop: asyncio.Event, *loops: Coroutine[Any, Any, None], grace_s: float = GRACE_S) -> None:
    """Run loops side by side until `stop`, each of which ends by itself then; the late ones are cancelled.

    A loop that fails stops the others, and its error is raised: none goes missing unnoticed.
    """
    tasks = [asyncio.create_task(loop) for loop in loops]
    told = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Task[Any]] = {told, *tasks}
        while told in pending and not any(_failed(task) for task in tasks):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await _end(tasks, grace_s)
    finally:
        for task in (told, *tasks):
            task.cancel()
        await asyncio.gather(told, *tasks, return_exceptions=True)
    for task in tasks:
        if _failed(task):
            task.result()


async def _end(tasks: list[asyncio.Task[None]], grace_s: float) -> None:
    unfinished = [task for task in tasks if not task.done()]
    if unfinished:
        with suppress(asyncio.CancelledError):
            _, late = await asyncio.wait(unfinished, timeout=grace_s)
            for task in late:
                log.info("process.loop_cut_short", loop=task.get_coro().__qualname__)  # type: ignore[union-attr]


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
