"""The header block of a mail: names and raw values, then words, addresses, ids and dates.

Own code, because the standard parser spends minutes on hostile headers and joins encoded-words as
text: an encoded-word that was cut inside a character is only right when neighbours join as bytes.
Sources: RFC 5322 (section 3), RFC 2047, RFC 2231, RFC 6532.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from omnidesk.channels.email.charsets import decode

MAX_HEADERS = 1_000
MAX_VALUE = 64 * 1024  # bytes of one header; the rest is cut
MAX_ADDRESSES = 500
_MAX_SOURCE = 32 * 1024  # characters of an address list that are read
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]{0,8}:")
_ENCODED = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_CONTROL = re.compile(r" ?[\x00-\x1f\x7f]+ ?")
_MESSAGE_ID = re.compile(r"<([^<>]{1,998})>")
_BARE_ID = re.compile(r"[^<>@\s,;()\"]{4,400}@[^<>@\s,;()\"]{2,255}")
_ROUTE = re.compile(r"(?:@[\w.-]{1,255},?){1,20}:")  # RFC 5322, obs-route
_ZONE_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers as they came: lower-case names, raw unfolded values, in order."""

    fields: tuple[tuple[str, bytes], ...] = ()
    charset: str = ""  # of the body: what raw 8-bit header text is probably written in

    def raw(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def all(self, name: str) -> list[str]:
        """Every value of a header, decoded to one line of text."""
        return [words(self.source(value)) for value in self.raw(name)]

    def get(self, name: str) -> str:
        """The first value, decoded; empty when absent."""
        return next(iter(self.all(name)), "")

    def source(self, value: bytes) -> str:
        """A raw value as text, its encoded-words still encoded."""
        return decode(value, self.charset)


def parse_headers(block: bytes) -> Headers:
    """Headers of a header block; lines that are none continue the header above."""
    fields: list[tuple[str, list[bytes]]] = []
    for line in block.split(b"\n"):
        line = line.rstrip(b"\r")
        found = _NAME.match(line)
        if found and not line.startswith((b" ", b"\t")):
            if len(fields) >= MAX_HEADERS:
                break
            fields.append((found[1].decode("ascii").lower(), [line[found.end() :].strip()]))
        elif fields and line.startswith((b" ", b"\t")):
            fields[-1][1].append(line.strip())
    return Headers(tuple((name, _unfold(lines)) for name, lines in fields))


def _unfold(lines: list[bytes]) -> bytes:
    return (b" ".join(lines) if len(lines) > 1 else lines[0])[:MAX_VALUE]


def words(source: str) -> str:
    """Text of a header value: encoded-words decoded, neighbours of one charset joined as bytes."""
    text = _words(source)
    if text != source and _ENCODED.search(text):
        text = _words(text)  # some gateways encode twice
    return _CONTROL.sub(" ", text).strip()


def _words(source: str) -> str:
    if "=?" not in source:
        return source
    out: list[str] = []
    pending, charset, end = b"", "", 0
    for found in _ENCODED.finditer(source):
        between = source[end : found.start()]
        if between.strip() or found[1].split("*")[0].lower() != charset or not end:
            out.append(decode(pending, charset))
            out.append("" if pending and not between.strip() else between)
            pending, charset = b"", found[1].split("*")[0].lower()
        pending += _encoded_bytes(found[2], found[3])
        end = found.end()
    return "".join([*out, decode(pending, charset), source[end:]])


def _encoded_bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if kind in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    return base64(data)


def base64(data: bytes) -> bytes:
    """Base64 as it is found: foreign characters dropped, a broken end cut."""
    kept = re.sub(rb"[^A-Za-z0-9+/=]", b"", data)
    out = bytearray()
    for piece in re.split(rb"=+", kept) if b"=" in kept.rstrip(b"=") else [kept.rstrip(b"=")]:
        piece = piece[:-1] if len(piece) % 4 == 1 else piece
        out += binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
    return bytes(out)


def message_ids(source: str) -> tuple[str, ...]:
    """Message ids without brackets, in order, once each."""
    found = ("".join(each.split()) for each in _MESSAGE_ID.findall(source))
    return tuple(dict.fromkeys(each for each in found if each))


def referred_ids(source: str) -> tuple[str, ...]:
    """The ids of an In-Reply-To or References header; without brackets, words that look like ids."""
    ids = message_ids(source)
    return ids or tuple(dict.fromkeys(word for word in source.split() if _BARE_ID.fullmatch(word)))


def one_message_id(source: str) -> str:
    """The id of a Message-ID header, also when the brackets are missing; empty when there is none."""
    ids = message_ids(source)
    if ids:
        return ids[0]
    bare = source.strip().strip("<>")
    return bare if bare and " " not in bare and len(bare) < 999 else ""


def date_of(source: str) -> datetime | None:
    """An aware time in UTC; None when it cannot be read."""
    try:
        moment = parsedate_to_datetime(_ZONE_COMMENT.sub("", source[:200]))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address as a header gives it: lower-case, with its display name."""

    address: str
    name: str = ""


def mailboxes(source: str) -> tuple[Mailbox, ...]:
    """The addresses of a From, To or Cc value (encoded-words not yet decoded); groups are flattened.

    A name without an address belongs to the next one: `Petrov, Ivan <ivan@b.example>` lost its quotes.
    """
    found: list[Mailbox] = []
    for text in _split(source[:_MAX_SOURCE]):
        box = _mailbox(text) if text and not text.isspace() else None
        if box is None or len(found) >= MAX_ADDRESSES:
            continue
        if found and not found[-1].address and box.address and box.name:
            box = Mailbox(box.address, f"{found.pop().name}, {box.name}")
        found.append(box)
    return tuple(dict.fromkeys(found))


_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)|<[^<>]*>|=\?[^?\s]*\?[bBqQ]\?[^?]*\?=|[,;:]|\\.|[^",;:()<>=\\]+|.',
    re.DOTALL,
)


def _split(source: str) -> Iterator[str]:
    """Pieces between commas; a group's name is dropped."""
    piece: list[str] = []
    for lexeme in _TOKEN.findall(source):
        if lexeme in (",", ";"):
            yield "".join(piece)
            piece = []
        elif lexeme == ":" and not any("@" in each or "<" in each for each in piece):
            piece = []
        else:
            piece.append(lexeme)
    yield "".join(piece)


def _mailbox(text: str) -> Mailbox | None:
    tokens = _TOKEN.findall(text)
    address = next((token[1:-1] for token in reversed(tokens) if token.startswith("<") and len(token) > 2), "")
    comments = [token[1:-1] for token in tokens if token.startswith("(") and len(token) > 2]
    rest = [token for token in tokens if not token.startswith(("(", "<")) or len(token) < 2]
    if not address:
        address, rest = _bare_address("".join(rest))
    name = _display_name(rest) or _display_name(comments)
    address = _clean_address(address)
    if not address and not name:
        return None
    return Mailbox(address, "" if name.lower() == address else name)


def _bare_address(text: str) -> tuple[str, list[str]]:
    found = [word for word in text.split() if "@" in word]
    if not found:
        return "", [text]
    return found[-1], [word + " " for word in text.split() if word != found[-1]]


def _display_name(tokens: list[str]) -> str:
    text = "".join(re.sub(r"\\(.)", r"\1", token[1:-1]) if _quoted(token) else token for token in tokens)
    return " ".join(words(text).replace('"', "").split()).strip("' ")


def _quoted(token: str) -> bool:
    return len(token) > 1 and token[0] == token[-1] == '"'


def _clean_address(text: str) -> str:
    bare = _ROUTE.sub("", words(text).strip().strip("\"'<>").removeprefix("mailto:"))
    address = "".join(_CONTROL.sub("", bare).split()).lower()
    return address if "@" in address.strip("@") else ""
