"""One connection to an IMAP server: what is asked, in calls that always end, and what the library drops.

Sources: RFC 3501, RFC 2177 (IDLE), RFC 6851 (MOVE), RFC 5530 (response codes).
"""

import asyncio
import base64
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aioimaplib import aioimaplib as library

from omnidesk.channels import base
from omnidesk.channels.email.smtp import TokenSource

log = logging.getLogger(__name__)
logging.getLogger("aioimaplib.aioimaplib").setLevel(logging.WARNING)  # it logs whole responses

T = TypeVar("T")
_EXISTS = re.compile(rb"\* \d+ EXISTS")
_NUMBERS = re.compile(rb"[\d ]*")
_SIZE = re.compile(rb"UID (\d+)")
_RFC822_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_PASSING = re.compile(rb"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)


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
