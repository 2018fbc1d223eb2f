"""Handing a mail to a mail server, and knowing what became of it.

A mail is sent when the server has answered the final dot with 2xx, and not sent when it refused at
any step. Between `DATA` and that answer nobody can know (RFC 5321, section 6.1), so a connection
lost there is `SendUnknown`. Reasons carry codes (RFC 3463) and our words, never the server's text.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiosmtplib

from omnidesk.channels import base
from omnidesk.channels.email.compose import Mail
from omnidesk.domain.messages import Sent

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
_AUTH_CODES = {530, 534, 535, 538}  # RFC 4954, section 6
_TOO_LARGE = {523, 552}
_LOST = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)

TokenSource = Callable[[], Awaitable[str]]
"""Gives an OAuth access token; raises NeedsReauth or SendDeferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in. `tls` is the context for STARTTLS or TLS; None sends in the clear."""

    host: str
    port: int
    security: str = "starttls"  # starttls | tls | none
    tls: ssl.SSLContext | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    token: TokenSource | None = None  # XOAUTH2 instead of a password
    helo: str = "localhost"
    timeout_s: float = 30  # of each command
    data_timeout_s: float = 120  # from DATA to the answer after the dot


class Submission:
    """At most `limit` connections to one mail server, reused while they are fresh; belongs to one event loop."""

    def __init__(self, server: Server, *, limit: int = 4, kept: int = 2, idle_s: float = 20) -> None:
        self._server = server
        self._room = asyncio.Semaphore(limit)
        self._kept, self._idle_s = kept, idle_s
        self._free: list[aiosmtplib.SMTP] = []
        self._timers: set[asyncio.TimerHandle] = set()

    async def send(self, mail: Mail, before_call: base.BeforeCall) -> Sent:
        """Send one mail to all its recipients. Raises SendDeferred, SendRejected, SendUnknown, NeedsReauth.

        When some recipients are refused the others get it, and `Sent.rejected` says who did not.
        """
        async with self._room, self._connection() as client:
            refused = await _envelope(client, mail)
            await before_call()
            if not client.is_connected:
                raise base.SendDeferred("the mail server closed the connection before DATA")
            await _data(client, mail.content, self._server.data_timeout_s)
        return Sent(rejected=refused)

    async def check(self) -> None:
        """Connect and sign in. Raises NeedsReauth, SendDeferred."""
        async with self._room, self._connection():
            pass

    async def close(self) -> None:
        """Close what is kept open."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        while self._free:
            await _quit(self._free.pop())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection ready for MAIL; kept for the next mail only when this one went well."""
        client = await self._fresh() or await _connect(self._server)
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def _fresh(self) -> aiosmtplib.SMTP | None:
        """A kept connection that still answers; servers close idle ones without a word."""
        while self._free:
            client = self._free.pop()
            with suppress(aiosmtplib.SMTPException, OSError):
                if client.is_connected:
                    await client.rset(timeout=min(5, self._server.timeout_s))
                    return client
            client.close()
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        if len(self._free) >= self._kept or not client.is_connected:
            client.close()
            return
        self._free.append(client)
        loop = asyncio.get_running_loop()
        self._timers = {each for each in self._timers if each.when() > loop.time()}
        self._timers.add(loop.call_later(self._idle_s, self._drop, client))

    def _drop(self, client: aiosmtplib.SMTP) -> None:
        """After a while unused. One that was used again meanwhile is closed early, which costs a connection only."""
        if client in self._free:
            self._free.remove(client)
            client.close()


async def _connect(server: Server) -> aiosmtplib.SMTP:
    """Connected, encrypted as asked, signed in."""
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        tls_context=server.tls,
        local_hostname=server.helo,
        timeout=server.timeout_s,
    )
    try:
        await client.connect()
        await _sign_in(client, server)
    except BaseException as error:
        client.close()
        raise _not_connected(error) from None
    return client


async def _sign_in(client: aiosmtplib.SMTP, server: Server) -> None:
    if client.is_ehlo_or_helo_needed:  # or nothing is known of SIZE and SMTPUTF8
        await _greet(client)
    if server.token:
        await client.auth_xoauth2(server.username, await server.token())
    elif server.username:
        await client.login(server.username, server.password)


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in {500, 502, 504}:
            raise
        await client.helo()


def _not_connected(error: BaseException) -> BaseException:
    """Nothing was sent, whatever it is; `error` itself when it is not the server's doing."""
    match error:
        case aiosmtplib.SMTPAuthenticationError() if error.code >= 500:
            return base.NeedsReauth(_reason("the mail server refuses the sign-in", error))
        case aiosmtplib.SMTPResponseException() if error.code in _AUTH_CODES:
            return base.NeedsReauth(_reason("the mail server wants another sign-in", error))
        case aiosmtplib.SMTPResponseException():
            return base.SendDeferred(_reason("the mail server does not serve us now", error))
        case aiosmtplib.SMTPTimeoutError() | TimeoutError():
            return base.SendDeferred("the mail server does not answer")
        case ssl.SSLCertVerificationError():
            return base.SendDeferred("the mail server's certificate is not valid for its name")
        case aiosmtplib.SMTPConnectError() if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return base.SendDeferred("the mail server's certificate is not valid for its name")
        case ssl.SSLError():
            return base.SendDeferred("no encrypted connection to the mail server")
        case aiosmtplib.SMTPConnectError() | OSError():
            return base.SendDeferred("the mail server cannot be reached")
        case aiosmtplib.SMTPException():
            return base.SendDeferred("the mail server does not offer the encryption or sign-in that the inbox asks for")
    return error


async def _envelope(client: aiosmtplib.SMTP, mail: Mail) -> dict[str, str]:
    """MAIL and RCPT; gives who was refused and why, when at least one was not."""
    if mail.utf8 and not client.supports_extension("smtputf8"):
        raise base.SendRejected("the mail server takes no international addresses (SMTPUTF8)")
    try:
        await _mail(client, mail)
        refused = [each for each in [await _rcpt(client, to, mail.utf8) for to in mail.recipients] if each]
    except _LOST:
        raise base.SendDeferred("connection to the mail server lost before DATA") from None
    if len(refused) == len(mail.recipients):
        raise _all_refused(refused)
    return {each.recipient: _reason("refused", each) for each in refused}


async def _mail(client: aiosmtplib.SMTP, mail: Mail) -> None:
    options = [f"size={len(mail.content)}"] if client.supports_extension("size") else []
    options += ["SMTPUTF8"] if mail.utf8 else []
    try:
        await client.mail(mail.sender, options=options, encoding="utf-8" if mail.utf8 else "ascii")
    except aiosmtplib.SMTPResponseException as error:
        if error.code in _AUTH_CODES:
            raise base.NeedsReauth(_reason("the mail server wants a sign-in", error)) from None
        raise _failed("the sender", error) from None


async def _rcpt(client: aiosmtplib.SMTP, to: str, utf8: bool) -> aiosmtplib.SMTPRecipientRefused | None:
    try:
        await client.rcpt(to, encoding="utf-8" if utf8 else "ascii")
    except aiosmtplib.SMTPRecipientRefused as refused:
        if refused.code == 421:  # the server is about to hang up: nobody else will do either
            raise base.SendDeferred(_reason("the mail server is closing", refused)) from None
        return refused
    return None


def _all_refused(refused: list[aiosmtplib.SMTPRecipientRefused]) -> base.ChannelError:
    """Greylisting and full mailboxes pass; a wrong address does not."""
    passing = [each for each in refused if each.code < 500]
    return _failed("the recipient" if len(refused) == 1 else "every recipient", (passing or refused)[0])


async def _data(client: aiosmtplib.SMTP, content: bytes, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await client.data(content, timeout=timeout_s)
    except aiosmtplib.SMTPDataError as error:
        if 200 <= error.code < 300:  # taken, if in other words than 250
            return
        raise _failed("the message", error) from None
    except aiosmtplib.SMTPResponseException:
        raise base.SendUnknown("the mail server's answer to the message makes no sense") from None
    except _LOST:
        raise base.SendUnknown("connection to the mail server lost after DATA") from None


def _failed(what: str, error: aiosmtplib.SMTPResponseException) -> base.ChannelError:
    if 400 <= error.code < 500:
        return base.SendDeferred(_reason(f"{what} is refused for now", error))
    if error.code in _TOO_LARGE or _enhanced(error).endswith(".3.4"):
        return base.SendRejected(_reason("the message is too large for the mail server", error))
    if error.code >= 500:
        return base.SendRejected(_reason(f"{what} is refused", error))
    return base.SendDeferred(_reason("the mail server's answer makes no sense", error))


def _reason(text: str, error: aiosmtplib.SMTPResponseException) -> str:
    return f"{text} ({' '.join(filter(None, (str(error.code), _enhanced(error))))})"


def _enhanced(error: aiosmtplib.SMTPResponseException) -> str:
    found = _ENHANCED.match(error.message)
    return found[1] if found else ""


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=2)
    client.close()
