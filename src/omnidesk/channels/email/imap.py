"""Fetching mail by IMAP: nothing is missed, nothing is marked before it is committed.

What was fetched is known by UIDVALIDITY and UID, never by flags: people read mail in other
programs. The first connection starts at what comes next; older mail is left alone. A mail that
cannot be fetched is skipped, named in the journal, remembered in the cursor and tried again at the next
connection; until it is there, the cursor says in words what is `missing`. So is what the server turns out
to have in the range that we went through, and we have not. That all is well is told even when nothing comes:
silence of a watch means trouble.
"""

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import aioimaplib

from omnidesk.channels import base
from omnidesk.channels.email import uids as spans
from omnidesk.channels.email.arriving import arrival_of
from omnidesk.channels.email.imap_session import Account, Session, connected
from omnidesk.domain.messages import Arrival

log = logging.getLogger(__name__)

_LOST = (ConnectionError, TimeoutError, aioimaplib.AioImapException)
_BATCH = 50  # mails; and bytes of them:
_BATCH_BYTES = 8 * 1024 * 1024
_TRIES = 3  # connections that one mail may break
_FAILURES = 5  # connections in a row; then whoever runs the watch hears of it
_WENT_WELL_S = 60
_COUNT_S = 3600  # how often what the server has is compared with what we have
_MOST_GAPS = 1000  # remembered; more of them are found again by comparing
_MOST_WORDS = 300  # characters of names in the health of an inbox
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a folder was fetched; kept in the inbox's cursor."""

    validity: int
    uid: int  # all up to this one are committed
    first: int  # the lowest that was new when we came
    since: str  # the day we came: mail before it is not taken when UIDs start anew
    renumbered: bool = False
    known: spans.Spans = ()  # committed, or no longer there
    skipped: tuple[int, ...] = ()  # the gaps: there, and not committed

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Mark":
        """From a cursor; in one of an older desk everything up to the mark counts as known."""
        known = spans.read(kept["known"]) if "known" in kept else spans.between(kept["first"], kept["uid"])
        fields = {name: kept[name] for name in ("validity", "uid", "first", "since", "renumbered") if name in kept}
        return cls(**fields, known=known, skipped=tuple(kept.get("skipped", ())))

    def kept(self) -> dict[str, Any]:
        return {**asdict(self), "known": spans.written(self.known), "skipped": list(self.skipped)}


class Watch:
    """Brings new mail of all folders until it is cancelled."""

    def __init__(self, account: Account, cursor: Mapping[str, Any], deliver: base.Deliver) -> None:
        self._account, self._deliver = account, deliver
        folders = cursor.get("folders", {})
        self._marks = {name: Mark.of(mark) for name, mark in folders.items()}
        self._lock = asyncio.Lock()
        self._broken: dict[tuple[str, int], int] = {}  # how many connections a mail broke
        self._given: dict[tuple[str, int], float] = {}  # when it got new tries

    async def run(self) -> None:
        """Connects again by itself after a loss. Raises NeedsReauth, and what five connections in a row died of."""
        tasks = [asyncio.create_task(self._follow(name)) for name in self._account.folders]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, folder: str) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            before, began = self._progress(folder), loop.time()
            try:
                await self._connection(folder)
            except base.NeedsReauth:
                raise
            except Exception as error:  # the network, the server, the database: the mail stays where it is
                went_well = self._progress(folder) != before or loop.time() - began > _WENT_WELL_S
                failures = 1 if went_well else failures + 1
                log.warning("imap %s: %s", self._account.host, type(error).__name__)
                if failures >= _FAILURES:
                    raise
            pause = self._account.retry_s * 2.0 ** (failures - 1)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def _progress(self, folder: str) -> tuple[Mark | None, int]:
        """What changes when a connection was of use: the mark, or that a mail was given up."""
        given_up = sum(name == folder and tries >= _TRIES for (name, _), tries in self._broken.items())
        return self._marks.get(folder), given_up

    async def _connection(self, folder: str) -> None:
        async with connected(self._account) as session:
            await self._begin(session, folder)
            loop = asyncio.get_running_loop()
            counted = loop.time()
            while True:
                session.exists.clear()
                if await self._catch_up(session, folder):
                    continue
                if loop.time() - counted > _COUNT_S:
                    await self._reconcile(session, folder, self._marks[folder])
                    counted = loop.time()
                await self._commit(folder, [], self._marks[folder])  # nothing came, and we looked
                await session.wait_for_mail()

    async def _begin(self, session: Session, folder: str) -> None:
        """Find the mark of the folder, or make it; look again at what a former connection left."""
        validity, following = await session.select(folder)
        mark = self._marks.get(folder)
        if mark is None:
            today = datetime.now(UTC).date().isoformat()
            mark = Mark(validity=validity, uid=following - 1, first=following, since=today)
        elif mark.validity != validity:
            log.warning("imap %s: the folder was renumbered", self._account.host)
            mark = Mark(validity=validity, uid=0, first=1, since=mark.since, renumbered=True)
        if mark != self._marks.get(folder):
            await self._commit(folder, [], mark)
        await self._reconcile(session, folder, mark)

    async def _reconcile(self, session: Session, folder: str, mark: Mark) -> None:
        """Does the server have mails in our range that we have not? Name each, and take them."""
        if mark.uid < mark.first:
            return
        found = await session.search(f"UID {mark.first}:{mark.uid}{_since(mark)}")
        gaps = spans.without((uid for uid in found if mark.first <= uid <= mark.uid), mark.known)
        known = spans.outside(gaps, mark.first, mark.uid)  # what is gone stays gone: a UID is given once
        after = replace(mark, known=known, skipped=tuple(gaps[:_MOST_GAPS]))
        if after != mark:
            await self._commit(folder, [], after)
        self._give_tries(folder, mark.skipped)
        if gaps:
            names = spans.written(spans.joined((), gaps))
            log.warning("imap %s: folder %s has mails that we have not: %s", self._account.host, folder, names)
            await self._take(session, folder, gaps)

    def _give_tries(self, folder: str, skipped: Iterable[int]) -> None:
        """Perhaps it was the line, not the mail: once in a while those that were given up are tried anew."""
        now = asyncio.get_running_loop().time()
        for key in ((folder, uid) for uid in skipped):
            if now - self._given.get(key, float("-inf")) >= _COUNT_S:
                self._given[key] = now
                self._broken.pop(key, None)

    async def _catch_up(self, session: Session, folder: str) -> bool:
        """Take what is new; False when there was nothing."""
        mark = self._marks[folder]
        found = await session.search(f"UID {mark.uid + 1}:*{_since(mark)}")
        new = sorted(uid for uid in found if uid > mark.uid)  # `n:*` names the last mail even when it is older
        if new:
            await self._take(session, folder, new)
        return bool(new)

    async def _take(self, session: Session, folder: str, uids: Iterable[int]) -> None:
        """Fetch, commit, and only then mark or move, batch by batch."""
        waiting = list(uids)
        while waiting:
            chunk, waiting = waiting[:_BATCH], waiting[_BATCH:]
            sizes = await session.sizes(chunk)
            while chunk:
                batch, chunk = batch_of(chunk, sizes)
                fetched: dict[int, Arrival | None] = {}
                try:
                    for uid in batch:
                        fetched[uid] = await self._fetched(session, folder, uid, sizes)
                except _LOST:
                    if fetched:  # what came before is kept: over a bad line it goes on, too
                        await self._keep(folder, fetched, sizes)
                    raise
                await self._keep(folder, fetched, sizes)
                await session.settle([uid for uid in batch if fetched[uid]])

    async def _keep(self, folder: str, fetched: Mapping[int, Arrival | None], sizes: Mapping[int, int]) -> None:
        mark = self._marks[folder]
        came = [arrival for arrival in fetched.values() if arrival]
        skipped = [uid for uid, arrival in fetched.items() if arrival is None and uid in sizes]
        gaps = [_gap(self._account, folder, mark.validity, uid) for uid in skipped]
        after = replace(
            mark,
            uid=max(mark.uid, *fetched),
            known=spans.joined(mark.known, fetched.keys() - set(skipped)),
            skipped=tuple(sorted({*mark.skipped, *skipped} - (fetched.keys() - set(skipped))))[:_MOST_GAPS],
        )
        await self._commit(folder, [*came, *gaps], after)

    async def _fetched(self, session: Session, folder: str, uid: int, sizes: Mapping[int, int]) -> Arrival | None:
        """One mail; None when it is gone, or when the server cannot give it."""
        if uid not in sizes or self._broken.get((folder, uid), 0) >= _TRIES:
            return None
        try:
            raw = await session.fetch(uid)
        except _LOST:
            self._broken[folder, uid] = self._broken.get((folder, uid), 0) + 1
            raise
        if raw is None:
            log.warning("imap %s: uid %d cannot be fetched", self._account.host, uid)
            return None
        return fetched_arrival(self._account, folder, uid, raw, sizes[uid])

    async def _commit(self, folder: str, arrivals: list[Arrival], mark: Mark) -> None:
        async with self._lock:
            marks = {**self._marks, folder: mark}
            cursor: dict[str, Any] = {"folders": {name: each.kept() for name, each in marks.items()}}
            if missing := _missing(marks):
                cursor["missing"] = missing
            await self._deliver(arrivals, cursor)
            self._marks = marks


def fetched_arrival(account: Account, folder: str, uid: int, raw: bytes, size: int) -> Arrival:
    """A mail that was fetched; the server says that it has `size` bytes."""
    arrival = arrival_of(raw, mail_from="", rcpt_to=[], remote=account.host)
    meta = {"remote": account.host, "folder": folder, "uid": str(uid)}  # no envelope: IMAP tells none
    return replace(arrival, meta={**meta, **({"cut": "1"} if len(raw) < size else {})})


def _gap(account: Account, folder: str, validity: int, uid: int) -> Arrival:
    """What stands in the journal for a mail that the server has and does not give."""
    key = f"gap:{folder}:{validity}:{uid}"
    meta = {"remote": account.host, "folder": folder, "uid": str(uid), "gap": "1"}
    return Arrival(dedupe_key=key, order_key=key, body=b"", meta=meta)


def batch_of(uids: list[int], sizes: Mapping[int, int]) -> tuple[list[int], list[int]]:
    """As many as fit into one commit, at least one; and the rest."""
    room = _BATCH_BYTES
    for count, uid in enumerate(uids):
        room -= sizes.get(uid, 0)
        if room < 0 and count:
            return uids[:count], uids[count:]
    return uids, []


def imap_date(day: date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"


def _since(mark: Mark) -> str:
    return f" SINCE {imap_date(date.fromisoformat(mark.since))}" if mark.renumbered else ""


def _missing(marks: Mapping[str, Mark]) -> str:
    """The gaps of all folders in words; empty without any."""
    names = [f"{name} {spans.written(spans.joined((), mark.skipped))}" for name, mark in marks.items() if mark.skipped]
    if not names:
        return ""
    text = "; ".join(names)
    if len(text) > _MOST_WORDS:
        text = text[:_MOST_WORDS].rpartition(",")[0] + ", …"
    count = sum(len(mark.skipped) for mark in marks.values())
    return f"The mail server has mail that the desk could not take ({count}); by folder and UID: {text}"
