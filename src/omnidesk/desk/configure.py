"""Changing how the desk works: its policy and its calendars, each change a version of its own."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.db import calendars, events
from omnidesk.db import policies as store
from omnidesk.db.calendars import StoredCalendar
from omnidesk.db.policies import StoredPolicy
from omnidesk.db.session import Database, Tx
from omnidesk.desk.calendars import filled
from omnidesk.domain import business_time
from omnidesk.domain.business_time import Calendar, NeverOpen, deadline
from omnidesk.domain.errors import Conflict, FieldError, Invalid, NotFound, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor
from omnidesk.routing.policy import DEFAULT, parse, to_plain


async def read_policy(tx: Tx, version: int | None = None) -> StoredPolicy:
    """A version of the policy, complete; 0 is the one that the program brings. Raises NotFound."""
    if version == 0:
        return _built_in()
    found = await (store.newest_policy(tx) if version is None else store.policy_of(tx, version))
    if found is None and version is not None:
        raise NotFound("There is no such version of the policy.")
    return found or _built_in()


def _built_in() -> StoredPolicy:
    return StoredPolicy(version=0, policy=to_plain(DEFAULT), created_at=datetime.fromisoformat("2026-01-01T00:00Z"))


async def write_policy(
    db: Database,
    actor: Actor,
    plain: Mapping[str, Any],
    *,
    version: int | None,
    request_id: str | None = None,
    now: datetime,
) -> StoredPolicy:
    """Make this the policy; what it leaves out is as the program brings it. What is so already stays a version.

    What was decided and agreed by older versions stays as it is. Raises Invalid with every key that is wrong,
    Stale when `version` is not the newest.
    """
    wanted = to_plain(parse(plain))
    async with db.transaction() as tx:
        newest = await store.newest_policy(tx, lock=True) or _built_in()
        if version is not None and version != newest.version:
            raise Stale("The policy has changed since you read it.", details={"version": newest.version})
        if newest.policy == wanted:
            return newest
        made = await store.add_policy(tx, wanted, now)
        fact = Event(type=EventType.POLICY_CHANGED, actor=str(actor), data={"version": made})
        await events.record(tx, [fact], request_id=request_id)
        return StoredPolicy(version=made, policy=wanted, created_at=now)


# --- calendars --------------------------------------------------------------------------------------


async def create_calendar(
    db: Database,
    calendar_id: UUID,
    actor: Actor,
    *,
    name: str,
    country: str,
    hours: Mapping[str, object],
    request_id: str | None = None,
    now: datetime,
) -> StoredCalendar:
    """Make a calendar, filled with the country's holidays. Raises Conflict, Invalid, Refused (`unknown_country`)."""
    read = _opening(filled(_hours(hours), country, now=now), now)
    async with db.transaction() as tx:
        if await calendars.name_taken(tx, name):
            raise Conflict(f"There is a calendar {name} already.", code="name_taken")
        await calendars.insert(tx, calendar_id, name, country, read)
        fact = Event(type=EventType.CALENDAR_CREATED, subject_id=calendar_id, actor=str(actor))
        await events.record(tx, [fact], request_id=request_id)
    return StoredCalendar(id=calendar_id, name=name, country=country, version=1, hours=read)


async def update_calendar(
    db: Database,
    calendar_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None,
    request_id: str | None = None,
    now: datetime,
) -> StoredCalendar:
    """Other hours are another version; dates that customers were told stay. Raises NotFound, Stale and as above."""
    async with db.transaction() as tx:
        before = await calendars.read(tx, calendar_id, lock=True)
        if before is None:
            raise NotFound("There is no such calendar.")
        if version is not None and version != before.version:
            raise Stale("It has changed since; the ETag is the current version.", details={"version": before.version})
        name, country = changes.get("name", before.name), changes.get("country", before.country)
        if await calendars.name_taken(tx, name, calendar_id):
            raise Conflict(f"There is a calendar {name} already.", code="name_taken")
        given = _hours(changes["hours"]) if "hours" in changes else before.hours
        hours = _opening(filled(given, country, now=now), now)
        if (name, country, hours) == (before.name, before.country, before.hours):
            return before
        await calendars.describe(tx, calendar_id, name, country)
        await calendars.set_hours(tx, calendar_id, hours)
        after = StoredCalendar(id=calendar_id, name=name, country=country, version=before.version + 1, hours=hours)
        data = {"version": after.version}
        fact = Event(type=EventType.CALENDAR_UPDATED, subject_id=calendar_id, actor=str(actor), data=data)
        await events.record(tx, [fact], request_id=request_id)
    return after


def _opening(hours: Calendar, now: datetime) -> Calendar:
    """The same, if it ever opens: nothing could be promised by one that does not. Raises Invalid (`never_open`)."""
    try:
        deadline(now, timedelta(seconds=1), hours)
    except NeverOpen:
        words = "This calendar never opens within a year: nothing could be promised by it."
        raise Invalid(words, [FieldError(pointer="/hours/week", code="never_open", message=words)]) from None
    return hours


def _hours(plain: Mapping[str, object]) -> Calendar:
    try:
        return business_time.from_dict(plain)
    except ValueError as error:
        raise Invalid(str(error), [FieldError(pointer="/hours", code="invalid", message=str(error))]) from None
