"""How every endpoint is entered: known parameters only, JSON where JSON is expected, once per Idempotency-Key."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from omnidesk.api import idempotency
from omnidesk.api.errors import Malformed
from omnidesk.domain.errors import FieldError


class Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = frozenset(_query_names(self.dependant))
        way = idempotency.mode(self.endpoint)
        wants_json = self.body_field is not None

        async def entered(request: Request) -> Response:
            _refuse_unknown(request, known)
            if wants_json:
                await _require_json(request)
            return await idempotency.guard(request, handle, way=way)

        return entered


def _query_names(dependant: Any) -> list[str]:
    names = [field.alias for field in dependant.query_params]
    for inner in dependant.dependencies:
        names += _query_names(inner)
    return names


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    for name in request.query_params:
        if name not in known:
            message = f"There is no parameter {name[:50]!r} here."
            error = FieldError(pointer=name[:50], code="unknown_field", message="There is no such field.")
            raise Malformed(message, code="unknown_parameter", errors=[error], parameter=name[:50])


async def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Malformed("Compressed bodies are not taken.", code="unsupported_encoding")
    if kind == "application/json" or kind.endswith("+json"):
        return
    if kind or await request.body():
        raise HTTPException(415)


def router(tag: str, prefix: str = "/v1") -> APIRouter:
    """A router for one noun; each of its endpoints is entered as above."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=Route)
