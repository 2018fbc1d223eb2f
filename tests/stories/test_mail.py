"""The main job, end to end, on real mail."""

import re
from email.message import EmailMessage

import pytest

from omnidesk.domain import numbers
from tests.servers import postfix
from tests.story import SUPPORT, Desk, email_inbox

IVAN, OLGA, MARIA = "ivan@customer.example", "olga@customer.example", "maria@other.example"


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.row(28)
@pytest.mark.row(33)
@pytest.mark.row(80)
async def test_a_letter_is_acknowledged_answered_resolved_closed_and_followed(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    with postfix(desk.settings.lmtp_port) as mta:
        await desk.writes(IVAN, "Где мой заказ 48213?", subject="Заказ", name="Иван", via=mta.port)
        ack = await desk.mail_to(IVAN)
        [ticket] = await desk.tickets(1)

        number = numbers.grouped(ticket["number"].replace("-", ""))
        assert number in text_of(ack), "the number that the API shows stands in the acknowledgement"
        assert number in str(ack["Subject"])
        assert "Где мой заказ 48213?" in text_of(ack), "the customer keeps a copy of what he wrote"
        assert ack["Auto-Submitted"] == "auto-replied"
        assert re.fullmatch(rf".*{SUPPORT.split('@')[0]}\+[a-z2-7]{{16}}@acme\.example>?", str(ack["Reply-To"]))
        assert str(ack["Message-ID"]).endswith("@acme.example>")

        ticket = await desk.ticket(ticket["id"], assignee_id=olena.id)
        await desk.answers(olena, ticket["id"], "Заказ в пути, будет завтра.")
        answer = await desk.mail_to(IVAN, 2)
        assert "Заказ в пути" in text_of(answer)
        assert answer["In-Reply-To"] is not None
        assert answer["Auto-Submitted"] is None

        await desk.writes(IVAN, "Спасибо!", answering=answer, via=mta.port)
        await desk.arrivals_done(2)
        assert [m["text"] for m in await desk.said(ticket["id"]) if m["direction"] == "in"] == [
            "Где мой заказ 48213?",
            "Спасибо!",
        ]
        await desk.moves(olena, ticket["id"], "resolved")
        await desk.later(days=5)
        await desk.ticket(ticket["id"], status="closed")

        await desk.writes(IVAN, "Опять не пришёл", answering=answer, via=mta.port)
        _, second = await desk.tickets(2)
        assert second["number"] != ticket["number"]
        links = await desk.rows("SELECT kind FROM ticket_links")
        assert [link["kind"] for link in links] == ["follows"]


@pytest.mark.row(28)
async def test_a_second_letter_stays_with_the_agent_who_answered(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "Where is my refund?", subject="Refund")
    [ticket] = await desk.tickets(1)
    await desk.ticket(ticket["id"], assignee_id=olena.id)
    await desk.agent("Petro")
    await desk.answers(olena, ticket["id"], "Looking now.")
    answer = await desk.mail_to(IVAN, 2)

    await desk.writes(IVAN, "Any news?", answering=answer)

    await desk.arrivals_done(2)
    ticket = await desk.ticket(ticket["id"], assignee_id=olena.id)
    assert len(await desk.tickets(1)) == 1


async def test_nothing_comes_twice_however_often_it_is_delivered(desk: Desk) -> None:
    mail = await desk.writes(IVAN, "Hello", subject="Once")
    for _ in range(3):
        await desk.brings(mail.as_bytes(), IVAN, [SUPPORT])
    await desk.writes(OLGA, "Another", subject="Two")
    await desk.tickets(2)
    await desk.mail_to(OLGA)
    await desk.mail_to(IVAN)
    assert len(desk.received(IVAN)) == 1


async def test_robots_hear_nothing(desk: Desk) -> None:
    await desk.writes(MARIA, "I am on holiday", subject="Out of office", headers={"Auto-Submitted": "auto-replied"})
    await desk.writes(IVAN, "Hello", subject="A person")
    await desk.mail_to(IVAN)
    await desk.arrivals_done(2)
    assert desk.received(MARIA) == []


async def test_unknown_addresses_are_refused_and_known_ones_taken_in_one_transaction(desk: Desk) -> None:
    raw = b"From: ivan@customer.example\r\nTo: x\r\nSubject: two\r\nMessage-ID: <a@b>\r\n\r\nhello\r\n"
    refused = await desk.brings(raw, IVAN, ["nobody@acme.example", SUPPORT])
    assert [code for code, _ in refused.values()] == [550]
    await desk.tickets(1)


@pytest.mark.row(30)
async def test_the_acknowledgement_promises_a_date_in_business_time(desk: Desk) -> None:
    await desk.writes(IVAN, "Когда ответите?", subject="Срок")
    ack = await desk.mail_to(IVAN)
    [ticket] = await desk.tickets(1)
    [promise] = await desk.rows("SELECT due_at, arithmetic FROM promises")
    assert re.search(r"Срок ответа: \w+, \d+ \w+ \d{4} г., 18:00 \(МСК\)", text_of(ack))
    assert promise["arithmetic"]["days"][-1]["counted"] or promise["arithmetic"]["days"]
    assert ticket["status"] == "new"


async def test_reply_all_keeps_everybody_who_was_named(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "Olga knows more", subject="Team", cc=[OLGA])
    [ticket] = await desk.tickets(1)
    await desk.answers(olena, ticket["id"], "Dear both")
    assert "Dear both" in text_of(await desk.mail_to(OLGA))

    await desk.writes(OLGA, "Here is more", answering=desk.received(OLGA)[0])
    await desk.arrivals_done(2)
    authors = [
        m["author"]["kind"] if isinstance(m["author"], dict) else m["author"] for m in await desk.said(ticket["id"])
    ]
    assert "participant" in authors


async def test_an_agent_may_not_ask_for_a_password(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes(IVAN, "I cannot sign in", subject="Login")
    [ticket] = await desk.tickets(1)
    answer = await olena.api.post(f"/v1/tickets/{ticket['id']}/replies", json={"text": "Пришлите ваш пароль"})
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_request_blocked")
    warned = await olena.api.post(f"/v1/tickets/{ticket['id']}/replies", json={"text": "Никому не сообщайте пароль."})
    assert warned.status_code == 201


async def test_an_inbox_that_cannot_send_acknowledges_nothing_and_alarms_nobody(desk: Desk) -> None:
    await email_inbox(desk, "quiet@acme.example", smtp_host="")
    await desk.writes(IVAN, "Hello", to="quiet@acme.example", subject="Quiet")
    [ticket] = await desk.tickets(1)
    await desk.arrivals_done(1)
    assert await desk.rows("SELECT id FROM deliveries") == []
    assert (await desk.ticket(ticket["id"]))["attention"] is None
