"""A request sent twice is done once: replays, other bodies, two at once, secrets, refusals."""

import asyncio

import httpx
import pytest

from omnidesk.db import idempotency
from omnidesk.db.idempotency import Slot
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem

QUEUE = {"name": "cards"}


async def calendar(desk: Desk) -> str:
    async with desk.db.connection() as tx:
        return ids.encode("calendar", await tx.driver.fetchval("SELECT id FROM calendars LIMIT 1"))


async def test_a_replay_hears_the_first_answer_and_does_nothing(desk: Desk) -> None:
    admin = await desk.key()
    body, key = QUEUE | {"calendar_id": await calendar(desk)}, {"idempotency-key": "make cards #1"}
    queues, events = await desk.count("queues"), await desk.count("events")

    first = await admin.post("/v1/queues", json=body, headers=key)
    again = await admin.post("/v1/queues", json=body, headers=key)

    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await desk.count("queues") == queues + 1
    assert await desk.count("events") == events + 1


async def test_another_body_under_the_same_key_is_refused(desk: Desk) -> None:
    admin = await desk.key()
    body, key = QUEUE | {"calendar_id": await calendar(desk)}, {"idempotency-key": "k"}
    assert (await admin.post("/v1/queues", json=body, headers=key)).status_code == 201

    problem(await admin.post("/v1/queues", json={**body, "name": "loans"}, headers=key), 422, "idempotency_key_reused")


async def test_a_key_belongs_to_its_owner_and_its_path(desk: Desk) -> None:
    one, two = await desk.key(), await desk.key()
    key = {"idempotency-key": "k"}
    body = QUEUE | {"calendar_id": await calendar(desk)}

    assert (await one.post("/v1/queues", json=body, headers=key)).status_code == 201
    problem(await two.post("/v1/queues", json=body, headers=key), 409, "name_taken")
    agent = {"email": "olga@acme.example", "name": "Olga"}
    assert (await one.post("/v1/agents", json=agent, headers=key)).status_code == 201


async def test_two_at_once_are_done_once(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket()
    url, key = f"/v1/tickets/{ticket}/notes", {"idempotency-key": "click"}

    answers = await asyncio.gather(*(boss.post(url, json={"text": "Looking"}, headers=key) for _ in range(10)))

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    for busy in (answer for answer in answers if answer.status_code == 409):
        problem(busy, 409, "idempotency_in_flight")
        assert busy.headers["retry-after"] == "1"
    assert await desk.count("messages WHERE direction = 'note'") == 1
    assert (await boss.post(url, json={"text": "Looking"}, headers=key)).headers["idempotency-replayed"] == "true"


async def test_more_requests_than_connections_wait_and_are_all_done(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}/replies"

    answers = await asyncio.gather(
        *(boss.post(url, json={"text": f"Answer {n}"}, headers={"idempotency-key": str(n)}) for n in range(60))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert await desk.count("messages WHERE direction = 'out'") == 60


async def test_while_one_runs_the_other_hears_that_it_does(desk: Desk) -> None:
    admin, secret = await desk.key(), {"idempotency-key": "slow"}
    me = (await admin.get("/v1/keys")).json()["data"][0]["id"]
    body = QUEUE | {"calendar_id": await calendar(desk)}

    async with desk.db.transaction() as tx:  # the first one, still at it
        assert await idempotency.take(tx, Slot(owner=f"key:{me}", route="POST /v1/queues", key="slow"))
        problem(await admin.post("/v1/queues", json=body, headers=secret), 409, "idempotency_in_flight")

    assert (await admin.post("/v1/queues", json=body, headers=secret)).status_code == 201, "a 409 is not stored"


async def test_a_secret_is_shown_once_also_to_those_who_ask_twice(desk: Desk) -> None:
    admin, key = await desk.key(), {"idempotency-key": "k"}
    body = {"name": "Shop", "scopes": ["queues:read"]}

    first = await admin.post("/v1/keys", json=body, headers=key)
    again = await admin.post("/v1/keys", json=body, headers=key)

    assert first.json()["secret"].startswith("omd_live_")
    assert not first.json()["already_shown"]
    assert again.json()["secret"] is None
    assert again.json()["already_shown"]
    assert again.json()["id"] == first.json()["id"]
    secret = first.json()["secret"].encode()
    async with desk.db.connection() as tx:
        stored = await tx.driver.fetch("SELECT body, headers::text FROM idempotency_keys")
    assert stored
    assert not any(secret in row["body"] or secret.decode() in row["headers"] for row in stored)


async def test_the_key_is_looked_up_before_the_version(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"
    headers = {"idempotency-key": "k", "if-match": (await boss.get(url)).headers["etag"]}

    first = await boss.patch(url, json={"urgency": "high"}, headers=headers)
    again = await boss.patch(url, json={"urgency": "high"}, headers=headers)

    assert first.status_code == 200, first.text
    assert again.status_code == 200, "its If-Match is stale by now, but it is the same request"
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_refusal_is_kept_and_its_effect_is_undone(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"
    body, key = {"text": "Please send me your password"}, {"idempotency-key": "k"}

    refused = await boss.post(f"{url}/replies", json=body, headers=key)
    again = await boss.post(f"{url}/replies", json=body, headers=key)

    problem(refused, 422, "secret_request_blocked")
    assert again.status_code == 422
    assert again.headers["idempotency-replayed"] == "true"
    assert await desk.count("messages WHERE direction = 'out'") == 0


@pytest.mark.parametrize("wrong", ["", "x" * 256, "tab\there"])
async def test_a_key_that_is_none_is_refused(desk: Desk, wrong: str) -> None:
    admin = await desk.key()
    problem(await admin.post("/v1/queues", json=QUEUE, headers={"idempotency-key": wrong}), 400, "bad_idempotency_key")


async def test_what_breaks_is_not_kept(desk: Desk) -> None:
    admin = await desk.key()
    body, key = QUEUE | {"calendar_id": await calendar(desk)}, {"idempotency-key": "k"}
    async with desk.db.connection() as tx:
        await tx.driver.execute("ALTER TABLE queues RENAME TO queues_away")
    problem(await admin.post("/v1/queues", json=body, headers=key), 500, "internal")
    async with desk.db.connection() as tx:
        await tx.driver.execute("ALTER TABLE queues_away RENAME TO queues")

    assert (await admin.post("/v1/queues", json=body, headers=key)).status_code == 201


async def test_after_seven_days_a_key_is_free_again(desk: Desk) -> None:
    admin, key = await desk.key(), {"idempotency-key": "k"}
    body = QUEUE | {"calendar_id": await calendar(desk)}
    assert (await admin.post("/v1/queues", json=body, headers=key)).status_code == 201
    desk.later(days=6, hours=23)
    assert (await admin.post("/v1/queues", json=body, headers=key)).headers["idempotency-replayed"] == "true"
    desk.later(hours=2)

    problem(await admin.post("/v1/queues", json=body, headers=key), 409, "name_taken")
    async with desk.db.connection() as tx:
        assert await idempotency.sweep(tx, now=desk.now()) == 1


async def test_the_effect_and_its_answer_are_one_transaction(desk: Desk) -> None:
    """If the answer cannot be stored, nothing was done."""
    admin = await desk.key()
    body, key = QUEUE | {"calendar_id": await calendar(desk)}, {"idempotency-key": "k"}
    queues = await desk.count("queues")
    async with desk.db.connection() as tx:
        await tx.driver.execute("ALTER TABLE idempotency_keys ADD CONSTRAINT no_room CHECK (false) NOT VALID")

    broken: httpx.Response = await admin.post("/v1/queues", json=body, headers=key)

    assert broken.status_code == 500
    assert await desk.count("queues") == queues
