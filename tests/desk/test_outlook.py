"""The planner keeps the desk in memory: whatever happens, it does what a full plan of the same desk would do."""

import asyncio
import time
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from omnidesk import routing
from omnidesk.db import events
from omnidesk.db.session import Database
from omnidesk.desk import planner as module
from omnidesk.desk import presence, snapshot
from omnidesk.desk.assign import accept_offer, assign, decline_offer, unassign
from omnidesk.desk.feed import number_batch
from omnidesk.desk.outlook import Outlook
from omnidesk.desk.planner import Planner, current_policy
from omnidesk.desk.tickets import patch, transition
from omnidesk.desk.transfer import Card, transfer
from omnidesk.domain.errors import Conflict, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import SYSTEM
from omnidesk.domain.tickets import Status
from tests.desk.floor import Floor, acting

THINGS = (
    *("comes", "comes", "comes", "solved", "asked", "heard", "back", "claimed", "urgent", "skilled"),
    *("gone", "here", "handed", "offer", "offer"),
)


class Day:
    """A desk on which things happen at random; the planner hears of them, and looks at everything only once."""

    def __init__(self, db: Database, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.floor, self.chance = Floor(db), Random(seed)
        self.looks, self.queues, self.agents = 0, list[UUID](), list[UUID]()
        self.planner = Planner(db, now=lambda: self.floor.now)
        monkeypatch.setattr(module, "FULL_EVERY_S", 10_000.0)
        monkeypatch.setattr(module, "BREATH_S", 0.0)
        whole = snapshot.read

        async def counted(db: Database, **more: Any) -> snapshot.Rows:
            self.looks += 1
            return await whole(db, **more)

        monkeypatch.setattr(snapshot, "read", counted)
        self.whole = whole

    async def opens(self) -> None:
        steps = [{"for": "30s", "agent": "last"}, {"for": "60s", "keep": ["vip"]}]
        floor = self.floor
        self.queues = [
            await floor.queue("cards", require=["cards"]),
            await floor.queue("general", prefer=["vip"], steps=steps),
            await floor.queue("office", week="mon-fri 09:00-09:20"),
        ]
        for n, skills in enumerate((["cards"], ["cards", "vip"], [], ["law"])):
            status = "offline" if n == 3 else "online"
            self.agents.append(await floor.agent(f"Agent{n}", *skills, capacity=n + 1, status=status))
        self.people = [await floor.customer(name) for name in ("Ivan", "Olga")]
        await self.planner.step()

    async def tells(self, kind: EventType, **more: Any) -> None:
        async with self.floor.db.transaction() as tx:
            await events.record(tx, [Event(type=kind, **more)])

    async def ids(self, sql: str) -> list[UUID]:
        return [row[0] for row in await self.floor.rows(f"SELECT id FROM tickets WHERE {sql} ORDER BY id")]

    async def happens(self) -> str:
        """Something; its name."""
        what = self.chance.choice(THINGS)
        done: str = await getattr(self, f"_{what}")()
        return done

    async def _comes(self) -> str:
        ticket = await self.floor.ticket(
            self.chance.choice(self.queues),
            by=self.chance.choice(self.people),
            channel=self.chance.choice(["email", "email", "chat", "phone"]),
            urgency=self.chance.choice(["low", "normal", "high", "critical"]),
            waiting_since=self.floor.now - timedelta(seconds=self.chance.randrange(300)),
            required=self.chance.choice([[], [], [], ["law"]]),
        )
        await self.tells(EventType.TICKET_CREATED, ticket_id=ticket)
        return "comes"

    async def _some(self, sql: str) -> UUID | None:
        found = await self.ids(sql)
        return self.chance.choice(found) if found else None

    async def _moves(self, sql: str, to: Status) -> str:
        if ticket := await self._some(sql):
            await transition(self.floor.db, ticket, SYSTEM, to, now=self.floor.now)
        return str(to)

    async def _solved(self) -> str:
        return await self._moves("assignee_id IS NOT NULL AND status IN ('new', 'open')", Status.RESOLVED)

    async def _asked(self) -> str:
        return await self._moves("status IN ('new', 'open')", Status.PENDING)

    async def _heard(self) -> str:
        return await self._moves("status IN ('pending', 'resolved')", Status.OPEN)

    async def _back(self) -> str:
        if ticket := await self._some("assignee_id IS NOT NULL AND status IN ('new', 'open')"):
            await unassign(self.floor.db, ticket, SYSTEM, now=self.floor.now)
        return "back"

    async def _claimed(self) -> str:
        ticket, agent = await self._some("status IN ('new', 'open')"), self.chance.choice(self.agents)
        if ticket:
            await assign(self.floor.db, ticket, agent, acting(agent), reassign=True, now=self.floor.now)
        return "claimed"

    async def _urgent(self) -> str:
        if ticket := await self._some("status IN ('new', 'open')"):
            change = {"urgency": self.chance.choice(["low", "critical"]), "queue_id": self.chance.choice(self.queues)}
            await patch(self.floor.db, ticket, SYSTEM, change, now=self.floor.now)
        return "urgent"

    async def _skilled(self) -> str:
        agent, skill = self.chance.choice(self.agents), self.chance.choice(["cards", "vip", "law"])
        await self.floor.change(
            "UPDATE agents SET skills = skills || jsonb_build_object($2::text, 1) WHERE id = $1", agent, skill
        )
        await self.tells(EventType.AGENT_UPDATED, subject_id=agent)
        return "skilled"

    async def _gone(self) -> str:
        agent, status = self.chance.choice(self.agents), self.chance.choice(["away", "offline"])
        await presence.set_presence(self.floor.db, agent, status, acting(agent), now=self.floor.now)
        return status

    async def _here(self) -> str:
        agent = self.chance.choice(self.agents)
        await presence.set_presence(self.floor.db, agent, "online", acting(agent), now=self.floor.now)
        return "here"

    async def _handed(self) -> str:
        if ticket := await self._some("status IN ('new', 'open', 'pending')"):
            to = self.chance.choice(self.queues)
            await transfer(self.floor.db, ticket, SYSTEM, Card(), queue_id=to, now=self.floor.now)
        return "handed"

    async def _offer(self) -> str:
        asked = await self.floor.rows("SELECT ticket_id, agent_id FROM offers WHERE outcome IS NULL")
        if not asked:
            return "no offer"
        ticket, agent = self.chance.choice(asked)
        answer = self.chance.choice([accept_offer, decline_offer])
        try:
            await answer(self.floor.db, ticket, agent, acting(agent), now=self.floor.now)
        except (Conflict, Refused):
            return "offer over"
        return answer.__name__

    async def settles(self) -> None:
        """The news are numbered, and the planner works until there is nothing left to do."""
        quiet = 0
        for _ in range(30):
            await number_batch(self.floor.db)
            quiet = 0 if await self.planner.step() else quiet + 1
            if quiet == 3:  # it has heard of its own steps, and of those after them
                return
        raise AssertionError("the planner does not come to rest")

    async def left_to_do(self) -> list[routing.Decision]:
        """What a full plan would do now."""
        policy = await current_policy(self.floor.db)
        rows = await self.whole(self.floor.db, now=self.floor.now)
        return routing.plan(snapshot.build(rows, policy), policy)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_a_full_plan_has_nothing_to_add(
    db: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(db, seed, monkeypatch)
    await day.opens()
    history = []
    for _ in range(45):
        history.append(await day.happens())
        day.floor.later(seconds=day.chance.choice([0, 1, 5, 21, 61]))
        await day.settles()
        left = await day.left_to_do()
        assert left == [], history
    assert day.looks == 1, "it followed the news"
    held = await day.floor.rows(
        "SELECT ticket_id, count(*) FROM offers WHERE outcome IS NULL GROUP BY 1 HAVING count(*) > 1"
    )
    assert held == []


async def test_what_changed_under_its_hands_is_looked_at_again(floor_day: Day) -> None:
    """Somebody solves the ticket between the look and the writing, and no news of it has come yet."""
    day = floor_day
    await day._comes()
    [ticket] = await day.ids("true")
    outlook = day.planner._outlook
    assert outlook is not None
    await day.floor.change("UPDATE tickets SET version = version + 1, required = '{}' WHERE id = $1", ticket)
    await day.settles()
    assert await day.left_to_do() == []


@pytest.mark.parametrize("kind", [EventType.POLICY_CHANGED, EventType.QUEUE_UPDATED, EventType.CALENDAR_UPDATED])
async def test_another_policy_queue_or_calendar_makes_it_look_at_everything(floor_day: Day, kind: EventType) -> None:
    day = floor_day
    assert day.looks == 1
    await day.tells(kind)
    await day.settles()
    assert day.looks == 2
    await day.settles()
    assert day.looks == 2


async def test_a_ticket_older_than_the_memory_makes_it_look_at_everything(floor_day: Day) -> None:
    day = floor_day
    old = await day.floor.ticket(day.queues[1], waiting_since=day.floor.now - timedelta(days=30))
    await day.tells(EventType.TICKET_CREATED, ticket_id=old)
    await day.settles()
    assert day.looks == 2
    assert await day.left_to_do() == []


async def test_after_an_error_nothing_of_the_memory_is_trusted(floor_day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    day = floor_day

    async def broken(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as while_broken:
        while_broken.setattr(module, "carry_out", broken)
        await day._comes()
        await number_batch(day.floor.db)
        with pytest.raises(ConnectionError):
            await day.planner.step()
    await day.settles()
    assert day.looks == 2
    assert await day.left_to_do() == []


async def test_a_long_plan_holds_up_nothing_else_in_the_process(
    floor_day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan goes on until the rest of the process has done thirty things; it would never end if they waited."""
    day, done = floor_day, 0
    plain = Outlook.step

    def long(outlook: Outlook, now: datetime) -> list[routing.Decision]:
        until = time.monotonic() + 10
        while done < 30 and time.monotonic() < until:
            sum(range(10_000))
        return plain(outlook, now)

    monkeypatch.setattr(Outlook, "step", long)
    planning = asyncio.create_task(day.planner.step())
    while not planning.done():
        await asyncio.sleep(0)
        done += 1
    await planning
    assert done >= 30


@pytest.fixture
async def floor_day(db: Database, monkeypatch: pytest.MonkeyPatch) -> Day:
    day = Day(db, 1, monkeypatch)
    await day.opens()
    return day
