"""Another solution: offered as a message, accepted or declined by the customer, in his words or an agent's note."""

from typing import Any

import httpx
import pytest

from omnidesk.domain import ids
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}
OFFER = {"text": "The blue cup is sold out. Would you take the green one?"}
CUSTOMER = {"kind": "email", "address": "ivan@customer.example", "name": "Ivan"}


async def started(desk: Desk) -> tuple[httpx.AsyncClient, str]:
    """Ivan's ticket of the channel `api`, and a program with all rights."""
    boss = await desk.key()
    await desk.inbox()
    body = {"requester": CUSTOMER, "text": "My cup is broken", "thread": "t", "language": "en"}
    made = await boss.post("/v1/tickets", json=body)
    assert made.status_code == 201, made.text
    return boss, f"/v1/tickets/{made.json()['ticket']['id']}"


async def says(boss: httpx.AsyncClient, text: str) -> None:
    answer = await boss.post("/v1/tickets", json={"requester": CUSTOMER, "text": text, "thread": "t"})
    assert answer.status_code == 201, answer.text


async def offers(boss: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    made = await boss.post(f"{url}/proposals", json={**OFFER, **more})
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    assert made.headers["location"] == f"{url}/proposals/{body['id']}"
    return body


async def kinds(desk: Desk) -> list[tuple[str, str]]:
    async with desk.db.connection() as tx:
        rows = await tx.driver.fetch("SELECT type, actor FROM events WHERE type LIKE 'proposal.%' ORDER BY id")
    return [(row["type"], row["actor"].partition(":")[0]) for row in rows]


@pytest.mark.row(78)
@pytest.mark.parametrize(("said", "state"), [("Yes, please!", "accepted"), ("Нет, спасибо", "declined")])
async def test_the_customer_is_asked_and_a_plain_answer_settles_it(desk: Desk, said: str, state: str) -> None:
    boss, url = await started(desk)
    made = await offers(boss, url)
    assert (made["state"], made["text"]) == ("open", OFFER["text"])
    assert (await boss.get(url)).json()["status"] == "pending", "it waits for his answer"
    timeline = (await boss.get(f"{url}/timeline")).json()["data"]
    [told] = [entry for entry in timeline if entry.get("id") == made["message_id"]]
    assert told["text"] == f"{OFFER['text']}\n\nDoes this suit you? Please answer yes or no."
    await says(boss, said)
    [after] = (await boss.get(f"{url}/proposals")).json()["data"]
    assert (after["state"], after["actor"]) == (state, "contact")
    assert after["settled_at"]
    ticket = (await boss.get(url)).json()
    assert (ticket["status"], ticket["resolved_at"]) == ("open", None), "either way work goes on"
    assert await kinds(desk) == [("proposal.made", "key"), (f"proposal.{state}", "contact")]


@pytest.mark.row(78)
async def test_words_of_his_own_are_for_an_agent_to_read(desk: Desk) -> None:
    boss, url = await started(desk)
    made = await offers(boss, url)
    await says(boss, "Yes, but only if it is free")
    answer_url = f"{url}/proposals/{made['id']}/answer"
    assert (await boss.get(f"{url}/proposals/{made['id']}")).json()["state"] == "open"
    noted = await boss.post(answer_url, json={"outcome": "declined", "comment": "Wants it for free"})
    assert noted.status_code == 200, noted.text
    assert (noted.json()["state"], noted.json()["comment"]) == ("declined", "Wants it for free")
    assert noted.json()["actor"].startswith("key:")
    assert (await boss.get(url)).json()["status"] == "open"
    again = await boss.post(answer_url, json={"outcome": "accepted"})
    assert (again.status_code, again.json()["code"]) == (409, "proposal_over")
    await says(boss, "Yes")
    assert (await boss.get(f"{url}/proposals/{made['id']}")).json()["state"] == "declined"


async def test_a_declined_solution_of_a_resolved_ticket_opens_it_again(desk: Desk) -> None:
    boss, url = await started(desk)
    made = await offers(boss, url)
    await boss.post(f"{url}/transitions", json={"to": "resolved"}, headers=ANY)
    await boss.post(f"{url}/proposals/{made['id']}/answer", json={"outcome": "declined"})
    ticket = (await boss.get(url)).json()
    assert (ticket["status"], ticket["resolved_at"]) == ("open", None)


async def test_a_new_proposal_takes_the_place_of_the_open_one(desk: Desk) -> None:
    boss, url = await started(desk)
    old = await offers(boss, url)
    new = await offers(boss, url, text="Or the red one?")
    listed = (await boss.get(f"{url}/proposals")).json()["data"]
    assert [(one["id"], one["state"]) for one in listed] == [(new["id"], "open"), (old["id"], "withdrawn")]
    assert [kind for kind, _ in await kinds(desk)] == ["proposal.made", "proposal.withdrawn", "proposal.made"]


async def test_what_cannot_be_proposed_leaves_nothing_behind(desk: Desk) -> None:
    boss, url = await started(desk)
    asks = await boss.post(f"{url}/proposals", json={"text": "Tell us your password and take the green one"})
    assert (asks.status_code, asks.json()["code"]) == (422, "secret_request_blocked")
    assert (await boss.post(f"{url}/proposals", json={"text": " "})).status_code == 422
    assert (await boss.get(f"{url}/proposals")).json()["data"] == []
    nothing = ids.encode("proposal", desk.new_id())
    assert (await boss.get(f"{url}/proposals/{nothing}")).status_code == 404
    assert (await boss.post(f"{url}/proposals/{nothing}/answer", json={"outcome": "accepted"})).status_code == 404
    stranger = await desk.key(queue_ids=frozenset({await desk.another_queue("Elsewhere")}))
    assert (await stranger.post(f"{url}/proposals", json=OFFER)).status_code == 404
    key = {"Idempotency-Key": "once"}
    first = await boss.post(f"{url}/proposals", json=OFFER, headers=key)
    second = await boss.post(f"{url}/proposals", json=OFFER, headers=key)
    assert first.json() == second.json()
    assert len((await boss.get(f"{url}/proposals")).json()["data"]) == 1
