"""Making a database ready for a desk: its schema, its first settings, and ways in for its people."""

import logging
import secrets
from datetime import UTC, datetime

import structlog

from omnidesk.config import Settings, SettingsError
from omnidesk.db import access as rows
from omnidesk.db.migrate import current, head, migrate, revisions
from omnidesk.db.session import Database
from omnidesk.desk import access, admin, setup
from omnidesk.desk.new_ids import new_id
from omnidesk.domain.errors import NotFound, Refused
from omnidesk.domain.people import SYSTEM, Role

log = structlog.get_logger(__name__)


async def prepare(settings: Settings, url: str) -> str | None:
    """Bring the schema up and found the desk; a one-time link while nobody can administer it, else None."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it speaks of every step of every start
    before = await current(url)
    if before is not None and before not in revisions():
        raise SettingsError(
            f"the database is at revision {before}, which this program does not know: update the program"
        )
    if before != head():
        await migrate(url)
        log.info("schema.migrated", before=before, after=head())
    db = Database(url, size=1)
    try:
        await setup.found(
            db,
            zone=settings.default_timezone,
            country=settings.default_country,
            language=settings.default_language,
            now=datetime.now(UTC),
        )
        return await _first_link(settings, db)
    finally:
        await db.close()


def login_url(settings: Settings, token: str) -> str:
    """Where a one-time link leads: a page that may be looked at and is used once, within a day.

    Our access log holds route templates, never the token.
    """
    return f"{settings.public_url}/welcome/{token}"


async def _first_link(settings: Settings, db: Database) -> str | None:
    """A link that makes the first administrator; None when there is one."""
    async with db.transaction() as tx:
        if await rows.has_administrator(tx):
            return None
    return login_url(settings, await access.make_link(db, None, now=datetime.now(UTC)))


async def administrators_link(settings: Settings, db: Database, email: str | None) -> str:
    """A one-time link for an administrator: the one of this address, the only one, or the first one to come.

    Raises NotFound; Refused when there are several and none is named.
    """
    if email is None and (first := await _first_link(settings, db)):
        return first
    async with db.connection() as tx:
        people = await rows.administrators(tx)
    chosen = [one for one in people if email is None or one.email == email.strip().lower()]
    if not chosen:
        raise NotFound(f"{email} is no administrator; there are {', '.join(one.email for one in people) or 'none'}")
    if len(chosen) > 1:
        raise Refused(f"there are several administrators, say which: {', '.join(one.email for one in chosen)}")
    return login_url(settings, await access.make_link(db, chosen[0].id, now=datetime.now(UTC)))


async def agent(settings: Settings, db: Database, email: str, *, name: str, role: Role, language: str) -> str:
    """Make an agent; the link by which he signs in first. Raises Conflict."""
    now = datetime.now(UTC)
    made = await admin.create_agent(
        db, new_id(now), SYSTEM, email=email, name=name, role=role, language=language, now=now
    )
    return login_url(settings, await access.make_link(db, made.id, now=now))


async def reset(settings: Settings, db: Database, email: str) -> str:
    """End an agent's password and sessions; the link by which he sets a new one. Raises NotFound."""
    nobody_knows = await access.hashed(secrets.token_urlsafe(32))
    async with db.transaction() as tx:
        person = await rows.person_by_email(tx, email.strip().lower())
        if person is None:
            raise NotFound(f"there is no agent with the address {email}")
        await rows.set_password(tx, person.id, nobody_knows)
        await rows.end_sessions_of(tx, person.id)
    return login_url(settings, await access.make_link(db, person.id, now=datetime.now(UTC)))
