"""Messages after they were written: changed, taken back, sent again; and what became of them, step by step."""

import asyncio
from typing import Any

import httpx

from omnidesk.db import deliveries
from omnidesk.desk import settle
from omnidesk.desk.feed import number_batch
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_contacts import ANY
from tests.api.test_problems import problem


async def reads(desk: Desk, delivery: str, state: str, error: str | None = None) -> None:
    """The deliverer writes how the delivery's calls ended."""
    delivery_id = ids.decode("delivery", delivery)
    async with desk.db.transaction() as tx:
        await deliveries.lock_tickets(tx, [delivery_id])
        await tx.driver.execute(
            "UPDATE outbox SET state = $2, error = $3, attempts = attempts + 1 WHERE subject_id = $1",
            delivery_id,
            state,
            error,
        )
        await settle.tell(tx, await deliveries.refresh(tx, [delivery_id]))


async def noted(client: httpx.AsyncClient, ticket: str, text: str) -> str:
    answer = await client.post(f"/v1/tickets/{ticket}/notes", json={"text": text})
    assert answer.status_code == 201, answer.text
    return f"/v1/messages/{answer.json()['id']}"


async def test_a_note_is_changed_by_its_author_and_what_it_said_is_kept(desk: Desk) -> None:
    queue = await desk.queue()
    olga = await desk.signed_in(await desk.agent("Olga", queues=(queue,)))
    petr = await desk.signed_in(await desk.agent("Petr", queues=(queue,)))
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    note = await noted(olga, await desk.ticket(), "He owes us much")
    read = await olga.get(note)
    same = await olga.get(note, headers={"if-none-match": read.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")

    problem(await petr.patch(note, json={"text": "x"}, headers=ANY), 403, "not_the_author")
    problem(await olga.patch(note, json={"text": "x"}), 428, "if_match_required")
    changed = await olga.patch(note, json={"text": "He owes us 5"}, headers={"if-match": read.headers["etag"]})
    problem(await olga.patch(note, json={"text": "y"}, headers={"if-match": read.headers["etag"]}), 412, "stale")
    problem(await olga.patch(note, json={"text": " "}, headers=ANY), 422, "invalid")
    assert (changed.json()["text"], changed.json()["edited_at"] is None) == ("He owes us 5", False)
    assert (await boss.patch(note, json={"text": "Settled"}, headers=ANY)).status_code == 200
    told = (await petr.get(f"{note}/revisions")).json()["data"]
    assert [one["text"] for one in told] == ["He owes us 5", "He owes us much"]
    assert all(one["actor"].startswith("agent:") for one in told)

    gone = await olga.delete(note, headers=ANY)
    assert (gone.json()["text"], gone.json()["deleted_at"] is None) == ("", False)
    problem(await olga.delete(note, headers=ANY), 410, "message_deleted")
    problem(await petr.get(f"{note}/revisions"), 410, "message_deleted")
    kept = (await boss.get(f"{note}/revisions")).json()["data"]
    assert [one["text"] for one in kept] == ["Settled", "He owes us 5", "He owes us much"]
    await number_batch(desk.db)
    types = [one["type"] for one in (await boss.get("/v1/events?types=note.edited,note.deleted")).json()["data"]]
    assert types == ["note.edited", "note.edited", "note.deleted"]


async def test_nobody_changes_what_he_may_not_see_or_did_not_write(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    ticket = await desk.ticket(queue_id=loans)
    note = await noted(boss, ticket, "hidden")
    for answer in (
        await olga.patch(note, json={"text": "x"}, headers=ANY),
        await olga.delete(note, headers=ANY),
        await olga.get(f"{note}/revisions"),
        await olga.get(f"{note}/deliveries"),
    ):
        problem(answer, 404, "not_found")
    [theirs] = [
        one["id"]
        for one in (await boss.get(f"/v1/tickets/{ticket}/timeline")).json()["data"]
        if one.get("direction") == "in"
    ]
    problem(await boss.patch(f"/v1/messages/{theirs}", json={"text": "x"}, headers=ANY), 422, "not_editable")
    problem(await boss.delete(f"/v1/messages/{theirs}", headers=ANY), 422, "not_editable")


async def test_an_answer_that_has_not_left_is_taken_back_and_never_leaves(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    answer = await boss.post(f"/v1/tickets/{await desk.ticket()}/replies", json={"text": "Oops"})
    message = f"/v1/messages/{answer.json()['id']}"

    problem(
        await boss.patch(message, json={"text": "Tell me your password"}, headers=ANY), 422, "secret_request_blocked"
    )
    assert (await boss.delete(message, headers=ANY)).status_code == 200

    async with desk.db.connection() as tx:
        assert [row["state"] for row in await tx.driver.fetch("SELECT state FROM outbox")] == ["rejected"]
    delivery = answer.json()["deliveries"][0]["id"]
    problem(await boss.post(f"/v1/deliveries/{delivery}/resend"), 410, "message_deleted")


async def test_the_way_of_a_message_is_told_step_by_step(desk: Desk) -> None:
    olga_id = await desk.agent("Olga", Role.SUPERVISOR)
    olga = await desk.signed_in(olga_id)
    ticket = await desk.ticket()
    answer = await olga.post(f"/v1/tickets/{ticket}/replies", json={"text": "On its way."})
    message, delivery = f"/v1/messages/{answer.json()['id']}", answer.json()["deliveries"][0]["id"]
    resend, who = f"/v1/deliveries/{delivery}/resend", f"agent:{ids.encode('agent', olga_id)}"

    problem(await olga.post(resend), 409, "already_sending")
    await reads(desk, delivery, "deferred", "the address for replies answered 503")
    problem(await olga.post(resend), 409, "already_sending")
    await reads(desk, delivery, "unknown", "The call was begun and its answer was lost.")
    [troubled] = (await olga.get("/v1/deliveries")).json()["data"]
    assert (troubled["id"], troubled["ticket_id"], troubled["state"]) == (delivery, ticket, "unknown")
    assert (await olga.get("/v1/deliveries?state=bounced")).json()["data"] == []
    problem(await olga.get("/v1/deliveries?state=sent"), 400, "bad_parameter")

    clicks = await asyncio.gather(*(olga.post(resend) for _ in range(3)))
    assert sorted(click.status_code for click in clicks) == [200, 409, 409], "of three at once one is done"
    await reads(desk, delivery, "unknown", "The call was begun and its answer was lost.")
    assert (await olga.post(f"/v1/deliveries/{delivery}/arrived")).status_code == 200
    problem(await olga.post(resend), 422, "not_resendable")

    [told] = (await olga.get(f"{message}/deliveries")).json()["data"]
    assert [(step["what"], step["actor"]) for step in told["history"]] == [
        ("queued", who),
        ("deferred", "system"),
        ("unknown", "system"),
        ("resent", who),
        ("unknown", "system"),
        ("confirmed", who),
    ]
    assert told["history"][1]["reason"] == "the address for replies answered 503"
    assert [call["state"] for call in told["calls"]] == ["sent"]
    assert (await olga.get("/v1/deliveries")).json()["data"] == []


async def test_what_did_not_arrive_is_listed_page_by_page_for_who_may_see_it(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    made: list[str] = []
    for queue, state in ((cards, "rejected"), (loans, "unknown"), (cards, "unknown")):
        answer = await boss.post(f"/v1/tickets/{await desk.ticket(queue_id=queue)}/replies", json={"text": "Hello"})
        made.append(answer.json()["deliveries"][0]["id"])
        await reads(desk, made[-1], state, "refused")

    async def listed(client: httpx.AsyncClient, query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page: dict[str, Any] = (await client.get(f"/v1/deliveries?{query}{cursor}")).json()
            found += [one["id"] for one in page["data"]]
            if not page["page"]["has_more"]:
                return found
            cursor = f"&cursor={page['page']['next_cursor']}"

    assert await listed(boss, "limit=1") == made[::-1]
    assert await listed(olga, "limit=1") == [made[2], made[0]]
    assert await listed(boss, "state=unknown") == [made[2], made[1]]
