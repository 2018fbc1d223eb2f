"""The telephone rings: one call finds who it is and what is open, for those who may see it."""

from typing import Any

import httpx
import pytest

from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_contacts import ANY, contact_of
from tests.api.test_problems import problem


async def looked_up(client: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    answer = await client.get("/v1/lookups", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.row(16)
async def test_a_known_number_brings_the_person_and_what_is_open(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    mailed = await desk.ticket("Order 48213", address="ada@customer.example", facts={"order": "A-48213"})
    done = await desk.ticket(address="ada@customer.example", status="closed")
    ada = await contact_of(desk, mailed)
    phone = {"kind": "phone", "address": "+7 916 123-45-67", "verified": True}
    assert (await boss.post(f"/v1/contacts/{ada}/identities", json=phone)).status_code == 201
    somebody = await desk.ticket(address="other@customer.example")

    for ani in ("89161234567", "8 (916) 123-45-67", "+79161234567", "sip:79161234567@pbx.example", "9161234567"):
        found = await looked_up(boss, phone=ani)
        assert (found["by"], found["value"]) == ("phone", "+79161234567"), ani
        assert [one["id"] for one in found["contacts"]] == [ada]
        assert [one["ticket"]["id"] for one in found["tickets"]] == [mailed]
        assert found["tickets"][0]["contact_id"] == ada
    by_order = await looked_up(boss, order="№ a-48213")
    assert [one["id"] for one in by_order["contacts"]] == [ada]
    assert [(one["ticket"]["id"], one["matched"]) for one in by_order["tickets"]] == [(mailed, True)]
    number = (await boss.get(f"/v1/tickets/{done}")).json()["number"]
    by_number = await looked_up(boss, number=number)
    assert [(one["ticket"]["id"], one["matched"]) for one in by_number["tickets"]] == [(done, True), (mailed, False)]
    by_mail = await looked_up(boss, email=" Ada@Customer.Example ")
    assert [one["ticket"]["id"] for one in by_mail["tickets"]] == [mailed]
    assert somebody not in str(by_mail)


async def test_a_number_that_a_customer_stated_is_found_too(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    wrote = await desk.ticket(address="ivan@customer.example", facts={"phone": "+79990001122"})

    found = await looked_up(boss, phone="8 999 000-11-22")

    assert [one["id"] for one in found["contacts"]] == [await contact_of(desk, wrote)]
    assert [(one["ticket"]["id"], one["matched"]) for one in found["tickets"]] == [(wrote, True)]


async def test_merged_people_are_found_by_the_numbers_of_both(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    first, second = await desk.ticket(address="a@customer.example"), await desk.ticket(address="b@customer.example")
    one, other = await contact_of(desk, first), await contact_of(desk, second)
    await boss.post(f"/v1/contacts/{one}/merges", json={"source_id": other}, headers=ANY)

    found = await looked_up(boss, email="b@customer.example")

    assert [each["id"] for each in found["contacts"]] == [one]
    assert {each["ticket"]["id"] for each in found["tickets"]} == {first, second}


async def test_nobody_learns_of_tickets_that_he_may_not_see(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    hers = await desk.ticket(address="ada@customer.example", queue_id=cards, facts={"order": "555"})
    await desk.ticket(address="ada@customer.example", queue_id=loans, facts={"order": "555"})
    await desk.ticket(address="eva@customer.example", queue_id=loans, facts={"order": "777", "phone": "+79990001122"})

    found = await looked_up(olga, email="ada@customer.example")
    assert [one["ticket"]["id"] for one in found["tickets"]] == [hers]
    assert [one["ticket"]["id"] for one in (await looked_up(olga, order="555"))["tickets"]] == [hers]
    for query in ({"email": "eva@customer.example"}, {"order": "777"}, {"phone": "+79990001122"}):
        nothing = await looked_up(olga, **query)
        assert (nothing["contacts"], nothing["tickets"]) == ([], [])


async def test_a_look_up_names_one_thing_to_look_for(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    for query in ("", "phone=1&order=2", "order=%20", "number=abc", "colour=red"):
        assert (await boss.get(f"/v1/lookups?{query}")).status_code == 400, query
    nobody = await looked_up(boss, phone="not a number")
    assert (nobody["contacts"], nobody["tickets"], nobody["more"]) == ([], [], False)
    problem(await (await desk.key("contacts:read")).get("/v1/lookups?order=1"), 403, "missing_scope")
    problem(await (await desk.key("tickets:read")).get("/v1/lookups?order=1"), 403, "missing_scope")
