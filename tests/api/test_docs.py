"""The reference: complete for every operation, and read without the internet."""

import re
from collections.abc import Iterator
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from omnidesk.domain import ids
from omnidesk.domain.people import SCOPES
from tests.api import contract
from tests.api.conftest import Desk

OPEN = {"/health/live", "/health/ready", "/metrics", "/v1/sessions", "/v1/sessions/links"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


async def test_every_operation_is_described_with_its_errors_and_its_scope(desk: Desk) -> None:
    document = (await (await desk.client()).get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    found = list(operations(document))
    assert len(found) > 50
    for method, path, operation in found:
        name = f"{method} {path}"
        assert operation["summary"], name
        assert {"400", "429", "500", "503"} <= set(operation["responses"]), name
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), name
        if path not in OPEN:
            assert {"401", "403"} <= set(operation["responses"]), name
            assert [list(one) for one in operation["security"]] == [["key"], ["session"]], name
        assert set(operation.get("x-scopes", ())) <= set(SCOPES), name
        if "{" in path:
            assert "404" in operation["responses"], name
        parameters = {one.get("name") or one["$ref"].rpartition("/")[2] for one in operation.get("parameters", ())}
        assert ("if-match" in parameters) == ("412" in operation["responses"]), name
        if method == "patch":
            assert {"if-match", "IdempotencyKey"} <= parameters, name
        for parameter in operation.get("parameters", ()):
            assert "$ref" in parameter or parameter["schema"], name


async def test_every_reference_leads_somewhere_and_every_field_of_a_body_is_strict(desk: Desk) -> None:
    document = desk.app.openapi()
    for reference in set(re.findall(r"'\$ref': '(#[^']+)'", str(document))):
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    for _, path, operation in operations(document):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema:
            body = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert body["additionalProperties"] is False, path


async def test_the_document_is_valid_and_each_operation_is_named_and_explained(desk: Desk) -> None:
    document = desk.app.openapi()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    found = list(operations(document))
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    assert [path for _, path, operation in found if len(operation.get("description", "")) < 20] == []
    assert [name for name in document["components"]["schemas"] if "__" in name] == [], "two shapes of one name"


def test_the_contract_is_the_one_that_is_kept() -> None:
    """A change of the API is seen in the diff of docs/openapi.json; `make openapi` writes it anew."""
    assert contract.text(contract.described()) == contract.KEPT.read_text(), "changed: run make openapi, read its diff"


async def test_each_body_and_each_answer_shows_an_example(desk: Desk) -> None:
    document = desk.app.openapi()
    shapes = document["components"]["schemas"]

    def shows_one(schema: dict[str, Any], seen: frozenset[str] = frozenset()) -> bool:
        text = str(schema)
        inner = set(re.findall(r"#/components/schemas/([\w.-]+)", text)) - seen
        return "'examples'" in text or any(shows_one(shapes[name], seen | inner) for name in inner)

    bare = []
    for method, path, operation in operations(document):
        bodies = [operation.get("requestBody", {})]
        bodies += [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        for body in bodies:
            schema = body.get("content", {}).get("application/json", {}).get("schema")
            if schema is not None and not shows_one(schema):
                bare.append(f"{method} {path}")
    assert bare == []


async def test_the_docs_ask_no_other_host(desk: Desk) -> None:
    page = await (await desk.client()).get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"""(?:src|href|url\()=?["']?(?:https?:)?//""", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    for _, path, operation in operations(desk.app.openapi()):
        assert operation["summary"] in page.text.replace("&#39;", "'"), path
        assert f"<code>{path}</code>" in page.text


async def test_the_figures_are_for_this_machine_or_for_those_with_a_right(desk: Desk) -> None:
    here = await desk.client()
    text = (await here.get("/metrics")).text
    for name in ("omnidesk_arrivals", "omnidesk_outbox", "omnidesk_database_up 1.0", "omnidesk_http_requests_total"):
        assert name in text
    assert (await here.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"})).status_code == 401
    reader, other = await desk.key("events:read"), await desk.key("tickets:read")
    assert (await reader.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"})).status_code == 200
    assert (await other.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"})).status_code == 403
    assert 'route="/v1/tickets/{ticket_id}"' not in text
    await reader.get("/v1/tickets/tkt_0000000000000000000000000x")
    assert "tkt_0000" not in (await here.get("/metrics")).text, "templates, never ids"


async def test_a_desk_that_reads_too_late_is_not_ready(desk: Desk) -> None:
    here = await desk.client()
    inbox = ids.decode("inbox", await desk.inbox())
    async with desk.db.connection() as tx:
        await tx.driver.execute(
            "INSERT INTO arrivals (id, inbox_id, dedupe_key, order_key, lane, size, day, received_at)"
            " VALUES ($1, $2, 'a', 'a', 3, 1, now()::date, now() - interval '5 minutes')",
            desk.new_id(),
            inbox,
        )
    late = await here.get("/health/ready")
    assert (late.status_code, late.json()["code"]) == (503, "intake_late")
