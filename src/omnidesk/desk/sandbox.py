"""A process of its own for what is large or hostile to read: a thread cannot be stopped, a process can."""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import httpx

from omnidesk.channels import base
from omnidesk.domain.messages import Arrival, Item

MEMORY_BYTES = 1 << 30
TIMEOUT_S = 20.0
_PR_SET_PDEATHSIG = (
    1  # prctl(2); ends the child with the thread that started it, one of a pool that lives as long as we
)
START_S = 60.0


class ReadKilled(Exception):
    """The reading process died, or was killed because it took too long or too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the child needs to read one arrival as the inbox's channel would."""

    channel: str
    module: str  # where the channel is registered
    config: Mapping[str, Any]
    inbox_id: str
    addresses: tuple[str, ...]
    domain: str
    keys: tuple[bytes, ...]
    arrival: Arrival


class Sandbox:
    """One reading process, started when first needed and again after each that died."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._context = multiprocessing.get_context("spawn")
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._busy = asyncio.Lock()

    async def read(self, task: Task) -> list[Item]:
        """What the arrival means. Raises ReadKilled, or what the channel's `read` raised."""
        async with self._busy:
            answer = await asyncio.to_thread(self._ask, task)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ask(self, task: Task) -> list[Item] | BaseException:
        try:
            pipe = self._open()
            pipe.send(task)
            if not pipe.poll(self._timeout_s):
                raise ReadKilled("took too long to read")
            answer: list[Item] | BaseException = pipe.recv()
        except (EOFError, OSError, ReadKilled) as error:
            self.close()
            return error if isinstance(error, ReadKilled) else ReadKilled("its process died")
        return answer

    def _open(self) -> Connection:
        if self._child is None or not self._child.is_alive() or self._pipe is None:
            self.close()
            ours, theirs = self._context.Pipe()
            self._child = self._context.Process(
                target=_serve, args=(theirs, self._memory_bytes, int(self._timeout_s) + 5), daemon=True
            )
            self._child.start()
            theirs.close()
            self._pipe = ours
            if not ours.poll(START_S):
                raise ReadKilled("its process did not start")
            ours.recv()  # it is ready: from now on the time is the reader's own
        return self._pipe

    def close(self) -> None:
        """Kill the process."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None


def _serve(pipe: Connection, memory_bytes: int, longest_s: int) -> None:
    """The child: read what is sent until the parent goes away."""
    _tie_to_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    http = httpx.AsyncClient()
    pipe.send("ready")
    while True:
        try:
            task: Task = pipe.recv()
        except (EOFError, OSError):
            return
        signal.alarm(longest_s)  # also when nobody is left to stop us
        answer = _answer(http, task)
        signal.alarm(0)
        pipe.send(answer)


def _tie_to_parent() -> None:
    """End with the worker, also in the middle of a read that would never end."""
    with suppress(OSError, AttributeError):  # Linux only; elsewhere the end of the pipe must do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # died before the kernel was asked
        os._exit(1)


def _answer(http: httpx.AsyncClient, task: Task) -> list[Item] | BaseException:
    try:
        import_module(task.module)
        manifest = base.manifests()[task.channel]
        tools = base.Tools(
            http=http, inbox_id=task.inbox_id, addresses=task.addresses, domain=task.domain, keys=task.keys
        )
        channel = manifest.build(manifest.config.model_validate(task.config), tools)
        return list(channel.read(task.arrival))
    except base.Unreadable as error:
        return base.Unreadable(str(error))
    except MemoryError:
        return ReadKilled("took too much memory to read")
    except Exception as error:  # only its class: the text may carry what the customer wrote
        return ReadKilled(f"reading failed with {type(error).__name__}")
