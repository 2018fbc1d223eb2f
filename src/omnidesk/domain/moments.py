"""When it happened: the moments that customers name, «вчера 14:30», "yesterday at 2pm", 20.11.2026.

Dates are read day first, as in Russia and most of Europe; only the past counts.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_STEMS = (
    ("янв", "jan"), ("фев", "feb"), ("мар", "mar"), ("апр", "apr"), ("мая", "may", "май"), ("июн", "jun"),
    ("июл", "jul"), ("авг", "aug"), ("сен", "sep"), ("окт", "oct"), ("ноя", "nov"), ("дек", "dec"),
)  # fmt: skip
_MONTHS = {stem: month for month, stems in enumerate(_STEMS, 1) for stem in stems}
_MONTH = (
    r"(?P<month>янв\w*|фев\w*|марта?|апр\w*|ма[яй]|июн\w*|июл\w*|авг\w*|сен\w*|окт\w*|ноя\w*|дек\w*|"
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_DIGIT = re.compile(r"\d")
_FIGURES = re.compile(r"\d[./-]\d")
_HINTS = (
    "вчера", "сегодня", "yesterday", "today", "last night", "morning", "day", "понед", "вторн", "сред", "четв", "пятн",
    "субб", "воскр",
)  # fmt: skip
_WEEKDAYS = (
    "понедельник|monday", "вторник|tuesday", "сред[уы]|wednesday", "четверг|thursday", "пятниц[уы]|friday",
    "суббот[уы]|saturday", "воскресень[ея]|sunday",
)  # fmt: skip
_DAYS_BACK = {
    "позавчера": 2, "day before yesterday": 2, "вчера": 1, "yesterday": 1, "last night": 1, "сегодня": 0, "today": 0,
    "this morning": 0,
}  # fmt: skip
_AGO = re.compile(
    r"(?<!\w)(?:(?P<half>полчаса|half an hour)|(?P<count>\d{1,3}|an?|один|одну|пару|несколько|two|three)? ?"
    r"(?P<unit>мин\w*|час\w*|дн\w+|день|недел\w+|minutes?|mins?|hours?|days?|weeks?)) (?:тому )?(?:назад|ago)(?!\w)",
    re.IGNORECASE,
)
_COUNTS = {"пару": 2, "two": 2, "three": 3}
_DAY = re.compile(
    r"(?<![\w.,:/-])(?:"
    rf"(?P<word>{'|'.join(_DAYS_BACK)})|(?:в прошл\w+ |во? |on |last )(?P<weekday>{'|'.join(_WEEKDAYS)})"
    r"|(?P<iso>\d{4}-\d\d-\d\d)"
    r"|(?P<d>\d{1,2})[./](?P<m>\d\d|\d(?=[./]\d{4}))(?:[./](?P<y>\d{4}|\d\d))?(?:г\.)?(?![\d.,/-]*\d)"
    rf"|(?P<day>\d{{1,2}})(?:st|nd|rd|th|-?го)? (?:of )?{_MONTH}(?:,? (?P<year>\d{{4}}))?"
    rf"|{_MONTH.replace('month', 'month2')} (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year2>\d{{4}}))?"
    r")(?:(?!\w)|(?=T\d))",
    re.IGNORECASE,
)
_NO_DATE = re.compile(
    r"(?:верси\w+|version|ver\.|\bv|ios|android|windows|macos|chrome|safari|приложени\w+)[\s:]*$", re.IGNORECASE
)
_TIME = re.compile(
    r"(?:(?<![\w.,:/-])|(?<=\dT))"
    r"(?:(?P<h>[01]?\d|2[0-3])[:.](?P<min>[0-5]\d)(?::[0-5]\d)?(?!\d|[.:/]\d)|(?P<hour>[01]?\d|2[0-3]))"
    r"(?: ?(?P<part>[ap]\.?m\.?|час\w* (?:дня|утра|вечера|ночи)|ч\b\.?|час(?:ов|а)?\b|утра|дня|вечера|ночи|o'clock))?"
    r"(?!\w)",
    re.IGNORECASE,
)
_AT = re.compile(r"(?:\b(?:в|во|около|примерно|с|at|around|about|since|@)|,|\bt)\s*$", re.IGNORECASE)
_ALONE_AT = re.compile(r"\b(?:в|около|с|at|around|since)\s*$", re.IGNORECASE)
_BETWEEN = re.compile(
    r"[\s,]*(?:T|г\.?)?[\s,]*(?:примерно|где-то|around|about|утром|вечером|днем|днём|ночью)?[\s,]*"
    r"(?:в|около|с|at|around|@|-)?\s*",
    re.IGNORECASE,
)
_ON = re.compile(r"[\s,]*(?:on)?\s*", re.IGNORECASE)


def occurred_at(text: str, now: datetime, zone: str) -> str | None:
    """The first moment in the past that the text names, in ISO 8601 in the customer's zone; None when there is none.

    A day without a time gives a date; a time without a day is the last time the clock showed it.
    """
    here = now.astimezone(ZoneInfo(zone))
    lower, has_digits = text.lower(), _DIGIT.search(text) is not None
    if ("назад" in lower or "ago" in lower) and (ago := _ago(text, now, here)):
        return ago
    if not has_digits and not any(hint in lower for hint in _HINTS):
        return None
    for found in _DAY.finditer(text) if _may_name_a_day(text, lower) else ():
        day = _day(found, here.date())
        if not day or day > here.date() or _NO_DATE.search(text[max(0, found.start() - 20) : found.start()]):
            continue
        at = _time_near(text, found)
        moment = _moment(day, at, here) if at is not None else None
        return _said(moment) if moment and moment <= here else day.isoformat()
    return _time_alone(text, here)


def _may_name_a_day(text: str, lower: str) -> bool:
    """Without one of these no day is named; looking for them first is cheaper."""
    return (
        any(hint in lower for hint in _HINTS)
        or _FIGURES.search(text) is not None
        or any(stem in lower for stem in _MONTHS)
    )


def _ago(text: str, now: datetime, here: datetime) -> str | None:
    """«2 часа назад», "an hour ago": minutes and hours give a moment, days and weeks a date."""
    found = _AGO.search(text)
    said = (found["count"] or "").lower() if found else "несколько"
    if not found or said == "несколько":
        return None
    count = int(said) if said.isdecimal() else _COUNTS.get(said, 1)
    unit = (found["unit"] or "").lower()
    if unit.startswith(("д", "day", "нед", "week")):
        return (here.date() - timedelta(days=count * (7 if unit.startswith(("нед", "week")) else 1))).isoformat()
    passed = timedelta(hours=count) if unit.startswith(("час", "hour")) else timedelta(minutes=count)
    return _said((now - (timedelta(minutes=30) if found["half"] else passed)).astimezone(here.tzinfo))


def _day(found: re.Match[str], today: date) -> date | None:
    try:
        if found["word"]:
            return today - timedelta(days=_DAYS_BACK[found["word"].lower()])
        if found["weekday"]:
            return today - timedelta(days=(today.weekday() - _weekday(found["weekday"])) % 7 or 7)
        if found["iso"]:
            return date.fromisoformat(found["iso"])
        if found["d"]:
            return _dated(int(found["d"]), int(found["m"]), found["y"], today)
        name = (found["month"] or found["month2"])[:3].lower()
        return _dated(int(found["day"] or found["day2"]), _MONTHS[name], found["year"] or found["year2"], today)
    except ValueError:  # the 31st of February, 14.30
        return None


def _dated(day: int, month: int, year: str | None, today: date) -> date:
    """Without a year: the last time it was this day. Month first only where day first is impossible."""
    if month > 12 >= day and year:
        day, month = month, day
    if year:
        return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
    this_year = date(today.year, month, day)
    return this_year if this_year <= today else date(today.year - 1, month, day)


def _weekday(name: str) -> int:
    return next(index for index, names in enumerate(_WEEKDAYS) if re.fullmatch(names, name, re.IGNORECASE))


def _time_near(text: str, day: re.Match[str]) -> time | None:
    """The time that stands right after the day, or right before it."""
    after = _TIME.search(text, day.end(), min(len(text), day.end() + 40))
    if after:
        between = text[day.end() : after.start()]
        at = _clock(after, announced=_AT.search(between) is not None)
        if at is not None and _BETWEEN.fullmatch(between):
            return at
    before = text[max(0, day.start() - 30) : day.start()]
    for found in _TIME.finditer(before):
        if _ON.fullmatch(before, found.end()):
            return _clock(found, announced=_AT.search(before[: found.start()]) is not None)
    return None


def _clock(found: re.Match[str], *, announced: bool) -> time | None:
    """A time of day; a bare hour counts only after "at" or with «часов», "pm" …"""
    hour, part = int(found["h"] or found["hour"]), (found["part"] or "").lower().replace(".", "")
    if found["h"] is None and not part and not announced:
        return None
    if part.endswith(("pm", "дня", "вечера")) and hour < 12:
        hour += 12
    elif part.endswith(("am", "утра", "ночи")) and hour == 12:
        hour = 0
    return time(hour, int(found["min"] or 0))


def _time_alone(text: str, here: datetime) -> str | None:
    for found in _TIME.finditer(text):
        announced = _ALONE_AT.search(text[max(0, found.start() - 12) : found.start()])
        at = _clock(found, announced=False) if announced else None
        if at is not None:
            moment = _moment(here.date(), at, here)
            return _said(moment if moment <= here else _moment(here.date() - timedelta(days=1), at, here))
    return None


def _moment(day: date, at: time, here: datetime) -> datetime:
    """A wall time that the zone skips is moved on by the jump."""
    return datetime.combine(day, at, here.tzinfo).astimezone(UTC).astimezone(here.tzinfo)


def _said(moment: datetime) -> str:
    return moment.replace(second=0, microsecond=0).isoformat()
