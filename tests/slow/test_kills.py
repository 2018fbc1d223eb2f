"""Workers die at any moment, while customers write and agents answer."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from omnidesk.domain import ids
from tests.slow.fleet import Fleet, Postman, fleet, mail, slow_sink
from tests.slow.following import Follower
from tests.story import Agent, until

pytestmark = pytest.mark.slow

THREADS, MAILS, REPLIES = 500, 4, 300
UNSETTLED = "('queued', 'claimed', 'calling', 'deferred')"


@pytest.fixture
async def desk(db_url: str, tmp_path: Path, rng: random.Random) -> AsyncIterator[Fleet]:
    pause = lambda _: asyncio.sleep(rng.uniform(0, 0.4))  # noqa: E731
    async with slow_sink(pause) as mailbox, fleet(db_url, tmp_path, mailbox=mailbox) as one:
        yield one


async def test_workers_die_and_nothing_is_lost_or_doubled(desk: Fleet, rng: random.Random) -> None:
    olena = await desk.desk.agent("Olena", online=False)
    follower = Follower(desk.desk.settings, desk.desk.secret, random.Random(rng.random()))
    following = asyncio.create_task(follower.run())

    writing = asyncio.gather(*(_customers(desk, n, random.Random(rng.random())) for n in range(4)))
    answering = asyncio.create_task(_agent(desk, olena, random.Random(rng.random())))
    killed = await _kill_until_done(desk, rng, [writing, answering])
    await writing
    replies = await answering
    await desk.all_read(within_s=90)
    print(f"{killed} workers killed")

    assert await desk.states() == {"done": THREADS * MAILS}
    await _each_mail_is_one_message_of_one_ticket(desk)
    await _calls_end(desk)
    await _nothing_went_out_twice(desk, replies)
    await _what_is_unknown_holds_what_follows(desk)
    await _an_agent_settles_what_is_unknown(desk, replies)
    await _every_event_once_in_order(desk, follower)
    following.cancel()
    assert killed >= 8
    assert await desk.deadlocks() == 0
    assert desk.errors() == []


async def _customers(desk: Fleet, first: int, rng: random.Random) -> None:
    """One of four mail servers: each mail of its threads in order, every fifth a second time."""
    postman = Postman(desk.desk.settings.lmtp_port)
    for n in range(MAILS):
        for thread in range(first, THREADS, 4):
            raw = mail(thread, n)
            for _ in range(1 + (rng.random() < 0.2)):
                await asyncio.to_thread(postman.hand_in, thread, raw)


async def _agent(desk: Fleet, agent: Agent, rng: random.Random) -> dict[str, str]:
    """Answers tickets as they come, some of them several times; the texts by the id of their message."""
    replies: dict[str, str] = {}
    while len(replies) < REPLIES:
        tickets = await desk.rows("SELECT id FROM tickets")
        if not tickets:
            await asyncio.sleep(0.1)
            continue
        text = f"reply number {len(replies)}."
        ticket = ids.encode("ticket", rng.choice(tickets)["id"])
        answer = await desk.desk.answers(agent, ticket, text)
        replies[answer["id"]] = text
        await asyncio.sleep(0.04)
    return replies


async def _kill_until_done(desk: Fleet, rng: random.Random, tasks: list[Any]) -> int:
    killed = 0
    while not all(task.done() for task in tasks):
        await asyncio.wait(tasks, timeout=rng.uniform(0.5, 5.0), return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
        victim = rng.choice(desk.workers)
        victim.kill()
        killed += 1
        await desk.start()
    return killed


async def _each_mail_is_one_message_of_one_ticket(desk: Fleet) -> None:
    said = await desk.rows(
        """
        SELECT m.text, c.ticket_id, i.address FROM messages AS m
          JOIN conversations AS c ON c.id = m.conversation_id JOIN identities AS i ON i.id = m.identity_id
         WHERE m.direction = 'in' ORDER BY m.id
        """
    )
    threads = defaultdict(list)
    for row in said:
        threads[row["ticket_id"]].append(row["text"].strip())
    assert len(said) == THREADS * MAILS
    assert await desk.value("SELECT count(*) FROM tickets") == THREADS
    expected = [[f"line {n} of thread {thread}" for n in range(MAILS)] for thread in range(THREADS)]
    assert sorted(threads.values()) == sorted(expected), "each thread whole, in order, in a ticket of its own"
    most = await desk.value(
        """
        SELECT max(n) FROM (SELECT count(*) AS n FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
                             WHERE m.author = 'system' GROUP BY c.ticket_id) AS acknowledgements
        """
    )
    assert most == 1


async def _calls_end(desk: Fleet) -> None:
    """Whatever died is noticed, and what can be sent is sent."""
    await desk.stop_workers()
    await desk.let_leases_of_the_dead_lapse()
    await desk.start()
    await desk.start()
    await _until_only_held_calls_are_left(desk)
    assert set(await desk.states("outbox")) <= {"sent", "unknown", "queued"}


async def _until_only_held_calls_are_left(desk: Fleet) -> None:
    await desk.until_none(
        f"""
        SELECT id, state, error, attempts, due_at - now() AS due FROM outbox AS o WHERE state IN {UNSETTLED}
           AND NOT EXISTS (SELECT FROM outbox AS p
                            WHERE p.order_key = o.order_key AND p.id < o.id AND p.state = 'unknown')
        """,
        within_s=60,
    )


def _arrived(desk: Fleet) -> Counter[str]:
    """How often each mail reached its mailbox, by its id."""
    return Counter(str(message_from_bytes(content)["Message-ID"]) for _, _, content in desk.desk.mailbox.mails)


def _texts(desk: Fleet) -> str:
    return "\n".join(
        str(message_from_bytes(content).as_bytes().decode("utf-8", "replace"))
        for _, _, content in desk.desk.mailbox.mails
    )


async def _nothing_went_out_twice(desk: Fleet, replies: dict[str, str]) -> None:
    arrived = _arrived(desk)
    assert set(arrived.values()) == {1}, "no mail twice"
    for row in await _out(desk):
        times = arrived[row["ref"]]
        assert times <= 1
        assert row["state"] in {"sent", "unknown", "queued"}, row
        assert times == 1 or row["state"] != "sent", "what is called sent has arrived"
        assert times == 0 or row["state"] != "queued", "what waits was not sent"
    assert sum(row["state"] == "sent" for row in await _out(desk)) > REPLIES


async def _out(desk: Fleet) -> list[dict[str, Any]]:
    """Everything that we said, with the id of its mail."""
    return await desk.rows(
        """
        SELECT d.id, d.state, m.id AS message_id, '<' || r.external_id || '>' AS ref FROM deliveries AS d
          JOIN messages AS m ON m.id = d.message_id
          LEFT JOIN message_refs AS r ON r.message_id = m.id
        """
    )


async def _what_is_unknown_holds_what_follows(desk: Fleet) -> None:
    states = await desk.states("outbox")
    print(f"calls: {states}")
    held = await desk.rows(
        """
        SELECT o.state FROM outbox AS o WHERE EXISTS (
            SELECT FROM outbox AS p WHERE p.order_key = o.order_key AND p.id < o.id AND p.state = 'unknown')
        """
    )
    assert {row["state"] for row in held} <= {"queued"}
    asked = await desk.value("SELECT count(*) FROM tickets WHERE attention = 'delivery_unknown'")
    tickets = await desk.value("SELECT count(DISTINCT order_key) FROM outbox WHERE state = 'unknown'")
    assert asked == tickets, "somebody is asked to look at each of them"


async def _an_agent_settles_what_is_unknown(desk: Fleet, replies: dict[str, str]) -> None:
    arrived = _arrived(desk)
    for row in await _out(desk):
        if row["state"] == "unknown":
            word = "arrived" if arrived[row["ref"]] else "resend"
            await desk.desk.post(f"/v1/deliveries/{ids.encode('delivery', row['id'])}/{word}", {})
    await desk.until_none("SELECT id, state, error, due_at - now() AS due FROM outbox WHERE state <> 'sent'")
    arrived = _arrived(desk)
    assert set(arrived.values()) == {1}
    assert {row["ref"] for row in await _out(desk)} == set(arrived), "everything that was said has arrived, once"
    assert await desk.value("SELECT count(*) FROM messages WHERE author = 'agent'") == REPLIES == len(replies)


async def _every_event_once_in_order(desk: Fleet, follower: Follower) -> None:
    await desk.until_none("SELECT id FROM events WHERE seq IS NULL LIMIT 1", within_s=20)
    there = await desk.value("SELECT count(*) FROM events")

    async def all_seen() -> bool:
        return len(follower.seen) >= int(there)

    await until(all_seen, within_s=30)
    assert follower.seen == list(range(1, there + 1))
    print(f"{there} events over {follower.connections} connections")
    assert follower.connections > 5
