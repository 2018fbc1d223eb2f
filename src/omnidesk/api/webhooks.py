"""Webhooks: programs that are told of events, tried, told once more; and the log of what they were told."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field, model_validator

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
    Pages,
    QueueId,
    ReadsWebhooks,
    Shown,
    TicketId,
    Utc,
    WebhookDeliveryId,
    WebhookId,
    WritesWebhooks,
    given,
)
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.db import webhook_deliveries as log
from omnidesk.db import webhooks as rows
from omnidesk.db.webhook_deliveries import Delivery
from omnidesk.db.webhooks import Webhook
from omnidesk.desk import webhook_calls, webhook_feed, webhooks
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound
from omnidesk.domain.events import EventType
from omnidesk.domain.people import Actor
from omnidesk.domain.webhooks import LONGEST_OVERLAP

routes = router("webhooks")

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="A public https address; port 443, or 1024 and above",
        examples=["https://shop.example/omnidesk"],
    ),
]
Types = Annotated[
    list[EventType], Field(max_length=200, description="Of events; empty: all", examples=[["ticket.created"]])
]
Description = Annotated[Clean, Field(max_length=500, examples=["Tells the shop what its customers ask"])]
Queues = Annotated[list[QueueId], Field(max_length=200, description="Empty: all that you see")]
Inboxes = Annotated[list[InboxId], Field(max_length=200, description="Empty: all that you see")]


class WebhookIn(Body):
    url: Url
    description: Description = ""
    types: Types = Field(default_factory=list)
    queue_ids: Queues = Field(default_factory=list)
    inbox_ids: Inboxes = Field(default_factory=list)
    enabled: bool = True


class WebhookPatch(Body):
    url: Url | None = None
    description: Description | None = None
    types: Types | None = None
    queue_ids: Queues | None = None
    inbox_ids: Inboxes | None = None
    enabled: bool | None = None


class WebhookOut(Shown):
    id: WebhookId
    url: str
    description: str
    types: list[str]
    queue_ids: list[QueueId]
    inbox_ids: list[InboxId]
    owner: str = Field(
        description="With whose eyes it sees: it is told what he may read",
        examples=["key:key_01jb000000e00800000000000g"],
    )
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None = Field(
        description="by_hand, failing (nothing else for five days), gone (it answered 410), owner_gone"
    )
    failing_since: datetime | None = Field(description="Nothing but failures since")
    rotating_until: datetime | None = Field(description="Until then the former secret signs beside the new one")
    version: int
    created_at: datetime
    updated_at: datetime


class SecretOut(WebhookOut):
    secret: str | None = Field(
        description="Verifies the signatures; shown this once, null on a replay",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8I"],
    )
    already_shown: bool = Field(False, description="This is a replay: the secret was shown before")


def _shown(webhook: Webhook) -> dict[str, Any]:
    values = {name: getattr(webhook, name) for name in Webhook.__dataclass_fields__}
    return values | {
        "owner": f"{webhook.owner_kind}:{ids.encode(webhook.owner_kind, webhook.owner_id)}",
        "enabled": webhook.disabled_at is None,
        "rotating_until": webhook.old_secret_until,
    }


def shown(webhook: Webhook) -> WebhookOut:
    return WebhookOut.model_validate(_shown(webhook))


def _with_secret(request: Request, response: Response, webhook: Webhook, secret: str) -> SecretOut:
    """The one answer that has the secret; what a replay of the request says instead is kept beside it."""
    values = _shown(webhook)
    again = SecretOut.model_validate({**values, "secret": None, "already_shown": True})
    request.state.replay_body = again.model_dump_json().encode()
    response.headers["ETag"] = etags.of(webhook.version)
    return SecretOut.model_validate({**values, "secret": secret})


@routes.post("/webhooks", status_code=201, summary="Make a webhook")
async def create_webhook(
    body: WebhookIn, request: Request, response: Response, actor: WritesWebhooks, db: Db, parts: Home, now: Now
) -> SecretOut:
    """It is told, from now on, of the events that you may read. The secret is in this answer and nowhere else.

    Calls are signed as Standard Webhooks 1.0 says. Anything but 2xx within 15 seconds is tried again, eight times over
    about 28 hours, while later events of the same ticket wait; 410 switches the webhook off, and so do five days of
    nothing but failures. Needs `events:read`, too.
    """
    wish = webhooks.Wish(**{**body.model_dump(), "types": [str(each) for each in body.types]})
    webhook, secret = await webhooks.create(db, parts.vault, wish, actor, loopback=parts.settings.loopback, now=now)
    response.headers["Location"] = f"/v1/webhooks/{ids.encode('webhook', webhook.id)}"
    return _with_secret(request, response, webhook, secret)


@routes.get("/webhooks", summary="List webhooks")
async def list_webhooks(
    actor: ReadsWebhooks, db: Db, pages: Pages, limit: Limit = 50, cursor: CursorText = None
) -> Page[WebhookOut]:
    """Newest first; your own, and without limits of your key or role those of everybody."""
    after = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            owner=None if webhooks.sees_all(actor) else (actor.kind, actor.id),
            before=UUID(after[0]) if after else None,
            limit=limit + 1,
        )
    return pages.page(found, limit, shown, lambda one: [one.id])


@routes.get("/webhooks/{webhook_id}", summary="Read a webhook", response_model=WebhookOut)
async def read_webhook(
    webhook_id: WebhookId, request: Request, response: Response, actor: ReadsWebhooks, db: Db, _: IfNoneMatch
) -> Any:
    """Where it leads, what it is told, and how it fares; its secret is never shown again."""
    async with db.connection() as tx:
        webhook = await webhooks.find(tx, webhook_id, actor)
    return etags.answer(request, response, webhook.version) or shown(webhook)


@routes.patch("/webhooks/{webhook_id}", summary="Change a webhook")
async def patch_webhook(
    webhook_id: WebhookId,
    body: WebhookPatch,
    response: Response,
    actor: WritesWebhooks,
    db: Db,
    parts: Home,
    version: IfMatch,
    now: Now,
) -> WebhookOut:
    """A merge patch. `enabled: true` tells it of what happens from then on; what it missed is for a replay.

    A webhook whose owner is gone becomes yours when you switch it on.
    """
    changes = given(body)
    if "types" in changes:
        changes["types"] = [str(each) for each in changes["types"]]
    webhook = await webhooks.update(
        db, webhook_id, changes, actor, version=version, loopback=parts.settings.loopback, now=now
    )
    response.headers["ETag"] = etags.of(webhook.version)
    return shown(webhook)


@routes.delete("/webhooks/{webhook_id}", status_code=204, summary="Delete a webhook")
async def delete_webhook(webhook_id: WebhookId, actor: WritesWebhooks, db: Db, version: IfMatch, now: Now) -> None:
    """Nothing more is sent to it; its log goes with it."""
    await webhooks.delete(db, webhook_id, actor, version=version, now=now)


class RotationIn(Body):
    overlap_s: Annotated[
        int,
        Field(
            ge=0,
            le=int(LONGEST_OVERLAP.total_seconds()),
            description="How long calls carry a signature by the former secret, too",
            examples=[86_400],
        ),
    ] = 86_400


@routes.post("/webhooks/{webhook_id}/rotations", status_code=201, summary="Rotate a webhook's secret")
async def rotate_secret(
    webhook_id: WebhookId,
    body: RotationIn,
    request: Request,
    response: Response,
    actor: WritesWebhooks,
    db: Db,
    parts: Home,
    version: IfMatch,
    now: Now,
) -> SecretOut:
    """A new secret, shown once. During the overlap calls have two signatures: change the receiver meanwhile."""
    webhook, secret = await webhooks.rotate(
        db, parts.vault, webhook_id, actor, overlap=timedelta(seconds=body.overlap_s), version=version, now=now
    )
    return _with_secret(request, response, webhook, secret)


# --- the log --------------------------------------------------------------------------------------


class TryOut(Shown):
    at: datetime
    code: int | None = Field(description="The status that came back; null: none did", examples=[503])
    latency_ms: int | None
    error: str | None = Field(description="null: it was taken", examples=["answered 503"])
    answer: str = Field(description="The beginning of the answer's body, what may be a secret left out")


class WebhookDeliveryOut(Shown):
    id: WebhookDeliveryId = Field(description="The `webhook-id` of the call, the same at every try")
    webhook_id: WebhookId
    seq: int | None = Field(description="Of the event; null: a test")
    type: str = Field(examples=["ticket.created"])
    ticket_id: TicketId | None
    state: str = Field(description="waiting (also between tries), delivered or failed")
    tries: list[TryOut] = Field(description="The last twenty, oldest first")
    next_try_at: datetime | None = Field(description="Not before; null: it is over, or under way")
    created_at: datetime
    done_at: datetime | None


class WebhookDeliveryDetail(WebhookDeliveryOut):
    payload: dict[str, Any] | None = Field(description="What is sent; null: the webhook was deleted")


def _delivery(delivery: Delivery) -> WebhookDeliveryOut:
    return WebhookDeliveryOut.model_validate(delivery)


@routes.get("/webhooks/{webhook_id}/deliveries", summary="List a webhook's deliveries")
async def list_deliveries(
    webhook_id: WebhookId,
    actor: ReadsWebhooks,
    db: Db,
    pages: Pages,
    state: Annotated[Literal["waiting", "delivered", "failed"] | None, Query(description="Only these")] = None,
    type: Annotated[EventType | Literal["webhook.test"] | None, Query(description="Only of this type")] = None,  # noqa: A002
    ticket: Annotated[TicketId | None, Query(description="Only of this ticket")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[WebhookDeliveryOut]:
    """What it was told, and how it answered; newest first, kept for 30 days."""
    after = pages.after(cursor)
    async with db.connection() as tx:
        await webhooks.find(tx, webhook_id, actor)
        found = await log.page(
            tx,
            webhook_id,
            state=state,
            event_type=type,
            ticket_id=ticket,
            before=UUID(after[0]) if after else None,
            limit=limit + 1,
        )
    return pages.page(found, limit, _delivery, lambda one: [one.id])


async def _detail(db: Db, webhook_id: UUID, delivery_id: UUID, actor: Actor, base_url: str) -> WebhookDeliveryDetail:
    async with db.connection() as tx:
        await webhooks.find(tx, webhook_id, actor)
        found = await log.read(tx, webhook_id, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        loaded = await log.load(tx, delivery_id)
    payload = webhook_calls.payload(loaded, base_url) if loaded else None
    return WebhookDeliveryDetail.model_validate({**_delivery(found).model_dump(), "payload": payload})


@routes.get("/webhooks/{webhook_id}/deliveries/{delivery_id}", summary="Read a delivery")
async def read_delivery(
    webhook_id: WebhookId, delivery_id: WebhookDeliveryId, actor: ReadsWebhooks, db: Db, parts: Home
) -> WebhookDeliveryDetail:
    """With the payload, as it is sent."""
    return await _detail(db, webhook_id, delivery_id, actor, parts.settings.public_url)


@routes.post("/webhooks/{webhook_id}/tests", status_code=202, summary="Test a webhook")
async def test_webhook(
    webhook_id: WebhookId, response: Response, actor: WritesWebhooks, db: Db, parts: Home, now: Now
) -> WebhookDeliveryDetail:
    """Sends a `webhook.test` at once, also to a webhook that is switched off. Location is where its outcome appears."""
    delivery_id = await webhooks.test(db, webhook_id, actor, now=now)
    response.headers["Location"] = _location(webhook_id, delivery_id)
    return await _detail(db, webhook_id, delivery_id, actor, parts.settings.public_url)


def _location(webhook_id: UUID, delivery_id: UUID) -> str:
    whole = ids.encode("webhook", webhook_id), ids.encode("webhook_delivery", delivery_id)
    return f"/v1/webhooks/{whole[0]}/deliveries/{whole[1]}"


class ReplayIn(Body):
    """Either deliveries by their ids, or a range of events."""

    delivery_ids: Annotated[
        list[WebhookDeliveryId] | None, Field(min_length=1, max_length=200, description="These, whatever came of them")
    ] = None
    after: Annotated[int | None, Field(ge=0, le=2**62, description="Events behind this `seq`")] = None
    through: Annotated[int | None, Field(ge=1, le=2**62, description="Up to this `seq`; null: the newest")] = None
    since: Annotated[Utc | None, Field(description="Events from this moment on", examples=["2026-11-28T00:00:00Z"])] = (
        None
    )
    until: Annotated[Utc | None, Field(description="Events before this moment")] = None
    only_failed: Annotated[bool, Field(description="Of a range: leave out what was delivered")] = True

    @model_validator(mode="after")
    def _one_way(self) -> "ReplayIn":
        ranged = self.after is not None or self.since is not None
        if ranged == (self.delivery_ids is not None):
            raise ValueError("either delivery_ids, or a range that begins with after or since")
        return self


class ReplayOut(Shown):
    replayed: int = Field(description="How many deliveries wait to be made once more", examples=[12])
    through: int | None = Field(description="Of a range: the last `seq` that was looked at")
    has_more: bool = Field(description="Of a long range: go on with `after` = `through`")


@routes.post("/webhooks/{webhook_id}/replays", status_code=202, summary="Replay a webhook's deliveries")
async def replay(webhook_id: WebhookId, body: ReplayIn, actor: WritesWebhooks, db: Db) -> ReplayOut:
    """Once more, with the same ids, so that a receiver that had them notices. What waits for another try is due now.

    A range also brings events that happened while the webhook was off. At most 5 000 events are looked at in one go.
    """
    if body.delivery_ids is not None:
        count = await webhooks.replay_some(db, webhook_id, body.delivery_ids, actor)
        return ReplayOut(replayed=count, through=None, has_more=False)
    count, through, more = await webhook_feed.replay_range(
        db,
        webhook_id,
        actor,
        after=body.after or 0,
        through=body.through,
        since=body.since,
        until=body.until,
        only_failed=body.only_failed,
    )
    return ReplayOut(replayed=count, through=through, has_more=more)
