import asyncio
import json
from datetime import timedelta

import pytest

from omnidesk.db import events
from omnidesk.db.session import Database
from omnidesk.desk import snapshot
from omnidesk.desk.assign import accept_offer, decline_offer
from omnidesk.desk.feed import number_batch
from omnidesk.desk.planner import Planner, carry_out, current_policy, plan_once
from omnidesk.desk.presence import set_presence
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict
from omnidesk.domain.events import Event, EventType
from omnidesk.routing import plan
from tests.desk.floor import Floor, acting


@pytest.fixture
def floor(db: Database) -> Floor:
    return Floor(db)


async def test_a_ticket_goes_to_the_agent_who_can_and_the_decision_says_why(floor: Floor) -> None:
    cards = await floor.queue("cards", require=["cards"])
    await floor.agent("Petro")
    olena = await floor.agent("Olena", "cards")
    ticket = await floor.ticket(cards)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) == olena
    assert (await floor.row("tickets", ticket))["version"] == 2
    assert await floor.reasons(ticket) == [("assigned", "only_fit")]
    given = ("ticket.assigned", {"agent_id": ids.encode("agent", olena), "reason": "only_fit"})
    assert await floor.events(ticket) == [given]
    ((detail,),) = await floor.rows("SELECT detail FROM decisions WHERE ticket_id = $1", ticket)
    assert detail["counts"] == {"eligible": 1, "skill": 1}
    assert detail["inputs"]["ticket"]["id"] == str(ticket)


async def test_a_ticket_that_waits_says_why_once_until_the_reason_changes(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", status="offline")
    ticket = await floor.ticket(queue)
    for _ in range(3):
        await plan_once(floor.db, now=floor.now)
        floor.later(seconds=10)
    assert await floor.reasons(ticket) == [("waiting", "all_offline")]
    await set_presence(floor.db, olena, "online", acting(olena), now=floor.now)
    await floor.change("UPDATE agents SET capacity = 0")
    await plan_once(floor.db, now=floor.now)
    await floor.change("UPDATE agents SET capacity = 1")
    floor.later(seconds=1)
    await plan_once(floor.db, now=floor.now)
    assert await floor.reasons(ticket) == [
        ("waiting", "all_offline"),
        ("waiting", "all_full"),
        ("assigned", "only_fit"),
    ]


async def test_urgent_work_comes_first_and_agents_are_filled_to_their_capacity(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", capacity=2)
    low = await floor.ticket(queue, urgency="low")
    high = [await floor.ticket(queue, urgency="high") for _ in range(2)]
    floor.later(minutes=5)
    await plan_once(floor.db, now=floor.now)
    assert [await floor.holder(ticket) for ticket in (*high, low)] == [olena, olena, None]


@pytest.mark.row(18, part="order")
@pytest.mark.parametrize("order", ["cost", "edd", "priority"])
async def test_a_channel_with_a_priority_class_comes_before_an_equal_letter(floor: Floor, order: str) -> None:
    """An older letter of the same urgency waits; a more urgent one than the lift still comes first."""
    plain = {"policy": {"order": order}, "channel": {"api": {"lift": 1}}}
    async with floor.db.connection() as tx:
        await tx.driver.execute("INSERT INTO policies (policy) VALUES ($1::jsonb)", json.dumps(plain))
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", capacity=2)
    letter = await floor.ticket(queue, urgency="normal")
    floor.later(seconds=10)
    urgent = await floor.ticket(queue, urgency="high", waiting_since=floor.now - timedelta(minutes=30))
    called = await floor.ticket(queue, urgency="normal", channel="api")
    floor.later(minutes=10)
    await plan_once(floor.db, now=floor.now)
    assert [await floor.holder(ticket) for ticket in (urgent, called, letter)] == [olena, olena, None]


async def test_only_open_hours_make_a_ticket_older(floor: Floor) -> None:
    """Both wait since Friday noon; the queue that is closed at the weekend owes its customer three hours only."""
    office = await floor.queue("office", week="mon-fri 09:00-12:00")
    always = await floor.queue("always")
    floor.later(days=-3, hours=2)
    slow, quick = await floor.ticket(office), await floor.ticket(always)
    floor.later(days=3)
    olena = await floor.agent("Olena", capacity=1)
    await plan_once(floor.db, now=floor.now)
    assert (await floor.holder(quick), await floor.holder(slow)) == (olena, None)
    ages = await floor.rows(
        "SELECT (detail->'inputs'->'queues'->0->>'clock_ms')::bigint"
        " - (detail->'inputs'->'ticket'->>'waiting_since_ms')::bigint FROM decisions WHERE ticket_id = $1",
        slow,
    )
    assert ages == [(3 * 3_600_000,)], "an hour on Friday, two on Monday"


async def test_steps_ask_the_last_agent_first_then_keep_what_is_preferred_then_everybody(floor: Floor) -> None:
    steps = [{"for": "2m", "agent": "last"}, {"for": "5m", "keep": ["vip"]}]
    queue = await floor.queue("general", prefer=["vip"], steps=steps)
    ivan = await floor.customer("Ivan")
    olena = await floor.agent("Olena", capacity=1)
    petro = await floor.agent("Petro")
    await floor.ticket(queue, by=ivan, status="open", assignee_id=olena, assigned_at=floor.now)
    ticket = await floor.ticket(queue, by=ivan)
    await plan_once(floor.db, now=floor.now)
    floor.later(minutes=3)
    await plan_once(floor.db, now=floor.now)
    assert await floor.reasons(ticket) == [("waiting", "sticky_hold"), ("waiting", "no_skill")]
    floor.later(minutes=5)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) == petro


async def test_four_planners_at_once_overfill_nobody_and_give_nothing_twice(floor: Floor) -> None:
    """Each plans for the same free agents, but for others: older ones came between the snapshots."""
    queue = await floor.queue("general")
    agents = [await floor.agent(f"Agent{n}", capacity=3) for n in range(8)]
    ivan = await floor.customer("Ivan")
    policy = await current_policy(floor.db)
    plans = []
    for hours in range(4):
        for _ in range(16):
            await floor.ticket(queue, by=ivan, waiting_since=floor.now - timedelta(hours=hours))
        rows = await snapshot.read(floor.db, now=floor.now)
        plans.append((plan(snapshot.build(rows, policy), policy), rows.versions))

    await asyncio.gather(*(carry_out(floor.db, *made, policy, now=floor.now) for made in plans))

    for _ in range(2):
        held = dict(await floor.rows("SELECT assignee_id, count(*) FROM tickets GROUP BY 1"))
        assert max(held[agent] for agent in agents if agent in held) <= 3, "somebody got more than he can take"
        given = await floor.rows("SELECT ticket_id, count(*) FROM events WHERE type = 'ticket.assigned' GROUP BY 1")
        said = await floor.rows("SELECT ticket_id, count(*) FROM decisions WHERE kind = 'assigned' GROUP BY 1")
        assert [count for _, count in given] == [1] * (64 - held[None])
        assert sorted(said) == sorted(given)
        await asyncio.gather(*(plan_once(floor.db, now=floor.now) for _ in range(4)))
    assert held[None] == 64 - 24, "in the end everybody is full"


async def test_work_of_an_agent_who_left_goes_back_after_the_grace_with_its_age(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena")
    mine = await floor.ticket(queue)
    await plan_once(floor.db, now=floor.now)
    since = (await floor.row("tickets", mine))["waiting_since"]
    petro = await floor.agent("Petro", capacity=1)
    floor.later(seconds=5)
    await set_presence(floor.db, olena, "offline", acting(olena), now=floor.now)
    floor.later(seconds=59)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(mine) == olena, "he may only have lost his connection"
    floor.later(seconds=2)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(mine) == petro
    assert (await floor.row("tickets", mine))["waiting_since"] == since
    assert [kind for kind, _ in await floor.reasons(mine)] == ["assigned", "returned", "assigned"]
    kinds = [kind for kind, _ in await floor.events(mine)]
    assert kinds == ["ticket.assigned", "ticket.unassigned", "ticket.assigned"]


async def test_what_was_given_knowingly_to_somebody_absent_stays_until_the_account_is_closed(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", status="offline")
    floor.later(hours=1)
    ticket = await floor.ticket(queue, assignee_id=olena, assigned_at=floor.now)
    floor.later(hours=1)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) == olena
    await floor.change("UPDATE agents SET disabled_at = $1", floor.now - timedelta(minutes=2))
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) is None


async def test_an_agent_who_is_not_seen_becomes_offline_and_gets_nothing(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", seen_at=floor.now)
    floor.later(minutes=3)
    ticket = await floor.ticket(queue)
    await plan_once(floor.db, now=floor.now)
    assert (await floor.row("agents", olena))["status"] == "offline"
    assert await floor.reasons(ticket) == [("waiting", "all_offline")]
    gone = ("agent.presence_changed", {"status": "offline", "previous": "online", "reason": "not_seen"})
    assert gone in await floor.events()


async def test_who_is_online_outside_of_his_working_hours_gets_nothing_until_they_begin(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnidesk.desk.planner.FULL_EVERY_S", 3_600)  # hours begin and end without any news
    queue = await floor.queue("general")
    early = await floor.put("calendars", name="early", hours={"zone": "UTC", "week": "mon-fri 10:00-12:00"})
    olena = await floor.agent("Olena", calendar_id=early)
    first = await floor.ticket(queue)
    planner = Planner(floor.db, now=lambda: floor.now)
    await planner.step()
    assert await floor.reasons(first) == [("waiting", "all_offline")]
    assert (await floor.row("agents", olena))["status"] == "online", "he is here, it is not his time"
    floor.later(hours=1)
    await planner.step()
    assert await floor.holder(first) == olena
    floor.later(hours=2)
    second = await floor.ticket(queue)
    async with floor.db.transaction() as tx:
        await events.record(tx, [Event(type=EventType.TICKET_CREATED, ticket_id=second)])
    await number_batch(floor.db)
    await planner.step()
    assert await floor.holder(second) is None
    assert await floor.holder(first) == olena, "what he has stays his"


async def test_a_call_is_offered_and_goes_on_when_nobody_answers(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena", misses=1, last_assigned_at=floor.now - timedelta(days=1))
    petro = await floor.agent("Petro", last_assigned_at=floor.now)
    call = await floor.ticket(queue, channel="phone")
    await plan_once(floor.db, now=floor.now)
    assert await floor.events(call) == [
        ("ticket.offered", {"agent_id": ids.encode("agent", olena), "reason": "best_fit"})
    ]
    assert await floor.holder(call) is None
    floor.later(seconds=10)
    other = await floor.ticket(queue)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(other) == petro, "the place for the call is kept"
    floor.later(seconds=11)
    await floor.change("UPDATE tickets SET status = 'resolved', version = version + 1 WHERE id = $1", other)
    await plan_once(floor.db, now=floor.now)
    assert (await floor.row("agents", olena))["status"] == "away", "two calls missed"
    with pytest.raises(Conflict, match="over"):
        await accept_offer(floor.db, call, olena, acting(olena), now=floor.now)
    await accept_offer(floor.db, call, petro, acting(petro), now=floor.now)
    assert await floor.holder(call) == petro
    assert [kind for kind, _ in await floor.reasons(call)] == ["offered", "missed", "offered"]
    assert sorted(await floor.rows("SELECT agent_id, outcome FROM offers")) == sorted(
        [(olena, "missed"), (petro, "accepted")]
    )


async def test_a_declined_call_is_not_offered_again_to_the_same_agent_for_a_minute(floor: Floor) -> None:
    queue = await floor.queue("general")
    olena = await floor.agent("Olena")
    call = await floor.ticket(queue, channel="phone")
    await plan_once(floor.db, now=floor.now)
    floor.later(seconds=1)
    await decline_offer(floor.db, call, olena, acting(olena), now=floor.now)
    await plan_once(floor.db, now=floor.now)
    assert (await floor.reasons(call))[-1] == ("waiting", "all_declined")
    floor.later(seconds=61)
    await plan_once(floor.db, now=floor.now)
    assert (await floor.reasons(call))[-1] == ("offered", "only_fit")


async def test_a_queue_with_unreadable_steps_does_not_stop_the_others(floor: Floor) -> None:
    await floor.queue("broken", steps=[{"for": "soon"}, 7])
    queue = await floor.queue("general")
    olena = await floor.agent("Olena")
    ticket = await floor.ticket(queue)
    await plan_once(floor.db, now=floor.now)
    assert await floor.holder(ticket) == olena


async def test_one_planner_at_a_time_and_the_next_takes_over(floor: Floor) -> None:
    queue = await floor.queue("general")
    await floor.agent("Olena")
    one, two = Planner(floor.db, now=lambda: floor.now), Planner(floor.db, now=lambda: floor.now)
    await one.step()
    ticket = await floor.ticket(queue)
    await two.step()
    assert await floor.holder(ticket) is None, "the other one holds the lease"
    await floor.change("UPDATE leases SET until = now() - interval '1 second' WHERE name = 'planner'")
    await two.step()
    assert await floor.holder(ticket) is not None


async def test_the_newest_policy_counts_and_an_unreadable_one_stops_nobody(floor: Floor) -> None:
    queue = await floor.queue("general")
    await floor.agent("Olena")
    async with floor.db.connection() as tx:
        await tx.driver.execute("""INSERT INTO policies (policy) VALUES ('{"channel": {"phone": {"accept": ""}}}')""")
    first = await floor.ticket(queue, channel="phone", urgency="critical")
    await plan_once(floor.db, now=floor.now)
    assert await floor.rows("SELECT kind, policy_version FROM decisions WHERE ticket_id = $1", first) == [
        ("assigned", 1)
    ]
    await floor.change("""INSERT INTO policies (policy) VALUES ('{"order": "whim"}')""")
    await floor.agent("Petro")
    second = await floor.ticket(queue)
    await plan_once(floor.db, now=floor.now)
    assert await floor.rows("SELECT kind, policy_version FROM decisions WHERE ticket_id = $1", second) == [
        ("assigned", 0)
    ]


async def test_the_planner_plans_when_something_was_numbered_that_concerns_it(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnidesk.desk.planner.FULL_EVERY_S", 3_600)  # not by the clock
    queue = await floor.queue("general")
    await floor.agent("Olena")
    planner = Planner(floor.db, now=lambda: floor.now)
    await planner.step()
    ticket = await floor.ticket(queue)
    async with floor.db.transaction() as tx:
        await events.record(tx, [Event(type=EventType.SIGNED_IN)])
    await number_batch(floor.db)
    await planner.step()
    assert await floor.holder(ticket) is None, "nothing that concerns it was told"
    async with floor.db.transaction() as tx:
        await events.record(tx, [Event(type=EventType.TICKET_CREATED, ticket_id=ticket)])
    await number_batch(floor.db)
    await planner.step()
    assert await floor.holder(ticket) is not None
