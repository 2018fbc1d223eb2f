"""«Почему так долго?» is answered with the reason in plain words and a date, once in a while."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from omnidesk.desk import delay, texts
from omnidesk.desk.planner import plan_once
from omnidesk.desk.timers import HANDLERS, handle_due
from tests.desk.conftest import Intaking

A_SECOND = timedelta(seconds=1)


async def asks(desk: Intaking, n: int, text: str = "Почему так долго?", at: datetime | None = None) -> None:
    await desk.comes("ivan", text, id=f"why{n}")
    await desk.work()
    await handle_due(desk.db, {**HANDLERS, **delay.handlers(desk.channels)}, now=(at or datetime.now(UTC)) + A_SECOND)


async def explanations(desk: Intaking) -> list[str]:
    rows = await desk.rows("SELECT text FROM messages WHERE direction = 'out' ORDER BY at, id")
    return [row["text"] for row in rows[1:]]


async def waiting(desk: Intaking, text: str = "Где мои деньги?") -> None:
    await desk.comes("ivan", text, id="m1")
    await desk.work()
    await plan_once(desk.db, now=datetime.now(UTC))


@pytest.mark.row(87)
@pytest.mark.parametrize(
    ("text", "question", "language", "expected"),
    [
        ("Где мои деньги за заказ?", "Почему так долго?", "ru", "Оно ждёт в очереди «Поддержка» специалиста с нужными"),
        ("Where is my refund?", "Why is it taking so long?", "en", "It waits in the queue Поддержка for a specialist"),
    ],
)
async def test_the_reason_is_told_in_plain_words_with_a_new_promise(
    desk: Intaking, text: str, question: str, language: str, expected: str
) -> None:
    await waiting(desk, text)
    await desk.rows("UPDATE promises SET state = 'broken', due_at = now() - interval '1 day'")
    await asks(desk, 1, question)
    [said] = await explanations(desk)
    assert expected in said
    [promise] = await desk.rows("SELECT kind, due_at FROM promises WHERE state = 'open'")
    assert promise["kind"] == "progress"
    assert texts.moment(language, promise["due_at"], ZoneInfo("Europe/Moscow")) in said
    [ticket] = await desk.rows("SELECT chaser_count, attention FROM tickets")
    assert ticket == {"chaser_count": 1, "attention": "chaser"}


@pytest.mark.row(87)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE decisions SET reason = 'all_full' WHERE kind = 'waiting'", "заняты обращениями"),
        ("UPDATE decisions SET reason = 'closed_hours' WHERE kind = 'waiting'", "сейчас закрыта"),
        ("UPDATE tickets SET assignee_id = (SELECT id FROM agents)", "Им занимается специалист"),
        ("UPDATE tickets SET assignee_id = (SELECT id FROM agents), level = 1", "старший специалист"),
    ],
)
async def test_the_reason_is_the_one_that_holds(desk: Intaking, change: str, expected: str) -> None:
    await desk.rows("INSERT INTO agents (id, email, name) VALUES (gen_random_uuid(), 'o', 'Olga')")
    await desk.rows("UPDATE queues SET require = '{cards}'")
    await waiting(desk)
    await desk.rows(change)
    await asks(desk, 1)
    [said] = await explanations(desk)
    assert expected in said


async def test_a_date_that_holds_is_never_put_off_by_asking(desk: Intaking) -> None:
    await waiting(desk)
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await desk.rows("UPDATE promises SET due_at = $1", soon)
    await asks(desk, 1)
    [promise] = await desk.rows("SELECT due_at FROM promises WHERE state = 'open'")
    assert promise["due_at"] == soon
    assert texts.moment("ru", soon, ZoneInfo("Europe/Moscow")) in (await explanations(desk))[0]


async def test_it_is_explained_once_in_so_many_business_hours(desk: Intaking) -> None:
    await waiting(desk)
    await asks(desk, 1)
    await asks(desk, 2)
    assert len(await explanations(desk)) == 1
    await desk.rows("UPDATE tickets SET explained_at = explained_at - interval '10 days'")
    await asks(desk, 3)
    assert len(await explanations(desk)) == 2
    [ticket] = await desk.rows("SELECT chaser_count FROM tickets")
    assert ticket["chaser_count"] == 3


@pytest.mark.parametrize("policy", [{"policy": {"explain": ""}}])
async def test_the_policy_may_say_never_and_the_pending_are_not_told(desk: Intaking, policy: dict[str, Any]) -> None:
    await desk.rows("INSERT INTO policies (policy) VALUES ($1::jsonb)", json.dumps(policy))
    await waiting(desk)
    await asks(desk, 1)
    assert await explanations(desk) == []


async def test_a_message_that_asks_something_else_is_only_a_chaser(desk: Intaking) -> None:
    await waiting(desk)
    await asks(desk, 1, "Почему не приходит код?")
    assert await desk.rows("SELECT 1 FROM timers WHERE kind = 'explain'") == []
    assert await explanations(desk) == []
