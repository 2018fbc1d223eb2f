"""The policy and the calendars have versions; a change says what is wrong with it and rewrites no history."""

from tests.api.conftest import Desk

ANY = {"If-Match": "*"}
TABLE = {"sla": [{"first_reply": "9h"}, {"channel": "vk", "first_reply": "1h"}], "policy": {"order": "edd"}}


async def test_the_policy_is_changed_as_a_whole_and_older_versions_can_be_read(desk: Desk) -> None:
    boss = await desk.key()
    first = await boss.get("/v1/policy")
    assert (first.json()["version"], first.headers["etag"]) == (0, '"0"')
    made = await boss.put("/v1/policy", json=TABLE, headers={"If-Match": '"0"'})
    assert made.status_code == 200, made.text
    version = made.json()["version"]
    assert made.json()["policy"]["policy"]["order"] == "edd"
    assert made.json()["policy"]["sla"] == TABLE["sla"]
    again = await boss.put("/v1/policy", json=made.json()["policy"], headers=ANY)
    assert again.json()["version"] == version, "the same again is no other version"
    stale = await boss.put("/v1/policy", json={}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    other = await boss.put("/v1/policy", json={}, headers=ANY)
    assert other.json()["version"] > version
    old = await boss.get("/v1/policy", params={"version": version})
    assert old.json()["policy"] == made.json()["policy"]
    assert (await boss.get("/v1/policy", params={"version": 9_999})).status_code == 404
    assert await desk.count("events WHERE type = 'policy.changed'") == 2


async def test_a_policy_that_cannot_be_read_names_every_mistake_and_changes_nothing(desk: Desk) -> None:
    boss = await desk.key()
    wrong = {"policy": {"order": "luck"}, "sla": [{"first_reply": "soon"}]}
    answer = await boss.put("/v1/policy", json=wrong, headers=ANY)
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    assert {error["pointer"] for error in answer.json()["errors"]} >= {"/policy/order", "/sla/0/first_reply"}
    assert (await boss.get("/v1/policy")).json()["version"] == 0
    reader = await desk.key("queues:read")
    assert (await reader.put("/v1/policy", json={}, headers=ANY)).status_code == 403


async def test_calendars_are_made_and_changed_by_versions(desk: Desk) -> None:
    boss = await desk.key()
    body = {"name": "Night", "country": "RU", "hours": {"zone": "Europe/Moscow", "week": "mon-fri 20:00-24:00"}}
    made = await boss.post("/v1/calendars", json=body)
    assert made.status_code == 201, made.text
    url = f"/v1/calendars/{made.json()['id']}"
    assert made.json()["hours"]["holidays"], "the country's holidays are filled in"
    assert (await boss.post("/v1/calendars", json=body)).status_code == 409
    hours = {"zone": "Europe/Moscow", "week": "24/7", "exceptions": {"2026-12-31": "closed"}}
    changed = await boss.patch(url, json={"hours": hours}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    read = await boss.get(url)
    assert read.json() == changed.json()
    assert read.json()["hours"]["exceptions"] == {"2026-12-31": "closed"}
    assert (await boss.patch(url, json={"name": "Late"}, headers={"If-Match": '"1"'})).status_code == 412
    same = await boss.patch(url, json={"hours": hours}, headers=ANY)
    assert same.json()["version"] == 2
    for wrong in ({"zone": "Mars/Base", "week": "24/7"}, {"zone": "UTC", "week": "mon-fri 18:00-09:00"}):
        refused = await boss.patch(url, json={"hours": wrong}, headers=ANY)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/hours")


async def test_a_person_gets_a_tier_of_service_and_loses_it(desk: Desk) -> None:
    boss, ticket = await desk.key(), await desk.ticket()
    read = await boss.get(f"/v1/tickets/{ticket}", params={"include": "contact"})
    url = f"/v1/contacts/{read.json()['contact']['id']}/tier"
    for tier, version in (("vip", 2), ("vip", 2), (None, 3)):
        answer = await boss.put(url, json={"tier": tier})
        assert (answer.status_code, answer.json()["tier"], answer.json()["version"]) == (200, tier, version)
    nobody = await boss.put("/v1/contacts/cnt_01h455vb4pex5vsknk084sn02q/tier", json={"tier": "vip"})
    assert nobody.status_code == 404


async def test_an_agent_may_have_working_hours(desk: Desk) -> None:
    boss = await desk.key()
    body = {"name": "Early", "hours": {"zone": "Europe/Moscow", "week": "mon-fri 07:00-11:00"}}
    early = (await boss.post("/v1/calendars", json=body)).json()["id"]
    made = await boss.post("/v1/agents", json={"email": "o@acme.example", "name": "Olga", "calendar_id": early})
    assert made.status_code == 201, made.text
    assert made.json()["calendar_id"] == early
    url = f"/v1/agents/{made.json()['id']}"
    nobody = early.replace("cal_", "cal_").translate(str.maketrans("0123456789", "1234567890"))
    wrong = await boss.patch(url, json={"calendar_id": nobody}, headers=ANY)
    assert wrong.status_code == 422, wrong.text
    freed = await boss.patch(url, json={"calendar_id": None}, headers=ANY)
    assert freed.json()["calendar_id"] is None
