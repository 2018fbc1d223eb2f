"""What the author wrote now, apart from the history below or between and the signature.

Programs mark history in few ways, in all languages: `>` or markup, a line that says who wrote when
(`attribution`), a block of headers, a dashed separator. The shape is recognised first, words second,
so that unknown languages work too. Every pattern looks at a bounded piece of one line: linear time.
"""

from dataclasses import dataclass

from omnidesk.channels.email import attribution
from omnidesk.channels.email.lines import Line
from omnidesk.channels.email.signatures import signature_start

_WRAPPED = 60  # characters: a quoted line this long may have been broken by the mail program


@dataclass(frozen=True, slots=True)
class Split:
    """`visible` is what the author wrote now; `rest` is everything else, in the order of the mail."""

    visible: str
    rest: str
    found: bool  # was any history found?


def split(lines: list[Line], *, forwarded: bool = False, sender_name: str = "") -> Split:
    """Apart what is new, what is history and what is signature.

    `forwarded`: the subject says so; then the header block below belongs to the content.
    """
    lines = [Line(attribution.plain(line.text), line.quoted, line.signature) for line in lines]
    history, own_until = _history(lines, forwarded)
    if all(history) and not any(line.text.strip() and not line.quoted for line in lines):
        history = [False] * len(lines)  # nothing but quote marks: then they are the message
    keep = [not old for old in history]
    for start, end in _runs(keep):
        own_end = min(end, own_until)
        cut = _signature(lines, start, own_end, sender_name) if start < own_end else end
        keep[cut:own_end] = [False] * (own_end - cut)
    visible = "\n".join(line.text for line, kept in zip(lines, keep, strict=True) if kept)
    rest = "\n".join(line.text for line, kept in zip(lines, keep, strict=True) if not kept)
    return Split(_tidy(visible), _tidy(rest), any(history))


def _history(lines: list[Line], forwarded: bool) -> tuple[list[bool], int]:
    """For each line, is it history? And where what is forwarded begins: the signature in it is part of it."""
    own_until = len(lines)
    old = _marked(lines)
    texts = [line.text for line in lines]
    at, written = 0, False  # has the author written something above?
    while at < len(lines):
        if not texts[at].strip():
            at += 1
            continue
        if attribution.is_forward(texts[at]) and _stands_alone(lines, old, at):
            return _forward(old, at), at
        block = 0 if old[at] else attribution.header_block(texts, at)
        if block and (forwarded or not written):
            own_until = min(own_until, at) if forwarded else own_until
            at, written = at + block, True
            continue
        end = len(texts) if block else _announced(texts, old, at, written=written, forwarded=forwarded)
        old[at:end] = [True] * (end - at)
        written |= not old[at]
        at = max(end, at + 1)
    return _with_rules(texts, old), own_until


def _with_rules(texts: list[str], old: list[bool]) -> list[bool]:
    """A drawn line directly above history belongs to it."""
    for at in range(1, len(old)):
        if old[at] and not old[at - 1]:
            above = _with_rule_above(texts, at)
            old[above:at] = [True] * (at - above)
    return old


def _stands_alone(lines: list[Line], old: list[bool], at: int) -> bool:
    """A forward's marker that is not itself part of older history."""
    if lines[at].text.lstrip().startswith(">"):
        return False
    above = at - 1
    while above >= 0 and not lines[above].text.strip():
        above -= 1
    return not old[at] or above < 0 or not old[above]


def _forward(old: list[bool], at: int) -> list[bool]:
    """A forward: from its marker on, everything is content, also what was quoted there."""
    return old[:at] + [False] * (len(old) - at)


def _announced(texts: list[str], old: list[bool], at: int, *, written: bool, forwarded: bool) -> int:
    """Where the history that is announced at line `at` ends; `at` when nothing is announced."""
    if old[at]:
        return at
    if written and attribution.is_reply_above(texts[at]):
        return len(texts)
    if not forwarded and attribution.is_separator(texts, at):
        return len(texts)
    for count in attribution.spans(texts, old, at):
        after = attribution.next_text(texts, at + count - 1)
        marked = after < len(old) and old[after]
        if attribution.is_attribution(texts[at : at + count], quoted_below=marked, text_above=written):
            return at + count if marked else len(texts)
    return at


def _with_rule_above(texts: list[str], at: int) -> int:
    """Where history really begins that begins at `at`: at the rule above it, if there is one."""
    above = at - 1
    while above >= 0 and not texts[above].strip():
        above -= 1
    return above if above >= 0 and attribution.is_rule(texts[above]) else at


def _marked(lines: list[Line]) -> list[bool]:
    """Lines marked by `>` or markup, with those that a mail program broke off them."""
    old = [line.quoted for line in lines]
    if sum(old) == 1 and _lone(lines, old.index(True)):
        return [False] * len(lines)
    for at in range(1, len(lines)):
        if old[at - 1] and not old[at] and _broken_off(lines, old, at):
            old[at] = True
        elif old[at - 1] and not lines[at].text.strip():
            after = attribution.next_text([line.text for line in lines[at : at + 8]], 0)
            old[at] = at + after < len(lines) and after < 8 and lines[at + after].quoted
    return old


def _lone(lines: list[Line], at: int) -> bool:
    """One `>` in the middle of a paragraph is decoration."""
    text = lines[at].text
    beside = [lines[i].text for i in (at - 1, at + 1) if 0 <= i < len(lines)]
    return (
        text.lstrip().startswith(">")
        and len(beside) == 2
        and all(each.strip() for each in beside)
        and not beside[0].rstrip().endswith(":")
    )


def _broken_off(lines: list[Line], old: list[bool], at: int) -> bool:
    above, text = lines[at - 1].text, lines[at].text.strip()
    if not text or len(above) < _WRAPPED or not above.lstrip().startswith(">") or not text[0].islower():
        return False
    below_quoted = at + 1 < len(lines) and lines[at + 1].quoted
    return below_quoted or above.rstrip()[-1] not in ".!?:;…"


def _runs(keep: list[bool]) -> list[tuple[int, int]]:
    """Spans of lines that are kept."""
    runs: list[tuple[int, int]] = []
    for at, kept in enumerate(keep):
        if kept and at and keep[at - 1] and runs:
            runs[-1] = (runs[-1][0], at + 1)
        elif kept:
            runs.append((at, at + 1))
    return runs


def _signature(lines: list[Line], start: int, end: int, sender_name: str) -> int:
    """Where the signature of a span begins; its end when it has none."""
    marked = next((at for at in range(start, end) if lines[at].signature), end)
    if (
        marked < end
        and any(line.text.strip() for line in lines[start:marked])
        and all(line.signature or not line.text.strip() for line in lines[marked:end])
    ):
        end = marked
    return start + signature_start([line.text for line in lines[start:end]], sender_name)


def _tidy(text: str) -> str:
    """Without empty lines around, at most one in a row."""
    out: list[str] = []
    for line in text.split("\n"):
        if line.strip() or (out and out[-1]):
            out.append(line.rstrip())
    return "\n".join(out).strip("\n")
