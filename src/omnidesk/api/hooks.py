"""The door for platforms that call us: one address an inbox, `/hooks/{inbox_id}`, whatever its channel.

The channel says who calls and what arrived; the platform hears its own words once that is committed.
A signed message at `POST /v1/inboxes/{id}/messages` comes in by the same door. These are plain routes:
a platform's body is the channel's business, and every layer in between costs the busiest path.
"""

from fastapi import Request, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from omnidesk.api import errors
from omnidesk.api.deps import Parts
from omnidesk.channels.base import BadPayload, BadSignature, Called, Reply, WebhookRequest
from omnidesk.desk.inboxes import Opened
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound, Refused, Unauthenticated

SIGNATURE = b"webhook-signature"


class Forged(Unauthenticated):
    """Not from the platform."""

    code = "bad_signature"


async def door(request: Request) -> Response:
    """Take in what a platform sends. Nothing is stored of what is not authentic; what is, is never lost."""
    parts: Parts = request.app.state.parts
    opened = await _opened(parts, request.path_params["inbox_id"])
    called = WebhookRequest(
        method=request.method,
        path=request.path_params.get("path", ""),
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=await request.body(),
    )
    try:
        accepted = opened.channel.accept(called)
    except BadSignature as error:
        return _refused(request, error)
    except BadPayload as error:
        await parts.door.keep_unreadable(opened.inbox.id, called.body, {"path": called.path}, str(error))
        return _answer(Reply(body=b"ok"))
    await parts.door.accept(opened.inbox.id, accepted.arrivals)
    return _answer(accepted.reply)


async def _opened(parts: Parts, inbox: str) -> Opened:
    try:
        opened = await parts.channels.get(ids.decode("inbox", inbox))
    except ValueError:
        raise NotFound("There is no such inbox.") from None
    if not isinstance(opened.channel, Called):
        raise Refused("Nobody calls this inbox: its channel fetches.", code="inbox_takes_no_calls")
    return opened


def _refused(request: Request, error: BadSignature) -> Response:
    answer = errors.answer(request, Forged("The signature is missing or wrong."))
    answer.status_code = error.status
    return answer


def _answer(reply: Reply) -> Response:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)


class _Signed(Route):
    """Only for requests that bring a signature; the others go on to the route for keys."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and not any(name == SIGNATURE for name, _ in scope["headers"]):
            return Match.NONE, {}
        return super().matches(scope)


routes = [
    _Signed("/v1/inboxes/{inbox_id}/messages", door, methods=["POST"]),
    Route("/hooks/{inbox_id}", door, methods=["GET", "POST"]),
    Route("/hooks/{inbox_id}/{path:path}", door, methods=["GET", "POST"]),
]
