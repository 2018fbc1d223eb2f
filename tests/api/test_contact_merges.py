"""Merging people and undoing it: nothing is lost, also what came in meanwhile, in whatever order and at once."""

import asyncio
from uuid import UUID

import httpx

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_contacts import ANY, contact_of
from tests.api.test_problems import problem


async def boss_of(desk: Desk) -> httpx.AsyncClient:
    return await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))


async def tickets_of(client: httpx.AsyncClient, contact: str) -> set[str]:
    answer = await client.get(f"/v1/tickets?contact={contact}")
    return {one["id"] for one in answer.json()["data"]}


async def merged(client: httpx.AsyncClient, survivor: str, source: str) -> str:
    answer = await client.post(f"/v1/contacts/{survivor}/merges", json={"source_id": source}, headers=ANY)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def test_a_merged_person_has_everything_and_gives_it_back_with_what_came_since(desk: Desk) -> None:
    boss = await boss_of(desk)
    work, home = await desk.ticket(address="ada@work.example"), await desk.ticket(address="ada@home.example")
    at_work, at_home = await contact_of(desk, work), await contact_of(desk, home)
    await boss.patch(f"/v1/contacts/{at_home}", json={"tier": "vip", "note": "rings late"}, headers=ANY)
    await boss.patch(f"/v1/contacts/{at_work}", json={"name": "Ada", "note": "deaf"}, headers=ANY)
    version = (await boss.get(f"/v1/contacts/{at_work}")).headers["etag"]

    made = await boss.post(f"/v1/contacts/{at_work}/merges", json={"source_id": at_home}, headers={"if-match": version})
    assert made.status_code == 201, made.text
    assert made.json()["filled"] == ["note", "tier"]
    problem(
        await boss.post(f"/v1/contacts/{at_work}/merges", json={"source_id": at_home}, headers={"if-match": version}),
        412,
        "stale",
    )

    one = (await boss.get(f"/v1/contacts/{at_work}")).json()
    assert (one["name"], one["tier"], one["note"]) == ("Ada", "vip", "deaf\n\nrings late")
    assert {each["address"] for each in one["identities"]} == {"ada@work.example", "ada@home.example"}
    assert await tickets_of(boss, at_work) == {work, home}
    gone = (await boss.get(f"/v1/contacts/{at_home}")).json()
    assert (gone["merged_into"], gone["identities"]) == (at_work, [])
    problem(await boss.patch(f"/v1/contacts/{at_home}", json={"name": "x"}, headers=ANY), 422, "contact_merged")

    since = await desk.ticket("Still no parcel", address="ada@home.example")
    assert await tickets_of(boss, at_work) == {work, home, since}
    await boss.patch(f"/v1/contacts/{at_work}", json={"tier": "gold"}, headers=ANY)

    undone = await boss.delete(f"{made.headers['location']}", headers=ANY)
    assert undone.status_code == 200, undone.text
    assert await tickets_of(boss, at_home) == {home, since}
    assert await tickets_of(boss, at_work) == {work}
    one, other = [(await boss.get(f"/v1/contacts/{each}")).json() for each in (at_work, at_home)]
    assert (one["tier"], one["note"]) == ("gold", "deaf"), "what somebody changed since stays"
    assert (other["merged_into"], other["tier"], other["note"]) == (None, "vip", "rings late")
    problem(await boss.delete(f"{made.headers['location']}", headers=ANY), 422, "not_merged")
    listed = (await boss.get(f"/v1/contacts/{at_home}/merges")).json()["data"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    await merged(boss, at_work, at_home)


async def test_chains_are_undone_in_either_order_and_nobody_goes_round_in_circles(desk: Desk) -> None:
    boss = await boss_of(desk)
    tickets = [await desk.ticket(address=f"ada{n}@customer.example") for n in range(3)]
    a, b, c = [await contact_of(desk, ticket) for ticket in tickets]

    for first, second in ((0, 1), (1, 0)):
        merges = [(b, await merged(boss, b, a)), (c, await merged(boss, c, b))]
        assert await tickets_of(boss, c) == set(tickets)
        problem(await boss.post(f"/v1/contacts/{a}/merges", json={"source_id": c}, headers=ANY), 422, "contact_merged")
        problem(await boss.post(f"/v1/contacts/{c}/merges", json={"source_id": c}, headers=ANY), 422, "same_contact")
        for survivor, merge in (merges[first], merges[second]):
            answer = await boss.delete(f"/v1/contacts/{survivor}/merges/{merge}", headers=ANY)
            assert answer.status_code == 200, answer.text
        for contact, ticket in zip((a, b, c), tickets, strict=True):
            assert await tickets_of(boss, contact) == {ticket}


async def test_an_address_that_was_detached_meanwhile_stays_where_it_is(desk: Desk) -> None:
    boss = await boss_of(desk)
    work, home = await desk.ticket(address="ada@work.example"), await desk.ticket(address="ada@home.example")
    at_work, at_home = await contact_of(desk, work), await contact_of(desk, home)
    merge = await merged(boss, at_work, at_home)
    [moved] = [
        one["id"]
        for one in (await boss.get(f"/v1/contacts/{at_work}")).json()["identities"]
        if one["address"] == "ada@home.example"
    ]
    third = await boss.post(f"/v1/contacts/{at_work}/identities/{moved}/detachments", headers=ANY)

    assert (await boss.delete(f"/v1/contacts/{at_work}/merges/{merge}", headers=ANY)).status_code == 200

    assert await tickets_of(boss, third.json()["id"]) == {home}
    assert await tickets_of(boss, at_home) == set()


async def test_both_ways_at_once_one_of_them_happens(desk: Desk) -> None:
    boss = await boss_of(desk)
    for n in range(4):
        tickets = [await desk.ticket(address=f"{side}{n}@customer.example") for side in "ab"]
        a, b = [await contact_of(desk, ticket) for ticket in tickets]
        answers = await asyncio.gather(
            *(
                boss.post(f"/v1/contacts/{one}/merges", json={"source_id": other}, headers=ANY)
                for one, other in ((a, b), (b, a), (a, b))
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 422, 422], [x.text for x in answers]
        [winner] = [answer.json()["survivor_id"] for answer in answers if answer.status_code == 201]
        assert await tickets_of(boss, winner) == set(tickets)


async def test_merging_while_mail_comes_in_loses_nothing(desk: Desk) -> None:
    """Mergers lock identities as intake does: in the order of their ids, and before the contacts."""
    boss = await boss_of(desk)
    tickets = [await desk.ticket(address=f"ada{n}@customer.example") for n in range(4)]
    people = [await contact_of(desk, ticket) for ticket in tickets]

    async def mail(n: int) -> None:
        for _ in range(8):
            async with desk.db.transaction() as tx:
                await tx.driver.execute(
                    "SELECT id FROM identities WHERE address = ANY($1) ORDER BY id FOR NO KEY UPDATE",
                    [f"ada{each % 4}@customer.example" for each in (n, n + 1)],
                )
                await tx.driver.execute(
                    "UPDATE identities SET acks = acks + 1 WHERE address = $1", f"ada{n % 4}@customer.example"
                )

    async def to_and_fro(survivor: str, source: str) -> None:
        for _ in range(4):
            made = await boss.post(f"/v1/contacts/{survivor}/merges", json={"source_id": source}, headers=ANY)
            assert made.status_code == 201, made.text
            undone = await boss.delete(made.headers["location"], headers=ANY)
            assert undone.status_code == 200, undone.text

    await asyncio.gather(to_and_fro(people[0], people[1]), to_and_fro(people[3], people[2]), *map(mail, range(4)))

    assert [await tickets_of(boss, one) for one in people] == [{ticket} for ticket in tickets]
    assert desk.db.deadlocks == 0


async def test_one_merges_only_whom_one_sees(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    mine = await contact_of(desk, await desk.ticket(address="mine@customer.example", queue_id=cards))
    other = await contact_of(desk, await desk.ticket(address="other@customer.example", queue_id=loans))

    problem(await olga.post(f"/v1/contacts/{mine}/merges", json={"source_id": other}, headers=ANY), 404, "not_found")
    problem(await olga.post(f"/v1/contacts/{mine}/merges", json={"source_id": mine}), 428, "if_match_required")
    merge = await merged(await boss_of(desk), mine, other)
    assert (await olga.get(f"/v1/contacts/{other}")).json()["merged_into"] == mine, "now he is somebody whom she sees"
    stranger = ids.encode("contact_merge", UUID(int=7))
    problem(await olga.delete(f"/v1/contacts/{mine}/merges/{stranger}", headers=ANY), 404, "not_found")
    assert (await olga.delete(f"/v1/contacts/{mine}/merges/{merge}", headers=ANY)).status_code == 200
