"""Writing mail: encoded-words, folded headers, addresses, parts. Pure, and the same bytes each time.

Own code, because the standard writer folds long Message-IDs into encoded-words, which no client
can thread by. Everything written is seven-bit, so that no hop has a reason to re-code a signed
mail; only a local part that is not ASCII stays UTF-8 (SMTPUTF8, RFC 6531).
Sources: RFC 5322, RFC 2045, RFC 2047, RFC 2231, RFC 5890.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import idna

_FOLD_AT = 76  # columns
_MAX_WORD = 900  # octets of one unbreakable word; a line may have 998
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_LOCAL = re.compile(r'[^\s<>()\[\],;:\\"@\x00-\x1f\x7f-\x9f]+|"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])*"')
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]+\]")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")


def one_line(text: str) -> str:
    """Text fit for a header: one line, no control characters, no half characters."""
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode()).strip()


def words(text: str) -> list[str]:
    """Free text as words that may be folded between: plain as far as it can be, then encoded-words."""
    plain = one_line(text).split(" ")
    start = next((i for i, word in enumerate(plain) if not _is_plain(word)), len(plain))
    if start == len(plain):
        return plain
    rest = " ".join(plain[start:])
    return [*plain[:start], *_encoded(rest)]


def _encoded(text: str) -> list[str]:
    return [f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in _pieces(text, 39)]


def _is_plain(word: str) -> bool:
    return word.isascii() and "=?" not in word and len(word) <= _MAX_WORD


def _pieces(text: str, size: int) -> Iterable[bytes]:
    """Text as UTF-8 in pieces of at most `size` bytes that never cut a character (RFC 2047, section 5)."""
    piece = b""
    for char in text:
        encoded = char.encode()
        if len(piece) + len(encoded) > size:
            yield piece
            piece = b""
        piece += encoded
    yield piece


def phrase(name: str) -> list[str]:
    """A display name as words: quoted when ASCII, else encoded; at most 100 characters of it."""
    name = one_line(name)[:100].strip()
    if not _is_plain(name):
        return _encoded(name)
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{escaped}"'] if name else []


def address(text: str) -> str:
    """An address as it goes over the wire, its domain in ASCII. Raises ValueError when it is none."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local.encode()) > 256:
        raise ValueError("not an e-mail address")
    return f"{local}@{host(domain)}"


def host(domain: str) -> str:
    """A domain in ASCII (`почта.рф` is `xn--80a1acny.xn--p1ai`), in lower case. Raises ValueError."""
    domain = domain.strip().rstrip(".").lower()
    if _LITERAL.fullmatch(domain):
        return domain
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError("not a domain") from None
    if len(domain) > 253 or not _HOST.fullmatch(domain):
        raise ValueError("not a domain")
    return domain


def mailbox(name: str, wire_address: str) -> list[str]:
    """`"Anna" <anna@acme.example>` as words; the bare address when there is no name."""
    named = phrase(name)
    return [*named, f"<{wire_address}>"] if named else [wire_address]


def listed(mailboxes: Iterable[list[str]]) -> list[str]:
    """Several mailboxes as the words of one header, with commas between them."""
    found: list[str] = []
    for each in mailboxes:
        if found:
            found[-1] += ","
        found += each
    return found


def header(name: str, tokens: Iterable[str]) -> bytes:
    """One header, folded between its words; ends with CRLF."""
    lines, line = [], f"{name}:"
    for token in tokens:
        if len(line) + 1 + len(token) > _FOLD_AT and line.strip() and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {token}"
    return "\r\n".join([*lines, line, ""]).encode()


def text_part(kind: str, text: str) -> bytes:
    """A text part: seven-bit as it is, quoted-printable for a few other letters, base64 for many."""
    lines = _NEWLINE.split(text.encode("utf-8", "replace").decode().replace("\0", ""))
    data = "\r\n".join(lines).encode()
    others = sum(byte > 126 or (byte < 32 and byte not in b"\t\r\n") for byte in data)
    if not others and all(len(line) <= 990 and not line.endswith((" ", "\t")) for line in lines):
        coding, body = "7bit", data
    elif others * 6 > len(data):
        coding, body = "base64", _base64(data)
    else:
        coding, body = "quoted-printable", binascii.b2a_qp(data, istext=True)
    charset = "us-ascii" if data.isascii() else "utf-8"
    head = header("Content-Type", [f"{kind};", f"charset={charset}"]) + header("Content-Transfer-Encoding", [coding])
    return head + b"\r\n" + body + (b"" if body.endswith(b"\r\n") else b"\r\n")


def file_part(name: str, content_type: str, content: bytes) -> bytes:
    """An attachment in base64; what may not be in base64 (message, multipart) goes as plain bytes of no kind."""
    kind = content_type.strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        kind = "application/octet-stream"
    head = header("Content-Type", [kind]) + header("Content-Transfer-Encoding", ["base64"])
    head += header("Content-Disposition", ["attachment;", *_filename(name)])
    return head + b"\r\n" + _base64(content)


def multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """Parts under a boundary that is a digest of them, so none of them can contain it."""
    digest = hashlib.sha256(subtype.encode())
    for part in parts:
        digest.update(part)
    boundary = f"=_{digest.hexdigest()[:40]}"
    head = header("Content-Type", [f"multipart/{subtype};", f'boundary="{boundary}"'])
    cut = f"--{boundary}".encode()
    pieces = [head, b"\r\n"]
    for part in parts:
        pieces += [cut, b"\r\n", part, b"\r\n"]
    return b"".join([*pieces, cut, b"--\r\n"])


def _filename(name: str) -> list[str]:
    """`filename` as a parameter; other than ASCII in numbered, percent-encoded pieces (RFC 2231)."""
    name = one_line(name)[-150:].replace("/", "_") or "file"
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'filename="{escaped}"']
    first, *more = [quote(piece, safe="") for piece in _pieces(name, 18)]
    if not more:
        return [f"filename*=utf-8''{first}"]
    numbered = [f"filename*0*=utf-8''{first}", *(f"filename*{i}*={piece}" for i, piece in enumerate(more, 1))]
    return [*(f"{each};" for each in numbered[:-1]), numbered[-1]]


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
