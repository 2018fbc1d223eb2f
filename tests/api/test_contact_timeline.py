"""A person's timeline: everything that he and the desk said, over all of his addresses, to those who may see it."""

from typing import Any

import httpx

from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_contacts import ANY, contact_of


async def timeline(client: httpx.AsyncClient, contact: str, limit: int = 50) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = f"limit={limit}"
    while True:
        answer = await client.get(f"/v1/contacts/{contact}/timeline?{query}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if not answer.json()["page"]["has_more"]:
            return found
        query = f"limit={limit}&cursor={answer.json()['page']['next_cursor']}"


def words(entries: list[dict[str, Any]]) -> list[str]:
    return [one["message"]["text"] if one["type"] == "message" else one["subject"] for one in entries]


async def test_all_that_was_said_over_all_addresses_newest_first(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    first = await desk.ticket("Where is it?", address="ada@work.example")
    desk.later(minutes=5)
    await boss.post(f"/v1/tickets/{first}/replies", json={"text": "On its way."})
    desk.later(minutes=5)
    second = await desk.ticket("It is broken", address="ada@home.example")
    desk.later(minutes=5)
    await boss.post(f"/v1/tickets/{second}/notes", json={"text": "Same parcel."})
    await desk.ticket("Somebody else", address="eva@customer.example")
    ada = await contact_of(desk, first)
    source = {"source_id": await contact_of(desk, second)}
    assert (await boss.post(f"/v1/contacts/{ada}/merges", json=source, headers=ANY)).status_code == 201

    entries = await timeline(boss, ada)

    assert words(entries) == [
        "Same parcel.",
        "It is broken",
        "It is broken",
        "On its way.",
        "Where is it?",
        "Where is it?",
    ]
    assert [one["type"] for one in entries] == ["message", "message", "ticket", "message", "message", "ticket"]
    assert [one["ticket_id"] for one in entries] == [second] * 3 + [first] * 3
    assert entries[3]["message"]["deliveries"][0]["to"] == ["ada@work.example"]
    assert await timeline(boss, ada, limit=1) == entries, "page by page nothing is lost and nothing comes twice"


async def test_of_tickets_that_one_may_not_see_there_is_nothing(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    seen = await desk.ticket("My card", address="ada@customer.example", queue_id=cards)
    hidden = await desk.ticket("My loan", address="ada@customer.example", queue_id=loans)
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    await boss.post(f"/v1/tickets/{hidden}/notes", json={"text": "Owes much."})

    ada = await contact_of(desk, seen)

    assert set(words(await timeline(olga, ada))) == {"My card"}
    assert set(words(await timeline(boss, ada))) == {"My card", "My loan", "Owes much."}
