"""The world outside the desk: a mail server with the customers' mailboxes, which also brings their mails to the desk.

It speaks SMTP at a port of its own. What it takes for the desk's domain goes on to the desk's LMTP door, as an MTA
does it, and the sender hears what the door said; everything else lands in a mailbox, a folder of `.eml` files.
"""

import asyncio
import re
import smtplib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

NAME = "mx.customer.example"
RETRY_S = 1.0

OnMail = Callable[[str, str, EmailMessage], Awaitable[None]]
"""Somebody's mailbox got a mail: the address, the envelope's sender, the mail."""


class Outside:
    """A mail server for everybody but the desk."""

    def __init__(self, folder: Path, *, domain: str, door: int, on_mail: OnMail) -> None:
        self._folder, self._domain, self._door, self._on_mail = folder, domain, door, on_mail
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname=NAME, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def brings(self, mail: EmailMessage, *, sender: str, to: str) -> None:
        """Hand a mail to the desk, again and again until it says 250; given up where it says never."""
        while True:
            try:
                return await asyncio.to_thread(self._hand_in, mail.as_bytes(), sender, to)
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
                if _reply(error)[0] >= 500:
                    return None
            except (smtplib.SMTPException, OSError):
                pass  # a door that is closed for a moment
            await asyncio.sleep(RETRY_S)

    def _hand_in(self, raw: bytes, sender: str, to: str) -> None:
        with smtplib.LMTP("127.0.0.1", self._door, local_hostname=NAME) as door:
            door.timeout = 30
            door.sendmail(sender, [to], raw, ["SMTPUTF8", "BODY=8BITMIME"])

    # --- the server's hooks -------------------------------------------------------------------------

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        """For one of the desk's addresses: on to its door. For anybody else: into the mailbox."""
        for recipient in envelope.rcpt_tos:
            if recipient.lower().endswith(f"@{self._domain}"):
                try:
                    await asyncio.to_thread(self._hand_in, envelope.content, envelope.mail_from or "", recipient)
                except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
                    code, words = _reply(error)
                    return f"{code} {words}"
                except (smtplib.SMTPException, OSError):
                    return "451 4.3.0 the desk's door is closed, try again later"
            else:
                await self._keep(recipient.lower(), envelope.mail_from or "", envelope.content)
        return "250 2.0.0 taken"

    async def _keep(self, address: str, sender: str, raw: bytes) -> None:
        box = self._folder / address.replace("/", "_")
        box.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in box.iterdir()) + 1
        (box / f"{number:03}.eml").write_bytes(raw)
        await self._on_mail(address, sender, message_from_bytes(raw, policy=policy.default))


def _reply(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> tuple[int, str]:
    """What the door said."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _words(*next(iter(error.recipients.values())))
    return _words(error.smtp_code, error.smtp_error)


def _words(code: int, words: bytes | str) -> tuple[int, str]:
    return code, words.decode("utf-8", "replace") if isinstance(words, bytes) else words


# --- mails that customers and their servers write ---------------------------------------------------


def letter(name: str, address: str, to: str, subject: str, text: str) -> EmailMessage:
    """A new mail of a customer."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"{name} <{address}>" if name else address
    mail["To"], mail["Subject"] = to, subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=address.rpartition("@")[2])
    mail.set_content(text)
    return mail


def reply(name: str, address: str, answered: EmailMessage, text: str) -> EmailMessage:
    """A customer's reply, in the thread and with what it answers quoted below."""
    subject = str(answered["Subject"])
    mail = letter(name, address, _back(answered), subject if subject.startswith("Re: ") else f"Re: {subject}", "")
    mail["In-Reply-To"] = str(answered["Message-ID"])
    mail["References"] = f"{answered.get('References', '')} {answered['Message-ID']}".strip()
    body = answered.get_body(("plain",))
    quoted = "\n".join(f"> {line}" for line in (body.get_content() if body else "").splitlines())
    mail.set_content(f"{text}\n\n{_attribution(answered, text)}\n{quoted}\n")
    return mail


def _attribution(answered: EmailMessage, text: str) -> str:
    """The line above the quote, as mail programs write it in the language of the text."""
    at = datetime.now(UTC)
    if re.search("[а-я]", text):
        return f"{at:%d.%m.%Y, %H:%M}, {answered['From']} пишет:"
    return f"On {at:%d/%m/%Y} at {at:%H:%M}, {answered['From']} wrote:"


def automatic(name: str, address: str, answered: EmailMessage, subject: str, text: str) -> EmailMessage:
    """What a mailbox says by itself while its owner is away (RFC 3834)."""
    mail = letter(name, address, _back(answered), subject, text)
    mail["Auto-Submitted"] = "auto-replied"
    mail["In-Reply-To"] = mail["References"] = str(answered["Message-ID"])
    return mail


_REPORT = """\
From: Mail Delivery System <MAILER-DAEMON@{server}>
To: {to}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: {id}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="parts"

--parts
Content-Type: text/plain; charset=us-ascii

I'm sorry: your message could not be delivered.

<{address}>: 550 5.1.1 no such mailbox

--parts
Content-Type: message/delivery-status

Reporting-MTA: dns; {server}

Final-Recipient: rfc822; {address}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such mailbox

--parts
Content-Type: text/rfc822-headers

Message-ID: {returned}

--parts--
"""


def bounce(address: str, to: str, returned: EmailMessage) -> EmailMessage:
    """A server's report that there is no such mailbox (RFC 3464)."""
    report = _REPORT.format(
        server=NAME,
        to=to,
        address=address,
        returned=returned["Message-ID"],
        date=format_datetime(datetime.now(UTC)),
        id=make_msgid(domain=NAME),
    )
    return message_from_bytes(report.encode(), policy=policy.SMTP)


def _back(mail: EmailMessage) -> str:
    return str(mail["Reply-To"] or mail["From"])
