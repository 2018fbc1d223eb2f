"""One visit of a browser: who asks, in which language, what is rendered, and what a refusal looks like.

A page has no private door: it calls the same use cases as the API, with the same rights. What a browser sends
unasked (its cookie) is not enough for a change: it must come from a page of ours, which `Sec-Fetch-Site` or
`Origin` says and a token in the form proves (OWASP, Cross-Site Request Forgery Prevention).
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from omnidesk.db.session import Database, is_away
from omnidesk.desk import access, texts
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.loops import trace
from omnidesk.desk.vault import Vault
from omnidesk.domain.errors import (
    Conflict,
    DeskError,
    Forbidden,
    NotFound,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from omnidesk.domain.people import Actor
from omnidesk.web import words
from omnidesk.web.render import rendered

log = structlog.get_logger(__name__)

SAFE = frozenset({"GET", "HEAD"})
FLASH = "omd_flash"
FLASH_S = 60
MOST_FIELDS, MOST_FILES, MOST_FIELD_BYTES = 200, 10, 1_000_000
POLICY = "default-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors {ancestors}"
STATUS: Mapping[type[DeskError], int] = {
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    Unauthenticated: 401,
    TooMany: 429,
    Unavailable: 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the composition root hands to the pages; all of one process and one event loop."""

    db: Database
    vault: Vault
    channels: Channels
    files: FileStore
    public_url: str  # as browsers see the desk, without a slash at the end
    cookie: str  # the name of the API's session cookie: one sign-in for both
    zone: str = "Europe/Moscow"  # in which times are shown
    language: str = "en"  # for browsers that ask for none of ours
    max_upload: int = 25_000_000  # bytes of one file
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")


@dataclass(slots=True, kw_only=True)
class Visit:
    """A request with everything that a page needs of it."""

    request: Request
    parts: Parts
    actor: Actor | None
    token: str | None  # of the session, when somebody is signed in
    language: str
    now: datetime
    chrome: dict[str, Any] = field(default_factory=dict)  # what the layout shows beside the page

    @property
    def db(self) -> Database:
        return self.parts.db

    @property
    def agent(self) -> Actor:
        """Who is signed in. Raises Unauthenticated."""
        if self.actor is None:
            raise Unauthenticated("Sign in first.")
        return self.actor

    @property
    def address(self) -> str:
        """Whose address called; behind a trusted proxy, the server has put the caller's here."""
        return self.request.client.host if self.request.client else "unknown"

    @property
    def request_id(self) -> str:
        return str(self.request.scope.get("request_id", ""))

    def may(self, scope: str) -> bool:
        return self.actor is not None and scope in access.rights(self.actor)

    def needs(self, scope: str) -> Actor:
        """Who asks, when he may. Raises Unauthenticated, Forbidden."""
        actor = self.agent
        if not self.may(scope):
            raise Forbidden(f"This needs the scope {scope}.", code="missing_right", details={"scope": scope})
        return actor

    def say(self, text: str, **values: object) -> str:
        return texts.say(self.language, text, **values)

    # --- forms ------------------------------------------------------------------------------------

    @property
    def csrf(self) -> str:
        """The token that forms of this session carry."""
        key = self.parts.vault.derived("web forms")
        return hmac.digest(key, (self.token or "").encode(), "sha256").hex()

    async def form(self) -> FormData:
        """What was sent by a form of ours. Raises Forbidden (`cross_site`, `form_expired`)."""
        self.require_same_origin()
        form = await self.request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES)
        if self.token and not hmac.compare_digest(str(form.get("csrf", "")).encode(), self.csrf.encode()):
            raise Forbidden("This form belongs to another session.", code="form_expired")
        return form

    def require_same_origin(self) -> None:
        """Raises Forbidden unless a page of ours sent this. Every browser says one of the two with a form."""
        site, origin = self.request.headers.get("sec-fetch-site"), self.request.headers.get("origin")
        own = f"{self.request.url.scheme}://{self.request.url.netloc}"
        same = site == "same-origin" if site is not None else origin in {self.parts.public_url, own}
        if not same:
            raise Forbidden("This request came from another site.", code="cross_site")

    # --- answers ----------------------------------------------------------------------------------

    def page(self, template: str, *, status: int = 200, framed: bool = False, **values: Any) -> Response:
        """A page in the visitor's language; a flash of the step before is shown once."""
        flash = words.FLASHES.get(self.request.cookies.get(FLASH, "")) if not framed else None
        html = rendered(template, self, flash=flash, **{**self.chrome, **values})
        response = HTMLResponse(html, status_code=status, headers={"Content-Language": self.language})
        if flash:
            response.delete_cookie(FLASH, path="/", httponly=True, samesite="lax", secure=self.parts.https)
        return response

    def to(self, url: str, flash: str | None = None) -> Response:
        """See Other, after a form; `flash` is a key of `words.FLASHES`, said on the next page."""
        response = RedirectResponse(url, status_code=303)
        if flash:
            assert flash in words.FLASHES
            response.set_cookie(
                FLASH, flash, max_age=FLASH_S, path="/", httponly=True, samesite="lax", secure=self.parts.https
            )
        return response

    def refusal(self, error: DeskError) -> Response:
        """A page that says why not, and what to do next."""
        response = self.page(
            "refusal.html", status=status_of(error), title=words.refusal_title(error), reason=self.reason(error)
        )
        if isinstance(error, TooMany | Unavailable):
            response.headers["Retry-After"] = str(max(1, round(error.retry_after_s + 0.49)))
        return response

    def reason(self, error: DeskError) -> str:
        return words.reason(self.language, error)


Handler = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def status_of(error: DeskError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)


def entry(parts: Parts, handle: Handler, *, public: bool = False, framed: bool = False) -> Endpoint:
    """The endpoint of a page: whoever is not signed in is sent to sign in, and every error is a page."""

    async def endpoint(request: Request) -> Response:
        visit = Visit(
            request=request,
            parts=parts,
            actor=None,
            token=None,
            language=preferred(request.headers.get("accept-language"), parts.language),
            now=parts.now(),
        )
        response = await _answered(visit, handle, public=public, framed=framed)
        await request.close()  # the files of a form
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Content-Security-Policy"] = POLICY.format(ancestors="'self'" if framed else "'none'")
        response.headers["Vary"] = "Cookie, Accept-Language"
        if framed:
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    return endpoint


async def _answered(visit: Visit, handle: Handler, *, public: bool, framed: bool) -> Response:
    try:
        await _recognise(visit)
        if visit.actor is None and not public:
            return visit.page("gone.html", framed=True) if framed else _to_sign_in(visit)
        return await handle(visit)
    except DeskError as error:
        return visit.refusal(error)
    except HTTPException as error:
        return visit.refusal(_of_http(error))
    except Exception as error:
        if is_away(error):
            log.warning("database.away", **trace(error))
            return visit.refusal(Unavailable("The database is away. Try again later."))
        log.exception("page.failed", exc_info=False, **trace(error))
        return visit.page("refusal.html", status=500, title=words.BROKEN, reason=visit.say(words.BROKEN_WHY))


async def _recognise(visit: Visit) -> None:
    token = visit.request.cookies.get(visit.parts.cookie)
    visit.actor = await access.by_session(visit.db, token, now=visit.now) if token else None
    if visit.actor is not None:
        visit.token, visit.language = token, texts.supported(visit.actor.language)
        visit.request.scope["actor"] = str(visit.actor)


def _of_http(error: HTTPException) -> DeskError:
    if error.status_code == 404:
        return NotFound("There is nothing at this address.", code="no_page")
    if error.status_code == 413:
        return DeskError("What you sent is too large.", code="body_too_large")
    return DeskError("This request cannot be understood.", code="bad_request")


def _to_sign_in(visit: Visit) -> Response:
    """Back to the same page afterwards; a form that was sent begins anew."""
    url = visit.request.url
    there = url.path + (f"?{url.query}" if url.query else "")
    keep = visit.request.method in SAFE and there != "/desk"
    return visit.to("/sign-in" + (f"?next={quote(there, safe='')}" if keep else ""))


def local(path: str) -> str:
    """Where to go after signing in: a page of the desk, never another site."""
    parsed = urlsplit(path)
    inside = not parsed.scheme and not parsed.netloc and (parsed.path == "/desk" or parsed.path.startswith("/desk/"))
    return path if inside and "\\" not in path and path.isprintable() else "/desk"


def preferred(accept_language: str | None, default: str) -> str:
    """The language of ours that a browser asks for most (RFC 9110, section 12.5.4)."""
    best, found = 0.0, default
    for item in (accept_language or "")[:500].split(","):
        name, _, parameters = item.strip().partition(";")
        short = name.strip().lower().split("-")[0]
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if short in texts.LANGUAGES and weight > best:
            best, found = weight, short
    return found
