"""A person asks what is known of him, then to be forgotten: nothing is left, and nothing comes back."""

import json
from typing import Any

import pytest

from tests.story import Desk, until

ADA, WORDS = "ada.lovelace@customer.example", "My parcel 48213 with the difference engine is broken"
CANARIES = ("lovelace", "difference engine", "engine.txt", "cogwheel", "48213", "Dear Ada")


async def found_in(desk: Desk, words: str) -> list[str]:
    """Where in the database these words are written."""
    tables = await desk.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    found = []
    for table in tables:
        name = table["relname"]
        [row] = await desk.rows(f'SELECT count(*) AS n FROM "{name}" AS r WHERE r::text ILIKE $1', f"%{words}%")
        found += [name] * bool(row["n"])
    return found


async def forgotten(desk: Desk, contact: str) -> dict[str, Any]:
    asked = await desk.api.post(f"/v1/contacts/{contact}/erasures", headers={"if-match": "*"})
    assert asked.status_code == 202, asked.text

    async def done() -> dict[str, Any] | None:
        certificate: dict[str, Any] = (await desk.api.get(asked.headers["location"])).json()
        return certificate if certificate["state"] == "done" else None

    certificate: dict[str, Any] = await until(done)
    return certificate


@pytest.mark.parametrize("merged", [False, True])
async def test_a_person_is_exported_then_forgotten_and_does_not_come_back(desk: Desk, merged: bool) -> None:
    olena = await desk.agent("Olena")
    letter = await desk.writes(
        ADA, WORDS, subject="Engine 48213", name="Ada Lovelace", files=[("engine.txt", b"the cogwheel is bent")]
    )
    ack = await desk.mail_to(ADA)
    [ticket] = await desk.tickets(1)
    await desk.answers(olena, ticket["id"], "Dear Ada, a new difference engine is on its way.")
    await desk.mail_to(ADA, 2)
    await desk.post(f"/v1/tickets/{ticket['id']}/notes", {"text": "Ada Lovelace is angry about the difference engine"})
    contact = (await desk.get(f"/v1/tickets/{ticket['id']}", include="contact"))["contact"]["id"]
    if merged:  # forgotten are all addresses, also those that came by a merger
        other = await desk.post("/v1/contacts", {"name": "A. Lovelace", "note": "cogwheel"})
        answer = await desk.api.post(
            f"/v1/contacts/{other['id']}/merges", json={"source_id": contact}, headers={"if-match": "*"}
        )
        assert answer.status_code == 201
        contact = other["id"]

    lines = (await desk.api.get(f"/v1/contacts/{contact}/export?format=ndjson")).text.splitlines()
    whole = (await desk.api.get(f"/v1/contacts/{contact}/export")).json()
    told = [json.loads(line) for line in lines]
    assert {one["record"] for one in told} >= {
        *("contact", "identity", "ticket", "conversation", "message", "file", "delivery", "arrival", "event")
    }
    assert any(WORDS in one.get("text", "") for one in whole["message"])
    assert len(whole["message"]) == len([one for one in told if one["record"] == "message"]) == 4
    [file] = whole["file"]
    assert (await desk.api.get(file["url"])).content == b"the cogwheel is bent"
    for words in ("lovelace", "difference engine", "engine.txt", "48213"):
        assert await found_in(desk, words), f"{words} is there before it is erased"

    certificate = await forgotten(desk, contact)

    for words in CANARIES:
        assert await found_in(desk, words) == []
    assert certificate["counts"]["messages"] == 4
    assert (certificate["counts"]["files"], certificate["counts"]["arrivals"]) == (1, 1)
    gone = await desk.api.get(file["url"])
    assert (gone.status_code, gone.json()["code"]) == (410, "attachment_erased")
    stored = [path for path in desk.settings.files_dir.rglob("*") if path.is_file() and "trash" not in path.parts]
    assert b"the cogwheel is bent" not in [path.read_bytes() for path in stored]
    again = await desk.api.post(f"/v1/contacts/{contact}/erasures", headers={"if-match": "*"})
    assert (again.status_code, again.json()["id"]) == (202, certificate["id"]), "asked for twice, done once"
    shown = (await desk.get("/v1/tickets"))[0]
    assert (shown["id"], shown["subject"], shown["facts"]) == (ticket["id"], "", {})

    await desk.rows("DELETE FROM arrivals")  # ninety days later; then the mailbox is read anew
    await desk.brings(letter.as_bytes(), ADA, [str(letter["To"])])
    await desk.arrivals_done(1)
    assert await desk.rows("SELECT state, reason FROM arrivals") == [{"state": "ignored", "reason": "erased"}]
    assert not await found_in(desk, "difference engine")
    assert await desk.rows("SELECT id FROM identities WHERE address LIKE '%lovelace%'") == []
    assert (await desk.rows("SELECT count(*) AS n FROM arrival_bodies")) == [{"n": 0}]

    await desk.writes(ADA, "Hello again", subject="Hello")  # whoever writes from there now is somebody new
    fresh = (await desk.tickets(2))[1]
    assert (await desk.get(f"/v1/tickets/{fresh['id']}", include="contact"))["contact"]["id"] != contact
    await desk.writes(ADA, "And to the old thread", answering=ack)
    await desk.tickets(3)


async def test_nobody_is_forgotten_while_something_is_being_sent_to_him(desk: Desk) -> None:
    await desk.writes(ADA, WORDS)
    await desk.mail_to(ADA)
    [ticket] = await desk.tickets(1)
    contact = (await desk.get(f"/v1/tickets/{ticket['id']}", include="contact"))["contact"]["id"]
    await desk.rows("UPDATE outbox SET state = 'calling', until = now() + interval '1 hour'")

    refused = await desk.api.post(f"/v1/contacts/{contact}/erasures", headers={"if-match": "*"})

    assert (refused.status_code, refused.json()["code"]) == (409, "calls_under_way")
    assert int(refused.headers["retry-after"]) > 0
    assert await found_in(desk, "difference engine"), "nothing was done"
    await desk.rows("UPDATE outbox SET state = 'deferred', until = NULL, due_at = now() + interval '1 hour'")
    certificate = await forgotten(desk, contact)
    assert certificate["counts"]["calls"] == 1
    [call] = await desk.rows("SELECT state, part FROM outbox")
    assert call == {"state": "rejected", "part": {}}
