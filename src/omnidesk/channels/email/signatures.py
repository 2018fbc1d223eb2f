"""Where a signature begins: the `-- ` line, `Sent from my …`, a closing with a name, a list's footer."""

import re

from omnidesk.channels.email import phrases

_MOST_LINES = 16  # of a signature after a closing or a bare dash line
_MOST_AFTER_DELIMITER = 60  # after the exact `-- `: disclaimers are long
_ROUNDS = 6  # a list's footer below a device line below a name below a closing …
_DELIMITER = re.compile(r"(?:--|---|----|___|____|—|–|-- -|- -|__|\* \* \*) ?")
_FOOTER_RULE = re.compile(r"[_=-]{20,}[ \t]*")
_NAME = re.compile(r"[^\W\d_][\w.'’-]*,?(?:[ \u00a0][^\W\d_][\w.'’-]*\.?,?){0,3}")
_END = r"[ ,.!;:–—。！、،-]{0,4}"
_CLOSING_LINE = re.compile(
    rf"(?:{phrases.CLOSINGS.pattern})(?: ?/ ?(?:{phrases.CLOSINGS.pattern}))?"
    rf"(?:{_END}|[ ]?[,.!–—،、-][ ]{{0,2}}{_NAME.pattern}{_END})",
    re.IGNORECASE,
)
_CLOSING_AND_NAME = re.compile(  # without a comma between them
    rf"(?i:{phrases.CLOSINGS.pattern}) [A-ZА-ЯЁÀ-Þ][\w.'’-]{{1,20}}(?: [A-ZА-ЯЁÀ-Þ][\w.'’-]{{0,20}}){{0,2}}{_END}"
)
_NOT_ALONE = ("best ", "yours ", "br ", "t. ")  # begin other things as well: Best Western
_THANKS_LINE = re.compile(rf"(?:{phrases.THANKS.pattern}){_END}", re.IGNORECASE)
_WEB_LINE = re.compile(r"(?:\w{1,8}[:.] ?)?(?:\S{1,60}@[\w-]{1,40}(?:\.[\w-]{1,40}){1,4}|(?:https?://|www\.)\S{3,100})")
_FULL_NAME = re.compile(r"[A-ZА-ЯЁÀ-Þ][\w.'’-]{1,20}(?: [A-ZА-ЯЁÀ-Þ][\w.'’-]{0,20}){1,2}")
_DASHED_NAME = re.compile(r"[-–—/~][ ]?[A-ZА-ЯЁÀ-Þ][\w.'’-]{1,20}(?: [A-ZА-ЯЁÀ-Þ][\w.'’-]{0,20}){0,2}")


def signature_start(lines: list[str], sender_name: str = "") -> int:
    """Index of the first line of the signature; the number of lines when there is none.

    What is cut must have something above it: a letter that is only a closing stays.
    """
    end = _without_trailing_blanks(lines, len(lines))
    for _ in range(_ROUNDS):
        before = end
        for rule in (_delimited, _footer, _disclaimed, _device, _closed, _dashed_name, _contact_block):
            end = _without_trailing_blanks(lines, rule(lines, end))
        end = _without_trailing_blanks(lines, _named(lines, end, sender_name))
        if end == before:
            break
    return end if any(line.strip() for line in lines[:end]) or _only_signature(lines) else len(lines)


def _only_signature(lines: list[str]) -> bool:
    """A span that starts with the `-- ` line is signature as a whole: it stands below a quote."""
    first = next((line for line in lines if line.strip()), "")
    return (
        bool(_DELIMITER.fullmatch(first))
        or bool(phrases.SENT_FROM.fullmatch(first.strip()))
        or bool(_FOOTER_RULE.fullmatch(first))
    )


def _without_trailing_blanks(lines: list[str], end: int) -> int:
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    return end


def _delimited(lines: list[str], end: int) -> int:
    """The `-- ` line; other dash lines only when little follows."""
    found = end
    written = _last_written(lines, end, _MOST_AFTER_DELIMITER)
    for below, at in enumerate(reversed(written)):
        exact = lines[at].rstrip() == "--"  # its space is lost in many programs
        if below <= _MOST_LINES and len(lines[at]) > 400:
            break
        if exact or (
            below <= _MOST_LINES and _DELIMITER.fullmatch(lines[at].rstrip()) and not _goes_on(lines, at, end)
        ):
            found = at
    return found


def _goes_on(lines: list[str], at: int, end: int) -> bool:
    """Is what stands below a dashed line a section of the letter? Then it begins like something said."""
    below = next((lines[i].strip() for i in range(at + 1, end) if lines[i].strip()), "")
    return _sentence(below) and not phrases.DISCLAIMER.match(below) and not _is_closing(below)


def _disclaimed(lines: list[str], end: int) -> int:
    """A last paragraph of a lawyer: `This message is confidential and intended only for …`."""
    start = _paragraph_start(lines, end)
    text = " ".join(line.strip() for line in lines[start:end])[:600]
    return start if len(text) > 60 and phrases.DISCLAIMER.match(text) else end


def _last_written(lines: list[str], end: int, most: int) -> list[int]:
    """Indexes of the last lines with something on them, in order."""
    found: list[int] = []
    at = end - 1
    while at >= 0 and len(found) <= most:
        if lines[at].strip():
            found.append(at)
        at -= 1
    return found[::-1]


def _footer(lines: list[str], end: int) -> int:
    """A mailing list's footer: a drawn line and a few lines with an address."""
    for at in range(max(0, end - 8), end - 1):
        below = " ".join(lines[at + 1 : end])
        if (
            _FOOTER_RULE.fullmatch(lines[at])
            and lines[at + 1].strip()
            and ("mailing list" in below.lower() or "unsubscribe" in below.lower() or "listinfo" in below)
        ):
            return at
    return end


def _device(lines: list[str], end: int) -> int:
    """`Sent from my iPhone` as a line of its own at the end."""
    if end == 0:
        return end
    text = lines[end - 1].strip().strip("*_")
    if len(text) > 400 or not (_says_device(text) or (_own_paragraph(lines, end - 1) and _speaks_of_device(text))):
        return end
    if end >= 3 and not lines[end - 3].strip() and _FULL_NAME.fullmatch(lines[end - 2].strip()):
        return end - 2  # the author's name stands directly above
    return end - 1


def _says_device(text: str) -> bool:
    return bool(phrases.SENT_FROM.fullmatch(text) or phrases.SENT_FROM_OTHER.fullmatch(text))


def _own_paragraph(lines: list[str], at: int) -> bool:
    return at == 0 or not lines[at - 1].strip() or bool(_DELIMITER.fullmatch(lines[at - 1].strip()))


def _speaks_of_device(text: str) -> bool:
    """`Sent …` with a device in it that is not on the list; only trusted as a paragraph of its own."""
    start = phrases.SENT_START.match(text)
    if len(text.split()) > 12 or text.endswith("?"):
        return False
    if start and phrases.DEVICE.search(text, start.end() - 1):
        return True
    last = next((each for each in phrases.SENT_END.finditer(text) if each.end() == len(text)), None)
    return bool((last and phrases.DEVICE.search(text[: last.start()])) or phrases.SENT_BY_PROGRAM.fullmatch(text))


def _closed(lines: list[str], end: int) -> int:
    """`Best regards,` with what follows it, when that is short and reads like a signature."""
    first = next((at for at in range(end) if lines[at].strip()), end)
    written = _last_written(lines, end, _MOST_LINES)
    for at in written:
        below = [lines[i].strip() for i in written if at < i]
        if at == first or any(len(line) > 90 for line in below):
            continue
        if _is_closing(lines[at]) and not any(_sentence(line) for line in below[:2]):
            return at
        if (
            _is_thanks(lines[at])
            and below
            and _NAME.fullmatch(below[0])
            and len(below[0]) < 50
            and not any(_sentence(line) for line in below)
        ):
            return at
    return end


def _is_closing(line: str) -> bool:
    """Only a closing, or a closing and a name on the same line."""
    text = line.strip().strip("*_").strip()
    named = len(text) <= 50 and not text.lower().startswith(_NOT_ALONE) and _CLOSING_AND_NAME.fullmatch(text)
    return len(text) <= 90 and bool(named or _CLOSING_LINE.fullmatch(text))


def _is_thanks(line: str) -> bool:
    text = line.strip().strip("*_").strip()
    return len(text) <= 60 and bool(_THANKS_LINE.fullmatch(text))


def _sentence(line: str) -> bool:
    """Reads like something said, not like a name, an office or a phone number."""
    return (len(line.split()) > 3 and line.endswith((".", "?", "!", ":"))) or line.endswith("?")


def _dashed_name(lines: list[str], end: int) -> int:
    """`-Anna`, `/John` as the last line, after an empty one."""
    if (
        end >= 3
        and not lines[end - 2].strip()
        and _DASHED_NAME.fullmatch(lines[end - 1].strip())
        and not lines[end - 1].startswith("- ")
    ):
        return end - 1
    return end


def _contact_block(lines: list[str], end: int) -> int:
    """A last paragraph of short lines, one of them just an address of mail or web: a visiting card.

    Not when the text above ends in a colon: then it was asked for.
    """
    start = _paragraph_start(lines, end)
    card = [line.strip() for line in lines[start:end]]
    above = next((line.rstrip() for line in reversed(lines[max(0, start - 5) : start]) if line.strip()), "")
    if not 4 <= len(card) <= 9 or not above or above.endswith(":") or any(char.isdigit() for char in card[0]):
        return end
    if not 2 <= len(card[0].split()) <= 5 or any(len(line) > 60 or _sentence(line) for line in card[1:]):
        return end
    return start if any(_WEB_LINE.fullmatch(line) for line in card[1:]) else end


def _paragraph_start(lines: list[str], end: int) -> int:
    start = end
    while start > 0 and end - start <= _MOST_LINES and lines[start - 1].strip():
        start -= 1
    return start


def _named(lines: list[str], end: int, sender_name: str) -> int:
    """A last paragraph that starts with the sender's own name."""
    wanted = set(re.findall(r"\w{2,}", sender_name.lower()))
    start = _paragraph_start(lines, end)
    if not wanted or start == 0 or start == end or end - start > 8:
        return end
    first = re.findall(r"\w+", lines[start].lower())
    if (
        first
        and len(first) <= 4
        and set(first) & wanted
        and len(set(first) - wanted) <= 1
        and max(len(line) for line in lines[start:end]) < 80
    ):
        return start
    return end
