"""Answers kept for seven days, so that a request sent twice is done once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from omnidesk.db.session import Tx

KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Whose key it is, for which method and path."""

    owner: str
    route: str
    key: str

    @property
    def lock(self) -> int:
        digest = hashlib.blake2b(f"{self.owner}\0{self.route}\0{self.key}".encode(), digest_size=8, person=b"omd-idem")
        return int.from_bytes(digest.digest(), "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    body_hash: bytes  # of the request
    status: int
    headers: Mapping[str, str]
    body: bytes


async def take(tx: Tx, slot: Slot) -> bool:
    """Hold the slot until this transaction ends; False: another request runs under this key right now."""
    return bool(await tx.driver.fetchval("SELECT pg_try_advisory_xact_lock($1)", slot.lock))


async def find(tx: Tx, slot: Slot, *, now: datetime) -> Answer | None:
    """The answer given under this key; a statement after `take`, so that it sees what the last holder committed."""
    row = await tx.driver.fetchrow(
        """
        SELECT body_hash, status, headers, body FROM idempotency_keys
         WHERE owner = $1 AND route = $2 AND key = $3 AND created_at > $4
        """,
        slot.owner,
        slot.route,
        slot.key,
        now - KEPT,
    )
    return Answer(**dict(row)) if row else None


async def keep(tx: Tx, slot: Slot, answer: Answer, *, now: datetime) -> None:
    """Store an answer; one that was kept too long is replaced."""
    await tx.driver.execute(
        """
        INSERT INTO idempotency_keys (owner, route, key, body_hash, status, headers, body, created_at)
        VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)
        ON CONFLICT (owner, route, key) DO UPDATE
           SET body_hash = excluded.body_hash, status = excluded.status, headers = excluded.headers,
               body = excluded.body, created_at = excluded.created_at
        """,
        slot.owner,
        slot.route,
        slot.key,
        answer.body_hash,
        answer.status,
        json.dumps(dict(answer.headers)),
        answer.body,
        now,
    )


async def sweep(tx: Tx, *, now: datetime, limit: int = 1000) -> int:
    """Forget answers older than seven days, at most `limit` at a time; how many."""
    tag = await tx.driver.execute(
        """
        DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2
        ))
        """,
        now - KEPT,
        limit,
    )
    return int(tag.split()[-1])
