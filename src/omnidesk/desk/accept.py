"""The door: what came in is durable before anybody hears "accepted".

Requests that wait at the same moment share one INSERT (group commit). When that fails, its members
are tried one by one, and only the guilty one hears of it.
"""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from omnidesk.db import arrivals, inboxes
from omnidesk.db.arrivals import LANES, NewArrival
from omnidesk.db.session import Database, Tx, is_away
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.vault import Vault
from omnidesk.domain.errors import Refused, Unavailable
from omnidesk.domain.messages import Arrival

log = structlog.get_logger()

GROUP = 100  # arrivals in one INSERT
GROUP_BYTES = 1_000_000
REST_S = 0.05  # how long a connection is kept for the next one who comes
MAX_KEY = 200
_CLEAN = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(slots=True)
class _Guest:
    """Somebody at the door, with the rows to write and the one who waits for them."""

    rows: list[NewArrival]
    heard: "asyncio.Future[set[UUID]]"


class Door:
    """Writes arrivals durably, together with whoever else is at the door."""

    def __init__(self, db: Database, vault: Vault, *, wake: Callable[[], None], flushers: int = 2) -> None:
        self._db, self._vault, self._wake = db, vault, wake
        self.measure: Callable[[float], None] = lambda seconds: None  # told how long each caller waited
        self._waiting: list[_Guest] = []
        self._resting: list[asyncio.Future[None]] = []  # flushers that have a connection and nothing to write
        self._free = flushers
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, inbox_id: UUID, came: Sequence[Arrival], *, now: datetime | None = None) -> list[UUID]:
        """Store what came; returns the ids of those that were new, once they are durable.

        Raises Unavailable while the database is away (the sender keeps the message), Refused for
        what cannot be stored.
        """
        if not came:
            return []
        began = time.perf_counter()
        rows = [sealed(self._vault, inbox_id, arrival, now or datetime.now(UTC)) for arrival in came]
        guest = _Guest(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(guest)
        if self._resting:
            self._resting.pop().set_result(None)
        elif self._free:
            self._free -= 1
            task = asyncio.create_task(self._flush())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        stored = await guest.heard
        self.measure(time.perf_counter() - began)
        return [row.id for row in rows if row.id in stored]

    async def keep_unreadable(self, inbox_id: UUID, body: bytes, meta: Mapping[str, str], reason: str) -> list[UUID]:
        """Store an authentic body that nobody understands yet: nothing is lost when a provider changes its ways."""
        key = hashlib.sha256(body).hexdigest()
        arrival = Arrival(dedupe_key=f"unreadable:{key}", order_key=f"unreadable:{key}", body=body, meta=meta)
        row = replace(sealed(self._vault, inbox_id, arrival, datetime.now(UTC)), state="unreadable", error=reason)
        async with self._db.connection() as tx:
            return list(await arrivals.store(tx, [row]))

    async def deliver(self, inbox_id: UUID, came: Sequence[Arrival], cursor: Mapping[str, Any]) -> None:
        """For channels that fetch: arrivals and the cursor after them, committed together."""
        rows = [sealed(self._vault, inbox_id, arrival, datetime.now(UTC)) for arrival in came]
        async with self._db.transaction() as tx:
            if rows:
                await arrivals.store(tx, rows)
            await inboxes.move_cursor(tx, inbox_id, cursor)
        self._wake()

    async def _flush(self) -> None:
        """Write groups until nobody comes any more, on one connection: taking one costs more than a group."""
        try:
            while self._waiting:
                group: list[_Guest] = []
                try:
                    async with self._db.connection() as tx:
                        while self._waiting or await self._somebody_comes():
                            group = self._next_group()
                            await self._write(tx, group)
                            group = []
                except Exception as error:  # anything at all: each guest must hear an answer
                    await self._one_by_one(group or self._next_group(), error)
        finally:
            self._free += 1

    async def _somebody_comes(self) -> bool:
        """Whether somebody comes within a moment."""
        rest: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting.append(rest)
        try:
            await asyncio.wait((rest,), timeout=REST_S)
        finally:
            if not rest.done():
                self._resting.remove(rest)
        return bool(self._waiting)

    def _next_group(self) -> list[_Guest]:
        group: list[_Guest] = []
        count = size = 0
        for guest in self._waiting:
            count += len(guest.rows)
            size += sum(row.size for row in guest.rows)
            if group and (count > GROUP or size > GROUP_BYTES):
                break
            group.append(guest)
        del self._waiting[: len(group)]
        return group

    async def _write(self, tx: Tx, group: Sequence[_Guest]) -> None:
        stored = await arrivals.store(tx, [row for guest in group for row in guest.rows])
        for guest in group:
            if not guest.heard.done():
                guest.heard.set_result(stored)
        self._wake()

    async def _one_by_one(self, group: Sequence[_Guest], error: Exception) -> None:
        if len(group) > 1 and not is_away(error):
            for guest in group:
                try:
                    async with self._db.connection() as tx:
                        await self._write(tx, [guest])
                except Exception as its_own:
                    await self._one_by_one([guest], its_own)
            return
        log.warning("door.refused", error=type(error).__name__, guests=len(group), away=is_away(error))
        for guest in group:
            if not guest.heard.done():
                guest.heard.set_exception(
                    Unavailable("The desk cannot store messages right now.")
                    if is_away(error)
                    else Refused("This message cannot be stored.", code="cannot_store")
                )


def sealed(vault: Vault, inbox_id: UUID, arrival: Arrival, now: datetime) -> NewArrival:
    """The journal's row for an arrival: keys made short and clean, lane chosen, body encrypted."""
    order_key = clean_key(arrival.order_key)
    return NewArrival(
        id=new_id(now),
        inbox_id=inbox_id,
        dedupe_key=clean_key(arrival.dedupe_key),
        order_key=order_key,
        lane=lane_of(inbox_id, order_key),
        size=len(arrival.body),
        day=now.astimezone(UTC).date(),
        received_at=now,
        body=vault.encrypt(pack(arrival), "arrival"),
    )


def clean_key(key: str) -> str:
    """Keys come from outside: long ones and those that are not plain text are hashed."""
    if _CLEAN.fullmatch(key):
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def lane_of(inbox_id: UUID, order_key: str) -> int:
    digest = hashlib.blake2b(inbox_id.bytes + order_key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % LANES


def pack(arrival: Arrival) -> bytes:
    """Keys, meta and body as one text to encrypt."""
    head = json.dumps([arrival.dedupe_key, arrival.order_key, dict(arrival.meta)]).encode()
    return len(head).to_bytes(4, "big") + head + arrival.body


def unpack(packed: bytes) -> Arrival:
    """The arrival that was packed."""
    size = int.from_bytes(packed[:4], "big")
    dedupe_key, order_key, meta = json.loads(packed[4 : 4 + size])
    return Arrival(dedupe_key=dedupe_key, order_key=order_key, body=packed[4 + size :], meta=meta)
