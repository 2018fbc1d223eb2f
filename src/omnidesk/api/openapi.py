"""The OpenAPI document: what FastAPI finds, completed with errors, scopes, idempotency and examples."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from omnidesk.api import idempotency, texts
from omnidesk.api.auth import Needs, authenticate, cookie_name
from omnidesk.api.errors import MEDIA_TYPE
from omnidesk.domain.people import SCOPES

DESCRIPTION = """\
One API for everything that agents, dashboards and programs do.

**Sign in** with an API key, `Authorization: Bearer omd_live_…`, or with the session cookie of `POST /v1/sessions`
(changes then need a same-origin `Sec-Fetch-Site` or `Origin`).

**Lists** are read page by page: `limit` (most 200) and `cursor`, which is `page.next_cursor` of the page before.
A cursor holds for one list with its filters and sort. Unknown parameters are refused.

**Idempotency.** Send `Idempotency-Key` with POST and PATCH: sent again within seven days, it is not done again; you
hear the first answer, with `Idempotency-Replayed: true`. Another body under the same key is 422; while the first one
runs, 409.

**Versions.** Resources have an `ETag`. Changes need it in `If-Match` (428 without, 412 when it is not current, `*`
blindly); `If-None-Match` gives 304. PATCH is a merge patch (RFC 7396).

**Errors** are problem documents (RFC 9457) with a stable `code`, a `request_id` and, for fields, JSON pointers in
`errors`; their texts come in Russian or English by `Accept-Language`.

**Times** are RFC 3339 in UTC. Ids begin with their noun: `tkt_…`, `msg_…`, `agt_…`.
"""

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457); further members depend on the code",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:omnidesk:problem:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people, in the language asked for"},
        "instance": {"type": "string", "description": "The path of the request"},
        "code": {"type": "string", "description": "For programs; stable", "examples": ["invalid"]},
        "request_id": {"type": "string", "description": "Name it when you ask for help"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "Into the body (RFC 6901), or a parameter's name"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}

_WHEN = {
    400: "Malformed: not JSON, an unknown or wrong parameter, a foreign cursor",
    401: "Not signed in, or the key is not valid",
    403: "Not allowed, or sent from another site",
    404: "There is no such thing, or you may not see it",
    409: "Somebody was faster, or a request with this Idempotency-Key still runs",
    410: "It was deleted or erased",
    412: "Not the current version; the ETag is",
    413: "Too large",
    415: "Not JSON",
    422: "Refused; `code` says why, `errors` where",
    428: "If-Match is missing",
    429: "Too many requests; see Retry-After",
    500: "Something broke here",
    503: "A part of the desk is away; see Retry-After",
}
_EXAMPLES = {
    400: "bad_parameter",
    401: "unauthenticated",
    403: "missing_scope",
    404: "not_found",
    409: "conflict",
    410: "gone",
    412: "stale",
    413: "body_too_large",
    415: "bad_content_type",
    422: "invalid",
    428: "if_match_required",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
TAGS = (
    ("tickets", "What customers want of us: list, read, move along, assign"),
    ("messages", "What was said: timeline, replies, notes, deliveries"),
    ("attachments", "Files, up and down"),
    ("contacts", "Who writes to us: people, their identities, what they said"),
    ("agents", "Who works here"),
    ("queues", "Where tickets wait"),
    ("calendars", "Opening hours and holidays"),
    ("inboxes", "Configured accounts of channels, and the channels there are"),
    ("arrivals", "The journal of what came in"),
    ("events", "The feed of facts"),
    ("jobs", "Long work: exports and changes of many tickets"),
    ("webhooks", "Programs that are told of events, and the log of what they were told"),
    ("keys", "API keys"),
    ("sessions", "Signing in and out"),
    ("health", "For those who run the desk"),
)


def document(app: FastAPI, *, version: str, https: bool) -> dict[str, Any]:
    """The whole document, for this app's endpoints."""
    found = get_openapi(
        title="Omnidesk",
        version=version,
        openapi_version="3.1.0",
        summary="An async omnichannel support desk",
        description=DESCRIPTION + _scopes(),
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS],
        license_info={"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
    )
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    parts["responses"] = {f"Problem{status}": _problem(status) for status in _WHEN}
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: omd_live_…"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_name(https),
            "description": "Of POST /v1/sessions",
        },
    }
    parts["parameters"] = {"IdempotencyKey": _IDEMPOTENCY}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = found["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    operation["operationId"] = route.name
                    _complete(operation, route, method)
    return _plainly_named(found)


def _plainly_named(document: dict[str, Any]) -> dict[str, Any]:
    """With pages called `TicketPage` instead of `Page_TicketOut_`."""
    schemas = document["components"]["schemas"]
    names = {name: schema["title"] for name, schema in schemas.items() if name.startswith("Page_")}
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    for node in _nodes(document):
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name in names:
            node["$ref"] = f"#/components/schemas/{names[name]}"
    return document


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(inner)


_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, it is done once",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[ -~]+$",
        "examples": ["6f1c2a9e-order-48213"],
    },
}
_VERSIONS = {
    "type": "string",
    "maxLength": 200,
    "pattern": r'^(\*|"[0-9]{1,18}(-[0-9a-f]{1,16})?"(, *"[0-9]{1,18}(-[0-9a-f]{1,16})?")*)$',
    "examples": ['"7"'],
}


def _scopes() -> str:
    return "\n**Scopes**\n\n" + "\n".join(f"- `{name}`: {text}" for name, text in SCOPES.items()) + "\n"


def _problem(status: int) -> dict[str, Any]:
    example = {
        "type": f"urn:omnidesk:problem:{_EXAMPLES[status]}",
        "title": texts.title(status, "en"),
        "status": status,
        "detail": _WHEN[status],
        "instance": "/v1/tickets",
        "code": _EXAMPLES[status],
        "request_id": "req_5f0c9d1e7a3b4c6d8e2f1a0b",
    }
    if status == 422:
        example["errors"] = [{"pointer": "/name", "code": "missing", "message": texts.FIELDS["missing"][0]}]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": _WHEN[status], "content": content}


def _complete(operation: dict[str, Any], route: APIRoute, method: str) -> None:
    needs, uses = list(_needs(route.dependant)), set(_calls(route.dependant))
    signed_in = bool(needs) or authenticate in uses
    operation["security"] = [{"key": [scope for scope in needs if scope]}, {"session": []}] if signed_in else []
    scopes = [scope for scope in needs if scope]
    if scopes:
        operation["x-scopes"] = scopes
        operation["description"] = (operation.get("description", "") + f"\n\nScope: `{scopes[0]}`.").strip()
    if method in idempotency.METHODS and idempotency.mode(route.endpoint) != "none":
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    for parameter in operation.get("parameters", ()):
        if str(parameter.get("name", "")).lower() == "if-match":
            parameter |= {"required": True, "schema": _VERSIONS}
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _statuses(operation, method, signed_in=signed_in or "sessions" in operation.get("tags", ())):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}


def _statuses(operation: Mapping[str, Any], method: str, *, signed_in: bool) -> Iterator[int]:
    places = {parameter.get("in") for parameter in operation.get("parameters", ())}
    names = {str(parameter.get("name", "")).lower() for parameter in operation.get("parameters", ())}
    yield 400
    if signed_in:
        yield 401
        yield 403
    if "path" in places or "requestBody" in operation or "version" in names:  # what a body names may be missing, too
        yield 404
    if method in {"POST", "PATCH", "PUT", "DELETE"}:
        yield 409
        yield 422
    if "if-match" in names:
        yield 412
        yield 428
    if "requestBody" in operation:
        yield 413
        yield 415
    yield 429
    yield 500
    yield 503


def _needs(dependant: Any) -> Iterator[str | None]:
    for call in _calls(dependant):
        if isinstance(call, Needs):
            yield call.scope


def _calls(dependant: Any) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)
