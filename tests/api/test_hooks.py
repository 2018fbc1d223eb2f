import base64
import json
import time

import httpx

from omnidesk.domain.webhooks import signed
from tests.api.conftest import WHSEC, Desk

KEY = base64.b64decode(WHSEC.removeprefix("whsec_"))
MESSAGE = {"external_id": "m1", "thread": "t1", "sender": {"address": "ivan"}, "text": "Where is my order?"}


async def post(
    client: httpx.AsyncClient, inbox: str, body: bytes, *, key: bytes = KEY, path: str = ""
) -> httpx.Response:
    headers = signed([key], "msg_1", int(time.time()), body)
    return await client.post(path or f"/v1/inboxes/{inbox}/messages", content=body, headers=headers)


async def stored(desk: Desk) -> list[str]:
    async with desk.db.connection() as tx:
        return [row["state"] for row in await tx.driver.fetch("SELECT state FROM arrivals ORDER BY seq")]


async def test_a_signed_message_is_stored_once_by_either_address(desk: Desk) -> None:
    inbox, client = await desk.inbox(), await desk.client()
    body = json.dumps(MESSAGE).encode()
    for path in ("", f"/hooks/{inbox}", f"/hooks/{inbox}/anything"):
        answer = await post(client, inbox, body, path=path)
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert await stored(desk) == ["new"]


async def test_of_a_forged_message_nothing_is_stored(desk: Desk) -> None:
    inbox, client = await desk.inbox(), await desk.client()
    body = json.dumps(MESSAGE).encode()
    forged = await post(client, inbox, body, key=b"x" * 24)
    assert (forged.status_code, forged.json()["code"]) == (401, "bad_signature")
    assert (await client.post(f"/hooks/{inbox}", content=body)).status_code == 401
    assert await stored(desk) == []


async def test_an_authentic_message_that_nobody_understands_is_kept(desk: Desk) -> None:
    inbox, client = await desk.inbox(), await desk.client()
    assert (await post(client, inbox, b'{"new": "format"}')).status_code == 200
    assert await stored(desk) == ["unreadable"]


async def test_unknown_inboxes_and_those_that_nobody_calls_are_refused(desk: Desk) -> None:
    client, admin = await desk.client(), await desk.key()
    assert (await post(client, "inb_00000000000000000000000000", b"{}")).status_code == 404
    assert (await post(client, "x", b"{}", path="/hooks/nonsense")).status_code == 404
    made = await admin.post(
        "/v1/inboxes", json={"channel": "email", "name": "Mail", "config": {"address": "support@acme.example"}}
    )
    assert (await client.post(f"/hooks/{made.json()['id']}", content=b"{}")).status_code == 422


async def test_without_a_signature_a_key_is_asked_for(desk: Desk) -> None:
    inbox, client = await desk.inbox(), await desk.client()
    answer = await client.post(f"/v1/inboxes/{inbox}/messages", json=MESSAGE)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
