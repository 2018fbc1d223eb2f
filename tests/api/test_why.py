"""Why a ticket is where it is: in a sentence, replayed from the record, and what would have sent it elsewhere."""

from datetime import timedelta
from typing import Any

import pytest

from omnidesk.desk.planner import plan_once
from omnidesk.domain import ids
from omnidesk.routing.record import replay_inputs
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}


async def online(desk: Desk, name: str, **columns: Any) -> str:
    """Somebody at work in the default queue."""
    agent = await desk.agent(name, queues=(await desk.queue(),))
    boss = await desk.key()
    if columns:
        patched = await boss.patch(f"/v1/agents/{ids.encode('agent', agent)}", json=columns, headers=ANY)
        assert patched.status_code == 200, patched.text
    key = ids.encode("agent", agent)
    assert (await boss.put(f"/v1/agents/{key}/presence", json={"status": "online"})).status_code == 200
    return key


async def decisions(desk: Desk, ticket: str) -> list[dict[str, Any]]:
    answer = await (await desk.key()).get(f"/v1/tickets/{ticket}/decisions")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.row(67)
async def test_a_decision_is_told_in_a_sentence_and_made_again_from_its_record(desk: Desk) -> None:
    olga = await online(desk, "Olga")
    await online(desk, "Petr", skills={"cards": 1})
    ticket = await desk.ticket()
    await plan_once(desk.db, now=desk.now())
    [made] = await decisions(desk, ticket)
    assert (made["kind"], made["agent_id"]) == ("assigned", olga)
    assert made["summary"]["en"].startswith("Given to Olga, the best of 2")
    assert "Petr" in made["summary"]["en"]
    assert made["summary"]["ru"].startswith("Назначено: Olga")
    again = replay_inputs(made["kind"], made["detail"]["inputs"])
    assert again.agent_id is not None
    told = (again.kind, again.reason, ids.encode("agent", again.agent_id), str(again.loser_id), again.lost_by)
    assert told == ("assigned", made["reason"], olga, made["detail"]["loser"], made["detail"]["lost_by"])


@pytest.mark.row(67)
async def test_what_would_have_sent_it_to_somebody_really_does_when_it_is_done(desk: Desk) -> None:
    boss, queue = await desk.key(), ids.encode("queue", await desk.queue())
    await boss.patch(f"/v1/queues/{queue}", json={"require": ["cards"]}, headers=ANY)
    olga = await online(desk, "Olga", capacity=0)
    ticket = await desk.ticket()
    await plan_once(desk.db, now=desk.now())
    [waits] = await decisions(desk, ticket)
    assert (waits["kind"], waits["reason"]) == ("waiting", "no_skill")
    assert "none of" in waits["summary"]["en"]
    url = f"/v1/tickets/{ticket}/decisions/{waits['id']}/what-would"
    changes = (await boss.get(url, params={"agent": olga})).json()["data"]
    assert sorted(change["kind"] for change in changes) == ["capacity", "skill"]
    skill, room = sorted(changes, key=lambda change: change["kind"], reverse=True)
    assert skill["text"]["en"] == "Olga has the skill cards"
    done = {"skills": {skill["value"][0]: skill["value"][1]}, "capacity": room["value"]}
    assert (await boss.patch(f"/v1/agents/{olga}", json=done, headers=ANY)).status_code == 200
    assert (await boss.get(url, params={"agent": olga})).json()["data"] == []
    await plan_once(desk.db, now=desk.now())
    assert (await boss.get(f"/v1/tickets/{ticket}")).json()["assignee_id"] == olga


async def test_what_would_have_sent_a_given_ticket_to_another(desk: Desk) -> None:
    boss = await desk.key()
    olga = await online(desk, "Olga")
    ticket = await desk.ticket()
    await plan_once(desk.db, now=desk.now())
    petr = await desk.agent("Petr")
    [made] = await decisions(desk, ticket)
    url = f"/v1/tickets/{ticket}/decisions/{made['id']}/what-would"
    assert (await boss.get(url, params={"agent": olga})).json()["data"] == []
    kinds = [c["kind"] for c in (await boss.get(url, params={"agent": ids.encode("agent", petr)})).json()["data"]]
    assert "status" in kinds
    nobody = await boss.get(url, params={"agent": ids.encode("agent", desk.new_id())})
    assert nobody.status_code == 404
    await boss.post(f"/v1/tickets/{ticket}/transitions", json={"to": "resolved"}, headers=ANY)
    over = await boss.get(url, params={"agent": olga})
    assert (over.status_code, over.json()["code"]) == (422, "nobodys_work")


async def test_whose_working_hours_have_not_begun_would_get_it_within_them(desk: Desk) -> None:
    boss = await desk.key()
    body = {"name": "Once", "hours": {"zone": "UTC", "week": "closed", "workdays": {}, "exceptions": {}}}
    soon = (desk.now() + timedelta(days=3)).date().isoformat()
    body["hours"]["exceptions"] = {soon: "09:00-10:00"}  # type: ignore[index]
    made = await boss.post("/v1/calendars", json=body)
    assert made.status_code == 201, made.text
    olga = await online(desk, "Olga", calendar_id=made.json()["id"])
    ticket = await desk.ticket()
    await plan_once(desk.db, now=desk.now())
    [waits] = await decisions(desk, ticket)
    url = f"/v1/tickets/{ticket}/decisions/{waits['id']}/what-would"
    [change] = (await boss.get(url, params={"agent": olga})).json()["data"]
    assert (change["kind"], change["text"]["en"]) == ("hours", "it is within the working hours of Olga")
    await boss.patch(f"/v1/agents/{olga}", json={"calendar_id": None}, headers=ANY)
    await plan_once(desk.db, now=desk.now())
    assert (await boss.get(f"/v1/tickets/{ticket}")).json()["assignee_id"] == olga
