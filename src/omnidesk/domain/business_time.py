"""Business time: when a desk is open, how much open time has passed, when a promise falls due.

A `Calendar` is data (zone, week, holidays, transferred working days, exceptions), so that what
was told to a customer can be computed again years later. Clock times are the calendar's own
zone's; what is measured are real seconds. A clock time that the zone skips counts from the
moment of the jump, one that comes twice counts at its first coming, hence intervals that touch
on the wall touch in time. The zone rules are those of the installed tzdata.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

from omnidesk.domain.errors import Refused

HORIZON = timedelta(days=366)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ZERO = timedelta(0)
_SECOND = timedelta(seconds=1)

Interval = tuple[int, int]  # minutes since midnight, end excluded; 1440 is midnight at the end of the day
Hours = tuple[Interval, ...]
Week = tuple[Hours, ...]  # seven, Monday first
Span = tuple[datetime, datetime]  # UTC, end excluded


class NeverOpen(Refused):
    """The calendar does not open enough in the 366 days ahead."""

    code = "never_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Opening hours of a desk. An exception decides over a transferred working day, that over a holiday.

    Raises ValueError when the zone is unknown or hours overlap, are out of order or out of the day.
    """

    zone: str
    week: Week
    holidays: Mapping[date, str] = field(default_factory=dict)  # closed; the name is shown in explanations
    workdays: Mapping[date, int] = field(default_factory=dict)  # works like this weekday (0 = Monday)
    exceptions: Mapping[date, Hours] = field(default_factory=dict)  # other hours on this date; () = closed

    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _days: dict[int, tuple[Span, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _counted: "dict[tuple[int, int], BusinessDays]" = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_zone", ZoneInfo(self.zone))
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(f"unknown time zone {self.zone!r}") from error
        if len(self.week) != 7:
            raise ValueError("a week has seven days")
        for hours in (*self.week, *self.exceptions.values()):
            _check(hours)
        if not all(0 <= weekday <= 6 for weekday in self.workdays.values()):
            raise ValueError("a transferred working day works like a weekday 0 to 6")

    def hours(self, day: date) -> Hours:
        """The opening hours of a date, as written on the door."""
        if day in self.exceptions:
            return self.exceptions[day]
        if day in self.workdays:
            return self.week[self.workdays[day]]
        return () if day in self.holidays else self.week[day.weekday()]

    def local(self, moment: datetime) -> datetime:
        """The moment on the wall clock of this calendar. Raises ValueError when it is naive."""
        return _utc(moment).astimezone(self._zone)

    def spans(self, ordinal: int) -> tuple[Span, ...]:
        """The open spans, in UTC, of the day with this proleptic ordinal; never empty ones."""
        known = self._days.get(ordinal)
        if known is None:
            if len(self._days) > 4_000:
                self._days.clear()
            midnight = datetime.fromordinal(ordinal)
            ends = (tuple(self._moment(midnight, minute) for minute in span) for span in self.hours(midnight.date()))
            known = self._days[ordinal] = tuple((start, end) for start, end in ends if start < end)
        return known

    def _moment(self, midnight: datetime, minute: int) -> datetime:
        """The first moment at which the wall clock shows this time or a later one."""
        wall = midnight + timedelta(minutes=minute)
        first = wall.replace(tzinfo=self._zone).astimezone(UTC)
        second = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first <= second:  # once, or twice: the first coming
            return first
        before, after = second, first  # skipped: the jump lies between the two readings
        offset = before.astimezone(self._zone).utcoffset()
        while after - before > _SECOND:
            middle = before + (after - before) // 2
            middle -= timedelta(microseconds=middle.microsecond)
            if middle.astimezone(self._zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after


def always_open(zone: str = "UTC") -> Calendar:
    """A calendar without closing hours, for clocks that run around the clock."""
    return Calendar(zone=zone, week=(((0, 1440),),) * 7)


def deadline(start: datetime, working: timedelta, hours: Calendar) -> datetime:
    """The moment at which `working` of open time has passed since `start`, in UTC.

    Only time inside `hours` counts, measured in real seconds, so a clock change overnight neither
    adds nor removes working time. It is the first such moment: work that fills a day to its end
    is due at the end of that day, and no work is due at once. The inverse of `open_time_between`.
    Raises ValueError when `start` is naive or `working` negative, NeverOpen when 366 days ahead
    are not enough.
    """
    start = _utc(start)
    if working < _ZERO:
        raise ValueError("working time cannot be negative")
    if not working:
        return start
    for opens, closes in _ahead(start, hours):
        if working <= closes - opens:
            return opens + working
        working -= closes - opens
    raise NeverOpen(f"{working} of open time are missing in the year after {start:%Y-%m-%d}")


def open_time_between(a: datetime, b: datetime, hours: Calendar) -> timedelta:
    """Open time from `a` to `b`, in real seconds; zero when `b` is not after `a`.

    Raises ValueError when one of them is naive.
    """
    a, b = _utc(a), _utc(b)
    total = _ZERO
    if b <= a:
        return total
    for ordinal in _ordinals(a, b, hours):
        for opens, closes in hours.spans(ordinal):
            if opens < b and a < closes:
                total += min(closes, b) - max(opens, a)
    return total


def is_open(moment: datetime, hours: Calendar) -> bool:
    """Is the desk open at this moment? At the closing minute it is not. Raises ValueError when naive."""
    moment = _utc(moment)
    return any(
        opens <= moment < closes for day in _ordinals(moment, moment, hours) for opens, closes in hours.spans(day)
    )


def next_open(moment: datetime, hours: Calendar) -> datetime:
    """This moment when the desk is open, else the moment it opens next, in UTC.

    Raises ValueError when naive, NeverOpen when it stays closed for the 366 days ahead.
    """
    moment = _utc(moment)
    for opens, _ in _ahead(moment, hours):
        return opens
    raise NeverOpen(f"closed for a year from {moment:%Y-%m-%d}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessDays:
    """A date told to a customer and how it was found, one step a date, plain data for the record.

    A step is `{"date", "weekday", "counted", "reason"}`; counted is "" or the number of the
    working day; reason is received, working, transferred, special, holiday, closed; `name` says which holiday.
    """

    due_at: datetime
    steps: Sequence[Mapping[str, str]]


def add_business_days(start: datetime, days: int, hours: Calendar) -> BusinessDays:
    """The end of the opening hours of the n-th working day after the day of `start`, in UTC.

    The day of receipt is not counted, open or not: "1-3 business days" from a letter of Friday
    begin on the next working day (the same rule as article 191 of the Russian Civil Code).
    Raises ValueError when `start` is naive or `days` below 1, NeverOpen after 366 days.
    """
    if days < 1:
        raise ValueError("count at least one business day")
    received = day = hours.local(start).date()
    if known := hours._counted.get((received.toordinal(), days)):
        return known
    steps = [_step(day, "received")]
    counted = 0
    for ordinal in range(day.toordinal() + 1, day.toordinal() + HORIZON.days + 1):
        day = date.fromordinal(ordinal)
        spans = hours.spans(ordinal)
        counted += bool(spans)
        steps.append(_step(day, _reason(day, bool(spans), hours), counted if spans else 0, hours.holidays.get(day)))
        if counted == days:
            if len(hours._counted) > 1_000:
                hours._counted.clear()
            known = hours._counted[received.toordinal(), days] = BusinessDays(due_at=spans[-1][1], steps=steps)
            return known
    raise NeverOpen(f"only {counted} working days in the year after {start:%Y-%m-%d}")


def _step(day: date, reason: str, counted: int = 0, name: str | None = None) -> dict[str, str]:
    step = {
        "date": day.isoformat(),
        "weekday": WEEKDAYS[day.weekday()],
        "counted": str(counted or ""),
        "reason": reason,
    }
    return step | {"name": name} if name else step


def _reason(day: date, is_working: bool, hours: Calendar) -> str:
    if day in hours.exceptions:
        return "special" if is_working else "closed"
    if day in hours.workdays:
        return "transferred" if is_working else "closed"
    return "working" if is_working else "holiday" if day in hours.holidays else "closed"


def _ahead(start: datetime, hours: Calendar) -> Iterator[Span]:
    """Open spans from `start` until 366 days later, the first one and the last one cut."""
    end, first = start + HORIZON, hours.local(start).toordinal()
    for ordinal in range(first, first + HORIZON.days + 3):  # no zone's clock is put by more than a day
        for opens, closes in hours.spans(ordinal):
            if start < closes and opens < end:
                yield max(opens, start), min(closes, end)


def _ordinals(a: datetime, b: datetime, hours: Calendar) -> range:
    """The local dates that can touch a ... b; a clock put back over midnight shows the date before."""
    return range(hours.local(a).toordinal(), hours.local(b).toordinal() + 2)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    if not 2 <= moment.year <= 9990:
        raise ValueError("a moment beyond the calendar")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _check(hours: Hours) -> None:
    for start, end in hours:
        if not 0 <= start < end <= 1440:
            raise ValueError(f"{_clock(start)}-{_clock(end)} is not inside one day; split it at 24:00")
    for (_, end), (start, _) in pairwise(hours):
        if start < end:
            raise ValueError(f"hours overlap or are out of order at {_clock(start)}")


def parse_week(text: str) -> Week:
    """`mon-fri 09:00-13:00 14:00-21:00; sat 10:00-15:00` as a week; days not named are closed.

    Days: mon to sun, ranges (`sat-mon` wraps) and lists (`mon,wed`). `24/7` is always open,
    `closed` never. Raises ValueError with the part that is wrong.
    """
    plain = text.strip().lower()
    if plain in ("24/7", "closed"):
        return (((0, 1440),) if plain == "24/7" else (),) * 7
    week: list[Hours] = [()] * 7
    for part in re.split(r"[;\n]\s*", plain.rstrip("; \n")):
        days, _, hours = part.partition(" ")
        for weekday in _parse_days(days):
            if week[weekday]:
                raise ValueError(f"{WEEKDAYS[weekday]} is named twice in {text!r}")
            week[weekday] = parse_hours(hours)
    return tuple(week)


def parse_hours(text: str) -> Hours:
    """`09:00-13:00 14:00-21:00` as intervals; `closed` is none. Raises ValueError with the part that is wrong."""
    if text.strip().lower() == "closed":
        return ()
    found = [_INTERVAL.fullmatch(part) for part in text.split()]
    if not found or None in found:
        raise ValueError(f"expected hours like 09:00-18:00, not {text.strip()!r}")
    numbers = [[int(number) for number in match.groups()] for match in found if match]
    hours = tuple((start_h * 60 + start_min, end_h * 60 + end_min) for start_h, start_min, end_h, end_min in numbers)
    _check(hours)
    return hours


def format_hours(hours: Hours) -> str:
    return " ".join(f"{_clock(start)}-{_clock(end)}" for start, end in hours) or "closed"


def format_week(week: Week) -> str:
    """The shortest text that `parse_week` reads as this week: neighbours with the same hours share a part."""
    parts = []
    for hours, run in groupby(range(7), key=lambda weekday: week[weekday]):
        days = list(run)
        name = WEEKDAYS[days[0]] + (f"-{WEEKDAYS[days[-1]]}" if len(days) > 1 else "")
        parts += [f"{name} {format_hours(hours)}"] if hours else []
    return "; ".join(parts) or "closed"


def to_dict(hours: Calendar) -> dict[str, object]:
    """The calendar as plain data for JSON or TOML; `from_dict` reads it back."""
    return {
        "zone": hours.zone,
        "week": format_week(hours.week),
        "holidays": {day.isoformat(): name for day, name in hours.holidays.items()},
        "workdays": {day.isoformat(): WEEKDAYS[weekday] for day, weekday in hours.workdays.items()},
        "exceptions": {day.isoformat(): format_hours(special) for day, special in hours.exceptions.items()},
    }


def from_dict(data: Mapping[str, object]) -> Calendar:
    """Read what `to_dict` wrote; only zone and week must be there. Raises ValueError naming the key."""
    if unknown := set(data) - {"zone", "week", "holidays", "workdays", "exceptions"}:
        raise ValueError(f"unknown key {min(unknown)!r}")
    zone, week = data.get("zone"), data.get("week")
    if not isinstance(zone, str) or not isinstance(week, str):
        raise ValueError("zone and week must be texts")
    return Calendar(
        zone=zone,
        week=parse_week(week),
        holidays=_dates(data, "holidays", str),
        workdays=_dates(data, "workdays", _parse_day),
        exceptions=_dates(data, "exceptions", parse_hours),
    )


_INTERVAL = re.compile(r"(\d\d?):([0-5]\d)-(\d\d?):([0-5]\d)", re.ASCII)
_Value = TypeVar("_Value")


def _dates(data: Mapping[str, object], key: str, read: Callable[[str], _Value]) -> dict[date, _Value]:
    given = data.get(key, {})
    if not isinstance(given, Mapping):
        raise ValueError(f"{key} must map dates to texts")
    dates = {}
    for day, value in given.items():
        try:
            dates[date.fromisoformat(day)] = read(value)
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{key}: {day!r}: {error}") from error
    return dates


def _parse_days(text: str) -> list[int]:
    days = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = _parse_day(first), _parse_day(last or first)
        days += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return days


def _parse_day(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"expected a day ({', '.join(WEEKDAYS)}), not {text!r}")
    return WEEKDAYS.index(text)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
