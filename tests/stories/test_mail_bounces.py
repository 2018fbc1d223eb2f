"""Mail of ours that comes back: seen at the message, told to the agent, never a ticket of its own."""

from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from omnidesk.domain import ids, tokens
from tests.story import SUPPORT, Agent, Desk, until

IVAN, OLGA = "ivan@customer.example", "olga@customer.example"
BOUNCES = "bounces@acme.example"


def report(
    original: EmailMessage, *, action: str = "failed", status: str = "5.1.1", words: str = "550 no such user", to: str
) -> bytes:
    """What a mail server says of a mail that it could not deliver (RFC 3464)."""
    return (
        f"From: MAILER-DAEMON@mx.customer.example\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <{tokens.message_id(status.encode() * 4, 'mx.customer.example')}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\n'
        "Your message could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.customer.example\r\n\r\nFinal-Recipient: rfc822; {IVAN}\r\nAction: {action}\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {words}\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {original['Message-ID']}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


def in_russian(original: EmailMessage) -> bytes:
    """A provider's own words, the returned mail pasted below."""
    return (
        f"From: mailer-daemon@yandex.example\r\nTo: {SUPPORT}\r\nSubject: Недоставленное сообщение\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nЭто письмо отправлено почтовым сервером.\r\n\r\n"
        "К сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может быть доставлено одному или "
        f"нескольким адресатам.\r\n\r\n<{IVAN}>: 550 5.1.1 Пользователь не найден\r\n\r\n"
        f"--- Копия письма ---\r\nMessage-ID: {original['Message-ID']}\r\nSubject: x\r\n\r\nтекст\r\n"
    ).encode()


def in_qmails_words(original: EmailMessage) -> bytes:
    return (
        f"From: MAILER-DAEMON@qmail.example\r\nTo: {SUPPORT}\r\nSubject: failure notice\r\n\r\n"
        "Hi. This is the qmail-send program at qmail.example.\r\nI'm afraid I wasn't able to deliver your message to "
        f"the following addresses.\r\nThis is a permanent error; I've given up. Sorry.\r\n\r\n<{IVAN}>:\r\n"
        "192.0.2.7 does not like recipient.\r\nRemote host said: 550 sorry, no mailbox here by that name\r\n\r\n"
        f"--- Below this line is a copy of the message.\r\n\r\nMessage-ID: {original['Message-ID']}\r\n\r\ntext\r\n"
    ).encode()


async def answered(desk: Desk, **inbox: Any) -> tuple[Agent, dict[str, Any], EmailMessage, str]:
    """Olena has answered Ivan: (Olena, the ticket, her mail, the envelope's sender)."""
    if inbox:
        change = await desk.api.patch(f"/v1/inboxes/{desk.inbox}", json={"config": inbox}, headers={"If-Match": "*"})
        assert change.is_success, change.text
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "Где мой заказ?", subject="Заказ")
    [ticket] = await desk.tickets(1)
    await desk.ticket(ticket["id"], assignee_id=olena.id)
    await desk.answers(olena, ticket["id"], "Завтра.")
    answer = await desk.mail_to(IVAN, 2)
    await sent(desk, ticket["id"])
    return olena, ticket, answer, desk.mailbox.mails[-1][0]


async def delivery(desk: Desk, ticket_id: str) -> dict[str, Any]:
    """The delivery of the agent's answer."""
    said = [one for one in await desk.said(ticket_id) if one["direction"] == "out" and not one["automatic"]]
    return dict(said[-1]["deliveries"][0])


async def sent(desk: Desk, ticket_id: str) -> None:
    async def is_sent() -> bool:
        return bool((await delivery(desk, ticket_id))["state"] == "sent")

    await until(is_sent)


async def events(desk: Desk, ticket_id: str, kind: str) -> list[dict[str, Any]]:
    rows = await desk.rows(
        "SELECT data FROM events WHERE ticket_id = $1 AND type = $2 ORDER BY id", ids.decode("ticket", ticket_id), kind
    )
    return [row["data"] for row in rows]


@pytest.mark.row(32, part="bounce")
@pytest.mark.parametrize("how", ["standard", "russian", "qmail"])
async def test_a_bounce_is_seen_at_the_answer_and_makes_no_ticket(desk: Desk, how: str) -> None:
    olena, ticket, answer, sender = await answered(desk)
    assert sender == SUPPORT, "an inbox without a return path hears of bounces at its address"
    raw = {"standard": lambda: report(answer, to=SUPPORT), "russian": lambda: in_russian(answer)}.get(
        how, lambda: in_qmails_words(answer)
    )()

    for _ in range(5):  # a storm: the same, and others of the same mail
        await desk.brings(raw, "", [SUPPORT])
    for n in range(5):
        await desk.brings(raw.replace(b"Subject: ", b"X-Try: %d\r\nSubject: " % n, 1), "", [SUPPORT])
    await desk.arrivals_done(7)

    [ticket] = await desk.tickets(1)
    ticket = await desk.ticket(ticket["id"], attention="delivery_failed")
    assert ticket["assignee_id"] == olena.id
    assert ticket["status"] == "open", "a robot's report changes nothing else"
    shown = await delivery(desk, ticket["id"])
    assert shown["state"] == "bounced"
    assert any(word in shown["error"] for word in ("no such user", "Пользователь не найден", "no mailbox here"))
    [person] = await desk.rows("SELECT unreachable_reason FROM identities WHERE address = $1", IVAN)
    assert person["unreachable_reason"] == shown["error"]
    assert [one["to"] for one in await events(desk, ticket["id"], "delivery.changed")].count("bounced") == 1
    assert await events(desk, ticket["id"], "ticket.attention") == [{"reason": "delivery_failed"}]
    assert len(desk.mailbox.mails) == 2, "nobody thanked the robot"

    refused = await olena.api.post(f"/v1/tickets/{ticket['id']}/replies", json={"text": "Ещё раз"})
    assert (refused.status_code, refused.json()["code"]) == (422, "no_way_out")
    await desk.writes(IVAN, "Я снова здесь", answering=answer)
    await desk.arrivals_done(8)
    await desk.answers(olena, ticket["id"], "С возвращением")
    await desk.mail_to(IVAN, 3)


@pytest.mark.row(32, part="bounce")
async def test_a_signed_return_path_tells_which_answer_came_back_and_a_forged_one_nothing(desk: Desk) -> None:
    _, ticket, answer, sender = await answered(desk, return_path=BOUNCES)
    assert tokens.is_return_path(sender)
    del answer["Message-ID"]
    answer["Message-ID"] = "<of-another-house@mx.example>"  # a report that quotes nothing of ours

    forged = tokens.return_path(UUID(int=1), b"guessed", BOUNCES).partition(".")[2]
    name = sender.partition(".")[0]
    await desk.brings(report(answer, to=f"{name}.{forged}"), "", [f"{name}.{forged}"])
    await desk.brings(report(answer, status="5.2.1", to=SUPPORT), "", [SUPPORT])
    await desk.arrivals_done(3)
    assert (await delivery(desk, ticket["id"]))["state"] == "sent"
    assert await desk.rows("SELECT 1 FROM identities WHERE unreachable_at IS NOT NULL") == []
    reasons = [row["reason"] for row in await desk.rows("SELECT reason FROM arrivals WHERE state = 'ignored'")]
    assert sorted(reasons) == [
        "a bounce of nothing that we sent",
        "a bounce to a return path that this desk did not sign",
    ]

    await desk.brings(report(answer, to=sender), "", [sender.upper()])
    await desk.ticket(ticket["id"], attention="delivery_failed")
    assert (await delivery(desk, ticket["id"]))["state"] == "bounced"
    await desk.tickets(1)


@pytest.mark.row(32, part="bounce")
async def test_late_is_not_lost_and_full_is_not_dead(desk: Desk) -> None:
    _, ticket, answer, _ = await answered(desk)

    await desk.brings(report(answer, action="delayed", status="4.4.1", words="451 busy", to=SUPPORT), "", [SUPPORT])
    await desk.arrivals_done(2)
    shown = await delivery(desk, ticket["id"])
    assert (shown["state"], "451 busy" in shown["error"]) == ("sent", True)
    assert (await desk.ticket(ticket["id"]))["attention"] is None

    await desk.brings(report(answer, status="4.2.2", words="452 mailbox full", to=SUPPORT), "", [SUPPORT])
    await desk.ticket(ticket["id"], attention="delivery_failed")
    assert (await delivery(desk, ticket["id"]))["state"] == "bounced"
    await desk.brings(report(answer, action="delayed", status="4.4.7", to=SUPPORT), "", [SUPPORT])
    await desk.arrivals_done(4)
    assert (await delivery(desk, ticket["id"]))["state"] == "bounced", "late news of what has failed is no news"
    assert await desk.rows("SELECT 1 FROM identities WHERE unreachable_at IS NOT NULL") == []


@pytest.mark.row(34)
async def test_an_out_of_office_to_the_return_path_finds_its_ticket(desk: Desk) -> None:
    """It quotes no id and no number: the address it answers to names the mail."""
    _, ticket, _, sender = await answered(desk, return_path=BOUNCES)
    await desk.writes(IVAN, "Я в отпуске", to=sender, subject="Я в отпуске", headers={"Auto-Submitted": "auto-replied"})
    await desk.arrivals_done(2)
    await desk.tickets(1)
    assert "Я в отпуске" in [one["text"] for one in await desk.said(ticket["id"])]
