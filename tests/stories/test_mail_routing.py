"""What a letter says decides where it goes, and the customer is told."""

from email.message import EmailMessage

import pytest

from tests import story
from tests.story import Desk

IVAN, OLGA = "ivan@customer.example", "olga@customer.example"
BILLING = "billing@acme.example"


def words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def departments(desk: Desk) -> dict[str, str]:
    """Two teams: one for logins, one for what comes to billing@; the ids by name."""
    [first] = await desk.get("/v1/queues")
    rules = {"Входы": 'text contains "войти" or text contains "sign in"', "Счета": f'address == "{BILLING}"'}
    made = {}
    for position, (name, match) in enumerate(rules.items(), 1):
        body = {"name": name, "match": match, "position": position, "calendar_id": first["calendar_id"]}
        made[name] = str((await desk.post("/v1/queues", body))["id"])
    return made


@pytest.mark.row(32, part="moved")
@pytest.mark.parametrize("kind", ["alias", "inbox"])
async def test_a_letter_to_another_team_is_moved_by_rule_and_the_customer_is_told(desk: Desk, kind: str) -> None:
    if kind == "alias":
        change = {"config": {"aliases": [BILLING]}}
        assert (await desk.api.patch(f"/v1/inboxes/{desk.inbox}", json=change, headers={"If-Match": "*"})).is_success
    else:
        await story.email_inbox(desk, BILLING)
    queues = await departments(desk)

    await desk.writes(IVAN, "Не могу войти в личный кабинет", to=BILLING.upper(), subject="Вход")
    ack = (await desk.mail_to(IVAN)).get_body(("plain",))
    [ticket] = await desk.tickets(1)
    assert ticket["queue_id"] == queues["Входы"]
    assert ack is not None
    assert f"Вы написали на {BILLING}. Этим вопросом занимается «Входы»" in str(ack.get_content())
    [decision] = await desk.rows("SELECT detail FROM decisions WHERE kind = 'queued'")
    assert (decision["detail"]["moved_from"], decision["detail"]["inputs"]["address"]) == ("Счета", BILLING)

    await desk.writes(OLGA, "I cannot sign in", subject="Login", to="support@acme.example")
    other = (await desk.mail_to(OLGA)).get_body(("plain",))
    assert other is not None
    assert "You wrote to" not in str(other.get_content()), "support@ is nobody's own: nothing was moved"
    await desk.writes(OLGA, "Where is my invoice?", subject="Invoice", to=BILLING)
    bill = (await desk.mail_to(OLGA, 2)).get_body(("plain",))
    assert bill is not None
    assert "You wrote to" not in str(bill.get_content())
    assert (await desk.tickets(3))[2]["queue_id"] == queues["Счета"]


@pytest.mark.row(29)
async def test_order_and_login_are_facts_of_the_ticket(desk: Desk) -> None:
    await desk.writes(IVAN, "Заказ 48213 не пришёл, мой логин ivan_petrov, вчера в 14:30.", subject="Где посылка")
    [ticket] = await desk.tickets(1)
    facts = (await desk.ticket(ticket["id"]))["facts"]
    assert (facts["order"], facts["login"]) == ("48213", "ivan_petrov")
    assert "T14:30" in facts["occurred_at"]
    ack = await desk.mail_to(IVAN)
    await desk.writes(IVAN, "Чек 0917, 1 299,90 ₽", answering=ack)
    await desk.arrivals_done(2)
    facts = (await desk.ticket(ticket["id"]))["facts"]
    assert (facts["order"], facts["receipt"], facts["amount"], facts["currency"]) == ("48213", "0917", "1299.90", "RUB")


@pytest.mark.row(31, part="fact")
async def test_the_urgency_that_a_letter_states_is_kept_and_heeded(desk: Desk) -> None:
    await desk.writes(IVAN, "Срочно! Не могу оплатить заказ, сайт не работает.", subject="Срочно")
    await desk.writes(OLGA, "Не спешите: как поменять аватар?", subject="Аватар")
    by_subject = {one["subject"]: await desk.ticket(one["id"]) for one in await desk.tickets(2)}
    urgent, calm = by_subject["Срочно"], by_subject["Аватар"]
    assert "срочно" in urgent["facts"]["urgency"]
    assert urgent["urgency"] in {"high", "critical"}
    assert calm["urgency"] in {"low", "normal"}
    rows = await desk.rows(
        "SELECT detail FROM decisions WHERE kind = 'queued' AND detail->'urgency'->>'level' = $1", urgent["urgency"]
    )
    assert any("срочно" in reason.lower() for row in rows for reason in row["detail"]["urgency"]["reasons"])


@pytest.mark.row(13, part="mail")
@pytest.mark.row(78, part="mail")
@pytest.mark.row(87, part="mail")
async def test_a_letter_is_clarified_then_explained_then_settled_by_a_plain_no(desk: Desk) -> None:
    policy = {"category": [{"name": "delivery", "match": 'text contains "посылка"', "needs": ["order"]}]}
    assert (await desk.api.put("/v1/policy", json=policy, headers={"If-Match": "*"})).is_success
    await desk.writes(IVAN, "Где моя посылка?", subject="Посылка")
    question = await desk.mail_to(IVAN)
    asked = words(question)
    assert "номер заказа" in asked
    [ticket] = await desk.tickets(1)
    assert (ticket["status"], ticket["customer_status"]) == ("pending", "Требует уточнений")

    await desk.writes(IVAN, "48213", answering=question)
    thanks = words(await desk.mail_to(IVAN, 2))
    assert "Ответим не позднее" in thanks
    after = await desk.ticket(ticket["id"], status="open")
    assert after["facts"]["order"] == "48213"

    await desk.writes(IVAN, "Почему так долго?", answering=question)
    why = words(await desk.mail_to(IVAN, 3))
    assert "Вы спрашиваете, почему" in why
    promises = await desk.get(f"/v1/tickets/{ticket['id']}/promises")
    assert [(one["kind"], one["state"]) for one in promises] == [("first_reply", "renegotiated"), ("progress", "open")]

    petr = await desk.agent("Petr")
    offer = await petr.api.post(f"/v1/tickets/{ticket['id']}/proposals", json={"text": "Вернём деньги вместо посылки."})
    assert offer.status_code == 201, offer.text
    told = await desk.mail_to(IVAN, 4)
    assert "Вам это подходит?" in words(told)
    await desk.writes(IVAN, "Нет, спасибо", answering=told)
    await desk.ticket(ticket["id"], status="open")
    [proposal] = await desk.get(f"/v1/tickets/{ticket['id']}/proposals")
    assert (proposal["state"], proposal["actor"]) == ("declined", "contact")
    kinds = [one["kind"] for one in await desk.get(f"/v1/tickets/{ticket['id']}/decisions")]
    assert {"queued", "clarified"} <= set(kinds)
