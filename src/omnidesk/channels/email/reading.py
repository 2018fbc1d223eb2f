"""A mail, read: from the bytes that came to what a person and the desk need to know. Pure.

Nothing in here raises on hostile input: the worst is a Mail with what could be read, and a hint.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omnidesk.channels.email import automatic, bodies
from omnidesk.channels.email.authentication import Authentication, read_authentication
from omnidesk.channels.email.bounces import Receipted, Report, read_receipt, read_report
from omnidesk.channels.email.headers import Headers, Mailbox, date_of, mailboxes, one_message_id, referred_ids
from omnidesk.channels.email.lines import Line
from omnidesk.channels.email.parts import Budget, Part, parse_parts
from omnidesk.channels.email.phrases import FORWARD_SUBJECT
from omnidesk.channels.email.quotes import Split, split
from omnidesk.domain.messages import File

_MAX_RECIPIENT_HEADERS = 5
_LIST_HEADERS = (
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-post",
    "list-help",
    "list-archive",
    "mailing-list",
)
_OWN_TRACE = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-rcpt-to",
    "x-forwarded-to",
    "apparently-to",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Everything that is read from a mail; texts are clean Unicode, addresses are in lower case."""

    from_address: str = ""
    from_name: str = ""
    authors: tuple[Mailbox, ...] = ()  # all addresses of From; more than one is suspicious
    sender: Mailbox | None = None  # the Sender header
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    delivered_to: tuple[str, ...] = ()  # addresses that servers noted on the way
    subject: str = ""
    message_id: str = ""  # without brackets; empty when it is missing
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # oldest first
    date: datetime | None = None
    text: str = ""  # the whole readable body
    visible_text: str = ""  # what the author wrote now
    quoted_text: str = ""  # history and signature
    html: str = ""  # sanitised, no remote images, inline images as `cid:`; empty for plain text
    attachments: tuple[File, ...] = ()
    auto_submitted: bool = False  # machine-made: never answered automatically
    quiet: bool = False  # a person's, but automatic answers are unwanted
    bounce: Report | None = None
    receipt: Receipted | None = None
    return_path: str | None = None  # None when no server noted it; empty for `<>`
    authentication: tuple[Authentication, ...] = ()  # topmost first; only those of a trusted server mean anything
    list_headers: Mapping[str, str] = field(default_factory=dict)
    loop_marks: tuple[str, ...] = ()  # values of X-Omnidesk-Loop
    hints: tuple[str, ...] = ()  # what an agent should know about the reading


def read_mail(raw: bytes, *, mail_from: str | None = None) -> Mail:
    """Read a mail. Never raises; takes time in proportion to its size.

    `mail_from`: the envelope's sender when the transport knows it (empty for `<>`); it stands for
    the Return-Path header that a delivering server would have written.
    """
    try:
        return _read(raw, Budget(), mail_from)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError):
        # a fault of ours must not lose a mail: it is shown with the original attached
        original = File(name="original.eml", content_type="message/rfc822", content=raw)
        return Mail(
            attachments=(original,),
            auto_submitted=True,
            hints=("unreadable",),
        )


def _read(raw: bytes, budget: Budget, mail_from: str | None) -> Mail:
    root = parse_parts(raw, budget)
    if mail_from is not None:
        fields = tuple(each for each in root.headers.fields if each[0] != "return-path")
        noted = ("return-path", f"<{mail_from}>".encode())
        root.headers = Headers((noted, *fields), root.headers.charset)
    headers = root.headers if root.headers.charset else Headers(root.headers.fields, _some_charset(root))
    body = bodies.read_body(root, budget)
    authors = _boxes(headers, "from")
    author = next((box for box in authors if box.address), authors[0] if authors else Mailbox(""))
    subject = bodies.clean(headers.get("subject"))
    text = bodies.readable(body).strip("\n")
    parted = _part_visible(body, forwarded=bool(FORWARD_SUBJECT.match(subject)), name=author.name)
    report = read_report(headers, author.address, author.name, subject, body, text)
    receipt = read_receipt(headers, body, text) if report is None else None
    report_type = root.parameters.get("report-type", "") if root.content_type == "multipart/report" else ""
    if budget.hints:
        body.files.append(File(name="original.eml", content_type="message/rfc822", content=raw))
    return Mail(
        from_address=author.address,
        from_name=author.name,
        authors=authors,
        sender=next(iter(_boxes(headers, "sender")), None),
        to=_boxes(headers, "to"),
        cc=_boxes(headers, "cc"),
        reply_to=_boxes(headers, "reply-to"),
        delivered_to=tuple(
            dict.fromkeys(box.address for name in _OWN_TRACE for box in _boxes(headers, name) if box.address)
        ),
        subject=subject,
        message_id=one_message_id(headers.get("message-id")),
        in_reply_to=referred_ids(" ".join(headers.all("in-reply-to"))),
        references=referred_ids(" ".join(headers.all("references"))),
        date=date_of(headers.get("date")),
        text=text,
        visible_text=parted.visible,
        quoted_text=parted.rest,
        html=bodies.safe_html(body),
        attachments=tuple(body.files),
        auto_submitted=report is not None or automatic.is_automatic(headers, author.address, subject, report_type),
        quiet=automatic.is_quiet(headers, author.address),
        bounce=report,
        receipt=receipt,
        return_path=_return_path(headers),
        authentication=tuple(read_authentication(value) for value in headers.all("authentication-results")[:20]),
        list_headers={name: headers.get(name) for name in _LIST_HEADERS if headers.has(name)},
        loop_marks=tuple(headers.all("x-omnidesk-loop")),
        hints=tuple(budget.hints),
    )


def _boxes(headers: Headers, name: str) -> tuple[Mailbox, ...]:
    values = headers.raw(name)[:_MAX_RECIPIENT_HEADERS]
    found = [box for value in values for box in mailboxes(headers.source(value)) if box.address or name == "from"]
    return tuple(dict.fromkeys(found))


def _return_path(headers: Headers) -> str | None:
    for value in headers.all("return-path")[:1]:
        return value.strip().strip("<>").lower()
    return None


def _some_charset(root: Part) -> str:
    """A charset that the mail declares somewhere: raw 8-bit headers are probably written in it."""
    return next((part.parameters["charset"] for part in root.walk() if part.parameters.get("charset")), "")


def _part_visible(body: bodies.Body, *, forwarded: bool, name: str) -> Split:
    lines: list[Line] = [line for block in body.blocks for line in block.lines()]
    parted = split(lines, forwarded=forwarded, sender_name=name)
    marked = [block for block in body.blocks if block.html is not None and block.plain is not None]
    if parted.found or not marked:
        return parted
    # the plain form shows no history: perhaps the markup of the HTML form does
    pages = [line for block in body.blocks for line in (block.lines() if block.html is None else block.pages)]
    better = split(pages, forwarded=forwarded, sender_name=name)
    return better if better.found and better.visible and len(better.visible) < len(parted.visible) else parted
