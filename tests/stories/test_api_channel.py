"""The same job through the `api` channel: an outside system posts messages and receives replies as signed webhooks."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response

from omnidesk.domain.webhooks import signed
from tests.story import Desk, until

SECRET_IN = "whsec_" + base64.b64encode(b"i" * 32).decode()
SECRET_OUT = "whsec_" + base64.b64encode(b"o" * 32).decode()


@dataclass
class Shop:
    """The outside system: verifies what it gets with the reference implementation of Standard Webhooks."""

    url: str = ""
    replies: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    status: int = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.calls += 1
        Webhook(SECRET_OUT).verify(body, dict(request.headers))
        if self.status == 200 and request.headers["webhook-id"] not in {reply["webhook_id"] for reply in self.replies}:
            self.replies.append({**json.loads(body), "webhook_id": request.headers["webhook-id"]})
        await Response(status_code=self.status)(scope, receive, send)


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    one, bound = Shop(), socket.create_server(("127.0.0.1", 0))
    one.url = f"http://127.0.0.1:{bound.getsockname()[1]}/replies"
    server = uvicorn.Server(uvicorn.Config(one, log_config=None, lifespan="off"))
    task = asyncio.create_task(server._serve([bound]))
    try:
        yield one
    finally:
        server.should_exit = True
        await task


async def posts(desk: Desk, inbox: str, **message: Any) -> httpx.Response:
    body = json.dumps(message).encode()
    key = base64.b64decode(SECRET_IN.removeprefix("whsec_"))
    headers = signed([key], f"msg_{message['external_id']}", int(time.time()), body)
    async with httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{desk.settings.port}/v1/inboxes/{inbox}/messages"
        return await http.post(url, content=body, headers=headers)


async def connect(desk: Desk, outside: Shop) -> str:
    config = {"signing_secret": SECRET_IN, "webhook_url": outside.url, "webhook_secret": SECRET_OUT}
    made = await desk.post("/v1/inboxes", {"channel": "api", "name": "Shop", "config": config})
    return str(made["id"])


@pytest.mark.row(80, part="api")
async def test_a_message_is_answered_resolved_closed_and_followed(desk: Desk) -> None:
    async with shop() as outside:
        inbox = await connect(desk, outside)
        olena = await desk.agent("Olena")
        ivan = {"address": "u-17", "name": "Ivan"}
        for _ in range(3):
            answer = await posts(desk, inbox, external_id="m1", thread="t1", sender=ivan, text="Where is my order?")
            assert answer.status_code == 202
        [ticket] = await desk.tickets(1)

        async def replies(count: int) -> list[dict[str, Any]]:
            async def enough() -> bool:
                return len(outside.replies) >= count

            await until(enough)
            return outside.replies

        [ack] = await replies(1)
        assert ticket["number"].replace("-", "") in json.dumps(ack).replace("-", "")
        ticket = await desk.ticket(ticket["id"], assignee_id=olena.id)
        await desk.answers(olena, ticket["id"], "It left today.")
        _, reply = await replies(2)
        assert reply["data"]["text"] == "It left today."

        await posts(desk, inbox, external_id="m2", thread="t1", sender=ivan, text="Thank you!")
        await desk.arrivals_done(2)
        await desk.moves(olena, ticket["id"], "resolved")
        await desk.later(days=5)
        await desk.ticket(ticket["id"], status="closed")
        await posts(desk, inbox, external_id="m3", thread="t1", sender=ivan, text="It is broken", references=["m2"])
        await desk.tickets(2)
        assert [row["kind"] for row in await desk.rows("SELECT kind FROM ticket_links")] == ["follows"]


async def test_a_reply_is_repeated_with_the_same_id_until_the_shop_takes_it(desk: Desk) -> None:
    async with shop() as outside:
        inbox = await connect(desk, outside)
        outside.status = 503
        await posts(desk, inbox, external_id="m1", thread="t1", sender={"address": "u-17"}, text="Hello")

        async def put_off() -> bool:
            return bool(await desk.rows("SELECT 1 FROM outbox WHERE state = 'deferred'"))

        await until(put_off)
        assert outside.calls >= 1
        outside.status = 200
        await desk.later(hours=1)

        async def taken() -> bool:
            return len(outside.replies) == 1

        await until(taken)


@pytest.mark.row(35)
async def test_the_same_request_by_mail_and_by_api_has_the_same_shape(desk: Desk) -> None:
    """Forms and mail are the same principle: one conversation model."""
    async with shop() as outside:
        inbox = await connect(desk, outside)
        await desk.writes("ivan@customer.example", "Where is my refund?", subject="Refund")
        await desk.tickets(1)
        sender = {"kind": "email", "address": "ivan@customer.example"}
        await posts(
            desk, inbox, external_id="m1", thread="t1", sender=sender, text="Where is my refund?", subject="Refund"
        )
        by_mail, by_api = await desk.tickets(2)
        assert shape(by_mail) == shape(by_api)
        first, second = [await desk.said(one["id"]) for one in (by_mail, by_api)]
        assert shape(first[0]) == shape(second[0])
        assert first[0]["text"] == second[0]["text"]
        contacts = await desk.rows("SELECT count(*) AS n FROM contacts")
        assert contacts == [{"n": 1}], "the same person, whatever the channel"


def shape(value: Any) -> Any:
    """The names and kinds of a JSON value."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return type(value).__name__ if not isinstance(value, list) else [shape(each) for each in value[:1]]


async def test_an_answer_is_changed_and_taken_back_behind_itself_and_the_shop_is_told(desk: Desk) -> None:
    async with shop() as outside:
        inbox = await connect(desk, outside)
        olena = await desk.agent("Olena")
        await posts(desk, inbox, external_id="m1", thread="t1", sender={"address": "u-17"}, text="Where is it?")
        [ticket] = await desk.tickets(1)

        async def told(count: int) -> list[dict[str, Any]]:
            async def enough() -> bool:
                return len(outside.replies) >= count

            await until(enough)
            return outside.replies

        await told(1)  # the acknowledgement
        answer = await desk.answers(olena, ticket["id"], "It left todday.")
        message = f"/v1/messages/{answer['id']}"
        edited = await olena.api.patch(message, json={"text": "It left today."}, headers={"if-match": "*"})
        assert edited.status_code == 200, edited.text
        _, sent, change = await told(3)
        assert [one["type"] for one in (sent, change)] == ["message.sent", "message.edited"]
        assert (sent["data"]["text"], change["data"]["text"]) == ("It left todday.", "It left today.")
        assert (change["data"]["id"], change["data"]["thread"]) == (sent["data"]["id"], "t1")

        assert (await olena.api.delete(message, headers={"if-match": "*"})).status_code == 200
        gone = (await told(4))[3]
        assert (gone["type"], gone["data"]["id"]) == ("message.deleted", sent["data"]["id"])
        assert "text" not in gone["data"]
        assert len({one["webhook_id"] for one in outside.replies}) == 4


async def test_a_change_that_the_shop_refuses_asks_an_agent_to_look(desk: Desk) -> None:
    async with shop() as outside:
        inbox = await connect(desk, outside)
        olena = await desk.agent("Olena")
        await posts(desk, inbox, external_id="m1", thread="t1", sender={"address": "u-17"}, text="Where is it?")
        [ticket] = await desk.tickets(1)
        answer = await desk.answers(olena, ticket["id"], "It left todday.")

        async def both_came() -> bool:
            return len(outside.replies) == 2

        await until(both_came)
        outside.status = 422
        assert (await olena.api.delete(f"/v1/messages/{answer['id']}", headers={"if-match": "*"})).status_code == 200

        async def told() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = await desk.get("/v1/events", types="message.not_changed")
            return found

        [event] = await until(told)
        assert event["ticket_id"] == ticket["id"]
        assert (event["data"]["action"], "422" in event["data"]["reason"]) == ("delete", True)
        assert (await desk.ticket(ticket["id"]))["attention"] == "message_not_changed"


async def test_a_mail_that_left_is_neither_changed_nor_taken_back(desk: Desk) -> None:
    olena = await desk.agent("Olena")
    await desk.writes("ivan@customer.example", "Where is it?")
    [ticket] = await desk.tickets(1)
    answer = await desk.answers(olena, ticket["id"], "It left todday.")
    message = f"/v1/messages/{answer['id']}"
    for refused in (
        await olena.api.patch(message, json={"text": "It left today."}, headers={"if-match": "*"}),
        await olena.api.delete(message, headers={"if-match": "*"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "channel_cannot_edit")
        assert refused.json()["channel"] == "email"
    channels = {one["name"]: one for one in await desk.get("/v1/channels")}
    assert (channels["email"]["edits"], channels["api"]["edits"], channels["api"]["deletes"]) == (False, True, True)
