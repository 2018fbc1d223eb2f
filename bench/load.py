"""A light HTTP client for load, to be run as a process of its own: keep-alive connections, requests made beforehand.

    echo '{"port": 8000, "path": "/hooks/inb_…", "connections": 32, …}' | python -m bench.load

Reads one `Load` as JSON, answers with one `Outcome` as JSON.
"""

import asyncio
import dataclasses
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import uvloop

from omnidesk.domain.webhooks import key_of, signed

TEXT = (
    "Здравствуйте! Не могу войти в личный кабинет: пишет «неверный код». Заказ 48213, логин ivan@example.net. "
    "Подскажите, пожалуйста, что делать.\n\nС уважением,\nИван"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`per_second` 0: as fast as the connections go round (closed loop); else so many a second, come what may."""

    port: int
    path: str
    secret: str
    prefix: str  # of external ids: unique for each load
    connections: int
    requests: int
    per_second: float = 0.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Seconds from the first request to the last answer, and when each message was posted (seconds since 1970)."""

    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    posted: dict[str, float] = field(default_factory=dict)


class _Line(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, source: "_Source") -> None:
        self._source, self._heard = source, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._heard.lower().find(b"content-length:", 0, head)
        size = int(self._heard[at + 15 : self._heard.find(b"\r", at)]) if at >= 0 else 0
        if len(self._heard) >= head + 4 + size:
            status, self._heard = self._heard[9:12].decode(), self._heard[head + 4 + size :]
            self._source.answered(self, status)

    def send(self, request: bytes) -> None:
        self.transport.write(request)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        self._source.lost()


class _Source:
    """Gives each free line the next request; in an open loop they wait here for their moment."""

    def __init__(self, load: Load) -> None:
        self.load, self.statuses = load, Counter[str]()
        self.requests = [(f"{load.prefix}-{n}", _request(load, f"{load.prefix}-{n}")) for n in range(load.requests)]
        self.posted: dict[str, float] = {}
        self.free: list[_Line] = []
        self.next = self.answers = 0
        self.due = 0 if load.per_second else load.requests
        self.done = asyncio.Event()

    def answered(self, line: _Line, status: str) -> None:
        self.statuses[status] += 1
        self.answers += 1
        self.free.append(line)
        self.go()
        if self.answers == len(self.requests):
            self.done.set()

    def go(self) -> None:
        while self.free and self.next < min(self.due, len(self.requests)):
            name, request = self.requests[self.next]
            self.next += 1
            self.posted.setdefault(name, time.time())
            self.free.pop().send(request)

    def lost(self) -> None:
        if self.answers < len(self.requests):
            self.statuses["lost"] += 1
            self.done.set()

    async def tick(self) -> None:
        """In an open loop a request counts from the moment it was due, also when no line was free."""
        began, now = time.time(), 0.0
        while self.due < len(self.requests):
            now = time.time()
            while self.due < len(self.requests) and began + self.due / self.load.per_second <= now:
                self.posted[self.requests[self.due][0]] = began + self.due / self.load.per_second
                self.due += 1
            self.go()
            await asyncio.sleep(0.001)


def _request(load: Load, name: str) -> bytes:
    said = {
        "external_id": name,
        "thread": name,
        "sender": {"kind": "email", "address": f"{name}@customers.example", "name": "Иван"},
        "subject": "Не могу войти",
        "text": TEXT,
        "sent_at": datetime.now(UTC).isoformat(),
    }
    body = json.dumps(said, ensure_ascii=False).encode()
    headers = {
        "host": "desk.example",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **signed([key_of(load.secret)], name, int(time.time()), body),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {load.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def drive(load: Load) -> Outcome:
    """Send everything; the answers are not looked at beyond their status."""
    source, loop = _Source(load), asyncio.get_running_loop()
    for _ in range(load.connections):
        _, line = await loop.create_connection(lambda: _Line(source), "127.0.0.1", load.port)
        source.free.append(line)
    began = time.perf_counter()
    source.go()
    ticking = asyncio.create_task(source.tick()) if load.per_second else None
    await asyncio.wait_for(source.done.wait(), 120)
    seconds = time.perf_counter() - began
    if ticking:
        ticking.cancel()
    return Outcome(seconds=seconds, statuses=dict(source.statuses), posted=source.posted if load.per_second else {})


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(uvloop.run(drive(Load(**json.load(sys.stdin)))))))
