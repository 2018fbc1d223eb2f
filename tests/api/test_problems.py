"""Every error has one shape, in the language that was asked for, and gives nothing away."""

import asyncpg
import httpx
import pytest

from omnidesk.db.session import Database
from omnidesk.domain.errors import TooMany
from tests.api.conftest import Desk


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:omnidesk:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_every_kind_of_mistake_gets_the_same_shape(desk: Desk) -> None:
    nobody, admin = await desk.client(), await desk.key()
    queue = await desk.queue()
    json = {"content-type": "application/json"}

    problem(await nobody.get("/nowhere"), 404, "not_found")
    problem(await nobody.get("/v1/nowhere"), 404, "not_found")
    problem(await admin.put("/v1/tickets"), 405, "method_not_allowed")
    problem(await nobody.get("/v1/tickets"), 401, "unauthenticated")
    problem(await admin.get("/v1/tickets/tkt_nonsense"), 404, "not_found")
    problem(await admin.get(f"/v1/tickets/{queue}"), 404, "not_found")
    problem(await admin.get("/v1/tickets?colour=red"), 400, "unknown_parameter")
    problem(await admin.get("/v1/tickets?limit=0"), 400, "bad_parameter")
    problem(await admin.get("/v1/tickets?limit=201"), 400, "bad_parameter")
    problem(await admin.get("/v1/tickets?status=open,purple"), 400, "bad_parameter")
    problem(await admin.get("/v1/tickets?created_after=2026-11-22T10:00:00"), 400, "bad_parameter")
    problem(await admin.post("/v1/agents", content="{", headers=json), 400, "malformed_json")
    problem(
        await admin.post("/v1/agents", content="a=b", headers={"content-type": "text/plain"}), 415, "bad_content_type"
    )
    problem(await admin.post("/v1/agents", content=b"{}" + b" " * 1_000_001, headers=json), 413, "body_too_large")


async def test_fields_are_named_by_pointers_and_unknown_ones_are_refused(desk: Desk) -> None:
    admin = await desk.key()
    sent = {"email": "x", "name": "", "role": "king", "colour": "red", "skills": {"cards/visa": "high"}}

    body = problem(await admin.post("/v1/agents", json=sent), 422, "invalid")

    errors = body["errors"]
    assert isinstance(errors, list)
    assert {(one["pointer"], one["code"]) for one in errors} == {
        ("/email", "too_short"),
        ("/name", "too_short"),
        ("/role", "not_one_of"),
        ("/colour", "unknown_field"),
        ("/skills/cards~1visa", "wrong_type"),
    }


async def test_texts_come_in_the_language_that_is_preferred(desk: Desk) -> None:
    nobody = await desk.client()
    for header, word in (
        ("ru", "Требуется вход"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "Требуется вход"),
        ("de, en;q=0.5, ru;q=0.9", "Требуется вход"),
        ("en-GB, ru;q=0.1", "Sign in first"),
        ("de", "Sign in first"),
        (";;q=x,,", "Sign in first"),
    ):
        body = problem(await nobody.get("/v1/me", headers={"accept-language": header}), 401, "unauthenticated")
        assert body["title"] == word, header


async def test_the_request_id_is_echoed_when_it_is_clean(desk: Desk) -> None:
    nobody = await desk.client()
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

    kept = await nobody.get("/v1/me", headers={"x-request-id": "shop-42", **trace})
    made = await nobody.get("/v1/me", headers={"x-request-id": "a b " * 200})

    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "shop-42"
    assert made.headers["x-request-id"].startswith("req_")


async def test_headers_that_protect_stand_on_every_answer(desk: Desk) -> None:
    nobody = await desk.client()
    for path in ("/v1/me", "/health/live", "/nowhere"):
        headers = (await nobody.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert (await nobody.get("/v1/me")).headers["cache-control"] == "no-store"
    assert "default-src 'none'" in (await nobody.get("/v1/me")).headers["content-security-policy"]


async def test_what_breaks_inside_stays_inside(desk: Desk) -> None:
    @desk.app.get("/v1/broken")
    async def broken() -> None:
        raise ValueError("card 4111 1111 1111 1111")

    body = problem(await (await desk.client()).get("/v1/broken"), 500, "internal")

    assert "4111" not in str(body)


@pytest.mark.parametrize("error", [asyncpg.CannotConnectNowError("starting"), ConnectionRefusedError(), TimeoutError()])
async def test_a_database_that_is_away_is_said_to_be_away(desk: Desk, error: Exception) -> None:
    @desk.app.get("/v1/away")
    async def away() -> None:
        raise error

    answer = await (await desk.client()).get("/v1/away")

    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_while_the_database_is_away_the_desk_says_so_and_recovers_alone(desk: Desk) -> None:
    admin = await desk.key()
    assert (await admin.get("/health/ready")).status_code == 200

    away, engine = Database("postgresql://nobody@127.0.0.1:1/nowhere"), desk.db.engine
    desk.db.engine = away.engine
    try:
        for path in ("/health/ready", "/v1/tickets", "/v1/queues"):
            problem(await admin.get(path), 503, "unavailable")
        sent = await admin.post("/v1/queues", json={}, headers={"idempotency-key": "k"})
        problem(sent, 503, "unavailable")
        assert (await admin.get("/health/live")).status_code == 200
        assert "omnidesk_database_up 0.0" in (await admin.get("/metrics")).text
    finally:
        desk.db.engine = engine
        await away.close()
    assert (await admin.get("/v1/tickets")).status_code == 200


async def test_a_limit_says_when_to_come_back(desk: Desk) -> None:
    @desk.app.get("/v1/limited")
    async def limited() -> None:
        raise TooMany("slow down", retry_after_s=2.1)

    answer = await (await desk.client()).get("/v1/limited")

    problem(answer, 429, "too_many_requests")
    assert answer.headers["retry-after"] == "3"
