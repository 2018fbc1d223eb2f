"""Webhooks are tried, told once more, given new secrets and taken care of; who may not see them finds none."""

from datetime import timedelta

import pytest

from omnidesk.desk import access
from omnidesk.domain import ids
from omnidesk.domain.people import SYSTEM
from tests.api.conftest import Desk
from tests.api.shop import BLIND, Shop, shop
from tests.api.test_problems import problem
from tests.receiver import answer

__all__ = ["shop"]


# --- trying, replaying, rotating ------------------------------------------------------------------


async def test_a_test_goes_out_at_once_even_where_the_webhook_is_off_or_fails(shop: Shop) -> None:
    await shop.subscribe(enabled=False)
    tested = await shop.api.post(f"/v1/webhooks/{shop.webhook}/tests")
    assert tested.status_code == 202
    await shop.deliver()
    (call,) = shop.receiver.taken
    assert (call.type, call.payload["data"]["seq"]) == ("webhook.test", None)
    outcome = (await shop.api.get(tested.headers["location"])).json()
    assert (outcome["state"], outcome["payload"]) == ("delivered", call.payload)


async def test_deliveries_are_replayed_by_their_ids(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.changes(await shop.desk.ticket())
    await shop.deliver()
    first = shop.receiver.taken[0]

    again = await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={"delivery_ids": [first.id]})
    assert (again.status_code, again.json()["replayed"]) == (202, 1)
    await shop.deliver()
    assert [call.id for call in shop.receiver.taken] == [first.id] * 2

    other = await shop.desk.key()
    made = await other.post("/v1/webhooks", json={"url": shop.receiver.url, "types": ["ticket.created"]})
    foreign = {"delivery_ids": [first.id]}
    problem(await other.post(f"/v1/webhooks/{made.json()['id']}/replays", json=foreign), 422, "invalid")


async def test_what_happened_while_it_was_off_comes_with_a_replay(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    await shop.changes(ticket, "high")
    await shop.deliver()
    for enabled in (False, True):
        await shop.tell()
        await shop.api.patch(f"/v1/webhooks/{shop.webhook}", json={"enabled": enabled}, headers=BLIND)
        if not enabled:
            await shop.changes(ticket, "low")
    await shop.changes(ticket, "critical")
    await shop.deliver()
    told = [call.payload["data"]["facts"]["changed"]["urgency"][1] for call in shop.receiver.taken]
    assert told == ["high", "critical"]

    replayed = await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={"after": 0})
    assert replayed.json() | {"through": 0} == {"replayed": 1, "through": 0, "has_more": False}
    await shop.deliver()
    assert shop.receiver.taken[-1].payload["data"]["facts"]["changed"]["urgency"][1] == "low"

    everything = await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={"after": 0, "only_failed": False})
    assert everything.json()["replayed"] == 3
    await shop.deliver()
    assert len(shop.receiver.taken) == 6
    assert len({call.id for call in shop.receiver.taken}) == 3


async def test_a_replay_may_be_bounded_by_time_and_waiting_tries_are_due_at_once(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    ticket = await shop.desk.ticket()
    await shop.changes(ticket, "high")
    shop.receiver.script = [answer(500)]
    await shop.deliver()
    since = (shop.desk.now() - timedelta(hours=1)).isoformat()
    await shop.later(seconds=1)

    replayed = await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={"since": since})
    assert replayed.json()["replayed"] == 1
    await shop.deliver()
    assert [each["state"] for each in await shop.log()] == ["delivered"]
    nothing = await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={"since": since, "until": since})
    assert nothing.json()["replayed"] == 0
    problem(await shop.api.post(f"/v1/webhooks/{shop.webhook}/replays", json={}), 422, "invalid")


async def test_while_a_secret_rotates_both_the_old_and_the_new_verify(shop: Shop) -> None:
    old = (await shop.subscribe(types=["ticket.updated"]))["secret"]
    ticket = await shop.desk.ticket()
    rotated = await shop.api.post(f"/v1/webhooks/{shop.webhook}/rotations", json={"overlap_s": 3600}, headers=BLIND)
    new = rotated.json()["secret"]
    assert new != old
    await shop.changes(ticket, "high")
    await shop.deliver()
    shop.receiver.secrets = [new]
    await shop.changes(ticket, "low")
    await shop.deliver()
    assert [call.secret for call in shop.receiver.taken] == [old, new]
    assert len(shop.receiver.taken[0].headers["webhook-signature"].split()) == 2

    await shop.later(minutes=61)
    await shop.changes(ticket, "critical")
    await shop.deliver()
    assert shop.receiver.taken[-1].secret == new
    assert len(shop.receiver.taken[-1].headers["webhook-signature"].split()) == 1


async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(shop: Shop) -> None:
    await shop.subscribe(types=["ticket.updated"])
    await shop.api.post(f"/v1/webhooks/{shop.webhook}/rotations", json={"overlap_s": 0}, headers=BLIND)
    await shop.changes(await shop.desk.ticket())
    await shop.deliver()
    assert (shop.receiver.taken, shop.receiver.forged) == ([], 1)


# --- the resource ---------------------------------------------------------------------------------


async def test_the_secret_is_shown_once_and_sealed(shop: Shop) -> None:
    key = {"idempotency-key": "make it"}
    made = await shop.api.post("/v1/webhooks", json={"url": shop.receiver.url}, headers=key)
    again = await shop.api.post("/v1/webhooks", json={"url": shop.receiver.url}, headers=key)
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    assert (again.json()["secret"], again.json()["already_shown"]) == (None, True)
    assert again.json()["id"] == made.json()["id"]
    assert secret not in (await shop.api.get("/v1/webhooks")).text
    async with shop.desk.db.connection() as tx:
        assert secret.encode() not in await tx.driver.fetchval("SELECT secret FROM webhooks")


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/x",
        "http://shop.example/x",
        "https://u:p@shop.example/",
        "https://shop.example:25/",
        "nonsense",
    ],
)
async def test_a_url_that_leads_inside_is_refused(desk: Desk, url: str) -> None:
    admin = await desk.key()
    refused = await admin.post("/v1/webhooks", json={"url": url})
    problem(refused, 422, "bad_webhook_url")
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/url"]


async def test_changes_need_the_version_and_what_one_may_not_see_is_not_there(shop: Shop) -> None:
    made = await shop.subscribe()
    at = f"/v1/webhooks/{shop.webhook}"
    problem(await shop.api.patch(at, json={"description": "x"}), 428, "if_match_required")
    changed = await shop.api.patch(at, json={"description": "x"}, headers={"if-match": '"1"'})
    assert (changed.json()["description"], changed.headers["etag"]) == ("x", '"2"')
    problem(await shop.api.patch(at, json={"description": "y"}, headers={"if-match": '"1"'}), 412, "stale")
    assert (await shop.api.get(at, headers={"if-none-match": '"2"'})).status_code == 304
    assert made["version"] == 1

    queue = await shop.desk.another_queue("Cards")
    limited = await shop.desk.key(queue_ids=frozenset({queue}))
    for answered in (
        await limited.get(at),
        await limited.get(f"{at}/deliveries"),
        await limited.post(f"{at}/tests"),
        await limited.delete(at, headers=BLIND),
    ):
        problem(answered, 404, "not_found")
    assert (await limited.get("/v1/webhooks")).json()["data"] == []
    reader = await shop.desk.key("webhooks:read")
    assert (await reader.get(at)).status_code == 200
    problem(await reader.delete(at, headers=BLIND), 403, "missing_scope")
    blind = await shop.desk.key("webhooks:write")
    problem(await blind.post("/v1/webhooks", json={"url": shop.receiver.url}), 403, "missing_right")


async def test_a_deleted_webhook_hears_nothing_more(shop: Shop) -> None:
    await shop.subscribe()
    ticket = await shop.desk.ticket()
    await shop.changes(ticket)
    await shop.tell()
    assert (await shop.api.delete(f"/v1/webhooks/{shop.webhook}", headers=BLIND)).status_code == 204
    await shop.changes(ticket, "low")
    await shop.deliver()
    assert shop.receiver.calls == []
    problem(await shop.api.get(f"/v1/webhooks/{shop.webhook}"), 404, "not_found")


async def test_a_revoked_key_is_told_nothing_more(shop: Shop) -> None:
    desk = shop.desk
    secret = await desk.secret()
    keyed = await desk.client(authorization=f"Bearer {secret}")
    made = await keyed.post("/v1/webhooks", json={"url": shop.receiver.url})
    shop.webhook = made.json()["id"]
    key_id = ids.decode("key", made.json()["owner"].removeprefix("key:"))
    await access.revoke_key(desk.db, key_id, SYSTEM, version=None, now=desk.now())
    await shop.changes(await desk.ticket())
    await shop.deliver()
    assert shop.receiver.calls == []
    assert (await shop.read())["disabled_reason"] == "owner_gone"
