"""What is looked for, and what it is compared with: words, numbers, addresses, phrases.

Both sides are made here, so that they meet: a text becomes plain words, and what must be found whole (a ticket's
number, an order, an address, a telephone) becomes a *key*. Numbers and telephones have a second key, written
backwards, by which their last digits are found. Keys that begin with `@` tell when a ticket was made.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.domain import numbers
from omnidesk.domain.facts import phone_number
from omnidesk.domain.text import folded

LONGEST = 300  # characters of a query
MOST_WORDS = 24
SHORTEST_PREFIX = 3
SHORTEST_NUMBER = 3  # digits
_LONGEST_WORD = 64
_MOST_TEXT = 60_000  # characters of a ticket
_MOST_NAMES = 10_000
_MOST_KEYS = 500
_MONTH, _AGE = 32, 1024  # days

_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"[^\W_]+(?:[-/_.][^\W_]+)+")
_ADDRESS = re.compile(r"[^\s@<>,;:()\"'«»]+@[^\s@<>,;:()\"'«»]+")
_EDGES = "@.,;:<>()!?"
_PARTS = re.compile(r'"([^"]*)"|«([^»]*)»|“([^”]*)”|([^\s"«“]+)')
_NOT_IN_PHONES = re.compile(r"[^\d+()\s.–-]")


@dataclass(frozen=True, slots=True)
class Key:
    """Something that is found whole, or by its beginning."""

    text: str
    begins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One condition of a query: words (`prefix`: the last one may go on), or an exact phrase; or any of the keys."""

    words: str = ""
    phrase: bool = False
    prefix: bool = False
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All parts must be met; or, when the whole of it is a number or a telephone, one of `whole`."""

    parts: tuple[Part, ...]
    whole: tuple[Key, ...] = ()


class NothingToFind(ValueError):
    """There is no word and no number in it."""


class TooMuch(ValueError):
    """It is longer than a query may be."""


def parse(text: str) -> Query:
    """Read what somebody looks for. Raises NothingToFind, TooMuch; everything else means something.

    Words between quotes are a phrase. The last word may still be typed: it also counts as a beginning when it has
    three letters and no blank follows.
    """
    if len(text) > LONGEST:
        raise TooMuch
    typing = bool(text) and not text[-1].isspace()
    plain = folded(text)
    parts = list(_parts(plain))
    if not parts:
        raise NothingToFind
    if sum(len(part.words.split()) or 1 for part in parts) > MOST_WORDS:
        raise TooMuch
    if typing and (parts[-1].keys or not parts[-1].phrase):
        parts[-1] = _growing(parts[-1])
    return Query(parts=tuple(parts), whole=tuple(dict.fromkeys(_whole(text))))


def _parts(plain: str) -> Iterator[Part]:
    for found in _PARTS.finditer(plain):
        quoted = next((group for group in found.groups()[:3] if group is not None), None)
        if quoted is not None:
            if said := words(quoted):
                yield Part(words=said, phrase=True)
            continue
        token = found[4]
        said = words(token)
        if "@" in token.strip("@") and said:
            yield Part(keys=(Key(token.strip(_EDGES)),))
        elif _CODE.search(token):  # an order; or an address that is still typed
            has_digits = any(map(str.isdigit, token))
            yield Part(words=said, phrase=True, keys=(Key(compact(token) if has_digits else token.strip(_EDGES)),))
        elif said:
            yield from (Part(words=word) for word in said.split())


def _growing(part: Part) -> Part:
    if part.words and not part.keys:
        long = len(part.words) >= SHORTEST_PREFIX
        return Part(words=part.words, prefix=long)
    longer = tuple(Key(key.text, begins=len(key.text) >= SHORTEST_PREFIX) for key in part.keys)
    return Part(words=part.words, phrase=part.phrase, keys=longer)


def _whole(text: str) -> Iterator[Key]:
    """Numbers and telephones that the whole query may be: written, dictated, its beginning, its end."""
    digits = numbers.normalise(text)
    if digits and len(digits) >= SHORTEST_NUMBER:
        yield Key(digits, begins=True)
        yield Key(backwards(digits), begins=True)
    if not _NOT_IN_PHONES.search(text):
        bare = re.sub(r"\D", "", text)
        if SHORTEST_NUMBER <= len(bare) <= 15:
            yield Key(bare, begins=True)
            yield Key(backwards(bare), begins=True)
        if phone := phone_number(text):
            yield Key(phone[1:])


# --- what tickets are found by --------------------------------------------------------------------


def words(text: str, most: int | None = None) -> str:
    """The words of a text, folded, with blanks between; at most so many characters of it are looked at."""
    found = _WORD.findall(folded(text[:most] if most else text))
    return " ".join(word for word in found if len(word) <= _LONGEST_WORD)


def compact(code: str) -> str:
    """An order or receipt number without what people put between its parts: AB-12345 is ab12345."""
    return "".join(_WORD.findall(folded(code)))[:_LONGEST_WORD]


def backwards(digits: str) -> str:
    """The key by which last digits are found."""
    return "@r" + digits[::-1]


def codes(text: str) -> set[str]:
    """Keys of what is written with hyphens or slashes and has digits, and of addresses."""
    found = {compact(match) for match in _CODE.findall(text) if any(map(str.isdigit, match))}
    if "@" in text:
        found |= {folded(match).strip(".")[:200] for match in _ADDRESS.findall(text)}
    return found


def digits_keys(digits: str) -> tuple[str, ...]:
    """A number or telephone, whole and backwards."""
    return (digits, backwards(digits))


# --- when tickets were made -----------------------------------------------------------------------


def day_of(moment: datetime) -> int:
    """The day of a moment in UTC, counted since 1970."""
    return int(moment.timestamp()) // 86_400


def day_keys(day: int) -> tuple[str, ...]:
    """The keys of a day: itself, its 32 days, its 1 024 days."""
    return (f"@d{day}", f"@m{day // _MONTH}", f"@y{day // _AGE}")


def cover(first: int, last: int) -> list[str]:
    """As few keys as cover the days from `first` to `last`, both included, and no other day."""
    found, day = [], first
    while day <= last:
        length, name = next(
            (length, name)
            for length, name in ((_AGE, "@y"), (_MONTH, "@m"), (1, "@d"))
            if day % length == 0 and day + length - 1 <= last
        )
        found.append(f"{name}{day // length}")
        day += length
    return found


def literal(keys: Iterable[tuple[str, str]]) -> str:
    """A `tsvector` of (key, weight A to D), as PostgreSQL reads it."""
    return " ".join(f"{quoted(key)}:1{weight}" for key, weight in keys if key)


def quoted(key: str) -> str:
    """A key within a `tsvector` or `tsquery`: nothing in it can be read as an operator."""
    return "'" + key.replace("\\", "\\\\").replace("'", "''").replace("\0", "") + "'"


# --- the document of a ticket ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    kind: str
    address: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a ticket is found by; its texts newest first."""

    ticket_id: UUID
    number: str
    created_at: datetime
    subject: str
    facts: Mapping[str, Any]
    people: Sequence[Person] = ()
    texts: Sequence[str] = ()

    def row(self) -> tuple[UUID, str, str, str, str]:
        """(ticket, words of the title, words of names, words that were said, keys as a `tsvector`)."""
        stated = [str(value) for value in self.facts.values() if isinstance(value, str | int)]
        text = "\n".join(self.texts)[:_MOST_TEXT]
        names = dict.fromkeys(name for person in self.people for name in (*person.names, person.address))
        keys = [(key, "A") for key in digits_keys(self.number)]
        keys += [(key, "D") for key in day_keys(day_of(self.created_at))]
        keys += [(key, "B") for person in self.people for key in _address_keys(person)]
        keys += [(key, "B") for value in stated for key in {compact(value), *codes(value)}]
        keys += [(key, "D") for key in codes(text)]
        known: dict[str, str] = {}
        for key, weight in keys:
            known.setdefault(key, weight)  # the weightiest of a key that is there twice
        return (
            *(self.ticket_id, words(self.subject), words(" ".join([*names, *stated]), _MOST_NAMES), words(text)),
            literal(list(known.items())[:_MOST_KEYS]),
        )


def _address_keys(person: Person) -> tuple[str, ...]:
    address = folded(person.address)[:200]
    if person.kind == "phone":
        return digits_keys(re.sub(r"\D", "", address))
    return (address,)
