"""Inboxes that fetch: who watches them, and what they show when it does not work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

import tests.plain
from omnidesk.channels import base
from omnidesk.db.inboxes import Inbox
from omnidesk.desk import inboxes, watches
from omnidesk.desk.inboxes import Channels, Wish
from omnidesk.desk.watches import Watches
from omnidesk.domain.messages import Arrival, Item
from omnidesk.domain.people import SYSTEM
from tests.desk.conftest import Intaking

HERE: set[str] = set()  # accounts that are being watched
CURSORS: list[tuple[str, int]] = []  # where each watch began
WAITING: dict[str, list[str]] = {}  # account -> letters that wait there
TROUBLE: dict[str, Exception] = {}  # account -> what its next watches meet
MISSING: dict[str, str] = {}  # account -> what its platform has and does not give


class Config(base.InboxConfig):
    account: str

    def realm(self) -> str:
        return self.account


@base.register("fetching", title="Fetching", config=Config)
class FetchingChannel:
    """A platform that hands out letters by number, to one who asks."""

    def __init__(self, config: Config, tools: base.Tools) -> None:
        self._account = config.account

    def read(self, arrival: Arrival) -> list[Item]:
        return []

    async def watch(self, cursor: Mapping[str, Any], deliver: base.Deliver) -> None:
        CURSORS.append((self._account, cursor.get("at", 0)))
        if self._account in TROUBLE:
            raise TROUBLE[self._account]
        assert self._account not in HERE, "watched twice at once"
        HERE.add(self._account)
        try:
            await self._fetch(int(cursor.get("at", 0)), deliver)
        finally:
            HERE.discard(self._account)

    async def _fetch(self, at: int, deliver: base.Deliver) -> None:
        while True:
            letters = list(WAITING.get(self._account, []))
            if at < len(letters):
                came = [tests.plain.arrival("ivan", text, id=f"{n}") for n, text in enumerate(letters[at:], at)]
                missing = {"missing": MISSING[self._account]} if self._account in MISSING else {}
                await deliver(came, {"at": len(letters)} | missing)
                at = len(letters)
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in (HERE, CURSORS, WAITING, TROUBLE, MISSING):
        known.clear()
    monkeypatch.setattr(watches, "RENEW_S", 0.05)
    monkeypatch.setattr(watches, "FIRST_PAUSE_S", 0.05)


async def an_inbox(desk: Intaking, account: str) -> UUID:
    inbox_id = uuid4()
    wish = Wish(name=account, config={"account": account})
    await inboxes.create(desk.db, desk.channels, desk.vault, "fetching", wish, SYSTEM, inbox_id=inbox_id)
    return inbox_id


async def change(desk: Intaking, inbox_id: UUID, wish: Wish) -> Inbox:
    return await inboxes.update(desk.db, desk.channels, desk.vault, inbox_id, wish, SYSTEM, now=datetime.now(UTC))


@asynccontextmanager
async def watching(desk: Intaking, channels: Channels | None = None) -> AsyncIterator[None]:
    """A worker that watches, until the block ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(Watches(desk.db, channels or desk.channels, desk.door, look_s=0.02).run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


async def eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(15):
        while True:
            if found := await ask():
                return found
            await asyncio.sleep(0.02)


async def count(desk: Intaking) -> int:
    return int(await desk.value("SELECT count(*) FROM arrivals"))


async def state(desk: Intaking, inbox_id: UUID) -> tuple[str, str | None]:
    row = (await desk.rows("SELECT receive_state, receive_error FROM inboxes WHERE id = $1", inbox_id))[0]
    return row["receive_state"], row["receive_error"]


async def test_what_waits_arrives_once_and_a_restart_goes_on_where_it_ended(desk: Intaking) -> None:
    await an_inbox(desk, "a@x")
    WAITING["a@x"] = ["one", "two"]
    async with watching(desk):
        await eventually(lambda: _same(count(desk), 2))
    WAITING["a@x"].append("three")
    async with watching(desk):
        await eventually(lambda: _same(count(desk), 3))
    assert CURSORS == [("a@x", 0), ("a@x", 2)]


async def _same(asked: Awaitable[Any], wanted: Any) -> bool:
    return bool(await asked == wanted)


async def test_of_two_workers_one_watches_and_the_other_takes_over(desk: Intaking) -> None:
    await an_inbox(desk, "a@x")
    async with watching(desk):
        async with watching(desk):
            await eventually(lambda: _is_watched("a@x"))
            await asyncio.sleep(0.3)  # both have looked several times; the channel itself refuses to be watched twice
            assert len(CURSORS) == 1
        await eventually(lambda: _is_watched("a@x"))
    assert "a@x" not in HERE


async def _is_watched(account: str) -> bool:
    return account in HERE


async def test_new_and_paused_and_changed_inboxes_are_noticed(desk: Intaking) -> None:
    async with watching(desk):
        inbox_id = await an_inbox(desk, "a@x")
        await eventually(lambda: _is_watched("a@x"))
        await change(desk, inbox_id, Wish(paused=True))
        await eventually(lambda: _same(_is_watched("a@x"), False))
        await change(desk, inbox_id, Wish(paused=False))
        await eventually(lambda: _is_watched("a@x"))
        await change(desk, inbox_id, Wish(config={"account": "b@x"}))
        await eventually(lambda: _is_watched("b@x"))
        assert "a@x" not in HERE


async def test_refused_credentials_are_shown_with_an_event_until_there_are_new_ones(desk: Intaking) -> None:
    TROUBLE["a@x"] = base.NeedsReauth("the server refuses the sign-in")
    inbox_id = await an_inbox(desk, "a@x")
    async with watching(desk):
        await eventually(lambda: _same(state(desk, inbox_id), ("needs_reauth", "the server refuses the sign-in")))
        await asyncio.sleep(0.3)
        assert len(CURSORS) == 1  # not tried again and again: the account would be locked
        await change(desk, inbox_id, Wish(config={"account": "b@x"}))
        await eventually(lambda: _is_watched("b@x"))
        assert await state(desk, inbox_id) == ("ok", None)
    told = await desk.rows("SELECT data->>'state' AS state FROM events WHERE type = 'inbox.health_changed' ORDER BY id")
    assert [row["state"] for row in told] == ["needs_reauth"]


async def test_other_troubles_are_shown_tried_again_and_over_with_the_next_letter(desk: Intaking) -> None:
    TROUBLE["a@x"] = ConnectionRefusedError("secret words of the server")
    inbox_id = await an_inbox(desk, "a@x")
    async with watching(desk):
        shown = await eventually(lambda: _when(state(desk, inbox_id), lambda now: now[0] == "failing"))
        assert "ConnectionRefusedError" in shown[1]
        assert "secret" not in shown[1]
        del TROUBLE["a@x"]
        WAITING["a@x"] = ["one"]
        await eventually(lambda: _same(count(desk), 1))
        assert await state(desk, inbox_id) == ("ok", None)
    told = await desk.rows("SELECT data->>'state' AS state FROM events WHERE type = 'inbox.health_changed' ORDER BY id")
    assert [row["state"] for row in told] == ["failing", "ok"]


async def test_what_the_platform_does_not_give_is_shown_until_it_is_there(desk: Intaking) -> None:
    inbox_id = await an_inbox(desk, "a@x")
    WAITING["a@x"], MISSING["a@x"] = ["one"], "INBOX 17,20-22"
    async with watching(desk):
        await eventually(lambda: _same(state(desk, inbox_id), ("failing", "INBOX 17,20-22")))
        WAITING["a@x"].append("two")
        await eventually(lambda: _same(count(desk), 2))
        assert await state(desk, inbox_id) == ("failing", "INBOX 17,20-22")
        del MISSING["a@x"]
        WAITING["a@x"].append("seventeen")
        await eventually(lambda: _same(count(desk), 3))
        assert await state(desk, inbox_id) == ("ok", None)
    told = await desk.rows("SELECT data->>'state' AS state FROM events WHERE type = 'inbox.health_changed' ORDER BY id")
    assert [row["state"] for row in told] == ["failing", "ok"]


async def _when(asked: Awaitable[Any], good: Callable[[Any], bool]) -> Any:
    found = await asked
    return found if good(found) else None
