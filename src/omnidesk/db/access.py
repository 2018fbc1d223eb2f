"""Who may come in: passwords, sessions, API keys and one-time links. Only hashes of secrets are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An agent as far as signing in and rights go."""

    id: UUID
    name: str
    email: str
    role: str
    language: str
    password_hash: str | None
    disabled_at: datetime | None
    queue_ids: Sequence[UUID]  # the queues he is a member of
    open_queue_ids: Sequence[UUID]  # the queues that have no members: open to all


_PERSON = """
    a.id, a.name, a.email, a.role, a.language, a.password_hash, a.disabled_at,
    ARRAY(SELECT queue_id FROM queue_agents q WHERE q.agent_id = a.id ORDER BY queue_id) AS queue_ids,
    ARRAY(SELECT id FROM queues o WHERE NOT EXISTS (SELECT FROM queue_agents m WHERE m.queue_id = o.id))
        AS open_queue_ids
"""


async def person_by_email(tx: Tx, email: str) -> Person | None:
    row = await tx.driver.fetchrow(f"SELECT {_PERSON} FROM agents a WHERE a.email = $1", email)  # noqa: S608
    return Person(**dict(row)) if row else None


async def person(tx: Tx, agent_id: UUID) -> Person | None:
    row = await tx.driver.fetchrow(f"SELECT {_PERSON} FROM agents a WHERE a.id = $1", agent_id)  # noqa: S608
    return Person(**dict(row)) if row else None


async def persons(tx: Tx, agent_ids: Sequence[UUID]) -> dict[UUID, Person]:
    if not agent_ids:
        return {}
    rows = await tx.driver.fetch(f"SELECT {_PERSON} FROM agents a WHERE a.id = ANY($1::uuid[])", agent_ids)  # noqa: S608
    return {row["id"]: Person(**dict(row)) for row in rows}


async def administrators(tx: Tx) -> list[Person]:
    """Those who can administer, by address."""
    rows = await tx.driver.fetch(
        f"SELECT {_PERSON} FROM agents a WHERE a.role = 'admin' AND a.disabled_at IS NULL ORDER BY a.email"  # noqa: S608
    )
    return [Person(**dict(row)) for row in rows]


async def set_password(tx: Tx, agent_id: UUID, password_hash: str) -> None:
    await tx.driver.execute("UPDATE agents SET password_hash = $2 WHERE id = $1", agent_id, password_hash)


# --- sessions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    person: Person
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


async def add_session(tx: Tx, token_hash: bytes, agent_id: UUID, *, now: datetime, expires_at: datetime) -> None:
    await tx.driver.execute(
        "INSERT INTO sessions (token_hash, agent_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)",
        token_hash,
        agent_id,
        now,
        expires_at,
    )


async def session(tx: Tx, token_hash: bytes) -> Session | None:
    return (await sessions(tx, [token_hash])).get(token_hash)


async def sessions(tx: Tx, token_hashes: Sequence[bytes]) -> dict[bytes, Session]:
    """By the hashes of their tokens."""
    rows = await tx.driver.fetch(
        f"""
        SELECT s.token_hash, s.created_at, s.seen_at, s.expires_at, {_PERSON}
          FROM sessions s JOIN agents a ON a.id = s.agent_id WHERE s.token_hash = ANY($1::bytea[])
        """,  # noqa: S608 - our own columns
        token_hashes,
    )
    found = {}
    for row in rows:
        values = dict(row)
        times = {name: values.pop(name) for name in ("created_at", "seen_at", "expires_at")}
        token_hash = bytes(values.pop("token_hash"))
        found[token_hash] = Session(person=Person(**values), **times)
    return found


async def touch_sessions(tx: Tx, token_hashes: Sequence[bytes], now: datetime) -> None:
    await tx.driver.execute("UPDATE sessions SET seen_at = $2 WHERE token_hash = ANY($1::bytea[])", token_hashes, now)


async def end_session(tx: Tx, token_hash: bytes) -> None:
    await tx.driver.execute("DELETE FROM sessions WHERE token_hash = $1", token_hash)


async def end_sessions_of(tx: Tx, agent_id: UUID) -> None:
    await tx.driver.execute("DELETE FROM sessions WHERE agent_id = $1", agent_id)


async def sweep(tx: Tx, now: datetime) -> None:
    """Forget sessions and links that are over, and tell-tale rows of old links."""
    await tx.driver.execute("DELETE FROM sessions WHERE expires_at < $1", now)
    await tx.driver.execute("DELETE FROM login_links WHERE expires_at < $1", now - timedelta(days=7))


# --- one-time links -------------------------------------------------------------------------------


async def add_link(tx: Tx, token_hash: bytes, agent_id: UUID | None, *, now: datetime, expires_at: datetime) -> None:
    await tx.driver.execute(
        "INSERT INTO login_links (token_hash, agent_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        token_hash,
        agent_id,
        now,
        expires_at,
    )


@dataclass(frozen=True, slots=True)
class Link:
    agent_id: UUID | None  # None: makes the first administrator


async def use_link(tx: Tx, token_hash: bytes, now: datetime) -> Link | None:
    """Use a link up; None when it is unknown, used or over. Of two at once, one gets it."""
    row = await tx.driver.fetchrow(
        """
        UPDATE login_links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
        RETURNING agent_id
        """,
        token_hash,
        now,
    )
    return Link(row["agent_id"]) if row else None


async def link(tx: Tx, token_hash: bytes, now: datetime) -> Link | None:
    """A link that may still be used; looking at it does not use it up."""
    row = await tx.driver.fetchrow(
        "SELECT agent_id FROM login_links WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
        token_hash,
        now,
    )
    return Link(row["agent_id"]) if row else None


async def has_administrator(tx: Tx) -> bool:
    """Whether anybody can administer; with the table locked against a second first one until the commit."""
    await tx.driver.execute("LOCK TABLE agents IN SHARE ROW EXCLUSIVE MODE")
    return bool(
        await tx.driver.fetchval("SELECT true FROM agents WHERE role = 'admin' AND disabled_at IS NULL LIMIT 1")
    )


# --- API keys -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key; its hash stays here."""

    id: UUID
    public_id: str
    name: str
    hash: bytes
    scopes: Sequence[str]
    agent_id: UUID | None
    inbox_ids: Sequence[UUID]
    queue_ids: Sequence[UUID]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    version: int
    created_at: datetime


_KEY = ", ".join(Key.__dataclass_fields__)


async def add_key(tx: Tx, key: Key) -> None:
    await tx.driver.execute(
        """
        INSERT INTO api_keys (id, public_id, name, hash, scopes, agent_id, inbox_ids, queue_ids, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        key.id,
        key.public_id,
        key.name,
        key.hash,
        list(key.scopes),
        key.agent_id,
        list(key.inbox_ids),
        list(key.queue_ids),
        key.expires_at,
        key.created_at,
    )


async def keys_by_public_id(tx: Tx, public_ids: Sequence[str]) -> dict[str, tuple[Key, Person | None]]:
    """Keys with their agents, if they are personal ones."""
    rows = await tx.driver.fetch(f"SELECT {_KEY} FROM api_keys WHERE public_id = ANY($1::text[])", public_ids)  # noqa: S608
    keys = [Key(**dict(row)) for row in rows]
    people = await persons(tx, sorted({key.agent_id for key in keys if key.agent_id}))
    return {key.public_id: (key, people.get(key.agent_id) if key.agent_id else None) for key in keys}


async def key(tx: Tx, key_id: UUID, *, lock: bool = False) -> Key | None:
    row = await tx.driver.fetchrow(
        f"SELECT {_KEY} FROM api_keys WHERE id = $1 {'FOR NO KEY UPDATE' if lock else ''}",  # noqa: S608 - our own columns
        key_id,
    )
    return Key(**dict(row)) if row else None


async def keys(tx: Tx, *, agent_id: UUID | None, before: UUID | None, limit: int) -> list[Key]:
    """Newest first; of one agent, or all."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_KEY} FROM api_keys
         WHERE ($1::uuid IS NULL OR agent_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - our own columns
        agent_id,
        before,
        limit,
    )
    return [Key(**dict(row)) for row in rows]


async def touch_key(tx: Tx, key_id: UUID, now: datetime) -> None:
    """Note that a key was used; the version stays, this is no change of the key."""
    await tx.driver.execute(
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
        key_id,
        now,
    )


async def revoke_key(tx: Tx, key_id: UUID, now: datetime) -> None:
    await tx.driver.execute(
        "UPDATE api_keys SET revoked_at = $2, version = version + 1 WHERE id = $1 AND revoked_at IS NULL", key_id, now
    )
