"""Sessions of agents: begun with a password, ended by hand, by time or by a new password."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import access, events
from omnidesk.db.access import Person, Session
from omnidesk.db.session import Database
from omnidesk.desk.access.passwords import digest, hashed, matches, slow_down
from omnidesk.desk.access.rights import actor_of
from omnidesk.domain.errors import Unauthenticated
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

SESSION_LIFE = timedelta(days=7)
SESSION_IDLE = timedelta(hours=12)
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str  # for the cookie; not stored
    actor: Actor
    expires_at: datetime


async def sign_in(db: Database, email: str, password: str, *, address: str, now: datetime) -> SignedIn:
    """Begin a session. Raises Unauthenticated, the same for whatever is wrong, and TooMany."""
    email = email.strip().lower()
    await slow_down(db, address, email)
    async with db.connection() as tx:
        person = await access.person_by_email(tx, email)
    fits = await matches(person.password_hash if person else None, password)
    if not person or not fits or person.disabled_at:
        raise Unauthenticated("Wrong address or password.", code="wrong_credentials")
    return await begin(db, person, now)


async def begin(db: Database, person: Person, now: datetime) -> SignedIn:
    token = secrets.token_urlsafe(32)
    actor = actor_of(person)
    async with db.transaction() as tx:
        await access.add_session(tx, digest(token), person.id, now=now, expires_at=now + SESSION_LIFE)
        await events.record(tx, [Event(type=EventType.SIGNED_IN, subject_id=person.id, actor=str(actor))])
    return SignedIn(token, actor, now + SESSION_LIFE)


async def sign_out(db: Database, token: str) -> None:
    async with db.connection() as tx:
        await access.end_session(tx, digest(token))


async def by_session(db: Database, token: str, *, now: datetime) -> Actor | None:
    """Whose session this is; None when it is unknown, over, or twelve hours idle."""
    async with db.connection() as tx:
        found = await access.session(tx, digest(token))
        actor = who(found, now)
        if found and actor and now - found.seen_at > TOUCH_EVERY:
            await access.touch_sessions(tx, [digest(token)], now)
    return actor


def who(session: Session | None, now: datetime) -> Actor | None:
    """Who acts in a session; None when it is over."""
    if session is None or session.expires_at <= now or session.person.disabled_at:
        return None
    return actor_of(session.person) if now - session.seen_at <= SESSION_IDLE else None


async def change_password(db: Database, agent_id: UUID, old: str, new: str, *, address: str) -> None:
    """Raises Unauthenticated when the old one is wrong, Refused (`weak_password`). All sessions end."""
    async with db.connection() as tx:
        person = await access.person(tx, agent_id)
    await slow_down(db, address, person.email if person else "")
    if not await matches(person.password_hash if person else None, old):
        raise Unauthenticated("Wrong address or password.", code="wrong_credentials")
    password_hash = await hashed(new)
    async with db.transaction() as tx:
        await access.set_password(tx, agent_id, password_hash)
        await access.end_sessions_of(tx, agent_id)
