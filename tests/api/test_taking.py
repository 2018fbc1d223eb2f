"""Messages that programs hand in become tickets at once, once, and with a number."""

import asyncio

import pytest

from omnidesk.domain import ids, numbers
from tests.api.conftest import Desk
from tests.api.test_problems import problem

IVAN = {"kind": "email", "address": "Ivan@customer.example", "name": "Ivan"}


async def test_the_answer_has_the_number_and_the_promise(desk: Desk) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write", "tickets:read")

    taken = await shop.post(
        "/v1/tickets", json={"requester": IVAN, "subject": "Order", "text": "Where is order 48213?"}
    )

    assert taken.status_code == 201, taken.text
    body = taken.json()
    assert numbers.is_valid(body["number"])
    assert body["promise"]["kind"] == "first_reply"
    read = await shop.get(taken.headers["location"] + "?include=contact,last_message")
    assert read.json()["number"] == body["number"]
    assert read.json()["contact"]["address"] == "ivan@customer.example"
    assert body["ticket"]["facts"]["order"] == "48213"
    assert read.json()["last_message"]["automatic"], "the acknowledgement, with the number in it"
    assert read.json()["number_shown"] in read.json()["last_message"]["text"]
    timeline = (await shop.get(taken.headers["location"] + "/timeline")).json()["data"]
    assert timeline[0]["text"] == "Where is order 48213?"
    assert (await shop.get(taken.headers["location"])).headers["etag"] == taken.headers["etag"]


async def test_an_external_id_comes_in_once(desk: Desk) -> None:
    inbox = await desk.inbox()
    shop, other = await desk.key("tickets:write"), await desk.key("tickets:write")
    sent = {"requester": IVAN, "text": "Hello", "external_id": "order-48213"}

    answers = [await who.post(f"/v1/inboxes/{inbox}/messages", json=sent) for who in (shop, other, shop)]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert await desk.count("messages WHERE direction = 'in'") == 1


async def test_messages_of_one_thread_join_one_ticket(desk: Desk) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write")
    sent = {"requester": IVAN, "thread": "chat-7"}

    first = await shop.post("/v1/tickets", json={**sent, "text": "Hello"})
    second = await shop.post("/v1/tickets", json={**sent, "text": "Anybody there?"})

    assert first.json()["ticket"]["id"] == second.json()["ticket"]["id"]
    assert await desk.count("tickets") == 1


async def test_ten_clicks_under_one_key_make_one_ticket(desk: Desk) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write")
    sent, key = {"requester": IVAN, "text": "Hello"}, {"idempotency-key": "click"}

    answers = await asyncio.gather(*(shop.post("/v1/tickets", json=sent, headers=key) for _ in range(10)))
    again = await shop.post("/v1/tickets", json=sent, headers=key)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["number"] for answer in answers if answer.status_code == 201}) == 1
    assert again.headers["idempotency-replayed"] == "true"
    assert await desk.count("tickets") == 1
    problem(await shop.post("/v1/tickets", json={**sent, "text": "Other"}, headers=key), 422, "idempotency_key_reused")


async def test_after_a_crash_before_the_answer_was_kept_nothing_comes_twice(desk: Desk) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write")
    sent, key = {"requester": IVAN, "text": "Hello"}, {"idempotency-key": "click"}
    first = await shop.post("/v1/tickets", json=sent, headers=key)
    async with desk.db.connection() as tx:
        await tx.driver.execute("DELETE FROM idempotency_keys")

    again = await shop.post("/v1/tickets", json=sent, headers=key)

    assert again.json()["number"] == first.json()["number"]
    assert "idempotency-replayed" not in again.headers
    assert await desk.count("tickets") == 1


async def test_while_its_lane_is_held_the_answer_is_where_to_look(desk: Desk) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write")
    async with desk.db.connection() as tx:
        await tx.driver.execute("UPDATE lanes SET until = now() + interval '1 hour', holder = gen_random_uuid()")

    waiting = await shop.post("/v1/tickets", json={"requester": IVAN, "text": "Hello"})

    assert waiting.status_code == 202, waiting.text
    assert waiting.json()["state"] == "new"
    url = waiting.headers["location"]
    assert url == waiting.json()["status_url"]
    assert (await shop.get(url)).json()["state"] == "new"
    async with desk.db.connection() as tx:
        await tx.driver.execute("UPDATE lanes SET until = '-infinity'")
    assert await desk.parts.intake.once() == 1
    done = (await shop.get(url)).json()
    assert done["state"] == "done"
    assert done["ticket_id"].startswith("tkt_")


@pytest.mark.parametrize(
    ("requester", "text", "pointer"),
    [
        ({"kind": "email", "address": "not an address"}, "x", "/requester"),
        ({"kind": "phone", "address": "8-800"}, "x", "/requester"),
        ({"kind": "Email!", "address": "x"}, "x", "/requester/kind"),
        (IVAN, "", "/text"),
        ({**IVAN, "colour": "red"}, "x", "/requester/colour"),
    ],
)
async def test_what_cannot_be_taken_is_named(desk: Desk, requester: dict[str, str], text: str, pointer: str) -> None:
    await desk.inbox()
    shop = await desk.key("tickets:write")
    body = problem(await shop.post("/v1/tickets", json={"requester": requester, "text": text}), 422, "invalid")
    assert isinstance(body["errors"], list)
    assert body["errors"][0]["pointer"] == pointer
    assert await desk.count("arrivals") == 0


async def test_a_key_posts_only_where_it_may(desk: Desk) -> None:
    inbox, other = await desk.inbox("one"), await desk.inbox("two")
    narrow = await desk.key("tickets:write", inbox_ids=frozenset({ids.decode("inbox", inbox)}))
    everywhere = await desk.key("tickets:write")
    sent = {"requester": IVAN, "text": "Hello"}

    assert (await narrow.post("/v1/tickets", json=sent)).status_code == 201, "its only inbox"
    problem(await narrow.post(f"/v1/inboxes/{other}/messages", json=sent), 404, "not_found")
    problem(await everywhere.post("/v1/tickets", json=sent), 422, "invalid")
    problem(await (await desk.key("tickets:read")).post("/v1/tickets", json=sent), 403, "missing_scope")
    assert (await everywhere.post("/v1/tickets", json={**sent, "inbox_id": other})).status_code == 201


async def test_parked_arrivals_are_seen_and_tried_again(desk: Desk) -> None:
    inbox = ids.decode("inbox", await desk.inbox())
    await desk.parts.door.keep_unreadable(inbox, b"{}", {}, "not a message")
    boss, narrow = (
        await desk.key(),
        await desk.key("arrivals:read", "arrivals:write", inbox_ids=frozenset({desk.new_id()})),
    )

    parked = (await boss.get("/v1/arrivals?state=unreadable")).json()["data"]

    assert [one["error"] for one in parked] == ["not a message"]
    url = f"/v1/arrivals/{parked[0]['id']}"
    assert (await narrow.get("/v1/arrivals")).json()["data"] == []
    problem(await narrow.get(url), 404, "not_found")
    problem(await narrow.post(f"{url}/retry"), 404, "not_found")
    problem(await boss.post(f"{url}/release"), 422, "arrival_not_parked")
    again = await boss.post(f"{url}/retry")
    assert (again.status_code, again.json()["state"]) == (202, "new")
    assert await desk.parts.intake.once() == 1
    assert (await boss.get(url)).json()["state"] == "unreadable"
