"""The configuration as a file: out and in again is nothing, a plan is what happens, a mistake names its line."""

import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.db.session import Database
from omnidesk.desk import setup
from omnidesk.desk.config_file import ConfigMistake, apply, dump, export, line_of, plan
from omnidesk.domain.people import SYSTEM

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FILE = """
[policy]
order = "edd"

[[sla]]
channel = "vk"
first_reply = "1h"

[calendar.night]
zone = "Europe/Moscow"
week = "mon-fri 20:00-24:00"

[[agents]]
email = "olga@acme.example"
name = "Olga"
role = "senior"
skills = {cards = 2}

[[queue]]
name = "cards"
calendar = "night"
match = 'urgency == "high"'
require = ["cards"]
steps = [{for = "2m", agent = "last"}, {after = "15m", overflow = "vip"}]
agents = ["olga@acme.example"]

[[queue]]
name = "vip"
calendar = "night"
needs_handoff = true

[[category]]
name = "fraud"
match = 'text contains "stolen"'
"""


@pytest.fixture
async def desk(db: Database) -> Database:
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=NOW)
    return db


async def exported(db: Database) -> dict[str, Any]:
    async with db.connection() as tx:
        return await export(tx)


async def test_what_is_written_out_and_put_in_force_again_changes_nothing(desk: Database) -> None:
    await apply(desk, FILE, SYSTEM, now=NOW)
    before = await exported(desk)
    assert await plan(desk, dump(before), SYSTEM, now=NOW) == []
    assert await apply(desk, dump(before), SYSTEM, now=NOW) == []
    assert await exported(desk) == before


async def test_a_plan_shows_what_will_change_and_changes_nothing(desk: Database) -> None:
    before = await exported(desk)
    planned = await plan(desk, FILE, SYSTEM, now=NOW)
    assert await exported(desk) == before
    assert {"+ calendar night", "+ agent olga@acme.example", "+ queue cards", "+ queue vip"} <= set(planned)
    assert '~ policy: order "cost" -> "edd"' in planned
    assert await apply(desk, FILE, SYSTEM, now=NOW) == planned
    after = await exported(desk)
    cards = next(queue for queue in after["queue"] if queue["name"] == "cards")
    assert (cards["agents"], cards["calendar"]) == (["olga@acme.example"], "night")
    assert cards["steps"][1]["overflow"] == "vip", "queues may name one another"
    changed = await plan(desk, FILE.replace("needs_handoff = true", "reply_days = 3"), SYSTEM, now=NOW)
    assert sorted(changed) == ["~ queue vip: needs_handoff true -> false", "~ queue vip: reply_days 1 -> 3"]


@pytest.mark.parametrize(
    ("wrong", "right", "line"),
    [
        ('order = "edd"', 'order = "luck"', 3),
        ('first_reply = "1h"', 'first_reply = "soon"', 7),
        ('week = "mon-fri 20:00-24:00"', 'week = "mon-fri 24:00-20:00"', 9),
        ('role = "senior"', 'role = "king"', 16),
        ("match = 'urgency == \"high\"'", "match = 'urgency =='", 22),
        ('agents = ["olga@acme.example"]', 'agents = ["nobody@acme.example"]', 25),
        ("needs_handoff = true", 'needs_handoff = "perhaps"', 30),
        ("needs_handoff = true", "colour = 1", 30),
        ('name = "vip"', "name = ", 28),
        ("match = 'text contains \"stolen\"'", "match = 'text contains'", 34),
    ],
)
async def test_a_mistake_names_its_line_and_nothing_is_changed(
    desk: Database, wrong: str, right: str, line: int
) -> None:
    before = await exported(desk)
    assert FILE.count(wrong) == 1
    with pytest.raises(ConfigMistake) as refused:
        await apply(desk, FILE.replace(wrong, right), SYSTEM, now=NOW)
    assert f"line {line}" in refused.value.message
    assert await exported(desk) == before


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
_PLAIN = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
_LISTS = st.lists(_PLAIN | st.dictionaries(_TEXTS, _PLAIN, max_size=2), max_size=3)


@given(st.dictionaries(_TEXTS, _PLAIN | _LISTS | st.dictionaries(_TEXTS, _PLAIN | _LISTS, max_size=3), max_size=4))
def test_whatever_is_written_reads_the_same(plain: dict[str, Any]) -> None:
    assert tomllib.loads(dump(plain)) == plain


def test_a_place_that_is_not_in_the_file_is_the_table_around_it() -> None:
    assert line_of(FILE, ("queue", 1, "steps")) == 27
    assert line_of(FILE, ("nothing",)) == 1


async def test_agents_working_hours_go_out_and_come_in_again(desk: Database) -> None:
    file = FILE.replace("skills = {cards = 2}", 'skills = {cards = 2}\ncalendar = "night"')
    await apply(desk, file, SYSTEM, now=NOW)
    plain = await exported(desk)
    assert [one.get("calendar") for one in plain["agents"]] == ["night"]
    assert await plan(desk, dump(plain), SYSTEM, now=NOW) == []
    with pytest.raises(ConfigMistake, match=r"line .*: agents/0/calendar: there is no calendar 'day'"):
        await apply(desk, file.replace('}\ncalendar = "night"', '}\ncalendar = "day"'), SYSTEM, now=NOW)
