"""Where the passwords, codes, CVVs, PINs and code words stand in a text that people wrote.

Each announcement («пароль», "code", "CVV" …) is followed over the words that may stand between it
and its secret (`secret_words.GLUE`); what comes then is judged by how much it looks like a secret
and by how clearly it was announced. Work per announcement is bounded, so a text takes linear time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omnidesk.domain import secret_glued
from omnidesk.domain import secret_words as words

Found = tuple[int, int, str]  # start, end, kind

_REACH = 240  # characters looked at after an announcement
_CHUNK = re.compile(r"(\s*)(\S+)")
_OPENERS = "\"'«»“”„‘’`([{*_>|<:=-—–→/,…."
_QUOTES = {'"': '"', "'": "'", "«": "»", "“": "”", "„": "“”", "‘": "’", "`": "`"}
_CLOSERS = ".,;:)]}»\"'”“’`*>|"
_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}|(?:https?://|www\.)\S+|\+\d[\d()-]+", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}(?:[./-]\d{2,4})?|\d{1,2}:\d\d(?::\d\d)?")
_SIGNED = re.compile(r"(?<!\S)[^\s!@#$%^&*?+=~|]*[!@#$%^&*?+=~|]\S*")
_VERY_STRONG = re.compile(r"(?=\S*\d)(?=\S*[^\W\d_])(?=\S*[!@#$%^&*?+=~|])\S{5,64}")
_CLAUSE_END = re.compile(
    r"\s*(?:$|(?-i:[A-ZА-ЯЁ])|[\n.,;!?)\]»\"”<>]|\s(?:и|а|но|and|but|or|или|логин|login)\s|[—–-]+\s)", re.IGNORECASE
)
_DIGITS = re.compile(
    r"(?:[A-ZА-Я]{1,3}-)?(?:\d{3}[ \u00a0-]\d{3}|\d{2}(?:[ -]\d{2}){1,3}|\d{4,8})(?!\d|[.,:/-]\d|[ -]\d{2})"
)
_MIXED_CODE = re.compile(r"(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{4,10}(?![^\W_])")
_SPACED = re.compile(r"\d(?:[ .-]\d){2,7}(?!\d|[ .-]\d)")


@dataclass(frozen=True, slots=True)
class _Candidate:
    start: int
    end: int
    link: int  # 0 none, 1 "is" or a dash, 2 a colon, 3 as machines write it
    near: bool  # stands directly after its link
    quoted: bool


def find(text: str) -> Iterator[Found]:
    """Every secret that is announced by a word, in no special order; spans may touch or repeat."""
    folded = words.looked_at(text)
    headers = []
    for pair in words.PAIR.finditer(text) if words.may_pair(folded) else ():
        values = _pair(text, pair)
        if values is not None:
            headers.append(pair.span())
            yield from values
    for entered in _ENTER.finditer(text) if words.may_enter(folded) else ():
        yield *entered.span("value"), "code"
    if not words.may_announce(folded):
        return
    yield from secret_glued.find(text, folded)
    header = 0
    for found in words.KEYWORDS.finditer(text):
        while header < len(headers) and headers[header][1] <= found.start():
            header += 1
        if header < len(headers) and headers[header][0] <= found.start():
            continue
        kind = found.lastgroup or ""
        yield from _FINDERS[kind](text, found.start(), found.end())


# Passwords


def _passwords(text: str, start: int, end: int) -> Iterator[Found]:
    found = False
    value = _candidate(text, end)
    while value and _is_password(text, start, end, value, chained=found):
        stop = _phrase_end(text, value)
        yield value.start, stop, "password"
        found, end = True, stop
        value = _candidate(text, stop)
    if not found:
        yield from _password_before(text, start)
    for token in _SIGNED.finditer(text, end, end + 80):
        if _is_very_strong(token[0]):
            yield *token.span(), "password"


def _is_password(text: str, start: int, end: int, value: _Candidate, *, chained: bool) -> bool:
    said, announced = text[value.start : value.end].rstrip("!?"), text[start:end].lower()
    strength = _strength(text, value)
    if value.link == 3 or (value.link == 2 and value.quoted):  # pwd=…, "password": "…"
        return bool(said)
    forgot = words.FORGOT.search(text[max(0, start - 50) : start]) is not None
    is_phrase = value.near and value.link == 2 and _phrase_end(text, value) > value.end
    if (
        (said.lower() in words.STOP and not is_phrase)
        or not strength
        or (announced in words.SHORT and value.link < 2 and not (value.link and strength >= 2))
    ):
        return False
    if chained:
        return strength >= 2
    if strength >= 2:
        return strength == 3 or value.link > 0 or not forgot
    in_nominative = announced.isascii() or announced.endswith(("ь", "и"))
    return in_nominative and not forgot and _is_plain_password(text, start, value, said)


def _is_plain_password(text: str, start: int, value: _Candidate, said: str) -> bool:
    """A dictionary word is a password only where it is presented as one."""
    word = said.lower()
    ends = _CLAUSE_END.match(text, value.end) is not None
    inflected = words.RUSSIAN_INFLECTED.search(word) or words.ENGLISH_PARTICIPLE.search(word)
    if word in words.COMMON:
        return True
    if len(word) < 3 and value.link < 2:
        return False
    if value.quoted or (value.link == 2 and value.near):
        return not words.RUSSIAN_VERB.search(word)
    if value.link and value.near:
        return ends and not inflected
    foreign = word.isascii() and not text[start : start + 1].isascii()
    owned = words.POSSESSIVE.search(text[max(0, start - 30) : start]) is not None
    return ends and not inflected and value.near and (foreign or owned)


def _password_before(text: str, start: int) -> Iterator[Found]:
    """ "Qwerty!23 is my password", «Qwerty!23 — мой пароль», "Qwerty!23 (password)"."""
    offset = max(0, start - 110)
    found = _BEFORE.search(text[offset:start])
    if not found:
        return
    value = found["value"].strip(_CLOSERS + "(«“\"'")
    begin = offset + found.start("value") + found["value"].index(value) if value else start
    candidate = _Candidate(begin, begin + len(value), 1, near=True, quoted=False)
    if value and _strength(text, candidate) >= 2 and (found["owner"] or not value.isdecimal()):
        yield candidate.start, candidate.end, "password"


_BEFORE = re.compile(
    r"(?<!\S)(?P<value>\S{4,64})\s*(?:(?:[-—–=]\s*)?(?:is|was|это|as|как)\s+|[-—–=]\s*(?=мо|my|наш|our|the)|\(\s*(?:это\s+)?)"
    r"(?P<owner>(?:мой|моя|my|наш|our)\s+)?(?:(?:the|его|new|новый|старый|old|текущий|current)\s+){0,2}$",
    re.IGNORECASE,
)


def _strength(text: str, value: _Candidate) -> int:
    """How much it looks made up: 0 something else, 1 a word, 2 a mixture or digits, 3 a mixture with signs."""
    said = text[value.start : value.end].rstrip("!?")
    is_brand = words.BRANDS.fullmatch(said) and not (value.link >= 2 and value.near)
    if not said or is_brand or _ADDRESS.fullmatch(said) or not re.search(r"\w", said):
        return 0
    if re.match(r"&\w+=", said):  # the next parameter of a query
        return 0
    if _is_very_strong(said):
        return 3
    if _DATE.fullmatch(said) or words.MEASURE.match(text, value.end):
        return 0
    has_letters, has_digits = re.search(r"[^\W\d_]", said), re.search(r"\d", said)
    if not has_letters:
        if value.link == 0 and re.fullmatch(r"[78]?9\d{9}|[78]\d{10}", said):  # a phone
            return 0
        return 2 if len(said) >= 4 and text[value.start - 1] != "+" else 1 if value.link == 2 and len(said) > 2 else 0
    is_mixed = bool(has_digits) and not re.fullmatch(r"\d+-?(?:й|я|е|х|го|му|st|nd|rd|th|g|gb|мб|гб|к|k)", said.lower())
    has_signs = re.search(r"\w[!@#$%^&*?+=~|_]+\w", said) or re.search(r"[a-z][A-Z]+[a-z]*[A-Z]", said)
    is_two_scripts = re.search(r"[a-zA-Z]", said) and re.search(r"[а-яА-Я]", said) and "-" not in said
    return (
        2 if is_mixed or has_signs or is_two_scripts or re.search(r"\w[!?]{2,}$", text[value.start : value.end]) else 1
    )


def _is_very_strong(token: str) -> bool:
    token = token.strip(_CLOSERS + "([«“\"'").rstrip("!?")
    return (
        _VERY_STRONG.fullmatch(token) is not None
        and not _ADDRESS.fullmatch(token)
        and not re.search(r"://|^[\w.-]+\.[a-zа-я]{2,}[/?]|^\w+[#№]\d+$|^\w+\+\+?\d*$|^[?&]?\w+=\d+$", token)
        and words.BRANDS.fullmatch(token) is None
    )


def _phrase_end(text: str, value: _Candidate) -> int:
    """A passphrase of plain words goes on to the end of its clause: "password: correct horse battery staple"."""
    if grouped := _DIGITS.match(text, value.start):  # 123 456
        return max(value.end, grouped.end())
    if value.quoted or value.link < 2 or not value.near or not text[value.start : value.end].isalpha():
        return value.end
    rest = re.compile(r"(?:[ \t][^\W\d_]+){1,5}(?=[ \t]*(?:$|[\n.,;]))").match(text, value.end)
    if not rest or any(word.lower() in words.STOP | words.GLUE for word in rest[0].split()):
        return value.end
    ascii_only = text[value.start : value.end].isascii()
    return rest.end() if ascii_only == rest[0].isascii() and len(rest[0].split()) >= 2 else value.end


# Codes


def _codes(text: str, start: int, end: int) -> Iterator[Found]:
    before, after = text[max(0, start - 60) : start], text[end : end + 60]
    if words.BEFORE_ASIDE.search(before[-20:]) or words.ASIDE.match(text, end):
        return
    phrase = words.PHRASE_TRIGGER.search(before[-25:] + text[start:end] + after[:30]) is not None
    trusted = phrase or words.CODE_TRIGGER.search(before + text[start:end] + after) is not None
    value = _candidate(text, end)
    span = (_code_at(text, value.start, mixed=phrase) if value else None) or (_far_code(text, end) if phrase else None)
    if span and (trusted or span[1] - span[0] in (6, 7) or (value and value.link)):
        yield *span, "code"
    elif value and trusted and re.search(r"безопасн|security|card", before[-25:] + after[:25], re.IGNORECASE):
        yield from _short_digits(text, value, "cvv")
    elif not span and re.search(r"парол|pass", text[start:end], re.IGNORECASE):
        yield from _passwords(text, start, end)
    for found in _CODE_BEFORE.finditer(before):
        if _ORDER.search(before[: found.start()]) or not (found["owner"] or phrase):
            continue
        yield start - len(before) + found.start("value"), start - len(before) + found.end("value"), "code"


_CODE_BEFORE = re.compile(
    r"(?<![\w.,/-])(?P<value>(?:[A-Z]{1,3}-)?\d{3}[ -]?\d{1,5})\s*(?:[-—–:(]\s*|(?:is|это|как|as|in)\s+){1,2}"
    r"(?P<owner>(?:your|my|the|a|ваш\w*|мой|одноразов\w+|проверочн\w+|код|смс|sms)\s+)?(?:[\w-]+\s+){0,3}$",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"(?:заказ\w*|обращени\w*|заявк\w*|номер\w*|тел\w*|order|ticket|number|phone|invoice|[№#])\W*$", re.IGNORECASE
)
_ENTER = re.compile(
    r"\b(?:enter|use|введите|используйте)\s(?P<value>\d{4,8})\s(?:to|for|для|чтобы)\s(?:\w+\s)?"
    r"(?:verif|log|sign|confirm|вход|подтвер|автор|вош|войти)",
    re.IGNORECASE,
)
_FAR = re.compile(r"(?P<gap>[^.!?\n\d]{0,80})(?<![\w.,+/№#-])(?=[A-ZА-Я]{0,3}-?\d)")
_BREAKS = re.compile(
    r"\b(?:не|нет|ни|заказ\w*|ошибк\w*|тел\w*|номер\w*|товар\w*|чек\w*|сумм\w*|логин\w*|not|no|never|n't|order\w*|error\w*|phone|"
    r"number|ticket|amount|invoice|doesn|didn|isn|don|can|won|версии|version|уже|already|since|после|after|ждал\w*|wait\w*)\b",
    re.IGNORECASE,
)


def _far_code(text: str, end: int) -> tuple[int, int] | None:
    found = _FAR.match(text, end, end + 100)
    return _code_at(text, found.end()) if found and not _BREAKS.search(found["gap"]) else None


def _code_at(text: str, at: int, *, mixed: bool = False) -> tuple[int, int] | None:
    found = _DIGITS.match(text, at) or _SPACED.match(text, at) or (_MIXED_CODE.match(text, at) if mixed else None)
    if not found or words.MEASURE.match(text, found.end()):
        return None
    return found.span() if not text[found.end() : found.end() + 1].isalpha() else None


# CVV, PIN, code words


def _cvvs(text: str, start: int, end: int) -> Iterator[Found]:
    value = _candidate(text, end)
    if value:
        yield from _short_digits(text, value, "cvv")
    offset = max(0, start - 40)
    for found in _CVV_BEFORE.finditer(text[offset:start]):
        yield offset + found.start("value"), offset + found.end("value"), "cvv"


_CVV_BEFORE = re.compile(
    r"(?:(?<=^)|(?<=[\s:,;(/]))(?P<value>\d{3,4})\s*(?:[-—–(:=,]\s*(?:это\s+)?|(?:is|это|was|как|as)\s+|(?<=\d[\s/]\d\d\d\s))"
    r"(?:(?:мой|моя|my|the|код|наш)\s+){0,2}$",
    re.IGNORECASE,
)


def _short_digits(text: str, value: _Candidate, kind: str) -> Iterator[Found]:
    found = re.compile(r"\d{3,4}(?!\d|[.,:/]\d)|\d[ .-]\d[ .-]\d(?!\d|[ .-]\d)").match(text, value.start)
    if found and not words.MEASURE.match(text, found.end()) and not text[found.end() : found.end() + 1].isalpha():
        yield *found.span(), kind


def _pins(text: str, start: int, end: int) -> Iterator[Found]:
    value = _candidate(text, end)
    if value and (span := _code_at(text, value.start)):
        yield *span, "pin"
    offset = max(0, start - 40)
    for found in re.finditer(
        r"(?<![\w.,/-])(\d{4,8})\s*(?:[-—–(=]|is|это)\s*(?:(?:мой|my|the)\s+)?$", text[offset:start]
    ):
        yield offset + found.start(1), offset + found.end(1), "pin"


def _codewords(text: str, start: int, end: int) -> Iterator[Found]:
    value = _candidate(text, end)
    if not value:
        return
    said = text[value.start : value.end].rstrip("!?")
    forgot = words.FORGOT.search(text[max(0, start - 50) : start])
    if said.lower() in words.STOP or len(said) < 2 or (forgot and value.link < 2):
        return
    plain = said.islower() and words.RUSSIAN_INFLECTED.search(said) and not said.endswith("о")
    if value.quoted or value.link or (not plain and (_CLAUSE_END.match(text, value.end) or not said.islower())):
        end = value.end
        while (more := _CAPITALISED.match(text, end)) and more[1].lower() not in words.STOP:
            end = more.end()
        yield value.start, end, "codeword"


_CAPITALISED = re.compile(r"[ \t]([А-ЯЁA-Z][\w-]*)")


# Login and password together


def _pair(text: str, pair: re.Match[str]) -> list[Found] | None:
    """The password of a pair; None when no pair of values follows, [] when it is masked already."""
    found = _VALUES.match(text, pair.end(), pair.end() + _REACH)
    if not found or (pair["creds"] and not pair["link"]):
        return None
    if "•" in found[0]:
        return []
    said = [found[part].rstrip(_CLOSERS + "!?").lower() for part in ("first", "second")]
    name, value = (1, 0) if pair["reverse"] else (0, 1)
    if said[0] in words.STOP or said[1] in words.STOP or said[name] in words.GLUE or found["first"][-1] in ".!?":
        return None
    begin = found.start(value + 1)
    end = begin + len(found[value + 1].rstrip(_CLOSERS))
    strength = _strength(text, _Candidate(begin, end, 2, near=True, quoted=False))
    needed = 2 if pair["creds"] or not pair["link"] else 1
    return [(begin, end, "password")] if strength >= needed else None


_VALUES = re.compile(
    r"[\s\"'«“(>*`]*(?P<first>[^\s/:;,|\"'»”]+)[\"'»”*`]*(?:\s*[/|\\:;,\n—–-]\s*|\s+(?:и|and)\s+|\s+)[\"'«“>*`\s]*(?P<second>\S+)"
)


# Walking from an announcement to its secret


def _candidate(text: str, at: int) -> _Candidate | None:
    """The first thing after `at` that is no glue; None when the sentence ends before."""
    stop, near, to_what = min(len(text), at + _REACH), True, False
    link = 3 if _MACHINE.match(text, at) else 0
    for _ in range(12):
        chunk = _CHUNK.match(text, at, stop)
        if not chunk or chunk[1].count("\n") > 2:
            return None
        if "\n" in chunk[1] and not link and _ELSEWHERE.fullmatch(chunk[0]):
            return None
        begin, end = chunk.span(2)
        while begin < end and text[begin] in _OPENERS:
            if text[begin] in ":=":
                link, near = max(link, 2), True
            elif text[begin] in "-—–→>" and link < 2 and not (text[begin] == ">" and "\n" in chunk[1]):
                link, near = 1, True
            elif text[begin] == "." and begin == chunk.start(2):
                return None
            begin += 1
        if begin == end:
            at = end
            continue
        if quoted := _quoted(text, begin, stop):
            return _Candidate(begin, quoted, link, near, quoted=True)
        tail = end
        while tail > begin and text[tail - 1] in _CLOSERS:
            tail -= 1
        word = text[begin:tail].rstrip("!?").lower()
        belongs, to_what = to_what and not link and words.BELONGING.fullmatch(word), word in words.TO_WHAT
        if word not in words.GLUE and not _ADDRESS.fullmatch(word) and not belongs:
            return _Candidate(begin, _cut(text, begin, tail), link, near, quoted=False)
        closing = text[begin + len(word) : end]
        if any(sign in closing for sign in ".!?;"):
            return None
        near = False
        if ":" in closing or "=" in closing:
            link, near = max(link, 2), True
        elif word in words.SOFT_LINKS:
            link, near = max(link, 1), True
        at = end
    return None


_ELSEWHERE = re.compile(r"\s*\n\s*\n\s*(?!\S*\d)\S*\w\S*|\s*[-—_]{2,}")  # another paragraph, a signature
_MACHINE = re.compile(r"[\"']?=(?=[^\s=])|[\"']\s*:\s*[\"']|(?<=[a-z])>(?=[^\s<>])", re.IGNORECASE)


def _quoted(text: str, begin: int, stop: int) -> int:
    """The end of the quotation that starts right before `begin`; 0 when there is none on this line."""
    closing = _QUOTES.get(text[begin - 1], "") if begin else ""
    if not closing:
        return 0
    for at in range(begin, min(stop, begin + 100)):
        if text[at] in closing:
            return at if at > begin else 0
        if text[at] == "\n":
            return 0
    return 0


def _cut(text: str, begin: int, end: int) -> int:
    """A value in markup or a query ends before the tag or the next parameter."""
    found = re.compile(r"</|&\w+=|\",|';").search(text, begin, end)
    return found.start() if found and found.start() > begin else end


_FINDERS = {"password": _passwords, "code": _codes, "cvv": _cvvs, "pin": _pins, "codeword": _codewords}
