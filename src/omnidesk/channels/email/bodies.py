"""From the tree of parts to what a person reads: text, HTML, attachments."""

import re
from dataclasses import dataclass, field

from omnidesk.channels.email.headers import words
from omnidesk.channels.email.html import MAX_HTML, bounded, lines_of, sanitised
from omnidesk.channels.email.lines import Line, is_quote, lines_of_text, unflow
from omnidesk.channels.email.names import extension_of, safe_name
from omnidesk.channels.email.parts import Budget, Part, read_part, undo_encoding
from omnidesk.channels.email.smime import signed_content
from omnidesk.channels.email.tnef import is_tnef, unpack
from omnidesk.domain.messages import File

MAX_TEXT = 500_000  # characters of one body; a longer one is also kept as a file
_REPORTS_NAMES = (
    "message/delivery-status|message/global-delivery-status|message/disposition-notification|"
    "message/feedback-report|text/rfc822-headers|message/global-headers|"
    "message/global-disposition-notification"
)
_REPORTS = frozenset(_REPORTS_NAMES.split("|"))
_PKCS7 = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_CLEARSIGNED = re.compile(r"-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\n(?:[A-Za-z]{1,20}: [^\n]*\n)*\n")
_UUENCODED = re.compile(r"(?:^|\n)begin [0-7]{3} ([^\n]{1,200})\n(?:[ -`]{1,62}\n){1,400000}end(?=\n|$)")
_PLACEHOLDER = re.compile(
    r"\bhtml\b|view (?:this|it) (?:email|message|mail|in)|просмотр\w* (?:этого )?письм|не поддерживает|открыть в "
    r"браузере|web browser|в браузере",
    re.IGNORECASE,
)
_ICS_FIELD = re.compile(r"^(SUMMARY|DESCRIPTION|LOCATION)(?:;[^:\n]{0,200})?:(.*)$", re.MULTILINE)


@dataclass(slots=True)
class Block:
    """One stretch of the body: the same content as plain text, as HTML (`bounded`), or both."""

    plain: str | None = None
    html: str | None = None
    _pages: list[Line] | None = None

    @property
    def pages(self) -> list[Line]:
        """The HTML as lines; read once."""
        if self._pages is None:
            lines = [Line(clean(line.text), line.quoted, line.signature) for line in lines_of(self.html or "")]
            self._pages = [Line(each.text, each.quoted or is_quote(each.text), each.signature) for each in lines]
        return self._pages

    @property
    def prefers_plain(self) -> bool:
        """Is the plain form to be read, or does it only stand in for the HTML?"""
        if self.html is None:
            return True
        text = (self.plain or "").strip()
        if not text or text[:300].lower().startswith(("<html", "<!doctype html", "<div", "<table")):
            return False
        stands_in = len(text) < 400 and _PLACEHOLDER.search(text)
        return not stands_in or not any(line.text.strip() for line in self.pages)

    def lines(self) -> list[Line]:
        return lines_of_text(clean(self.plain or "")) if self.prefers_plain else self.pages

    def text(self) -> str:
        return clean(self.plain or "") if self.prefers_plain else "\n".join(line.text for line in self.pages)


@dataclass(slots=True)
class Body:
    blocks: list[Block] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    reports: list[Part] = field(default_factory=list)  # delivery-status and the like
    enclosed: list[Part] = field(default_factory=list)  # message/rfc822
    calendar: str = ""
    named: list[Part] = field(default_factory=list)  # inline text under a name: also the body, if there is no other


def read_body(root: Part, budget: Budget) -> Body:
    """Everything to be read or kept in a mail."""
    body = Body()
    _Reader(body, budget).read(root, depth=0, root=True)
    if not has_text(body) and body.named:
        body.blocks = [Block(plain=part.text(MAX_TEXT)) for part in body.named]
    if not has_text(body) and body.calendar:
        body.blocks = [Block(plain=_calendar_text(body.calendar))]
    return body


def has_text(body: Body) -> bool:
    return any((block.plain or "").strip() or (block.html or "").strip() for block in body.blocks)


class _Reader:
    """Walks the tree; `_blocks` are those of the stretch that is being read."""

    def __init__(self, body: Body, budget: Budget) -> None:
        self._body = body
        self._budget = budget

    def read(self, part: Part, *, depth: int, root: bool = False) -> None:
        if part.content_type == "multipart/alternative":
            self._alternative(part, depth)
        elif part.is_multipart:
            for number, child in enumerate(part.children):
                self.read(child, depth=depth + 1, root=root and number == 0)
        else:
            self._leaf(part, depth, root)

    def _alternative(self, part: Part, depth: int) -> None:
        """Several forms of one content: all plain parts are one text, all HTML parts one page."""
        before, self._body.blocks = self._body.blocks, []
        for child in part.children:
            self.read(child, depth=depth + 1)
        merged = Block(
            plain=_joined([block.plain for block in self._body.blocks]),
            html=_joined([block.html for block in self._body.blocks]),
        )
        self._body.blocks = [*before, *([merged] if self._body.blocks else [])]

    def _leaf(self, part: Part, depth: int, root: bool) -> None:
        kind = part.content_type
        if kind in ("message/rfc822", "message/global"):
            self._enclosed(part)
        elif kind in _REPORTS and part.disposition != "attachment":
            self._body.reports.append(part)
        elif is_tnef(kind, part.filename):
            self._tnef(part)
        elif kind in _PKCS7 or (kind == "application/octet-stream" and part.filename.lower() == "smime.p7m"):
            self._smime(part, depth)
        elif (
            kind in ("text/plain", "text/html")
            and part.disposition != "attachment"
            and (not part.filename or self._is_body(part, root))
        ):
            self._text(part)
        elif kind in ("text/enriched", "text/richtext") and not part.filename:
            self._body.blocks.append(Block(plain=re.sub(r"<[^<>]{0,80}>", "", part.text(MAX_TEXT))))
        elif kind == "text/x-amp-html":
            return
        else:
            if kind == "text/calendar":
                self._body.calendar = self._body.calendar or part.text(MAX_TEXT)
            if kind == "text/plain" and part.disposition == "inline":
                self._body.named.append(part)
            self._keep(part)

    def _is_body(self, part: Part, root: bool) -> bool:
        """A text with a name is an attachment, unless it is all there is to read."""
        return root and not self._body.blocks and not part.headers.has("content-disposition")

    def _text(self, part: Part) -> None:
        is_html = part.content_type == "text/html"
        most = MAX_HTML if is_html else MAX_TEXT
        text = part.text(4 * most)
        if len(text) > most:
            self._budget.note("text_cut")
            self._keep(part, name="message.html" if is_html else "message.txt")
            text = text[:most]
        if is_html:
            self._body.blocks.append(Block(html=bounded(text)))
            return
        if part.parameters.get("format", "").lower() == "flowed":
            text = unflow(text, delsp=part.parameters.get("delsp", "").lower() == "yes")
        if "\nend" in text:
            text = _UUENCODED.sub(self._uuencoded, text)
        self._body.blocks.append(Block(plain=_unsigned(text)))

    def _uuencoded(self, found: re.Match[str]) -> str:
        """A file in the middle of a text, as before MIME: it becomes an attachment."""
        content = undo_encoding(found[0].lstrip("\n").encode("ascii", "replace"), "uuencode")
        name = safe_name(found[1], "application/octet-stream", len(self._body.files) + 1)
        kind = _sniffed(content, "application/octet-stream", name)
        self._body.files.append(File(name=name, content_type=kind, content=content))
        return "\n"

    def _keep(self, part: Part, *, name: str = "") -> None:
        content = part.content()
        kind = _sniffed(content, part.content_type, part.filename)
        number = len(self._body.files) + 1
        made_up = "invite.ics" if kind == "text/calendar" else ""
        shown = safe_name(name or part.filename or made_up, kind, number)
        self._body.files.append(File(name=shown, content_type=kind, content=content, cid=part.cid))

    def _enclosed(self, part: Part) -> None:
        content = part.content()
        nested = read_part(content.lstrip(b"\r\n"), Budget(parts=1), depth=10_000)
        self._body.enclosed.append(nested)
        name = part.filename or (words(nested.headers.get("subject"))[:80] or "message") + ".eml"
        name = name if "." in name[-6:] else name + ".eml"
        shown = safe_name(
            name.replace("/", "_") if not part.filename else name, "message/rfc822", len(self._body.files) + 1
        )
        self._body.files.append(File(name=shown, content_type="message/rfc822", content=content, cid=part.cid))

    def _tnef(self, part: Part) -> None:
        unpacked = unpack(part.content())
        if unpacked is None:
            self._keep(part)
            return
        for name, content in unpacked.files:
            kind = _sniffed(content, "application/octet-stream", name)
            self._body.files.append(
                File(name=safe_name(name, kind, len(self._body.files) + 1), content_type=kind, content=content)
            )
        if not has_text(self._body) and (unpacked.html or unpacked.text):
            self._body.blocks.append(Block(plain=unpacked.text[:MAX_TEXT] or None, html=bounded(unpacked.html) or None))

    def _smime(self, part: Part, depth: int) -> None:
        inner = signed_content(part.content())
        if inner is None or depth > 8:
            self._keep(part)
            return
        self.read(read_part(inner.lstrip(b"\r\n"), self._budget, depth=depth), depth=depth + 1, root=True)


def _joined(texts: list[str | None]) -> str | None:
    known = [text for text in texts if text is not None]
    return "\n".join(known) if known else None


def _unsigned(text: str) -> str:
    """The text inside a PGP clear signature (RFC 9580, section 7)."""
    found = _CLEARSIGNED.search(text) if "-----BEGIN PGP SIGNED" in text else None
    if not found:
        return text
    inner, _, rest = text[found.end() :].partition("\n-----BEGIN PGP SIGNATURE-----")
    _, _, after = rest.partition("-----END PGP SIGNATURE-----")
    return text[: found.start()] + re.sub(r"^- ", "", inner, flags=re.MULTILINE) + after


def _calendar_text(source: str) -> str:
    """What an invitation says, when the mail says nothing else."""
    unfolded = re.sub(r"\n[ \t]", "", source)
    fields = [
        value.replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";").strip()
        for _, value in _ICS_FIELD.findall(unfolded)
    ]
    return "\n".join(dict.fromkeys(value for value in fields if value))


_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
)


def _sniffed(content: bytes, declared: str, name: str) -> str:
    """The declared type; for `application/octet-stream` what the first bytes or the name say."""
    if declared not in ("application/octet-stream", "application/x-unknown", "application/binary"):
        return declared
    magic = next((kind for start, kind in _MAGIC if content.startswith(start)), "")
    if magic and extension_of(magic) == name[-4:].lower():
        return magic
    return declared


def readable(body: Body) -> str:
    """The whole text of a mail."""
    return "\n".join(block.text() for block in body.blocks)


def safe_html(body: Body) -> str:
    """The HTML of a mail, made safe; empty when it was plain text."""
    return "\n".join(sanitised(block.html) for block in body.blocks if block.html is not None).strip()


def clean(text: str) -> str:
    """Text that a database takes and a page shows."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).replace("\u2028", "\n").replace("\u2029", "\n")
