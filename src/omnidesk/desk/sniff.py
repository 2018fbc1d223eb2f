"""What a file is, by its first bytes. What they say wins over what its sender claims.

Source: the signatures of the WHATWG MIME Sniffing Standard, sections 6 and 7, and of the formats themselves.
"""

import re

HEAD = 4_096  # bytes that are looked at
UNKNOWN = "application/octet-stream"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\1\0", "image/x-icon"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_WITHIN = {  # containers: what is inside, only the name and the claim tell
    "application/zip": (
        "application/vnd.openxmlformats-officedocument.",
        "application/vnd.oasis.opendocument.",
        "application/epub+zip",
        "application/java-archive",
        "application/vnd.android.package-archive",
        "application/vnd.ms-",
    ),
    "application/x-ole-storage": ("application/msword", "application/vnd.ms-", "application/x-msi"),
    "audio/ogg": ("video/ogg", "application/ogg", "audio/opus"),
    "video/webm": ("audio/webm", "video/x-matroska", "audio/x-matroska"),
    "video/mp4": ("audio/mp4", "video/3gpp", "audio/3gpp"),
}
_TEXTS = re.compile(r"text/[\w.+-]+|message/rfc822|application/(?:json|xml|[\w.-]+\+(?:json|xml)|pgp-\w+|x-ndjson)")
_TYPE = re.compile(r"[a-z0-9][\w!#$&^.+-]{0,100}/[a-z0-9][\w!#$&^.+-]{0,100}")
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script|iframe|svg|!doctype\s+svg)\b",
    re.IGNORECASE | re.DOTALL,
)


def sniff(head: bytes, claimed: str = "") -> str:
    """The content type of a file that begins so. An image, a PDF or a program is never taken for one it is not."""
    claimed = claimed.partition(";")[0].strip().lower()
    claimed = claimed if _TYPE.fullmatch(claimed) else ""
    found = _binary(head[:HEAD])
    if found:
        return claimed if claimed.startswith(_WITHIN.get(found, ("\0",))) else found
    text = _text(head[:HEAD])
    if text:
        return claimed if text == "text/plain" and _TEXTS.fullmatch(claimed) and not _active(claimed) else text
    return UNKNOWN if not claimed or _has_magic(claimed) else claimed


def _binary(head: bytes) -> str:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"BM") and len(head) >= 14 and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\10")):
        return "application/zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "application/x-ole-storage"
    if len(head) > 2 and head[0] == 0xFF and head[1] in (0xFB, 0xF3, 0xF2):
        return "audio/mpeg"
    return ""


def _text(head: bytes) -> str:
    """text/plain, markup that a browser would run, or nothing when it is not text."""
    markup = _MARKUP.match(head)
    if markup:
        return "image/svg+xml" if b"svg" in markup[1].lower() else "text/html"
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return "text/plain"
    return "text/plain" if not re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]", head) else ""


def _active(claimed: str) -> bool:
    return claimed in {"text/html", "text/xml"} or claimed.endswith(("/xml", "+xml"))


def _has_magic(claimed: str) -> bool:
    """Types whose files always show: without the signature the claim is false."""
    known = {kind for _, kind in _MAGIC} | set(_RIFF.values()) | set(_BRANDS.values())
    return claimed in known | {"image/bmp", "application/zip", "video/mp4", "image/svg+xml", "text/html"}
