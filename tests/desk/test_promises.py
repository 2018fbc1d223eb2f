"""Dates told to customers, seniors who take over, and customers who write again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from omnidesk.db.promises import counting
from omnidesk.db.session import Database
from omnidesk.desk import escalate, texts
from omnidesk.desk.promises import told
from omnidesk.desk.renegotiate import promise
from omnidesk.desk.reply import reply
from omnidesk.desk.timers import HANDLERS, handle_due
from omnidesk.domain import ids
from omnidesk.domain.errors import Invalid, Refused
from tests.desk.conftest import Intaking
from tests.desk.outgoing import NOON, FewChannels, Folder, Outgoing

DAY = timedelta(days=1)


@pytest.fixture
async def desk_out(db: Database) -> Outgoing:
    desk = await Outgoing(db, FewChannels(db)).make()
    await desk.sql('UPDATE calendars SET hours = \'{"zone": "Europe/Moscow", "week": "24/7"}\'')
    return desk


async def tells(desk: Outgoing, ticket: UUID, due: Any, **more: Any) -> UUID:
    values = {"due_at": due, "next_action": "check the payment", "now": NOON, **more}
    return await promise(desk.db, desk.channels, Folder(), ticket, desk.agent, **values)


async def test_a_new_date_is_told_and_replaces_the_old_one(desk_out: Outgoing) -> None:
    desk = desk_out
    ticket, _ = await desk.ivan()
    await tells(desk, ticket, NOON + DAY)
    message = await tells(desk, ticket, NOON + 3 * DAY, text="The bank is slow.")
    old, new = await desk.sql("SELECT * FROM promises ORDER BY due_at")
    assert (old["state"], old["replaced_by"]) == ("renegotiated", new["id"])
    assert (new["state"], new["due_at"], new["message_id"]) == ("open", NOON + 3 * DAY, message)
    [said] = await desk.sql("SELECT text FROM messages WHERE id = $1", message)
    async with desk.db.connection() as tx:
        counted = await counting(tx, ticket)
    assert counted is not None
    assert said["text"].startswith("The bank is slow.")
    assert told(counted.language, NOON + 3 * DAY, counted) in said["text"]
    timers = await desk.sql("SELECT subject_id FROM timers WHERE kind = 'promise'")
    assert [row["subject_id"] for row in timers] == [new["id"]]
    kinds = [row["type"] for row in await desk.sql("SELECT type FROM events ORDER BY id")]
    assert kinds.count("promise.made") == 2
    assert kinds.count("promise.renegotiated") == 1
    assert "promise.broken" not in kinds


async def test_an_answer_in_time_keeps_it_and_silence_breaks_it(desk_out: Outgoing) -> None:
    desk = desk_out
    (kept, _), (broken, _) = await desk.ivan(), await desk.ivan()
    for ticket in (kept, broken):
        await tells(desk, ticket, NOON + DAY)
    await reply(desk.db, desk.channels, Folder(), kept, desk.agent, "It is paid.", now=NOON + DAY / 2)
    await handle_due(desk.db, now=NOON + 2 * DAY)
    states = {row["ticket_id"]: row["state"] for row in await desk.sql("SELECT ticket_id, state FROM promises")}
    assert states == {kept: "kept", broken: "broken"}
    [row] = await desk.sql("SELECT attention FROM tickets WHERE id = $1", broken)
    assert row["attention"] == "promise_broken"


async def test_a_date_that_is_over_or_far_away_is_no_promise(desk_out: Outgoing) -> None:
    ticket, _ = await desk_out.ivan()
    for due in (NOON, NOON - DAY, NOON + 400 * DAY):
        with pytest.raises(Invalid):
            await tells(desk_out, ticket, due)
    assert await desk_out.sql("SELECT 1 FROM promises") == []


# --- somebody more senior ---------------------------------------------------------------------------


async def boss(desk: Outgoing | Intaking, name: str, role: str, queue: UUID | None = None) -> UUID:
    run = desk.sql if isinstance(desk, Outgoing) else desk.rows
    [row] = await run(
        "INSERT INTO agents (id, email, name, role) VALUES (gen_random_uuid(), $1, $1, $2) RETURNING id", name, role
    )
    if queue:
        await run("INSERT INTO queue_agents VALUES ($1, $2)", queue, row["id"])
    found: UUID = row["id"]
    return found


@pytest.mark.row(79)
async def test_a_ticket_goes_to_the_senior_then_to_the_supervisor_and_no_further(desk_out: Outgoing) -> None:
    desk = desk_out
    ticket, _ = await desk.ivan()
    senior = await boss(desk, "senior", "senior", desk.queue_id)
    top = await boss(desk, "top", "supervisor")

    async def up(reason: str) -> None:
        await escalate.escalate(desk.db, desk.channels, ticket, desk.agent, reason, now=NOON)

    owners = []
    for reason in ("hard", "harder"):
        await up(reason)
        [row] = await desk.sql("SELECT assignee_id, level FROM tickets WHERE id = $1", ticket)
        owners.append((row["assignee_id"], row["level"]))
    assert owners == [(senior, 1), (top, 2)]
    with pytest.raises(Refused) as refused:
        await up("hardest")
    assert refused.value.code == "nobody_above"
    facts = await desk.sql("SELECT actor, data FROM events WHERE type = 'ticket.escalated' ORDER BY id")
    assert [(row["actor"], row["data"]["reason"], row["data"]["level"]) for row in facts] == [
        (str(desk.agent), "hard", 1),
        (str(desk.agent), "harder", 2),
    ]
    promises = await desk.sql("SELECT kind, state, message_id, due_at FROM promises ORDER BY created_at, id")
    assert [(row["kind"], row["state"]) for row in promises] == [("senior", "renegotiated"), ("senior", "open")]
    [said] = await desk.sql("SELECT text, automatic FROM messages WHERE id = $1", promises[-1]["message_id"])
    async with desk.db.connection() as tx:
        counted = await counting(tx, ticket)
    assert counted is not None
    assert said["automatic"]
    assert told(counted.language, promises[-1]["due_at"], counted) in said["text"]


@pytest.mark.row(79)
async def test_the_customer_asks_for_somebody_more_senior_once(desk: Intaking) -> None:
    queue = await desk.value("SELECT id FROM queues")
    senior = await boss(desk, "senior", "senior", queue)
    await boss(desk, "top", "supervisor")
    handlers = {**HANDLERS, **escalate.handlers(desk.channels)}
    await desk.comes("ivan", "It still does not work", id="m1")
    for n in (2, 3):
        await desk.comes("ivan", "Позовите старшего!", id=f"m{n}")
        await desk.work()
        [timer] = await desk.rows("SELECT due_at FROM timers WHERE kind = 'escalate'")
        await handle_due(desk.db, handlers, now=timer["due_at"])
    [row] = await desk.rows("SELECT assignee_id, level FROM tickets")
    assert (row["assignee_id"], row["level"]) == (senior, 1)
    [fact] = await desk.rows("SELECT actor, data FROM events WHERE type = 'ticket.escalated'")
    assert (fact["actor"], fact["data"]["agent_id"]) == ("contact", ids.encode("agent", senior))
    assert await desk.rows("SELECT 1 FROM timers WHERE kind = 'escalate'") == []


# --- customers who write again ------------------------------------------------------------------------


@pytest.mark.row(93)
async def test_chasers_join_the_ticket_count_and_reset_nothing(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    await desk.work()
    before = await desk.rows("SELECT kind, started_at, due_at FROM clocks ORDER BY kind")
    waiting = await desk.value("SELECT waiting_since FROM tickets")
    for n in (2, 3, 4):
        await desk.comes("ivan", "Any news?", id=f"m{n}")
        await desk.work()
    [ticket] = await desk.rows("SELECT chaser_count, attention, waiting_since FROM tickets")
    assert (ticket["chaser_count"], ticket["attention"], ticket["waiting_since"]) == (3, "chaser", waiting)
    assert await desk.rows("SELECT kind, started_at, due_at FROM clocks ORDER BY kind") == before
    told_it = await desk.rows("SELECT 1 FROM events WHERE type = 'ticket.attention'")
    assert len(told_it) == 3


async def test_who_answers_a_question_of_ours_chases_nothing(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    await desk.work()
    await desk.rows("UPDATE tickets SET status = 'pending', waiting_since = NULL, first_reply_at = now()")
    await desk.comes("ivan", "My order is 48213", id="m2")
    await desk.work()
    assert await desk.value("SELECT chaser_count FROM tickets") == 0


@pytest.mark.row(76)
async def test_a_repeated_question_is_linked_to_the_earlier_one(desk: Intaking) -> None:
    await desk.comes("ivan", "Where is it?", id="m1", thread="t1", subject="Order 1")
    await desk.work()
    await desk.rows("UPDATE tickets SET status = 'closed'")
    await desk.rows("UPDATE conversations SET receives = false")
    await desk.comes("ivan", "Still not here", id="m2", thread="t2", subject="RE: Order 1")
    await desk.comes("ivan", "How do I pay?", id="m3", thread="t3", subject="Payment")
    await desk.comes("olga", "And mine?", id="m4", thread="t4", subject="Order 1")
    await desk.work()
    links = await desk.rows(
        "SELECT l.kind, a.subject, b.subject AS other FROM ticket_links l"
        " JOIN tickets a ON a.id = l.ticket_id JOIN tickets b ON b.id = l.other_id"
    )
    assert links == [{"kind": "repeat_of", "subject": "RE: Order 1", "other": "Order 1"}]
    [fact] = await desk.rows("SELECT data FROM events WHERE type = 'ticket.linked'")
    assert fact["data"]["kind"] == "repeat_of"


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_what_customers_are_told_is_said_in_their_language(language: str) -> None:
    for text in (
        "Next step: {action}. We will come back to you by {due}.",
        "Your request {number} is with a senior specialist now. You will have an answer by {due}.",
    ):
        said = texts.say(language, text, action="A", due="D", number="N")
        assert "D" in said
        assert (said == text.format(action="A", due="D", number="N")) == (language == "en")
