"""Who may export and erase people, and that a dead worker's piece is done by the next."""

from omnidesk.desk import erasures
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_contacts import ANY, contact_of
from tests.api.test_problems import problem


async def test_a_person_is_exported_and_erased_only_by_who_sees_everything(desk: Desk) -> None:
    cards = await desk.another_queue("cards")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    contact = await contact_of(desk, await desk.ticket(queue_id=cards))
    url = f"/v1/contacts/{contact}"

    problem(await olga.post(f"{url}/erasures", headers=ANY), 403, "needs_all_queues")
    problem(await olga.get(f"{url}/export"), 403, "needs_all_queues")
    problem(await olga.get("/v1/erasures"), 403, "needs_all_queues")
    reader = await desk.key("contacts:read", "tickets:read")
    problem(await reader.post(f"{url}/erasures", headers=ANY), 403, "missing_scope")
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    problem(await boss.post(f"{url}/erasures"), 428, "if_match_required")
    problem(await boss.post(f"{url}/erasures", headers={"if-match": '"99"'}), 412, "stale")
    exported = await reader.get(f"{url}/export")
    assert exported.headers["content-disposition"] == f'attachment; filename="{contact}.json"'
    assert [one["address"] for one in exported.json()["identity"]] == ["ivan@customer.example"]


async def test_pieces_are_small_and_whoever_comes_next_goes_on(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket("A secret", address="ivan@customer.example")
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            """
            INSERT INTO messages (id, conversation_id, direction, author, identity_id, text, at)
            SELECT gen_random_uuid(), m.conversation_id, 'in', 'requester', m.identity_id, 'A secret', now()
              FROM messages AS m, generate_series(1, $1::int)
            """,
            erasures.MESSAGES + 50,
        )
    contact = await contact_of(desk, ticket)
    asked = await boss.post(f"/v1/contacts/{contact}/erasures", headers=ANY)
    assert asked.json()["state"] == "running"
    at_once = (await boss.get(f"/v1/contacts/{contact}")).json()
    assert (at_once["name"], at_once["identities"][0]["address"][:7]) == ("", "erased:")
    problem(await boss.patch(f"/v1/contacts/{contact}", json={"name": "Ivan"}, headers=ANY), 422, "contact_erased")

    pieces = 0
    while await erasures.step(desk.db, desk.parts.files):
        pieces += 1
        async with desk.db.connection() as tx:
            left = await tx.driver.fetchval("SELECT count(*) FROM messages WHERE text <> ''")
        assert left in {erasures.MESSAGES + 51, 51, 0}, "no piece is larger than it may be"

    assert pieces > 4
    certificate = (await boss.get(asked.headers["location"])).json()
    assert (certificate["state"], certificate["counts"]["messages"]) == ("done", erasures.MESSAGES + 51)
    assert [one["id"] for one in (await boss.get("/v1/erasures")).json()["data"]] == [certificate["id"]]
    async with desk.db.connection() as tx:
        assert await tx.driver.fetchval("SELECT keys FROM erasures") == {}
