"""The door for mail: an MTA delivers here by LMTP (RFC 2033) or SMTP (RFC 5321).

The promise of a 250 is that the mail is committed. Whatever else happens - the database away, a
time-out, a stop - is a 451 or a closed connection, and the MTA keeps the mail and comes again; a
mail that comes again has the same key. Nothing is relayed: unknown recipients hear 550.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import idna
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope

from omnidesk.channels.email.arriving import arrival_of
from omnidesk.domain.messages import Arrival

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs every line of the dialogue

FindInbox = Callable[[str], Awaitable[str | None]]
"""The inbox that owns an address (lower case, domain in ASCII), or None. Raising is a 451."""

Deliver = Callable[[str, Arrival], Awaitable[None]]
"""Commits an arrival for an inbox; returns when it is durable. Raising is a 451."""

_CHUNK = 64 * 1024
_END = b"\r\n.\r\n"
_TAKEN = "250 2.0.0 taken"
_NOT_NOW = "451 4.3.0 cannot store mail now, try again later"
_TOO_LARGE = "552 5.3.4 message too large"
_NO_ROOM = "452 4.3.1 too much mail at once, try again later"
_CLOSING = b"421 4.3.2 closing, try again later\r\n"


class Listener:
    """Takes mail in the running event loop; memory is bounded by `max_held_bytes` however many send."""

    def __init__(
        self,
        find_inbox: FindInbox,
        deliver: Deliver,
        *,
        protocol: str = "lmtp",
        hostname: str = "localhost",
        max_bytes: int = 50 * 1024 * 1024,
        max_held_bytes: int = 256 * 1024 * 1024,
        max_recipients: int = 100,
        max_connections: int = 100,
        deliver_timeout_s: float = 30,
        idle_timeout_s: float = 300,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.find_inbox, self.deliver = find_inbox, deliver
        self.max_bytes, self.max_held_bytes = max_bytes, max_held_bytes
        self.max_recipients, self.max_connections = max_recipients, max_connections
        self.deliver_timeout_s = deliver_timeout_s
        self.closing = False
        self.held_bytes = 0
        self.sessions: set[_Session] = set()
        self.deliveries: set[asyncio.Task[str]] = set()
        self._kind = _LmtpSession if protocol == "lmtp" else _Session
        self._options: dict[str, Any] = {
            "hostname": hostname, "ident": "mail", "data_size_limit": max_bytes, "enable_SMTPUTF8": True,
            "timeout": idle_timeout_s, "tls_context": tls,
        }  # fmt: skip
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._kind(self, loop, self._options), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def start_unix(self, path: str) -> None:
        """Listen at a unix socket, as MTAs on the same machine like it."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: self._kind(self, loop, self._options), path)

    async def stop(self, grace_s: float = 5) -> None:
        """Take no new mail; what is being transferred or stored gets `grace_s` seconds to end."""
        self.closing = True
        if self._server:
            self._server.close()
        for session in list(self.sessions):
            session.leave_if_idle()
        if self.sessions:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace_s)
        for session in list(self.sessions):
            session.abort()
        if self.deliveries:
            _, unfinished = await asyncio.wait(self.deliveries, timeout=1)
            for task in unfinished:
                task.cancel()

    async def inbox_of(self, recipient: str) -> str | None:
        """The inbox of `support+token@acme.example`: the address itself, or without what follows the plus."""
        address = _normal(recipient)
        local, _, domain = address.rpartition("@")
        base_local, plus, _ = local.partition("+")
        found = await self.find_inbox(address)
        if found is None and plus and base_local:
            found = await self.find_inbox(f"{base_local}@{domain}")
        return found

    async def store(self, inbox_id: str, arrival: Arrival) -> str:
        """The reply to give for one inbox. Goes on when the client hangs up: what it began is finished."""
        task = asyncio.create_task(self._store(inbox_id, arrival))
        self.deliveries.add(task)
        task.add_done_callback(self.deliveries.discard)
        return await asyncio.shield(task)

    async def _store(self, inbox_id: str, arrival: Arrival) -> str:
        try:
            async with asyncio.timeout(self.deliver_timeout_s):
                await self.deliver(inbox_id, arrival)
        except Exception as error:  # whatever it is, the MTA keeps the mail
            log.warning("mail not stored for %s: %s", inbox_id, type(error).__name__)
            return _NOT_NOW
        return _TAKEN

    def gone(self, session: "_Session") -> None:
        self.sessions.discard(session)
        if not self.sessions:
            self._empty.set()


def _normal(address: str) -> str:
    """Lower case, the domain in ASCII."""
    local, _, domain = address.lower().rpartition("@")
    with suppress(idna.IDNAError):
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"


class _Envelope(Envelope):
    def __init__(self) -> None:
        super().__init__()
        self.inboxes: list[str] = []  # one for each of rcpt_tos


class _Handler:
    """What aiosmtpd asks; RCPT decides, DATA is the session's own."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, replies: list[str]
    ) -> list[str]:
        session.host_name = hostname
        known = [reply for reply in replies if not reply.startswith("250-AUTH")]
        return [*known[:-1], "250-PIPELINING", known[-1]]

    async def handle_RCPT(self, server: Any, session: Any, envelope: _Envelope, address: str, options: Any) -> str:  # noqa: N802
        if len(envelope.rcpt_tos) >= self._listener.max_recipients:
            return "452 4.5.3 too many recipients"
        if not address.isprintable():
            return "553 5.1.3 malformed address"
        try:
            async with asyncio.timeout(self._listener.deliver_timeout_s):
                inbox_id = await self._listener.inbox_of(address)
        except Exception as error:
            log.warning("recipient not looked up: %s", type(error).__name__)
            return "451 4.3.0 cannot look up the recipient now"
        if inbox_id is None:
            return "550 5.1.1 no such address here"
        envelope.rcpt_tos.append(address)
        envelope.inboxes.append(inbox_id)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.warning("mail session: %s", type(error).__name__)
        return "451 4.3.0 internal error, try again later"


class _Session(SMTP):
    """One connection. Reads content in chunks, not lines, and never keeps more than is allowed."""

    line_length_limit = _CHUNK  # of the reader's buffer; lines of mail may be of any length
    replies_for_each_recipient = False

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop, options: dict[str, Any]) -> None:
        super().__init__(_Handler(listener), loop=loop, **options)
        self._listener = listener
        self._refused = False
        self._busy = False
        self._held = 0  # bytes of a mail that is not answered yet

    def _create_envelope(self) -> _Envelope:
        return _Envelope()

    def connection_made(self, transport: Any) -> None:
        if self.transport is None and (
            self._listener.closing or len(self._listener.sessions) >= self._listener.max_connections
        ):
            self._refused = True
            transport.write(b"421 4.7.0 too many connections, try again later\r\n")
            transport.close()
            return
        self._listener.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._refused:
            self._listener.gone(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._refused else super().eof_received()

    def leave_if_idle(self) -> None:
        """Say goodbye between mails; a mail in transfer ends first."""
        if not self._busy and self.transport is not None and not self._writer.is_closing():
            self._writer.write(_CLOSING)
            self._writer.close()

    def abort(self) -> None:
        if self.transport is not None:
            self._writer.transport.abort()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        assert isinstance(envelope, _Envelope)
        if not envelope.inboxes:
            await self.push("503 5.5.1 need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        self._busy = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            for reply in await self._taken(envelope):
                await self.push(reply)
        finally:
            self._busy = False
            self._hold(-self._held)
            self.envelope = self._create_envelope()
        if self._listener.closing:
            self.leave_if_idle()

    async def _taken(self, envelope: _Envelope) -> list[str]:
        """Read the content, store it, and give the replies."""
        content, refusal = await self._content()
        if refusal:
            replies = [refusal] * len(envelope.inboxes)
        else:
            self._reset_timeout(self._listener.deliver_timeout_s * len(set(envelope.inboxes)) + 10)
            replies = await self._stored(envelope, content)
        if self.replies_for_each_recipient:
            return replies
        return [next((reply for reply in replies if reply != _TAKEN), _TAKEN)]

    async def _content(self) -> tuple[bytes, str]:
        """The content without its dots, and why it is refused; a refused one is read to its end, unkept."""
        # The end may be in the very first line: with a line end before it, one search finds it everywhere.
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        kept, size, refusal, ended = bytearray(), 0, "", False
        while not ended:
            piece, ended = await self._piece()
            size += len(piece)
            refusal = refusal or self._refusal(size, len(piece))
            if refusal:
                kept.clear()
                self._hold(-self._held)
            else:
                kept += piece
                self._hold(len(piece))
        if refusal:
            return b"", refusal
        del kept[len(kept) - len(b".\r\n") :]
        return bytes(kept.replace(b"\r\n.", b"\r\n")[2:]), ""

    def _hold(self, more: int) -> None:
        """Count bytes in memory, here and for all connections."""
        self._held += more
        self._listener.held_bytes += more

    def _refusal(self, size: int, more: int) -> str:
        if size > self._listener.max_bytes + len(_END):
            return _TOO_LARGE
        return _NO_ROOM if self._listener.held_bytes + more > self._listener.max_held_bytes else ""

    async def _piece(self) -> tuple[bytes, bool]:
        """The next piece of content, and whether it is the last."""
        try:
            return await self._reader.readuntil(_END), True
        except asyncio.LimitOverrunError as more:
            piece = await self._reader.readexactly(more.consumed)
            self._reset_timeout()
            return piece, False

    async def _stored(self, envelope: _Envelope, content: bytes) -> list[str]:
        """One arrival for each inbox, however many of its addresses were named; a reply for each recipient."""
        peer = self.session.peer if self.session else None
        remote = peer[0] if isinstance(peer, tuple) and peer else ""
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        replies: dict[str, str] = {}
        for inbox_id in dict.fromkeys(envelope.inboxes):
            rcpt_to = [to for to, owner in zip(envelope.rcpt_tos, envelope.inboxes, strict=True) if owner == inbox_id]
            arrival = arrival_of(content, mail_from=sender, rcpt_to=rcpt_to, remote=remote)
            replies[inbox_id] = await self._listener.store(inbox_id, arrival)
        return [replies[inbox_id] for inbox_id in envelope.inboxes]


class _LmtpSession(_Session, LMTP):
    """LMTP: after the dot, a reply for each recipient in order (RFC 2033, section 4.2)."""

    replies_for_each_recipient = True
