"""winmail.dat: what Outlook and Exchange hide in a TNEF container."""

from dataclasses import dataclass

from tnefparse import TNEF

from omnidesk.channels.email.charsets import decode

MAX_TNEF = 30 * 1024 * 1024
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
        found = Unpacked(files, _text(box.body), _text(box.htmlbody))
        return found if files or found.text or found.html or _is_whole(data) else None
    except Exception:  # hostile bytes raise whatever they hit first
        return None


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
