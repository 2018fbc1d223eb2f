"""Who writes again about the same thing meets the one who knows it, as long as he is there."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from omnidesk.desk.planner import plan_once
from omnidesk.domain import ids
from tests.api.conftest import Desk

ANY = {"If-Match": "*"}


async def writes(boss: httpx.AsyncClient, thread: str, text: str = "Order 48213 did not come") -> dict[str, Any]:
    body = {
        "requester": {"kind": "email", "address": "ivan@customer.example"},
        "subject": "Order 48213",
        "text": text,
        "thread": thread,
    }
    made = await boss.post("/v1/tickets", json=body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()["ticket"]
    return found


@pytest.mark.row(76, part="flag")
@pytest.mark.row(77, part="same specialist")
@pytest.mark.parametrize("there", [True, False])
async def test_a_repeated_question_goes_to_whoever_answered_the_first_one(desk: Desk, there: bool) -> None:
    boss, queue = await desk.key(), await desk.queue()
    await desk.inbox()
    async with desk.db.connection() as tx:
        await tx.driver.execute('UPDATE calendars SET hours = \'{"zone": "UTC", "week": "24/7"}\'')
    olga, petr = [ids.encode("agent", await desk.agent(name, queues=(queue,))) for name in ("Olga", "Petr")]
    await boss.put(f"/v1/agents/{petr}/presence", json={"status": "online"})
    first = await writes(boss, "t1")
    await plan_once(desk.db, now=desk.now())
    url = f"/v1/tickets/{first['id']}"
    assert (await boss.get(url)).json()["assignee_id"] == petr
    await boss.post(f"{url}/transitions", json={"to": "resolved"}, headers=ANY)

    await boss.put(f"/v1/agents/{olga}/presence", json={"status": "online"})
    await boss.put(f"/v1/agents/{petr}/presence", json={"status": "online" if there else "away"})
    again = await writes(boss, "t2", "Order 48213 is still not here")
    assert again["id"] != first["id"]
    await plan_once(desk.db, now=desk.now() + timedelta(seconds=1))
    found = (await boss.get(f"/v1/tickets/{again['id']}")).json()
    assert found["links"] == [{"kind": "repeat_of", "ticket_id": first["id"]}]
    assert found["assignee_id"] == (petr if there else olga), "he would have been asked last: he was given one already"
    [decision] = [
        one
        for one in (await boss.get(f"/v1/tickets/{again['id']}/decisions")).json()["data"]
        if one["kind"] == "assigned"
    ]
    assert decision["reason"] == ("last_agent" if there else "only_fit")
