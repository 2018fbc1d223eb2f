"""Offers over the API: taken, left, run out, given up by leaving; and two who want the same ticket."""

import asyncio
from typing import Any

import httpx
import pytest

from omnidesk.desk.planner import plan_once
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}


class Ringing:
    """A desk whose channel `api` rings: twenty seconds to accept. Two agents who can take one each."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def opens(self) -> "Ringing":
        self.boss = await self.desk.key()
        policy = {"channel": {"api": {"live": True, "units": 1, "accept": "20s"}}}
        assert (await self.boss.put("/v1/policy", json=policy, headers=ANY)).is_success
        self.people: dict[str, httpx.AsyncClient] = {}
        for name in ("Olga", "Petr"):
            agent = await self.desk.agent(name, queues=(await self.desk.queue(),))
            self.people[ids.encode("agent", agent)] = await self.desk.signed_in(agent)
        self.ticket = await self.desk.ticket()
        self.url = f"/v1/tickets/{self.ticket}"
        self.since = (await self.boss.get(self.url)).json()["waiting_since"]
        return self

    async def here(self, agent: str, status: str = "online") -> None:
        answer = await self.people[agent].put(f"/v1/agents/{agent}/presence", json={"status": status})
        assert answer.status_code == 200, answer.text

    async def plans(self) -> dict[str, Any]:
        await plan_once(self.desk.db, now=self.desk.now())
        newest: dict[str, Any] = (await self.boss.get(f"{self.url}/decisions")).json()["data"][0]
        return newest

    async def says(self, agent: str, outcome: str) -> httpx.Response:
        return await self.people[agent].post(f"{self.url}/offer", json={"outcome": outcome})


@pytest.fixture
async def ringing(desk: Desk) -> Ringing:
    return await Ringing(desk).opens()


async def test_an_offer_is_accepted_by_who_was_asked_and_by_nobody_else(ringing: Ringing) -> None:
    olga, petr = ringing.people
    await ringing.here(olga)
    made = await ringing.plans()
    assert (made["kind"], made["agent_id"]) == ("offered", olga)
    assert (await ringing.boss.get(ringing.url)).json()["assignee_id"] is None
    stranger = await ringing.says(petr, "accepted")
    assert (stranger.status_code, stranger.json()["code"]) == (409, "offer_over")
    taken = await ringing.says(olga, "accepted")
    assert (taken.status_code, taken.json()["assignee_id"]) == (200, olga)
    assert taken.json()["waiting_since"] == ringing.since


async def test_a_declined_offer_goes_to_the_next_one_with_its_age(ringing: Ringing) -> None:
    olga, petr = ringing.people
    await ringing.here(olga)
    await ringing.plans()
    assert (await ringing.says(olga, "declined")).json()["waiting_since"] == ringing.since
    waits = await ringing.plans()
    assert (waits["kind"], waits["reason"]) == ("waiting", "all_declined")
    assert "только что отказались" in waits["summary"]["ru"]
    await ringing.here(petr)
    offered = await ringing.plans()
    assert (offered["kind"], offered["agent_id"]) == ("offered", petr)
    late = await ringing.says(olga, "accepted")
    assert (late.status_code, late.json()["code"]) == (409, "offer_over")


async def test_an_offer_that_nobody_answers_runs_out_and_twice_missed_is_away(ringing: Ringing) -> None:
    olga, _ = ringing.people
    await ringing.here(olga)
    kinds = []
    for _ in range(2):
        assert (await ringing.plans())["kind"] == "offered"
        ringing.desk.later(seconds=21)
        await ringing.people[olga].put(f"/v1/agents/{olga}/presence", json={"status": "online"})
        await ringing.plans()
        ringing.desk.later(seconds=61)
        kinds.append((await ringing.boss.get(f"/v1/agents/{olga}")).json()["status"])
        await ringing.people[olga].put(f"/v1/agents/{olga}/presence", json={"status": kinds[-1]})
    assert kinds == ["online", "away"]
    decisions = (await ringing.boss.get(f"{ringing.url}/decisions")).json()["data"]
    assert [one["kind"] for one in decisions if one["kind"] == "missed"] == ["missed", "missed"]
    assert (await ringing.boss.get(ringing.url)).json()["waiting_since"] == ringing.since


async def test_who_leaves_gives_the_offer_up(ringing: Ringing) -> None:
    olga, petr = ringing.people
    await ringing.here(olga)
    assert (await ringing.plans())["agent_id"] == olga
    await ringing.here(olga, "away")
    await ringing.here(petr)
    offered = await ringing.plans()
    assert (offered["kind"], offered["agent_id"]) == ("offered", petr)
    decisions = (await ringing.boss.get(f"{ringing.url}/decisions")).json()["data"]
    assert [(one["kind"], one["reason"]) for one in decisions][1] == ("missed", "agent_left")


async def test_of_two_who_claim_at_once_one_has_it_and_the_other_hears_his_name(ringing: Ringing) -> None:
    claims = [
        client.post(f"{ringing.url}/assignments", json={"agent_id": "me"}, headers=ANY)
        for client in ringing.people.values()
    ]
    answers = sorted(await asyncio.gather(*claims), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 409]
    winner = answers[0].json()["assignee_id"]
    refused = answers[1].json()
    assert refused["code"] == "already_assigned"
    assert refused["assignee"] == {"id": winner, "name": "Olga" if winner == next(iter(ringing.people)) else "Petr"}
    supervisor = await ringing.desk.signed_in(await ringing.desk.agent("Boss", Role.SUPERVISOR))
    other = next(agent for agent in ringing.people if agent != winner)
    over = await supervisor.post(f"{ringing.url}/assignments", json={"agent_id": other}, headers=ANY)
    assert (over.status_code, over.json()["assignee_id"], over.json()["waiting_since"]) == (200, other, ringing.since)


@pytest.mark.parametrize("week", ["", "closed", "mon-fri"])
async def test_a_calendar_that_never_opens_is_refused(desk: Desk, week: str) -> None:
    boss = await desk.key()
    body = {"name": "Never", "hours": {"zone": "Europe/Moscow", "week": week}}
    refused = await boss.post("/v1/calendars", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["pointer"].startswith("/hours")
