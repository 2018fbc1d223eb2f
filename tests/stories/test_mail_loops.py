"""Machines that write to each other: they fall silent, and nothing that people do is disturbed."""

import asyncio
from pathlib import Path

import pytest

from omnidesk.desk.opening import ACKS_AN_HOUR
from tests import story
from tests.story import SUPPORT, Desk, until

IVAN, OLGA, ROBOT = "ivan@customer.example", "olga@customer.example", "robot@shop.example"


@pytest.mark.row(34)
async def test_an_out_of_office_is_kept_and_changes_nothing(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "Где мой заказ?", subject="Заказ")
    [ticket] = await desk.tickets(1)
    for status, headers in (
        ("pending", {"Auto-Submitted": "auto-replied"}),
        ("resolved", {"X-Autoreply": "yes", "Precedence": "bulk"}),
    ):
        await desk.answers(olena, ticket["id"], "Какой номер заказа?", status_after=status)
        answer = await desk.mail_to(IVAN, len(desk.received(IVAN)) + (status == "pending"))
        before = await desk.ticket(ticket["id"], status=status)
        seen = len(await desk.rows("SELECT 1 FROM arrivals"))
        await desk.writes(IVAN, f"Я в отпуске, {status}", answering=answer, headers=headers)
        await desk.arrivals_done(seen + 1)
        after = await desk.ticket(ticket["id"])
        assert (after["status"], after["waiting_since"]) == (status, before["waiting_since"])
        assert f"Я в отпуске, {status}" in [one["text"] for one in await desk.said(ticket["id"])]
    await desk.writes(IVAN, "Я вернулся: 48213", answering=desk.received(IVAN)[-1])
    await desk.ticket(ticket["id"], status="open")
    await desk.tickets(1)


@pytest.mark.row(34)
async def test_a_robot_that_says_nothing_of_itself_hears_little(desk: Desk) -> None:
    """No header marks it, each of its letters is new: a budget for each sender and hour ends it."""
    for n in range(ACKS_AN_HOUR + 5):
        await desk.writes(ROBOT, f"Your order {n} was shipped", subject=f"Order {n}")
    await desk.writes(IVAN, "Hello", subject="A person")
    await desk.mail_to(IVAN)
    await desk.tickets(ACKS_AN_HOUR + 6)

    async def all_sent() -> bool:
        return not await desk.rows("SELECT 1 FROM outbox WHERE state <> 'sent'")

    await until(all_sent)
    assert len(desk.received(ROBOT)) == ACKS_AN_HOUR

    async with desk.db.transaction() as tx:  # an hour passes
        await tx.driver.execute("UPDATE identities SET acks_since = acks_since - interval '61 minutes'")
    await desk.writes(ROBOT, "And one more", subject="Order 99")
    await desk.mail_to(ROBOT, ACKS_AN_HOUR + 1)


@pytest.mark.row(34)
async def test_two_autoresponders_and_the_desk_exchange_one_acknowledgement(desk: Desk) -> None:
    """Each answers whatever reaches it, at once and without a mark, as the worst do."""
    await desk.writes(ROBOT, "Thank you for your letter", subject="Your request", cc=[OLGA])
    answered: set[str] = set()
    for _ in range(6):
        for robot in (ROBOT, OLGA):
            for mail in desk.received(robot):
                if str(mail["Message-ID"]) + robot not in answered:
                    answered.add(str(mail["Message-ID"]) + robot)
                    await desk.writes(robot, "Thank you for your letter", answering=mail)
        await desk.writes(IVAN, "Hello", subject="A person")
        await desk.mail_to(IVAN)
    await until(lambda: nothing_waits(desk))
    acks = [mail for robot in (ROBOT, OLGA) for mail in desk.received(robot)]
    assert len(acks) == 1
    [row] = await desk.rows(
        "SELECT count(*) AS n FROM tickets t JOIN identities i ON i.id = t.requester_id WHERE i.address = $1", ROBOT
    )
    assert row["n"] == 1


async def nothing_waits(desk: Desk) -> bool:
    [row] = await desk.rows(
        "SELECT (SELECT count(*) FROM arrivals WHERE state = 'new') + (SELECT count(*) FROM outbox WHERE state IN "
        "('queued','claimed','calling','deferred')) AS n"
    )
    return bool(row["n"] == 0)


async def test_our_own_mail_that_comes_back_is_no_message(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "Hello", subject="Once")
    [ticket] = await desk.tickets(1)
    await desk.answers(olena, ticket["id"], "Here you are.")
    await desk.mail_to(IVAN, 2)
    for _, _, content in list(desk.mailbox.mails):  # a forwarding rule of the customer's sends everything on to us
        await desk.brings(content, "", [SUPPORT])
        unmarked = b"\r\n".join(line for line in content.split(b"\r\n") if not line.startswith(b"X-Omnidesk-Loop"))
        await desk.brings(unmarked, IVAN, [SUPPORT])
        await desk.brings(
            unmarked.replace(b"From: ", b"From: List <list@lists.example>\r\nX-From: ", 1), IVAN, [SUPPORT]
        )
    await desk.arrivals_done(7)
    await desk.tickets(1)
    assert len(desk.mailbox.mails) == 2
    reasons = {row["reason"] for row in await desk.rows("SELECT reason FROM arrivals WHERE reason IS NOT NULL")}
    assert reasons == {"a mail of this desk came back", "came before"}


async def test_two_inboxes_that_write_to_each_other_fall_silent(desk: Desk) -> None:
    await story.email_inbox(desk, "billing@acme.example")
    await desk.writes("billing@acme.example", "Please look into this", subject="From a colleague")
    await desk.writes(SUPPORT, "And this", to="billing@acme.example", subject="From another")
    await desk.tickets(2)
    await desk.writes(IVAN, "Hello", subject="A person")
    await desk.mail_to(IVAN)
    await until(lambda: nothing_waits(desk))
    assert [recipients for _, recipients, _ in desk.mailbox.mails] == [[IVAN]]


@pytest.mark.row(34)
async def test_two_desks_that_write_to_each_other_fall_silent(
    desk: Desk, other_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent of ours writes to another house that runs the same desk, and both acknowledge."""
    monkeypatch.setattr(story, "KEY", "the secret key of another house and as long as ours")
    async with story.desk(other_url, tmp_path / "other", inbox=False) as other:
        await story.email_inbox(other, "help@other.example")
        olena = await desk.agent("Olena")
        relays = [asyncio.create_task(relay(desk, other, "help@other.example")),
                  asyncio.create_task(relay(other, desk, "acme.example"))]  # fmt: skip
        try:
            await desk.writes("help@other.example", "Our parcel service has a question", subject="Parcels")
            [ours] = await desk.tickets(1)
            [theirs] = await other.tickets(1)  # our acknowledgement is their ticket
            await desk.answers(olena, ours["id"], "We look into it.")
            await until(lambda: said(other, theirs["id"], "We look into it."))
            for one in (desk, other):
                await until(lambda one=one: nothing_waits(one))  # type: ignore[misc]
            await desk.tickets(1)
            await other.tickets(1)
            assert [len(one.mailbox.mails) for one in (desk, other)] == [2, 0]
        finally:
            for task in relays:
                task.cancel()


async def relay(source: Desk, target: Desk, ours: str) -> None:
    """A mail server between two houses."""
    done = 0
    while True:
        for sender, recipients, content in source.mailbox.mails[done:]:
            done += 1
            if there := [each for each in recipients if each.endswith(ours)]:
                await target.brings(content, sender, there)
        await asyncio.sleep(0.02)


async def said(desk: Desk, ticket_id: str, text: str) -> bool:
    return any(text in one["text"] for one in await desk.said(ticket_id))
