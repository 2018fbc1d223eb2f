"""Fetching mail by IMAP: nothing is missed, nothing is marked before it is committed.

What was fetched is known by UIDVALIDITY and UID, never by flags: people read mail in other
programs. The first connection starts at what comes next; older mail is left alone. A mail that
cannot be fetched is skipped, named in the journal, remembered in the cursor and tried again at the next
connection. That all is well is told even when nothing comes: silence of a watch means trouble.
Sources: RFC 3501, RFC 2177 (IDLE), RFC 6851 (MOVE), RFC 5530 (response codes).
"""

import asyncio
import base64
import logging
import random
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import aioimaplib
from aioimaplib import aioimaplib as library

from omnidesk.channels import base
from omnidesk.channels.email.arriving import arrival_of
from omnidesk.channels.email.smtp import TokenSource
from omnidesk.domain.messages import Arrival

log = logging.getLogger(__name__)
logging.getLogger("aioimaplib.aioimaplib").setLevel(logging.WARNING)  # it logs whole responses

T = TypeVar("T")
_EXISTS = re.compile(rb"\* \d+ EXISTS")
_NUMBERS = re.compile(rb"[\d ]*")
_SIZE = re.compile(rb"UID (\d+)")
_RFC822_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_PASSING = re.compile(rb"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)
_LOST = (ConnectionError, TimeoutError, aioimaplib.AioImapException)
_BATCH = 50  # mails; and bytes of them:
_BATCH_BYTES = 8 * 1024 * 1024
_TRIES = 3  # connections that one mail may break
_FAILURES = 5  # connections in a row; then whoever runs the watch hears of it
_WENT_WELL_S = 60
_COUNT_S = 3600  # how often the server's count is compared with ours
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A mailbox. `tls` None connects in the clear."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    username: str
    password: str = field(default="", repr=False)
    token: TokenSource | None = None  # XOAUTH2 instead of a password
    folders: tuple[str, ...] = ("INBOX",)
    after: str = "nothing"  # nothing | seen | move: what is done to a mail once it is committed
    move_to: str = ""
    max_bytes: int = 50 * 1024 * 1024  # of one mail; of a larger one the beginning is taken
    call_s: float = 60
    idle_s: float = 8 * 60  # IDLE is renewed: routers and servers forget quiet connections
    poll_s: float = 60  # where there is no IDLE
    retry_s: float = 1  # before the second connection; doubles


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a folder was fetched; kept in the inbox's cursor."""

    validity: int
    uid: int  # all up to this one are committed
    first: int  # the lowest that was new when we came
    since: str  # the day we came: mail before it is not taken when UIDs start anew
    renumbered: bool = False
    taken: int = 0  # committed under this validity
    skipped: tuple[int, ...] = ()


class Watch:
    """Brings new mail of all folders until it is cancelled."""

    def __init__(self, account: Account, cursor: Mapping[str, Any], deliver: base.Deliver) -> None:
        self._account, self._deliver = account, deliver
        folders = cursor.get("folders", {})
        self._marks = {name: Mark(**{**mark, "skipped": tuple(mark["skipped"])}) for name, mark in folders.items()}
        self._lock = asyncio.Lock()
        self._broken: dict[tuple[str, int], int] = {}

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
            before, began = self._marks.get(folder), loop.time()
            try:
                await self._connection(folder)
            except base.NeedsReauth:
                raise
            except Exception as error:  # the network, the server, the database: the mail stays where it is
                went_well = self._marks.get(folder) != before or loop.time() - began > _WENT_WELL_S
                failures = 1 if went_well else failures + 1
                log.warning("imap %s: %s", self._account.host, type(error).__name__)
                if failures >= _FAILURES:
                    raise
            pause = self._account.retry_s * 2.0 ** (failures - 1)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

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

    async def _begin(self, session: "Session", folder: str) -> None:
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

    async def _reconcile(self, session: "Session", folder: str, mark: Mark) -> None:
        """Does the server have more in our range than we took? Then take the range again: doubles fall away."""
        if mark.skipped:
            await self._commit(folder, [], replace(mark, skipped=()))
            for uid in mark.skipped:  # perhaps it was the line, not the mail
                self._broken.pop((folder, uid), None)
            await self._take(session, folder, mark.skipped)
        if mark.uid < mark.first or mark.renumbered:
            return
        there = [uid for uid in await session.search(f"UID {mark.first}:{mark.uid}") if mark.first <= uid <= mark.uid]
        if len(there) > mark.taken + len(mark.skipped):
            log.warning(
                "imap %s: %d mails in a range of which %d were taken", self._account.host, len(there), mark.taken
            )
            await self._commit(folder, [], replace(self._marks[folder], taken=0))
            await self._take(session, folder, there)

    async def _catch_up(self, session: "Session", folder: str) -> bool:
        """Take what is new; False when there was nothing."""
        mark = self._marks[folder]
        since = f" SINCE {imap_date(date.fromisoformat(mark.since))}" if mark.renumbered else ""
        found = await session.search(f"UID {mark.uid + 1}:*{since}")
        new = sorted(uid for uid in found if uid > mark.uid)  # `n:*` names the last mail even when it is older
        if new:
            await self._take(session, folder, new)
        return bool(new)

    async def _take(self, session: "Session", folder: str, uids: Iterable[int]) -> None:
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
            taken=mark.taken + len(came),
            skipped=tuple(dict.fromkeys((*mark.skipped, *skipped)))[-100:],
        )
        await self._commit(folder, [*came, *gaps], after)

    async def _fetched(self, session: "Session", folder: str, uid: int, sizes: Mapping[int, int]) -> Arrival | None:
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
            cursor = {
                "folders": {name: {**asdict(each), "skipped": list(each.skipped)} for name, each in marks.items()}
            }
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


class _Protocol(library.IMAP4ClientProtocol):  # type: ignore[misc]
    """Notices what the library drops: an EXISTS beside another answer, and a refused token."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.exists = asyncio.Event()

    def _untagged_response(self, line: bytes) -> Any:
        if _EXISTS.match(line):
            self.exists.set()
        return super()._untagged_response(line)

    def _continuation(self, line: bytes) -> None:
        if self.pending_sync_command is not None and self.pending_sync_command.name == "AUTHENTICATE":
            self.transport.write(b"\r\n")  # the server explains a refusal and waits for an empty answer
        else:
            super()._continuation(line)


class _Client(library.IMAP4):  # type: ignore[misc]
    def create_client(self, host: str, port: int, loop: Any, conn_lost_cb: Any = None, ssl_context: Any = None) -> None:
        running = asyncio.get_running_loop()
        self.protocol = _Protocol(running, conn_lost_cb)
        self._client_task = running.create_task(
            running.create_connection(lambda: self.protocol, host, port, ssl=ssl_context)
        )


@asynccontextmanager
async def connected(account: Account) -> AsyncIterator["Session"]:
    """A session that is signed in. Raises NeedsReauth, OSError."""
    session = Session(account)
    try:
        await session.sign_in()
        yield session
    finally:
        session.close()


class Session:
    """One connection. Every call ends: with an answer, by time, or when the connection is lost."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lost = asyncio.Event()
        self._imap = _Client(account.host, account.port, None, account.call_s, lambda _: self._lost.set(), account.tls)
        self.exists: asyncio.Event = self._imap.protocol.exists

    def close(self) -> None:
        self._imap._client_task.cancel()
        if self._imap.protocol.transport is not None:
            self._imap.protocol.transport.abort()

    async def _call(self, call: Awaitable[T]) -> T:
        """The library waits for ever for a server that has hung up, so each call is watched."""
        task, lost = asyncio.ensure_future(call), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, timeout=self._account.call_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ConnectionError("connection lost" if lost.done() else "no answer")
        finally:
            for each in (task, lost):
                each.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    async def sign_in(self) -> None:
        await self._call(self._imap.wait_hello_from_server())
        if self._account.token:
            answer = await self._call(self._imap.xoauth2(self._account.username, await self._account.token()))
        else:
            answer = await self._call(self._imap.login(library.quoted(self._account.username), self._account.password))
        if answer.result != "OK":
            if _PASSING.search(b" ".join(map(bytes, answer.lines))):
                raise ConnectionError("the server does not serve us now")
            raise base.NeedsReauth("the mail server refuses the sign-in")
        await self._call(self._imap.protocol.capability())

    async def select(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY, and the UID that the next mail will get."""
        answer = await self._call(self._imap.select(_folder_name(folder)))
        text = b"\n".join(map(bytes, answer.lines))
        validity, following = (re.search(rb"\[%s (\d+)\]" % each, text) for each in (b"UIDVALIDITY", b"UIDNEXT"))
        if answer.result != "OK" or not validity:
            raise ConnectionError("the folder cannot be opened")
        if following:
            return int(validity[1]), int(following[1])
        return int(validity[1]), max(await self.search("ALL"), default=0) + 1

    async def search(self, criteria: str) -> list[int]:
        answer = await self._call(self._imap.uid_search(criteria, charset=None))
        if answer.result != "OK":
            raise ConnectionError("the search is refused")
        return [int(uid) for line in answer.lines[:-1] if _NUMBERS.fullmatch(line) for uid in bytes(line).split()]

    async def sizes(self, uids: list[int]) -> dict[int, int]:
        """Bytes of each mail that is still there."""
        answer = await self._call(self._imap.uid("fetch", ",".join(map(str, uids)), "(UID RFC822.SIZE)"))
        found = ((_SIZE.search(line), _RFC822_SIZE.search(line)) for line in answer.lines if isinstance(line, bytes))
        return {int(uid[1]): int(size[1]) for uid, size in found if uid and size}

    async def fetch(self, uid: int) -> bytes | None:
        """At most `max_bytes` of a mail, without marking it as seen; None when the server refuses."""
        part = f"(UID BODY.PEEK[]<0.{self._account.max_bytes}>)"
        answer = await self._call(self._imap.uid("fetch", str(uid), part))
        if answer.result != "OK":
            return None
        return next((bytes(line) for line in answer.lines if isinstance(line, bytearray)), None)

    async def settle(self, uids: list[int]) -> None:
        """Mark or move what is committed; that it fails is no reason to stop."""
        if not uids or self._account.after == "nothing":
            return
        which = ",".join(map(str, uids))
        if self._account.after == "seen":
            answer = await self._call(self._imap.uid("store", which, "+FLAGS.SILENT", r"(\Seen)"))
        elif self._imap.has_capability("MOVE"):
            answer = await self._call(self._imap.uid("move", which, _folder_name(self._account.move_to)))
        else:
            answer = await self._call(self._imap.uid("copy", which, _folder_name(self._account.move_to)))
            if answer.result == "OK":
                answer = await self._call(self._imap.uid("store", which, "+FLAGS.SILENT", r"(\Deleted)"))
        if answer.result != "OK":
            log.warning("imap %s: mail stays where it is: %s refused", self._account.host, self._account.after)

    async def wait_for_mail(self) -> None:
        """Until the server speaks of new mail, or it is time to look. Raises ConnectionError."""
        if not self._imap.has_capability("IDLE"):
            await self._pause(self._account.poll_s)
            await self._call(self._imap.noop())
            return
        idle = await self._call(self._imap.idle_start(timeout=self._account.idle_s + 60))
        await self._pause(self._account.idle_s)
        self._imap.idle_done()
        await self._call(idle)

    async def _pause(self, seconds: float) -> None:
        exists, lost = asyncio.ensure_future(self.exists.wait()), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({exists, lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            exists.cancel()
            lost.cancel()
        if self._lost.is_set():
            raise ConnectionError("connection lost")


def _folder_name(name: str) -> str:
    """A folder's name as the protocol writes it: quoted, in modified UTF-7 (RFC 3501, section 5.1.3)."""
    pieces = re.split(r"([^ -~]+)", name.replace("&", "&-"))
    for i in range(1, len(pieces), 2):
        encoded = base64.b64encode(pieces[i].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        pieces[i] = f"&{encoded.decode()}-"
    return str(library.quoted("".join(pieces)))
