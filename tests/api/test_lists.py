"""Lists: page after page without a gap or a repeat, filters, and cursors that fit one list only."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem


async def walk(client: httpx.AsyncClient, url: str) -> list[str]:
    """Every id of a list, page by page along the Link header."""
    found: list[str] = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += [item["id"] for item in body["data"]]
        assert body["page"]["has_more"] == ("next" in answer.links)
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    return found


async def test_pages_join_without_gap_or_repeat_while_tickets_come_in(desk: Desk) -> None:
    reader = await desk.key("tickets:read")
    at = desk.now()
    old = [await desk.ticket(created_at=at - timedelta(minutes=n // 2)) for n in range(7)]  # pairs of equal times

    first = await reader.get("/v1/tickets?sort=-created_at&limit=3")
    await desk.ticket("a newcomer", created_at=at + timedelta(minutes=1))
    rest = await walk(reader, first.links["next"]["url"])

    seen = [item["id"] for item in first.json()["data"]] + rest
    assert sorted(seen) == sorted(old)
    assert (
        await walk(reader, "/v1/tickets?sort=created_at&limit=2")
        == (await walk(reader, "/v1/tickets?sort=-created_at&limit=3"))[::-1]
    )


async def test_a_cursor_of_another_list_is_refused(desk: Desk) -> None:
    reader, other = await desk.key("tickets:read"), await desk.key("tickets:read")
    for _ in range(3):
        await desk.ticket()
    page = (await reader.get("/v1/tickets?status=new&limit=1")).json()["page"]
    cursor = page["next_cursor"]

    assert (await reader.get(f"/v1/tickets?status=new&limit=2&cursor={cursor}")).status_code == 200
    for client, url in (
        (reader, f"/v1/tickets?limit=1&cursor={cursor}"),
        (reader, f"/v1/tickets?status=new&sort=created_at&cursor={cursor}"),
        (reader, f"/v1/tickets?status=new&cursor={cursor[:-2]}"),
        (reader, f"/v1/tickets?status=new&cursor={cursor}AA"),
        (reader, "/v1/tickets?status=new&cursor=%D1%8F"),
        (reader, "/v1/tickets?status=new&cursor=eyJhIjoxfQ"),
        (other, f"/v1/tickets?status=new&cursor={cursor}"),
    ):
        problem(await client.get(url), 400, "bad_cursor")


async def test_filters_find_what_they_name(desk: Desk) -> None:
    olga = await desk.agent("Olga", Role.SUPERVISOR)
    browser = await desk.signed_in(olga)
    cards = await desk.another_queue("cards")
    mine = await desk.ticket("mine", assignee_id=olga, status="open")
    loud = await desk.ticket("loud", address="Maria@customer.example".lower(), urgency="critical", queue_id=cards)
    odd = await desk.ticket("spam!", status="spam", channel="email")
    number = (await browser.get(f"/v1/tickets/{loud}")).json()["number"]

    async def found(query: str) -> set[str]:
        return set(await walk(browser, f"/v1/tickets?limit=200&{query}"))

    assert await found("") == {mine, loud}, "spam is shown when asked for"
    assert await found("status=spam") == {odd}
    assert await found("status=open,spam") == {mine, odd}
    assert await found("assignee=me") == {mine}
    assert await found("assignee=none") == {loud}
    assert await found(f"assignee=none,{ids.encode('agent', olga)}") == {mine, loud}
    assert await found("urgency=critical,low") == {loud}
    assert await found(f"queue={ids.encode('queue', cards)}") == {loud}
    assert await found("status=spam&channel=email") == {odd}
    assert await found("requester=MARIA@customer.example") == {loud}
    assert await found(f"number={number}") == {loud}
    assert await found(f"number={number[:6]}") == {loud}
    assert await found("number=" + str(int(number[:6]) + 1)) == set()
    async with desk.db.connection() as tx:
        await tx.driver.execute("UPDATE tickets SET number = '999912345' WHERE id = $1", ids.decode("ticket", loud))
    assert await found("number=9999") == {loud}
    assert await found("attention=true") == set()
    assert await found("created_after=2999-01-01T00:00:00Z") == set()
    assert await found("created_before=2999-01-01T00:00:00%2B03:00") == {mine, loud}


async def test_what_is_included_stands_in_the_ticket(desk: Desk) -> None:
    reader = await desk.key("tickets:read")
    ticket = await desk.ticket("Where is my order?", "maria@customer.example")

    plain = (await reader.get("/v1/tickets")).json()["data"][0]
    rich = (await reader.get("/v1/tickets?include=contact,last_message&count=estimate")).json()

    assert plain["contact"] is None
    assert rich["data"][0]["contact"]["address"] == "maria@customer.example"
    assert rich["data"][0]["last_message"]["text"] == "Where is my order?"
    assert rich["page"]["count"] == "1"
    assert plain["id"] == ticket
    assert plain["customer_status"] == "Принято"
    problem(await reader.get("/v1/tickets?include=password"), 400, "bad_parameter")


async def test_agents_see_their_queues_and_their_own_and_keys_their_limits(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.agent("Olga", queues=(cards,))
    inside, outside = await desk.ticket(queue_id=cards), await desk.ticket(queue_id=loans)
    own = await desk.ticket(queue_id=loans, assignee_id=olga)
    elsewhere = ids.encode("inbox", desk.new_id())
    browser = await desk.signed_in(olga)
    idle = await desk.signed_in(await desk.agent("Idle"))
    narrow = await desk.key("tickets:read", "tickets:write", queue_ids=frozenset({cards}))
    foreign = await desk.key("tickets:read", inbox_ids=frozenset({ids.decode("inbox", elsewhere)}))

    assert set(await walk(browser, "/v1/tickets")) == {inside, own}
    assert await walk(idle, "/v1/tickets") == [], "a member of no queue sees none, not all"
    assert await walk(narrow, "/v1/tickets") == [inside]
    assert await walk(foreign, "/v1/tickets") == []
    for path in ("", "/timeline", "/conversations", "/decisions", "/promises"):
        assert (await browser.get(f"/v1/tickets/{inside}{path}")).status_code == 200
        problem(await browser.get(f"/v1/tickets/{outside}{path}"), 404, "not_found")
    for path, body in (
        ("transitions", {"to": "open"}),
        ("assignments", {"agent_id": "me"}),
        ("replies", {"text": "hello"}),
        ("notes", {"text": "hello"}),
        ("spam", None),
    ):
        answer = await browser.post(f"/v1/tickets/{outside}/{path}", json=body, headers={"if-match": "*"})
        problem(answer, 404, "not_found")
    patched = await browser.patch(f"/v1/tickets/{outside}", json={"urgency": "low"}, headers={"if-match": "*"})
    problem(patched, 404, "not_found")


async def test_the_count_stops_at_a_thousand(desk: Desk) -> None:
    await desk.ticket()
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            "INSERT INTO tickets (id, number, channel, requester_id, queue_id)"
            " SELECT gen_random_uuid(), n::text, 'api', t.requester_id, t.queue_id"
            " FROM tickets t, generate_series(1, 1100) AS n"
        )
    reader = await desk.key("tickets:read")
    answer = await reader.get("/v1/tickets?count=estimate&limit=1")
    assert answer.json()["page"]["count"] == "1000+"
    assert parse_qs(urlsplit(answer.links["next"]["url"]).query)["limit"] == ["1"]


async def test_the_timeline_is_one_order_of_messages_notes_and_events(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket("Where is my refund?")
    url = f"/v1/tickets/{ticket}"
    any_version = {"if-match": "*"}
    assert (await boss.post(f"{url}/assignments", json={"agent_id": "me"}, headers=any_version)).status_code == 200
    desk.later(minutes=1)
    assert (await boss.post(f"{url}/notes", json={"text": "Looking now"})).status_code == 201
    desk.later(minutes=1)
    moved = await boss.post(f"{url}/transitions", json={"to": "pending", "reason": "receipt"}, headers=any_version)
    assert moved.status_code == 200

    whole = (await boss.get(f"{url}/timeline?limit=200")).json()["data"]
    forth, back = await steps(boss, f"{url}/timeline?limit=1"), await steps(boss, f"{url}/timeline?limit=2&sort=-at")

    assert (whole[0]["type"], whole[0]["text"]) == ("message", "Where is my refund?")
    assert {entry["event"] for entry in whole if entry["type"] == "event"} == {
        "ticket.assigned",
        "ticket.status_changed",
    }
    assert [entry["text"] for entry in whole if entry["type"] == "note"] == ["Looking now"]
    assert forth == whole
    assert back == whole[::-1]


async def test_what_happened_in_one_moment_has_one_order_too(desk: Desk) -> None:
    reader = await desk.key("tickets:read")
    at = desk.now()
    ticket = await desk.ticket("first", created_at=at)
    async with desk.db.connection() as tx:
        conversation = await tx.driver.fetchval("SELECT id FROM conversations")
        for n in range(3):
            await tx.driver.execute(
                "INSERT INTO events (type, ticket_id, at) VALUES ('ticket.updated', $1, $2)",
                ids.decode("ticket", ticket),
                at,
            )
            await tx.driver.execute(
                "INSERT INTO messages (id, conversation_id, direction, author, text, at)"
                " VALUES ($1, $2, 'in', 'requester', $3, $4)",
                desk.new_id(),
                conversation,
                f"message {n}",
                at,
            )
    url = f"/v1/tickets/{ticket}/timeline"
    whole = (await reader.get(f"{url}?limit=200")).json()["data"]
    assert len(whole) == 7
    for size in (1, 2, 3, 5):
        assert await steps(reader, f"{url}?limit={size}") == whole
        assert await steps(reader, f"{url}?limit={size}&sort=-at") == whole[::-1]


async def steps(client: httpx.AsyncClient, url: str) -> list[object]:
    found: list[object] = []
    while url:
        answer = await client.get(url)
        found += answer.json()["data"]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    return found
