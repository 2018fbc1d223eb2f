"""The routes of the pages, to be mounted beside the API."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from omnidesk.web import changes, console, render, signing, ticket
from omnidesk.web.visit import Handler, Parts, entry

WHOLE_FILES = 2  # of the largest size, that one form may bring
TICKET = "/desk/tickets/{ticket_id}"
READ: dict[str, Handler] = {
    "/desk": console.tickets_page,
    "/desk/parked": console.parked,
    TICKET: ticket.page,
}
CHANGE: dict[str, Handler] = {
    "/sign-out": signing.sign_out,
    f"{TICKET}/replies": changes.send_reply,
    f"{TICKET}/notes": changes.add_note,
    f"{TICKET}/status": changes.move,
    f"{TICKET}/spam": changes.spam,
    f"{TICKET}/assignee": changes.give,
    f"{TICKET}/details": changes.describe,
    f"{TICKET}/offer": changes.answer_offer,
    "/desk/deliveries/{delivery_id}/resend": changes.settle,
    "/desk/deliveries/{delivery_id}/arrived": changes.settle,
    "/desk/parked/{arrival_id}/retry": console.decide,
    "/desk/parked/{arrival_id}/release": console.decide,
}


def pages(parts: Parts) -> list[Route]:
    """Every page of the console, the way in, and the static files."""

    async def static(request: Request) -> Response:
        return render.static(request.path_params["name"]) or PlainTextResponse("Not found", status_code=404)

    return [
        _route("/", entry(parts, signing.home, public=True), "GET"),
        _route("/sign-in", entry(parts, signing.sign_in, public=True), "GET", "POST"),
        _route("/welcome/{token}", entry(parts, signing.welcome, public=True), "GET", "POST"),
        _route("/static/{name}", static, "GET"),
        _route("/desk/presence", entry(parts, console.pulse, framed=True), "GET", "POST"),
        *(_route(path, entry(parts, handle), "GET") for path, handle in READ.items()),
        *(_route(path, entry(parts, handle), "POST") for path, handle in CHANGE.items()),
        _route("/desk/{rest:path}", entry(parts, console.nothing), "GET", "POST"),
    ]


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
    """A route that names itself to the access log and the figures: the template, never the token in a path."""

    async def named(request: Request) -> Response:
        request.scope["route"] = route
        return await endpoint(request)

    route = Route(path, named, methods=methods)
    return route


def body_limits(parts: Parts) -> dict[str, int]:
    """How many bytes a form may have, by the beginning of its path: a reply brings files."""
    return {"/desk/tickets/": WHOLE_FILES * parts.max_upload + 2_000_000}
