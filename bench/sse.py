"""`sse_latency`: from a provider's POST to the agent's event, at half the maximum rate of one serve and one work."""

import asyncio
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import uvloop

from bench.load import Load, Outcome
from bench.rig import ROUNDS, Figures, figure, median, plain_url, server
from bench.serving import SIGNING, Site, drive, serving, site, working
from omnidesk.domain import ids

PROBE = 1_500  # messages that show the maximum rate
ROUND_S = 5.0
PATIENCE_S = 60.0


class Follower:
    """An agent's program at the event stream: when each message was told."""

    def __init__(self, one: Site) -> None:
        self._one, self.heard = one, dict[str, float]()

    async def follow(self, connected: asyncio.Event) -> None:
        """Follow, and come back with `Last-Event-ID` whenever the stream ends: a burst is more than it keeps for us."""
        last = ""
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._one.port, limit=2**20)
            writer.write(
                "GET /v1/events/stream?types=message.received HTTP/1.1\r\nhost: desk.example\r\n"
                f"authorization: Bearer {self._one.api_key}\r\n{last}\r\n".encode()
            )
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    last = f"last-event-id: {line[4:].strip().decode()}\r\n"
                    connected.set()
                elif line.startswith(b"data: "):
                    self.heard[json.loads(line[6:])["subject_id"]] = time.time()
                elif line == b"0\r\n":  # the last chunk
                    break
            writer.close()

    async def count(self, wanted: int) -> None:
        end = time.monotonic() + PATIENCE_S
        while len(self.heard) < wanted:
            if time.monotonic() > end:
                raise TimeoutError(f"only {len(self.heard)} of {wanted} messages were told")
            await asyncio.sleep(0.01)


def run() -> Figures:
    with server() as running, tempfile.TemporaryDirectory() as folder:
        one = asyncio.run(site(running, Path(folder)))
        with serving(one), working(one):
            return uvloop.run(_measure(one))


async def _measure(one: Site) -> Figures:
    follower, connected = Follower(one), asyncio.Event()
    following = asyncio.create_task(follower.follow(connected))
    await asyncio.wait_for(connected.wait(), PATIENCE_S)
    try:
        await _post(one, "warm", 200)
        await follower.count(200)
        most = median([await _maximum(one, follower, f"probe{number}") for number in range(min(3, ROUNDS))])
        rounds = [await _round(one, follower, f"r{number}", most / 2) for number in range(ROUNDS)]
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
    p50, p99 = (median([times[int(len(times) * share)] * 1000 for times in rounds]) for share in (0.5, 0.99))
    return {"sse_latency": figure(p99, "ms p99") | {"p50": round(p50, 1), "per_second": round(most / 2)}}


async def _maximum(one: Site, follower: Follower, prefix: str) -> float:
    """Messages a second that come through, from the POST to the event, when as many as possible are posted."""
    before, began = len(follower.heard), time.monotonic()
    await _post(one, prefix, PROBE)
    await follower.count(before + PROBE)
    return PROBE / (time.monotonic() - began)


async def _round(one: Site, follower: Follower, prefix: str, per_second: float) -> list[float]:
    """Seconds from each POST to its event, sorted."""
    before, requests = len(follower.heard), int(per_second * ROUND_S)
    outcome = await _post(one, prefix, requests, per_second)
    await follower.count(before + requests)
    connection = await asyncpg.connect(plain_url(one.url))
    rows = await connection.fetch(
        "SELECT external_id, message_id FROM message_refs WHERE external_id LIKE $1", f"{prefix}-%"
    )
    await connection.close()
    return sorted(
        follower.heard[ids.encode("message", row["message_id"])] - outcome.posted[row["external_id"]] for row in rows
    )


async def _post(one: Site, prefix: str, requests: int, per_second: float = 0.0) -> Outcome:
    load = Load(
        port=one.port,
        path=one.path,
        secret=SIGNING,
        prefix=prefix,
        connections=32,
        requests=requests,
        per_second=per_second,
    )
    return await asyncio.to_thread(drive, load)
