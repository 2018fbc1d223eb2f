"""Who asks: an API key as a Bearer token, or an agent's session in a cookie.

A cookie is sent by browsers unasked, so with it a change must come from our own pages: `Sec-Fetch-Site`
says so, in older browsers `Origin` (OWASP, Cross-Site Request Forgery Prevention).
"""

from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from omnidesk.desk import access
from omnidesk.desk.access import Credential, SignedIn, rights
from omnidesk.domain.errors import Forbidden, Unauthenticated
from omnidesk.domain.people import SCOPES, Actor

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(https: bool) -> str:
    """`__Host-` ties the cookie to this host, where https allows it (RFC 6265bis, section 4.1.3)."""
    return "__Host-omd_session" if https else "omd_session"


async def authenticate(request: Request) -> Actor:
    """The caller, once per request. Raises Unauthenticated, Forbidden (`cross_site`)."""
    known: Actor | None = getattr(request.state, "actor", None)
    if known is None:
        known = await _authenticate(request)
        request.state.actor = known
        request.scope["actor"] = str(known)
    return known


async def _authenticate(request: Request) -> Actor:
    header = request.headers.get("authorization")
    if header is not None:
        return await _by_key(request, header)
    token = session_token(request)
    parts: Any = request.app.state.parts
    actor = await access.by_session(parts.db, token, now=parts.now()) if token else None
    if actor is None:
        raise Unauthenticated("Sign in, or send an API key as a Bearer token.")
    if request.method not in SAFE:
        require_same_origin(request)
    return actor


async def _by_key(request: Request, header: str) -> Actor:
    scheme, _, secret = header.partition(" ")
    actor: Actor | None = None
    if scheme.lower() == "bearer":
        actor = await request.app.state.keyring.actor(secret.strip(), now=request.app.state.parts.now())
    if actor is None:
        raise Unauthenticated("This API key is not known, or no longer valid.")
    return actor


def session_token(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request.app.state.parts.settings.https))


def require_same_origin(request: Request, *, strict: bool = True) -> None:
    """Raises Forbidden unless a page of ours sent this; without `strict`, callers that are no browsers pass."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        same = not strict
    elif site is not None:
        same = site == "same-origin"
    else:
        same = origin in {request.app.state.parts.settings.public_url, _own_origin(request)}
    if not same:
        raise Forbidden("This request came from another site.", code="cross_site")


def _own_origin(request: Request) -> str:
    return f"{request.url.scheme}://{urlsplit(str(request.url)).netloc}"


def set_cookie(response: Response, signed_in: SignedIn, *, https: bool, max_age_s: int) -> None:
    response.set_cookie(
        cookie_name(https), signed_in.token, max_age=max_age_s, httponly=True, samesite="lax", secure=https, path="/"
    )


def clear_cookie(response: Response, *, https: bool) -> None:
    response.delete_cookie(cookie_name(https), httponly=True, samesite="lax", secure=https, path="/")


class Needs:
    """A dependency: the caller, who must have this scope. OpenAPI reads the scope from here, too."""

    def __init__(self, scope: str | None) -> None:
        assert scope is None or scope in SCOPES
        self.scope = scope

    async def __call__(self, request: Request) -> Actor:
        actor = await authenticate(request)
        if self.scope is not None and self.scope not in rights(actor):
            code = "missing_scope" if actor.kind == "key" else "missing_right"
            raise Forbidden(f"This needs the scope {self.scope}.", code=code, details={"scope": self.scope})
        return actor


def credential(request: Request) -> Credential:
    """What the caller, who was let in, came with."""
    header = request.headers.get("authorization")
    if header is not None:
        return Credential.of_key(header.partition(" ")[2].strip())
    return Credential.of_session(session_token(request) or "")
