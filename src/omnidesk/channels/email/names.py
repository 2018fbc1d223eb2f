"""Names for attachments that are safe to show, to store and to send on."""

import mimetypes
import re
import unicodedata

MAX_NAME = 180  # characters; file systems take 255 bytes, Cyrillic takes two each… the desk stores by content
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_EXTENSIONS = {
    "message/rfc822": ".eml",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "application/pdf": ".pdf",
    "application/pgp-encrypted": ".asc",
    "application/pgp-signature": ".asc",
}


def safe_name(name: str, content_type: str, number: int) -> str:
    """The last component of a file name without control, bidi and path characters; made up when nothing is left."""
    text = unicodedata.normalize("NFC", name)
    text = "".join(" " if char in "\t\r\n" else char for char in text if _plain(char))
    text = " ".join(re.split(r"[/\\]", text.strip())[-1].split())
    text = _FORBIDDEN.sub("_", text).strip(" ") if text.strip(". ") else ""
    if _RESERVED.fullmatch(text):
        text = "_" + text
    return _shortened(text) if text else f"attachment-{number}{extension_of(content_type)}"


def _plain(char: str) -> bool:
    return char in "\t\r\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _shortened(text: str) -> str:
    if len(text) <= MAX_NAME:
        return text
    stem, dot, extension = text.rpartition(".")
    if not dot or len(extension) > 12:
        return text[:MAX_NAME]
    return stem[: MAX_NAME - len(extension) - 1] + "." + extension


def extension_of(content_type: str) -> str:
    """`.pdf` for application/pdf; `.bin` for what nobody knows."""
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
