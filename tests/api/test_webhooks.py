"""Programs are told of events: signed, in order per ticket, again when they fail, and only of what they may know."""

import pytest

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import SITE
from tests.api.shop import BLIND, Shop, shop
from tests.receiver import answer

__all__ = ["shop"]


# --- being told -----------------------------------------------------------------------------------


async def test_a_program_is_told_of_what_happens_and_can_verify_it(shop: Shop) -> None:
    ticket = await shop.desk.ticket()
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(ticket)
    await shop.deliver()

    (call,) = shop.receiver.taken
    assert (call.type, call.ticket) == ("ticket.updated", ticket)
    assert call.payload["data"]["facts"] == {"changed": {"urgency": ["normal", "high"]}}
    assert call.payload["data"]["links"]["ticket"] == f"{SITE}/v1/tickets/{ticket}"
    assert call.id.startswith("whd_")
    followed = (await shop.api.get(call.payload["data"]["links"]["events"].removeprefix(SITE))).json()["data"][0]
    assert (followed["seq"], followed["type"]) == (call.seq, "ticket.updated")

    (logged,) = await shop.log()
    assert (logged["id"], logged["state"], logged["tries"][0]["code"]) == (call.id, "delivered", 204)
    detail = (await shop.api.get(f"/v1/webhooks/{shop.webhook}/deliveries/{call.id}")).json()
    assert detail["payload"] == call.payload
    assert shop.receiver.forged == 0


async def test_what_was_written_is_never_in_a_call(shop: Shop) -> None:
    await shop.subscribe()
    ticket = await shop.desk.ticket("My cup is broken")
    note = await shop.api.post(f"/v1/tickets/{ticket}/notes", json={"text": "He is angry about the cup"})
    assert note.status_code == 201
    await shop.api.patch(f"/v1/tickets/{ticket}", json={"subject": "Broken cup of Ivan"}, headers=BLIND)
    await shop.deliver()

    said = str([call.payload for call in shop.receiver.taken])
    assert {call.type for call in shop.receiver.taken} >= {"note.created", "ticket.updated"}
    assert "cup" not in said
    assert "Ivan" not in said


async def test_nobody_is_told_what_its_owner_may_not_see(shop: Shop) -> None:
    desk = shop.desk
    cards = await desk.another_queue("Cards")
    ours, theirs = await desk.ticket(queue_id=cards), await desk.ticket()
    limited = Shop(desk, await desk.key(queue_ids=frozenset({cards})), shop.receiver, shop.deliverer)
    await limited.subscribe()
    await shop.changes(ours)
    await shop.changes(theirs)
    await shop.api.post("/v1/agents", json={"email": "olga@acme.example", "name": "Olga"})
    await shop.deliver()

    assert {call.ticket for call in shop.receiver.taken} == {ours}


async def test_a_webhook_may_be_limited_to_queues(shop: Shop) -> None:
    cards = await shop.desk.another_queue("Cards")
    ours, theirs = await shop.desk.ticket(queue_id=cards), await shop.desk.ticket()
    await shop.subscribe(queue_ids=[ids.encode("queue", cards)])
    for ticket in (theirs, ours):
        await shop.changes(ticket)
    await shop.deliver()

    assert {call.ticket for call in shop.receiver.taken} == {ours}


async def test_a_webhook_whose_owner_is_gone_is_switched_off_and_taken_over(shop: Shop) -> None:
    desk = shop.desk
    boris = await desk.agent("Boris", Role.ADMIN)
    browser = await desk.signed_in(boris)
    made = await browser.post("/v1/webhooks", json={"url": shop.receiver.url})
    shop.webhook, ticket = made.json()["id"], await desk.ticket()
    shop.receiver.secrets.append(made.json()["secret"])
    await desk.agent("Vera", Role.ADMIN)
    gone = await shop.api.patch(f"/v1/agents/{ids.encode('agent', boris)}", json={"disabled": True}, headers=BLIND)
    assert gone.status_code == 200, gone.text
    await shop.changes(ticket)
    await shop.deliver()
    assert shop.receiver.calls == []
    assert (await shop.read())["disabled_reason"] == "owner_gone"

    on = await shop.api.patch(f"/v1/webhooks/{shop.webhook}", json={"enabled": True}, headers=BLIND)
    await shop.changes(ticket, "low")
    await shop.deliver()
    assert on.json()["owner"].startswith("key:")
    assert [call.ticket for call in shop.receiver.taken if call.type == "ticket.updated"] == [ticket]


# --- order and failures ---------------------------------------------------------------------------


async def test_a_failing_head_holds_its_followers_of_that_ticket_only(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    slow, quick = await shop.desk.ticket(), await shop.desk.ticket()
    for urgency in ("high", "low", "critical"):
        await shop.changes(slow, urgency)
        await shop.changes(quick, urgency)
    shop.receiver.decide = lambda call: answer(500) if call.ticket == slow else answer(200)
    await shop.deliver()
    assert [call.ticket for call in shop.receiver.taken] == [quick] * 3
    assert [call.ticket for call in shop.receiver.calls].count(slow) == 1

    shop.receiver.decide = None
    await shop.later(seconds=6)
    await shop.deliver()
    of_slow = [call.seq for call in shop.receiver.taken if call.ticket == slow]
    assert len(of_slow) == 3
    assert of_slow == sorted(of_slow)


async def test_a_failed_call_is_tried_eight_times_over_about_28_hours_with_one_id_and_body(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    shop.receiver.then = answer(500, b"token: abc123 broke, whsec_c2VjcmV0 too")
    hours = 0.0
    for tries in range(1, 9):
        await shop.deliver()
        assert len(shop.receiver.calls) == tries
        (logged,) = await shop.log()
        if logged["state"] == "waiting":
            async with shop.desk.db.connection() as tx:
                pause = await tx.driver.fetchval("SELECT extract(epoch FROM due_at - now()) FROM outbox")
            hours += float(pause) / 3600
            await shop.later(seconds=float(pause) + 700)  # past any circuit, too

    assert 25 < hours < 31
    assert logged["state"] == "failed"
    assert [each["code"] for each in logged["tries"]] == [500] * 8
    assert "abc123" not in str(logged)
    assert "c2VjcmV0" not in str(logged)
    assert "broke" in logged["tries"][0]["answer"]
    assert len({call.id for call in shop.receiver.calls}) == 1
    assert len({str(call.payload) for call in shop.receiver.calls}) == 1
    await shop.later(days=2)
    await shop.deliver()
    assert len(shop.receiver.calls) == 8


@pytest.mark.parametrize(
    ("reply", "code", "error"),
    [
        (answer(404), 404, "answered 404"),
        (answer(301, location="http://127.0.0.1:1/"), 301, "answered 301"),
        (None, None, "no answer in time"),
        (b"", None, "connection lost"),
        (b"nonsense\r\n\r\n", None, "connection lost"),
    ],
)
async def test_whatever_is_no_yes_is_tried_again(shop: Shop, reply: bytes | None, code: int | None, error: str) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    shop.receiver.script = [reply]
    await shop.deliver()
    (logged,) = await shop.log()
    assert (logged["state"], logged["tries"][0]["code"], logged["tries"][0]["error"]) == ("waiting", code, error)

    await shop.later(seconds=10)
    await shop.deliver()
    assert [each["state"] for each in await shop.log()] == ["delivered"]
    assert len({call.id for call in shop.receiver.calls}) == 1


async def test_a_huge_answer_is_taken_by_its_status(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    shop.receiver.then = answer(200, b"x" * 5_000_000)
    await shop.deliver()
    (logged,) = await shop.log()
    assert logged["state"] == "delivered"
    assert len(logged["tries"][0]["answer"]) <= 300


async def test_a_receiver_that_asks_for_time_gets_it(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    shop.receiver.script = [answer(429, retry_after="3000")]
    await shop.deliver()
    await shop.later(seconds=2_900)
    await shop.deliver()
    assert len(shop.receiver.calls) == 1

    await shop.later(seconds=120)
    await shop.deliver()
    assert [each["state"] for each in await shop.log()] == ["delivered"]


async def test_a_receiver_that_was_down_hears_everything_in_order_when_it_is_back(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    await shop.receiver.down()
    for urgency in ("high", "low", "critical"):
        await shop.changes(ticket, urgency)
    await shop.deliver()
    assert [each["tries"][0]["error"] for each in await shop.log() if each["tries"]] == ["cannot be reached"]

    await shop.receiver.up()
    await shop.later(minutes=15)
    await shop.deliver()
    assert [call.seq for call in shop.receiver.taken] == sorted(call.seq for call in shop.receiver.taken)
    assert len(shop.receiver.taken) == 3


async def test_410_switches_the_webhook_off(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    for urgency in ("high", "low"):
        await shop.changes(ticket, urgency)
    shop.receiver.script = [answer(410)]
    await shop.deliver()

    webhook = await shop.read()
    assert (webhook["enabled"], webhook["disabled_reason"]) == (False, "gone")
    assert {each["state"] for each in await shop.log()} == {"failed"}
    assert len(shop.receiver.calls) == 1, "what waited is not sent to one that is gone"
    (alert,) = await shop.events("webhook.disabled")
    assert alert["data"] == {"reason": "gone", "host": "127.0.0.1"}


async def test_five_days_of_nothing_but_failures_switch_it_off_and_alert(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    shop.receiver.then = answer(503)
    for half_day in range(10):
        await shop.changes(ticket, ("high", "low")[half_day % 2])
        await shop.deliver()
        assert (await shop.read())["enabled"], f"after {half_day / 2} days"
        await shop.later(hours=12)
    assert await shop.events("webhook.disabled") == []
    await shop.deliver()

    webhook = await shop.read()
    assert (webhook["enabled"], webhook["disabled_reason"]) == (False, "failing")
    assert [event["data"]["reason"] for event in await shop.events("webhook.disabled")] == ["failing"]
    before = len(shop.receiver.calls)
    await shop.later(days=1)
    await shop.deliver()
    assert len(shop.receiver.calls) == before


async def test_the_figures_tell_how_webhooks_fare(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"], description="The shop")
    dead, alive = await shop.desk.ticket(), await shop.desk.ticket()
    for ticket in (dead, alive):
        await shop.changes(ticket)
    shop.receiver.decide = lambda call: answer(500) if call.ticket == dead else answer(200)
    await shop.deliver()
    await shop.later(minutes=10)
    text = (await shop.api.get("/metrics")).text
    for line in (
        'webhook_deliveries{state="waiting"} 1.0',
        'webhook_deliveries{state="delivered_in_an_hour"} 1.0',
        "webhooks_off 0.0",
        "webhooks_behind 0.0",
        'outbox{state="deferred"} 0.0',
        'jobs{state="queued"} 0.0',
    ):
        assert f"omnidesk_{line}" in text
    assert float(text.partition("\nomnidesk_webhooks_oldest_seconds ")[2].partition("\n")[0]) > 590


async def test_one_failure_after_a_silent_week_switches_nothing_off(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    shop.receiver.script = [answer(500)]
    await shop.changes(ticket)
    await shop.deliver()
    await shop.later(days=7)  # the desk was off
    shop.receiver.script = [answer(500)]
    await shop.deliver()
    assert (await shop.read())["enabled"]
    assert len(shop.receiver.calls) == 2
    await shop.changes(ticket, "low")
    await shop.deliver()
    assert (await shop.read())["failing_since"] is None


async def test_a_call_whose_answer_was_lost_is_made_again_with_its_id(shop: Shop) -> None:
    """The worker dies when the receiver has it, and before it could write so."""
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    await shop.tell()
    async with shop.desk.db.connection() as tx:
        await tx.driver.execute("UPDATE outbox SET state = 'calling', until = now() - interval '1 s', attempts = 1")
    await shop.later(minutes=1)
    await shop.deliver()
    assert [each["state"] for each in await shop.log()] == ["delivered"]


async def test_a_webhook_with_much_waiting_is_left_behind_and_loses_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnidesk.desk.webhook_feed.MOST_WAITING", 3)
    monkeypatch.setattr("omnidesk.desk.webhook_feed.PAGE", 2)
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    for n in range(9):
        await shop.changes(ticket, ("high", "low")[n % 2])
    assert 3 <= await shop.tell() <= 4
    while len(shop.receiver.taken) < 9:
        await shop.deliver()
    assert [call.seq for call in shop.receiver.taken] == sorted({call.seq for call in shop.receiver.calls})
