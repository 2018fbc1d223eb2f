"""Followers and their rights: what leaves their sight, what enters it, and streams that end when rights end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_events import numbered, served

ANY = {"if-match": "*"}
WITHIN_S = 5.0  # after that, a right that ended opens nothing more


async def move(desk: Desk, admin: httpx.AsyncClient, ticket: str, **changes: Any) -> None:
    answer = await admin.patch(f"/v1/tickets/{ticket}", json=changes, headers=ANY)
    assert answer.status_code == 200, answer.text
    await numbered(desk)


async def read(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    page = (await client.get(f"/v1/events?limit=200{query}")).json()
    events: list[dict[str, Any]] = page["data"]
    return events


async def test_a_ticket_that_moves_leaves_one_and_enters_the_other(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    petr = await desk.signed_in(await desk.agent("Petr", queues=(loans,)))
    admin, ticket = await desk.key(), await desk.ticket(queue_id=cards)
    await numbered(desk)
    after = (await admin.get("/v1/events?limit=200")).json()["page"]["next_cursor"]

    await move(desk, admin, ticket, queue_id=ids.encode("queue", loans), urgency="high")
    await move(desk, admin, ticket, category="x")

    left, entered = await read(olga, f"&after={after}"), await read(petr, f"&after={after}")
    assert [(event["type"], event["ticket_id"], event["data"]) for event in left] == [("ticket.left", ticket, {})]
    assert [event["type"] for event in entered] == ["ticket.entered", "ticket.updated", "ticket.updated"]
    assert entered[0]["data"] == {}
    assert entered[0]["seq"] == left[0]["seq"], "it is one fact with one number"
    assert [event["type"] for event in await read(admin, f"&after={after}")] == ["ticket.updated", "ticket.updated"]
    assert [event["type"] for event in await read(petr, f"&after={after}&types=ticket.entered")] == ["ticket.entered"]


async def test_a_ticket_given_to_somebody_elsewhere_enters_his_sight_and_leaves_it_again(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    olga_id, nina_id = await desk.agent("Olga", queues=(cards,)), await desk.agent("Nina")
    olga, nina = await desk.signed_in(olga_id), await desk.signed_in(nina_id)
    admin, ticket = await desk.key(), await desk.ticket(queue_id=cards)
    for agent in (olga_id, nina_id, olga_id):
        url, body = f"/v1/tickets/{ticket}/assignments", {"agent_id": ids.encode("agent", agent), "reassign": True}
        assert (await admin.post(url, json=body, headers=ANY)).status_code == 200
    await numbered(desk)

    passages = "&types=ticket.left,ticket.entered"
    assert [event["type"] for event in await read(nina, passages)] == ["ticket.entered", "ticket.left"]
    assert await read(olga, passages) == [], "hers or not, she sees the queue"


async def test_the_timeline_of_a_ticket_tells_of_no_passages(desk: Desk) -> None:
    cards, admin = await desk.another_queue("cards"), await desk.key()
    ticket = await desk.ticket()
    await move(desk, admin, ticket, queue_id=ids.encode("queue", cards))
    entries = (await admin.get(f"/v1/tickets/{ticket}/timeline")).json()["data"]
    assert "ticket.moved" not in json.dumps(entries)
    assert "ticket.updated" in json.dumps(entries)


class Stream:
    """Somebody who follows; what was heard so far."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> str | None:
        """The type of the next event; None: the stream has ended."""
        async with asyncio.timeout(WITHIN_S):
            async for line in self._lines:
                if line.startswith("event: "):
                    return line[7:]
        return None


def cookie(client: httpx.AsyncClient) -> dict[str, str]:
    """The session of somebody who signed in."""
    return {"cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


async def follow(stack: AsyncExitStack, base: str, headers: dict[str, str]) -> Stream:
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, headers=headers, timeout=20))
    answer = await stack.enter_async_context(client.stream("GET", "/v1/events/stream"))
    assert answer.status_code == 200
    lines = answer.aiter_lines()
    assert (await anext(lines)).startswith("retry")
    return Stream(lines)


async def test_streams_end_within_seconds_of_the_right_to_them(desk: Desk) -> None:
    admin = await desk.key()
    olga_id, petr_id = await desk.agent("Olga"), await desk.agent("Petr")
    secret, other = await desk.secret("events:read"), await desk.secret("events:read")
    newest = (await admin.get("/v1/keys")).json()["data"]
    personal = await desk.secret("events:read", agent_id=petr_id)
    olga = await desk.signed_in(olga_id)
    await numbered(desk)

    async with served(desk) as base, AsyncExitStack() as stack:
        streams = [
            await follow(stack, base, {"authorization": f"Bearer {secret}"}),
            await follow(stack, base, {"authorization": f"Bearer {personal}"}),
            await follow(stack, base, cookie(olga)),
        ]
        stays = await follow(stack, base, {"authorization": f"Bearer {other}"})

        assert (await admin.delete(f"/v1/keys/{newest[1]['id']}", headers=ANY)).status_code == 204
        for agent in (olga_id, petr_id):
            url = f"/v1/agents/{ids.encode('agent', agent)}"
            assert (await admin.patch(url, json={"disabled": True}, headers=ANY)).status_code == 200

        async with asyncio.timeout(WITHIN_S):
            assert await asyncio.gather(*(stream.next() for stream in streams)) == [None, None, None]
        await numbered(desk)
        assert await stays.next() == "agent.updated", "others are not touched"


async def test_a_stream_is_narrowed_within_seconds_when_its_agent_leaves_a_queue(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    olga_id = await desk.agent("Olga", queues=(cards,))
    olga, admin = await desk.signed_in(olga_id), await desk.key()
    ticket, open_to_all = await desk.ticket(queue_id=cards), await desk.ticket()
    looked = asyncio.Event()
    standing = desk.app.state.standing
    look = standing.look

    async def look_and_tell() -> None:
        await look()
        looked.set()

    standing.look = look_and_tell
    await numbered(desk)
    async with served(desk) as base, AsyncExitStack() as stack:
        stream = await follow(stack, base, cookie(olga))
        await move(desk, admin, ticket, category="a")
        assert await stream.next() == "ticket.updated", "she sees it as yet"

        url = f"/v1/agents/{ids.encode('agent', olga_id)}"
        assert (await admin.patch(url, json={"queue_ids": []}, headers=ANY)).status_code == 200
        looked.clear()
        async with asyncio.timeout(WITHIN_S):
            await looked.wait()
        await move(desk, admin, ticket, category="b")
        await move(desk, admin, open_to_all, urgency="high")

        assert await stream.next() == "agent.updated"
        assert await stream.next() == "ticket.updated"
        assert [event["ticket_id"] for event in await read(olga, "&types=ticket.updated")] == [open_to_all]


async def test_a_role_that_is_taken_narrows_a_stream(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    boss_id = await desk.agent("Boss", Role.SUPERVISOR)
    boss, admin = await desk.signed_in(boss_id), await desk.key()
    ticket = await desk.ticket(queue_id=cards)
    await numbered(desk)
    async with served(desk) as base, AsyncExitStack() as stack:
        stream = await follow(stack, base, cookie(boss))
        await move(desk, admin, ticket, category="a")
        assert await stream.next() == "ticket.updated"
        url = f"/v1/agents/{ids.encode('agent', boss_id)}"
        assert (await admin.patch(url, json={"role": "agent"}, headers=ANY)).status_code == 200
        await desk.app.state.standing.look()
        await move(desk, admin, ticket, category="b")
        await move(desk, admin, await desk.ticket(), category="c")
        heard = [await stream.next(), await stream.next()]
    assert heard == ["agent.updated", "ticket.updated"]
