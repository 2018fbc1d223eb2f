"""Files: what goes up comes down unchanged, to those who may see it, and never runs in a browser."""

import hashlib

import pytest

from omnidesk.domain.people import Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


async def test_a_file_goes_up_in_both_ways_and_comes_down_the_same(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    url = f"/v1/tickets/{await desk.ticket()}"

    raw = await boss.post("/v1/attachments?name=screen.png", content=PNG, headers={"content-type": "image/png"})
    form = await boss.post("/v1/attachments", files={"file": ("чек.html", b"<script>alert(1)</script>", "image/png")})

    assert raw.status_code == form.status_code == 201, (raw.text, form.text)
    assert (raw.json()["name"], raw.json()["size"], raw.json()["content_type"]) == ("screen.png", len(PNG), "image/png")
    assert form.json()["name"] == "чек.html"
    assert form.json()["content_type"] != "image/png", "the bytes say what it is"
    used = await boss.post(
        f"{url}/notes", json={"text": "see", "attachment_ids": [raw.json()["id"], form.json()["id"]]}
    )
    assert used.status_code == 201, used.text
    assert [file["name"] for file in used.json()["files"]] == ["screen.png", "чек.html"]

    down = await boss.get(raw.headers["location"] + "/content")
    assert down.content == PNG
    assert down.headers["etag"] == f'"{hashlib.sha256(PNG).hexdigest()}"'
    assert down.headers["content-disposition"].startswith("attachment")
    assert down.headers["x-content-type-options"] == "nosniff"
    assert down.headers["content-security-policy"].startswith("sandbox")
    page = await boss.get(form.headers["location"] + "/content?inline=true")
    assert page.headers["content-disposition"].startswith("attachment"), "a page is never shown in place"
    shown = await boss.get(raw.headers["location"] + "/content?inline=true")
    assert shown.headers["content-disposition"].startswith("inline")
    same = await boss.get(raw.headers["location"] + "/content", headers={"if-none-match": down.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


async def test_a_part_of_a_file_can_be_asked_for(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    up = await boss.post("/v1/attachments", content=PNG)
    url = up.headers["location"] + "/content"

    part = await boss.get(url, headers={"range": "bytes=8-15"})
    beyond = await boss.get(url, headers={"range": "bytes=99999-"})

    assert (part.status_code, part.content) == (206, PNG[8:16])
    assert part.headers["content-range"] == f"bytes 8-15/{len(PNG)}"
    assert beyond.status_code == 416


async def test_files_are_seen_by_those_who_see_the_ticket(desk: Desk) -> None:
    cards, loans = await desk.another_queue("cards"), await desk.another_queue("loans")
    olga = await desk.signed_in(await desk.agent("Olga", queues=(cards,)))
    petr = await desk.signed_in(await desk.agent("Petr", queues=(loans,)))
    ticket = await desk.ticket(queue_id=cards)
    up = await olga.post("/v1/attachments", content=PNG)
    url = up.headers["location"]

    problem(await petr.get(url), 404, "not_found")
    taken = await petr.post(
        f"/v1/tickets/{await desk.ticket(queue_id=loans)}/notes",
        json={"text": "x", "attachment_ids": [up.json()["id"]]},
    )
    problem(taken, 422, "unknown_attachment")
    noted = await olga.post(f"/v1/tickets/{ticket}/notes", json={"text": "x", "attachment_ids": [up.json()["id"]]})
    assert noted.status_code == 201
    problem(await petr.get(url + "/content"), 404, "not_found")
    assert (await olga.get(url + "/content")).content == PNG


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_too_large_is_refused_and_leaves_nothing(desk: Desk, announced: bool) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))

    async def pieces() -> object:
        for _ in range(300):
            yield b"x" * 1000

    content = b"x" * 300_000 if announced else pieces()
    answer = await boss.post("/v1/attachments", content=content)  # type: ignore[arg-type]

    assert answer.status_code == 413
    assert answer.json()["code"] in {"body_too_large", "file_too_large"}
    assert await desk.count("attachments") == 0
    just_over = await boss.post("/v1/attachments", content=b"x" * 200_001)
    problem(just_over, 413, "file_too_large")


async def test_an_upload_sent_twice_is_one_attachment(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    key = {"idempotency-key": "up"}

    first = await boss.post("/v1/attachments?name=a.png", content=PNG, headers=key)
    again = await boss.post("/v1/attachments?name=a.png", content=PNG, headers=key)

    assert first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await desk.count("attachments") == 1
    other = await boss.post("/v1/attachments?name=a.png", content=PNG + b"!", headers=key)
    problem(other, 422, "idempotency_key_reused")


async def test_empty_and_half_forms_are_refused(desk: Desk) -> None:
    boss = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    problem(await boss.post("/v1/attachments", content=b""), 422, "empty_file")
    problem(await boss.post("/v1/attachments", files={"picture": ("a.png", PNG)}), 400, "no_file")
    half = {"content-type": "multipart/form-data; boundary=x"}
    broken = await boss.post("/v1/attachments", content=b"--x\r\nContent-Disposition: form-data; na", headers=half)
    assert broken.status_code == 400
    assert broken.headers["content-type"] == "application/problem+json"
