"""`omnidesk up`: the processes of one machine, started, watched and stopped together.

Children are forked, so that what all of them import is loaded once and shared. There are no threads and no event
loop here: a fork would copy their locks, and the kernel ends a child with the thread that started it.
"""

import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import structlog

from omnidesk.db.embedded import EmbeddedError, EmbeddedPostgres

log = structlog.get_logger(__name__)

TICK_S = 0.5
CHILDREN_S = 3.2  # from SIGTERM to SIGKILL
WHOLE_S = 4.2  # until the database's server is cut short too; with what is left to do it stays within five seconds
STEADY_S = 30.0  # a child that lived so long starts its backoff anew
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # prctl(2)
_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Main = Callable[[], int]
"""What a child does; its exit code."""


@dataclass
class Child:
    """A process of ours, running or about to run."""

    name: str
    main: Main
    pid: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0  # when to start it (again), by the monotonic clock
    deaths: int = 0  # in a row

    def ended(self) -> int | None:
        """The exit code of a child that just ended (negative: the signal), else None."""
        if self.pid is None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def send(self, number: signal.Signals) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)  # not reaped yet, so it is still ours


class Supervisor:
    """Keeps processes (by name) and the database's server running until SIGTERM, SIGHUP or Ctrl-C."""

    def __init__(self, mains: Mapping[str, Main], server: EmbeddedPostgres | None = None) -> None:
        self.children = [Child(name, main) for name, main in mains.items()]
        self._server = server
        self._server_at, self._server_deaths = 0.0, 0
        self._told = 0  # how often we were told to stop
        self._wake: tuple[int, int] = (-1, -1)

    def run(self, *, ready: Callable[[], bool] = lambda: True, on_ready: Callable[[], None] = lambda: None) -> None:
        """Supervise until told to stop, then stop everything; `on_ready` is called once, when `ready` says so."""
        waiting = True
        self._listen()
        _settle_memory()
        try:
            while not self._told:
                self._keep_server()
                for child in self.children:
                    self._keep(child)
                if waiting and ready():
                    waiting = False
                    on_ready()
                self._sleep(TICK_S / 10 if waiting else TICK_S)
        finally:
            self._stop()

    def _listen(self) -> None:
        """Take the signals over; each of them ends our sleep."""
        self._wake = os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in _OURS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: object) -> None:
        self._told += number != signal.SIGCHLD

    def _keep(self, child: Child) -> None:
        """Start the child, or start it again: at once, then after longer pauses."""
        now = time.monotonic()
        code = child.ended()
        if code is not None:
            child.deaths = 1 if now - child.started_at > STEADY_S else child.deaths + 1
            pause_s = _pause_s(child.deaths)
            log.error("up.died", process=child.name, status=code, again_in_s=pause_s)
            child.start_at = now + pause_s
        if child.pid is None and now >= child.start_at:
            self._start(child)

    def _start(self, child: Child) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)  # a signal to the child must find its own handlers
        try:
            child.started_at, child.pid = time.monotonic(), os.fork()
            if child.pid == 0:
                self._become(child, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _become(self, child: Child, parent: int) -> NoReturn:
        """In the child: let go of what is the supervisor's, and live."""
        code = 70
        try:
            _tie(parent, child.name)
            os.setsid()  # Ctrl-C in a terminal is for the supervisor, who passes it on
            signal.set_wakeup_fd(-1)
            for end in self._wake:
                os.close(end)
            for number in _OURS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
            code = child.main()
        finally:
            os._exit(code)

    def _keep_server(self) -> None:
        """The database's server comes back too; the others wait for it."""
        now = time.monotonic()
        if self._server is None or self._server.alive() or now < self._server_at:
            return
        self._server_deaths += 1
        log.error("up.database_died", times=self._server_deaths)
        try:
            self._server.start()
        except EmbeddedError as error:
            pause_s = _pause_s(self._server_deaths)
            log.error("up.database_does_not_start", error=error, again_in_s=pause_s)
            self._server_at = time.monotonic() + pause_s

    def _stop(self) -> None:
        """End the children, then the server they need. Told a second time: at once."""
        told, began = self._told, time.monotonic()
        for child in self.children:
            child.send(signal.SIGTERM)
        while self._left() and time.monotonic() < began + CHILDREN_S and self._told == told:
            self._sleep(0.05)
        for child in self._left():
            log.warning("up.killed", process=child.name)
            child.send(signal.SIGKILL)
        while self._left():
            self._sleep(0.05)
        if self._server is not None:
            self._server.stop(within_s=max(0.2, began + WHOLE_S - time.monotonic()))

    def _left(self) -> list[Child]:
        """The children that have not ended yet."""
        for child in self.children:
            child.ended()
        return [child for child in self.children if child.pid is not None]

    def _sleep(self, seconds: float) -> None:
        """Until a signal comes, or for a while."""
        if select.select([self._wake[0]], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                os.read(self._wake[0], 1024)


def _settle_memory() -> None:
    """Give back what the preparations used, and keep what is loaded in pages that all processes share."""
    gc.collect()
    with suppress(AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()


def _pause_s(deaths: int) -> float:
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 10))


def _tie(parent: int, name: str) -> None:
    """End when `parent` ends, however that comes; and show our name in `ps -o comm`."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(_PR_SET_NAME, f"omnidesk {name}"[:15].encode())
    if os.getppid() != parent:  # died before the kernel was asked
        os._exit(1)
