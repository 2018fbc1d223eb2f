"""Nobody waits in silence: notices tell the status and a date, and every date that leaves is a promise."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from omnidesk.desk import clarify, delay, escalate, notices, renegotiate, texts
from omnidesk.desk.reply import reply
from omnidesk.desk.timers import HANDLERS, Handler, handle_due
from omnidesk.domain.people import SYSTEM
from omnidesk.domain.tickets import Status
from tests.desk.conftest import Intaking

WEEK = timedelta(days=7)
DATE = re.compile(r"\w+, \d{1,2} \w+ \d{4}(?: г\.)?, \d\d:\d\d \([^)]+\)")


def handlers(desk: Intaking) -> Mapping[str, Handler]:
    made = [module.handlers(desk.channels) for module in (escalate, notices, clarify, delay)]
    return {**HANDLERS, **{kind: handler for handlers in made for kind, handler in handlers.items()}}


async def told(desk: Intaking) -> list[dict[str, Any]]:
    return await desk.rows("SELECT text, automatic, at FROM messages WHERE direction = 'out' ORDER BY at, id")


async def due(desk: Intaking) -> datetime:
    found: datetime = await desk.value("SELECT due_at FROM timers WHERE kind = 'notice'")
    return found


@pytest.mark.row(71)
@pytest.mark.row(87)
async def test_who_heard_nothing_for_two_office_days_is_told_status_and_date(desk: Intaking) -> None:
    await desk.comes("ivan", "Где мои деньги за заказ?", id="m1")
    await desk.work()
    first = await due(desk)
    await handle_due(desk.db, handlers(desk), now=first - timedelta(minutes=1))
    assert len(await told(desk)) == 1, "only the acknowledgement"
    await desk.rows("UPDATE promises SET state = 'broken'")
    for _ in range(2):
        await handle_due(desk.db, handlers(desk), now=first)
    _, notice = await told(desk)
    assert notice["automatic"]
    assert "Принято" in notice["text"]
    [promise] = await desk.rows("SELECT kind, due_at FROM promises WHERE state = 'open'")
    assert promise["kind"] == "progress"
    assert promise["due_at"] > first
    assert texts.moment("ru", promise["due_at"], ZoneInfo("Europe/Moscow")) in notice["text"]
    assert await due(desk) > first
    stalls = "SELECT count(*) FROM events WHERE type = 'ticket.attention' AND data->>'reason' = 'stalled'"
    assert await desk.value(stalls) == 1


async def test_a_date_that_still_holds_is_told_again_and_not_put_off(desk: Intaking) -> None:
    await desk.comes("ivan", "Where is my refund?", id="m1")
    await desk.work()
    later = datetime.now(UTC) + 9 * WEEK
    await desk.rows("UPDATE promises SET due_at = $1", later)
    await handle_due(desk.db, handlers(desk), now=datetime.now(UTC) + WEEK)
    _, notice = await told(desk)
    assert texts.moment("en", later, ZoneInfo("Europe/Moscow")) in notice["text"]
    assert [row["due_at"] for row in await desk.rows("SELECT due_at FROM promises")] == [later]


async def test_an_answer_puts_the_notice_off_and_after_a_question_of_ours_he_is_only_reminded(desk: Intaking) -> None:
    await desk.comes("ivan", "Where is my refund?", id="m1")
    await desk.work()
    first, ticket = await due(desk), await desk.value("SELECT id FROM tickets")
    answered = first - timedelta(minutes=1)
    await reply(desk.db, desk.channels, desk.files, ticket, SYSTEM, "Looking.", now=answered)
    await handle_due(desk.db, handlers(desk), now=first)
    assert len(await told(desk)) == 2
    assert await due(desk) > first
    await reply(
        desk.db, desk.channels, desk.files, ticket, SYSTEM, "Which order?", status_after=Status.PENDING, now=first
    )
    await handle_due(desk.db, handlers(desk), now=first + WEEK)
    *_, reminder = await told(desk)
    assert len(await told(desk)) == 4
    assert "waiting for your answer" in reminder["text"]


async def test_robots_and_closed_tickets_hear_nothing(desk: Intaking) -> None:
    await desk.comes("robot", id="r1", automatic=True)
    await desk.comes("ivan", id="m1")
    await desk.work()
    await desk.rows("UPDATE tickets SET status = 'closed' WHERE id IN (SELECT ticket_id FROM promises)")
    await handle_due(desk.db, handlers(desk), now=datetime.now(UTC) + WEEK)
    assert len(await told(desk)) == 1


async def test_every_date_in_what_leaves_the_desk_is_a_promise(desk: Intaking) -> None:
    await desk.rows("INSERT INTO agents (id, email, name, role) VALUES (gen_random_uuid(), 'b', 'Boss', 'supervisor')")
    for language, text in (("ru", "Позовите старшего, я жду заказ"), ("en", "Let me talk to a manager about my order")):
        await desk.comes(language, text, id=f"m-{language}", thread=language)
    await desk.rows(
        """INSERT INTO policies (policy) VALUES ('{"category": [{"name": "a", "match": "text contains \\"чашк\\"",
                                                                "needs": ["order"]}]}')"""
    )
    await desk.comes("olga", "Разбилась чашка", id="m-olga", thread="olga")
    await desk.comes("petr", "Разбилась чашка", id="m-petr", thread="petr")
    await desk.work()
    await desk.comes("olga", "Заказ 48213", id="m-olga-2", thread="olga")
    for language, text in (("ru", "Почему так долго?"), ("en", "Why does it take so long?")):
        await desk.comes(language, text, id=f"why-{language}", thread=language)
    await desk.work()
    now = datetime.now(UTC)
    await handle_due(desk.db, handlers(desk), now=now + timedelta(seconds=5))
    for row in await desk.rows("SELECT id FROM tickets"):
        await renegotiate.promise(
            desk.db,
            desk.channels,
            desk.files,
            row["id"],
            SYSTEM,
            due_at=now + timedelta(days=2),
            next_action="check",
            now=now + timedelta(minutes=1),
        )
    for days in (10, 20):
        await handle_due(desk.db, handlers(desk), now=now + timedelta(days=days))
    said = await desk.rows(
        "SELECT m.text, c.ticket_id, t.language FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        " JOIN tickets t ON t.id = c.ticket_id WHERE m.direction = 'out'"
    )
    promised = await desk.rows("SELECT ticket_id, due_at FROM promises")
    kinds = {row["kind"] for row in await desk.rows("SELECT kind FROM promises")}
    assert kinds == {"first_reply", "senior", "next_action", "progress"}
    zone, found = ZoneInfo("Europe/Moscow"), 0
    for message in said:
        dates = {
            texts.moment(message["language"], one["due_at"], zone)
            for one in promised
            if one["ticket_id"] == message["ticket_id"]
        }
        for date in DATE.findall(message["text"]):
            found += 1
            assert date in dates, message["text"]
    assert found >= 14
