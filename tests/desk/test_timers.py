import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from omnidesk.db import timers
from omnidesk.db.session import Database, Tx
from omnidesk.db.timers import Timer
from omnidesk.desk.timers import HANDLERS, Handler, handle_due, resolved
from omnidesk.domain import ids
from omnidesk.domain.tickets import CLOSES_AFTER
from tests.desk.floor import Floor


@pytest.fixture
def floor(db: Database) -> Floor:
    return Floor(db)


async def set_due(floor: Floor, kind: str, *subjects: UUID, at: datetime | None = None) -> None:
    async with floor.db.transaction() as tx:
        await timers.set_timers(tx, [Timer(kind=kind, subject_id=s, due_at=at or floor.now) for s in subjects])


async def left(floor: Floor) -> list[tuple[object, ...]]:
    return await floor.rows("SELECT kind, subject_id, due_at, attempts, error FROM timers ORDER BY kind, due_at")


def noting(into: list[UUID]) -> Handler:
    async def handler(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        into.extend(timer.subject_id for timer in due)
        return ()

    return handler


async def resolve(floor: Floor, ticket: UUID) -> None:
    async with floor.db.transaction() as tx:
        await tx.driver.execute(
            "UPDATE tickets SET status = 'resolved', resolved_at = $2 WHERE id = $1", ticket, floor.now
        )
        await resolved(tx, [ticket], now=floor.now)


async def test_a_resolved_ticket_closes_after_four_days_and_hears_nothing_more(floor: Floor) -> None:
    ticket = await floor.ticket(await floor.queue("general"))
    inbox = await floor.put("inboxes", channel="email", name="Support")
    requester = (await floor.row("tickets", ticket))["requester_id"]
    conversation = await floor.put(
        "conversations", inbox_id=inbox, thread_key="t1", ticket_id=ticket, requester_id=requester, token="x"
    )
    await resolve(floor, ticket)
    floor.later(days=3.9)
    await handle_due(floor.db, now=floor.now)
    assert (await floor.row("tickets", ticket))["status"] == "resolved"
    floor.later(days=0.1)
    await handle_due(floor.db, now=floor.now)
    row = await floor.row("tickets", ticket)
    assert (row["status"], row["closed_at"], row["version"]) == ("closed", floor.now, 2)
    assert (await floor.row("conversations", conversation))["receives"] is False
    assert await floor.events(ticket) == [("ticket.status_changed", {"from": "resolved", "to": "closed"})]
    assert await left(floor) == []


async def test_a_ticket_that_was_opened_again_stays_and_one_resolved_again_waits_anew(floor: Floor) -> None:
    queue = await floor.queue("general")
    opened, again = await floor.ticket(queue), await floor.ticket(queue)
    for ticket in (opened, again):
        await resolve(floor, ticket)
    floor.later(days=3)
    await floor.change("UPDATE tickets SET status = 'open', resolved_at = NULL WHERE id = $1", opened)
    await floor.change("UPDATE tickets SET resolved_at = $2 WHERE id = $1", again, floor.now)  # without its timer
    due = floor.now + CLOSES_AFTER
    floor.later(days=1)
    await handle_due(floor.db, now=floor.now)
    assert [(await floor.row("tickets", ticket))["status"] for ticket in (opened, again)] == ["open", "resolved"]
    assert await left(floor) == [("close", again, due, 0, None)]


async def test_a_ticket_in_use_is_neither_waited_for_nor_forgotten(floor: Floor) -> None:
    queue = await floor.queue("general")
    busy, free = await floor.ticket(queue), await floor.ticket(queue)
    for ticket in (busy, free):
        await resolve(floor, ticket)
    floor.later(days=4)
    async with floor.db.transaction() as tx:
        await tx.driver.execute("SELECT 1 FROM tickets WHERE id = $1 FOR NO KEY UPDATE", busy)
        await asyncio.wait_for(handle_due(floor.db, now=floor.now), 5)
        assert [(await floor.row("tickets", t))["status"] for t in (busy, free)] == ["resolved", "closed"]
    floor.later(seconds=1)
    await handle_due(floor.db, now=floor.now)
    assert (await floor.row("tickets", busy))["status"] == "closed"


async def test_an_overdue_promise_is_broken_visibly_whoever_made_it(floor: Floor) -> None:
    queue = await floor.queue("general")
    ticket, spam = await floor.ticket(queue), await floor.ticket(queue, status="spam")
    late = await floor.put("promises", ticket_id=ticket, kind="first_reply", due_at=floor.now + timedelta(hours=1))
    kept = await floor.put("promises", ticket_id=ticket, kind="next_action", due_at=floor.now, state="kept")
    hidden = await floor.put("promises", ticket_id=spam, kind="first_reply", due_at=floor.now)
    await handle_due(floor.db, now=floor.now)
    assert await floor.events() == []
    floor.later(hours=1)
    for _ in range(2):
        await handle_due(floor.db, now=floor.now)
    assert [(await floor.row("promises", p))["state"] for p in (late, kept, hidden)] == ["broken", "kept", "open"]
    row = await floor.row("tickets", ticket)
    assert (row["attention"], row["version"]) == ("promise_broken", 2)
    about = {"promise_id": ids.encode("promise", late), "kind": "first_reply", "due_at": floor.now.isoformat()}
    assert await floor.events(ticket) == [
        ("promise.broken", about),
        ("ticket.attention", {"reason": "promise_broken"}),
    ]
    assert await floor.events(spam) == []


async def test_a_promise_with_a_later_date_is_not_broken_on_the_old_one(floor: Floor) -> None:
    ticket = await floor.ticket(await floor.queue("general"))
    later = floor.now + timedelta(days=1)
    promise = await floor.put("promises", ticket_id=ticket, kind="first_reply", due_at=later)
    await set_due(floor, "promise", promise)
    await handle_due(floor.db, now=floor.now)
    assert await left(floor) == [("promise", promise, later, 0, None)]


async def test_thousands_due_at_once_are_handled_in_bounded_batches_once_each(floor: Floor) -> None:
    subjects, seen, sizes = [floor.id() for _ in range(2_200)], list[UUID](), list[int]()
    await set_due(floor, "snooze", *subjects)
    await set_due(floor, "snooze", floor.id(), at=floor.now + timedelta(seconds=1))

    async def handler(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        sizes.append(len(due))
        return await noting(seen)(tx, due, now)

    async def loop() -> None:
        while await handle_due(floor.db, {"snooze": handler}, now=floor.now):
            pass

    await asyncio.gather(loop(), loop(), loop())
    assert sorted(seen) == sorted(subjects), "each once, also with three loops"
    assert max(sizes) <= 500
    assert len(await left(floor)) == 1


async def test_a_thousand_due_at_once_are_handled_in_one_pass(floor: Floor) -> None:
    subjects, seen = [floor.id() for _ in range(1_000)], list[UUID]()
    await set_due(floor, "snooze", *subjects)
    assert not await handle_due(floor.db, {"snooze": noting(seen)}, now=floor.now), "nothing is left for another"
    assert sorted(seen) == sorted(subjects)
    assert await left(floor) == []


async def test_a_poisoned_timer_waits_longer_each_time_and_the_others_go_on(floor: Floor) -> None:
    poison, others, seen = floor.id(), [floor.id() for _ in range(30)], list[UUID]()
    await set_due(floor, "snooze", *others[:15], poison, *others[15:])

    async def handler(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        if poison in {timer.subject_id for timer in due}:
            raise KeyError("a name that must not be stored")
        return await noting(seen)(tx, due, now)

    await handle_due(floor.db, {"snooze": handler}, now=floor.now)
    assert sorted(seen) == sorted(others)
    began = floor.now
    assert await left(floor) == [("snooze", poison, began + timedelta(seconds=10), 1, "KeyError")]
    floor.later(seconds=10)
    await handle_due(floor.db, {"snooze": handler}, now=floor.now)
    assert await left(floor) == [("snooze", poison, floor.now + timedelta(seconds=20), 2, "KeyError")]


async def test_a_kind_that_always_fails_does_not_hold_up_the_others_or_storm(floor: Floor) -> None:
    tries = 0

    async def broken(tx: Tx, due: Sequence[Timer], now: datetime) -> Collection[UUID]:
        nonlocal tries
        tries += 1
        raise ZeroDivisionError

    seen: list[UUID] = []
    await set_due(floor, "broken", *(floor.id() for _ in range(400)))
    await set_due(floor, "snooze", floor.id())
    handlers = {"broken": broken, "snooze": noting(seen)}
    await handle_due(floor.db, handlers, now=floor.now)
    assert len(seen) == 1
    assert 1 < tries < 60
    assert {row[4] for row in await left(floor)} == {"ZeroDivisionError"}
    tries = 0
    await handle_due(floor.db, handlers, now=floor.now)
    assert tries == 0, "none of them is due before its time"


async def test_setting_again_moves_and_cancelling_takes_away(floor: Floor) -> None:
    one, two = floor.id(), floor.id()
    await set_due(floor, "snooze", one, two)
    await set_due(floor, "snooze", one, at=floor.now + timedelta(hours=1))
    async with floor.db.transaction() as tx:
        await timers.cancel(tx, "snooze", [two, floor.id()])
    assert [(row[1], row[2]) for row in await left(floor)] == [(one, floor.now + timedelta(hours=1))]
    assert set(HANDLERS) == {"close", "promise", "clock"}
