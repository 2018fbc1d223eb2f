from datetime import UTC, datetime, timedelta

from omnidesk.desk.new_ids import new_id


def test_ids_rise_within_a_millisecond_and_when_the_clock_goes_back() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    made = [new_id(now - timedelta(seconds=n % 3)) for n in range(10_000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
