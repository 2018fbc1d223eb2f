"""Webhooks: made, changed, rotated, switched off, tested and told once more. Secrets are shown once."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from omnidesk.channels import outgoing
from omnidesk.db import events, inboxes, outbox, queues, webhook_deliveries, webhooks
from omnidesk.db.session import Database, Tx
from omnidesk.db.webhook_deliveries import Known
from omnidesk.db.webhooks import Webhook
from omnidesk.desk.access import rights
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.owners import owner_of
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids, sight
from omnidesk.domain import webhooks as rules
from omnidesk.domain.errors import FieldError, Forbidden, Invalid, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

KIND, PURPOSE = "webhook", "webhook"  # of the outbox's rows; of the vault
MOST = 100  # webhooks of a desk
PATCHABLE = ("url", "description", "types", "queue_ids", "inbox_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    url: str
    description: str = ""
    types: Sequence[str] = ()
    queue_ids: Sequence[UUID] = ()
    inbox_ids: Sequence[UUID] = ()
    enabled: bool = True


def sees_all(actor: Actor) -> bool:
    """Who has no limits reads every webhook; the others their own."""
    return sight.sees_everything(actor)


async def create(
    db: Database, vault: Vault, wish: Wish, actor: Actor, *, loopback: bool, now: datetime
) -> tuple[Webhook, str]:
    """Make a webhook; returns it and its secret, which is never shown again.

    It tells what its owner may read, so he needs `events:read`. Raises Forbidden, Invalid (url, queues, inboxes),
    Refused (`too_many_webhooks`).
    """
    if "events:read" not in rights(actor):
        raise Forbidden("This needs the scope events:read.", code="missing_right", details={"scope": "events:read"})
    kind, owner_id = owner_of(actor)
    _check_url(wish.url, loopback=loopback)
    secret = rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
    webhook = Webhook(
        id=new_id(now),
        url=wish.url,
        description=wish.description,
        types=sorted(set(wish.types)),
        queue_ids=sorted(set(wish.queue_ids)),
        inbox_ids=sorted(set(wish.inbox_ids)),
        owner_kind=kind,
        owner_id=owner_id,
        secret=vault.encrypt(secret.encode(), PURPOSE),
        disabled_at=None if wish.enabled else now,
        disabled_reason=None if wish.enabled else "by_hand",
        created_at=now,
        updated_at=now,
    )
    async with db.transaction() as tx:
        if await webhooks.count(tx) >= MOST:
            raise Refused(f"A desk has at most {MOST} webhooks.", code="too_many_webhooks")
        await _check_limits(tx, webhook)
        await webhooks.insert(tx, webhook)
        await _tell(tx, EventType.WEBHOOK_CREATED, webhook.id, actor, {"host": _host(webhook.url)})
    return webhook, secret


def _check_url(url: str, *, loopback: bool) -> None:
    try:
        outgoing.check(url, loopback=loopback)
    except (outgoing.NotAllowed, httpx.InvalidURL) as error:
        words = str(error) if isinstance(error, outgoing.NotAllowed) else "this is no URL"
        wrong = FieldError(pointer="/url", code="bad_format", message=words)
        raise Invalid("A webhook goes to a public https address.", [wrong], code="bad_webhook_url") from None


async def _check_limits(tx: Tx, webhook: Webhook) -> None:
    known = {one.id for one in await inboxes.every(tx)} if webhook.inbox_ids else set()
    for name, unknown in (
        ("queue_ids", bool(webhook.queue_ids and await queues.unknown(tx, list(webhook.queue_ids)))),
        ("inbox_ids", not set(webhook.inbox_ids) <= known),
    ):
        if unknown:
            wrong = FieldError(pointer=f"/{name}", code="unknown", message="Unknown.")
            raise Invalid("Some fields are not right.", [wrong])


def _host(url: str) -> str:
    return httpx.URL(url).host


async def _tell(tx: Tx, kind: EventType, webhook_id: UUID, actor: Actor | str, data: Mapping[str, Any]) -> None:
    await events.record(tx, [Event(type=kind, subject_id=webhook_id, actor=str(actor), data=data)])


async def find(tx: Tx, webhook_id: UUID, actor: Actor, *, lock: bool = False) -> Webhook:
    """The webhook, if the actor may see it. Raises NotFound."""
    webhook = await webhooks.read(tx, webhook_id, lock=lock)
    own = webhook is not None and (webhook.owner_kind, webhook.owner_id) == (actor.kind, actor.id)
    if webhook is None or not (own or sees_all(actor)):
        raise NotFound("There is no such webhook.")
    return webhook


async def _locked(tx: Tx, webhook_id: UUID, actor: Actor, version: int | None) -> Webhook:
    webhook = await find(tx, webhook_id, actor, lock=True)
    if version is not None and version != webhook.version:
        raise Stale("The webhook has changed since.", details={"version": webhook.version})
    return webhook


async def update(
    db: Database,
    webhook_id: UUID,
    changes: Mapping[str, Any],
    actor: Actor,
    *,
    version: int | None,
    loopback: bool,
    now: datetime,
) -> Webhook:
    """Change a webhook; `enabled` switches it on or off. Raises NotFound, Stale, Invalid.

    Switched on, it is told of what happens from then on. One whose owner is gone becomes the actor's.
    """
    if "url" in changes:
        _check_url(changes["url"], loopback=loopback)

    async def work(tx: Tx) -> Webhook:
        before = await _locked(tx, webhook_id, actor, version)
        fields: dict[str, Any] = {name: changes[name] for name in PATCHABLE if name in changes}
        fields |= {name: sorted(set(fields[name])) for name in ("types", "queue_ids", "inbox_ids") if name in fields}
        after = replace(before, **fields)
        if changes.get("enabled") is True and before.disabled_at:
            after = _switched_on(after, actor)
            await webhooks.begin_now(tx, webhook_id)
        elif changes.get("enabled") is False and not before.disabled_at:
            after = replace(after, disabled_at=now, disabled_reason="by_hand")
        if after == before:
            return before
        await _check_limits(tx, after)
        changed = [name for name in PATCHABLE if getattr(before, name) != getattr(after, name)]
        changed += ["enabled"] if before.disabled_at != after.disabled_at else []
        await _tell(tx, EventType.WEBHOOK_UPDATED, webhook_id, actor, {"changed": changed})
        return await webhooks.save(tx, after, now=now)

    return await db.repeating(work)


def _switched_on(webhook: Webhook, actor: Actor) -> Webhook:
    kind, owner_id = owner_of(actor) if webhook.disabled_reason == "owner_gone" else (None, None)
    return replace(
        webhook,
        disabled_at=None,
        disabled_reason=None,
        failing_since=None,
        owner_kind=kind or webhook.owner_kind,
        owner_id=owner_id or webhook.owner_id,
    )


async def rotate(
    db: Database,
    vault: Vault,
    webhook_id: UUID,
    actor: Actor,
    *,
    overlap: timedelta,
    version: int | None,
    now: datetime,
) -> tuple[Webhook, str]:
    """A new secret, shown once; for `overlap` the former one signs beside it. Raises NotFound, Stale."""
    secret = rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
    sealed = vault.encrypt(secret.encode(), PURPOSE)

    async def work(tx: Tx) -> Webhook:
        before = await _locked(tx, webhook_id, actor, version)
        kept = (before.secret, now + overlap) if overlap else (None, None)
        after = replace(before, secret=sealed, old_secret=kept[0], old_secret_until=kept[1])
        await _tell(tx, EventType.WEBHOOK_UPDATED, webhook_id, actor, {"changed": ["secret"]})
        return await webhooks.save(tx, after, now=now)

    return await db.repeating(work), secret


async def delete(db: Database, webhook_id: UUID, actor: Actor, *, version: int | None, now: datetime) -> None:
    """Nothing more is sent to it. Raises NotFound, Stale."""

    async def work(tx: Tx) -> None:
        await _locked(tx, webhook_id, actor, version)
        await webhooks.delete(tx, webhook_id, now)
        await _tell(tx, EventType.WEBHOOK_DELETED, webhook_id, actor, {})

    await db.repeating(work)


async def switch_off(tx: Tx, webhook_id: UUID, reason: str) -> None:
    """The desk switches a webhook off (`failing`, `gone`, `owner_gone`), and says so; its calls end untried."""
    url = await webhooks.disable(tx, webhook_id, reason)
    if url is not None:
        await _tell(tx, EventType.WEBHOOK_DISABLED, webhook_id, "system", {"reason": reason, "host": _host(url)})


# --- calls ----------------------------------------------------------------------------------------


def call_of(webhook_id: UUID, delivery_id: UUID, ticket_id: UUID | None, subject_id: UUID | None) -> outbox.New:
    """The call of an event; the receiver takes our key, so a lost one is made again."""
    return outbox.New(
        kind=KIND,
        order_key=rules.order_key(webhook_id, ticket_id, subject_id),
        endpoint=ids.encode("webhook", webhook_id),
        subject_id=delivery_id,
        repeats=True,
    )


async def test(db: Database, webhook_id: UUID, actor: Actor, *, now: datetime) -> UUID:
    """Send a `webhook.test`, also to a webhook that is off, past what waits; the delivery's id. Raises NotFound."""
    delivery_id = new_id(now)

    async def work(tx: Tx) -> None:
        await find(tx, webhook_id, actor)
        new = webhook_deliveries.New(id=delivery_id, webhook_id=webhook_id, seq=None, type=rules.TEST, ticket_id=None)
        await webhook_deliveries.put(tx, [new])
        await outbox.put(tx, [_test_call(webhook_id, delivery_id)])

    await db.repeating(work)
    return delivery_id


def _test_call(webhook_id: UUID, delivery_id: UUID) -> outbox.New:
    call = call_of(webhook_id, delivery_id, None, delivery_id)
    return replace(call, endpoint=f"{call.endpoint}:test")  # not held by the circuit of one that fails


async def replay_some(db: Database, webhook_id: UUID, delivery_ids: Sequence[UUID], actor: Actor) -> int:
    """Tell these once more, with the same ids; how many. Raises NotFound, Invalid for one that is not its own."""

    async def work(tx: Tx) -> int:
        await find(tx, webhook_id, actor)
        known = await webhook_deliveries.by_id(tx, webhook_id, delivery_ids)
        if len(known) < len(set(delivery_ids)):
            wrong = FieldError(pointer="/delivery_ids", code="unknown", message="Unknown.")
            raise Invalid("Some of these deliveries are not known here.", [wrong])
        await again(tx, webhook_id, known)
        return len(known)

    return await db.repeating(work)


async def again(tx: Tx, webhook_id: UUID, known: Sequence[Known]) -> None:
    """Make these calls once more: at once where one waits for another try, else as new rows of the outbox."""
    await webhook_deliveries.begin_again(tx, [one.id for one in known])
    calls = [
        _test_call(webhook_id, one.id)
        if one.type == rules.TEST
        else call_of(webhook_id, one.id, one.ticket_id, one.subject_id)
        for one in sorted(known, key=lambda one: (one.seq or 0, one.id))
        if not one.waiting
    ]
    await outbox.put(tx, calls)


def body_of(payload: Mapping[str, Any]) -> bytes:
    """The body of a call."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")
