"""Passwords whose writer dropped the blank before them: «парольМурзик», "passwordSecret1".

Programs write such words, too (PasswordReset), so an English one needs a digit; a Russian one is enough
with a capital or a Latin letter, for Russian words are not written so.
"""

import re
from collections.abc import Iterator

from omnidesk.domain import secret_words as words

_GLUED = re.compile(
    r"(?:(?<![^\W_])|(?<=[а-яё])(?=П))(?:(?P<russian>[Пп]ароль(?=[A-ZА-ЯЁa-z\d])|ПАРОЛЬ(?=[A-Za-z\d]))"
    r"|(?<![/.@#_\\-])(?:[Pp]assword|[Pp]asswd|[Pp]arol)(?=[A-ZА-ЯЁа-яё\d])|(?<![/.@#_\\-])PASSWORD(?=[А-ЯЁа-яё\d]))"
    r"(?P<value>\S{4,64})(?!\S)"
)
_HUMP = re.compile(r"[^\W\d_][a-zа-яё]*")
_PROGRAM = re.compile(r"[(/\\]|\.[a-z]\w*$|[a-z]\w*=")
_OF_PROGRAMS = words.word_set(
    "reset hash hasher manager field form input policy hint change changed recovery recover update updater token "
    "text label box less encoder util utils helper service controller validator validation strength rule rules "
    "expired expiry salt min max length key file store vault safe auth authentication login user app page view "
    "model error exception test protected generator wifi sms email id pin code wi"
)
_CLOSERS = ".,;:!?)]}»\"'”’`*>|"


def find(text: str, folded: str) -> Iterator[tuple[int, int, str]]:
    """Those passwords; `folded` is the text case-folded."""
    if not any(stem in folded for stem in ("пароль", "passw", "parol")):
        return
    for found in _GLUED.finditer(text):
        value = found["value"].rstrip(_CLOSERS)
        if len(value) >= 4 and _is_secret(text, found, value):
            yield found.start("value"), found.start("value") + len(value), "password"


def _is_secret(text: str, found: re.Match[str], value: str) -> bool:
    hump = _HUMP.match(value)
    first = hump[0].lower() if hump else ""
    if (first != "secret" and first in words.STOP) or first in _OF_PROGRAMS or _PROGRAM.search(value):
        return False
    if re.search(r"\d", value):
        return not words.MEASURE.match(text, found.start("value") + len(value))
    if not found["russian"] or "-" in value or not value.isalpha():
        return bool(found["russian"]) and not value.isalpha() and re.search(r"[!@#$%^&*?+=~|]\w", value) is not None
    if value.isascii():
        return True
    is_one = hump is not None and hump[0] == value
    forgot = words.FORGOT.search(text[max(0, found.start() - 50) : found.start()])
    return is_one and not forgot and not words.RUSSIAN_VERB.search(first) and not words.RUSSIAN_INFLECTED.search(first)
