"""Four workers, and people who are in everything at once."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from omnidesk.domain.messages import Arrival
from tests import plain
from tests.slow.fleet import Fleet, fleet
from tests.story import until

pytestmark = pytest.mark.slow

PEOPLE = [f"p{n}" for n in range(40)]
ROUNDS = 16


async def test_four_workers_share_people_and_bounces_without_a_deadlock(
    db_url: str, tmp_path: Path, rng: random.Random
) -> None:
    async with fleet(db_url, tmp_path, workers=4) as desk:
        inbox, door = await desk.inbox("frail"), desk.door()
        await door.accept(inbox, [_letter(person, 0, rng) for person in PEOPLE])
        await until(lambda: _all_acknowledged(desk))
        for n in range(1, ROUNDS):
            came = [_letter(person, n, rng) for person in rng.sample(PEOPLE, len(PEOPLE))]
            came += [_bounce(delivery, k, rng) for k, delivery in enumerate(await _sent(desk))] if n % 3 == 0 else []
            rng.shuffle(came)
            await asyncio.gather(*(door.accept(inbox, came[at : at + 10]) for at in range(0, len(came), 10)))
        await desk.all_read()

        assert await desk.deadlocks() == 0
        assert desk.errors() == []
        assert set(await desk.states()) == {"done"}
        assert await desk.value("SELECT count(*) FROM deliveries WHERE state = 'bounced'") > 20
        assert await desk.value("SELECT count(*) FROM identities WHERE unreachable_at IS NOT NULL") > 10
        await _order_is_kept(desk)
        assert await desk.value("SELECT max(acks) FROM identities") == 3, "the budget of an hour, however many workers"


def _letter(person: str, n: int, rng: random.Random) -> Arrival:
    """Some begin threads of their own, in other lanes; most go on in the person's one."""
    cc = rng.sample(PEOPLE, 3)
    if n % 5 == 0:
        apart = plain.arrival(person, f"apart {n}", id=f"{person}-{n}", cc=cc, thread=f"{person}-{n}")
        return replace(apart, order_key=f"{person}-{n}")
    return plain.arrival(person, f"{n}", id=f"{person}-{n}", cc=cc)


def _bounce(delivery: dict[str, str], n: int, rng: random.Random) -> Arrival:
    report = plain.arrival(delivery["address"], "", id=delivery["external_id"], do="bounce", n=rng.random())
    return replace(report, dedupe_key=f"bounce-{rng.random()}", order_key=f"daemon-{n}")


async def _all_acknowledged(desk: Fleet) -> bool:
    return len(await _sent(desk)) >= len(PEOPLE)


async def _sent(desk: Fleet) -> list[dict[str, str]]:
    return await desk.rows(
        """
        SELECT r.external_id, i.address FROM deliveries AS d
          JOIN message_refs AS r ON r.message_id = d.message_id AND r.external_id LIKE 'out-%'
          JOIN identities AS i ON i.id = d.to_ids[1] ORDER BY d.id
        """
    )


async def _order_is_kept(desk: Fleet) -> None:
    for person in PEOPLE:
        rows = await desk.rows(
            """
            SELECT m.text FROM messages AS m JOIN identities AS i ON i.id = m.identity_id
             WHERE i.address = $1 AND m.text NOT LIKE 'apart%' ORDER BY m.id
            """,
            person,
        )
        assert [int(row["text"]) for row in rows] == [n for n in range(ROUNDS) if n % 5]
