"""One process plans; when it dies another takes over, and where several plan nobody gets too much."""

import asyncio
import time
from pathlib import Path

import pytest

from tests import plain
from tests.slow.fleet import Fleet, fleet
from tests.story import until

pytestmark = pytest.mark.slow

HELD = """
    SELECT a.name, a.capacity, count(t.id) AS n FROM agents AS a
      LEFT JOIN tickets AS t ON t.assignee_id = a.id AND t.status IN ('new', 'open', 'pending') GROUP BY a.id
"""


async def test_another_process_plans_when_the_planner_is_killed(db_url: str, tmp_path: Path) -> None:
    async with fleet(db_url, tmp_path, workers=1) as desk:
        inbox, door = await desk.inbox("plain"), desk.door()
        await desk.desk.agent("Olena", capacity=500)
        for n in range(4):
            [planner] = desk.workers
            await door.accept(inbox, [plain.arrival(f"p{n}-{k}", id=f"{n}-{k}") for k in range(20)])
            await until(lambda n=n: _has_tickets(desk, 20 * n + 1))  # type: ignore[misc]
            await desk.start()
            planner.kill()
            began = time.monotonic()
            await desk.until_none(
                "SELECT 1 FROM arrivals WHERE state = 'new' UNION SELECT 1 FROM tickets WHERE assignee_id IS NULL"
            )
            print(f"planned again after {time.monotonic() - began:.1f} s")
        assert await desk.value("SELECT count(*) FROM tickets") == 80
        assert desk.errors() == []


async def _has_tickets(desk: Fleet, count: int) -> bool:
    return bool(await desk.value("SELECT count(*) FROM tickets") >= count)


async def test_four_planners_by_force_never_give_an_agent_too_much(db_url: str, tmp_path: Path) -> None:
    async with fleet(db_url, tmp_path, workers=2) as desk:
        inbox, door = await desk.inbox("plain"), desk.door()
        people = [await desk.desk.agent(name, capacity=5) for name in ("Olena", "Petro", "Iryna")]
        for _ in range(4):
            await desk.start("plan")
        rest, most = 120, 0
        coming = asyncio.create_task(_come(desk, door, inbox, rest))
        while rest:
            held = await desk.rows(HELD)
            assert all(row["n"] <= row["capacity"] for row in held), held
            most = max(most, *(row["n"] for row in held))
            rows = await desk.rows(
                """
                UPDATE tickets SET status = 'closed', version = version + 1
                 WHERE id IN (SELECT id FROM tickets WHERE assignee_id IS NOT NULL AND status <> 'closed'
                               ORDER BY random() LIMIT 2) RETURNING id
                """
            )
            rest -= len(rows)
            await asyncio.sleep(0.02)
        await coming
        assert most == 5, "they were full at times"
        assert len(people) == 3
        assert desk.errors() == []


async def _come(desk: Fleet, door: object, inbox: object, count: int) -> None:
    for n in range(count):
        await door.accept(inbox, [plain.arrival(f"p{n}", id=f"m{n}")])  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
