import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

from omnidesk.desk.new_ids import new_id

CHANCE = (1 << 62) - 1  # the bits that are drawn


def test_ids_rise_within_a_millisecond_and_when_the_clock_goes_back() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    made = [new_id(now - timedelta(seconds=n % 3)) for n in range(10_000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert len({one.int & CHANCE for one in made}) == len(made)


def test_a_forked_process_does_not_draw_what_its_parent_draws() -> None:
    new_id()
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(said, new_id().bytes)
        os._exit(0)
    ours = new_id()
    os.waitpid(child, 0)
    theirs = UUID(bytes=os.read(heard, 16))
    os.close(heard)
    os.close(said)
    assert theirs.int & CHANCE != ours.int & CHANCE
