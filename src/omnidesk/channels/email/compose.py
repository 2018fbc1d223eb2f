"""An answer as a mail that threads in the customer's client. Pure: the same message is the same bytes.

Decisions:

* The subject stays the customer's. `Re:` stands before it once, then `[#123-456-789]`; clients that
  compare subjects skip both (RFC 5256, section 2.1), a tag at the end would cut the thread in two.
* Automatic mail says so (RFC 3834) and asks Exchange and old robots for silence. Its return path is
  not null: a dead address shows in the bounce, and a bounce is never answered.
* `List-Unsubscribe` is for subscriptions; an answer to one's own request is none.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

import nh3

from omnidesk.channels.email import mime
from omnidesk.domain.messages import Address, Outbound
from omnidesk.domain.numbers import grouped
from omnidesk.domain.tokens import return_path

LOOP_HEADER = "X-Omnidesk-Loop"
"""Names the desk that sent a mail; a mail that comes back with our own mark is a loop."""

_MAX_REFERENCES = 20  # the oldest and the newest
_MAX_REFERENCES_LENGTH = 4_000  # octets; some servers refuse headers of 8 kB
_MAX_SUBJECT = 250  # characters
_MAX_QUOTED = 20_000  # characters of history
_REPLY_PREFIX = re.compile(r"(?i)(?:re|aw|sv|antw|odp|vs|отв|ответ|на)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?:\s*")
_TAG = re.compile(r"\[#([\d-]{1,20})\]\s*")
_LINK = re.compile(r"https?://[^\s<>\"'«»]+[^\s<>\"'«».,:;!?)\]}]")
_WROTE = {"ru": "{name} писал(а):", "en": "{name} wrote:"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who writes: the inbox's address and name, and the domain of our Message-IDs."""

    address: str
    name: str = ""
    return_path: str = ""  # bounces go to it; empty: to the address
    key: bytes = field(default=b"", repr=False)  # signs the return path of each delivery; empty: it goes unsigned
    domain: str = ""  # empty: the address's
    loop_mark: str = ""  # empty: the domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a mail server is given: the envelope and the content."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    utf8: bool = False  # needs SMTPUTF8: a local part is not ASCII


def compose(message: Outbound, letterhead: Letterhead, contents: Sequence[bytes] = (), *, now: datetime) -> Mail:
    """The mail of a message; `contents` are its files' bytes, in their order.

    `now` dates a message without a date of its own. Raises ValueError for an address that is none.
    """
    own = mime.address(letterhead.address)
    to = [(each.name, mime.address(each.address)) for each in message.to]
    cc = [(each.name, mime.address(each.address)) for each in message.cc]
    sender = _return_path(message, letterhead) or own
    recipients = tuple({each.lower(): each for _, each in to + cc}.values())
    head = [
        mime.header("From", mime.mailbox(message.from_name or letterhead.name, own)),
        mime.header("To", mime.listed(mime.mailbox(*each) for each in to)),
        *([mime.header("Cc", mime.listed(mime.mailbox(*each) for each in cc))] if cc else []),
        *_reply_to(message, letterhead, own),
        mime.header("Subject", mime.words(subject(message))),
        mime.header("Date", [format_datetime(message.created_at or now)]),
        *_threading(message, letterhead.domain or own.rpartition("@")[2]),
        *_automatic(message),
        mime.header(LOOP_HEADER, [letterhead.loop_mark or letterhead.domain or own.rpartition("@")[2]]),
        mime.header("MIME-Version", ["1.0"]),
    ]
    content = b"".join(head) + _body(message, contents)
    utf8 = not all(each.isascii() for each in (own, sender, *recipients))
    return Mail(sender=sender, recipients=recipients, content=content, utf8=utf8)


def _return_path(message: Outbound, letterhead: Letterhead) -> str:
    """Where bounces go: an address of this delivery's own, signed."""
    plain = mime.address(letterhead.return_path) if letterhead.return_path else ""
    return return_path(message.delivery_id, letterhead.key, plain) if plain and letterhead.key else plain


def with_token(address: str, token: str) -> str:
    """`support@acme.example` with a token: `support+token@acme.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{token}@{domain}" if token else address


def subject(message: Outbound) -> str:
    """The customer's subject with one `Re:` and the ticket's number once."""
    rest, replied = mime.one_line(message.subject), bool(message.in_reply_to or message.references)
    digits = message.ticket_number.replace("-", "")
    while True:
        prefix, tag = _REPLY_PREFIX.match(rest), _TAG.match(rest)
        if prefix:
            rest, replied = rest[prefix.end() :], True
        elif tag and tag[1].replace("-", "") == digits:
            rest = rest[tag.end() :]
        else:
            break
    number = f"[#{grouped(digits)}]" if digits else ""
    if number and number in rest:
        number = ""
    return " ".join(filter(None, ("Re:" if replied else "", number, rest[:_MAX_SUBJECT])))


def _reply_to(message: Outbound, letterhead: Letterhead, own: str) -> list[bytes]:
    if not message.reply_token:
        return []
    name = letterhead.name or message.from_name
    return [mime.header("Reply-To", mime.mailbox(name, with_token(own, message.reply_token)))]


def _threading(message: Outbound, domain: str) -> list[bytes]:
    """Message-ID, In-Reply-To and References, each id unbroken."""
    headers = [mime.header("Message-ID", [f"<{message_id(message, domain)}>"])]
    answered = _id(message.in_reply_to)
    if answered:
        headers.append(mime.header("In-Reply-To", [f"<{answered}>"]))
    chain = [each for each in (*map(_id, message.references), answered) if each]
    if chain:
        headers.append(mime.header("References", [f"<{each}>" for each in _capped(chain)]))
    return headers


def message_id(message: Outbound, domain: str) -> str:
    """The Message-ID that the mail gets, without brackets; the same at every try."""
    own = _id(message.message_ref) or str(message.delivery_id)
    return own if "@" in own else f"{own}@{domain}"


def _id(text: str) -> str:
    """A Message-ID without brackets; empty when no header can carry it."""
    text = text.strip().removeprefix("<").removesuffix(">")
    fits = text.isascii() and text.isprintable() and len(text) <= 900 and not set(text) & set("<> ")
    return text if fits else ""


def _capped(chain: list[str]) -> list[str]:
    """Each id once, oldest first; of a long chain the oldest and as many of the newest as fit."""
    chain = list(reversed(dict.fromkeys(reversed(chain))))
    kept: list[str] = []
    room = _MAX_REFERENCES_LENGTH - len(chain[0])
    for each in reversed(chain[1:]):
        room -= len(each) + 3
        if room < 0 or len(kept) >= _MAX_REFERENCES - 1:
            break
        kept.insert(0, each)
    return [chain[0], *kept]


def _automatic(message: Outbound) -> list[bytes]:
    """What keeps robots from answering; see RFC 3834, section 5, and [MS-OXCMAIL] for the second."""
    if not message.automatic:
        return []
    kind = "auto-replied" if message.in_reply_to else "auto-generated"
    return [
        mime.header("Auto-Submitted", [kind]),
        mime.header("X-Auto-Response-Suppress", ["All"]),
        mime.header("Precedence", ["bulk"]),  # not a standard, but all that older vacation programs know
    ]


def _body(message: Outbound, contents: Sequence[bytes]) -> bytes:
    written = mime.multipart(
        "alternative",
        [mime.text_part("text/plain", _plain(message)), mime.text_part("text/html", _html(message))],
    )
    if not message.files:
        return written
    files = zip(message.files, contents, strict=True)
    return mime.multipart("mixed", [written, *(mime.file_part(f.name, f.content_type, data) for f, data in files)])


def _plain(message: Outbound) -> str:
    if not message.quoted:
        return message.text.rstrip() + "\n"
    history = "\n".join(f"> {line}".rstrip() for line in _history(message))
    return f"{message.text.rstrip()}\n\n{attribution(message.language, message.to)}\n{history}\n"


def _html(message: Outbound) -> str:
    body = nh3.clean(message.html) if message.html else html_of(message.text)
    if message.quoted:
        history = html_of("\n".join(_history(message)))
        body += (
            f"<p>{html.escape(attribution(message.language, message.to))}</p>\n"
            '<blockquote type="cite" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
            f"{history}</blockquote>\n"
        )
    return f"<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n"


def _history(message: Outbound) -> list[str]:
    text = message.quoted.strip()
    cut = text[:_MAX_QUOTED] + ("\n[…]" if len(text) > _MAX_QUOTED else "")
    return cut.splitlines()


def attribution(language: str, to: Iterable[Address]) -> str:
    """The line above the history: the first recipient wrote it."""
    first = next(iter(to), None)
    name = mime.one_line(first.name or first.address) if first else ""
    return _WROTE["ru" if language.lower().startswith("ru") else "en"].format(name=name).strip()


def html_of(text: str) -> str:
    """Plain text as safe HTML: paragraphs, line breaks and links, nothing else."""
    paragraphs = re.split(r"\n[ \t]*\n+", text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"))
    return "".join("<p>" + "<br>\n".join(map(_linked, each.split("\n"))) + "</p>\n" for each in paragraphs)


def _linked(line: str) -> str:
    pieces, at = [], 0
    for link in _LINK.finditer(line):
        target = html.escape(link[0])
        pieces += [_spaced(line[at : link.start()]), f'<a href="{target}">{target}</a>']
        at = link.end()
    return "".join([*pieces, _spaced(line[at:])])


def _spaced(text: str) -> str:
    """Escaped, with runs of spaces kept: tables and code in plain text lean on them."""
    return re.sub(r"  ", "&nbsp; ", html.escape(text.replace("\t", "    "), quote=False))
