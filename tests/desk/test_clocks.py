"""Clocks over real rows: they start with a message, stand, go on, warn up the ladder, and nothing resets them."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from omnidesk.db.session import Database
from omnidesk.desk import clocks, tickets
from omnidesk.desk.assign import assign
from omnidesk.desk.timers import handle_due
from omnidesk.domain import ids
from omnidesk.domain.clocks import Step
from omnidesk.domain.people import SYSTEM, Role
from omnidesk.domain.tickets import Status, Ticket
from tests.desk.conftest import Intaking
from tests.desk.floor import Floor, acting

HOUR = timedelta(hours=1)
TABLE = {"sla": [{"first_reply": "10h", "next_reply": "2h", "resolution": "40h"}]}


@pytest.fixture
async def floor(db: Database) -> Floor:
    floor = Floor(db)
    await has_policy(floor, TABLE)
    return floor


async def has_policy(floor: Floor, policy: dict[str, Any]) -> None:
    await floor.change("INSERT INTO policies (policy) VALUES ($1::jsonb)", json.dumps(policy))


async def waits(floor: Floor, queue: UUID, **more: Any) -> UUID:
    """A ticket whose clock of the first reply started now."""
    ticket = await floor.ticket(queue, **more)
    row = await floor.row("queues", queue)
    await floor.put(
        "clocks",
        ticket_id=ticket,
        kind="first_reply",
        calendar_id=row["calendar_id"],
        policy_version=1,
        target_ms=10 * 3_600_000,
        started_at=floor.now,
        runs_since=floor.now,
        due_at=floor.now + 10 * HOUR,
    )
    [[clock]] = await floor.rows("SELECT id FROM clocks WHERE ticket_id = $1", ticket)
    await floor.change("INSERT INTO timers (kind, subject_id, due_at) VALUES ('clock', $1, $2)", clock, floor.now)
    return ticket


async def clock_of(floor: Floor, ticket: UUID, kind: str = "first_reply") -> dict[str, Any]:
    [[key]] = await floor.rows("SELECT id FROM clocks WHERE ticket_id = $1 AND kind = $2", ticket, kind)
    return await floor.row("clocks", key)


async def warnings(floor: Floor, ticket: UUID) -> list[tuple[int, str, list[str]]]:
    found = [data for kind, data in await floor.events(ticket) if kind == "clock.warned"]
    return [(data["percent"], data["level"], data["told"]) for data in found]


def named(*agents: UUID) -> list[str]:
    return [ids.encode("agent", agent) for agent in agents]


async def test_warnings_climb_from_the_agent_over_the_senior_to_the_supervisor(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena, senior = await floor.agent("Olena"), await floor.agent("Petro", role="senior")
    boss = await floor.agent("Boss", role="supervisor")
    await floor.agent("Elsewhere", role="senior")
    await floor.change("INSERT INTO queue_agents VALUES ($1, $2)", queue, senior)
    ticket = await waits(floor, queue, assignee_id=olena)
    for hours in (0, 4.9, 0.1, 3, 2, 5):
        floor.later(hours=hours)
        await handle_due(floor.db, now=floor.now)
    assert await warnings(floor, ticket) == [
        (50, "agent", named(olena)),
        (80, "senior", named(senior)),
        (100, "supervisor", named(boss)),
    ]
    assert (await clock_of(floor, ticket))["state"] == "breached"
    assert (await floor.row("tickets", ticket))["attention"] == "sla_breached"


async def test_an_empty_rung_is_climbed_over_and_a_long_stop_tells_once(floor: Floor) -> None:
    boss = await floor.agent("Boss", role="supervisor")
    queue = await floor.queue("general")
    first = await waits(floor, queue)
    floor.later(hours=5)
    await handle_due(floor.db, now=floor.now)
    assert await warnings(floor, first) == [(50, "supervisor", named(boss))]
    second = await waits(floor, queue)
    floor.later(days=3)
    for _ in range(3):
        await handle_due(floor.db, now=floor.now)
    assert [percent for percent, _, _ in await warnings(floor, second)] == [100]


@pytest.mark.row(70)
async def test_pending_stops_the_clock_and_the_answer_lets_it_go_on(floor: Floor) -> None:
    ticket = await waits(floor, await floor.queue("general"), status="open")
    floor.later(hours=3)
    await tickets.transition(floor.db, ticket, SYSTEM, Status.PENDING, now=floor.now)
    clock = await clock_of(floor, ticket)
    assert (clock["state"], clock["consumed_ms"], clock["due_at"]) == ("paused", 3 * 3_600_000, None)
    assert await floor.rows("SELECT 1 FROM timers WHERE kind = 'clock'") == []
    floor.later(days=4)
    await handle_due(floor.db, now=floor.now)
    await tickets.transition(floor.db, ticket, SYSTEM, Status.OPEN, now=floor.now)
    clock = await clock_of(floor, ticket)
    assert (clock["state"], clock["due_at"]) == ("running", floor.now + 7 * HOUR)
    said = [data for kind, data in await floor.events(ticket) if kind == "clock.changed"]
    assert [(data["state"], data["at"]) for data in said][-1] == ("running", floor.now.isoformat())
    assert await warnings(floor, ticket) == []
    replayed = [(data["runs"], datetime.fromisoformat(data["at"])) for data in said]
    spell = sum(
        (
            b - a
            for (_, a), (runs, b) in zip([(True, clock["started_at"]), *replayed], replayed, strict=False)
            if not runs
        ),
        timedelta(),
    )
    assert spell == timedelta(milliseconds=clock["consumed_ms"]), "the events tell the same"


async def test_spam_stops_the_clocks_and_undo_brings_them_back_as_they_were(floor: Floor) -> None:
    queue = await floor.queue("general")
    one, asked = await waits(floor, queue, status="open"), await waits(floor, queue, status="open")
    await tickets.transition(floor.db, asked, SYSTEM, Status.PENDING, now=floor.now)
    floor.later(hours=1)
    for ticket in (one, asked):
        await tickets.mark_spam(floor.db, ticket, SYSTEM, now=floor.now)
    floor.later(days=2)
    await handle_due(floor.db, now=floor.now)
    assert [(await clock_of(floor, t))["state"] for t in (one, asked)] == ["paused", "paused"]
    for ticket in (one, asked):
        await tickets.unmark_spam(floor.db, ticket, SYSTEM, now=floor.now)
    assert (await clock_of(floor, one))["due_at"] == floor.now + 9 * HOUR
    assert (await clock_of(floor, asked))["state"] == "paused", "the customer still has the ball"


async def test_neither_another_agent_nor_another_queue_nor_another_policy_resets_a_clock(floor: Floor) -> None:
    queue, other = await floor.queue("general"), await floor.queue("other")
    ticket, olena = await waits(floor, queue), await floor.agent("Olena")
    before = await clock_of(floor, ticket)
    floor.later(hours=1)
    await assign(floor.db, ticket, olena, acting(olena, Role.SUPERVISOR), now=floor.now)
    await tickets.patch(floor.db, ticket, SYSTEM, {"queue_id": other}, now=floor.now)
    await has_policy(floor, {"sla": [{"first_reply": "1h"}]})
    await handle_due(floor.db, now=floor.now)
    assert await clock_of(floor, ticket) == before


@pytest.mark.row(47)
async def test_a_ticket_found_to_be_urgent_keeps_its_age_and_gets_the_shorter_term(floor: Floor) -> None:
    ticket = await waits(floor, await floor.queue("general"))
    began = floor.now
    await has_policy(floor, {"sla": [{"first_reply": "10h"}, {"urgency": "critical", "first_reply": "2h"}]})
    floor.later(hours=1)
    await tickets.patch(floor.db, ticket, SYSTEM, {"urgency": "critical"}, now=floor.now)
    clock = await clock_of(floor, ticket)
    assert (clock["due_at"], clock["started_at"], clock["policy_version"]) == (began + 2 * HOUR, began, 2)


async def test_the_next_reply_is_measured_from_the_customers_message_until_a_person_answers(floor: Floor) -> None:
    ticket = await waits(floor, await floor.queue("general"), status="open")
    asks = Ticket(id=ticket, status=Status.OPEN, waiting_since=floor.now)
    quiet = Ticket(id=ticket, status=Status.OPEN, first_reply_at=floor.now)

    async def step(before: Ticket, after: Ticket, *, replied: bool = False) -> None:
        async with floor.db.transaction() as tx:
            await clocks.step(tx, [Step(before, after, floor.now, replied)])

    await step(asks, quiet, replied=True)
    floor.later(hours=5)
    await step(quiet, asks)
    await step(asks, asks)
    clock = await clock_of(floor, ticket, "next_reply")
    assert (clock["started_at"], clock["due_at"]) == (floor.now, floor.now + 2 * HOUR)
    floor.later(hours=3)
    await step(asks, quiet, replied=True)
    assert (await clock_of(floor, ticket, "next_reply"))["state"] == "breached"
    assert (await clock_of(floor, ticket))["state"] == "met"


async def test_intake_starts_the_clocks_and_a_later_message_resets_none(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    await desk.work()
    first = await desk.rows("SELECT kind, state, started_at, due_at FROM clocks ORDER BY kind")
    assert [(row["kind"], row["state"]) for row in first] == [("first_reply", "running"), ("resolution", "running")]
    assert await desk.value("SELECT count(*) FROM timers WHERE kind = 'clock'") == 2
    await desk.comes("ivan", "Any news?", id="m2")
    await desk.work()
    assert await desk.rows("SELECT kind, state, started_at, due_at FROM clocks ORDER BY kind") == first

    await desk.rows("UPDATE tickets SET status = 'pending', waiting_since = NULL, first_reply_at = now()")
    await desk.rows("UPDATE clocks SET state = 'met', settled_at = now(), runs_since = NULL WHERE kind = 'first_reply'")
    await desk.rows(
        "UPDATE clocks SET state = 'paused', runs_since = NULL, paused_at = now(), consumed_ms = 5"
        " WHERE kind = 'resolution'"
    )
    await desk.comes("ivan", "Here is what you asked for", id="m3")
    await desk.work()
    states = {row["kind"]: row["state"] for row in await desk.rows("SELECT kind, state FROM clocks")}
    assert states == {"first_reply": "met", "next_reply": "running", "resolution": "running"}


@pytest.mark.row(65)
async def test_the_customer_is_told_the_days_of_the_channel_and_the_tier(desk: Intaking) -> None:
    table = {"sla": [{"reply_days": 2, "first_reply": "9h"}, {"tier": "vip", "reply_days": 1}]}
    await desk.rows("INSERT INTO policies (policy) VALUES ($1::jsonb)", json.dumps(table))
    await desk.comes("ivan", id="m1")
    await desk.work()
    await desk.rows("UPDATE contacts SET tier = 'vip'")
    await desk.comes("ivan", "Something else", id="m2", thread="t2")
    await desk.work()
    days = await desk.rows("SELECT arithmetic->'business_days' AS days, due_at FROM promises ORDER BY created_at, id")
    assert [row["days"] for row in days] == [2, 1]
