"""Webhooks: programs that are told of events, how far each was told, and how it fares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook; its secrets are sealed."""

    id: UUID
    url: str
    description: str
    types: Sequence[str]  # empty: all
    queue_ids: Sequence[UUID]  # empty: all that its owner sees
    inbox_ids: Sequence[UUID]
    owner_kind: str  # agent | key
    owner_id: UUID
    secret: bytes
    old_secret: bytes | None = None
    old_secret_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    last_error: str | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime


_COLUMNS = ", ".join(Webhook.__dataclass_fields__)
_QUALIFIED = ", ".join(f"w.{name}" for name in Webhook.__dataclass_fields__)


async def insert(tx: Tx, webhook: Webhook) -> None:
    """Add a webhook that is told of what happens from now on."""
    await tx.driver.execute(
        """
        INSERT INTO webhooks (id, url, description, types, queue_ids, inbox_ids, owner_kind, owner_id, secret,
                              disabled_at, disabled_reason, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        """,
        webhook.id,
        webhook.url,
        webhook.description,
        list(webhook.types),
        list(webhook.queue_ids),
        list(webhook.inbox_ids),
        webhook.owner_kind,
        webhook.owner_id,
        webhook.secret,
        webhook.disabled_at,
        webhook.disabled_reason,
        webhook.created_at,
    )
    await begin_now(tx, webhook.id)


async def begin_now(tx: Tx, webhook_id: UUID) -> None:
    """From here on, whatever it was told before."""
    await tx.driver.execute(
        """
        INSERT INTO webhook_cursors (webhook_id, seq) SELECT $1, coalesce(max(seq), 0) FROM events
        ON CONFLICT (webhook_id) DO UPDATE SET seq = excluded.seq
        """,
        webhook_id,
    )


async def count(tx: Tx) -> int:
    return int(await tx.driver.fetchval("SELECT count(*) FROM webhooks WHERE deleted_at IS NULL"))


async def read(tx: Tx, webhook_id: UUID, *, lock: bool = False) -> Webhook | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_COLUMNS} FROM webhooks WHERE id = $1 AND deleted_at IS NULL {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own columns
        webhook_id,
    )
    return Webhook(**dict(row)) if row else None


async def page(
    tx: Tx, *, owner: tuple[str, UUID | None] | None = None, before: UUID | None = None, limit: int
) -> list[Webhook]:
    """Newest first; all of them, or those of one owner."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM webhooks
         WHERE deleted_at IS NULL AND ($1::text IS NULL OR (owner_kind = $1 AND owner_id = $2))
           AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4
        """,  # noqa: S608 - our own columns
        owner[0] if owner else None,
        owner[1] if owner else None,
        before,
        limit,
    )
    return [Webhook(**dict(row)) for row in rows]


async def save(tx: Tx, webhook: Webhook, *, now: datetime) -> Webhook:
    """Write a changed webhook; as it is then."""
    row = await tx.driver.fetchrow(
        f"""
        UPDATE webhooks
           SET url = $2, description = $3, types = $4, queue_ids = $5, inbox_ids = $6, owner_kind = $7, owner_id = $8,
               secret = $9, old_secret = $10, old_secret_until = $11, disabled_at = $12, disabled_reason = $13,
               failing_since = $14, failed_at = CASE WHEN $14::timestamptz IS NULL THEN NULL ELSE failed_at END,
               updated_at = $15, version = version + 1
         WHERE id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - our own columns
        webhook.id,
        webhook.url,
        webhook.description,
        list(webhook.types),
        list(webhook.queue_ids),
        list(webhook.inbox_ids),
        webhook.owner_kind,
        webhook.owner_id,
        webhook.secret,
        webhook.old_secret,
        webhook.old_secret_until,
        webhook.disabled_at,
        webhook.disabled_reason,
        webhook.failing_since,
        now,
    )
    assert row is not None
    return Webhook(**dict(row))


async def delete(tx: Tx, webhook_id: UUID, now: datetime) -> None:
    """Out of sight at once; `sweep` removes the row when its log is empty."""
    await tx.driver.execute("UPDATE webhooks SET deleted_at = $2, old_secret = NULL WHERE id = $1", webhook_id, now)
    await tx.driver.execute("DELETE FROM webhook_cursors WHERE webhook_id = $1", webhook_id)


async def disable(tx: Tx, webhook_id: UUID, reason: str) -> str | None:
    """Switch a webhook off, by the database's clock; its URL, None when it was off already."""
    url: str | None = await tx.driver.fetchval(
        """
        UPDATE webhooks SET disabled_at = clock_timestamp(), disabled_reason = $2, updated_at = clock_timestamp(),
               version = version + 1
         WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL RETURNING url
        """,
        webhook_id,
        reason,
    )
    return url


# --- how it fares ---------------------------------------------------------------------------------


async def note_success(tx: Tx, webhook_id: UUID) -> None:
    await tx.driver.execute(
        """
        UPDATE webhooks SET failing_since = NULL, failed_at = NULL, last_error = NULL, version = version + 1
         WHERE id = $1 AND failing_since IS NOT NULL
        """,
        webhook_id,
    )


async def note_failure(tx: Tx, webhook_id: UUID, error: str, *, off_after: timedelta, quiet: timedelta) -> bool:
    """A call failed; True when nothing but failures came for `off_after`.

    Written at most once a minute. After a time without any call (`quiet`) the count begins anew, so that one
    failure after a silent week switches nothing off.
    """
    return bool(
        await tx.driver.fetchval(
            """
            UPDATE webhooks AS w
               SET failing_since = CASE WHEN w.failed_at > clock_timestamp() - $4::interval
                                        THEN coalesce(w.failing_since, clock_timestamp()) ELSE clock_timestamp() END,
                   failed_at = clock_timestamp(), last_error = $2,
                   version = w.version + CASE WHEN w.failing_since IS NULL THEN 1 ELSE 0 END
             WHERE id = $1 AND (w.failed_at IS NULL OR w.failed_at < clock_timestamp() - interval '1 minute')
            RETURNING failing_since <= clock_timestamp() - $3::interval AND disabled_at IS NULL
            """,
            webhook_id,
            error,
            off_after,
            quiet,
        )
    )


# --- telling --------------------------------------------------------------------------------------


async def behind(tx: Tx, most_waiting: int, limit: int = 200) -> list[tuple[Webhook, int]]:
    """Webhooks that were not told of everything yet, with the number of what they were told last; the furthest behind
    first, their cursors locked. One of which so many calls wait already is left until some are made.
    """
    rows = await tx.driver.fetch(
        f"""
        SELECT {_QUALIFIED}, c.seq FROM webhook_cursors AS c JOIN webhooks AS w ON w.id = c.webhook_id
         WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL AND c.seq < (SELECT max(seq) FROM events)
           AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries AS d
                                       WHERE d.webhook_id = w.id AND d.state = 'waiting' LIMIT $1) AS n) < $1
         ORDER BY c.seq, w.id LIMIT $2 FOR UPDATE OF c SKIP LOCKED
        """,  # noqa: S608 - our own columns
        most_waiting,
        limit,
    )
    return [(Webhook(**{k: v for k, v in row.items() if k != "seq"}), row["seq"]) for row in rows]


async def advance(tx: Tx, webhook_ids: Sequence[UUID], seq: int) -> None:
    """These were told of everything up to this number."""
    await tx.driver.execute(
        "UPDATE webhook_cursors SET seq = $2 WHERE webhook_id = ANY($1::uuid[])", list(webhook_ids), seq
    )


# --- figures and leaving --------------------------------------------------------------------------


async def troubled(tx: Tx, limit: int = 20) -> list[Webhook]:
    """Those that the desk switched off, and those that keep failing."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM webhooks
         WHERE deleted_at IS NULL
           AND (disabled_reason <> 'by_hand' OR (disabled_at IS NULL AND failing_since IS NOT NULL))
         ORDER BY id LIMIT $1
        """,  # noqa: S608 - our own columns
        limit,
    )
    return [Webhook(**dict(row)) for row in rows]


async def sweep(tx: Tx, limit: int) -> int:
    """Drop deleted webhooks whose log is empty; how many."""
    tag = await tx.driver.execute(
        """
        DELETE FROM webhooks WHERE id IN (
            SELECT id FROM webhooks AS w WHERE deleted_at IS NOT NULL
               AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.webhook_id = w.id) LIMIT $1)
        """,
        limit,
    )
    return int(tag.split()[-1])
