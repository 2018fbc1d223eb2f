"""A clock is what its ticket's history says: replaying the steps gives the same numbers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain.business_time import Calendar, always_open, open_time_between, parse_week
from omnidesk.domain.clocks import FIRST_REPLY, RESOLUTION, WARNINGS, Clock, Step, follow, owes_reply
from omnidesk.domain.tickets import WORKABLE, Status, Ticket

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
OFFICE = Calendar(zone="Europe/Moscow", week=parse_week("mon-fri 09:00-13:00 14:00-18:00"))
HOUR = timedelta(hours=1)


def clock(kind: str = FIRST_REPLY, target: timedelta = 8 * HOUR, at: datetime = MONDAY) -> Clock:
    return Clock(id=UUID(int=1), ticket_id=UUID(int=2), kind=kind, target=target, started_at=at, runs_since=at)


def ticket(status: Status, waiting: datetime | None = None) -> Ticket:
    return Ticket(id=UUID(int=2), status=status, waiting_since=waiting)


def step(before: Status, after: Status, at: datetime, *, replied: bool = False) -> Step:
    return Step(ticket(before), ticket(after), at, replied)


STEPS = st.lists(
    st.tuples(
        st.timedeltas(timedelta(), timedelta(days=3)),
        st.sampled_from([Status.OPEN, Status.PENDING, Status.SPAM, Status.RESOLVED]),
    ),
    max_size=12,
)


@pytest.mark.row(70)
@given(STEPS, st.timedeltas(timedelta(minutes=1), timedelta(hours=40)))
def test_the_arithmetic_of_a_clock_is_proven_by_replaying_what_happened(
    history: list[tuple[timedelta, Status]], target: timedelta
) -> None:
    """Open time is summed over the spells in our court alone; the clock, taken step by step, says the same."""
    one, status, now = clock(RESOLUTION, target), Status.OPEN, MONDAY
    spells, since = list[tuple[datetime, datetime]](), MONDAY
    for after, next_status in history:
        now += after
        one = follow(one, step(status, next_status, now), OFFICE)
        if status in WORKABLE:
            spells.append((since, now))
        since, status = now, next_status
    end = now + timedelta(days=2)
    if status in WORKABLE:
        spells.append((since, end))
    expected = sum((open_time_between(a, b, OFFICE) for a, b in spells), timedelta())
    assert one.used(end, OFFICE) == expected
    assert (one.runs_since is not None) == (status in WORKABLE)
    due = one.reaches(100, OFFICE)
    if due is not None and one.used(now, OFFICE) < target:
        assert one.used(due, OFFICE) == target, "it is due when exactly the target is used"


@given(st.timedeltas(timedelta(), timedelta(days=9)), st.timedeltas(timedelta(minutes=1), timedelta(hours=40)))
def test_an_answer_is_in_time_exactly_until_it_is_due(after: timedelta, target: timedelta) -> None:
    one, at = clock(target=target), MONDAY + after
    due = one.reaches(100, OFFICE)
    assert due is not None
    met = one.met(at, OFFICE)
    assert met.state == ("met" if open_time_between(MONDAY, at, OFFICE) <= target else "breached")
    assert at > due or met.state == "met"
    assert (met.settled_at, met.reaches(100, OFFICE)) == (at, None)


def test_pending_stops_it_and_the_answer_lets_it_go_on_from_there() -> None:
    one = follow(clock(), step(Status.OPEN, Status.PENDING, MONDAY + 3 * HOUR), always_open())
    assert (one.state, one.consumed, one.runs_since) == ("paused", 3 * HOUR, None)
    one = follow(one, step(Status.PENDING, Status.OPEN, MONDAY + 30 * HOUR), always_open())
    assert one.reaches(100, always_open()) == MONDAY + 35 * HOUR
    assert follow(one, step(Status.OPEN, Status.OPEN, MONDAY + 31 * HOUR), always_open()) == one, (
        "writing resets nothing"
    )


def test_a_message_that_is_read_late_counts_no_time_twice() -> None:
    stopped = clock().stopped(MONDAY + 2 * HOUR, always_open())
    again = stopped.going(MONDAY + HOUR)
    assert again.used(MONDAY + 2 * HOUR, always_open()) == 2 * HOUR


def test_a_reply_meets_the_clock_of_replies_and_the_solution_all_of_them() -> None:
    replied = step(Status.OPEN, Status.OPEN, MONDAY + HOUR, replied=True)
    assert follow(clock(), replied, OFFICE).state == "met"
    assert follow(clock(RESOLUTION), replied, OFFICE).settled_at is None
    solved = step(Status.OPEN, Status.RESOLVED, MONDAY + HOUR)
    assert [follow(clock(kind), solved, OFFICE).state for kind in (FIRST_REPLY, RESOLUTION)] == ["met", "met"]


def test_what_was_opened_again_was_not_solved() -> None:
    solved = follow(clock(RESOLUTION), step(Status.OPEN, Status.RESOLVED, MONDAY + HOUR), always_open())
    again = follow(solved, step(Status.RESOLVED, Status.OPEN, MONDAY + 50 * HOUR), always_open())
    assert (again.state, again.settled_at, again.consumed) == ("running", None, HOUR)


def test_warnings_come_at_half_four_fifths_and_all_of_the_target() -> None:
    one = clock(target=10 * HOUR)
    assert [one.reaches(percent, always_open()) for percent in WARNINGS] == [MONDAY + n * HOUR for n in (5, 8, 10)]
    assert [one.reached(MONDAY + n * HOUR, always_open()) for n in (4, 5, 9, 30)] == [0, 50, 80, 100]


def test_a_calendar_that_never_opens_makes_nothing_due() -> None:
    closed = Calendar(zone="UTC", week=parse_week("closed"))
    assert clock().reaches(100, closed) is None
    assert clock().used(MONDAY + timedelta(days=90), closed) == timedelta()


def test_the_next_reply_is_owed_once_and_only_while_the_customer_waits() -> None:
    met = clock().met(MONDAY + HOUR, OFFICE)
    waits = Step(ticket(Status.OPEN), ticket(Status.OPEN, MONDAY + 2 * HOUR), MONDAY + 2 * HOUR)
    assert owes_reply(waits, [met])
    assert not owes_reply(waits, [clock()]), "the first reply is still owed"
    assert not owes_reply(waits._replace(after=ticket(Status.OPEN)), [met])


def test_another_class_changes_the_target_and_keeps_what_was_used() -> None:
    one = clock(target=8 * HOUR).retargeted(2 * HOUR, MONDAY + HOUR, always_open())
    assert one.reaches(100, always_open()) == MONDAY + 2 * HOUR
    late = clock(target=8 * HOUR).retargeted(HOUR, MONDAY + 3 * HOUR, always_open())
    assert late.state == "breached"
