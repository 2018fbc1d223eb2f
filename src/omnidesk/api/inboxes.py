"""Channels and inboxes: forms drawn from the channel's schema, health per direction, pause and resume."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    Body,
    Clean,
    Db,
    Home,
    IfMatch,
    IfNoneMatch,
    InboxId,
    Now,
    Parts,
    QueueId,
    ReadsInboxes,
    Shown,
    WritesInboxes,
    given,
    new_id,
)
from omnidesk.api.idempotency import unaffected
from omnidesk.api.paging import Page, PageInfo
from omnidesk.api.route import router
from omnidesk.channels import base
from omnidesk.db import inboxes as rows
from omnidesk.db import queues
from omnidesk.db.inboxes import Inbox
from omnidesk.desk import inboxes
from omnidesk.desk.inboxes import Wish
from omnidesk.domain import ids
from omnidesk.domain.errors import FieldError, Invalid, NotFound, Refused
from omnidesk.domain.people import Actor

routes = router("inboxes")

TRY_S = 20.0

Config = Annotated[
    dict[str, Any],
    Field(
        description="As the channel's schema says; a secret that is masked or absent stays",
        examples=[{"purpose": "shop"}],
    ),
]
Name = Annotated[Clean, Field(min_length=1, max_length=200, examples=["Support"])]
Language = Annotated[Literal["ru", "en"], Field(description="When the customer's is unknown")]


class ChannelOut(Shown):
    name: str = Field(examples=["email"])
    title: str
    receives: Literal["called", "watching", "posted"] = Field(description="How messages come in")
    answers: bool = Field(description="Can send")
    edits: bool = Field(description="What was sent can be changed")
    deletes: bool = Field(description="What was sent can be taken back")
    secrets: list[str] = Field(description="Fields that are sealed and never returned")
    config_schema: dict[str, Any] = Field(description="JSON Schema of an inbox's `config`: draw the form from it")


class InboxIn(Body):
    channel: Annotated[str, Field(max_length=50, examples=["email"])]
    name: Name
    config: Config = Field(default_factory=dict)
    queue_id: Annotated[QueueId | None, Field(description="Everything from here goes to this queue")] = None
    category: Annotated[Clean | None, Field(max_length=200, description="What everything from here is about")] = None
    language: Language = "ru"
    acknowledge: Annotated[bool, Field(description="Tell customers that their message was taken")] = True


class InboxPatch(Body):
    name: Name | None = None
    config: Config | None = None
    queue_id: QueueId | None = None
    category: Annotated[Clean | None, Field(max_length=200, description="Empty: none any more")] = None
    language: Language | None = None
    acknowledge: bool | None = None


class Health(Shown):
    state: str = Field(description="ok, failing or needs_reauth")
    error: str | None
    last_at: datetime | None = Field(description="When it worked last")


class InboxOut(Shown):
    id: InboxId
    channel: str
    name: str
    realm: str = Field(description="The account at the platform")
    config: dict[str, Any] = Field(description="Secrets are masked")
    queue_id: QueueId | None
    category: str | None
    language: str
    acknowledge: bool
    paused_at: datetime | None
    receiving: Health
    sending: Health
    version: int
    created_at: datetime
    updated_at: datetime


def shown(inbox: Inbox, parts: Parts) -> InboxOut:
    manifest = parts.channels.manifests.get(inbox.channel)
    return InboxOut(
        id=inbox.id,
        channel=inbox.channel,
        name=inbox.name,
        realm=inbox.realm,
        config=inboxes.shown_config(manifest, inbox, parts.vault) if manifest else dict(inbox.config),
        queue_id=inbox.queue_id,
        category=inbox.category,
        language=inbox.language,
        acknowledge=inbox.acknowledge,
        paused_at=inbox.paused_at,
        receiving=Health(state=inbox.receive_state, error=inbox.receive_error, last_at=inbox.received_at),
        sending=Health(state=inbox.send_state, error=inbox.send_error, last_at=inbox.sent_at),
        version=inbox.version,
        created_at=inbox.created_at,
        updated_at=inbox.updated_at,
    )


def _channel(manifest: base.Manifest) -> ChannelOut:
    kind: Any = manifest.build
    receives: Literal["called", "watching", "posted"] = "posted"
    if hasattr(kind, "accept"):
        receives = "called"
    elif hasattr(kind, "watch"):
        receives = "watching"
    return ChannelOut(
        name=manifest.name,
        title=manifest.title,
        receives=receives,
        answers=hasattr(kind, "send"),
        edits=manifest.edits,
        deletes=manifest.deletes,
        secrets=inboxes.secret_fields(manifest),
        config_schema=manifest.config.model_json_schema(),
    )


@routes.get("/channels", summary="List channels")
async def list_channels(actor: ReadsInboxes, parts: Home) -> Page[ChannelOut]:
    """Every channel that is installed, with the schema of its settings."""
    found = [_channel(manifest) for _, manifest in sorted(parts.channels.manifests.items())]
    return Page(data=found, page=PageInfo(next_cursor=None, has_more=False))


async def _known_queue(db: Db, queue_id: UUID | None) -> None:
    async with db.connection() as tx:
        if queue_id is not None and await queues.unknown(tx, [queue_id]):
            wrong = FieldError(pointer="/queue_id", code="unknown", message="There is no such queue.")
            raise Invalid("There is no such queue.", [wrong])


def _visible(inbox: Inbox | None, actor: Actor) -> Inbox:
    if inbox is None or (actor.inbox_ids and inbox.id not in actor.inbox_ids):
        raise NotFound("There is no such inbox.")
    return inbox


@routes.get("/inboxes", summary="List inboxes")
async def list_inboxes(
    actor: ReadsInboxes,
    db: Db,
    parts: Home,
    channel: Annotated[str | None, Query(max_length=50, description="Only of this channel")] = None,
) -> Page[InboxOut]:
    """All of them, oldest first, with their health per direction."""
    async with db.connection() as tx:
        found = await rows.every(tx)
    seen = [one for one in found if not actor.inbox_ids or one.id in actor.inbox_ids]
    data = [shown(one, parts) for one in seen if channel is None or one.channel == channel]
    return Page(data=data, page=PageInfo(next_cursor=None, has_more=False))


@routes.post("/inboxes", status_code=201, summary="Make an inbox")
async def create_inbox(
    body: InboxIn, response: Response, actor: WritesInboxes, db: Db, parts: Home, now: Now
) -> InboxOut:
    """Draw the form from `GET /v1/channels`. What is wrong in `config` is named by its pointer."""
    await _known_queue(db, body.queue_id)
    values: Mapping[str, Any] = body.model_dump()
    wish = Wish(**{name: value for name, value in values.items() if name != "channel"})
    inbox = await inboxes.create(db, parts.channels, parts.vault, body.channel, wish, actor, inbox_id=new_id(now))
    response.headers["Location"] = f"/v1/inboxes/{ids.encode('inbox', inbox.id)}"
    response.headers["ETag"] = etags.of(inbox.version)
    return shown(inbox, parts)


async def _read(db: Db, inbox_id: UUID, actor: Actor) -> Inbox:
    async with db.connection() as tx:
        return _visible(await rows.read(tx, inbox_id), actor)


@routes.get("/inboxes/{inbox_id}", summary="Read an inbox", response_model=InboxOut)
async def read_inbox(
    inbox_id: InboxId,
    request: Request,
    response: Response,
    actor: ReadsInboxes,
    db: Db,
    parts: Home,
    _: IfNoneMatch,
) -> Any:
    """Its configuration without secrets, and its health in each direction."""
    inbox = await _read(db, inbox_id, actor)
    return etags.answer(request, response, inbox.version) or shown(inbox, parts)


async def _update(
    inbox_id: UUID, wish: Wish, response: Response, actor: Actor, db: Db, parts: Parts, version: int | None, now: Now
) -> InboxOut:
    await _read(db, inbox_id, actor)
    inbox = await inboxes.update(db, parts.channels, parts.vault, inbox_id, wish, actor, if_version=version, now=now)
    response.headers["ETag"] = etags.of(inbox.version)
    return shown(inbox, parts)


@routes.patch("/inboxes/{inbox_id}", summary="Change an inbox")
async def patch_inbox(
    inbox_id: InboxId,
    body: InboxPatch,
    response: Response,
    actor: WritesInboxes,
    db: Db,
    parts: Home,
    version: IfMatch,
    now: Now,
) -> InboxOut:
    """A merge patch, also of `config`. New settings give a direction that was refused a new try."""
    await _known_queue(db, body.queue_id)
    return await _update(inbox_id, Wish(**given(body)), response, actor, db, parts, version, now)


class TestOut(Shown):
    ok: bool
    needs_reauth: bool = Field(description="The account refuses the credentials", examples=[False])
    error: str | None = Field(description="What the platform said, in words for an operator")


@routes.post("/inboxes/{inbox_id}/test", summary="Try an inbox's account")
@unaffected
async def try_inbox(inbox_id: InboxId, actor: WritesInboxes, db: Db, parts: Home) -> TestOut:
    """Signs in wherever the inbox does, and leaves. Refused with `cannot_be_tried` where a channel has no such way."""
    await _read(db, inbox_id, actor)
    await parts.channels.refresh()  # as it is stored now
    opened = await parts.channels.get(inbox_id)
    if not isinstance(opened.channel, base.Checked):
        raise Refused("This channel cannot be tried.", code="cannot_be_tried")
    try:
        async with asyncio.timeout(TRY_S):
            await opened.channel.check()
    except base.NeedsReauth as error:
        return TestOut(ok=False, needs_reauth=True, error=str(error))
    except base.ChannelError as error:
        return TestOut(ok=False, needs_reauth=False, error=str(error))
    except TimeoutError:
        return TestOut(ok=False, needs_reauth=False, error="no answer in time")
    return TestOut(ok=True, needs_reauth=False, error=None)


@routes.post("/inboxes/{inbox_id}/pause", summary="Pause an inbox")
async def pause_inbox(
    inbox_id: InboxId, response: Response, actor: WritesInboxes, db: Db, parts: Home, version: IfMatch, now: Now
) -> InboxOut:
    """Nothing is fetched and nothing leaves; what is sent to us is still kept."""
    return await _update(inbox_id, Wish(paused=True), response, actor, db, parts, version, now)


@routes.post("/inboxes/{inbox_id}/resume", summary="Resume a paused inbox")
async def resume_inbox(
    inbox_id: InboxId, response: Response, actor: WritesInboxes, db: Db, parts: Home, version: IfMatch, now: Now
) -> InboxOut:
    """What waited while it was paused goes on."""
    return await _update(inbox_id, Wish(paused=False), response, actor, db, parts, version, now)
