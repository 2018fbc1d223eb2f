"""Watches: inboxes that fetch (IMAP, long polling, gateways), each watched by one process at a time.

A lease per inbox says by which. A watch that fails is tried again, later each time, and the inbox shows why;
refused credentials wait for new ones. An inbox that is new, paused or changed is noticed within seconds.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from omnidesk.channels import base
from omnidesk.db import inboxes, leases
from omnidesk.db.leases import Lease
from omnidesk.db.session import Database
from omnidesk.desk import settle
from omnidesk.desk.accept import Door
from omnidesk.desk.inboxes import Channels, Opened
from omnidesk.desk.loops import keep, trace
from omnidesk.domain import ids
from omnidesk.domain.messages import Arrival
from omnidesk.logs import describe

log = structlog.get_logger(__name__)

LOOK_S = 2.0
LEASE_S = 20.0
RENEW_S = 5.0
WELL_AFTER_S = 300.0  # a watch that ran so long works; one that cannot connect has given up before
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
REFUSED_PAUSE_S = 1800.0  # refused credentials are tried again so seldom that no account gets locked


@dataclass
class _Watch:
    """The watch of one inbox in this process."""

    opened: Opened
    lease: Lease
    task: asyncio.Task[None]


class Watches:
    """The watches of this process. Any number of processes may run this; they share the inboxes."""

    def __init__(self, db: Database, channels: Channels, door: Door, *, look_s: float = LOOK_S) -> None:
        self._db, self._channels, self._door, self._look_s = db, channels, door, look_s
        self._holder = uuid4()
        self._watches: dict[UUID, _Watch] = {}
        self._asked: dict[UUID, float] = {}  # when we asked for the lease, by the monotonic clock

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await keep("watches", stop, self.look, every_s=self._look_s)
        finally:
            await self._end(list(self._watches))

    async def look(self) -> bool:
        """Begin, keep and end watches as the inboxes are now."""
        wanted = {one.inbox.id: one for one in await self._channels.every() if _to_watch(one)}
        await self._end([id_ for id_, watch in self._watches.items() if _over(watch, wanted.get(id_))])
        for one in wanted.values():
            await self._alarm(one)
        for inbox_id in sorted(wanted):
            if time.monotonic() - self._asked.get(inbox_id, float("-inf")) > RENEW_S:
                await self._hold(wanted[inbox_id])
        return False

    async def _alarm(self, opened: Opened) -> None:
        """A channel that tells of each look has told of none for too long: whoever should watch is in trouble."""
        inbox, limit_s = opened.inbox, _alarm_after_s(opened)
        silent_s = (datetime.now(UTC) - max(inbox.received_at or inbox.updated_at, inbox.updated_at)).total_seconds()
        is_open = inbox.receive_state == "ok" or inbox.receive_error == inbox.cursor.get("missing")
        if limit_s and is_open and silent_s > limit_s:
            log.warning("watches.silent", inbox_id=_name(opened), silent_s=round(silent_s))
            await self._show(opened, "failing", f"Nothing could be fetched for {limit_s / 60:.0f} minutes.")

    async def _hold(self, opened: Opened) -> None:
        """Take or renew the inbox's lease, and watch while it is ours."""
        inbox_id = opened.inbox.id
        async with self._db.transaction() as tx:
            lease = await leases.take(tx, f"watch:{inbox_id}", self._holder, LEASE_S)
        self._asked[inbox_id] = time.monotonic()
        known = self._watches.get(inbox_id)
        if known and lease == known.lease and not known.task.done():
            return
        if known:
            await self._cancel([self._watches.pop(inbox_id)])
        if lease is not None:
            self._watches[inbox_id] = _Watch(opened, lease, asyncio.create_task(self._watch(opened)))

    async def _end(self, inbox_ids: Sequence[UUID]) -> None:
        """End watches and let go of their leases."""
        ending = [self._watches.pop(id_) for id_ in inbox_ids]
        for inbox_id in inbox_ids:
            self._asked.pop(inbox_id, None)
        await self._cancel(ending)
        try:
            async with asyncio.timeout(2):
                for watch in ending:
                    async with self._db.transaction() as tx:
                        await leases.release(tx, watch.lease)
        except Exception as error:  # they lapse by themselves
            log.info("watches.lease_kept", **trace(error))

    async def _cancel(self, watches: Sequence[_Watch]) -> None:
        for watch in watches:
            watch.task.cancel()
        if watches:
            await asyncio.wait([watch.task for watch in watches], timeout=2)

    # --- one inbox ------------------------------------------------------------------------------------

    async def _watch(self, opened: Opened) -> None:
        """Watch until cancelled, again and again."""
        failures = 0
        while True:
            began = time.monotonic()
            ours: list[Exception] = []  # errors of our own database, which say nothing of the inbox
            try:
                await self._once(opened, ours)
                failures, pause_s = 0, FIRST_PAUSE_S
            except base.NeedsReauth as error:
                pause_s = REFUSED_PAUSE_S
                await self._show(opened, "needs_reauth", str(error))
            except Exception as error:
                failures = 1 if time.monotonic() - began > WELL_AFTER_S else failures + 1
                pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))
                log.warning("watches.failed", inbox_id=_name(opened), failures=failures, **trace(error))
                if not ours:
                    await self._show(opened, "failing", _words(error))
            await asyncio.sleep(pause_s * random.uniform(0.75, 1))  # noqa: S311 - spreads retries

    async def _once(self, opened: Opened, ours: list[Exception]) -> None:
        """Watch until it ends; the inbox is well again with the first delivery, or after some minutes.

        What a cursor calls `missing` is shown until a cursor without it.
        """
        inbox_id = opened.inbox.id
        try:
            async with self._db.connection() as tx:
                inbox = await inboxes.read(tx, inbox_id)
        except Exception as error:
            ours.append(error)
            raise
        if inbox is None:
            return
        well = asyncio.create_task(self._well_after(opened))
        shown: list[str | None] = []

        async def deliver(came: Sequence[Arrival], cursor: Mapping[str, Any]) -> None:
            missing = cursor.get("missing")
            if shown != [missing]:
                well.cancel()
                await self._show(opened, "failing" if missing else "ok", missing)
                shown[:] = [missing]
            try:
                await self._door.deliver(inbox_id, came, cursor)
            except Exception as error:
                ours.append(error)
                raise

        try:
            await opened.channel.watch(inbox.cursor, deliver)
        finally:
            well.cancel()

    async def _well_after(self, opened: Opened) -> None:
        if _alarm_after_s(opened):
            await asyncio.Event().wait()  # its own first look says so
        await asyncio.sleep(WELL_AFTER_S)
        await self._show(opened, "ok", None)

    async def _show(self, opened: Opened, state: str, words: str | None) -> None:
        """Say how the inbox receives; an event when that is news."""
        try:
            async with self._db.transaction() as tx:
                await settle.health(tx, opened.inbox.id, "receive", state, words)
        except Exception as error:  # the next try says it again
            log.warning("watches.not_shown", inbox_id=_name(opened), state=state, **trace(error))


def _to_watch(opened: Opened) -> bool:
    return isinstance(opened.channel, base.Watching) and opened.inbox.paused_at is None


def _over(watch: _Watch, now: Opened | None) -> bool:
    """The inbox is gone or paused, or it has new settings: begin anew."""
    before = watch.opened.inbox
    return now is None or (before.config, before.secrets) != (now.inbox.config, now.inbox.secrets)


def _alarm_after_s(opened: Opened) -> float:
    return float(getattr(opened.channel, "alarm_after_s", 0.0))


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, base.ChannelError) else describe(error)


def _name(opened: Opened) -> str:
    return ids.encode("inbox", opened.inbox.id)
