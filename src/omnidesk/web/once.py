"""A form that is sent twice (a double click, a reload, a lost answer) is done once.

The same table and the same rule as the API's Idempotency-Key: the key is made when the form is shown, and what
came of it is stored in the transaction of the effect.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from omnidesk.db import idempotency
from omnidesk.db.idempotency import Answer, Slot
from omnidesk.db.joined import Joined
from omnidesk.db.session import Database, Tx
from omnidesk.domain.errors import Conflict
from omnidesk.web.visit import Visit

PATIENCE_S = 8.0  # for the first of two to end
STEP_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that may come twice: its key, and everything in it that makes it another one."""

    key: str
    route: str  # shared by what one key may do once
    content: str


async def once(visit: Visit, form: Form, work: Callable[[Database], Awaitable[UUID]]) -> UUID:
    """What `work` gave, now or when this form came before.

    Raises Conflict (`form_used`: another text under this key; `in_flight`: the first one does not end).
    """
    slot = Slot(owner=str(visit.agent), route=form.route, key=form.key[:255])
    body_hash = hashlib.sha256(form.content.encode()).digest()

    async def attempt(tx: Tx) -> UUID | None:
        if not await idempotency.take(tx, slot):
            return None
        known = await idempotency.find(tx, slot, now=visit.now)
        if known is not None:
            return _replayed(known, body_hash)
        made = await work(Joined(visit.db, tx))
        answer = Answer(body_hash=body_hash, status=303, headers={}, body=str(made).encode())
        await idempotency.keep(tx, slot, answer, now=visit.now)
        return made

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        made = await visit.db.repeating(attempt)
        if made is not None:
            return made
        await asyncio.sleep(STEP_S)
    raise Conflict("This form is being sent already.", code="in_flight")


def _replayed(known: Answer, body_hash: bytes) -> UUID:
    if known.body_hash != body_hash:
        raise Conflict("This form was sent already, with another text.", code="form_used")
    return UUID(known.body.decode())
