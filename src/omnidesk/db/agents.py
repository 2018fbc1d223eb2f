"""Agents: who works here, what they can do and how much they carry."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    id: UUID
    email: str
    name: str
    role: str
    language: str
    skills: Mapping[str, int]
    channels: Sequence[str]  # empty: all
    capacity: int
    calendar_id: UUID | None  # working hours; None: whenever he is online
    status: str
    status_since: datetime
    disabled_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    queue_ids: Sequence[UUID]


_OWN = [name for name in Agent.__dataclass_fields__ if name != "queue_ids"]
_COLUMNS = ", ".join(
    [
        *(f"a.{name}" for name in _OWN),
        "ARRAY(SELECT queue_id FROM queue_agents q WHERE q.agent_id = a.id ORDER BY queue_id) AS queue_ids",
    ]
)


async def insert(
    tx: Tx,
    agent_id: UUID,
    *,
    email: str,
    name: str,
    role: str,
    now: datetime,
    language: str = "ru",
    skills: Mapping[str, int] | None = None,
    channels: Sequence[str] = (),
    capacity: int = 6,
    calendar_id: UUID | None = None,
) -> None:
    await tx.driver.execute(
        """
        INSERT INTO agents (id, email, name, role, language, skills, channels, capacity, status_since, created_at,
                            updated_at, calendar_id)
        VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $9, $9, $10)
        """,
        agent_id,
        email,
        name,
        role,
        language,
        json.dumps(dict(skills or {}), ensure_ascii=False),
        list(channels),
        capacity,
        now,
        calendar_id,
    )


async def read(tx: Tx, agent_id: UUID, *, lock: bool = False) -> Agent | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_COLUMNS} FROM agents a WHERE a.id = $1 {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own columns
        agent_id,
    )
    return Agent(**dict(row)) if row else None


async def page(
    tx: Tx,
    *,
    limit: int,
    after: tuple[str, UUID] | None = None,
    queue_id: UUID | None = None,
    status: str | None = None,
    disabled: bool | None = False,
) -> list[Agent]:
    """By name; `disabled` None shows those, too."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM agents a
         WHERE ($1::text IS NULL OR (a.name COLLATE "C", a.id) > ($1 COLLATE "C", $2))
           AND ($3::uuid IS NULL OR EXISTS (
                   SELECT 1 FROM queue_agents q WHERE q.agent_id = a.id AND q.queue_id = $3))
           AND ($4::text IS NULL OR a.status = $4)
           AND ($5::bool IS NULL OR (a.disabled_at IS NOT NULL) = $5)
         ORDER BY a.name COLLATE "C", a.id LIMIT $6
        """,  # noqa: S608 - our own columns
        after[0] if after else None,
        after[1] if after else None,
        queue_id,
        status,
        disabled,
        limit,
    )
    return [Agent(**dict(row)) for row in rows]


async def update(tx: Tx, agent: Agent, *, now: datetime) -> None:
    """Write everything but presence, which has its own way, and membership."""
    await tx.driver.execute(
        """
        UPDATE agents SET email = $2, name = $3, role = $4, language = $5, skills = $6::jsonb, channels = $7,
               capacity = $8, disabled_at = $9, version = version + 1, updated_at = $10, calendar_id = $11
         WHERE id = $1
        """,
        agent.id,
        agent.email,
        agent.name,
        agent.role,
        agent.language,
        json.dumps(dict(agent.skills), ensure_ascii=False),
        list(agent.channels),
        agent.capacity,
        agent.disabled_at,
        now,
        agent.calendar_id,
    )


async def email_taken(tx: Tx, email: str, except_id: UUID | None = None) -> bool:
    found = await tx.driver.fetchval(
        "SELECT true FROM agents WHERE email = $1 AND id IS DISTINCT FROM $2::uuid", email, except_id
    )
    return bool(found)


async def set_queues(tx: Tx, agent_id: UUID, queue_ids: Sequence[UUID]) -> None:
    """Make these the queues that an agent is a member of."""
    wanted = sorted(set(queue_ids))
    await tx.driver.execute(
        "DELETE FROM queue_agents WHERE agent_id = $1 AND NOT queue_id = ANY($2::uuid[])", agent_id, wanted
    )
    await tx.driver.execute(
        "INSERT INTO queue_agents (queue_id, agent_id) SELECT unnest($2::uuid[]), $1 ON CONFLICT DO NOTHING",
        agent_id,
        wanted,
    )


async def other_administrators(tx: Tx, agent_id: UUID) -> bool:
    """Whether somebody else can administer, too; locks them, so that two do not step down at once."""
    rows = await tx.driver.fetch(
        "SELECT id FROM agents WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR NO KEY UPDATE"
    )
    return any(row["id"] != agent_id for row in rows)


async def unknown(tx: Tx, agent_ids: Sequence[UUID]) -> list[UUID]:
    """Those that do not exist."""
    rows = await tx.driver.fetch("SELECT id FROM agents WHERE id = ANY($1::uuid[])", list(agent_ids))
    known = {row["id"] for row in rows}
    return [one for one in agent_ids if one not in known]
