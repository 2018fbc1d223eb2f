"""Sessions: sign in and out, use a one-time link, and who am I."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import Field

from omnidesk.api import auth
from omnidesk.api.deps import AgentId, Anybody, Body, Clean, Home, InboxId, Now, QueueId, Shown, address, new_id
from omnidesk.api.idempotency import unaffected
from omnidesk.api.route import router
from omnidesk.desk import access
from omnidesk.desk.access import Newcomer, SignedIn, rights
from omnidesk.domain import sight
from omnidesk.domain.errors import Forbidden
from omnidesk.domain.people import Actor

routes = router("sessions")

Password = Annotated[str, Field(min_length=1, max_length=1000, examples=["correct horse battery staple"])]
Email = Annotated[
    str, Field(min_length=3, max_length=320, pattern=r"^[^\s@]+@[^\s@]+$", examples=["olga@acme.example"])
]


class SignIn(Body):
    email: Email
    password: Password


class UseLink(Body):
    token: Annotated[str, Field(min_length=1, max_length=200, description="The secret part of the one-time link")]
    password: Annotated[Password | None, Field(description="A new password; older sessions then end")] = None
    email: Annotated[Email | None, Field(description="Of the first administrator")] = None
    name: Annotated[Clean | None, Field(min_length=1, max_length=200, description="Of the first administrator")] = None


class ChangePassword(Body):
    old: Password
    new: Password


class Me(Shown):
    kind: Literal["agent", "key"]
    agent_id: AgentId | None
    name: str
    role: str
    language: str
    scopes: list[str] = Field(description="What you may do", examples=[["tickets:read", "tickets:write"]])
    inbox_ids: list[InboxId] = Field(description="Empty: no limit")
    queue_ids: list[QueueId] | None = Field(
        description="Whose tickets you see, beside what is assigned to you; null: of all queues"
    )


class SessionOut(Shown):
    expires_at: datetime
    me: Me


def _me(actor: Actor) -> Me:
    queues = sight.queues_of(actor)
    return Me(
        kind="agent" if actor.kind == "agent" else "key",
        agent_id=actor.agent_id,
        name=actor.name,
        role=str(actor.role),
        language=actor.language,
        scopes=sorted(rights(actor)),
        inbox_ids=sorted(actor.inbox_ids),
        queue_ids=None if queues is None else sorted(queues),
    )


def _begun(signed_in: SignedIn, response: Response, parts: Home) -> SessionOut:
    age_s = int(access.SESSION_LIFE.total_seconds())
    auth.set_cookie(response, signed_in, https=parts.settings.https, max_age_s=age_s)
    return SessionOut(expires_at=signed_in.expires_at, me=_me(signed_in.actor))


@routes.post("/sessions", status_code=201, summary="Sign in with a password")
@unaffected
async def sign_in(body: SignIn, request: Request, response: Response, parts: Home, now: Now) -> SessionOut:
    """Sets the session cookie. Whatever is wrong, the answer is the same."""
    auth.require_same_origin(request, strict=False)
    signed_in = await access.sign_in(parts.db, body.email, body.password, address=address(request), now=now)
    return _begun(signed_in, response, parts)


@routes.post("/sessions/links", status_code=201, summary="Sign in with a one-time link")
@unaffected
async def use_link(body: UseLink, request: Request, response: Response, parts: Home, now: Now) -> SessionOut:
    """Uses the link up, sets a new password if one is given, and the session cookie.

    The link of a fresh desk makes its first administrator: it needs `email`, `name` and `password`, too.
    """
    auth.require_same_origin(request, strict=False)
    newcomer = Newcomer(agent_id=new_id(now), email=body.email, name=body.name) if body.email and body.name else None
    signed_in = await access.use_link(
        parts.db, body.token, password=body.password, newcomer=newcomer, address=address(request), now=now
    )
    return _begun(signed_in, response, parts)


@routes.delete("/sessions/current", status_code=204, summary="Sign out")
async def sign_out(request: Request, response: Response, actor: Anybody, parts: Home) -> None:
    """Ends the session of the cookie; without one, nothing happens."""
    token = auth.session_token(request)
    if token and actor.kind == "agent":
        await access.sign_out(parts.db, token)
    auth.clear_cookie(response, https=parts.settings.https)


@routes.post("/sessions/password", status_code=204, summary="Change your password")
@unaffected
async def change_password(
    body: ChangePassword, request: Request, response: Response, actor: Anybody, parts: Home
) -> None:
    """All your sessions end; sign in again with the new password."""
    if actor.kind != "agent" or actor.agent_id is None:
        raise Forbidden("Only an agent who is signed in has a password.")
    await access.change_password(parts.db, actor.agent_id, body.old, body.new, address=address(request))
    auth.clear_cookie(response, https=parts.settings.https)


@routes.get("/me", summary="Who am I, and what may I do")
async def me(actor: Anybody) -> Me:
    """Who you are to the desk, and what you may do."""
    return _me(actor)
