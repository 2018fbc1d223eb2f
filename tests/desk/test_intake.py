import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from omnidesk.db import arrivals
from omnidesk.db.arrivals import Waiting
from omnidesk.db.listen import ARRIVED, WORK, Listener
from omnidesk.db.session import Database, is_away
from omnidesk.desk.batch import Read
from omnidesk.desk.intake import Intake
from omnidesk.desk.reading import LARGE, Reader
from omnidesk.domain import numbers
from tests import plain
from tests.conftest import SERVER
from tests.desk.conftest import Intaking


async def test_a_message_becomes_a_ticket_in_a_queue_with_a_promise_and_an_acknowledgement(desk: Intaking) -> None:
    await desk.comes("ivan", "Where is my refund for order 48213?", id="m1", name="Ivan")
    await desk.work()

    [ticket] = await desk.rows("SELECT t.*, q.name AS queue FROM tickets t JOIN queues q ON q.id = t.queue_id")
    assert numbers.is_valid(ticket["number"])
    assert (ticket["status"], ticket["queue"], ticket["language"]) == ("new", "Поддержка", "en")
    assert ticket["waiting_since"] is not None
    said = await desk.rows("SELECT direction, author, text FROM messages ORDER BY at, id")
    assert said[0] == {"direction": "in", "author": "requester", "text": "Where is my refund for order 48213?"}
    assert (said[1]["direction"], said[1]["author"]) == ("out", "system")
    assert numbers.grouped(ticket["number"]) in said[1]["text"]
    [promise] = await desk.rows("SELECT * FROM promises")
    assert promise["kind"] == "first_reply"
    assert promise["due_at"] > datetime.now(UTC)
    assert promise["arithmetic"]["days"], "a promise can show how it was counted"
    [timer] = await desk.rows("SELECT * FROM timers WHERE kind = 'promise'")
    assert (timer["kind"], timer["subject_id"], timer["due_at"]) == ("promise", promise["id"], promise["due_at"])
    [call] = await desk.rows("SELECT * FROM outbox")
    assert (call["kind"], call["state"]) == ("message", "queued")
    [decision] = await desk.rows("SELECT * FROM decisions")
    assert decision["reason"] == "fallback"
    assert {row["type"] for row in await desk.rows("SELECT type FROM events")} >= {
        "ticket.created",
        "message.received",
        "promise.made",
    }
    assert await desk.states() == {"done": 1}


async def test_redelivery_makes_nothing_twice(desk: Intaking) -> None:
    for _ in range(3):
        await desk.comes("ivan", id="m1")
        await desk.comes("ivan", id="m1", key="another-key")  # the platform repeats it under another event id
        await desk.work()
    assert await desk.value("SELECT count(*) FROM messages WHERE direction = 'in'") == 1
    assert await desk.value("SELECT count(*) FROM tickets") == 1
    assert await desk.value("SELECT count(*) FROM outbox") == 1


async def test_the_same_id_with_another_body_is_its_own_message(desk: Intaking) -> None:
    await desk.comes("ivan", "one", id="m1")
    await desk.comes("ivan", "two", id="m1", key="k2")
    await desk.work()
    texts = await desk.rows("SELECT text, hints FROM messages WHERE direction = 'in' ORDER BY text")
    assert [row["text"] for row in texts] == ["one", "two"]
    assert texts[1]["hints"] == ["same_id_other_body"]


async def test_messages_of_one_thread_stay_in_one_ticket_in_one_batch_or_many(desk: Intaking) -> None:
    for n in range(5):
        await desk.comes("ivan", f"line {n}", id=f"m{n}")
    await desk.work()
    await desk.comes("ivan", "line 5", id="m5")
    await desk.work()
    assert await desk.value("SELECT count(*) FROM tickets") == 1
    lines = await desk.rows("SELECT text FROM messages WHERE direction = 'in' ORDER BY at, id")
    assert [row["text"] for row in lines] == [f"line {n}" for n in range(6)]
    assert await desk.value("SELECT count(*) FROM outbox") == 1, "one acknowledgement per ticket"


async def test_an_answer_reopens_and_an_automatic_one_does_not(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    await desk.work()
    for automatic, after in [(True, "pending"), (False, "open")]:
        await desk.rows("UPDATE tickets SET status = 'pending', waiting_since = NULL")
        await desk.comes("ivan", "I am away", id=f"a{automatic}", automatic=automatic)
        await desk.work()
        assert await desk.value("SELECT status FROM tickets") == after


async def test_after_closing_a_message_makes_a_new_ticket_that_follows(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    await desk.work()
    await desk.rows("UPDATE tickets SET status = 'closed'")
    await desk.rows("UPDATE conversations SET receives = false")
    await desk.comes("ivan", "It broke again", id="m2", references=["m1"])
    await desk.comes("ivan", "And again", id="m3")
    await desk.work()
    assert await desk.value("SELECT count(*) FROM tickets") == 2
    [link] = await desk.rows("SELECT kind FROM ticket_links")
    assert link["kind"] == "follows"


async def test_robots_and_released_spam_get_no_acknowledgement(desk: Intaking) -> None:
    await desk.comes("robot", id="r1", automatic=True)
    await desk.comes("shady", id="s1", spam="marked as spam by the mail server")
    await desk.work()
    assert await desk.states() == {"done": 1, "held": 1}
    assert await desk.value("SELECT count(*) FROM tickets") == 1
    async with desk.db.transaction() as tx:
        assert await arrivals.retry(tx, release=True) == 1
    await desk.work()
    assert await desk.states() == {"done": 2}
    assert await desk.value("SELECT count(*) FROM tickets") == 2
    assert await desk.value("SELECT count(*) FROM outbox") == 0


async def test_two_robots_that_write_to_each_other_fall_silent(desk: Intaking) -> None:
    for n in range(10):
        await desk.comes("loop", id=f"m{n}", thread=f"t{n}")
    await desk.work()
    assert await desk.value("SELECT count(*) FROM tickets") == 10
    assert await desk.value("SELECT count(*) FROM outbox") == 3


async def test_one_that_cannot_be_read_is_parked_and_the_next_ones_go_on(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1", do="unreadable")
    await desk.comes("ivan", id="m2", do="crash")
    await desk.comes("ivan", id="m3", do="nothing")
    await desk.comes("ivan", id="m4")
    await desk.work()
    parked = await desk.rows("SELECT state, error, reason FROM arrivals ORDER BY seq")
    assert [row["state"] for row in parked] == ["unreadable", "failed", "ignored", "done"]
    assert parked[1]["error"] == "reading failed with RuntimeError", "never what the customer wrote"
    async with desk.db.transaction() as tx:
        assert await arrivals.retry(tx) == 2
    await desk.work()
    assert await desk.value("SELECT count(*) FROM arrivals WHERE state IN ('failed', 'unreadable')") == 2


async def test_secrets_are_masked_before_anything_is_stored(desk: Intaking) -> None:
    await desk.comes("ivan", "мой пароль Qwerty!23, карта 4111 1111 1111 1111", id="m1", subject="пароль Qwerty!23")
    await desk.work()
    for table in ("messages", "tickets", "conversations", "events", "deliveries", "outbox", "decisions"):
        for row in await desk.rows(f"SELECT * FROM {table}"):
            assert "Qwerty" not in json.dumps(row, default=str, ensure_ascii=False)
            assert "4111 1111" not in json.dumps(row, default=str)


async def test_an_edit_that_overtakes_its_message_waits_for_it(desk: Intaking) -> None:
    await desk.comes("ivan", "fixed", id="m1", do="edit", key="e1")
    await desk.work()
    assert await desk.states() == {"held": 1}
    await desk.comes("ivan", "broken", id="m1")
    await desk.work()
    assert await desk.states() == {"done": 2}
    assert await desk.value("SELECT text FROM messages WHERE direction = 'in'") == "fixed"
    assert await desk.value("SELECT text FROM message_revisions") == "broken"
    await desk.comes("ivan", id="m1", do="delete", key="d1")
    await desk.work()
    assert await desk.value("SELECT text FROM messages WHERE direction = 'in'") == ""
    assert await desk.value("SELECT count(*) FROM message_revisions") == 0, "deleted means that nobody reads it again"


async def test_an_edit_read_with_its_message_after_it_waits_for_nothing(desk: Intaking) -> None:
    await desk.comes("ivan", "fixed", id="m1", do="edit", key="e1")
    await desk.comes("ivan", "broken", id="m1")
    await desk.work()
    assert await desk.states() == {"done": 2}
    assert await desk.value("SELECT text FROM messages WHERE direction = 'in'") == "fixed"


async def test_an_album_is_one_message(desk: Intaking) -> None:
    for n in range(5):
        await desk.comes("ivan", "look" if n == 0 else "", id=f"p{n}", group="album")
    await desk.work()
    assert await desk.value("SELECT count(*) FROM messages WHERE direction = 'in'") == 1
    assert await desk.value("SELECT count(*) FROM message_refs WHERE realm = 'plain:acme'") == 5


async def test_only_people_named_by_a_participant_take_part(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1", cc=["olga"])
    await desk.work()
    token = await desk.value("SELECT token FROM conversations")
    await desk.comes("mallory", "let me in", id="m2", tokens=[token], cc=["eve"])
    await desk.comes("olga", "me too", id="m3", tokens=[token], cc=["petr"])
    await desk.work()
    people = await desk.rows("SELECT i.address FROM participants p JOIN identities i ON i.id = p.identity_id")
    assert {row["address"] for row in people} == {"ivan", "olga", "petr"}
    [stranger] = await desk.rows("SELECT author, hints FROM messages WHERE text = 'let me in'")
    assert (stranger["author"], stranger["hints"]) == ("unverified", ["unverified_sender"])


async def test_four_workers_with_shared_people_never_deadlock_and_keep_the_order(desk: Intaking) -> None:
    people = [f"p{n}" for n in range(12)]
    for n in range(240):
        await desk.comes(people[n % 12], f"{n}", id=f"m{n}", cc=[people[(n * 7) % 12], people[(n * 5 + 1) % 12]])
    workers = [desk.intake, desk.another(), desk.another(), desk.another()]

    async def work(worker: object) -> None:
        idle = 0
        while idle < 20:
            idle = 0 if await worker.once() else idle + 1  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)

    await asyncio.gather(*(work(worker) for worker in workers))
    assert await desk.states() == {"done": 240}
    assert desk.db.deadlocks == 0
    assert await desk.value("SELECT count(*) FROM tickets") == 12
    for person in people:
        said = await desk.rows(
            """
            SELECT m.text FROM messages m JOIN identities i ON i.id = m.identity_id
             WHERE i.address = $1 ORDER BY m.id
            """,
            person,
        )
        order = [int(row["text"]) for row in said]
        assert order == sorted(order)
        assert len(order) == 20


class SlowReader(Reader):
    """Reads when it is told to go on."""

    def __init__(self, desk: Intaking) -> None:
        super().__init__(desk.channels, desk.vault, desk.files)
        self.reading, self.go = asyncio.Event(), asyncio.Event()

    async def read(self, batch: Sequence[Waiting], *, now: datetime) -> list[Read]:
        self.reading.set()
        await self.go.wait()
        return await super().read(batch, now=now)


async def test_a_worker_that_lost_its_lanes_writes_nothing(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    reader = SlowReader(desk)
    frozen = asyncio.create_task(Intake(desk.db, desk.door, desk.channels, reader).once())
    await reader.reading.wait()
    await desk.rows("UPDATE lanes SET until = '-infinity'")  # its lease lapses while it is frozen
    await desk.intake.once()
    assert await desk.states() == {"done": 1}
    reader.go.set()
    assert await frozen == 0
    assert await desk.value("SELECT count(*) FROM tickets") == 1


async def test_a_batch_without_a_verdict_is_halved_and_its_members_read_alone(desk: Intaking) -> None:
    for n in range(8):
        await desk.comes("ivan", id=f"m{n}")
    sizes = []
    for _ in range(6):
        async with desk.db.transaction() as tx:
            lanes = await arrivals.claim_lanes(tx, uuid4(), limit=8, seconds=-1)
            sizes.append(len(await arrivals.take(tx, lanes, limit=8, max_bytes=1 << 20)))
    assert sizes == [8, 4, 1, 1, 1, 1]
    await desk.work()
    states = await desk.states()
    assert states == {"failed": 1, "done": 7}, "the guilty one is parked, nothing behind it waits for ever"


async def test_inline_intake_answers_with_the_ticket(desk: Intaking) -> None:
    landed = await desk.intake.submit(desk.inbox, plain.arrival("ivan", id="m1"))
    assert landed.state == "done"
    assert landed.ticket_id == await desk.value("SELECT id FROM tickets")
    again = await desk.intake.submit(desk.inbox, plain.arrival("ivan", id="m1"))
    assert (again.arrival_id, again.ticket_id) == (landed.arrival_id, landed.ticket_id)


async def test_inline_intake_does_not_wait_for_ever_for_a_lane(desk: Intaking) -> None:
    await desk.rows("UPDATE lanes SET until = now() + interval '1 hour'")
    landed = await desk.intake.submit(desk.inbox, plain.arrival("ivan", id="m1"), wait_s=0.1)
    assert landed.state == "new"
    await desk.rows("UPDATE lanes SET until = '-infinity'")
    await desk.work()
    assert await desk.states() == {"done": 1}


@pytest.mark.parametrize(("does", "error"), [("die", "its process died"), ("hang", "took too long to read")])
async def test_a_large_body_that_kills_or_hangs_its_reader_is_parked(desk: Intaking, does: str, error: str) -> None:
    filling = "x" * LARGE
    await desk.comes("ivan", filling, id="m1", do=does)
    await desk.comes("olga", filling, id="m2")
    await desk.work()
    assert [
        (row["state"], row["error"]) for row in await desk.rows("SELECT state, error FROM arrivals ORDER BY seq")
    ] == [
        ("failed", error),
        ("done", None),
    ]


async def test_one_that_cannot_be_written_is_parked_and_delays_nobody(desk: Intaking) -> None:
    """The database itself refuses its row, however often it is tried."""
    await desk.rows("ALTER TABLE messages ADD CONSTRAINT cursed CHECK (text <> 'cursed')")
    for n in range(6):
        await desk.comes(f"p{n}", "cursed" if n == 3 else "fine", id=f"m{n}")
    stop = asyncio.Event()
    running = asyncio.create_task(desk.intake.run(stop))
    async with asyncio.timeout(20):
        while (await desk.states()).get("new"):
            await asyncio.sleep(0.02)
    stop.set()
    await running
    assert await desk.states() == {"done": 5, "failed": 1}
    assert await desk.value("SELECT count(*) FROM lanes WHERE until > now()") == 0


async def test_a_database_that_was_away_counts_no_attempts_and_frees_the_lanes(desk: Intaking) -> None:
    await desk.comes("ivan", id="m1")
    reader = SlowReader(desk)
    intake = Intake(desk.db, desk.door, desk.channels, reader)
    working = asyncio.create_task(intake.once())
    await reader.reading.wait()
    admin = Database(os.environ[SERVER])
    name = await desk.value("SELECT current_database()")
    async with admin.connection() as tx:
        await tx.driver.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await tx.driver.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        reader.go.set()
        with pytest.raises(Exception) as caught:
            await working
        assert is_away(caught.value)
        await tx.driver.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await admin.close()
    async with asyncio.timeout(10):
        while await desk.states() != {"done": 1}:  # its own lanes are free again at once, long before the lease ends
            with suppress(asyncpg.InterfaceError):  # a connection that was cut, noticed late
                await intake.once()
    assert await desk.value("SELECT attempts FROM arrivals") == 1


async def test_a_ticket_wakes_the_planner_the_outbox_and_the_feed_at_once(desk: Intaking, db_url: str) -> None:
    listener, stop = Listener(db_url), asyncio.Event()
    with listener.wakes(WORK) as wake:
        working = asyncio.create_task(desk.intake.run(stop, listener))
        await desk.comes("ivan", "Where is my refund?", id="m1")
        listener.tell(ARRIVED)
        await asyncio.wait_for(wake.wait(), 30)
        assert await desk.value("SELECT count(*) FROM tickets") == 1
        stop.set()
        await asyncio.wait_for(working, 30)
