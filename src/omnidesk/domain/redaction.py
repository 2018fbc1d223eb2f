"""Secrets that customers send are masked before a message is stored, indexed, logged or forwarded.

Kinds: password, card, cvv, code (one-time codes), pin, codeword. The rules are heuristics for
Russian and English: what is clearly announced or is a card number is masked, at the price of a
few harmless words. Attachments are not looked into.
"""

import html as entities
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from omnidesk.domain import card_numbers, secret_values
from omnidesk.domain.secret_requests import asks_for_secret
from omnidesk.domain.text import is_plain

__all__ = ["MASK", "Masked", "asks_for_secret", "mask", "mask_html", "mask_parts"]

MASK = "••••••"
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u2060-\u2064\ufeff]")
_BLANKS = str.maketrans(
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " " * 14
)
_AFTER_CARD = re.compile(
    r"[\s,;:|/()\-—]*(?:(?:exp\w*|valid\w*|до|срок\w*|годн\w*)[\s.:]*(?:\w+\s+)?)?\d{1,2}\s?[/.\-\\]\s?(?:20)?\d{2}"
    r"(?:[\s,;:|/()\-—]+[^\W\d_]{2,25}){0,4}[\s,;:|/()\-—]+(?P<cvv>\d{3,4})(?![\d]|[.,:/-]\d)",
    re.IGNORECASE,
)
_MOST_REPEATS = 200  # distinct secrets that are looked for once more


@dataclass(frozen=True, slots=True)
class Masked:
    """The text without its secrets. `secrets` are what was taken out: for masking other parts, never to be kept."""

    text: str
    found: tuple[str, ...]  # kinds, each once, sorted
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


Span = tuple[int, int, str]  # start, end, kind; in what is visible
Places = list[tuple[int, int]]  # where each visible character stands in the source
Cut = tuple[int, int, str, str]  # start, end, what comes instead, kind; in the source


def mask(text: str, secrets: Iterable[str] = ()) -> Masked:
    """The text with every secret replaced by `MASK`; `secrets` of other parts are masked as well.

    What was found once is masked everywhere in the text. Masking a masked text changes nothing.
    """
    visible, places = _visible(text)
    spans = _spans(visible, frozenset(secrets))
    return _masked(text, _cuts(places, spans), _values(visible, spans))


def mask_parts(*parts: str) -> tuple[Masked, ...]:
    """Subject, body, quotation … of one message, read as one text: what one announces may stand in the next."""
    visible, places = _visible("\n".join(parts))
    spans = _spans(visible, frozenset())
    cuts, secrets, offset, masked = _cuts(places, spans), _values(visible, spans), 0, []
    for part in parts:
        end = offset + len(part)
        own = [
            (max(a, offset) - offset, min(b, end) - offset, put, kind)
            for a, b, put, kind in cuts
            if a < end and offset < b
        ]
        masked.append(_masked(part, own, secrets))
        offset = end + 1
    return tuple(masked)


def mask_html(html: str, secrets: Iterable[str] = ()) -> Masked:
    """Sanitised HTML with the secrets of its visible text masked, also where tags split them.

    Tags stay where they are. A secret that the text shows is removed from attributes, too (programs
    make links of numbers), and card numbers are masked there in any case.
    """
    visible, places, tags = _visible_html(html)
    spans = _spans(visible, frozenset(secrets))
    values = _values(visible, spans)
    shown = {form for value in {*values, *secrets} if len(value) >= 3 for form in _forms(value)}
    cuts = _cuts(places, spans) + [cut for start, end in tags for cut in _cuts_in_tag(html, start, end, shown)]
    return _masked(html, cuts, values)


def _spans(text: str, secrets: frozenset[str]) -> list[Span]:
    """All secrets of a visible text, sorted, those that overlap merged under the first one's kind."""
    if not is_plain(text):
        text = text.translate(_BLANKS)
    found = [(start, end, "card") for start, end in card_numbers.find(text)]
    for _, end, _ in list(found):
        if cvv := _AFTER_CARD.match(text, end, end + 140):
            found.append((*cvv.span("cvv"), "cvv"))
    found += secret_values.find(text)
    if not found and not secrets:
        return []
    found += list(_repeats(text, found, secrets))
    merged: list[Span] = []
    for start, end, kind in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        elif MASK not in text[start:end]:
            merged.append((start, end, kind))
    return merged


def _repeats(text: str, found: list[Span], secrets: frozenset[str]) -> Iterator[Span]:
    """The same values again, without announcement; ordinary words and short numbers are not chased."""
    known = dict.fromkeys((secret.translate(_BLANKS) for secret in secrets), "password") | {
        text[start:end]: kind for start, end, kind in found
    }
    telling = [(value, kind) for value, kind in known.items() if _is_telling(value)]
    for value, kind in telling[:_MOST_REPEATS]:
        at = text.find(value)
        while at >= 0:
            end = at + len(value)
            if not value.isdecimal() or not (text[at - 1 : at].isdecimal() or text[end : end + 1].isdecimal()):
                yield at, end, kind
            at = text.find(value, end)


def _is_telling(value: str) -> bool:
    if value.isdecimal():
        return len(value) >= 6
    return len(value) >= 5 and (not value.isalpha() or not (value.islower() or value.istitle()))


def _values(visible: str, spans: list[Span]) -> frozenset[str]:
    return frozenset(visible[start:end] for start, end, _ in spans)


def _cuts(places: Places | None, spans: list[Span]) -> list[Cut]:
    """Visible spans in the source: the first run of a secret becomes the mask, its other runs go."""
    cuts: list[Cut] = []
    for start, end, kind in spans:
        runs = [(start, end)] if places is None else _runs(places[start:end])
        cuts += [(a, b, "" if index else MASK, kind) for index, (a, b) in enumerate(runs)]
    return cuts


def _runs(places: Places) -> Places:
    runs: Places = []
    for start, end in places:
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        elif start < end:
            runs.append((start, end))
    return runs


def _masked(source: str, cuts: list[Cut], secrets: frozenset[str]) -> Masked:
    pieces, at = [], 0
    for start, end, put, _ in sorted(cuts):
        pieces += [source[at:start], put]
        at = max(at, end)
    return Masked("".join([*pieces, source[at:]]), tuple(sorted({kind for *_, kind in cuts})), secrets)


def _visible(text: str) -> tuple[str, Places | None]:
    """The text without characters of no width, and where the others stand; None: where they are."""
    if is_plain(text) or not _INVISIBLE.search(text):
        return text, None
    kept = [(index, char) for index, char in enumerate(text) if not _INVISIBLE.match(char)]
    return "".join(char for _, char in kept), [(index, index + 1) for index, _ in kept]


_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<raw>style|script)\b[^<>]*>.*?(?:</(?P=raw)\s*>|\Z)|"
    r"<(?P<tag>/?[a-zA-Z][\w:-]*)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|(?P<entity>&(?:\#\w{1,8}|\w{2,32});)|(?P<text>[^<&]+|[<&])",
    re.DOTALL | re.IGNORECASE,
)
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
    "u", "var", "wbr",
})  # fmt: skip


def _visible_html(html: str) -> tuple[str, Places, Places]:
    """What a reader sees, where each of its characters stands, and where the tags are.

    Tags of blocks and breaks are seen as line ends, those of cells as blanks.
    """
    visible: list[str] = []
    places: Places = []
    tags: Places = []
    for found in _MARKUP.finditer(html):
        start, end = found.span()
        seen = ""
        if found["tag"]:
            tags.append((start, end))
            name = found["tag"].strip("/").lower()
            seen = "" if name in _INLINE else " " if name in ("td", "th") else "\n"
            if seen == "\n" and name != "br" and visible and visible[-1].endswith("\n"):
                seen = ""
            places += [(start, start)] * len(seen)
        elif found["entity"]:
            seen = entities.unescape(found[0])
            places += [(start, end)] * len(seen)
        elif found["text"]:
            seen = found[0].replace("\n", " ").replace("\r", " ")
            places += [(index, index + 1) for index in range(start, end)]
        if seen:
            visible.append(seen)
    text = "".join(visible)
    clean, kept = _visible(text)
    return (text, places, tags) if kept is None else (clean, [places[index] for index, _ in kept], tags)


def _forms(value: str) -> set[str]:
    """How a secret looks inside an attribute."""
    forms = {value, entities.escape(value), entities.escape(value).replace("\u00a0", "&nbsp;"), quote(value)}
    forms |= {prefixed[1]} if (prefixed := re.fullmatch(r"[A-Z]{1,3}-([\d -]+)", value)) else set()
    bare = "".join(str(unicodedata.decimal(char)) for char in value if char.isdecimal())
    return forms | {bare} if len(bare) >= 13 else forms


def _cuts_in_tag(html: str, start: int, end: int, secrets: set[str]) -> Iterator[Cut]:
    tag = html[start:end]
    spans = list(card_numbers.find(tag)) if len(tag) > 16 else []
    for secret in secrets if "=" in tag else ():
        whole = r"(?<=[\"':/=])%s(?=[\"'&?])" if len(secret) < 6 or secret.isalpha() else "%s"
        spans += [found.span() for found in re.finditer(whole % re.escape(secret), tag)]
    for a, b in _runs(sorted(spans)):
        yield start + a, start + b, MASK, "card" if tag[a:b].isdecimal() else "password"
