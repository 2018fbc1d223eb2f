from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk import routing
from omnidesk.db.routing import Work
from omnidesk.desk.snapshot import Load, Loads, OpenClock, Weight, from_ms, ms, steps, weigh
from omnidesk.domain.business_time import Calendar, open_time_between, parse_week
from omnidesk.routing.policy import DEFAULT

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
minutes = st.integers(0, 60 * 24 * 40).map(lambda n: NOW - timedelta(minutes=n))
weeks = st.sampled_from(["24/7", "closed", "mon-fri 09:00-13:00 14:00-21:00", "sat-mon 00:00-24:00"])


@given(a=minutes, b=minutes, start=minutes, week=weeks, zone=st.sampled_from(["UTC", "America/New_York"]))
def test_the_clock_counts_what_business_time_counts(
    a: datetime, b: datetime, start: datetime, week: str, zone: str
) -> None:
    """New York turns its clocks back within these forty days."""
    first, a, b = sorted([start, a, b])
    hours = Calendar(zone=zone, week=parse_week(week))
    clock = OpenClock(hours, first, NOW)
    assert timedelta(milliseconds=clock.at(b) - clock.at(a)) == open_time_between(a, b, hours)
    assert clock.at(first) == 0


@given(st.integers(0, 4 * 10**12))
def test_milliseconds_there_and_back(value: int) -> None:
    assert ms(from_ms(value)) == value


def test_steps_follow_each_other_and_after_counts_from_the_beginning() -> None:
    general = UUID(int=7)
    stored: list[dict[str, Any]] = [
        {"for": "2m", "agent": "last"},
        {"for": "5m", "keep": ["vip"]},
        {"after": "15m", "overflow": "general"},
    ]
    assert steps(stored, {"general": general}) == (
        routing.Step(until_ms=120_000, last_agent=True),
        routing.Step(until_ms=420_000, keep=("vip",)),
        routing.Step(until_ms=900_000),
        routing.Step(overflow=general),
    )


@pytest.mark.parametrize("step", [{"for": "soon"}, {"after": "1m", "overflow": "nowhere"}, {"for": "-1m"}])
def test_steps_that_mean_nothing_are_refused(step: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        steps([step], {"general": UUID(int=7)})


def test_live_and_critical_work_is_primary_and_pauses_the_rest() -> None:
    assert weigh(DEFAULT, "chat", "low", None) == Weight(2, True, True)
    assert weigh(DEFAULT, "email", "critical", None) == Weight(1, True, False)
    assert weigh(DEFAULT, "unheard-of", "unheard-of", 3) == Weight(3, False, False)
    olena = UUID(int=1)
    held = [Work(agent_id=olena, channel="email", urgency="normal", units=None, count=6)]
    load = Loads(DEFAULT, held).of(olena)
    assert load == Load(primary=0, asynchronous=6)
    assert load.fits(weigh(DEFAULT, "chat", "normal", None), 6)
    assert not load.fits(weigh(DEFAULT, "email", "normal", None), 6)
