"""The tree of a mail's parts, cut out of the raw bytes.

Own code, with the limits before the parsing: the standard parser recurses (3 000 nested multiparts
end it) and is slow on many parts. Everything here is linear in the size of the mail.
Source: RFC 2046, RFC 2231; what is malformed is read as most mail programs read it.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from omnidesk.channels.email.charsets import decode
from omnidesk.channels.email.headers import Headers, base64, parse_headers, words

MAX_DEPTH = 30
MAX_PARTS = 500
MAX_HEADER_BLOCK = 1024 * 1024
_MAX_DELIMITERS = 20_000
_MBOX_LINE = re.compile(rb">?From [^\r\n]*\r?\n")
_HEADER = re.compile(rb"[!-9;-~]{1,200}[ \t]{0,8}:")
_PARAMETER = re.compile(
    r';\s*([^\s=;"]+?)(\*\d{1,3})?(\*)?\s*=\s*("(?:[^"\\]|\\.)*"|(?:=\?[^?\s]*\?[bBqQ]\?[^?]*\?=\s*)+|[^;]*)', re.DOTALL
)
_META_CHARSET = re.compile(rb"(?i)<meta[^>]{1,200}charset\s*=\s*[\"']?([\w.:-]{2,40})")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){2}")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r]")
_UU_BEGIN = re.compile(rb"begin [0-7]{3,4} [^\r\n]*\r?\n")


@dataclass(slots=True)
class Part:
    """One part: its headers, its body as it stands in the mail, and the parts inside it."""

    headers: Headers
    body: bytes
    content_type: str = "text/plain"  # type/subtype in lower case
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""  # attachment, inline or empty
    filename: str = ""
    children: list["Part"] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    @property
    def cid(self) -> str:
        return self.headers.get("content-id").strip("<> ")

    def content(self) -> bytes:
        """The body with its transfer encoding undone, as far as it can be."""
        return undo_encoding(self.body, self.headers.get("content-transfer-encoding"))

    def text(self, most: int) -> str:
        """The first `most` bytes of the content as text, with plain line ends."""
        content = self.content()[:most]
        charset = self.parameters.get("charset", "")
        if not charset and self.content_type == "text/html":
            found = _META_CHARSET.search(content[:4_096])
            charset = found[1].decode("ascii") if found else ""
        return decode(content, charset).replace("\r\n", "\n").replace("\r", "\n")

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, in the order of the mail."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True)
class Budget:
    """How much of a mail is still read; `hints` name what was not."""

    parts: int = MAX_PARTS
    hints: list[str] = field(default_factory=list)

    def note(self, hint: str) -> None:
        if hint not in self.hints:
            self.hints.append(hint)


def parse_parts(raw: bytes, budget: Budget) -> Part:
    """The tree of a whole mail."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    raw = raw.lstrip(b"\r\n \t")
    found = _MBOX_LINE.match(raw)
    return read_part(raw[found.end() :] if found else raw, budget, depth=0)


def read_part(raw: bytes, budget: Budget, *, depth: int, default_type: str = "text/plain") -> Part:
    """One part with everything below it, down to `MAX_DEPTH`."""
    budget.parts -= 1
    block, body = split_headers(raw)
    if len(block) > MAX_HEADER_BLOCK:
        budget.note("headers_cut")
    part = Part(parse_headers(block[:MAX_HEADER_BLOCK]), body)
    _describe(part, default_type)
    if part.is_multipart:
        if depth >= MAX_DEPTH:
            budget.note("nested_too_deep")
        else:
            inner = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
            for piece in _pieces(part, budget):
                part.children.append(read_part(piece, budget, depth=depth + 1, default_type=inner))
        if not part.children:
            part.content_type, part.parameters = "text/plain", {}  # not really a multipart
    return part


def split_headers(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body. A mail without an empty line has its body where the headers stop looking like some."""
    if raw.startswith((b"\n", b"\r\n")):
        return b"", raw.lstrip(b"\r").removeprefix(b"\n")
    ends = [at for at in (raw.find(b"\n\n"), raw.find(b"\n\r\n")) if at >= 0]
    if ends:
        if not _HEADER.match(raw):
            return b"", raw  # no headers at all
        at = min(ends)
        return raw[:at], raw[at + (2 if raw[at + 1 : at + 2] == b"\n" else 3) :]
    at = 0
    for line in raw[:MAX_HEADER_BLOCK].splitlines(keepends=True):
        if not (_HEADER.match(line) or (at and line.startswith((b" ", b"\t")))):
            return raw[:at], raw[at:].lstrip(b"\r\n")
        at += len(line)
    return (raw, b"") if at >= len(raw) else (raw[:at], raw[at:])


def _describe(part: Part, default_type: str) -> None:
    raw_type = part.headers.raw("content-type")
    kind, part.parameters = parameters(raw_type[0], part.headers) if raw_type else ("", {})
    part.content_type = _known_type(kind) or default_type
    part.headers = Headers(part.headers.fields, part.parameters.get("charset", ""))
    raw_disposition = part.headers.raw("content-disposition")
    disposition, also = parameters(raw_disposition[0], part.headers) if raw_disposition else ("", {})
    part.disposition = disposition if disposition in ("attachment", "inline") else "attachment" if disposition else ""
    part.filename = (
        also.get("filename") or also.get("name") or part.parameters.get("name") or part.parameters.get("filename", "")
    )


def _known_type(kind: str) -> str:
    kind = kind.strip().strip('"').split(" ")[0]
    if re.fullmatch(r"[\w.+-]{1,80}/[\w.+-]{1,100}", kind):
        return {"application/plain": "text/plain", "application/text": "text/plain"}.get(kind, kind)
    return {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(
        kind, ""
    )


def parameters(value: bytes, headers: Headers) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, in lower case, and the parameters (RFC 2231, RFC 2047, raw 8 bit)."""
    source = headers.source(value)
    head, _, _ = source.partition(";")
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    plain: dict[str, str] = {}
    for name, index, extended, text in _PARAMETER.findall(source[len(head) :][:16_384]):
        if index or extended:
            pieces.setdefault(name.lower(), []).append(
                (int(index[1:] or 0) if index else 0, bool(extended), _unquoted(text))
            )
        else:
            plain.setdefault(name.lower(), _joined([(0, False, _unquoted(text))]))
    better = {name: _joined(sorted(each, key=lambda p: p[0])) for name, each in pieces.items()}
    return head.strip().lower(), plain | {name: text for name, text in better.items() if text}


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\([\"\\])", r"\1", text[1:-1])
    if len(text) > 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    return text.strip("\"'") if text.count('"') == 1 else text


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    """RFC 2231: charset'language'percent-encoded, perhaps in several pieces, only some of them encoded."""
    if not any(extended for _, extended, _ in pieces):
        return _unpercented(words("".join(text for _, _, text in pieces)))
    charset, first = "", True
    data = b""
    for _, extended, text in pieces:
        if extended and first and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        first = False
        data += unquote_to_bytes(text) if extended else text.encode("utf-8", "replace")
    return decode(data, charset)


def _unpercented(text: str) -> str:
    """Some webmails percent-encode a plain file name; it is meant when it decodes to letters beyond ASCII."""
    if not _PERCENT.search(text):
        return text
    try:
        plain = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        return text
    return text if plain.isascii() else plain


def _pieces(part: Part, budget: Budget) -> Iterator[bytes]:
    """The bytes of the parts inside a multipart, while the budget lasts."""
    boundary = part.parameters.get("boundary", "")[:200].rstrip()
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape")
    if not boundary:
        return
    start = -1
    for at, end, closing in _delimiters(part.body, delimiter):
        if start >= 0:
            if budget.parts <= 0:
                budget.note("too_many_parts")
                return
            yield part.body[start:at]
        start = -1 if closing else end
        if closing:
            return
    if start >= 0 and part.body[start:].strip() and budget.parts > 0:
        yield part.body[start:]  # the closing delimiter is missing: the mail was cut


def _delimiters(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where delimiter lines start (with the line end before them) and end, and whether they close."""
    at = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter)
    for _ in range(_MAX_DELIMITERS):
        if at < 0:
            return
        begin = at + 1 if body[at : at + 1] == b"\n" else at
        line_end = body.find(b"\n", begin)
        line_end = len(body) if line_end < 0 else line_end
        tail = body[begin + len(delimiter) : min(line_end, begin + len(delimiter) + 200)].strip()
        if tail in (b"", b"--"):
            yield at - (body[at - 1 : at] == b"\r" and at > 0), min(line_end + 1, len(body)), tail == b"--"
        at = body.find(b"\n" + delimiter, max(begin, line_end - 1) if line_end > begin else begin)


def undo_encoding(body: bytes, encoding: str) -> bytes:
    """Content behind a transfer encoding; what is damaged is read as far as it goes."""
    name = encoding.split(";")[0].strip().strip("\"'").lower()
    if name == "base64":
        return body if _is_plain(body) else base64(body)
    if name == "quoted-printable":
        return binascii.a2b_qp(body)
    if name in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _uudecode(body)
    return body


def _is_plain(body: bytes) -> bool:
    """Text that was never encoded, whatever its header says: its first line is none of base64."""
    first = body.lstrip()[:400].partition(b"\n")[0].strip()
    return len(_NOT_BASE64.findall(first)) * 8 > len(first)


def _uudecode(body: bytes) -> bytes:
    found = _UU_BEGIN.search(body)
    out = bytearray()
    for line in body[found.end() :].split(b"\n") if found else []:
        line = line.rstrip(b"\r")
        if line == b"end":
            break
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            count = (((line[0] - 32) & 63) * 4 + 5) // 3  # some encoders pad wrongly
            try:
                out += binascii.a2b_uu(line[:count])
            except binascii.Error:
                continue
    return bytes(out) if found else body
