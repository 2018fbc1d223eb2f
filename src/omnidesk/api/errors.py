"""Errors as answers: every 4xx and 5xx is a problem document (RFC 9457) of one shape.

`type title status detail instance` and our `code`, `request_id`, `errors: [{pointer, code, message}]`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from omnidesk.api import texts
from omnidesk.db.session import is_away, root_cause
from omnidesk.desk.files import TooLarge
from omnidesk.desk.loops import trace
from omnidesk.domain.errors import (
    Conflict,
    DeskError,
    FieldError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Refused,
    Stale,
    TooMany,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[DeskError], int] = {
    NotFound: 404,
    Gone: 410,
    TooLarge: 413,
    Stale: 412,
    Conflict: 409,
    Invalid: 422,
    Refused: 422,
    Forbidden: 403,
    Unauthenticated: 401,
    TooMany: 429,
    Unavailable: 503,
}


class Malformed(DeskError):
    """The request itself is wrong: not JSON, an unknown parameter, a foreign cursor. 400."""

    code = "bad_parameter"

    def __init__(self, message: str, *, code: str | None = None, errors: Sequence[FieldError] = (), **more: object):
        super().__init__(message, code=code, details=more)
        self.errors = list(errors)


class NeedsVersion(DeskError):
    """A change without If-Match. 428 (RFC 6585)."""

    code = "if_match_required"

    def __init__(self) -> None:
        super().__init__("This needs If-Match with the version of the resource; * changes it blindly.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An answer that is an error, before it is written in somebody's language."""

    status: int
    code: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def status_of(error: DeskError) -> int:
    if isinstance(error, Malformed):
        return 400
    if isinstance(error, NeedsVersion):
        return 428
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)


def problem_of(error: BaseException) -> Problem:
    """What to answer to whoever caused, or met, this error."""
    if isinstance(error, DeskError):
        return _of_desk(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    cause = root_cause(error)
    if isinstance(cause, asyncpg.UniqueViolationError | asyncpg.ForeignKeyViolationError):
        return _of_constraint(cause)
    if is_away(error):
        return Problem(
            status=503,
            code="unavailable",
            message="The database is away. Try again later.",
            headers={"Retry-After": "5"},
        )
    return Problem(
        status=500, code="internal", message="Something broke here. Quote the request_id when it happens again."
    )


_TAKEN = {
    "uq_agents_email": ("email_taken", "There is an agent with this address already."),
    "uq_queues_name": ("name_taken", "There is a queue of this name already."),
    "uq_inboxes_channel_realm": ("account_taken", "This account is already connected to another inbox."),
}


def _of_constraint(error: asyncpg.PostgresError) -> Problem:
    """Two were at it at the same moment: the rule that both had checked is kept by the database."""
    known = _TAKEN.get(str(getattr(error, "constraint_name", "")))
    code, message = known or ("conflict", "Somebody was faster. Look again, then try again.")
    return Problem(status=409, code=code, message=message)


def _of_desk(error: DeskError) -> Problem:
    status, headers, details = status_of(error), {}, dict(error.details)
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s + 0.49)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="omnidesk"'
    if isinstance(error, Stale) and "version" in details:
        headers["ETag"] = f'"{details["version"]}"'
    if "retry_after_s" in details:
        headers["Retry-After"] = str(details["retry_after_s"])
    fields = getattr(error, "errors", ())
    return Problem(
        status=status, code=error.code, message=error.message, details=details, errors=fields, headers=headers
    )


_HTTP = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This method is not supported here."),
    413: ("body_too_large", "The body of the request is too large."),
    415: ("bad_content_type", "The body of the request must be JSON (application/json)."),
}


def _of_http(error: HTTPException) -> Problem:
    code, message = _HTTP.get(error.status_code, ("error", texts.title(error.status_code, "en")))
    return Problem(status=error.status_code, code=code, message=message, headers=dict(error.headers or {}))


_KINDS = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "enum": "not_one_of",
    "literal_error": "not_one_of",
    "string_pattern_mismatch": "bad_format",
    "value_error": "bad_format",
    "timezone_aware": "not_a_time",
    "datetime_parsing": "not_a_time",
    "datetime_from_date_parsing": "not_a_time",
    "bad_moment": "not_a_time",
    "bad_id": "bad_id",
}


def _kind(raw: str) -> str:
    return _KINDS.get(raw, "wrong_type" if raw.endswith(("_type", "_parsing")) else "invalid")


def pointer(steps: Sequence[object]) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _of_validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    places = {str(item["loc"][0]) for item in found}
    if any(item["type"] == "json_invalid" for item in found):
        return Problem(status=400, code="malformed_json", message="The body is not JSON that can be read.")
    if "path" in places:
        return Problem(status=404, code="not_found", message="There is nothing at this address.")
    fields = [
        FieldError(
            pointer=pointer(item["loc"][1:]) if item["loc"][0] == "body" else str(item["loc"][-1]),
            code=_kind(item["type"]),
            message=texts.FIELDS[_kind(item["type"])][0],
        )
        for item in found
    ]
    if places & {"query", "header", "cookie"}:
        return Problem(status=400, code="bad_parameter", message="A parameter has a wrong value.", errors=fields)
    return Problem(status=422, code="invalid", message="Some fields are not right.", errors=fields)


def rendered(problem: Problem, *, language: str, request_id: str, instance: str) -> Response:
    """The problem document; extra members are the error's details."""
    body: dict[str, Any] = {
        "type": f"urn:omnidesk:problem:{problem.code}",
        "title": texts.title(problem.status, language),
        "status": problem.status,
        "detail": texts.detail(problem.code, problem.message, language, problem.details),
        "instance": instance,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [
            {"pointer": one.pointer, "code": one.code, "message": texts.field(one.code, one.message, language)}
            for one in problem.errors
        ]
    body |= {name: value for name, value in problem.details.items() if name not in body}
    return Response(
        json.dumps(body, ensure_ascii=False, default=str),
        status_code=problem.status,
        headers={**problem.headers, "Content-Language": language},
        media_type=MEDIA_TYPE,
    )


def answer(request: Request, error: BaseException) -> Response:
    """The answer to an error, in the language that was asked for."""
    problem = problem_of(error)
    if problem.status == 405:
        problem = replace(problem, headers={**problem.headers, "Allow": ", ".join(_allowed(request))})
    return rendered(
        problem,
        language=texts.preferred(request.headers.get("accept-language")),
        request_id=str(request.scope.get("request_id", "")),
        instance=request.url.path,
    )


def _allowed(request: Request) -> list[str]:
    """Every method of the resource, whichever endpoint has it (RFC 9110, section 15.5.6)."""
    routes: Sequence[Any] = request.app.router.routes
    found = [getattr(route, "methods", None) or () for route in routes if route.matches(request.scope)[0] != Match.NONE]
    return sorted({method for methods in found for method in methods})


def report(error: BaseException) -> None:
    """Log what nobody expected, by its class and place: its text may carry data of customers."""
    if problem_of(error).status < 500:
        return
    if is_away(error):
        log.warning("database.away", **trace(error))
    elif isinstance(error, Unavailable):  # said so by ourselves; the caller tries again
        log.warning("request.unavailable", code=error.code, **trace(error))
    else:
        log.error("request.failed", **trace(error))


def install(app: FastAPI) -> None:
    """Answer with problem documents everywhere in this app."""

    async def handle(request: Request, error: Exception) -> Response:
        return answer(request, error)

    async def broken(request: Request, error: Exception) -> Response:
        report(error)
        return answer(request, RuntimeError())

    for kind in (DeskError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(ResponseValidationError, broken)
