"""Starts processes of a desk quickly: imports everything once, then forks one for each line of stdin.

A line is `work <log file>` or `serve <log file>`; the answer is the process id. Each process is what
`omnidesk work` or `omnidesk serve` runs, with the test-only channels beside the others. `plan` is a planner that
asks for no lease.
"""

import asyncio
import ctypes
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import tests.plain
import tests.slow.frail  # noqa: F401 - registers its channel, as tests.plain does
from omnidesk import app, logs, process
from omnidesk.config import Settings, load_settings
from omnidesk.desk import planner

_PR_SET_PDEATHSIG = 1  # prctl(2)


async def plan(settings: Settings, stop: asyncio.Event) -> None:
    desk = app.open_desk(settings)
    while not stop.is_set():
        await planner.plan_once(desk.db, now=datetime.now(UTC))
    await desk.close()


MAINS = {"work": app.work, "serve": app.serve, "plan": plan}


def main() -> None:
    settings = load_settings(None)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        kind, log = line.split()
        pid = os.fork()
        if pid == 0:
            _become(settings, kind, Path(log))
        print(pid, flush=True)


def _become(settings: Settings, kind: str, log: Path) -> NoReturn:
    code = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        logs.configure("json", "info")
        process.run(lambda stop: MAINS[kind](settings, stop))
        code = 0
    except BaseException as error:
        print(f"died: {error!r}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
