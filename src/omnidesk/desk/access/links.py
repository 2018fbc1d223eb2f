"""One-time links: they bring an agent in once, within a day; the first one makes the administrator."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import access, agents, events
from omnidesk.db.access import Person
from omnidesk.db.session import Database
from omnidesk.desk.access.passwords import digest, hashed, slow_down
from omnidesk.desk.access.sessions import SignedIn, begin
from omnidesk.domain.errors import Conflict, NotFound, Refused, Unauthenticated
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Role

LINK_LIFE = timedelta(hours=24)


async def make_link(db: Database, agent_id: UUID | None, *, now: datetime) -> str:
    """The secret of a link that signs an agent in once, within a day; for None it makes the first administrator.

    Raises NotFound for an unknown or disabled agent.
    """
    token = secrets.token_urlsafe(32)
    async with db.transaction() as tx:
        if agent_id is not None:
            person = await access.person(tx, agent_id)
            if person is None or person.disabled_at:
                raise NotFound("There is no such agent.")
        await access.add_link(tx, digest(token), agent_id, now=now, expires_at=now + LINK_LIFE)
    return token


async def look_at_link(db: Database, token: str, *, now: datetime) -> Person | None:
    """Whom a link signs in, None for the first administrator; it stays unused. Raises Unauthenticated (`link_used`)."""
    async with db.connection() as tx:
        link = await access.link(tx, digest(token), now)
        person = await access.person(tx, link.agent_id) if link and link.agent_id else None
    if link is None or (link.agent_id and (person is None or person.disabled_at)):
        raise Unauthenticated("This link was used already or is over.", code="link_used")
    return person


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who the first administrator is."""

    agent_id: UUID
    email: str
    name: str
    language: str = "ru"


async def use_link(
    db: Database,
    token: str,
    *,
    password: str | None = None,
    newcomer: Newcomer | None = None,
    address: str,
    now: datetime,
) -> SignedIn:
    """Use a link up: begin a session, set a new password if one is given; older sessions then end.

    Raises Unauthenticated (`link_used`), Refused (`weak_password`, `newcomer_needed`), Conflict, TooMany.
    """
    await slow_down(db, address, digest(token).hex())
    password_hash = await hashed(password) if password is not None else None
    async with db.transaction() as tx:
        link = await access.use_link(tx, digest(token), now)
        if link is None:
            raise Unauthenticated("This link was used already or is over.", code="link_used")
        agent_id = link.agent_id
        if agent_id is None:
            if newcomer is None or password_hash is None:
                raise Refused(
                    "The first administrator needs an address, a name and a password.", code="newcomer_needed"
                )
            if await access.has_administrator(tx):
                raise Conflict("There is an administrator already.", code="has_administrator")
            agent_id = newcomer.agent_id
            await agents.insert(
                tx,
                agent_id,
                email=newcomer.email.strip().lower(),
                name=newcomer.name,
                role=Role.ADMIN,
                now=now,
                language=newcomer.language,
            )
            await events.record(tx, [Event(type=EventType.AGENT_CREATED, subject_id=agent_id, actor="system")])
        if password_hash is not None:
            await access.set_password(tx, agent_id, password_hash)
            await access.end_sessions_of(tx, agent_id)
        person = await access.person(tx, agent_id)
    if person is None or person.disabled_at:
        raise Unauthenticated("This link was used already or is over.", code="link_used")
    return await begin(db, person, now)
