"""`Idempotency-Key`: a POST or PATCH sent twice is done once, and both hear the same answer.

The whole request runs in one transaction: the use cases join it (`db.joined`), and the answer is stored in it
beside the effect, so neither can exist without the other. What must commit on its own before it is done
(an arrival that is read at once) runs *beside* the transaction that holds the key; there the effect is
deduplicated by that same key (`effect_key`), so that a crash in between repeats nothing.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from omnidesk.api import auth, errors
from omnidesk.api.errors import Malformed
from omnidesk.db import idempotency
from omnidesk.db.idempotency import Answer, Slot
from omnidesk.db.joined import Joined
from omnidesk.db.session import Database, Tx
from omnidesk.domain.errors import Conflict, DeskError, Refused

METHODS = frozenset({"POST", "PATCH"})
STORED_HEADERS = ("content-type", "etag", "location", "link", "content-language")
NOT_DONE = frozenset({400, 401, 403, 409, 412, 413, 415, 428, 429})
"""Answers that say "nothing was done, ask again in another way": not stored, nor is any 5xx."""

Handler = Callable[[Request], Awaitable[Response]]
F = TypeVar("F", bound=Callable[..., Any])
AT_ONCE = 8
"""Requests that hold a connection for their key at one moment; what they do may need another one from the pool."""


def beside(endpoint: F) -> F:
    """Marks an endpoint whose effect commits by itself and is deduplicated by `effect_key`."""
    endpoint.__dict__["idempotency"] = "beside"
    return endpoint


def unaffected(endpoint: F) -> F:
    """Marks an endpoint to which the header means nothing: it has its own way, or no effect worth keeping."""
    endpoint.__dict__["idempotency"] = "none"
    return endpoint


def mode(endpoint: Callable[..., Any]) -> str:
    return str(getattr(endpoint, "idempotency", "joined"))


def key_of(request: Request) -> str | None:
    """Raises Malformed for a key that is empty, too long or not printable ASCII."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Malformed("Idempotency-Key: 1 to 255 printable characters.", code="bad_idempotency_key")
    return key


async def _slot(request: Request, key: str) -> Slot:
    actor = await auth.authenticate(request)
    return Slot(owner=str(actor), route=f"{request.method} {request.url.path}", key=key)


async def effect_key(request: Request) -> str | None:
    """What deduplicates the effect of an endpoint that runs beside; None without Idempotency-Key."""
    key = key_of(request)
    if key is None:
        return None
    slot = await _slot(request, key)
    return hashlib.sha256(f"{slot.owner}\0{slot.route}\0{slot.key}".encode()).hexdigest()


async def guard(request: Request, handle: Handler, *, way: str, body_hash: bytes | None = None) -> Response:
    """Run `handle` once per Idempotency-Key. Raises Conflict (in flight), Refused (another body).

    `body_hash` is given where the body was read already.
    """
    key = key_of(request) if request.method in METHODS and way != "none" else None
    if key is None:
        return await handle(request)
    slot = await _slot(request, key)
    body_hash = body_hash or await _hash(request)
    db: Database = request.app.state.parts.db

    async def work(tx: Tx) -> Response:
        return await _once(request, tx, slot, body_hash, handle, way)

    async with request.app.state.keyed:
        if way == "joined":
            return await db.repeating(work)
        async with db.transaction() as tx:
            return await work(tx)


async def _hash(request: Request) -> bytes:
    return hashlib.sha256(request.url.query.encode() + b"\0" + await request.body()).digest()


async def _once(request: Request, tx: Tx, slot: Slot, body_hash: bytes, handle: Handler, way: str) -> Response:
    now = request.app.state.parts.now()
    if not await idempotency.take(tx, slot):
        raise Conflict(
            "A request with this Idempotency-Key is still running.",
            code="idempotency_in_flight",
            details={"retry_after_s": 1},
        )
    known = await idempotency.find(tx, slot, now=now)
    if known is not None:
        return _replayed(known, body_hash)
    response = await (_joined(request, tx, handle) if way == "joined" else _answered(request, handle))
    if response.status_code < 500 and response.status_code not in NOT_DONE:
        await idempotency.keep(tx, slot, _answer(request, response, body_hash), now=now)
    return response


async def _joined(request: Request, tx: Tx, handle: Handler) -> Response:
    """The effect is a savepoint: refused, it is undone, and the refusal may still be stored."""
    request.state.db = Joined(request.app.state.parts.db, tx)
    savepoint = tx.driver.transaction()
    await savepoint.start()
    try:
        response = await handle(request)
    except (DeskError, RequestValidationError, HTTPException) as error:
        await savepoint.rollback()
        return errors.answer(request, error)
    except BaseException:
        await savepoint.rollback()
        raise
    await savepoint.commit()
    return response


async def _answered(request: Request, handle: Handler) -> Response:
    try:
        return await handle(request)
    except (DeskError, RequestValidationError, HTTPException) as error:
        return errors.answer(request, error)


def _answer(request: Request, response: Response, body_hash: bytes) -> Answer:
    """What a replay will say; a secret that is shown once is left out (`state.replay_body`)."""
    body = getattr(request.state, "replay_body", None) or bytes(response.body)
    headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
    return Answer(body_hash=body_hash, status=response.status_code, headers=headers, body=body)


def _replayed(known: Answer, body_hash: bytes) -> Response:
    if known.body_hash != body_hash:
        raise Refused("This Idempotency-Key was used with another body.", code="idempotency_key_reused")
    return Response(known.body, status_code=known.status, headers={**known.headers, "Idempotency-Replayed": "true"})
