"""Text as it is kept and compared: clean, composed, short enough. All of it in linear time.

Sources: UAX #15 (normalisation, section 13 on stream-safe text), UAX #9 (bidirectional controls).
"""

import re
import unicodedata
from typing import Literal

_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # controls but tab and newline
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides, isolates: they show a text in another order than it is read
    "\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e001f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARKS = re.compile(r"[^\w\s\x00-\x7f]{31,}")  # no combining mark is a word character
_SPACES = re.compile(r"\s+")
_PREFIX = re.compile(
    r"(?: ?(?:re|fwd?|aw|wg|sv|vs|vb|rv|tr|antw|odp|pd|ynt|ilt|res|enc|отв|ответ|пересл|переслано|пересылка|на|"
    r"回复|答复|转发|轉寄|回覆)\.?"
    r"(?: ?[\[(]\d{1,4}[\])]|\^\d{1,4}|\d{1,2})? ?[:：])+ ?",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """The text for storage: NFC, newlines as \\n, without NUL, control characters and bidi overrides.

    Lone surrogates become U+FFFD. Marks that only shape a script (joiners, LRM, RLM) stay. Cleaning
    a clean text changes nothing.
    """
    if text.isascii() and is_plain(text):
        return text
    text = _DROPPED.sub("", _NEWLINES.sub("\n", text))
    return normal("NFC", _SURROGATES.sub("\ufffd", text))


def is_plain(text: str) -> bool:
    """True where a quick look says that there are no blanks but spaces and newlines, and nothing of no width."""
    return text.replace("\n", " ").isprintable() and "\u034f" not in text


def shorten(text: str, length: int) -> str:
    """The text in at most `length` characters (at least 1), ending in … when something was cut.

    Cuts at a space when there is one in the last quarter, and never before a combining mark or joiner.
    """
    if length < 1:
        raise ValueError("nothing fits into less than one character")
    if len(text) <= length:
        return text
    end = length - 1
    space = max(text.rfind(" ", 0, end + 1), text.rfind("\n", 0, end + 1))
    if space >= end * 3 // 4:
        end = space
    while end and _clings(text, end):
        end -= 1
    return text[:end].rstrip() + "…"


def subject(text: str) -> str:
    """A subject without its Re:, Fwd:, Отв:, AW: … however many, on one line; for threading and titles."""
    line = _SPACES.sub(" ", clean(text)).strip()
    found = _PREFIX.match(line)
    return line[found.end() :].strip() if found else line


def folded(text: str) -> str:
    """The text for comparing: NFKC, case folded, ё as е, white space as single blanks."""
    plain = normal("NFKC", normal("NFKC", text).casefold()).replace("ё", "е")
    return _SPACES.sub(" ", plain).strip()


def normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    """`unicodedata.normalize` (NFC, NFKC …) for text of strangers.

    Sorting a run of combining marks takes quadratic time (a minute for 200 KB), so long runs get a
    combining grapheme joiner after every 30 marks first, as UAX #15 does for stream-safe text.
    """
    return text if text.isascii() else unicodedata.normalize(form, _MARKS.sub(_bounded, text))


def _bounded(run: re.Match[str]) -> str:
    bounded, marks = [], 0
    for char in run[0]:
        if not unicodedata.combining(char):
            marks = 0
        elif marks == 30:
            bounded.append("\u034f")
            marks = 1
        else:
            marks += 1
        bounded.append(char)
    return "".join(bounded)


def _clings(text: str, end: int) -> bool:
    """Would a cut here tear a character from its marks?"""
    after, before = text[end], text[end - 1]
    is_tone = "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones of emoji
    return is_tone or "\u200d" in (after, before) or unicodedata.category(after) in ("Mn", "Me", "Mc")
