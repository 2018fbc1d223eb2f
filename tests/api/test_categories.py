"""What a ticket is about: found when it comes in, said why, measured by it, and corrected by people."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from omnidesk.desk.planner import plan_once
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}
OFFICE = {"first_reply": "9h"}
POLICY: dict[str, Any] = {
    "category": [
        {"name": "fraud", "match": 'text contains "украли" or text contains "stolen"'},
        {"name": "payment", "match": 'text contains "оплата" or facts.receipt != ""'},
        {"name": "delivery"},
    ],
    "sla": [OFFICE, {"category": "payment", "first_reply": "2h"}, {"category": "delivery", "first_reply": "4h"}],
}


async def writes(boss: httpx.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    requester = {"kind": "email", "address": f"{abs(hash(text))}@customer.example"}
    made = await boss.post("/v1/tickets", json={"requester": requester, "text": text, **more})
    assert made.status_code == 201, made.text
    read = await boss.get(f"/v1/tickets/{made.json()['ticket']['id']}")
    found: dict[str, Any] = read.json()
    return found


async def why(boss: httpx.AsyncClient, ticket: dict[str, Any]) -> dict[str, Any]:
    decisions = (await boss.get(f"/v1/tickets/{ticket['id']}/decisions")).json()["data"]
    [queued] = [one for one in decisions if one["kind"] == "queued"]
    found: dict[str, Any] = queued
    return found


async def with_policy(desk: Desk, **more: Any) -> httpx.AsyncClient:
    boss = await desk.key()
    await desk.inbox()
    answer = await boss.put("/v1/policy", json={**POLICY, **more}, headers=ANY)
    assert answer.status_code == 200, answer.text
    return boss


@pytest.mark.row(7, part="override")
async def test_a_category_is_what_the_sender_says_else_the_inbox_else_a_rule_else_none(desk: Desk) -> None:
    boss = await with_policy(desk)
    by_rule = await writes(boss, "Не прошла оплата")
    said = await writes(boss, "Не прошла оплата, снова", category="delivery")
    unknown = await writes(boss, "Добрый день")
    assert [one["category"] for one in (by_rule, said, unknown)] == ["payment", "delivery", None]
    [inbox] = (await boss.get("/v1/inboxes")).json()["data"]
    patched = await boss.patch(f"/v1/inboxes/{inbox['id']}", json={"category": "delivery"}, headers=ANY)
    assert patched.json()["category"] == "delivery"
    desk.parts.intake._setup_at = float("-inf")  # its memory of the configuration lasts a second
    of_inbox = await writes(boss, "Ещё одна оплата")
    assert of_inbox["category"] == "delivery"
    cleared = await boss.patch(f"/v1/inboxes/{inbox['id']}", json={"category": ""}, headers=ANY)
    assert cleared.json()["category"] is None

    records = [(await why(boss, one))["detail"]["category"] for one in (by_rule, said, unknown, of_inbox)]
    assert [(one["name"], one["source"]) for one in records] == [
        ("payment", "rule"),
        ("delivery", "field"),
        ("", "none"),
        ("delivery", "inbox"),
    ]
    assert records[0]["reason"] == POLICY["category"][1]["match"]
    summary = (await why(boss, by_rule))["summary"]
    assert "категория payment (правило text contains" in summary["ru"]
    assert "category payment (rule text contains" in summary["en"]


@pytest.mark.row(65, part="category")
async def test_what_is_agreed_follows_the_category_from_the_first_moment(desk: Desk) -> None:
    boss = await with_policy(desk)
    terms = {}
    for text in ("Не прошла оплата", "Добрый день", "Где посылка?"):
        ticket = await writes(boss, text, **({"category": "delivery"} if "посылка" in text else {}))
        [clock] = [one for one in ticket["clocks"] if one["kind"] == "first_reply"]
        terms[text] = timedelta(seconds=clock["target_s"])
    assert [value.total_seconds() / 3600 for value in terms.values()] == [2, 9, 4]


async def test_a_queue_takes_a_category_and_triage_takes_what_has_none(desk: Desk) -> None:
    boss = await with_policy(desk, classify={"fallback_queue": "Разбор"})
    [first] = (await boss.get("/v1/queues")).json()["data"]
    ids_of = {}
    for name, match in (("Платежи", 'category == "payment"'), ("Разбор", "")):
        body = {"name": name, "match": match, "calendar_id": first["calendar_id"]}
        ids_of[name] = (await boss.post("/v1/queues", json=body)).json()["id"]
    payment, nothing = await writes(boss, "Не прошла оплата"), await writes(boss, "Добрый день")
    delivery = await writes(boss, "Где посылка?", category="delivery")
    assert payment["queue_id"] == ids_of["Платежи"]
    assert nothing["queue_id"] == ids_of["Разбор"]
    assert delivery["queue_id"] == first["id"], "it has a category: the default queue takes it"
    assert [(await why(boss, one))["reason"] for one in (payment, nothing, delivery)] == ["rule", "triage", "fallback"]


@pytest.mark.row(7, part="override")
async def test_what_people_make_of_it_is_kept_with_who_and_why(desk: Desk) -> None:
    boss = await with_policy(desk)
    ticket = await writes(boss, "Не прошла оплата")
    petr = await desk.agent("Petr", queues=(await desk.queue(),))
    agent = await desk.signed_in(petr)
    url = f"/v1/tickets/{ticket['id']}"
    for change in ({"category": "fraud", "reason": "card was stolen"}, {"urgency": "high"}, {"category": None}):
        assert (await agent.patch(url, json=change, headers=ANY)).status_code == 200
    told = (await boss.get(f"{url}/corrections")).json()["data"]
    assert [(one["field"], one["old"], one["new"], one["reason"]) for one in told] == [
        ("category", "fraud", "", ""),
        ("urgency", "normal", "high", ""),
        ("category", "payment", "fraud", "card was stolen"),
    ]
    assert {one["actor"] for one in told} == {f"agent:{ids.encode('agent', petr)}"}
    after = (await boss.get(url)).json()
    [clock] = [one for one in after["clocks"] if one["kind"] == "first_reply"]
    assert clock["target_s"] == 9 * 3600, "no category any more: what is agreed for everybody"
    assert (await why(boss, ticket))["detail"]["category"]["name"] == "payment", "what was decided stays as it was"
    stranger = await desk.key(queue_ids=frozenset({await desk.another_queue("Elsewhere")}))
    assert (await stranger.get(f"{url}/corrections")).status_code == 404


async def test_mistakes_of_categories_are_named(desk: Desk) -> None:
    boss = await desk.key()
    wrong = [{"name": "a", "match": "text contains"}, {"name": "b"}, {"name": "b"}, {"match": ""}]
    answer = await boss.put("/v1/policy", json={"category": wrong}, headers=ANY)
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/category/0/match", "/category/2/name", "/category/3/name"]


# --- skills of one ticket -----------------------------------------------------------------------------


@pytest.mark.row(67)
async def test_a_ticket_may_need_skills_of_its_own_and_says_who_is_missing(desk: Desk) -> None:
    boss, queue = await desk.key(), await desk.queue()
    petr, olga = await desk.agent("Petr", queues=(queue,)), await desk.agent("Olga", queues=(queue,))
    for agent in (petr, olga):
        await boss.put(f"/v1/agents/{ids.encode('agent', agent)}/presence", json={"status": "online"})
    ticket = await desk.ticket()
    url = f"/v1/tickets/{ticket}"
    version = (await boss.get(url)).json()["version"]
    body = {"required": ["law>=2", "lang:kk", "law>=2"], "reason": "a claim in Kazakh"}
    changed = await boss.patch(url, json=body, headers={"If-Match": f'"{version}"'})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["required"], changed.json()["version"]) == (["lang:kk", "law>=2"], version + 1)
    assert (await boss.patch(url, json=body, headers={"If-Match": f'"{version}"'})).status_code == 412

    await plan_once(desk.db, now=desk.now())
    [waits] = (await boss.get(f"{url}/decisions")).json()["data"]
    assert waits["reason"] == "no_skill"
    assert "lang:kk, law>=2" in waits["summary"]["en"]
    assert "lacks lang:kk, law>=2" in waits["summary"]["en"]
    assert "не хватает: lang:kk, law>=2" in waits["summary"]["ru"]

    await boss.patch(f"/v1/agents/{ids.encode('agent', olga)}", json={"skills": {"law": 2, "lang:kk": 1}}, headers=ANY)
    await plan_once(desk.db, now=desk.now())
    assert (await boss.get(url)).json()["assignee_id"] == ids.encode("agent", olga)
    async with desk.db.connection() as tx:
        data = await tx.driver.fetchval("SELECT data FROM events WHERE type = 'ticket.updated' ORDER BY id LIMIT 1")
    assert data["changed"] == {"required": [[], ["lang:kk", "law>=2"]]}


async def test_preferred_skills_of_a_ticket_count_while_a_step_of_its_queue_keeps_them(desk: Desk) -> None:
    boss, queue = await desk.key(), await desk.queue()
    steps = [{"for": "10m", "keep": ["*"]}]
    assert (await boss.patch(f"/v1/queues/{ids.encode('queue', queue)}", json={"steps": steps}, headers=ANY)).is_success
    async with desk.db.connection() as tx:
        await tx.driver.execute('UPDATE calendars SET hours = \'{"zone": "UTC", "week": "24/7"}\'')
    petr = ids.encode("agent", await desk.agent("Petr", Role.AGENT, queues=(queue,)))
    await boss.put(f"/v1/agents/{petr}/presence", json={"status": "online"})
    ticket = await desk.ticket()
    await boss.patch(f"/v1/tickets/{ticket}", json={"preferred": ["vip"]}, headers=ANY)
    await plan_once(desk.db, now=desk.now())
    assert (await boss.get(f"/v1/tickets/{ticket}")).json()["assignee_id"] is None
    desk.later(minutes=11)
    await boss.put(f"/v1/agents/{petr}/presence", json={"status": "online"})
    await plan_once(desk.db, now=desk.now())
    assert (await boss.get(f"/v1/tickets/{ticket}")).json()["assignee_id"] == petr
