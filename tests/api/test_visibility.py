"""What one may not see does not exist: the same in lists, readers, files, the feed and webhooks."""

import httpx
import pytest

from omnidesk.desk import owners, webhook_feed
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_events import numbered
from tests.api.test_problems import problem

ANY = {"if-match": "*"}


async def sees(client: httpx.AsyncClient, ticket: str) -> bool:
    """By every way at once; they must agree."""
    listed = (await client.get("/v1/tickets?limit=200")).json()["data"]
    read = (await client.get(f"/v1/tickets/{ticket}")).status_code
    timeline = (await client.get(f"/v1/tickets/{ticket}/timeline")).status_code
    told = (await client.get("/v1/events?limit=200")).json()["data"]
    passages = ("ticket.left", "ticket.entered")
    found = {
        ticket in [one["id"] for one in listed],
        read == 200,
        timeline == 200,
        ticket in [one["ticket_id"] for one in told if one["type"] not in passages],
    }
    assert len(found) == 1, (listed, read, timeline, told)
    return found.pop()


async def talked_of(desk: Desk, admin: httpx.AsyncClient, **columns: object) -> str:
    """A ticket of which the feed knows something."""
    ticket = await desk.ticket(**columns)  # type: ignore[arg-type]
    assert (await admin.patch(f"/v1/tickets/{ticket}", json={"category": "x"}, headers=ANY)).status_code == 200
    await numbered(desk)
    return ticket


async def test_who_sees_which_queue(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    hall = await desk.another_queue("hall", open_to_all=True)
    people = {
        "Olga": await desk.agent("Olga", queues=(cards,)),
        "Semyon": await desk.agent("Semyon", Role.SENIOR, queues=(loans,)),
        "Nina": await desk.agent("Nina"),
        "Boss": await desk.agent("Boss", Role.SUPERVISOR),
        "Root": await desk.agent("Root", Role.ADMIN, queues=(cards,)),
    }
    admin = await desk.key()
    tickets = {queue: await talked_of(desk, admin, queue_id=queue) for queue in (cards, loans, hall)}

    for name, queues in {
        "Olga": {cards, hall},
        "Semyon": {loans, hall},
        "Nina": {hall},
        "Boss": {cards, loans, hall},
        "Root": {cards, loans, hall},
    }.items():
        client = await desk.signed_in(people[name])
        assert {queue for queue, ticket in tickets.items() if await sees(client, ticket)} == queues, name


async def test_what_is_ones_own_is_seen_wherever_it_is(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    nina = await desk.agent("Nina")
    admin, client = await desk.key(), await desk.signed_in(nina)
    ticket = await talked_of(desk, admin, queue_id=cards)
    assert not await sees(client, ticket)

    url = f"/v1/tickets/{ticket}/assignments"
    assert (await admin.post(url, json={"agent_id": ids.encode("agent", nina)}, headers=ANY)).status_code == 200
    await numbered(desk)

    assert await sees(client, ticket)


async def test_a_key_sees_its_limits_and_a_personal_one_never_more_than_its_agent(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.agent("Olga", queues=(cards,))
    admin = await desk.key()
    in_cards = await talked_of(desk, admin, queue_id=cards)
    in_loans = await talked_of(desk, admin, queue_id=loans)
    own = await talked_of(desk, admin, queue_id=loans, assignee_id=olga)
    tickets = {"cards": in_cards, "loans": in_loans, "own": own}
    assert desk.inbox_id is not None

    for limits, seen in (
        ({}, {"cards", "loans", "own"}),
        ({"queue_ids": frozenset({cards})}, {"cards"}),
        ({"queue_ids": frozenset({cards}), "inbox_ids": frozenset({desk.new_id()})}, set()),
        ({"inbox_ids": frozenset({desk.inbox_id})}, {"cards", "loans", "own"}),
        ({"agent_id": olga}, {"cards", "own"}),
        ({"agent_id": olga, "queue_ids": frozenset({loans})}, {"own"}),
        ({"agent_id": olga, "queue_ids": frozenset({desk.new_id()})}, set()),
    ):
        client = await desk.key(**limits)
        assert {name for name, ticket in tickets.items() if await sees(client, ticket)} == seen, limits


@pytest.mark.parametrize("way", ["conversations", "decisions", "promises", "timeline", "transfers"])
async def test_nothing_of_a_ticket_out_of_sight_exists(desk: Desk, way: str) -> None:
    cards = await desk.another_queue("cards")
    nina = await desk.signed_in(await desk.agent("Nina"))
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket(queue_id=cards)}/{way}"
    assert (await boss.get(url)).status_code == 200, "it could be read"
    problem(await nina.get(url), 404, "not_found")


async def test_neither_do_its_messages_files_and_deliveries(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    nina = await desk.signed_in(await desk.agent("Nina"))
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket(queue_id=cards)
    file = (await boss.post("/v1/attachments", files={"file": ("a.txt", b"hello", "text/plain")})).json()["id"]
    sent = {"text": "Here it is", "attachment_ids": [file]}
    reply = (await boss.post(f"/v1/tickets/{ticket}/replies", json=sent)).json()
    delivery = reply["deliveries"][0]["id"]
    for url in (f"/v1/messages/{reply['id']}", f"/v1/attachments/{file}", f"/v1/attachments/{file}/content"):
        assert (await boss.get(url)).status_code == 200, url
        problem(await nina.get(url), 404, "not_found")
    problem(await nina.post(f"/v1/deliveries/{delivery}/resend", headers=ANY), 404, "not_found")
    for way, body in {
        "notes": {"text": "x"},
        "replies": {"text": "x"},
        "transitions": {"to": "resolved"},
        "assignments": {"agent_id": "me"},
    }.items():
        answer = await nina.post(f"/v1/tickets/{ticket}/{way}", json=body, headers=ANY)
        problem(answer, 404, "not_found")
    problem(await nina.patch(f"/v1/tickets/{ticket}", json={"urgency": "low"}, headers=ANY), 404, "not_found")


async def test_a_webhook_is_told_what_its_owner_sees(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    admin = await desk.key()
    narrow = await desk.key(queue_ids=frozenset({cards}))
    made = await narrow.post("/v1/webhooks", json={"url": "https://shop.example/hook"})
    assert made.status_code == 201, made.text
    ticket = await talked_of(desk, admin, queue_id=loans)
    other = await talked_of(desk, admin, queue_id=cards)

    url = f"/v1/tickets/{other}"
    await admin.patch(url, json={"queue_id": ids.encode("queue", loans)}, headers=ANY)
    await numbered(desk)
    known = owners.Owners()
    while await webhook_feed.tell_batch(desk.db, known):
        pass

    log = (await admin.get(made.headers["location"] + "/deliveries")).json()["data"]
    assert ticket not in [one["ticket_id"] for one in log]
    assert [(one["ticket_id"], one["type"]) for one in log] == [(other, "ticket.left")]
