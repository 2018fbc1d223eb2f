"""Versions of the policy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omnidesk.db.session import Tx


async def policy(tx: Tx) -> tuple[int, dict[str, Any]] | None:
    """The newest version of the policy, as it was stored; None: nobody has stored any."""
    row = await tx.driver.fetchrow("SELECT version, policy FROM policies ORDER BY version DESC LIMIT 1")
    return (row["version"], row["policy"]) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    version: int
    policy: dict[str, Any]
    created_at: datetime


async def policy_of(tx: Tx, version: int) -> StoredPolicy | None:
    row = await tx.driver.fetchrow("SELECT version, policy, created_at FROM policies WHERE version = $1", version)
    return StoredPolicy(**dict(row)) if row else None


async def newest_policy(tx: Tx, *, lock: bool = False) -> StoredPolicy | None:
    """`lock`: nobody writes another one until the commit."""
    if lock:
        await tx.driver.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
    row = await tx.driver.fetchrow("SELECT version, policy, created_at FROM policies ORDER BY version DESC LIMIT 1")
    return StoredPolicy(**dict(row)) if row else None


async def add_policy(tx: Tx, plain: Mapping[str, Any], now: datetime) -> int:
    """Write the next version."""
    version: int = await tx.driver.fetchval(
        "INSERT INTO policies (policy, created_at) VALUES ($1::jsonb, $2) RETURNING version",
        json.dumps(plain, ensure_ascii=False),
        now,
    )
    return version
