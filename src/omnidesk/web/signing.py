"""Signing in and out, and the one-time links that the desk prints: looking at one does not use it up."""

import re
from typing import Any

from starlette.datastructures import FormData
from starlette.responses import Response

from omnidesk.desk import access
from omnidesk.desk.access import Newcomer, SignedIn
from omnidesk.desk.new_ids import new_id
from omnidesk.domain.errors import DeskError, Refused, TooMany, Unauthenticated
from omnidesk.domain.text import clean
from omnidesk.web.visit import Visit, local, status_of

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")


async def home(visit: Visit) -> Response:
    return visit.to("/desk" if visit.actor else "/sign-in")


async def sign_in(visit: Visit) -> Response:
    """The form, and what it sends. Whatever is wrong, the answer is the same."""
    going_to = local(visit.request.query_params.get("next", "/desk"))
    if visit.request.method != "POST":
        return visit.to(going_to) if visit.actor else visit.page("sign_in.html", email="", refusal=None)
    form = await _form(visit)
    email, password = _field(form, "email", 320), str(form.get("password", ""))[:1000]
    try:
        begun = await access.sign_in(visit.db, email, password, address=visit.address, now=visit.now)
    except (Unauthenticated, TooMany) as error:
        return visit.page("sign_in.html", status=status_of(error), email=email, refusal=visit.reason(error))
    return _with_cookie(visit, begun, visit.to(going_to))


async def _form(visit: Visit) -> FormData:
    """A form of somebody who is not signed in yet; with a session left from before, its token is not asked for."""
    visit.token = None
    return await visit.form()


async def sign_out(visit: Visit) -> Response:
    await visit.form()
    if visit.token:
        await access.sign_out(visit.db, visit.token)
    response = visit.to("/sign-in", "signed_out")
    response.delete_cookie(visit.parts.cookie, path="/", httponly=True, samesite="lax", secure=visit.parts.https)
    return response


async def welcome(visit: Visit) -> Response:
    """A one-time link: GET says what it is for, POST uses it up and sets a password."""
    response = await _welcomed(visit)
    response.headers["Referrer-Policy"] = "strict-origin"  # the token in the path goes nowhere else
    return response


async def _welcomed(visit: Visit) -> Response:
    token = visit.request.path_params["token"]
    try:
        person = await access.look_at_link(visit.db, token, now=visit.now)
    except Unauthenticated as error:
        return visit.page("welcome.html", status=410, gone=visit.reason(error), person=None)
    shown: dict[str, Any] = {
        "gone": None,
        "person": person,
        "name": "",
        "email": person.email if person else "",
        "refusal": None,
    }
    if visit.request.method != "POST":
        return visit.page("welcome.html", **shown)
    form = await _form(visit)
    shown |= {name: _field(form, name, 320) for name in ("name", "email") if name in form}
    try:
        begun = await _use(visit, token, form, first=person is None)
    except DeskError as error:
        return visit.page("welcome.html", status=status_of(error), **{**shown, "refusal": visit.reason(error)})
    return _with_cookie(visit, begun, visit.to("/desk", "welcome"))


async def _use(visit: Visit, token: str, form: FormData, *, first: bool) -> SignedIn:
    email, name = _field(form, "email", 320), _field(form, "name", 200)
    if first and (not name or not _EMAIL.fullmatch(email)):
        raise Refused("The first administrator needs an address and a name.", code="newcomer_needed")
    newcomer = _newcomer(visit, email, name) if first else None
    password = str(form.get("password", ""))[:1000]
    return await access.use_link(
        visit.db, token, password=password, newcomer=newcomer, address=visit.address, now=visit.now
    )


def _newcomer(visit: Visit, email: str, name: str) -> Newcomer:
    return Newcomer(agent_id=new_id(visit.now), email=email, name=name, language=visit.language)


def _field(form: FormData, name: str, most: int) -> str:
    return clean(str(form.get(name, "")))[:most].strip()


def _with_cookie(visit: Visit, begun: SignedIn, response: Response) -> Response:
    response.set_cookie(
        visit.parts.cookie,
        begun.token,
        max_age=int(access.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=visit.parts.https,
        path="/",
    )
    return response
