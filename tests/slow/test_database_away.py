"""The database dies and comes back while messages come in: who was told "accepted" was told the truth."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.db.migrate import migrate
from omnidesk.domain import ids
from omnidesk.domain.webhooks import signed
from tests.slow.fleet import Fleet, Postman, fleet, mail, slow_sink
from tests.story import until

pytestmark = pytest.mark.slow

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
LETTERS, POSTED, SENDERS = 120, 120, 3  # for each of so many senders of either kind


@pytest.fixture
async def desk(server: EmbeddedPostgres, tmp_path: Path, rng: random.Random) -> AsyncIterator[Fleet]:
    await migrate(server.url())
    pause = lambda _: asyncio.sleep(rng.uniform(0, 0.1))  # noqa: E731
    async with slow_sink(pause) as mailbox, fleet(server.url(), tmp_path, mailbox=mailbox) as one:
        yield one


class Shop:
    """A program that posts signed messages, again and again until each is taken."""

    def __init__(self, desk: Fleet, inbox: UUID) -> None:
        self.url = f"http://127.0.0.1:{desk.desk.settings.port}/v1/inboxes/{ids.encode('inbox', inbox)}/messages"
        self.heard: Counter[int] = Counter()
        self.taken: set[str] = set()

    async def post(self, customer: int, n: int, http: httpx.AsyncClient) -> None:
        name = f"order-{customer}-{n}"
        sender = {"kind": "email", "address": f"shopper{customer}.{n % 10}@example.org"}
        body = {
            "external_id": name,
            "thread": f"{customer}-{n % 10}",
            "sender": sender,
            "text": _said(name),
        }
        raw = json.dumps(body).encode()
        while name not in self.taken:
            headers = signed([b"secret" * 4], name, int(time.time()), raw)
            answer = await http.post(self.url, content=raw, headers=headers)
            self.heard[answer.status_code] += 1
            if answer.is_success:
                self.taken.add(name)
            else:
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"]
                await asyncio.sleep(0.2)

    async def run(self, customer: int) -> None:
        async with httpx.AsyncClient(timeout=60) as http:
            for n in range(POSTED):
                await self.post(customer, n, http)
                await asyncio.sleep(0.05)


async def test_the_database_dies_twice_and_whatever_was_accepted_is_there(
    desk: Fleet, server: EmbeddedPostgres, rng: random.Random
) -> None:
    shop = Shop(desk, await desk.inbox("api", signing_secret=SECRET))
    postmen = [Postman(desk.desk.settings.lmtp_port) for _ in range(SENDERS)]
    before = {process.pid for process in desk.every}
    sending = asyncio.gather(
        *(_letters(postman, n) for n, postman in enumerate(postmen)), *(shop.run(n) for n in range(SENDERS))
    )
    for _ in range(2):
        await asyncio.wait({sending}, timeout=rng.uniform(1.5, 3))
        await _away(server, rng.uniform(2, 3.5))
    await sending
    await desk.all_read(within_s=60)

    heard = sum((Counter(postman.heard) for postman in postmen), Counter[int]())
    print(f"mail heard {dict(heard)}, the shop {dict(shop.heard)}")
    assert heard[250] == SENDERS * LETTERS
    assert heard[451] >= 1
    assert set(heard) <= {250, 451}
    assert shop.heard[503] >= 1
    assert {process.pid for process in desk.every if process.alive()} == before, "nobody had to be started again"
    await _what_was_accepted_is_there_once(desk, shop)
    await desk.until_none(
        """
        SELECT o.id, o.state, o.error FROM outbox AS o JOIN inboxes AS i ON i.id = o.inbox_id
         WHERE i.channel = 'email' AND o.state <> 'sent'
        """
    )
    assert set(_arrived(desk).values()) == {1}, "answers that could not be noted at once were not given twice"
    assert desk.errors() == []


def _said(name: str) -> str:
    return f"{name}: where is it?"


async def _letters(postman: Postman, n: int) -> None:
    for letter in range(LETTERS):
        thread, number = n * 1000 + letter // 3, letter % 3
        await asyncio.to_thread(postman.hand_in, thread, mail(thread, number))
        await asyncio.sleep(0.03)


async def _away(server: EmbeddedPostgres, seconds: float) -> None:
    """The server ends at once, as if it had crashed, and is started again after a while."""
    assert server.pid
    os.kill(server.pid, signal.SIGQUIT)

    async def gone() -> bool:
        return not server.alive()

    await until(gone)
    await asyncio.sleep(seconds)
    server.start()


async def _what_was_accepted_is_there_once(desk: Fleet, shop: Shop) -> None:
    assert await desk.states() == {"done": SENDERS * (LETTERS + POSTED)}
    said = await desk.rows("SELECT text FROM messages WHERE direction = 'in'")
    times = Counter(row["text"].strip() for row in said)
    letters = {f"line {k % 3} of thread {n * 1000 + k // 3}" for n in range(SENDERS) for k in range(LETTERS)}
    assert set(times) == letters | {_said(name) for name in shop.taken}
    assert set(times.values()) == {1}
    assert await desk.value("SELECT count(*) FROM tickets") == SENDERS * (LETTERS // 3 + 10)


def _arrived(desk: Fleet) -> Counter[str]:
    return Counter(str(message_from_bytes(content)["Message-ID"]) for _, _, content in desk.desk.mailbox.mails)
