"""API keys: made, listed, revoked. The secret is shown once."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    Anybody,
    Body,
    Clean,
    Db,
    Home,
    IfMatch,
    IfNoneMatch,
    InboxId,
    KeyId,
    Now,
    Pages,
    QueueId,
    Shown,
    Utc,
    new_id,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import access as rows
from omnidesk.db.access import Key
from omnidesk.desk import access
from omnidesk.desk.access import KeyWish, rights
from omnidesk.domain.errors import FieldError, Forbidden, Invalid, NotFound
from omnidesk.domain.people import SCOPES

routes = router("keys")

ScopeList = Annotated[list[str], Field(min_length=1, max_length=50, examples=[["tickets:read", "tickets:write"]])]


class KeyIn(Body):
    name: Annotated[Clean, Field(min_length=1, max_length=200, examples=["Shop backend"])]
    scopes: ScopeList
    agent_id: Annotated[AgentId | None, Field(description="A personal key: acts as this agent")] = None
    inbox_ids: Annotated[list[InboxId], Field(max_length=200, description="Empty: all")] = Field(default_factory=list)
    queue_ids: Annotated[list[QueueId], Field(max_length=200, description="Empty: all")] = Field(default_factory=list)
    expires_at: Utc | None = None


class KeyOut(Shown):
    id: KeyId
    public_id: str = Field(description="The part of the key that may be logged")
    name: str
    scopes: list[str]
    agent_id: AgentId | None
    inbox_ids: list[InboxId]
    queue_ids: list[QueueId]
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    revoked_at: datetime | None
    version: int
    created_at: datetime


class NewKeyOut(KeyOut):
    secret: str | None = Field(description="The key itself; shown this once, null on a replay")
    already_shown: bool = Field(False, description="This is a replay: the secret was shown before")


def _key(key: Key) -> KeyOut:
    return KeyOut.model_validate(key)


@routes.post("/keys", status_code=201, summary="Make an API key")
async def create_key(body: KeyIn, request: Request, response: Response, actor: Anybody, db: Db, now: Now) -> NewKeyOut:
    """With `keys:write`, any key within your own rights; signed in, a personal key for yourself.

    The secret is in this answer and nowhere else. Scopes: see the list at the top of the docs.
    """
    unknown = [at for at, scope in enumerate(body.scopes) if scope not in SCOPES]
    if unknown:
        raise Invalid(
            "There is no such scope.",
            [FieldError(pointer=f"/scopes/{at}", code="not_one_of", message="No such scope.") for at in unknown],
        )
    wish = KeyWish(
        name=body.name,
        scopes=frozenset(body.scopes),
        agent_id=body.agent_id,
        inbox_ids=frozenset(body.inbox_ids),
        queue_ids=frozenset(body.queue_ids),
        expires_at=body.expires_at,
    )
    key, secret = await access.create_key(db, new_id(now), wish, actor, now=now)
    shown: dict[str, Any] = _key(key).model_dump()
    request.state.replay_body = NewKeyOut(**shown, secret=None, already_shown=True).model_dump_json().encode()
    response.headers["Location"] = f"/v1/keys/{access.type_id(key)}"
    response.headers["ETag"] = etags.of(key.version)
    return NewKeyOut(**shown, secret=secret)


@routes.get("/keys", summary="List API keys")
async def list_keys(actor: Anybody, db: Db, pages: Pages, limit: Limit = 50, cursor: CursorText = None) -> Page[KeyOut]:
    """Newest first; all of them with `keys:write`, else your personal ones."""
    everyone = "keys:write" in rights(actor)
    if not everyone and actor.agent_id is None:
        raise Forbidden("This needs the scope keys:write.", code="missing_scope", details={"scope": "keys:write"})
    after = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.keys(
            tx, agent_id=None if everyone else actor.agent_id, before=UUID(after[0]) if after else None, limit=limit + 1
        )
    return pages.page(found, limit, _key, lambda key: [key.id])


@routes.get("/keys/{key_id}", summary="Read an API key", response_model=KeyOut)
async def read_key(key_id: KeyId, request: Request, response: Response, actor: Anybody, db: Db, _: IfNoneMatch) -> Any:
    """What it may do, and when it was used last; its secret is never shown again."""
    async with db.connection() as tx:
        key = await rows.key(tx, key_id)
    own = key is not None and actor.agent_id is not None and key.agent_id == actor.agent_id
    if key is None or not (own or "keys:write" in rights(actor)):
        raise NotFound("There is no such key.")
    return etags.answer(request, response, key.version) or _key(key)


@routes.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_key(
    key_id: KeyId, request: Request, actor: Anybody, db: Db, parts: Home, version: IfMatch, now: Now
) -> None:
    """At once in this process, within two seconds in the others. The key stays in the list."""
    key = await access.revoke_key(db, key_id, actor, version=version, now=now)
    request.app.state.keyring.forget(key.public_id)
