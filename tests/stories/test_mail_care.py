"""A hard case on real mail: chased, asked for a senior, handed on; one ticket, one age, and every date a promise."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from omnidesk.desk import texts
from tests.stories.test_mail import IVAN, text_of
from tests.story import Desk

CARD = {"details": "Списали дважды", "steps_tried": "Запросили банк", "expected_result": "Возврат одного платежа"}


@pytest.mark.row(69)
@pytest.mark.row(79)
@pytest.mark.row(93, part="mail")
async def test_a_hard_case_stays_one_ticket_goes_up_and_keeps_its_age(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    senior = await desk.agent("Petro", online=False, role="senior")
    await desk.writes(IVAN, "С карты дважды списали деньги", subject="Платёж")
    ack = await desk.mail_to(IVAN)
    [ticket] = await desk.tickets(1)
    ticket = await desk.ticket(ticket["id"], assignee_id=olena.id)
    url = f"/v1/tickets/{ticket['id']}"
    clocks = (await desk.get(url))["clocks"]
    assert {clock["kind"] for clock in clocks} == {"first_reply", "resolution"}

    await desk.writes(IVAN, "Есть новости?", answering=ack)
    chased = await desk.ticket(ticket["id"], chaser_count=1)
    assert (chased["attention"], chased["waiting_since"]) == ("chaser", ticket["waiting_since"])

    await desk.writes(IVAN, "Позовите старшего!", answering=ack)
    risen = await desk.ticket(ticket["id"], level=1, assignee_id=senior.id)
    told = text_of(await desk.mail_to(IVAN, 2))
    promises = await desk.get(f"{url}/promises")
    [old, new] = sorted(promises, key=lambda one: str(one["created_at"]))
    assert (old["state"], new["state"], new["kind"]) == ("renegotiated", "open", "senior")
    due = datetime.fromisoformat(new["due_at"])
    assert texts.moment("ru", due, ZoneInfo("Europe/Moscow")) in told

    answer = await senior.api.post(f"{url}/transfers", json={"agent_id": olena.id, **CARD}, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    after = await desk.ticket(ticket["id"], assignee_id=olena.id)
    assert (after["waiting_since"], after["transfers"]) == (ticket["waiting_since"], 1)
    assert [one["id"] for one in await desk.get(f"{url}/promises") if one["state"] == "open"] == [new["id"]]
    now = {clock["kind"]: clock for clock in (await desk.get(url))["clocks"]}
    for before in clocks:
        assert now[before["kind"]]["due_at"] == before["due_at"], "neither chasers nor transfers reset a clock"
    assert len(await desk.tickets(1)) == 1
    assert risen["number"] == after["number"]
