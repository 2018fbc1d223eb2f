"""Lists of tickets, who is here, and parked arrivals."""

import re
from datetime import timedelta

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.web.conftest import Browser, Console


def listed(browser: Browser) -> list[str]:
    return re.findall(r'<a class="subject" href="/desk/tickets/(\w+)"', browser.page.text)


async def test_each_view_shows_its_tickets_and_says_when_there_are_none(desk: Console) -> None:
    olga_id, olga = await desk.agent("Olga")
    mine = await desk.api.ticket("Mine", assignee_id=olga_id, status="open")
    waiting = await desk.api.ticket("Waits", urgency="critical", attention="promise_broken")
    pending = await desk.api.ticket("Pending", status="pending", waiting_since=None)
    spam = await desk.api.ticket("Spam", status="spam")
    wanted = {"mine": {mine}, "waiting": {waiting}, "open": {mine, waiting}, "pending": {pending}, "spam": {spam}}
    for view, tickets in wanted.items():
        await olga.open(f"/desk?view={view}")
        assert set(listed(olga)) == tickets, view
    await olga.open("/desk?view=resolved")
    assert "Nothing has been resolved yet." in olga.words

    await olga.open("/desk?view=waiting")
    assert re.search(r"Mine 1 Unassigned 1", olga.words)
    assert "The promised date has passed" in olga.words
    assert "Critical" in olga.words
    assert "nobody" in olga.words


async def test_a_long_list_is_read_page_by_page_without_gap_or_repeat(desk: Console) -> None:
    _, olga = await desk.agent("Olga")
    at = desk.api.now() - timedelta(hours=3)
    tickets = [await desk.api.ticket(f"No {n}", created_at=at + timedelta(seconds=n // 3)) for n in range(105)]
    seen: list[str] = []
    url: str | None = "/desk?view=waiting"
    while url:
        await olga.open(url)
        seen += listed(olga)
        found = re.search(r'href="([^"]+)" rel="next"', olga.page.text)
        url = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == 105
    assert set(seen) == set(tickets)
    await olga.open("/desk?view=waiting&after=nonsense")
    assert len(listed(olga)) == 50, "a place that is none begins anew"


async def test_a_number_or_an_address_finds_the_ticket(desk: Console) -> None:
    _, olga = await desk.agent("Olga")
    ticket = await desk.writes("Where is my order?")
    other = await desk.writes("Hello", thread="two", address="maria@customer.example")
    number = (await desk.read(ticket))["number"]

    await olga.open(f"/desk?q={number[:3]}-{number[3:]}")
    assert olga.page.url.path == f"/desk/tickets/{ticket}", "a whole number leads there at once"
    await olga.open(f"/desk?q={number[:4]}")
    assert ticket in listed(olga)
    await olga.open("/desk?q=Maria@customer.example")
    assert listed(olga) == [other]
    for nothing in ("hello world", "0", "nobody@customer.example"):
        await olga.open(f"/desk?q={nothing}")
        assert "Nothing found." in olga.words


async def test_one_queue_at_a_time_of_those_that_one_sees(desk: Console) -> None:
    other = await desk.api.another_queue("Payments")
    _, olga = await desk.agent("Olga")
    _, boss = await desk.agent("Boss", role=Role.SUPERVISOR)
    here = await desk.api.ticket("Here")
    there = await desk.api.ticket("There", queue_id=other)
    await boss.open(f"/desk?view=open&queue={ids.encode('queue', other)}")
    assert listed(boss) == [there]
    await olga.open(f"/desk?view=open&queue={ids.encode('queue', other)}")
    assert listed(olga) == []
    await olga.open("/desk?view=open&queue=nonsense")
    assert listed(olga) == [here]


async def test_an_agent_says_that_he_is_here_and_the_frame_keeps_saying_so(desk: Console) -> None:
    agent_id, olga = await desk.agent("Olga")
    await olga.open("/desk/presence")
    assert 'http-equiv="refresh"' in olga.page.text
    await olga.send("/desk/presence", {"status": "online"})
    assert re.search(r'value="online"[^>]*aria-pressed="true"', olga.page.text)
    me = await olga.http.get(f"/v1/agents/{ids.encode('agent', agent_id)}")
    assert me.json()["status"] == "online"

    async def seen_at() -> object:
        async with desk.api.db.connection() as tx:
            return await tx.driver.fetchval("SELECT seen_at FROM agents WHERE id = $1", agent_id)

    before = await seen_at()
    desk.api.later(seconds=60)
    await olga.open("/desk/presence")
    assert await seen_at() != before
    assert (await olga.send("/desk/presence", {"status": "asleep"})).status_code == 422


async def test_a_supervisor_decides_about_parked_messages(desk: Console) -> None:
    await desk.writes("Hello")
    _, boss = await desk.agent("Boss", role=Role.SUPERVISOR)
    async with desk.api.db.connection() as tx:
        await tx.driver.execute("UPDATE arrivals SET state = 'held', reason = 'looks like spam'")
        arrival = ids.encode("arrival", await tx.driver.fetchval("SELECT id FROM arrivals"))
    await boss.open("/desk")
    assert "Parked 1" in boss.words
    await boss.open("/desk/parked")
    assert "looks like spam" in boss.words
    release = boss.hidden(f"/desk/parked/{arrival}/release")
    await boss.send(f"/desk/parked/{arrival}/release")
    assert "It is let through." in boss.words
    assert "Nothing is parked" in boss.words
    twice = await boss.send(f"/desk/parked/{arrival}/release", hidden=release)
    assert twice.status_code == 422
    assert "already decided" in boss.words
