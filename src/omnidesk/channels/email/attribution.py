"""The lines by which mail programs announce history: `On … wrote:`, header blocks, separators."""

import re
from functools import lru_cache
from typing import NamedTuple

from omnidesk.channels.email import phrases
from omnidesk.channels.email.phrases import DATE, FROM

_DIGIT = re.compile(r"\d")
_LONGEST = 400  # characters of an attribution, over all its lines
_MOST_LINES = 4
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_RULE = re.compile(r"[ \t>]{0,4}([-_=*~+‐-―─━#])\1{2,}[ \t]*|[ \t]{0,4}(?:[-_=*] ){5,}[-_=*]?[ \t]*")
_DASHED = re.compile(r"[ \t>*]{0,6}[-_=*+‐-―─━~]{2,}[ \t]*([^-_=*+‐-―─━~].{1,80}?)[ \t]*[-_=*+‐-―─━~:]{1,}[ \t*]{0,4}")
_WHEN = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[:.h]\d{2}\b|\b(?:19|20)\d\d\b|\d{1,2}\s?[月日월일]",
    re.ASCII,
)
_BRACKETED = re.compile(r"[<(\[«\"'][^<>()\s@]{0,120}@[^<>()\s]{1,120}[>)\]»\"']|mailto:")
_SHORT_DAY = re.compile(r"[^\W\d]{2,7}(?:\.,?|,) ?\d{1,4}\b")  # of a language that is not among the phrases
_MAIL_AT_END = re.compile(r"[^\s@]@[^\s@]{2,200}[>)\]\"']?\s*$")


def plain(text: str) -> str:
    """A line without bidi marks, zero-width characters and hard spaces."""
    return _INVISIBLE.sub("", text).replace("\u00a0", " ").replace("\u202f", " ")


def next_text(texts: list[str], at: int) -> int:
    """The next line after `at` with something on it; the number of lines when there is none."""
    after = at + 1
    while after < len(texts) and not texts[after].strip():
        after += 1
    return after


def is_rule(text: str) -> bool:
    """Nothing but a drawn line."""
    return len(text) < 400 and bool(_RULE.fullmatch(text))


def is_forward(text: str) -> bool:
    """`---------- Forwarded message ---------`, `Begin forwarded message:` and their translations."""
    if len(text) > 120:
        return False
    inner = _inner(text)
    if inner:
        return bool(phrases.FORWARDS.match(inner))
    return text.rstrip().endswith((":", "：")) and len(text) < 80 and bool(phrases.FORWARDS.match(text.strip()))


def is_separator(texts: list[str], at: int) -> bool:
    """`-----Original Message-----`; without dashes, or with other words, only above a header block."""
    if len(texts[at]) > 120:
        return False
    inner = _inner(texts[at])
    if inner and (phrases.ORIGINALS.match(inner) or inner.lower() == "original"):
        return True
    bare = texts[at].strip(" :*_")
    named = phrases.ORIGINALS.fullmatch(bare) or (len(bare.split()) <= 4 and phrases.ORIGINALS.search(bare))
    if inner or (named and texts[at].rstrip(" *_").endswith((":", "："))) or phrases.ORIGINALS.fullmatch(bare):
        return header_block(texts, next_text(texts, at)) > 0
    return False


def is_reply_above(text: str) -> bool:
    """`##- Please type your reply above this line -##`."""
    return len(text) < 200 and bool(phrases.REPLY_ABOVE.search(text))


def _inner(text: str) -> str:
    found = _DASHED.fullmatch(text) if len(text) <= 120 else None
    return found[1].strip() if found else ""


def header_block(texts: list[str], at: int) -> int:
    """How many lines From, Sent, To, Subject … of an earlier mail take from this line on; 0 when they are none."""
    start = last = at
    kinds: list[str] = []
    values: list[str] = []
    strong = misses = 0
    while at < len(texts) and len(kinds) < 12 and misses < 3:
        label, value = _labelled(texts[at])
        if label:
            kinds.append(phrases.LABELS[label])
            values.append(value)
            strong += label in phrases.STRONG_LABELS
            misses = 0
            last = at
        elif not kinds:
            return 0
        else:
            misses += 1  # a long list of recipients goes on; or an empty line between headers
            values.append(texts[at][:200])
        at += 1
    return last + 1 - start if _is_header_block(kinds, strong, " ".join(values)) else 0


def _is_header_block(kinds: list[str], strong: int, text: str) -> bool:
    distinct = set(kinds)
    if not distinct & {FROM, DATE} or not strong:
        return False
    telling = "@" in text or bool(_WHEN.search(text))
    if len(distinct) >= 3:
        return telling or strong >= 3
    return len(distinct) == 2 and telling and ("@" in text or {FROM, DATE} <= distinct)


@lru_cache(maxsize=64)  # neighbouring windows look at the same lines
def _labelled(text: str) -> tuple[str, str]:
    """The label of a header line as it is known, and its value."""
    text = text[:2_000].strip(" \t*_|")
    for colon in (":", "："):
        label, found, _ = text[:60].partition(colon)
        key = label.strip(" \t*_").lower()
        if found and key in phrases.LABELS:
            return key, text.partition(colon)[2].strip(" *_")[:300]
    return "", ""


def spans(texts: list[str], old: list[bool], at: int) -> list[int]:
    """How many lines an attribution that starts here may take."""
    counts: list[int] = []
    length = 0
    for count in range(1, _MOST_LINES + 1):
        line = at + count - 1
        if line >= len(texts) or old[line] or (not texts[line].strip() and count > 1):
            break
        length += len(texts[line])
        if length > _LONGEST:
            break
        counts.append(count)
    return counts


def is_attribution(lines: list[str], *, quoted_below: bool, text_above: bool) -> bool:
    """Do these lines say who wrote the history below, and when?

    More is asked of several lines (they must start like one), and when nothing below is marked:
    then an address, or a date at the start and something of the author's own above.
    """
    if not _may_end_one(lines[-1]):
        return False
    shape = _shape(" ".join(line.strip() for line in lines).replace("< ", "<"))
    if len(lines) == 1 and shape.said and _inner(lines[0]):
        return True  # ---- John Smith wrote ----
    if len(lines) > 1 and not (shape.starts or _BRACKETED.search(lines[0])):
        return False
    if shape.bracketed or shape.ends_in_address:
        return _names_an_address(shape, quoted_below)
    if not (shape.colon or shape.said):
        return False
    if quoted_below:
        return (shape.dated and (shape.starts or shape.verb)) or (shape.said and shape.colon and shape.length < 120)
    return text_above and shape.verb and shape.dated and shape.starts and shape.length < 160


def _may_end_one(line: str) -> bool:
    """A cheap look: attributions end in a colon, a bracket after an address, or a verb."""
    tail = line.rstrip(" \t*_-–—=")[-60:].lower()
    return tail.endswith((":", "：")) or "@" in tail or bool(phrases.VERBS.search(tail))


class _Shape(NamedTuple):
    """What can be seen of a line that may be an attribution."""

    length: int
    colon: bool  # ends in one
    verb: bool  # somebody wrote
    said: bool  # … and that is how it ends
    starts: bool  # with a word or a day that such lines start with
    dated: bool
    bracketed: bool  # an address in brackets
    ends_in_address: bool
    few_words: bool


def _shape(joined: str) -> _Shape:
    text = joined.strip(" \t*_-–—=")
    lowered = text.lower()
    bare = lowered.rstrip(" :：-….").removesuffix("(a)").removesuffix("(а)")
    month = bool(_DIGIT.search(text) and phrases.MONTHS.search(text))
    return _Shape(
        length=len(text),
        colon=lowered.endswith((":", "：")),
        verb=bool(phrases.VERBS.search(lowered)),
        said=any(each.end() == len(bare) for each in phrases.VERBS.finditer(bare, max(0, len(bare) - 40))),
        starts=bool(phrases.STARTS.match(lowered) or _SHORT_DAY.match(lowered)),
        dated=month or bool(_WHEN.search(text)),
        bracketed=bool(_BRACKETED.search(text)),
        ends_in_address=bool(_MAIL_AT_END.search(bare)),
        few_words=len(text.split()) <= 7,
    )


def _names_an_address(shape: _Shape, quoted_below: bool) -> bool:
    """An address in brackets with a date is enough; a bare one at the end needs a verb or marks below."""
    if not (shape.colon or shape.said or (quoted_below and shape.ends_in_address)):
        return False
    if shape.dated and (shape.bracketed or shape.verb or quoted_below or (shape.colon and shape.starts)):
        return True
    if quoted_below and shape.bracketed and shape.colon and shape.few_words:
        return True  # Quoting Ada <ada@b.example>:
    return shape.verb and (quoted_below or (shape.colon and shape.starts))
