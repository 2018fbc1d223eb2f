"""What a customer is told about dates, and what runs down while nobody is at the desk."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnidesk.domain import business_time as bt
from omnidesk.domain.business_time import Calendar, Hours, NeverOpen, Week

MOSCOW = ZoneInfo("Europe/Moscow")
NEW_YORK = ZoneInfo("America/New_York")
OFFICE = bt.parse_week("mon-fri 09:00-18:00")
NIGHTS = bt.parse_week("mon-sun 00:00-08:00")
hour = timedelta(hours=1)


def office(zone: str = "Europe/Moscow", **more: object) -> Calendar:
    return Calendar(zone=zone, week=OFFICE, **more)  # type: ignore[arg-type]


def msk(year: int, month: int, day: int, hours: int = 0, minutes: int = 0) -> datetime:
    return datetime(year, month, day, hours, minutes, tzinfo=MOSCOW)


# A letter before a holiday


def test_a_letter_of_friday_evening_before_a_holiday_monday_is_due_after_three_working_days() -> None:
    """The arithmetic of row 30: received on Friday 19:00, Monday is a holiday."""
    calendar = office(holidays={date(2026, 11, 9): "Bridge day"})
    told = bt.add_business_days(msk(2026, 11, 6, 19), 3, calendar)
    assert told.due_at == msk(2026, 11, 12, 18)
    assert told.due_at.tzinfo is UTC
    assert [(step["date"], step["counted"], step["reason"]) for step in told.steps] == [
        ("2026-11-06", "", "received"),
        ("2026-11-07", "", "closed"),
        ("2026-11-08", "", "closed"),
        ("2026-11-09", "", "holiday"),
        ("2026-11-10", "1", "working"),
        ("2026-11-11", "2", "working"),
        ("2026-11-12", "3", "working"),
    ]
    assert told.steps[3]["name"] == "Bridge day"
    assert json.loads(json.dumps(told.steps)) == told.steps


def test_a_transferred_working_saturday_counts_and_works_like_its_weekday() -> None:
    """As in Russia: 1 November 2025 (Saturday) worked for Monday 3 November."""
    calendar = office(
        holidays={date(2025, 11, 3): "Перенос", date(2025, 11, 4): "День народного единства"},
        workdays={date(2025, 11, 1): 0},
    )
    told = bt.add_business_days(msk(2025, 10, 31, 19), 2, calendar)
    assert told.due_at == msk(2025, 11, 5, 18)
    assert [step["reason"] for step in told.steps] == [
        "received", "transferred", "closed", "holiday", "holiday", "working",
    ]  # fmt: skip


def test_the_day_of_receipt_is_not_counted_even_in_the_morning() -> None:
    assert bt.add_business_days(msk(2026, 11, 16, 8), 1, office()).due_at == msk(2026, 11, 17, 18)


def test_the_date_of_receipt_is_that_of_the_desk_not_of_utc() -> None:
    """22:30 UTC on Monday is Tuesday in Moscow, so Wednesday is the first working day."""
    received = datetime(2026, 11, 16, 22, 30, tzinfo=UTC)
    assert bt.add_business_days(received, 1, office()).due_at == msk(2026, 11, 18, 18)


def test_special_hours_are_part_of_the_promise() -> None:
    calendar = office(exceptions={date(2026, 12, 31): bt.parse_hours("09:00-15:00"), date(2026, 12, 30): ()})
    told = bt.add_business_days(msk(2026, 12, 29, 12), 1, calendar)
    assert told.due_at == msk(2026, 12, 31, 15)
    assert [step["reason"] for step in told.steps] == ["received", "closed", "special"]


def test_promises_without_a_working_day_are_refused() -> None:
    with pytest.raises(ValueError):
        bt.add_business_days(msk(2026, 11, 16), 0, office())
    with pytest.raises(NeverOpen):
        bt.add_business_days(msk(2026, 11, 16), 1, Calendar(zone="UTC", week=bt.parse_week("closed")))


# Clocks


@pytest.mark.parametrize(
    ("start", "working", "due"),
    [
        (msk(2026, 11, 16, 10), 4 * hour, msk(2026, 11, 16, 15)),  # over lunch
        (msk(2026, 11, 16, 13, 30), hour, msk(2026, 11, 16, 15)),  # written at lunch
        (msk(2026, 11, 16, 7), 4 * hour, msk(2026, 11, 16, 13)),  # fills the morning: due at its end
        (msk(2026, 11, 16, 20), 2 * hour, msk(2026, 11, 17, 10)),  # one hour today, one tomorrow
        (msk(2026, 11, 20, 22), hour, msk(2026, 11, 21, 11)),  # Friday night, Saturday works
        (msk(2026, 11, 21, 16), hour, msk(2026, 11, 23, 10)),  # Saturday afternoon
        (msk(2026, 11, 22, 12), timedelta(0), msk(2026, 11, 22, 12)),
    ],
)
def test_only_open_time_runs_down(start: datetime, working: timedelta, due: datetime) -> None:
    calendar = Calendar(zone="Europe/Moscow", week=bt.parse_week("mon-fri 09:00-13:00 14:00-21:00; sat 10:00-15:00"))
    assert bt.deadline(start, working, calendar) == due
    assert bt.open_time_between(start, due, calendar) == working


@pytest.mark.parametrize(
    ("zone", "night", "opened"),
    [
        ("America/New_York", date(2026, 3, 8), 7 * hour),  # 02:00 jumps to 03:00
        ("America/New_York", date(2026, 11, 1), 9 * hour),  # 01:00-02:00 comes twice
        ("Australia/Lord_Howe", date(2026, 4, 5), 8.5 * hour),  # half an hour back
        ("Australia/Lord_Howe", date(2026, 10, 4), 7.5 * hour),
        ("America/Sao_Paulo", date(2018, 11, 4), 7 * hour),  # midnight itself was skipped
        ("Europe/Moscow", date(2014, 10, 26), 9 * hour),  # the last change of Moscow
        ("Pacific/Apia", date(2011, 12, 30), 0 * hour),  # a day that never was
        ("Africa/Monrovia", date(1972, 1, 7), 8 * hour - timedelta(minutes=44, seconds=30)),
    ],
)
def test_a_night_shift_is_measured_in_real_seconds(zone: str, night: date, opened: timedelta) -> None:
    calendar = Calendar(zone=zone, week=NIGHTS)
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    around = [span for day in (-1, 0, 1) for span in calendar.spans(night.toordinal() + day)]
    assert len(around) >= 2
    assert sum((end - start for start, end in calendar.spans(night.toordinal())), timedelta(0)) == opened
    assert bt.open_time_between(noon - 96 * hour, noon - 72 * hour, calendar) == 8 * hour


def test_hours_inside_the_skipped_hour_do_not_exist() -> None:
    calendar = Calendar(zone="America/New_York", week=bt.parse_week("mon-sun 02:00-03:00"))
    before = datetime(2026, 3, 8, 0, tzinfo=NEW_YORK)
    assert bt.deadline(before, hour, calendar) == datetime(2026, 3, 9, 3, tzinfo=NEW_YORK)


def test_hours_that_begin_inside_the_skipped_hour_begin_at_the_jump() -> None:
    calendar = Calendar(zone="America/New_York", week=bt.parse_week("mon-sun 02:30-10:00"))
    midnight = datetime(2026, 3, 8, 0, tzinfo=NEW_YORK)
    assert bt.next_open(midnight, calendar) == datetime(2026, 3, 8, 7, tzinfo=UTC)  # 03:00 EDT


def test_a_clock_put_back_over_midnight_stays_open_and_counts_once() -> None:
    """St John's turned its clocks at 00:01 until 2011: 23:01-24:00 of 6 November 2010 came twice."""
    calendar = bt.always_open("America/St_Johns")
    second_coming = datetime(2010, 11, 6, 23, 30, fold=1, tzinfo=ZoneInfo("America/St_Johns")).astimezone(UTC)
    assert bt.is_open(second_coming, calendar)
    assert bt.open_time_between(second_coming - 30 * hour, second_coming, calendar) == 30 * hour


def test_the_desk_is_open_from_the_first_minute_and_closed_at_the_last() -> None:
    assert not bt.is_open(msk(2026, 11, 16, 8, 59), office())
    assert bt.is_open(msk(2026, 11, 16, 9), office())
    assert bt.is_open(msk(2026, 11, 16, 17, 59), office())
    assert not bt.is_open(msk(2026, 11, 16, 18), office())
    assert bt.next_open(msk(2026, 11, 20, 18), office()) == msk(2026, 11, 23, 9)
    assert bt.next_open(msk(2026, 11, 16, 10), office()) == msk(2026, 11, 16, 10)


def test_around_the_clock_a_deadline_is_plain_addition() -> None:
    start = msk(2026, 2, 27, 23, 59)
    assert bt.deadline(start, 100 * hour, bt.always_open("Europe/Moscow")) == start + 100 * hour


def test_what_never_comes_is_said() -> None:
    closed = Calendar(zone="UTC", week=bt.parse_week("closed"))
    now = datetime(2026, 11, 16, tzinfo=UTC)
    with pytest.raises(NeverOpen):
        bt.deadline(now, hour, closed)
    with pytest.raises(NeverOpen):
        bt.next_open(now, closed)
    with pytest.raises(NeverOpen):
        bt.deadline(now, timedelta(days=366, microseconds=1), bt.always_open())
    assert bt.deadline(now, timedelta(days=366), bt.always_open()) == now + timedelta(days=366)
    with pytest.raises(NeverOpen):
        bt.deadline(now, timedelta.max, bt.always_open())


def test_naive_moments_and_negative_work_are_refused() -> None:
    naive, aware = datetime(2026, 11, 16), datetime(2026, 11, 16, tzinfo=UTC)  # noqa: DTZ001
    for call in (
        lambda: bt.deadline(naive, hour, office()),
        lambda: bt.open_time_between(naive, aware, office()),
        lambda: bt.open_time_between(aware, naive, office()),
        lambda: bt.is_open(naive, office()),
        lambda: bt.next_open(naive, office()),
        lambda: bt.add_business_days(naive, 1, office()),
        lambda: bt.deadline(aware, -hour, office()),
        lambda: bt.deadline(datetime.max.replace(tzinfo=UTC), hour, office()),
    ):
        with pytest.raises(ValueError):
            call()


# Properties

ZONES = [
    "UTC", "Europe/Moscow", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
    "Asia/Kathmandu", "Africa/Monrovia", "Europe/Dublin", "Africa/Casablanca", "America/St_Johns", "Asia/Gaza",
    "Pacific/Kwajalein", "Europe/Amsterdam",
]  # fmt: skip


@st.composite
def hours_of_a_day(draw: st.DrawFn) -> Hours:
    marks = sorted(draw(st.lists(st.integers(0, 1440), max_size=6, unique=True)))
    return tuple(zip(marks[::2], marks[1::2], strict=False))


weeks = st.tuples(*[hours_of_a_day()] * 7).filter(any)
dates = st.dates(date(2010, 1, 1), date(2012, 12, 31))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    return Calendar(
        zone=draw(st.sampled_from(ZONES)),
        week=draw(weeks),
        holidays=dict.fromkeys(draw(st.sets(dates, max_size=5)), "holiday"),
        workdays=draw(st.dictionaries(dates, st.integers(0, 6), max_size=5)),
        exceptions=draw(st.dictionaries(dates, hours_of_a_day(), max_size=5)),
    )


moments = st.one_of(
    st.datetimes(datetime(2010, 1, 1), datetime(2012, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.datetimes(datetime(1900, 1, 1), datetime(2050, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
works = st.timedeltas(timedelta(0), timedelta(hours=60))


@given(moments, works, calendars())
def test_a_deadline_lies_exactly_that_much_open_time_ahead(start: datetime, work: timedelta, hours: Calendar) -> None:
    try:
        due = bt.deadline(start, work, hours)
    except NeverOpen:
        assert bt.open_time_between(start, start + bt.HORIZON, hours) < work
        return
    assert due >= start
    assert bt.open_time_between(start, due, hours) == work
    if work:  # and it is the first such moment
        assert bt.open_time_between(start, due - timedelta(microseconds=1), hours) < work


@given(moments, st.timedeltas(timedelta(0), timedelta(days=300)), calendars())
def test_the_deadline_of_the_time_that_passed_is_no_later(a: datetime, span: timedelta, hours: Calendar) -> None:
    b = a + span
    passed = bt.open_time_between(a, b, hours)
    due = bt.deadline(a, passed, hours)
    assert due <= b
    assert bt.open_time_between(due, b, hours) == timedelta(0)


@given(moments, works, works, calendars())
def test_open_time_adds_up(a: datetime, one: timedelta, two: timedelta, hours: Calendar) -> None:
    b, c = a + one, a + one + two
    whole = bt.open_time_between(a, c, hours)
    assert bt.open_time_between(a, b, hours) + bt.open_time_between(b, c, hours) == whole
    assert timedelta(0) <= whole <= c - a


@given(moments, calendars())
def test_the_next_opening_is_open_and_nothing_was_open_before(moment: datetime, hours: Calendar) -> None:
    try:
        opens = bt.next_open(moment, hours)
    except NeverOpen:
        return
    assert bt.is_open(opens, hours)
    assert bt.is_open(moment, hours) == (opens == moment)
    assert bt.open_time_between(moment, opens, hours) == timedelta(0)


@settings(max_examples=20)
@given(moments, calendars())
def test_open_time_is_what_a_patient_observer_of_the_wall_clock_counts(start: datetime, hours: Calendar) -> None:
    """Minute by minute for a day and a half, away from clocks that are put back."""
    start = start.replace(second=0, microsecond=0)
    walls = [hours.local(start + timedelta(minutes=minute)) for minute in range(-1500, 2160)]
    if len({wall.utcoffset() for wall in walls}) > 1 or walls[0].second:
        return
    seen = 0
    for wall in walls[1500:]:
        now = wall.hour * 60 + wall.minute
        seen += any(opens <= now < closes for opens, closes in hours.hours(wall.date()))
    assert bt.open_time_between(start, start + timedelta(minutes=2160), hours) == timedelta(minutes=seen)


@given(calendars())
def test_a_calendar_survives_json(hours: Calendar) -> None:
    assert bt.from_dict(json.loads(json.dumps(bt.to_dict(hours)))) == hours


@given(weeks)
def test_a_week_survives_its_text(week: Week) -> None:
    assert bt.parse_week(bt.format_week(week)) == week


# The text


def test_a_week_is_written_as_people_write_it() -> None:
    week = bt.parse_week(" Mon-Fri 9:00-13:00  14:00-21:00;  sat 10:00-24:00 ; ")
    assert week == (((540, 780), (840, 1260)),) * 5 + (((600, 1440),), ())
    assert bt.format_week(week) == "mon-fri 09:00-13:00 14:00-21:00; sat 10:00-24:00"
    assert bt.parse_week("sat-mon,wed 10:00-11:00") == tuple(
        ((600, 660),) if day in (0, 2, 5, 6) else () for day in range(7)
    )
    assert bt.parse_week("24/7") == bt.always_open().week
    assert bt.format_week(bt.parse_week("closed")) == "closed"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a day"),
        ("mo 09:00-18:00", "'mo'"),
        ("mon", "expected hours"),
        ("mon 9-18", "'9-18'"),
        ("mon 09:00-18:60", "'09:00-18:60'"),
        ("mon 09:00-25:00", "25:00"),
        ("mon 22:00-06:00", "split it at 24:00"),
        ("mon 09:00-09:00", "09:00-09:00"),
        ("mon 09:00-13:00 12:00-18:00", "overlap"),
        ("mon-fri 09:00-18:00; wed 10:00-12:00", "wed is named twice"),
        ("mon-fri 09:00-18:00; ; sat 10:00-12:00", "expected a day"),
    ],
)
def test_a_wrong_week_is_refused_with_the_part_that_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bt.parse_week(text)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"zone": "Mars/Olympus", "week": "24/7"}, "Mars/Olympus"),
        ({"zone": "", "week": "24/7"}, "unknown time zone"),
        ({"week": "24/7"}, "zone and week"),
        ({"zone": "UTC", "week": "24/7", "holiday": {}}, "'holiday'"),
        ({"zone": "UTC", "week": "24/7", "holidays": ["2026-01-01"]}, "holidays"),
        ({"zone": "UTC", "week": "24/7", "holidays": {"2026-13-01": "x"}}, "2026-13-01"),
        ({"zone": "UTC", "week": "24/7", "workdays": {"2026-01-01": "someday"}}, "someday"),
        ({"zone": "UTC", "week": "24/7", "exceptions": {"2026-01-01": 9}}, "exceptions"),
    ],
)
def test_a_wrong_calendar_is_refused_with_the_key(data: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bt.from_dict(data)
