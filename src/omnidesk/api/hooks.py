"""The door for platforms that call us: one address an inbox, `/hooks/{inbox_id}`, whatever its channel.

The channel says who calls and what arrived; the platform hears its own words once that is committed.
A signed message at `POST /v1/inboxes/{id}/messages` comes in by the same door. It is plain ASGI and stands before
the app's own layers: a platform's body is the channel's business, and every layer costs the busiest path.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from omnidesk.api import errors
from omnidesk.api.deps import Parts
from omnidesk.channels.base import BadPayload, BadSignature, Reply, WebhookRequest
from omnidesk.desk.inboxes import Opened
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound, Refused, Unauthenticated

SIGNATURE = b"webhook-signature"
_HOOK = re.compile(r"/hooks/(?P<inbox>[^/]+)(?:/(?P<below>.*))?", re.DOTALL)
_MESSAGES = re.compile(r"/v1/inboxes/(?P<inbox>[^/]+)/messages")


class Forged(Unauthenticated):
    """Not from the platform."""

    code = "bad_signature"


class _Place(NamedTuple):
    """What stands in logs and figures as the route."""

    path: str


_PLACE = _Place("/hooks/{inbox_id}")


class Hooks:
    """Answers what platforms send; all other requests go on to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _found(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["quiet"] = _PLACE, True
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            raise HTTPException(405, headers={"Allow": "GET, POST"})
        answer = await _door(Request(scope, receive), found["inbox"], found.groupdict().get("below") or "")
        await answer(scope, receive, send)


def _found(scope: Scope) -> re.Match[str] | None:
    """A call of a platform; a message without a signature goes on to the endpoint for keys."""
    path = scope["path"]
    if path.startswith("/hooks/"):
        return _HOOK.fullmatch(path)
    if scope["method"] == "POST" and path.endswith("/messages"):
        return _MESSAGES.fullmatch(path) if any(name == SIGNATURE for name, _ in scope["headers"]) else None
    return None


async def _door(request: Request, inbox: str, below: str) -> Response:
    """Take in what a platform sends. Nothing is stored of what is not authentic; what is, is never lost."""
    parts: Parts = request.app.state.parts
    opened = await _opened(parts, inbox)
    called = WebhookRequest(
        method=request.method,
        path=below,
        query=dict(request.query_params),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.headers.raw)},
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
        opened = await parts.channels.get(_id(inbox))
    except ValueError:
        raise NotFound("There is no such inbox.") from None
    if not hasattr(opened.channel, "accept"):
        raise Refused("Nobody calls this inbox: its channel fetches.", code="inbox_takes_no_calls")
    return opened


@lru_cache(1000)
def _id(inbox: str) -> UUID:
    return ids.decode("inbox", inbox)


def _refused(request: Request, error: BadSignature) -> Response:
    answer = errors.answer(request, Forged("The signature is missing or wrong."))
    answer.status_code = error.status
    return answer


def _answer(reply: Reply) -> Response:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)
