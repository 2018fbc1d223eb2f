"""The content inside an opaque S/MIME signature (RFC 8551, section 3.5.2).

The signature is not checked here; the mail is read, and its envelope kept as an attachment.
"""

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_CONSTRUCTED = 0x20
_MAX_STEPS = 2_000


def signed_content(der: bytes) -> bytes | None:
    """The MIME entity in a CMS SignedData; None for anything else (an encrypted envelope, garbage)."""
    try:
        return _content(der)
    except (IndexError, ValueError, RecursionError):
        return None


def _content(der: bytes) -> bytes | None:
    outer = _element(der, 0)
    kind = _element(der, outer.start)
    if der[kind.start : kind.end] != _SIGNED_DATA:
        return None
    signed = _element(der, _element(der, kind.next).start)  # [0] { SignedData {
    version = _element(der, signed.start)
    digests = _element(der, version.next)
    encapsulated = _element(der, digests.next)
    inner_kind = _element(der, encapsulated.start)
    if inner_kind.next >= encapsulated.end:
        return None  # detached
    wrapper = _element(der, inner_kind.next)
    content = b"".join(_octets(der, wrapper.start, wrapper.end, depth=0))
    return content or None


class _Element:
    """A BER element: where its content starts and ends, and where the next element starts."""

    __slots__ = ("end", "next", "start", "tag")

    def __init__(self, tag: int, start: int, end: int, following: int) -> None:
        self.tag, self.start, self.end, self.next = tag, start, end, following


def _element(der: bytes, at: int, *, steps: int = _MAX_STEPS) -> _Element:
    tag, length = der[at], der[at + 1]
    start = at + 2
    if length == 0x80:
        end = _end_of_contents(der, start, steps)
        return _Element(tag, start, end, end + 2)
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    return _Element(tag, start, min(start + length, len(der)), start + length)


def _end_of_contents(der: bytes, at: int, steps: int) -> int:
    """Where an element of indefinite length ends."""
    while der[at : at + 2] != b"\0\0":
        steps -= 1
        if steps <= 0 or at >= len(der):
            raise ValueError("too many elements")
        at = _element(der, at, steps=steps // 2).next
    return at


def _octets(der: bytes, at: int, end: int, *, depth: int) -> list[bytes]:
    """An octet string, perhaps in pieces."""
    out: list[bytes] = []
    while at < end and der[at : at + 2] != b"\0\0" and len(out) < 100_000:
        piece = _element(der, at)
        if piece.tag & _CONSTRUCTED and depth < 8:
            out += _octets(der, piece.start, piece.end, depth=depth + 1)
        else:
            out.append(der[piece.start : piece.end])
        at = piece.next
    return out
