"""Ticket numbers that can be dictated: digits only, no volume to read off, a slip is caught.

A sequence is scattered by a keyed permutation and gets a check digit, so numbers made from
different sequences never collide and neighbours look unrelated. The permutation is a Feistel
network over two mixed radices (a x b = all payloads of one length), hence no cycle walking; its
round functions are tables drawn from SHAKE-256, made once per key and length.
Sources: Black and Rogaway, "Ciphers with arbitrary finite domains" (2002); H. M. Damm, "Total
anti-symmetrische Quasigruppen" (2004), which catches every wrong digit and every adjacent swap.
"""

import re
import struct
import unicodedata
from functools import lru_cache
from hashlib import shake_256

_SHORTEST = 8  # payload digits, without the check digit
_LONGEST = 12
_ROUNDS = 10
_DAMM = tuple(
    tuple(int(digit) for digit in row)
    for row in (
        "0317598642",
        "7092154863",
        "4206871359",
        "1750983426",
        "6123045978",
        "3674209581",
        "5869720134",
        "8945362017",
        "9438617205",
        "2581436790",
    )
)


def make(sequence: int, key: bytes) -> str:
    """The number of the ticket with this sequence (from 0): 9 digits, the first never 0.

    The first 90 million numbers have 9 digits, the next 900 million 10, and so on, so that
    lengths differ and nothing collides. The key must stay the same for the life of a desk.
    Raises ValueError when the sequence is negative or beyond 13 digits.
    """
    if sequence < 0:
        raise ValueError("a sequence starts at 0")
    for length in range(_SHORTEST, _LONGEST + 1):
        size = 9 * 10 ** (length - 1)
        if sequence < size:
            payload = str(_permuted(sequence, key, length) + 10 ** (length - 1))
            return payload + str(_check_digit(payload))
        sequence -= size
    raise ValueError("no numbers left")


def is_valid(number: str) -> bool:
    """Is this a number that `make` can give: length, first digit, check digit?"""
    well_formed = number.isascii() and number.isdecimal() and _SHORTEST < len(number) <= _LONGEST + 1
    return well_formed and number[0] != "0" and _check_digit(number) == 0


def grouped(number: str) -> str:
    """`123456789` as people write it: `123-456-789`; ten digits end in a group of four."""
    cuts = [number[i : i + 3] for i in range(0, len(number), 3)]
    if len(cuts) > 1 and len(cuts[-1]) == 1:
        cuts[-2:] = [cuts[-2] + cuts[-1]]
    return "-".join(cuts)


def speakable(number: str, language: str) -> str:
    """Digit by digit in words, a comma after each group, for a voice on the phone.

    Languages: ru, en; any other is read in English. `normalise` turns it back.
    """
    words = _SPOKEN["ru" if language.lower().startswith("ru") else "en"]
    return ", ".join(" ".join(words[int(digit)] for digit in group) for group in grouped(number).split("-"))


def normalise(spoken: str) -> str | None:
    """The digits of a number as written or said, whole or in part; None when it is something else.

    Spaces, dashes, №, # and digits of any script are understood, and so are Russian and English
    numerals: «сорок восемь двести тринадцать» and "forty-eight, two one three" are 48213, «две
    семёрки» is 77, "double five" is 55. Numerals join as long as they fall ("twenty three" is
    23). Whether the number exists or its check digit fits is not looked at.
    """
    if len(spoken) > 400:
        return None
    plain = unicodedata.normalize("NFKC", spoken).casefold().replace("ё", "е")
    said = _Said()
    for word in _WORDS.findall(plain):
        if not said.hear(word):
            return None
    digits = said.finish()
    return digits if 0 < len(digits) <= _LONGEST + 1 else None


def _check_digit(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][ord(digit) - 48]
    return interim


def _permuted(value: int, key: bytes, length: int) -> int:
    """A bijection of 0 ... 9 * 10^(length-1) - 1, given by the key."""
    a, b, tables = _rounds(key, length)
    left, right = divmod(value, b)
    for into_left, into_right in tables:
        left = (left + into_left[right]) % a
        right = (right + into_right[left]) % b
    return left * b + right


@lru_cache(maxsize=16)
def _rounds(key: bytes, length: int) -> tuple[int, int, list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """The two radices and, per pair of rounds, what is added to the left and to the right half."""
    a, b = 9 * 10 ** ((length - 1) // 2), 10 ** (length // 2)
    seeds = [struct.pack(">IBB", len(key), length, number) + key for number in range(_ROUNDS)]
    tables = [_table(seed, a if number % 2 else b) for number, seed in enumerate(seeds)]
    return a, b, list(zip(tables[::2], tables[1::2], strict=True))


def _table(seed: bytes, entries: int) -> tuple[int, ...]:
    drawn = shake_256(b"omnidesk ticket number" + seed).digest(entries * 4)
    return struct.unpack(f">{entries}I", drawn)


_WORDS = re.compile(r"\d+|[^\W\d_]+|[^\s\d\-–—‐‑.,;:/()#_]")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SPOKEN = {
    "ru": _words("ноль один два три четыре пять шесть семь восемь девять"),
    "en": _words("zero one two three four five six seven eight nine"),
}
_TEENS = {
    "ru": _words(
        "десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать "
        "девятнадцать"
    ),
    "en": _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
}
_TENS = {
    "ru": _words("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто"),
    "en": _words("twenty thirty forty fifty sixty seventy eighty ninety"),
}
_HUNDREDS = _words("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")
_SCALES = {"hundred": 100, "thousand": 1000, "тысяч": 1000, "тысяча": 1000, "тысячи": 1000, "тысячу": 1000}
_TIMES = {"double": 2, "triple": 3}
_NOUN_STEMS = _words("нул единиц двойк тройк четверк пятерк шестерк семерк восьмерк девятк")
_NOUNS = {stem + end: digit for digit, stem in enumerate(_NOUN_STEMS) for end in ("а", "ы", "и", "у", "я", "ей")}
_FILLERS = frozenset(
    _words(
        "n ° no № номер номером номера тикет тикета заявка заявки заявку обращение обращения обращению "
        "ticket number case request and и это мой моя my is the"
    )
)


def _numerals() -> dict[str, int]:
    values = {"нуль": 0, "oh": 0, "o": 0, "о": 0, "одна": 1, "две": 2}
    for language in ("ru", "en"):
        values |= {word: digit for digit, word in enumerate(_SPOKEN[language])}
        values |= {word: 10 + index for index, word in enumerate(_TEENS[language])}
        values |= {word: 20 + 10 * index for index, word in enumerate(_TENS[language])}
    return values | {word: 100 + 100 * index for index, word in enumerate(_HUNDREDS)}


_NUMERALS = _numerals()


class _Said:
    """Collects words into digits: a group grows while its numerals fall, then its digits are kept."""

    def __init__(self) -> None:
        self._digits = ""
        self._group: int | None = None
        self._room = 0  # only a numeral below this still joins the group
        self._times = 1  # of the digit to come, after "double"

    def hear(self, word: str) -> bool:
        """Take one word; False when it is neither a numeral nor a filler."""
        if word.isdecimal():
            self._keep("".join(str(unicodedata.decimal(char)) for char in word))
        elif word in _NUMERALS:
            self._say(_NUMERALS[word])
        elif word in _NOUNS:
            self._say_noun(str(_NOUNS[word]))
        elif word in _TIMES:
            self._keep("")
            self._times = _TIMES[word]
        elif word in _SCALES:
            return self._scale(_SCALES[word])
        else:
            return word in _FILLERS
        return True

    def finish(self) -> str:
        self._keep("")
        return self._digits

    def _say(self, value: int) -> None:
        if self._times > 1:
            self._keep(str(value) * self._times)
        elif self._group is not None and 0 < value < self._room:
            self._group += value
        else:
            self._keep("")
            self._group = value
        self._room = 100 if value >= 100 else 10 if value >= 20 else 0

    def _say_noun(self, digit: str) -> None:
        """«Две семёрки»: the numeral before tells how often; alone the noun is one digit."""
        if self._group in (2, 3, 4):
            digit, self._group = digit * self._group, None
        self._keep(digit)

    def _scale(self, by: int) -> bool:
        group = self._group if self._group is not None or by == 100 else 1  # «тысяча» alone is one thousand
        if not group or group >= (10 if by == 100 else 1000) or self._times > 1:
            return False
        self._group, self._room = group * by, by
        return True

    def _keep(self, digits: str) -> None:
        group = "" if self._group is None else str(self._group)
        self._digits += group + digits
        self._group, self._room, self._times = None, 0, 1
