"""Workers die, and the receiver too, while programs are told of events and exports are written."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.receiver import Call, Receiver, answer, receiver
from tests.slow.fleet import Fleet, fleet
from tests.story import until

pytestmark = pytest.mark.slow

TICKETS, CHANGES = 12, 240
EXPORTED = 30_000


@pytest.fixture
async def desk(db_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(db_url, tmp_path) as one:
        yield one


async def test_every_event_is_told_at_least_once_and_in_order_while_workers_and_receiver_die(
    desk: Fleet, rng: random.Random
) -> None:
    tickets = await _tickets(desk)
    async with receiver() as program:
        program.decide = lambda _: answer(500) if rng.random() < 0.05 else answer(200)
        program.wait_s = 0.05
        made = await desk.desk.post("/v1/webhooks", {"url": program.url, "types": ["ticket.updated"]})
        program.secrets.append(made["secret"])

        changing = asyncio.create_task(_change(desk, tickets, random.Random(rng.random())))
        killed = await _kill_until_done(desk, program, changing, rng)
        await desk.stop_workers()
        await desk.start()
        await desk.start()
        await _all_told(desk)
        print(f"{killed} workers killed, {len(program.calls)} calls for {CHANGES} events")

    events = await desk.rows("SELECT seq, ticket_id FROM events WHERE type = 'ticket.updated' ORDER BY seq")
    assert len(events) == CHANGES
    assert {call.seq for call in program.taken} == {event["seq"] for event in events}
    assert program.forged == 0
    _in_order_per_ticket(program.taken)
    assert len({call.id for call in program.calls}) == CHANGES, "a call keeps its id however often it is made"
    assert killed >= 4
    assert desk.errors() == []


async def _tickets(desk: Fleet) -> list[str]:
    inbox = {"channel": "api", "name": "Shop", "config": {"signing_secret": "whsec_" + "c2VjcmV0" * 5}}
    await desk.desk.post("/v1/inboxes", inbox)
    asked = [
        {
            "external_id": f"m{n}",
            "thread": f"t{n}",
            "text": "Where is it?",
            "requester": {"kind": "email", "address": f"c{n}@example.org"},
        }
        for n in range(TICKETS)
    ]
    for one in asked:
        await desk.desk.post("/v1/tickets", one)
    await desk.all_read()
    found: list[dict[str, Any]] = (await desk.desk.api.get("/v1/tickets?limit=200")).json()["data"]
    assert len(found) == TICKETS
    return [ticket["id"] for ticket in found]


async def _change(desk: Fleet, tickets: list[str], rng: random.Random) -> None:
    urgency = dict.fromkeys(tickets, "")
    for _ in range(CHANGES):
        ticket = rng.choice(tickets)
        urgency[ticket] = "high" if urgency[ticket] == "critical" else "critical"
        changed = await desk.desk.api.patch(
            f"/v1/tickets/{ticket}", json={"urgency": urgency[ticket]}, headers={"if-match": "*"}
        )
        assert changed.status_code == 200, changed.text
        await asyncio.sleep(rng.uniform(0, 0.06))


async def _kill_until_done(desk: Fleet, program: Receiver, task: asyncio.Task[None], rng: random.Random) -> int:
    killed = 0
    while not task.done():
        await asyncio.wait([task], timeout=rng.uniform(0.5, 2.0))
        at_work = [worker for worker in desk.workers if worker.log.exists()]
        if not at_work:
            continue
        rng.choice(at_work).kill()
        killed += 1
        await desk.start()
        if killed % 3 == 0:
            await program.down()
            await asyncio.sleep(rng.uniform(0, 0.5))
            await program.up()
    await task
    return killed


async def _all_told(desk: Fleet) -> None:
    """Time is moved by hand: leases of the dead lapse, tries that failed are due, circuits let calls through."""

    async def told() -> bool:
        await desk.let_leases_of_the_dead_lapse()
        await desk.rows("UPDATE outbox SET due_at = now() WHERE state IN ('queued','deferred') RETURNING id")
        await desk.rows("UPDATE circuits SET open_until = now(), probing_until = NULL RETURNING endpoint")
        behind = await desk.rows("SELECT FROM webhook_cursors WHERE seq < (SELECT max(seq) FROM events)")
        unnumbered = await desk.rows("SELECT FROM events WHERE seq IS NULL LIMIT 1")
        waiting = await desk.rows("SELECT FROM webhook_deliveries WHERE state <> 'delivered' LIMIT 1")
        await asyncio.sleep(0.3)
        return not (behind or unnumbered or waiting)

    await until(told, within_s=90)


def _in_order_per_ticket(taken: list[Call]) -> None:
    """None before its predecessor was taken; a repeated one may come again before the next begins."""
    heard = defaultdict[str, list[int]](list)
    for call in taken:
        heard[call.ticket].append(call.seq)
    for ticket, seqs in heard.items():
        assert seqs == sorted(seqs), ticket


async def test_an_export_whose_workers_die_has_every_ticket_once(desk: Fleet, rng: random.Random) -> None:
    await _tickets(desk)
    await desk.rows(
        """
        INSERT INTO tickets (id, number, channel, requester_id, queue_id, created_at)
        SELECT gen_random_uuid(), (10^12 + n)::bigint::text, 'api', requester_id, queue_id, now() - n * interval '1 s'
          FROM generate_series(1, $1) AS n, (SELECT * FROM tickets LIMIT 1) AS t RETURNING id
        """,
        EXPORTED,
    )
    job = await desk.desk.post("/v1/jobs", {"kind": "tickets.export", "columns": ["id", "number"]})
    killed = 0

    async def done() -> bool:
        nonlocal killed
        if (await desk.desk.api.get(f"/v1/jobs/{job['id']}")).json()["state"] == "done":
            return True
        await asyncio.sleep(rng.uniform(0.2, 0.8))
        for worker in desk.workers:
            worker.kill()
        killed += 1
        await desk.start()
        await desk.rows("UPDATE jobs SET until = NULL WHERE state = 'running' RETURNING id")
        await asyncio.sleep(rng.uniform(0.2, 1.5))
        return False

    await until(done, within_s=120)
    print(f"{killed} workers killed")
    lines = (await desk.desk.api.get(f"/v1/jobs/{job['id']}/result")).text.splitlines()
    expected = await desk.rows("SELECT number FROM tickets ORDER BY created_at, id")
    assert [line.split(",")[1] for line in lines[1:]] == [row["number"] for row in expected]
    assert killed
