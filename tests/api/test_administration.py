"""Agents, queues, calendars, inboxes: made, changed, protected from mistakes."""

import asyncio

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import WHSEC, Desk
from tests.api.test_lists import walk
from tests.api.test_problems import problem

ANY = {"if-match": "*"}


async def test_an_agent_is_made_changed_and_listed(desk: Desk) -> None:
    admin = await desk.key()
    queue = ids.encode("queue", await desk.queue())

    made = await admin.post(
        "/v1/agents",
        json={"email": "Olga@Acme.example", "name": "Ольга", "skills": {"cards": 3}, "queue_ids": [queue]},
    )
    assert made.status_code == 201, made.text
    url = made.headers["location"]
    changed = await admin.patch(
        url, json={"skills": {"loans": 1}, "capacity": 2, "queue_ids": []}, headers={"if-match": made.headers["etag"]}
    )

    assert made.json()["email"] == "olga@acme.example"
    assert made.json()["queue_ids"] == [queue]
    assert changed.json()["skills"] == {"loans": 1}
    assert changed.json()["queue_ids"] == []
    stale = await admin.patch(url, json={"capacity": 3}, headers={"if-match": made.headers["etag"]})
    problem(stale, 412, "stale")
    again = await admin.post("/v1/agents", json={"email": "OLGA@acme.example", "name": "Other"})
    problem(again, 409, "email_taken")
    unknown = ids.encode("queue", desk.new_id())
    sent = {"email": "x@acme.example", "name": "X", "queue_ids": [queue, unknown]}
    errors = problem(await admin.post("/v1/agents", json=sent), 422, "invalid")["errors"]
    assert isinstance(errors, list)
    assert errors[0]["pointer"] == "/queue_ids/1"


async def test_two_who_take_one_address_at_once(desk: Desk) -> None:
    admin = await desk.key()
    sent = {"email": "olga@acme.example", "name": "Olga"}
    answers = await asyncio.gather(*(admin.post("/v1/agents", json=sent) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_the_last_administrator_stays(desk: Desk) -> None:
    one, two = await desk.agent("One", Role.ADMIN), await desk.agent("Two", Role.ADMIN)
    admin = await desk.key()
    urls = [f"/v1/agents/{ids.encode('agent', agent)}" for agent in (one, two)]

    answers = await asyncio.gather(*(admin.patch(url, json={"role": "agent"}, headers=ANY) for url in urls))

    assert sorted(answer.status_code for answer in answers) == [200, 422]
    refused = next(answer for answer in answers if answer.status_code == 422)
    problem(refused, 422, "last_administrator")


async def test_nobody_lifts_himself_or_others_above_himself(desk: Desk) -> None:
    boss_id, admin_id = await desk.agent("Boss", Role.SUPERVISOR), await desk.agent("Admin", Role.ADMIN)
    boss = await desk.signed_in(boss_id)
    own, above = (f"/v1/agents/{ids.encode('agent', agent)}" for agent in (boss_id, admin_id))

    problem(await boss.patch(own, json={"role": "admin"}, headers=ANY), 403, "forbidden")
    problem(await boss.patch(above, json={"name": "x"}, headers=ANY), 403, "forbidden")
    problem(await boss.post(f"{above}/login-links"), 403, "forbidden")
    sent = {"email": "x@acme.example", "name": "X", "role": "admin"}
    problem(await boss.post("/v1/agents", json=sent), 403, "forbidden")
    olga = await desk.signed_in(await desk.agent("Olga"))
    problem(await olga.post("/v1/agents", json=sent), 403, "missing_right")


async def test_a_login_link_brings_a_new_agent_in(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    olga = await desk.agent("Olga")
    link = await boss.post(f"/v1/agents/{ids.encode('agent', olga)}/login-links")
    assert link.json()["url"].endswith(f"/welcome/{link.json()['token']}"), "it leads to the page that uses it"
    browser = await desk.client()
    begun = await browser.post(
        "/v1/sessions/links", json={"token": link.json()["token"], "password": "a long password"}
    )
    assert begun.json()["me"]["name"] == "Olga"


async def test_presence_is_ones_own_or_a_supervisors_to_say(desk: Desk) -> None:
    olga_id, petr_id = await desk.agent("Olga"), await desk.agent("Petr")
    olga, boss = await desk.signed_in(olga_id), await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    own, his = (f"/v1/agents/{ids.encode('agent', agent)}/presence" for agent in (olga_id, petr_id))

    assert (await olga.put(own, json={"status": "online"})).json()["status"] == "online"
    problem(await olga.put(his, json={"status": "online"}), 403, "missing_scope")
    assert (await boss.put(his, json={"status": "away"})).json()["status"] == "away"
    problem(await olga.put(own, json={"status": "asleep"}), 422, "invalid")
    assert [one["name"] for one in (await boss.get("/v1/agents?status=online")).json()["data"]] == ["Olga"]


async def test_agents_are_listed_by_name_page_by_page(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    for name in ("Anna", "Яна", "anna", "Boris", "Anna"):
        await desk.agent(name)
    assert len(await walk(boss, "/v1/agents?limit=2")) == 6
    assert await walk(boss, "/v1/agents?limit=2") == await walk(boss, "/v1/agents?limit=200")


async def test_a_queue_is_made_and_another_default_is_chosen(desk: Desk) -> None:
    admin = await desk.key()
    default = (await admin.get(f"/v1/queues/{ids.encode('queue', await desk.queue())}")).json()
    olga = ids.encode("agent", await desk.agent("Olga"))
    sent = {"name": "cards", "calendar_id": default["calendar_id"], "agent_ids": [olga], "require": ["cards"]}

    made = await admin.post("/v1/queues", json=sent)
    assert made.status_code == 201, made.text
    url = made.headers["location"]
    old = f"/v1/queues/{default['id']}"
    problem(await admin.patch(old, json={"archived": True}, headers=ANY), 422, "no_default_queue")
    problem(await admin.patch(old, json={"is_default": False}, headers=ANY), 422, "no_default_queue")
    chosen = await admin.patch(url, json={"is_default": True}, headers={"if-match": made.headers["etag"]})

    assert chosen.json()["is_default"]
    assert not (await admin.get(old)).json()["is_default"]
    assert (await admin.patch(old, json={"archived": True}, headers=ANY)).json()["archived_at"]
    assert [queue["name"] for queue in (await admin.get("/v1/queues")).json()["data"]] == ["cards"]
    problem(await admin.post("/v1/queues", json=sent), 409, "name_taken")
    wrong = {**sent, "name": "x", "calendar_id": ids.encode("calendar", desk.new_id())}
    problem(await admin.post("/v1/queues", json=wrong), 422, "invalid")


async def test_a_rule_that_cannot_be_read_is_refused(desk: Desk) -> None:
    admin = await desk.key()
    url = f"/v1/queues/{ids.encode('queue', await desk.queue())}"
    errors = problem(await admin.patch(url, json={"match": "category in ["}, headers=ANY), 422, "invalid")["errors"]
    assert isinstance(errors, list)
    assert errors[0]["pointer"] == "/match"
    assert (await admin.patch(url, json={"match": 'category in ["card", "fraud"]'}, headers=ANY)).status_code == 200
    for wrong in ({"for": "soon"}, {"overflow": "nowhere"}, {"colour": "red"}, {"keep": 5}):
        sent = {"steps": [{"for": "2m", "agent": "last"}, wrong]}
        found = problem(await admin.patch(url, json=sent, headers=ANY), 422, "invalid")["errors"]
        assert isinstance(found, list)
        assert found[0]["pointer"] == "/steps/1", wrong


async def test_calendars_are_shown(desk: Desk) -> None:
    admin = await desk.key("queues:read")
    shown = (await admin.get("/v1/calendars")).json()["data"][0]
    assert shown["zone"] == "Europe/Moscow"
    one = await admin.get(f"/v1/calendars/{shown['id']}")
    assert one.json() == shown
    assert (
        await admin.get(f"/v1/calendars/{shown['id']}", headers={"if-none-match": one.headers["etag"]})
    ).status_code == 304


async def test_an_inbox_keeps_its_secret_when_the_mask_comes_back(desk: Desk) -> None:
    admin = await desk.key()
    made = await admin.post("/v1/inboxes", json={"channel": "api", "name": "Shop", "config": {"signing_secret": WHSEC}})
    assert made.status_code == 201, made.text
    url, config = made.headers["location"], made.json()["config"]
    assert WHSEC not in made.text
    assert config["signing_secret"] == "********"

    patched = await admin.patch(
        url, json={"name": "Shop 2", "config": config}, headers={"if-match": made.headers["etag"]}
    )

    assert patched.status_code == 200, patched.text
    assert patched.json()["config"] == config
    opened = await desk.parts.channels.get(ids.decode("inbox", made.json()["id"]))
    assert opened.channel._key == b"secret" * 5
    problem(await admin.patch(url, json={"config": {"colour": 1}}, headers=ANY), 422, "invalid")
    problem(await admin.post("/v1/inboxes", json={"channel": "pigeon", "name": "x"}), 422, "invalid")
    missing = problem(await admin.post("/v1/inboxes", json={"channel": "api", "name": "x"}), 422, "invalid")["errors"]
    assert isinstance(missing, list)
    assert missing[0]["pointer"] == "/config/signing_secret"
    nowhere = {"channel": "api", "name": "x", "config": {"signing_secret": WHSEC}}
    nowhere |= {"queue_id": ids.encode("queue", desk.new_id())}
    problem(await admin.post("/v1/inboxes", json=nowhere), 422, "invalid")


async def test_an_inbox_is_paused_and_resumed(desk: Desk) -> None:
    admin = await desk.key()
    url = f"/v1/inboxes/{await desk.inbox()}"
    paused = await admin.post(f"{url}/pause", headers=ANY)
    assert paused.json()["paused_at"]
    stale = await admin.post(f"{url}/resume", headers={"if-match": '"1"'})
    problem(stale, 412, "stale")
    assert (await admin.post(f"{url}/resume", headers=ANY)).json()["paused_at"] is None
    foreign = await desk.key("inboxes:read", "inboxes:write", inbox_ids=frozenset({desk.new_id()}))
    problem(await foreign.get(url), 404, "not_found")
    problem(await foreign.post(f"{url}/pause", headers=ANY), 404, "not_found")


async def test_an_account_that_does_not_answer_is_told(desk: Desk) -> None:
    admin = await desk.key()
    config = {"address": "support@acme.example", "smtp_host": "127.0.0.1", "smtp_port": 1, "smtp_security": "none"}
    schema = {one["name"]: one for one in (await admin.get("/v1/channels")).json()["data"]}["email"]["config_schema"]
    known = {name: value for name, value in config.items() if name in schema["properties"]}
    made = await admin.post("/v1/inboxes", json={"channel": "email", "name": "Mail", "config": known})
    assert made.status_code == 201, (made.text, list(schema["properties"]))

    tried = await admin.post(made.headers["location"] + "/test")

    assert tried.status_code == 200, tried.text
    assert not tried.json()["ok"]
    assert tried.json()["error"]
    problem(await admin.post(f"/v1/inboxes/{await desk.inbox()}/test"), 422, "cannot_be_tried")


async def test_a_form_can_be_drawn_from_the_channel(desk: Desk) -> None:
    admin = await desk.key("inboxes:read")
    channels = {one["name"]: one for one in (await admin.get("/v1/channels")).json()["data"]}
    assert channels["api"]["secrets"]
    assert "signing_secret" in channels["api"]["config_schema"]["properties"]
