"""The feed over HTTP: one sequence, by one's rights, and a stream that misses nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from omnidesk.desk.feed import number_batch
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem

ANY = {"if-match": "*"}


async def numbered(desk: Desk) -> None:
    while await number_batch(desk.db):
        pass


async def test_events_are_read_on_from_where_one_was(desk: Desk) -> None:
    admin = await desk.key()
    url = f"/v1/tickets/{await desk.ticket()}"
    for urgency in ("high", "low", "critical"):
        assert (await admin.patch(url, json={"urgency": urgency}, headers=ANY)).status_code == 200
    await numbered(desk)

    seen, after = [], "0"
    while True:
        page = (await admin.get(f"/v1/events?types=ticket.updated&limit=2&after={after}")).json()
        seen += page["data"]
        after = page["page"]["next_cursor"]
        if not page["page"]["has_more"]:
            break

    assert [event["data"]["changed"]["urgency"][1] for event in seen] == ["high", "low", "critical"]
    assert sorted(event["seq"] for event in seen) == [event["seq"] for event in seen]
    assert (await admin.get(f"/v1/events?after={after}")).json()["data"] == []
    problem(await admin.get("/v1/events?types=ticket.exploded"), 400, "bad_parameter")
    problem(await admin.get("/v1/events?after=-1"), 400, "bad_parameter")


async def test_events_are_shown_by_rights(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    admin = await desk.key()
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    narrow = await desk.key("events:read", queue_ids=frozenset({loans}))
    for queue in (cards, loans):
        url = f"/v1/tickets/{await desk.ticket(queue_id=queue)}"
        await admin.patch(url, json={"category": "card"}, headers=ANY)
    await admin.post("/v1/keys", json={"name": "x", "scopes": ["queues:read"]})
    await numbered(desk)

    async def types(client: httpx.AsyncClient) -> list[str]:
        return [event["type"] for event in (await client.get("/v1/events?limit=200")).json()["data"]]

    assert (await types(admin)).count("ticket.updated") == 2
    assert "key.created" in await types(admin)
    assert (await types(olga)).count("ticket.updated") == 1
    assert "key.created" not in await types(olga)
    assert await types(narrow) == ["ticket.updated"]


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[str]:
    """The app on a real socket, its feed running."""
    stop = asyncio.Event()
    feed = asyncio.create_task(desk.parts.feed.run(stop))
    server = uvicorn.Server(uvicorn.Config(desk.app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        server.should_exit = True
        await asyncio.gather(feed, serving)


async def read(lines: AsyncIterator[str], events: int) -> list[tuple[int, str]]:
    """(id, category) of the next events of a stream."""
    found: list[tuple[int, str]] = []
    last = 0
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("id: "):
                last = int(line[4:])
            if line.startswith("data: "):
                found.append((last, json.loads(line[6:])["data"]["changed"]["category"][1]))
                if len(found) == events:
                    break
    return found


async def test_a_stream_that_breaks_is_resumed_without_gap_or_repeat(desk: Desk) -> None:
    admin = await desk.key()
    secret = await desk.secret("events:read")
    url = f"/v1/tickets/{await desk.ticket()}"

    async def happens(category: str) -> None:
        assert (await admin.patch(url, json={"category": category}, headers=ANY)).status_code == 200
        await numbered(desk)

    async with (
        served(desk) as base,
        httpx.AsyncClient(base_url=base, headers={"authorization": f"Bearer {secret}"}, timeout=10) as client,
    ):
        stream = "/v1/events/stream?types=ticket.updated"
        async with client.stream("GET", stream) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            await happens("a")
            await happens("b")
            first = await read(lines, 2)
        await happens("c")  # while nobody listens
        async with client.stream("GET", stream, headers={"last-event-id": str(first[0][0])}) as answer:
            lines = answer.aiter_lines()
            await happens("d")
            rest = await read(lines, 3)

    assert [category for _, category in first] == ["a", "b"]
    assert [category for _, category in rest] == ["b", "c", "d"], "from after the one that was named"
    assert rest[0] == first[1]


async def test_who_comes_back_before_anything_happened_misses_nothing(desk: Desk) -> None:
    admin, secret = await desk.key(), await desk.secret("events:read")
    url = f"/v1/tickets/{await desk.ticket()}"
    await admin.patch(url, json={"category": "old"}, headers=ANY)
    await numbered(desk)

    async with (
        served(desk) as base,
        httpx.AsyncClient(base_url=base, headers={"authorization": f"Bearer {secret}"}, timeout=10) as client,
    ):
        async with client.stream("GET", "/v1/events/stream?types=ticket.updated") as answer, asyncio.timeout(10):
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    seen = line[4:]
                    break
        await admin.patch(url, json={"category": "new"}, headers=ANY)
        await numbered(desk)
        headers = {"last-event-id": seen}
        async with client.stream("GET", "/v1/events/stream?types=ticket.updated", headers=headers) as answer:
            assert [category for _, category in await read(answer.aiter_lines(), 1)] == ["new"]


async def test_a_stream_needs_a_right_and_a_number(desk: Desk) -> None:
    problem(await (await desk.client()).get("/v1/events/stream"), 401, "unauthenticated")
    problem(await (await desk.key("tickets:read")).get("/v1/events/stream"), 403, "missing_scope")
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    problem(await boss.get("/v1/events/stream", headers={"last-event-id": "x"}), 400, "bad_header")
