"""Agents look for tickets by what was said in them."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from omnidesk.desk.feed import number_batch
from omnidesk.desk.search_rows import follow
from omnidesk.domain import ids, numbers
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_lists import walk
from tests.api.test_problems import problem


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found does not depend on how busy this machine is."""
    monkeypatch.setattr("omnidesk.desk.search.TIME_S", 20.0)


async def keeps_up(desk: Desk) -> None:
    """The worker has followed everything that happened."""
    while await number_batch(desk.db):
        pass
    while await follow(desk.db):
        pass


async def found(client: httpx.AsyncClient, words: str, **filters: Any) -> list[str]:
    answer = await client.get("/v1/tickets", params={"q": words, **filters})
    assert answer.status_code == 200, answer.text
    assert answer.json()["page"]["partial"] is False
    return [ticket["id"] for ticket in answer.json()["data"]]


async def note(client: httpx.AsyncClient, ticket: str, text: str) -> None:
    answer = await client.post(f"/v1/tickets/{ticket}/notes", json={"text": text})
    assert answer.status_code == 201, answer.text


async def test_words_are_found_in_every_form_in_russian_and_in_english(desk: Desk) -> None:
    agent = await desk.key()
    russian, english = await desk.ticket("Вопрос"), await desk.ticket("Question")
    await note(agent, russian, "Мне обещали возврат денег за ёлку, а деньги не вернулись.")
    await note(agent, english, "I was promised refunds for two broken bicycles.")
    await keeps_up(desk)

    for words in ("возвраты", "ВОЗВРАТОМ", "елка", "ёлки", "деньгами возврат", "возвр"):
        assert await found(agent, words) == [russian], words
    for words in ("refund", "Refunded", "bicycle broken", "bicyc"):
        assert await found(agent, words) == [english], words
    assert await found(agent, "возврат refund") == [], "all words must be there"
    assert await found(agent, "возврт ") == []


async def test_a_phrase_in_quotes_is_found_only_as_it_stands(desk: Desk) -> None:
    agent = await desk.key()
    bought, painted = await desk.ticket("a"), await desk.ticket("b")
    await note(agent, bought, "Я купил красный велосипед.")
    await note(agent, painted, "Велосипед у меня красный.")
    await keeps_up(desk)

    assert set(await found(agent, "красный велосипед")) == {bought, painted}
    assert await found(agent, '"красный велосипед"') == [bought]
    assert await found(agent, "«велосипед у меня красный»") == [painted]


@pytest.mark.row(82)
@pytest.mark.row(80, part="a spoken number finds its ticket")
async def test_a_number_is_found_whole_in_part_and_as_it_is_dictated(desk: Desk) -> None:
    agent = await desk.key()
    ticket = await desk.ticket("Where is my order?")
    other = await desk.ticket("Another")
    async with desk.db.connection() as tx:
        for each, number in ((ticket, "483920174"), (other, "555000111")):
            await tx.driver.execute("UPDATE tickets SET number = $2 WHERE id = $1", ids.decode("ticket", each), number)
    await keeps_up(desk)
    await note(agent, ticket, "x")
    await note(agent, other, "x")
    await keeps_up(desk)

    for said in ("483920174", "483-920-174", "№ 483 920", "483", "0174", "174"):
        assert await found(agent, said) == [ticket], said
    for language in ("ru", "en"):
        assert await found(agent, numbers.speakable("483920174", language)) == [ticket]
    assert await found(agent, "четыреста восемьдесят три девятьсот двадцать") == [ticket]
    assert await found(agent, "999") == []


async def test_addresses_telephones_and_orders_are_found_however_they_are_written(desk: Desk) -> None:
    agent = await desk.key()
    ada = await desk.ticket("a", address="ada.brown@customer.example")
    ivan = await desk.ticket("b", address="ivan@other.example", facts={"order": "AB-12345"})
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            "INSERT INTO identities (id, kind, address, contact_id)"
            " SELECT gen_random_uuid(), 'phone', '+79161234567', contact_id FROM identities WHERE address LIKE 'ivan@%'"
        )
        await tx.driver.execute(
            "UPDATE tickets SET requester_id = (SELECT id FROM identities WHERE kind = 'phone') WHERE id = $1",
            ids.decode("ticket", ivan),
        )
    await note(agent, ada, "See order 17/204.")
    await note(agent, ivan, "x")
    await keeps_up(desk)

    for words in ("Ada.Brown@customer.example", "ada.brown@cust", "ada.br", "brown", "17/204", "17204"):
        assert await found(agent, words) == [ada], words
    for words in ("8 (916) 123-45-67", "+79161234567", "4567", "ab-12345", "AB 12345", "ab12345", "12345"):
        assert await found(agent, words) == [ivan], words


async def test_what_one_may_not_see_is_not_found(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    everybody, limited = await desk.key(), await desk.key(queue_ids=frozenset({cards}))
    parcels = await desk.another_queue("parcels")
    seen, hidden = await desk.ticket("a", queue_id=cards), await desk.ticket("b", queue_id=parcels)
    for ticket in (seen, hidden):
        await note(everybody, ticket, "Возврат")
    await keeps_up(desk)

    assert set(await found(everybody, "возврат")) == {seen, hidden}
    assert await found(limited, "возврат") == [seen]
    olga = await desk.agent("Olga", Role.AGENT, (cards,))
    assert await found(await desk.signed_in(olga), "возврат") == [seen]


async def test_every_filter_goes_with_it(desk: Desk) -> None:
    agent = await desk.key()
    at = desk.now()
    old = await desk.ticket("a", status="closed", created_at=at - timedelta(days=900))
    new = await desk.ticket("b", urgency="critical", created_at=at - timedelta(minutes=1))
    junk = await desk.ticket("c", status="spam")
    for ticket in (old, new, junk):
        await note(agent, ticket, "возврат")
    await keeps_up(desk)

    assert set(await found(agent, "возврат")) == {new, old}
    assert await found(agent, "возврат", status="spam") == [junk]
    assert await found(agent, "возврат", urgency="critical") == [new]
    assert await found(agent, "возврат", created_before=(at - timedelta(days=1)).isoformat()) == [old]
    assert await found(agent, "возврат", created_after=(at - timedelta(days=1)).isoformat()) == [new]
    answer = await agent.get("/v1/tickets", params={"q": "возврат", "count": "estimate", "include": "last_message"})
    assert answer.json()["page"]["count"] == "2"


async def test_better_ones_stand_first_and_pages_join(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await desk.key()
    at = desk.now()
    several = [await desk.ticket(f"n{n}", created_at=at - timedelta(days=n, minutes=1)) for n in range(9)]
    for ticket in several:
        await note(agent, ticket, "возврат и много других слов о разном")
    named = await desk.ticket("Возврат", created_at=at - timedelta(days=4))
    await keeps_up(desk)

    best = await found(agent, "возврат")
    assert best[0] == named, "in the subject it counts for more"
    assert set(best) == {*several, named}
    for sort in ("relevance", "-created_at"):
        whole = await found(agent, "возврат", sort=sort)
        assert await walk(agent, f"/v1/tickets?q=возврат&sort={sort}&limit=3") == whole
    assert (await found(agent, "возврат", sort="-created_at"))[:2] == several[:2]

    monkeypatch.setattr("omnidesk.api.search.RANKED", 4)  # the newest four are ranked among themselves, then the next
    parts = await walk(agent, "/v1/tickets?q=возврат&limit=3")
    assert sorted(parts) == sorted(best)
    assert set(parts[:4]) == set(several[:4])
    cursor = (await agent.get("/v1/tickets?q=возврат&limit=3")).json()["page"]["next_cursor"]
    problem(await agent.get(f"/v1/tickets?q=деньги&cursor={cursor}"), 400, "bad_cursor")


async def test_when_the_time_is_over_what_was_found_is_the_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await desk.key()
    at = desk.now()
    new, old = await desk.ticket("a"), await desk.ticket("b", created_at=at - timedelta(days=40))
    for ticket in (new, old):
        await note(agent, ticket, "возврат")
    await keeps_up(desk)
    clock = iter([0.0, 0.0, 0.0])  # the third window comes too late
    with monkeypatch.context() as patched:
        patched.setattr("omnidesk.desk.search.monotonic", lambda: next(clock, 99.0))
        answer = (await agent.get("/v1/tickets?q=возврат")).json()

    assert [ticket["id"] for ticket in answer["data"]] == [new]
    assert answer["page"]["partial"] is True
    rest = await agent.get(f"/v1/tickets?q=возврат&cursor={answer['page']['next_cursor']}")
    assert [ticket["id"] for ticket in rest.json()["data"]] == [old]
    assert rest.json()["page"]["partial"] is False


async def test_what_cannot_be_looked_for_is_said(desk: Desk) -> None:
    agent = await desk.key()
    await desk.ticket("a")
    problem(await agent.get("/v1/tickets?q="), 400, "nothing_to_find")
    problem(await agent.get("/v1/tickets?q=%20%E2%80%94!"), 400, "nothing_to_find")
    problem(await agent.get("/v1/tickets?q=и%20не%20"), 400, "nothing_to_find")
    problem(await agent.get("/v1/tickets", params={"q": "слово " * 60}), 400, "query_too_long")
    problem(await agent.get("/v1/tickets?q=слово&sort=updated_at"), 400, "bad_sort")
    problem(await agent.get("/v1/tickets?sort=relevance"), 400, "bad_sort")


@pytest.mark.parametrize(
    "words",
    [
        "a & b | !c",
        "<-> :* '",
        "'; DROP TABLE tickets; --",
        "\\'",
        "(((((",
        "a:*b",
        "\x00",
        "%_",
        "\ud7ff🙂 слово",
        "'" * 299,
    ],
)
async def test_hostile_queries_are_input(desk: Desk, words: str) -> None:
    agent = await desk.key()
    await desk.ticket("a")
    await keeps_up(desk)
    assert (await agent.get("/v1/tickets", params={"q": words})).status_code in {200, 400}


async def test_rows_follow_edits_merged_people_and_what_is_gone(desk: Desk) -> None:
    agent = await desk.key()
    ticket = await desk.ticket("Вопрос", address="ivan@customer.example")
    for subject in ("Старое", "Новое"):
        await agent.patch(f"/v1/tickets/{ticket}", json={"subject": subject}, headers={"if-match": "*"})
        await keeps_up(desk)
        assert await found(agent, subject) == [ticket]
    people = (await agent.get("/v1/contacts?address=ivan@customer.example")).json()["data"]
    await agent.patch(f"/v1/contacts/{people[0]['id']}", json={"name": "Пантелеймон"}, headers={"if-match": "*"})
    await keeps_up(desk)

    assert await found(agent, "старое") == []
    assert await found(agent, "пантелеймон") == [ticket]


async def test_tickets_from_before_get_their_rows_in_batches_that_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnidesk.desk.search_rows.PAGE", 2)
    agent = await desk.key()
    tickets = [await desk.ticket("бегемот") for _ in range(5)]
    async with desk.db.transaction() as tx:
        await tx.driver.execute("DELETE FROM settings WHERE name = 'search'")
    while await number_batch(desk.db):
        pass

    assert await follow(desk.db), "it notes where it begins"
    assert await follow(desk.db)
    assert set(await found(agent, "бегемот")) == set(tickets[-2:]), "the newest first"
    await keeps_up(desk)

    assert set(await found(agent, "бегемот")) == set(tickets)
