"""Working on tickets: versions, transitions, spam and back, what they are about, who has them, replies."""

import pytest

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from omnidesk.domain.tickets import CLOSES_AFTER
from tests.api.conftest import Desk
from tests.api.test_problems import problem

ANY = {"if-match": "*"}


async def test_a_change_names_the_version_that_it_is_meant_for(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"
    read = await boss.get(url)
    etag = read.headers["etag"]

    problem(await boss.patch(url, json={"urgency": "high"}), 428, "if_match_required")
    problem(await boss.patch(url, json={"urgency": "high"}, headers={"if-match": "one"}), 400, "bad_if_match")
    problem(await boss.patch(url, json={"urgency": "high"}, headers={"if-match": f"W/{etag}"}), 400, "bad_if_match")
    first = await boss.patch(url, json={"urgency": "high"}, headers={"if-match": etag})
    late = await boss.patch(url, json={"urgency": "low"}, headers={"if-match": etag})

    assert first.status_code == 200
    assert first.headers["etag"] != etag
    problem(late, 412, "stale")
    assert late.headers["etag"] == first.headers["etag"], "the answer says what is current"
    assert (await boss.get(url)).json()["urgency"] == "high"
    assert (await boss.patch(url, json={"urgency": "low"}, headers=ANY)).status_code == 200


async def test_who_has_the_version_already_gets_nothing_again(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"
    for shown in (url, f"{url}?include=contact"):
        etag = (await boss.get(shown)).headers["etag"]
        same = await boss.get(shown, headers={"if-none-match": f'"0", {etag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    await boss.patch(url, json={"category": "card"}, headers={"if-match": etag})
    assert (await boss.get(url, headers={"if-none-match": etag})).status_code == 200


async def test_a_patch_changes_what_it_names_and_says_who_and_why(desk: Desk) -> None:
    boss_id = await desk.agent("Boss", Role.SUPERVISOR)
    boss = await desk.signed_in(boss_id)
    url = f"/v1/tickets/{await desk.ticket()}"

    patched = await boss.patch(url, json={"category": "card", "reason": "customer said so"}, headers=ANY)
    cleared = await boss.patch(url, json={"category": None}, headers=ANY)
    idle = await boss.patch(url, json={"category": None}, headers=ANY)

    assert patched.json()["category"] == "card"
    assert cleared.json()["category"] is None
    assert idle.headers["etag"] == cleared.headers["etag"], "nothing changed"
    problem(await boss.patch(url, json={"urgency": None}, headers=ANY), 422, "invalid")
    problem(await boss.patch(url, json={"status": "open"}, headers=ANY), 422, "invalid")
    events = [e for e in (await boss.get(f"{url}/timeline")).json()["data"] if e["type"] == "event"]
    assert [event["data"] for event in events] == [
        {"changed": {"category": [None, "card"]}, "reason": "customer said so"},
        {"changed": {"category": ["card", None]}},
    ]
    assert events[0]["actor"] == f"agent:{ids.encode('agent', boss_id)}"
    assert events[0]["request_id"] == patched.headers["x-request-id"]


async def test_in_a_queue_that_is_not_his_an_agent_loses_the_ticket_but_not_its_age(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.agent("Olga", queues=(cards,))
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket(queue_id=cards, assignee_id=olga, status='open')}"
    before = (await boss.get(url)).json()

    moved = await boss.patch(url, json={"queue_id": ids.encode("queue", loans)}, headers=ANY)

    assert moved.json()["assignee_id"] is None
    assert moved.json()["waiting_since"] == before["waiting_since"]
    unknown = await boss.patch(url, json={"queue_id": ids.encode("queue", desk.new_id())}, headers=ANY)
    problem(unknown, 422, "invalid")


async def test_an_agent_who_moves_a_ticket_out_of_his_sight_still_hears_that_it_went(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    url = f"/v1/tickets/{await desk.ticket(queue_id=cards)}"

    moved = await olga.patch(url, json={"queue_id": ids.encode("queue", loans)}, headers=ANY)

    assert moved.status_code == 200
    problem(await olga.get(url), 404, "not_found")


async def test_statuses_follow_each_other_as_the_rules_say(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket()
    url = f"/v1/tickets/{ticket}"

    async def go(to: str) -> dict[str, object]:
        answer = await boss.post(f"{url}/transitions", json={"to": to}, headers=ANY)
        assert answer.status_code == 200, answer.text
        body: dict[str, object] = answer.json()
        return body

    assert (await go("pending"))["waiting_since"] is None
    assert (await go("open"))["waiting_since"] is not None
    resolved = await go("resolved")
    assert resolved["customer_status"] == "Решено"
    assert resolved["resolved_at"]
    refused = await boss.post(f"{url}/transitions", json={"to": "pending"}, headers=ANY)
    body = problem(refused, 422, "transition_not_allowed")
    assert (body["from"], body["to"]) == ("resolved", "pending")
    problem(await boss.post(f"{url}/transitions", json={"to": "closed"}, headers=ANY), 422, "invalid")
    async with desk.db.connection() as tx:
        due = await tx.driver.fetchval(
            "SELECT due_at FROM timers WHERE kind = 'close' AND subject_id = $1", ids.decode("ticket", ticket)
        )
    assert abs(due - desk.now() - CLOSES_AFTER).total_seconds() < 60
    await go("open")
    assert await desk.count("timers WHERE kind = 'close'") == 0


async def test_spam_is_hidden_and_comes_back_as_it_was(desk: Desk) -> None:
    boss = await desk.key()
    ticket = await desk.ticket(status="open")
    url = f"/v1/tickets/{ticket}"
    before = (await boss.get(url)).json()
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            "INSERT INTO promises (id, ticket_id, kind, due_at) VALUES ($1, $2, 'first_reply', $3)",
            desk.new_id(),
            ids.decode("ticket", ticket),
            desk.now(),
        )

    hidden = await boss.post(f"{url}/spam", headers=ANY)
    assert hidden.json()["status"] == "spam"
    assert hidden.json()["customer_status"] is None
    assert (await boss.get("/v1/tickets")).json()["data"] == []
    problem(await boss.post(f"{url}/transitions", json={"to": "open"}, headers=ANY), 422, "ticket_spam")
    desk.later(days=2)
    back = await boss.delete(f"{url}/spam", headers=ANY)

    assert back.status_code == 200
    assert {k: v for k, v in back.json().items() if k not in {"version", "updated_at"}} == {
        k: v for k, v in before.items() if k not in {"version", "updated_at"}
    }
    assert await desk.count("timers WHERE kind = 'promise'") == 1, "its clocks run again"
    problem(await boss.delete(f"{url}/spam", headers=ANY), 422, "not_spam")


async def test_tickets_are_given_taken_over_and_given_back(desk: Desk) -> None:
    queue = await desk.queue()
    olga_id, petr_id = await desk.agent("Olga", queues=(queue,)), await desk.agent("Petr", queues=(queue,))
    olga, petr = await desk.signed_in(olga_id), await desk.signed_in(petr_id)
    url = f"/v1/tickets/{await desk.ticket()}"
    etag = (await olga.get(url)).headers["etag"]

    mine = await olga.post(f"{url}/assignments", json={"agent_id": "me"}, headers={"if-match": etag})
    late = await petr.post(f"{url}/assignments", json={"agent_id": "me"}, headers={"if-match": etag})
    taken = await petr.post(f"{url}/assignments", json={"agent_id": "me"}, headers=ANY)

    assert mine.json()["assignee_id"] == ids.encode("agent", olga_id)
    assert late.status_code == 412
    assert late.headers["etag"] == mine.headers["etag"]
    assert taken.status_code == 409, "it is hers"
    back = await olga.post(f"{url}/assignments", json={"agent_id": None}, headers=ANY)
    assert back.json()["assignee_id"] is None
    nobody = await desk.key()
    problem(await nobody.post(f"{url}/assignments", json={"agent_id": "me"}, headers=ANY), 422, "invalid")
    stranger = ids.encode("agent", desk.new_id())
    assert (await nobody.post(f"{url}/assignments", json={"agent_id": stranger}, headers=ANY)).status_code in {404, 422}


async def test_a_reply_is_queued_and_its_delivery_is_seen(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket(queue_id=await desk.another_queue('cards'))}"

    sent = await boss.post(f"{url}/replies", json={"text": "It is on its way.", "status_after": "pending"})

    assert sent.status_code == 201, sent.text
    said = sent.json()
    assert (said["direction"], said["author"], said["author_name"]) == ("out", "agent", "Boss")
    assert said["deliveries"][0]["state"] == "queued"
    assert said["deliveries"][0]["to"] == ["ivan@customer.example"]
    assert (await boss.get(sent.headers["location"])).json() == said
    assert (await boss.get(url)).json()["status"] == "pending"
    problem(await boss.post(f"{url}/replies", json={"text": "   "}), 422, "invalid")
    problem(await boss.post(f"{url}/replies", json={"text": "x", "to": ["idn_x"]}), 422, "invalid")
    other = await desk.agent("Olga", queues=(await desk.another_queue("loans"),))
    problem(await (await desk.signed_in(other)).get(sent.headers["location"]), 404, "not_found")


@pytest.mark.parametrize(
    "text", ["null \x00 byte", "broken \ud800 half".encode("utf-8", "surrogatepass").decode("utf-8", "replace")]
)
async def test_odd_characters_are_no_reason_to_break(desk: Desk, text: str) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"
    noted = await boss.post(f"{url}/notes", json={"text": text})
    assert noted.status_code == 201
    assert "\x00" not in noted.json()["text"]
    half = await boss.post(f"{url}/notes", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"})
    assert half.status_code in {201, 422}


async def test_a_conversation_shows_who_takes_part(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    body = (await boss.get(f"/v1/tickets/{await desk.ticket()}/conversations")).json()
    people = body["data"][0]["participants"]
    assert [(one["role"], one["address"]) for one in people] == [("requester", "ivan@customer.example")]
