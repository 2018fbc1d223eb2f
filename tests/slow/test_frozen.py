"""A process that stands still is as good as dead, until it moves again: then it must see that it is too late."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from omnidesk.db.session import Database
from tests import plain
from tests.slow.fleet import Fleet, Process, fleet, slow_sink
from tests.slow.frail import busy
from tests.story import until

pytestmark = pytest.mark.slow

WRITTEN = ("tickets", "messages", "message_refs", "deliveries", "outbox", "promises")


async def _counts(desk: Fleet) -> dict[str, int]:
    await desk.until_none("SELECT id, state FROM outbox WHERE state <> 'sent'")
    return {table: await desk.value(f"SELECT count(*) FROM {table}") for table in WRITTEN}


async def _texts(desk: Fleet) -> list[str]:
    rows = await desk.rows("SELECT text FROM messages WHERE direction = 'in' ORDER BY id")
    return [row["text"] for row in rows]


async def test_a_worker_frozen_while_it_reads_writes_nothing_when_it_wakes(db_url: str, tmp_path: Path) -> None:
    async with fleet(db_url, tmp_path) as desk:
        inbox, door, mark = await desk.inbox("frail"), desk.door(), tmp_path / "busy"
        await door.accept(inbox, [plain.arrival("ivan", "line 0", id="m0", once=str(mark))])
        await door.accept(inbox, [plain.arrival("ivan", f"line {n}", id=f"m{n}") for n in range(1, 20)])

        async def reading() -> int | None:
            return busy(mark)

        pid = await until(reading)
        frozen = next(worker for worker in desk.workers if worker.pid == pid)
        frozen.freeze()
        await desk.all_read()
        assert await _texts(desk) == [f"line {n}" for n in range(20)]
        before = await _counts(desk)

        frozen.thaw()
        await until(lambda: _said(frozen, "intake.lost_lanes"))
        await door.accept(inbox, [plain.arrival("ivan", "line 20", id="m20")])
        await desk.all_read()
        assert await _counts(desk) == {
            **before,
            "messages": before["messages"] + 1,
            "message_refs": before["message_refs"] + 1,
        }


async def _said(process: Process, event: str) -> list[dict[str, Any]]:
    return process.said(event)


async def test_a_worker_frozen_in_its_transaction_lets_go_of_its_locks(db_url: str, tmp_path: Path) -> None:
    async with fleet(db_url, tmp_path, workers=1) as desk:
        inbox, door, [frozen] = await desk.inbox("frail"), desk.door(), desk.workers
        gate = Database(db_url, size=1)
        async with gate.transaction() as tx:
            await tx.driver.execute("LOCK TABLE promises IN SHARE ROW EXCLUSIVE MODE")
            await door.accept(inbox, [plain.arrival("ivan", f"line {n}", id=f"m{n}") for n in range(20)])
            await until(lambda: _waits_for_a_lock(desk))
            frozen.freeze()
        await gate.close()
        await desk.start()
        await desk.all_read()
        assert await _texts(desk) == [f"line {n}" for n in range(20)]
        before = await _counts(desk)

        frozen.thaw()
        await until(lambda: _said(frozen, "loop.failed"))
        await door.accept(inbox, [plain.arrival("ivan", "line 20", id="m20")])
        await desk.all_read()
        assert await _counts(desk) == {
            **before,
            "messages": before["messages"] + 1,
            "message_refs": before["message_refs"] + 1,
        }


async def _waits_for_a_lock(desk: Fleet) -> bool:
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await desk.rows(waiting))


async def test_a_deliverer_frozen_in_a_call_sends_nothing_twice(db_url: str, tmp_path: Path) -> None:
    kept, answer = asyncio.Event(), asyncio.Event()

    async def hold(content: bytes) -> None:
        if b"the first answer" in content:
            kept.set()
            await answer.wait()

    async with slow_sink(hold) as mailbox, fleet(db_url, tmp_path, workers=1, mailbox=mailbox) as desk:
        [frozen] = desk.workers
        olena = await desk.desk.agent("Olena", online=False)
        for name in ("ivan", "petr"):
            await desk.desk.writes(f"{name}@example.org", "Where is my order?", subject=name)
        tickets = {ticket["subject"]: ticket for ticket in await desk.desk.tickets(2)}
        await desk.until_none("SELECT id FROM outbox WHERE state <> 'sent'")
        ivan, petr = tickets["ivan"], tickets["petr"]
        await desk.desk.answers(olena, ivan["id"], "This is the first answer.")
        await asyncio.wait_for(kept.wait(), 20)
        frozen.freeze()

        await desk.start()
        await desk.desk.answers(olena, ivan["id"], "This is the second answer.")
        await desk.let_leases_of_the_dead_lapse()
        await until(lambda: _has(desk, "unknown"))
        await desk.desk.answers(olena, petr["id"], "This is for Petr.")
        await desk.desk.mail_to("petr@example.org", 2)
        assert _answers(desk) == ["first"], "what is unknown is not repeated, and holds what follows"
        assert (await desk.desk.get(f"/v1/tickets/{ivan['id']}"))["attention"] == "delivery_unknown"

        answer.set()
        frozen.thaw()
        await desk.until_none("SELECT id, state FROM outbox WHERE state <> 'sent'")
        assert _answers(desk) == ["first", "second"]
        assert (await desk.desk.get(f"/v1/tickets/{ivan['id']}"))["attention"] is None


async def _has(desk: Fleet, state: str) -> bool:
    return state in await desk.states("outbox")


def _answers(desk: Fleet) -> list[str]:
    """Which answers reached Ivan, in the order of their coming."""
    bodies = [mail.get_body(("plain",)) for mail in desk.desk.received("ivan@example.org")]
    texts = [body.get_content() for body in bodies if body]
    own = [text.split("\n>")[0] for text in texts]
    return [word for text in own for word in ("first", "second") if f"This is the {word} answer" in text]
