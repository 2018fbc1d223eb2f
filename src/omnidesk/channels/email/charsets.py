"""Bytes to text when the declared charset is missing, misspelt or a lie.

The order is: what was declared, when it holds; UTF-8; the Cyrillic charsets, scored by how Russian
the result reads; charset-normalizer; windows-1252, which never fails.
"""

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

_SCORED = ("cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic")
_GUESS_BYTES = 16_384  # enough to know a charset by; the guessers are slow
_GUESSABLE = 12  # bytes above ASCII; fewer are Western accents more often than a guess is right
_ALIASES = {
    "iso-8859-1": "cp1252",  # as every browser does: the C1 controls are never meant
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "big5": "big5hkscs",
    "big-5": "big5hkscs",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman",
    "x-user-defined": "cp1252",
    "unicode": "utf-16",
    "dos-866": "cp866",
    "x-cp866": "cp866",
    "koi8": "koi8-r",
    "koi-8": "koi8-r",
}
_SINGLE_BYTE = re.compile(r"cp\d{3,4}|iso8859-\d+|koi8-[rut]|mac-\w+")
_TEXT_CODECS = re.compile(r"utf|iso|cp|koi|mac|big5|gb|euc|shift|hz|ascii|tis|ptcp|kz|hp|johab")
_SHIFTED = re.compile(rb"\x1b[$(]|~\{|\+[A-Za-z0-9/]")  # ISO-2022, HZ and UTF-7 hide their letters in ASCII
_WIDE = ("utf-16", "utf-32")  # in these, letters of other alphabets are pairs of ASCII bytes
_ACCENTED_RUN = re.compile(r"[\u00c0-\u00ff\u0192\u201a-\u203a]{4,}")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {
    letter: weight
    for weight, letters in ((3, "оеаинтсрвл"), (2, "кмдпуяыьгзб"), (1, "чйхжшюцщэфёіїєґў"))
    for letter in letters
}
_CYRILLIC_WORD = re.compile(r"[Ѐ-ӿ]{3,}")


def decode(data: bytes, declared: str = "") -> str:
    """The text of `data`, for better or worse; never raises, never holds NUL or lone surrogates."""
    if data.isascii() and not _SHIFTED.search(data) and not (b"\0" in data and codec_of(declared)[:6] in _WIDE):
        return data.decode("ascii").replace("\0", "")
    return _decode(data, codec_of(declared)).replace("\0", "")


@lru_cache(maxsize=512)
def codec_of(declared: str) -> str:
    """Python's name of a charset as mails spell it; empty when there is no such text charset."""
    name = declared.strip().strip("\"'").lower().split("*")[0].strip()[:40]
    name = _ALIASES.get(name, name)
    found = re.fullmatch(r"(?:x-)?(?:win|windows|cp|ms|microsoft-cp|ansi)[-_ ]?(12\d\d|8\d\d)", name)
    if found:
        name = "cp" + found[1]
    try:
        known = codecs.lookup(name).name
        return known if _TEXT_CODECS.match(known) else ""
    except (LookupError, ValueError):
        return ""


def _decode(data: bytes, codec: str) -> str:
    utf8 = _strict(data, "utf-8")
    if utf8 is not None and (codec in ("", "utf-8", "ascii") or not _SHIFTED.search(data)):
        wide = sum(1 for char in utf8[:_GUESS_BYTES] if char > "\x7f")
        if wide and (codec in ("", "utf-8", "ascii") or _SINGLE_BYTE.fullmatch(codec) or wide > 2):
            return utf8  # it reads as UTF-8, whatever was declared: that does not happen by chance
    declared = _strict(data, codec) if codec not in ("", "utf-8", "ascii") else None
    if declared is not None:
        return _second_thoughts(data, codec, declared)
    return utf8 if utf8 is not None else _repair(data, codec)


def _second_thoughts(data: bytes, codec: str, declared: str) -> str:
    """A single-byte charset always decodes: look whether what came out can be meant."""
    if codec in _SCORED or (codec in ("cp1252", "cp1254", "mac-roman") and _looks_like_mojibake(declared)):
        best = max(_SCORED, key=lambda each: _russian(data, each))
        if best != codec and _russian(data, best) > max(1.6 * _russian(data, codec), 1.2):
            return _lenient(data, best)
    return declared


def _looks_like_mojibake(text: str) -> bool:
    """Western text has accented letters one by one; Cyrillic read as Western has whole words of them."""
    sample = text[:_GUESS_BYTES]
    run = sum(len(found) for found in _ACCENTED_RUN.findall(sample))
    return run > 0.5 * sum(len(word) for word in _WORD.findall(sample) if not word.isascii())


def _repair(data: bytes, codec: str) -> str:
    """Nothing decodes cleanly: mostly right UTF-8 (a cut, a stray byte), else the best guess."""
    broken = data.decode("utf-8", "replace")
    bad = broken.count("\ufffd")
    good = sum(1 for char in broken if char > "\x7f") - bad
    if good >= 4 * bad:
        return broken
    if codec and codec not in ("utf-8", "ascii"):
        text = data.decode(codec, "replace")
        if text.count("\ufffd") * 20 <= len(text):
            return text
    return guess(data)


def guess(data: bytes) -> str:
    """Text of unknown charset that is not UTF-8."""
    best = max(_SCORED, key=lambda each: _russian(data, each))
    if _russian(data, best) > 1.2:
        return _lenient(data, best)
    high = sum(1 for byte in data[:_GUESS_BYTES] if byte > 0x7F)
    found = from_bytes(data[:_GUESS_BYTES]).best() if high >= _GUESSABLE else None
    codec = found.encoding if found is not None and _TEXT_CODECS.match(found.encoding) else "cp1252"
    return _lenient(data, codec)


def _russian(data: bytes, codec: str) -> float:
    """How Russian these bytes read in a charset: weight per high byte; above 1.2 is text, 2 is usual."""
    text = data[:_GUESS_BYTES].decode(codec, "replace")
    high = sum(1 for char in text if char > "\x7f")
    if not high or not _CYRILLIC_WORD.search(text):
        return 0.0
    score: float = sum(_COMMON.get(char, 0) for word in _CYRILLIC_WORD.findall(text) for char in _lowered(word))
    score += sum(1.5 for char in text if char in "№«»—–…“”")
    return score / high


def _lowered(word: str) -> str:
    """The letters of a word that stand in a likely case: `Привет` and `ПРИВЕТ` whole, `оПХБЕР` hardly."""
    if word[1:].islower() or (word.isupper() and len(word) > 1):
        return word.lower() if not word.isupper() else word.lower()[: len(word) * 3 // 4]
    return word[0] if word[0].islower() else ""


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return _clean(data.decode(codec))
    except (UnicodeError, LookupError, ValueError):
        return None


def _lenient(data: bytes, codec: str) -> str:
    return _clean(data.decode(codec, "replace"))


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8") if re.search(r"[\ud800-\udfff]", text) else text
