"""Contacts: people are made, described and found; their addresses are added, moved and removed; who sees whom."""

from typing import Any

import pytest

from omnidesk.db import replies
from omnidesk.desk.feed import number_batch
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem

ANY = {"if-match": "*"}
ADA = {"kind": "email", "address": "Ada@Customer.example"}


async def contact_of(desk: Desk, ticket: str) -> str:
    async with desk.db.connection() as tx:
        found = await tx.driver.fetchval(
            "SELECT i.contact_id FROM tickets t JOIN identities i ON i.id = t.requester_id WHERE t.id = $1",
            ids.decode("ticket", ticket),
        )
    return ids.encode("contact", found)


async def test_a_person_is_made_with_addresses_as_they_are_stored(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    phone = {"kind": "phone", "address": "8 (916) 123-45-67", "verified": True}

    made = await boss.post("/v1/contacts", json={"name": "Ada", "zone": "Europe/London", "identities": [ADA, phone]})

    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/v1/contacts/{made.json()['id']}"
    known = {(one["kind"], one["address"], one["verified"]) for one in made.json()["identities"]}
    assert known == {("email", "ada@customer.example", False), ("phone", "+79161234567", True)}
    taken = problem(await boss.post("/v1/contacts", json={"identities": [ADA]}), 409, "identity_taken")
    assert taken["contact_id"] == made.json()["id"]
    wrong = [{"kind": "email", "address": "nobody"}, {"kind": "phone", "address": "12"}]
    for n, one in enumerate(wrong):
        refused: dict[str, Any] = problem(
            await boss.post("/v1/contacts", json={"identities": [phone, one][n:]}), 422, "invalid"
        )
        assert refused["errors"][0]["pointer"] == f"/identities/{1 - n}/address"
    problem(await boss.post("/v1/contacts", json={"zone": "Mars/Base"}), 422, "invalid")
    assert len((await boss.get("/v1/contacts")).json()["data"]) == 1, "a refused one leaves nothing"


async def test_a_change_needs_the_version_and_gives_the_next_one(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    made = await boss.post("/v1/contacts", json={"name": "Ada", "identities": [ADA]})
    url, [identity] = made.headers["location"], made.json()["identities"]

    problem(await boss.patch(url, json={"name": "Ada B."}), 428, "if_match_required")
    changed = await boss.patch(
        url,
        json={"name": "Ada B.", "tier": "vip", "note": "deaf", "preferred_identity_id": identity["id"]},
        headers={"if-match": made.headers["etag"]},
    )
    problem(await boss.patch(url, json={"tier": None}, headers={"if-match": made.headers["etag"]}), 412, "stale")

    body = changed.json()
    assert (body["name"], body["tier"], body["note"]) == ("Ada B.", "vip", "deaf")
    assert body["preferred_identity_id"] == identity["id"]
    same = await boss.get(url, headers={"if-none-match": changed.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    async with desk.db.connection() as tx:
        await tx.driver.execute("UPDATE identities SET unreachable_at = now(), unreachable_reason = 'full'")
    fresh = await boss.get(url, headers={"if-none-match": changed.headers["etag"]})
    assert fresh.json()["identities"][0]["unreachable_reason"] == "full", "what is shown has changed"
    late = await boss.patch(url, json={"tier": None}, headers={"if-match": changed.headers["etag"]})
    assert late.json()["tier"] is None, "but a bounce is no change of the person"
    problem(await boss.patch(url, json={"name": None}, headers=ANY), 422, "invalid")
    stranger = ids.encode("identity", desk.new_id())
    problem(await boss.patch(url, json={"preferred_identity_id": stranger}, headers=ANY), 422, "invalid")


async def test_people_are_found_by_name_address_and_tier(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    for name, address, tier in (
        ("Anna Petrova", "anna@shop.example", "vip"),
        ("Пётр Петров", "petr@shop.example", None),
        ("O'Neil & Sons:*", "oneil@else.example", None),
    ):
        identity = {"kind": "email", "address": address}
        await boss.post("/v1/contacts", json={"name": name, "tier": tier, "identities": [identity]})

    async def names(query: str) -> list[str]:
        answer = await boss.get(f"/v1/contacts?{query}")
        assert answer.status_code == 200, answer.text
        return [one["name"].split()[0] for one in answer.json()["data"]]

    assert await names("name=petr") == ["Anna"]
    assert await names("name=петров") == ["Пётр"]
    assert await names("name=Petrova+an") == ["Anna"], "words in any order"
    assert await names("name=neil%27%20%26%20!") == ["O'Neil"], "no operator gets through"
    assert await names("name=.") == [], "without a word nobody is meant"
    assert await names("address=ANNA@shop.example") == ["Anna"]
    assert await names("address_begins=pet") == ["Пётр"]
    assert await names("tier=vip") == ["Anna"]
    problem(await boss.get("/v1/contacts?address_begins=p%25"), 400, "bad_parameter")
    first = await boss.get("/v1/contacts?limit=2")
    second = await boss.get(f"/v1/contacts?limit=2&cursor={first.json()['page']['next_cursor']}")
    seen = [one["name"] for one in first.json()["data"] + second.json()["data"]]
    assert [name.split()[0] for name in seen] == ["O'Neil", "Пётр", "Anna"]
    problem(await boss.get(f"/v1/contacts?tier=vip&cursor={first.json()['page']['next_cursor']}"), 400, "bad_cursor")


async def test_one_sees_the_people_of_ones_tickets_and_nobody_else(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    program = await desk.key("contacts:read", "contacts:write", queue_ids=frozenset({cards}))
    mine = await contact_of(desk, await desk.ticket(address="mine@customer.example", queue_id=cards))
    other = await contact_of(desk, await desk.ticket(address="other@customer.example", queue_id=loans))

    for client in (olga, program):
        assert [one["id"] for one in (await client.get("/v1/contacts")).json()["data"]] == [mine]
        assert (await client.get("/v1/contacts?address=other@customer.example")).json()["data"] == []
        problem(await client.get(f"/v1/contacts/{other}"), 404, "not_found")
        problem(await client.patch(f"/v1/contacts/{other}", json={"name": "x"}, headers=ANY), 404, "not_found")
    body = {"identities": [{"kind": "email", "address": "other@customer.example"}]}
    problem(await program.post("/v1/contacts", json=body), 403, "limited_key")
    taken = problem(await olga.post("/v1/contacts", json=body), 409, "identity_taken")
    assert "contact_id" not in taken, "whose it is, is not for her"
    hers = await olga.post("/v1/contacts", json={"name": "Neighbour"})
    assert (await olga.get(hers.headers["location"])).status_code == 200, "whom she made, she sees"
    problem(await program.get(hers.headers["location"]), 404, "not_found")
    problem(await (await desk.key("tickets:read")).get("/v1/contacts"), 403, "missing_scope")


async def test_an_address_is_vouched_for_moved_and_forgotten_by_its_rules(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket(address="shared@office.example")
    url = f"/v1/contacts/{await contact_of(desk, ticket)}"
    [wrote] = (await boss.get(url)).json()["identities"]
    problem(await boss.post(f"{url}/identities/{wrote['id']}/detachments", headers=ANY), 422, "only_identity")

    added = await boss.post(f"{url}/identities", json={"kind": "telegram", "realm": "bot", "address": "42"})
    assert added.status_code == 201, added.text
    [telegram] = [one for one in added.json()["identities"] if one["kind"] == "telegram"]
    at = f"{url}/identities/{telegram['id']}"
    vouched = await boss.patch(at, json={"verified": True}, headers={"if-match": added.headers["etag"]})
    assert [one["verified"] for one in vouched.json()["identities"]] == [False, True]
    problem(await boss.delete(f"{url}/identities/{wrote['id']}", headers=ANY), 422, "identity_in_use")

    away = await boss.post(f"{url}/identities/{wrote['id']}/detachments", headers=ANY)
    assert away.status_code == 201, away.text
    assert [one["id"] for one in away.json()["identities"]] == [wrote["id"]]
    found = (await boss.get(f"/v1/tickets?contact={away.json()['id']}")).json()["data"]
    assert [one["id"] for one in found] == [ticket], "what was said by it went along"
    gone = await boss.delete(at, headers=ANY)
    assert gone.json()["identities"] == []
    problem(await boss.delete(at, headers=ANY), 404, "not_found")


@pytest.mark.row(5, part="preference")
async def test_an_answer_goes_to_the_preferred_address(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    first = await desk.ticket(address="work@customer.example")
    second = await desk.ticket(address="home@customer.example")
    work, home = await contact_of(desk, first), await contact_of(desk, second)
    async with desk.db.transaction() as tx:  # one person with two threads on one ticket, the newest at home
        await tx.driver.execute("UPDATE identities SET contact_id = $1", ids.decode("contact", work))
        await tx.driver.execute("UPDATE conversations SET ticket_id = $1", ids.decode("ticket", first))
    known = {one["address"]: one["id"] for one in (await boss.get(f"/v1/contacts/{work}")).json()["identities"]}

    async def goes_to() -> Any:
        async with desk.db.connection() as tx:
            found = (await replies.conversations(tx, ids.decode("ticket", first)))[0].requester_id
        return next(address for address, one in known.items() if ids.decode("identity", one) == found)

    assert (home != work, await goes_to()) == (True, "home@customer.example")
    preferred = {"preferred_identity_id": known["work@customer.example"]}
    assert (await boss.patch(f"/v1/contacts/{work}", json=preferred, headers=ANY)).status_code == 200
    assert await goes_to() == "work@customer.example"
    answer = await boss.post(f"/v1/tickets/{first}/replies", json={"text": "Here you are."})
    assert answer.json()["deliveries"][0]["to"] == ["work@customer.example"]


async def test_what_happens_to_a_person_is_told_to_those_who_see_everybody(desk: Desk) -> None:
    boss_id = await desk.agent("Boss", Role.SUPERVISOR)
    boss = await desk.signed_in(boss_id)
    program = await desk.key("events:read", queue_ids=frozenset({await desk.queue()}))
    made = await boss.post("/v1/contacts", json={"name": "Secret Name", "identities": [ADA]})
    await boss.patch(made.headers["location"], json={"note": "private words"}, headers=ANY)
    await number_batch(desk.db)

    told = (await boss.get("/v1/events?types=contact.created,contact.updated")).json()["data"]
    assert [(one["type"], one["subject_id"]) for one in told] == [
        ("contact.created", made.json()["id"]),
        ("contact.updated", made.json()["id"]),
    ]
    assert told[1]["data"] == {"changed": ["note"]}
    assert told[1]["actor"] == f"agent:{ids.encode('agent', boss_id)}"
    assert "Secret" not in str(told)
    assert (await program.get("/v1/events?types=contact.created")).json()["data"] == []


async def test_the_same_click_twice_makes_one_person(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    once = {"idempotency-key": "ada-1"}
    first = await boss.post("/v1/contacts", json={"name": "Ada", "identities": [ADA]}, headers=once)
    again = await boss.post("/v1/contacts", json={"name": "Ada", "identities": [ADA]}, headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    assert await desk.count("contacts") == 1
