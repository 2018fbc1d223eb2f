"""Tickets are handed on with what the next one must know, go up, are pulled, and told about by dates."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}
CARD = {"details": "Paid twice", "steps_tried": "Asked the bank", "expected_result": "One payment returned"}


def named(agent: UUID) -> str:
    return ids.encode("agent", agent)


async def patch_queue(desk: Desk, **changes: Any) -> None:
    boss = await desk.key()
    queue = ids.encode("queue", await desk.queue())
    answer = await boss.patch(f"/v1/queues/{queue}", json=changes, headers=ANY)
    assert answer.status_code == 200, answer.text


@pytest.mark.row(68)
async def test_a_queue_that_wants_a_card_takes_none_without_it_and_the_specialist_reads_it(desk: Desk) -> None:
    queue = await desk.queue()
    olga, petr = await desk.agent("Olga", queues=(queue,)), await desk.agent("Petr", queues=(queue,))
    ticket = await desk.ticket(assignee_id=olga)
    first, second = await desk.signed_in(olga), await desk.signed_in(petr)
    await patch_queue(desk, needs_handoff=True)
    url = f"/v1/tickets/{ticket}/transfers"
    bare = await first.post(url, json={"agent_id": named(petr), "details": "Paid twice"}, headers=ANY)
    assert (bare.status_code, bare.json()["code"]) == (422, "handoff_required")
    assert bare.json()["missing"] == ["steps_tried", "expected_result"]
    done = await first.post(url, json={"agent_id": named(petr), **CARD}, headers=ANY)
    assert (done.status_code, done.json()["assignee_id"], done.json()["transfers"]) == (200, named(petr), 1)
    [card] = (await second.get(url)).json()["data"]
    assert {name: card[name] for name in CARD} == CARD
    assert (card["from_agent_id"], card["to_agent_id"]) == (named(olga), named(petr))


@pytest.mark.row(69)
@pytest.mark.row(77)
async def test_transfers_keep_the_age_and_the_promise_and_the_third_goes_to_the_lead(desk: Desk) -> None:
    queue, other = await desk.queue(), await desk.another_queue("cards")
    people = [await desk.agent(name, queues=(queue, other)) for name in ("Olga", "Petr", "Ivan")]
    lead = await desk.agent("Lead", Role.SENIOR, queues=(queue, other))
    boss = await desk.key()
    ticket = await desk.ticket(assignee_id=people[0])
    promise = desk.new_id()
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            "INSERT INTO promises (id, ticket_id, kind, due_at) VALUES ($1, $2, 'first_reply', $3)",
            promise,
            ids.decode("ticket", ticket),
            desk.now() + timedelta(days=1),
        )
    url = f"/v1/tickets/{ticket}"
    before = (await boss.get(url)).json()
    moves = [{"agent_id": named(people[1])}, {"queue_id": ids.encode("queue", other)}, {"agent_id": named(people[2])}]
    seen = []
    for move in moves:
        desk.later(minutes=5)
        answer = await boss.post(f"{url}/transfers", json=move, headers=ANY)
        assert answer.status_code == 200, answer.text
        seen.append((answer.json()["assignee_id"], answer.json()["waiting_since"]))
    since = before["waiting_since"]
    assert seen == [(named(people[1]), since), (None, since), (named(lead), since)]
    after = (await boss.get(url)).json()
    assert (after["queue_id"], after["transfers"]) == (ids.encode("queue", other), 3) or after["transfers"] == 3
    promises = (await boss.get(f"{url}/promises")).json()["data"]
    assert [(one["id"], one["state"]) for one in promises] == [(ids.encode("promise", promise), "open")]


async def test_somebody_elses_ticket_is_handed_on_by_its_holder_or_a_senior(desk: Desk) -> None:
    queue = await desk.queue()
    olga, petr = await desk.agent("Olga", queues=(queue,)), await desk.agent("Petr", queues=(queue,))
    senior = await desk.agent("Senior", Role.SENIOR, queues=(queue,))
    ticket = await desk.ticket(assignee_id=olga)
    url = f"/v1/tickets/{ticket}/transfers"
    stolen = await (await desk.signed_in(petr)).post(url, json={"agent_id": named(petr)}, headers=ANY)
    assert (stolen.status_code, stolen.json()["code"]) == (422, "not_yours")
    given = await (await desk.signed_in(senior)).post(url, json={"agent_id": named(petr)}, headers=ANY)
    assert given.json()["assignee_id"] == named(petr)
    nobody = await (await desk.signed_in(petr)).post(url, json=CARD, headers=ANY)
    assert nobody.status_code == 422
    stale = await (await desk.signed_in(petr)).post(url, json={"agent_id": named(olga)}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


@pytest.mark.row(79)
async def test_a_ticket_is_escalated_through_the_api(desk: Desk) -> None:
    queue = await desk.queue()
    lead = await desk.agent("Lead", Role.SENIOR, queues=(queue,))
    boss, ticket = await desk.key(), await desk.ticket()
    up = await boss.post(f"/v1/tickets/{ticket}/escalations", json={"reason": "too hard"})
    assert (up.status_code, up.json()["level"], up.json()["assignee_id"]) == (200, 1, named(lead))
    again = await boss.post(f"/v1/tickets/{ticket}/escalations", json={"reason": "harder"})
    assert (again.status_code, again.json()["code"]) == (422, "nobody_above")


async def test_who_asks_for_the_next_one_gets_the_most_urgent_that_he_can_do(desk: Desk) -> None:
    queue, other = await desk.queue(), await desk.another_queue("cards")
    olga = await desk.agent("Olga", queues=(queue,))
    client = await desk.signed_in(olga)
    assert (await client.post("/v1/agents/me/next")).status_code == 204
    await desk.ticket("Elsewhere", queue_id=other, urgency="critical")
    normal = await desk.ticket("An ordinary question")
    urgent = await desk.ticket("Everything is down", urgency="high")
    taken = [(await client.post("/v1/agents/me/next")) for _ in range(3)]
    assert [answer.json()["id"] if answer.content else None for answer in taken] == [urgent, normal, None]
    assert taken[0].json()["assignee_id"] == named(olga)


async def test_a_program_that_is_nobody_has_no_next_one(desk: Desk) -> None:
    assert (await (await desk.key()).post("/v1/agents/me/next")).status_code == 422
