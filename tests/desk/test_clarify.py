"""What a category needs is asked for once, before the ticket waits in its queue; complete ones go straight there."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from omnidesk.desk import clarify, notices, texts
from omnidesk.desk.planner import plan_once
from omnidesk.desk.reply import reply
from omnidesk.desk.timers import HANDLERS, handle_due
from omnidesk.domain.people import SYSTEM
from omnidesk.domain.tickets import Status
from tests.desk.conftest import Intaking

PAYMENT = {"name": "payment", "match": 'text contains "оплат"', "needs": ["order", "receipt"], "patience": "4h"}
A_SECOND = timedelta(seconds=1)


async def with_payments(desk: Intaking, **policy: Any) -> None:
    plain = {"category": [PAYMENT], **policy}
    await desk.rows("INSERT INTO policies (policy) VALUES ($1::jsonb)", json.dumps(plain))


async def due(desk: Intaking, now: datetime) -> None:
    handlers = {**HANDLERS, **clarify.handlers(desk.channels), **notices.handlers(desk.channels)}
    await handle_due(desk.db, handlers, now=now)


async def told(desk: Intaking) -> list[str]:
    return [row["text"] for row in await desk.rows("SELECT text FROM messages WHERE direction = 'out' ORDER BY at, id")]


async def ticket(desk: Intaking) -> dict[str, Any]:
    [found] = await desk.rows("SELECT * FROM tickets")
    return found


async def decisions(desk: Intaking) -> list[tuple[str, str, Any]]:
    rows = await desk.rows("SELECT kind, reason, detail FROM decisions ORDER BY id")
    return [(row["kind"], row["reason"], row["detail"]) for row in rows]


@pytest.mark.row(2)
@pytest.mark.row(13)
async def test_an_incomplete_request_is_asked_for_what_is_missing_once_and_then_goes_to_its_queue(
    desk: Intaking,
) -> None:
    await with_payments(desk)
    await desk.rows(
        "INSERT INTO agents (id, email, name, status, seen_at) VALUES (gen_random_uuid(), 'o', 'Olga', 'online', now())"
    )
    await desk.comes("ivan", "Не прошла оплата, заказ 48213", id="m1")
    await desk.work()
    [question] = await told(desk)
    assert "номер чека" in question
    assert "номер заказа" not in question
    assert "Ответим не позднее" not in question, "a date is told when he has answered"
    before = await ticket(desk)
    assert (before["status"], before["asked_for"], before["waiting_since"]) == ("pending", ["receipt"], None)
    clocks = await desk.rows("SELECT state, due_at, runs_since FROM clocks")
    assert {row["state"] for row in clocks} == {"paused"}
    assert [row["due_at"] or row["runs_since"] for row in clocks] == [None] * len(clocks)
    await plan_once(desk.db, now=datetime.now(UTC))
    assert (await ticket(desk))["assignee_id"] is None, "it does not wait in the queue yet"
    [(_, _, detail)] = await decisions(desk)
    needs = {"needs": ["order", "receipt"], "missing": ["receipt"], "asked": True, "because": "incomplete"}
    assert detail["clarification"] == needs

    await desk.comes("ivan", "0917", id="m2")
    await desk.work()
    after = await ticket(desk)
    assert (after["status"], after["asked_for"]) == ("open", [])
    assert (after["facts"]["order"], after["facts"]["receipt"]) == ("48213", "0917")
    assert {row["state"] for row in await desk.rows("SELECT state FROM clocks")} == {"running"}
    kind, reason, detail = (await decisions(desk))[-1]
    assert (kind, reason, detail["given"], detail["missing"]) == ("clarified", "complete", ["receipt"], [])
    await due(desk, datetime.now(UTC) + A_SECOND)
    _, thanks = await told(desk)
    [promise] = await desk.rows("SELECT kind, due_at FROM promises")
    assert promise["kind"] == "first_reply"
    assert texts.moment("ru", promise["due_at"], ZoneInfo("Europe/Moscow")) in thanks
    await plan_once(desk.db, now=datetime.now(UTC))
    assert (await ticket(desk))["assignee_id"] is not None

    await desk.comes("ivan", "И ещё одна оплата не прошла", id="m3")
    await desk.work()
    await due(desk, datetime.now(UTC) + A_SECOND)
    assert len(await told(desk)) == 2, "asked once"


@pytest.mark.row(13)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Не прошла оплата, заказ 48213, чек 0917", "complete"),
        ("Мошенники украли деньги! Срочно! Оплата прошла сама", "critical"),
    ],
)
async def test_a_complete_or_critical_request_goes_straight_to_its_queue(desk: Intaking, text: str, why: str) -> None:
    await with_payments(desk)
    await desk.comes("ivan", text, id="m1")
    await desk.work()
    [said] = await told(desk)
    assert "нужно от вас" not in said
    assert (await ticket(desk))["status"] == "new"
    [(_, _, detail)] = await decisions(desk)
    assert (detail["clarification"]["asked"], detail["clarification"]["because"]) == (False, why)
    assert await desk.rows("SELECT 1 FROM timers WHERE kind = 'clarify'") == []


async def test_who_cannot_be_asked_is_not_made_to_wait(desk: Intaking) -> None:
    await with_payments(desk)
    await desk.comes("robot", "Не прошла оплата", id="m1", automatic=True)
    await desk.work()
    assert (await ticket(desk))["status"] == "new"
    [(_, _, detail)] = await decisions(desk)
    assert detail["clarification"]["because"] == "no_way"


async def test_a_second_letter_in_the_same_moment_completes_the_first(desk: Intaking) -> None:
    await with_payments(desk)
    await desk.comes("ivan", "Не прошла оплата", id="m1")
    await desk.comes("ivan", "Заказ 48213, чек 0917", id="m2")
    await desk.work()
    assert (await ticket(desk))["status"] == "new"


async def test_without_an_answer_it_goes_on_when_patience_is_over(desk: Intaking) -> None:
    await with_payments(desk)
    await desk.comes("ivan", "Не прошла оплата", id="m1")
    await desk.work()
    waits_until = await desk.value("SELECT due_at FROM timers WHERE kind = 'clarify'")
    await due(desk, waits_until - A_SECOND)
    assert (await ticket(desk))["status"] == "pending"
    await due(desk, waits_until)
    after = await ticket(desk)
    assert (after["status"], after["asked_for"], after["waiting_since"]) == ("open", [], waits_until)
    kind, reason, detail = (await decisions(desk))[-1]
    assert (kind, reason, detail["missing"]) == ("clarified", "no_answer", ["order", "receipt"])
    assert "с тем, что уже известно" in (await told(desk))[-1]
    assert {row["state"] for row in await desk.rows("SELECT state FROM clocks")} == {"running"}
    await desk.comes("ivan", "Заказ 48213", id="m2")
    await desk.work()
    assert [kind for kind, _, _ in await decisions(desk)] == ["queued", "clarified"]


async def test_an_answer_of_an_agent_is_not_talked_over(desk: Intaking) -> None:
    await with_payments(desk)
    await desk.comes("ivan", "Не прошла оплата", id="m1")
    await desk.work()
    waits_until = await desk.value("SELECT due_at FROM timers WHERE kind = 'clarify'")
    await reply(
        *(desk.db, desk.channels, desk.files, (await ticket(desk))["id"], SYSTEM, "Какая карта?"),
        status_after=Status.PENDING,
        now=waits_until - A_SECOND,
    )
    await due(desk, waits_until)
    assert (await ticket(desk))["status"] == "pending"
    assert len(await told(desk)) == 2


@pytest.mark.row(70)
async def test_who_was_asked_is_reminded_once_after_each_question(desk: Intaking) -> None:
    await desk.comes("ivan", "Где мой заказ?", id="m1")
    await desk.work()
    now, reminder = datetime.now(UTC), "ждём вашего ответа"
    for n in range(2):
        await reply(
            *(desk.db, desk.channels, desk.files, (await ticket(desk))["id"], SYSTEM, "Какой это заказ?"),
            status_after=Status.PENDING,
            now=now,
        )
        for _ in range(3):
            now += timedelta(days=7)
            await due(desk, now)
        assert len([text for text in await told(desk) if reminder in text]) == n + 1
    assert (await ticket(desk))["status"] == "pending"
