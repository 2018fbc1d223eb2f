"""winmail.dat: what Outlook and Exchange hide in a TNEF container.

A body may be plain text, HTML or only compressed RTF ([MS-OXRTFCP]); of RTF the words are kept.
"""

from dataclasses import dataclass

from compressed_rtf import decompress
from striprtf.striprtf import rtf_to_text
from tnefparse import TNEF

from omnidesk.channels.email.charsets import decode

MAX_TNEF = 30 * 1024 * 1024
MAX_RTF = 512 * 1024  # compressed; a longer one is left, for reading it takes too long
_SIGNATURE = b"\x78\x9f\x3e\x22"


@dataclass(frozen=True, slots=True)
class Unpacked:
    files: tuple[tuple[str, bytes], ...]
    text: str = ""
    html: str = ""


def unpack(data: bytes) -> Unpacked | None:
    """The files and the body in a TNEF container; None when it cannot be read, then it is kept as it is.

    tnefparse trusts lengths and indexes in the data, so any error of it means: unreadable.
    """
    if not data.startswith(_SIGNATURE) or len(data) > MAX_TNEF:
        return None
    try:
        box = TNEF(data, do_checksum=False)
        files = tuple((_name(each), bytes(each.data or b"")) for each in box.attachments if each.data)
        text, page = _text(box.body), _text(box.htmlbody)
        found = Unpacked(files, text or ("" if page else _words(box)), page)
        return found if files or found.text or found.html or _is_whole(data) else None
    except Exception:  # hostile bytes raise whatever they hit first
        return None


def _words(box: TNEF) -> str:
    """The words of a body that is there as RTF only."""
    packed = bytes(getattr(box, "_rtfbody", None) or b"")  # the public property hides why it failed
    if not packed or len(packed) > MAX_RTF:
        return ""
    try:
        rtf = decompress(packed + b"\0").decode("latin-1")
        return str(rtf_to_text(rtf, errors="replace")).strip()  # type: ignore[no-untyped-call]
    except Exception:  # hostile bytes again; the files beside it are good
        return ""


def _is_whole(data: bytes) -> bool:
    """Do the attributes (level, id, length, data, checksum) end where they should? Garbage behind them is usual."""
    at = 6  # signature and key
    while at + 9 <= len(data) and data[at] in (1, 2):
        at += 9 + int.from_bytes(data[at + 5 : at + 9], "little") + 2
    return 6 < at <= len(data) and data[at : at + 1] not in (b"\1", b"\2")


def _name(attachment: object) -> str:
    long_name = getattr(attachment, "long_filename", None)
    name = long_name() if callable(long_name) else getattr(attachment, "name", "")
    return name if isinstance(name, str) else decode(bytes(name or b"")).strip("\0")


def _text(body: object) -> str:
    if isinstance(body, list):
        body = body[0] if body else b""
    return decode(body) if isinstance(body, bytes) else body if isinstance(body, str) else ""


def is_tnef(content_type: str, filename: str) -> bool:
    return content_type in ("application/ms-tnef", "application/vnd.ms-tnef") or filename.lower() == "winmail.dat"
