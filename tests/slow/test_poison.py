"""A message that kills whoever reads it."""

from pathlib import Path

import pytest

from omnidesk.desk.reading import LARGE
from tests import plain
from tests.slow import frail
from tests.slow.fleet import Fleet, Process, fleet
from tests.story import until

pytestmark = pytest.mark.slow


async def test_a_message_that_kills_its_reader_is_parked_and_all_others_are_read_in_order(
    db_url: str, tmp_path: Path
) -> None:
    async with fleet(db_url, tmp_path, workers=1) as desk:
        inbox, door = await desk.inbox("frail"), desk.door()
        people = [f"p{n}" for n in range(10)]
        for n in range(10):
            await door.accept(inbox, [plain.arrival(person, f"{n}", id=f"{person}-{n}") for person in people])
            if n == 5:
                await door.accept(inbox, [plain.arrival("p3", "die", id="poison", do="die")])
        deaths = await _start_again_until_all_is_read(desk)

        parked = await desk.rows("SELECT state, attempts, error FROM arrivals WHERE state <> 'done'")
        assert [row["state"] for row in parked] == ["failed"]
        assert parked[0]["error"].startswith("no verdict")
        assert 3 <= deaths <= 6
        print(f"{deaths} workers died of it")
        for person in people:
            rows = await desk.rows(
                """
                SELECT m.text FROM messages AS m JOIN identities AS i ON i.id = m.identity_id
                 WHERE i.address = $1 ORDER BY m.id
                """,
                person,
            )
            assert [row["text"] for row in rows] == [f"{n}" for n in range(10)]


async def test_what_reads_for_a_worker_ends_with_it(db_url: str, tmp_path: Path) -> None:
    async with fleet(db_url, tmp_path, workers=1) as desk:
        inbox, door, [worker] = await desk.inbox("frail"), desk.door(), desk.workers
        busy = {"do": "hang", "once": str(tmp_path / "busy")}
        await door.accept(inbox, [plain.arrival("ivan", "x" * LARGE, id="m1", **busy)])

        async def reading() -> int | None:
            return frail.busy(tmp_path / "busy")

        reader = Process("read", await until(reading), worker.log)
        assert reader.pid != worker.pid
        worker.kill()
        await reader.gone()


async def _start_again_until_all_is_read(desk: Fleet) -> int:
    """What a supervisor does; the leases of the dead are made to lapse."""
    deaths = 0
    while await desk.rows("SELECT id FROM arrivals WHERE state = 'new' LIMIT 1"):
        if not desk.workers:
            deaths += 1
            assert deaths < 12, await desk.rows("SELECT attempts, state FROM arrivals WHERE state <> 'done'")
            await desk.rows("UPDATE lanes SET until = '-infinity' RETURNING lane")
            await desk.start()
    return deaths
