"""The acknowledgement: what a customer hears first - the number, and by when we answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from omnidesk.db.calendars import StoredCalendar
from omnidesk.desk import texts
from omnidesk.domain import numbers
from omnidesk.domain.business_time import BusinessDays, NeverOpen, add_business_days

AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    text: str
    due: BusinessDays | None  # None: the calendar never opens, so nothing is promised


def within_budget(acks: int, since: datetime | None, now: datetime, *, most: int) -> tuple[int, datetime] | None:
    """(acknowledgements with this one, the hour they count in), or None when the hour's budget is spent."""
    if since is None or now - since >= AN_HOUR:
        return 1, now
    return (acks + 1, since) if acks < most else None


def compose(
    *,
    name: str,
    language: str,
    number: str,
    received_at: datetime,
    days: int,
    calendar: StoredCalendar,
    moved: tuple[str, str] | None = None,
    missing: str = "",
) -> Acknowledgement:
    """The words of an acknowledgement, its promise counted in the queue's business days.

    `moved`: the address that was written to, and the queue that its mail went to instead of the address's own.
    `missing`: what the customer is asked for; a date is told once he has answered.
    """
    try:
        due = None if missing else add_business_days(received_at, days, calendar.hours)
    except NeverOpen:
        due = None
    greeting = texts.say(language, "Hello, {name}!", name=name) if name else texts.say(language, "Hello!")
    promise = (
        texts.say(language, "We will answer by {due}.", due=_told(language, due.due_at, calendar))
        if due
        else texts.say(language, "We will answer as soon as we can.")
    )
    lines = [
        greeting,
        "",
        texts.say(
            language,
            "We have received your message and registered it under the number {number}.",
            number=numbers.grouped(number),
        ),
        *([_told_moved(language, *moved)] if moved else []),
        _question(language, missing) if missing else promise,
        "",
        texts.say(
            language,
            "To add something, just reply to this message. "
            "Please never send passwords or card codes: we do not ask for them.",
        ),
    ]
    return Acknowledgement(text="\n".join(lines), due=due)


def _question(language: str, missing: str) -> str:
    return texts.say(
        language, "To work on it we still need from you: {facts}. Please reply to this message.", facts=missing
    )


def _told_moved(language: str, address: str, queue: str) -> str:
    return texts.say(
        language,
        "You wrote to {address}. This is a matter for {queue}, so we have passed it on; you need not write again.",
        address=address,
        queue=queue,
    )


def _told(language: str, at: datetime, calendar: StoredCalendar) -> str:
    return texts.moment(language, at, ZoneInfo(calendar.hours.zone))
