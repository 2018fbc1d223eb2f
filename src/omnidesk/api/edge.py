"""What every request meets first: an id, a limit on its size, headers that protect, a log line, an answer.

Plain ASGI: a `BaseHTTPMiddleware` would halve the door.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping

import structlog
from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnidesk.api import errors

log = structlog.get_logger("omnidesk.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_JSON = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Vary": "Accept-Language",
}

Measure = Callable[[str, str, int, float], None]


class Edge:
    """Wraps the whole app. `limits` are bytes per path prefix, the longest that fits; `measure` is told each
    answer: method, route template, status, seconds."""

    def __init__(
        self, app: ASGIApp, *, limits: Mapping[str, int], default_limit: int, measure: Measure, https: bool = False
    ) -> None:
        self._app, self._measure = app, measure
        self._limits = sorted(limits.items(), key=lambda item: -len(item[0]))
        self._default_limit = default_limit
        always = _ALWAYS | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})
        self._always, self._always_api = _raw(always), _raw(always | _JSON)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        scope["request_id"] = request_id = _request_id(headers.get("x-request-id"))
        names = {"request_id": request_id} | _trace(headers.get("traceparent"))
        answer = _Answer(send, request_id, self._always_api if _is_api(scope["path"]) else self._always)
        with structlog.contextvars.bound_contextvars(**names):
            try:
                limited = _limited(receive, headers, self._limit(scope["path"]))
                await self._app(scope, limited, answer)
            except Exception as error:
                if answer.status:
                    errors.report(error)
                    raise RuntimeError("the answer was cut short") from None  # its text would reach the server's log
                errors.report(error)
                await errors.answer(Request(scope), error)(scope, receive, answer)
            finally:
                self._finish(scope, answer.status or 499, time.perf_counter() - began)

    def _limit(self, path: str) -> int:
        return next((limit for prefix, limit in self._limits if path.startswith(prefix)), self._default_limit)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "") or "unmatched"
        self._measure(scope["method"], route, status, seconds)
        tell = log.debug if scope.get("quiet") and status < 300 else log.info  # the journal of arrivals has it, too
        tell(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            actor=scope.get("actor"),
        )


class _Answer:
    """Passes an answer on, with our headers; `status` 0: nothing was sent yet."""

    def __init__(self, send: Send, request_id: str, headers: "list[tuple[bytes, bytes]]") -> None:
        self._send, self._request_id, self._headers = send, request_id, headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
            names = {name.lower() for name, _ in given}
            ours = [pair for pair in self._headers if pair[0] not in names]
            message["headers"] = [*given, *ours, (b"x-request-id", self._request_id.encode())]
        await self._send(message)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _is_api(path: str) -> bool:
    return path.startswith(("/v1/", "/health/", "/metrics"))


def _request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else "req_" + secrets.token_hex(12)


def _trace(traceparent: str | None) -> dict[str, str]:
    """W3C Trace Context: the trace id of a valid header, for the log lines of this request."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return {"trace_id": found[1]} if found else {}


def _limited(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Reading more than `limit` bytes raises 413, at once when the length is announced."""
    announced = headers.get("content-length", "")
    seen = int(announced) if announced.isdecimal() and len(announced) < 19 else 0
    too_large = seen > limit
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        if too_large:
            raise HTTPException(413)
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413)
        return message

    return counted
