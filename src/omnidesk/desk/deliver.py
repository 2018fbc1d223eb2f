"""The deliverer: makes the calls that wait in the outbox, each outside any transaction.

`calling` is committed just before the part of a call that cannot be repeated. Whatever happens afterwards is
written where the lease is still ours: sent, deferred, rejected, or `unknown` when the answer was lost. An
answer that cannot be written because the database is away is kept and written when it is back.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from omnidesk.channels import base
from omnidesk.channels.base import BeforeCall, NeedsReauth, SendDeferred, SendRejected, SendUnknown
from omnidesk.db import circuits, outbox, rates
from omnidesk.db.listen import WORK, Listener, first_of
from omnidesk.db.outbox import Result, Row
from omnidesk.db.session import Database, Tx, is_away
from omnidesk.desk import settle
from omnidesk.desk.loops import REST_S, trace
from omnidesk.desk.retries import again_s
from omnidesk.domain.messages import Sent

log = structlog.get_logger(__name__)

LEASE_S = (
    15.0  # until the part that cannot be repeated begins; renewed while we live: a killed worker's rows go on soon
)
TIME_LIMIT_S = 240.0  # of one call, with its preparation
GRACE_S = 30.0  # by which the lease of a call outlives its time limit: it is not renewed, and never the shorter one
FLOW_CONTROL_S = 60.0  # a platform that asks for a pause up to this long means all of our calls, not this one
WRITE_TRIES = 5  # when the answer cannot be written though the database is there
KEEP_RESULT_S = 600.0  # how long an answer is kept for a database that is away


class Kind(Protocol):
    """What the deliverer must know of a kind of call."""

    async def rate(self, row: Row) -> rates.Rate | None:
        """How many such calls its limit key allows; None: any number."""
        ...

    async def send(self, row: Row, before_call: BeforeCall) -> Sent:
        """Make the call. Raises what a channel's `send` raises."""
        ...

    async def record(self, tx: Tx, row: Row, result: Result, sent: Sent | None) -> bool:
        """Write how it ended, with what follows from it; False when the row was no longer ours."""
        ...


_AWAY = (SendDeferred, SendUnknown, TimeoutError, OSError)


class LeaseLost(Exception):
    """Somebody else holds the row now, or the database cannot be asked: the call must not be made."""


@dataclass
class _Call:
    """One try of one row, and how far it got."""

    db: Database
    row: Row
    lease_s: float
    begun: bool = False
    stopped: BaseException | None = None

    async def before(self) -> None:
        try:
            async with self.db.connection() as tx:
                ours = await outbox.calling(tx, self.row, self.lease_s)
        except Exception as error:
            self.stopped = error
            raise
        if not ours:
            self.stopped = LeaseLost("the lease of this call is lost")
            raise self.stopped
        self.begun = True


@dataclass
class Deliverer:
    """Makes calls until told to stop. Any number of them, in any number of processes, share the outbox.

    `slots` calls at once, no more than `per_endpoint` of them to one endpoint, so that a slow provider
    leaves room for the others.
    """

    db: Database
    kinds: Mapping[str, Kind]
    holder: UUID = field(default_factory=uuid4)
    slots: int = 24
    per_endpoint: int = 8
    lease_s: float = LEASE_S
    time_limit_s: float = TIME_LIMIT_S
    listener: Listener | None = None
    _busy: Counter[str] = field(default_factory=Counter)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[int, Row] = field(default_factory=dict)  # claimed, and not seen through yet
    _recover_at: float = 0.0

    def wake(self) -> None:
        """Something was put: look at once."""
        self._wake.set()

    async def deliver_once(self) -> int:
        """Recover lapsed rows, claim one batch and see it through; how many calls were tried."""
        await settle.recover(self.db)
        rows = await self._claim(self.slots)
        async with self._keeping():
            await asyncio.gather(*(self._see_through(row) for row in rows))
        return len(rows)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then finish what was begun. Looks each second, or when woken; recovers alone."""
        with self.listener.wakes(WORK) if self.listener else nullcontext(self._wake) as self._wake:
            async with self._keeping():
                await self._deliver(stop)

    async def _deliver(self, stop: asyncio.Event) -> None:
        tasks: set[asyncio.Task[None]] = set()
        failures = 0
        while not stop.is_set():
            self._wake.clear()
            rested = asyncio.get_running_loop().time() + REST_S
            try:
                await self._recover_at_times()
                rows = await self._claim(self.slots - len(tasks)) if len(tasks) < self.slots else []
                failures = 0
            except Exception as error:
                rows, failures = [], failures + 1
                (log.warning if is_away(error) else log.error)("deliver.failed", failures=failures, **trace(error))
            tasks |= {asyncio.create_task(self._see_through(row)) for row in rows}
            if failures:
                await first_of(stop, timeout=min(10.0, 0.2 * 2 ** min(failures, 8)) * (0.5 + _random() / 2))
            elif not rows:  # a call that ends wakes us too: it may free the next of its order key
                await first_of(stop, self._wake, timeout=1.0)
                await first_of(stop, timeout=max(0.0, rested - asyncio.get_running_loop().time()))
            tasks = {task for task in tasks if not task.done()}
        if tasks:
            await asyncio.wait(tasks, timeout=self.time_limit_s + GRACE_S)

    @asynccontextmanager
    async def _keeping(self) -> AsyncIterator[None]:
        """What is claimed stays ours meanwhile; a frozen process loses it, and `calling` tells it so."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.lease_s / 3)
            if self._held:
                with suppress(Exception):  # the database is away: whoever lost his lease hears of it before the call
                    async with self.db.connection() as tx:
                        await outbox.renew(tx, list(self._held.values()), self.lease_s)

    async def _recover_at_times(self) -> None:
        """Look for lapsed rows, once a second."""
        now = asyncio.get_running_loop().time()
        if now >= self._recover_at:
            await settle.recover(self.db)
            self._recover_at = now + 1.0

    async def _claim(self, limit: int) -> list[Row]:
        full = [endpoint for endpoint, n in self._busy.items() if n >= self.per_endpoint]
        async with self.db.transaction() as tx:
            rows = await outbox.claim(
                tx,
                self.holder,
                limit,
                self.lease_s,
                kinds=list(self.kinds),
                leave_out=full,
                per_endpoint=self.per_endpoint,
            )
        kept = await self._within_rates(rows)
        self._held.update((row.id, row) for row in kept)
        self._busy.update(row.endpoint for row in kept)
        return kept

    async def _within_rates(self, rows: Sequence[Row]) -> list[Row]:
        """The rows whose limit keys grant them a token; the others go back until theirs comes."""
        limited: dict[str, tuple[rates.Rate, list[Row]]] = {}
        free: list[Row] = []
        for row in rows:
            rate = await self.kinds[row.kind].rate(row) if row.limit_key else None
            if rate is None:
                free.append(row)
            else:
                limited.setdefault(row.limit_key, (rate, []))[1].append(row)
        if not limited:
            return free
        late: list[tuple[Row, float]] = []
        async with self.db.transaction() as tx:
            wanted = {key: (len(waiting), rate) for key, (rate, waiting) in limited.items()}
            for key, grant in (await rates.take(tx, wanted)).items():
                rate, waiting = limited[key]
                free += waiting[: grant.taken]
                late += [(row, grant.wait_s + n / rate.per_second) for n, row in enumerate(waiting[grant.taken :])]
            await outbox.give_back(tx, late)
            for endpoint in {row.endpoint for row, _ in late}:
                await circuits.end_probe(tx, endpoint)
        return free

    async def _see_through(self, row: Row) -> None:
        """Make one call and write how it ended; never raises, so that one row does not disturb the others."""
        try:
            result, sent, error = await self._attempt(row)
            await self._write(row, result, sent, error)
        except Exception as error:
            log.error("deliver.not_written", row=row.id, kind=row.kind, **trace(error))
        finally:
            if self._held.get(row.id) is row:
                del self._held[row.id]
            self._busy -= Counter((row.endpoint,))  # keeps no zeroes
            self._wake.set()
            if self.listener:
                self.listener.tell()

    async def _attempt(self, row: Row) -> tuple[Result, Sent | None, BaseException | None]:
        call = _Call(self.db, row, self.time_limit_s + GRACE_S)
        try:
            async with asyncio.timeout(self.time_limit_s):
                sent = await self.kinds[row.kind].send(row, call.before)
        except Exception as error:
            if call.stopped is not None:
                return Result(state="queued"), None, call.stopped
            log.info("deliver.not_sent", row=row.id, kind=row.kind, begun=call.begun, **trace(error))
            return judge(row, error, begun=call.begun, jitter=_random()), None, error
        return Result(state="sent", external_id=sent.external_id, error=_refused(sent)), sent, None

    async def _write(self, row: Row, result: Result, sent: Sent | None, error: BaseException | None) -> None:
        """Write the answer; again when that fails, and for minutes while the database is away."""
        until = asyncio.get_running_loop().time() + KEEP_RESULT_S
        tries, wait_s = 0, 0.2
        while True:
            try:
                await self.db.repeating(lambda tx: self._record(tx, row, result, sent, error))
                return
            except Exception as failure:
                tries += 1
                late = asyncio.get_running_loop().time() > until
                if late or (tries >= WRITE_TRIES and not is_away(failure)):
                    raise
                log.warning("deliver.write_again", row=row.id, kind=row.kind, tries=tries, **trace(failure))
            await asyncio.sleep(wait_s * (0.5 + _random() / 2))
            wait_s = min(5.0, wait_s * 2)

    async def _record(self, tx: Tx, row: Row, result: Result, sent: Sent | None, error: BaseException | None) -> None:
        if not await self.kinds[row.kind].record(tx, row, result, sent):
            log.info("deliver.lease_lost", row=row.id, kind=row.kind, state=result.state)
        await _circuit(tx, row, result, error)


def judge(row: Row, error: BaseException, *, begun: bool, jitter: float) -> Result:
    """What a failed call comes to. Texts of channels are our own words; of anything else only the class is kept."""
    words = str(error) if isinstance(error, base.ChannelError) else type(error).__name__
    match error:
        case NeedsReauth():
            return Result(state="queued", error=words)  # held by its inbox, not by itself
        case SendRejected():
            return Result(state="rejected", error=words)
        case SendDeferred():
            return _deferred(row, words, jitter, error.after_s)
        case SendUnknown() if not row.repeats:
            return Result(state="unknown", error=words)
        case _ if begun and not row.repeats:
            return Result(state="unknown", error=f"The answer was lost ({words}).")
    return _deferred(row, words, jitter, None)


def _deferred(row: Row, words: str, jitter: float, after_s: float | None) -> Result:
    pause_s = again_s(row.attempts, row.tried_s, jitter, after_s)
    if pause_s is None:
        return Result(state="rejected", error=f"Given up after two days: {words}")
    return Result(state="deferred", error=words, after_s=pause_s)


def _refused(sent: Sent) -> str | None:
    """Some of several recipients were refused: say which and why."""
    return "; ".join(f"{address}: {reason}" for address, reason in sorted(sent.rejected.items())) or None


async def _circuit(tx: Tx, row: Row, result: Result, error: BaseException | None) -> None:
    """What this call says of its endpoint: it answered, it asked for a pause, or it failed."""
    if error is None or isinstance(error, SendRejected):
        await circuits.worked(tx, row.endpoint)
    elif result.state == "queued":
        await circuits.end_probe(tx, row.endpoint)
    elif isinstance(error, SendDeferred) and error.after_s is not None:
        if error.after_s <= FLOW_CONTROL_S:
            await circuits.pause(tx, row.endpoint, max(0.0, error.after_s))
        else:
            await circuits.worked(tx, row.endpoint)
    elif isinstance(error, _AWAY):
        if await circuits.failed(tx, row.endpoint, _random()) and row.inbox_id:
            await settle.failing(tx, row.inbox_id, result.error)
    else:  # a fault of ours says nothing of the endpoint
        await circuits.end_probe(tx, row.endpoint)


def _random() -> float:
    return random.random()  # noqa: S311 - spreads retries, guards nothing
