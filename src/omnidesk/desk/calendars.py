"""Calendars filled with a country's holidays, as dates, for this year and the next two."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar

import holidays as package

from omnidesk.db import calendars
from omnidesk.db.session import Tx
from omnidesk.domain.business_time import Calendar
from omnidesk.domain.errors import Refused

YEARS_AHEAD = 2
T = TypeVar("T")


def holidays_of(country: str, first: int, last: int) -> tuple[dict[date, str], dict[date, int]]:
    """(closed days by name, working days by the weekday whose hours they have) of a country, ISO 3166 code.

    Raises Refused (`unknown_country`). Source: the package `holidays`, which knows transferred working days.
    """
    try:
        found = package.country_holidays(country, years=range(first, last + 1))
    except NotImplementedError:
        raise Refused(f"No holidays are known for {country!r}.", code="unknown_country") from None
    closed = {day: str(name) for day, name in found.items()}
    moved: set[date] = getattr(found, "weekend_workdays", set())
    return closed, dict.fromkeys(moved, 0)


def filled(calendar: Calendar, country: str, *, now: datetime) -> Calendar:
    """The calendar with the country's holidays of this year and the next ones; its exceptions stay."""
    if not country:
        return calendar
    closed, workdays = holidays_of(country, now.year, now.year + YEARS_AHEAD)
    return replace(
        calendar,
        holidays={**_past(calendar.holidays, now), **closed},
        workdays={**_past(calendar.workdays, now), **workdays},
    )


def _past(known: Mapping[date, T], now: datetime) -> dict[date, T]:
    """Days gone by stay as they were: old promises were counted by them."""
    return {day: value for day, value in known.items() if day.year < now.year}


async def refresh(tx: Tx, *, now: datetime) -> int:
    """Fill every calendar anew, once a day; returns how many changed."""
    changed = 0
    for stored in await calendars.every(tx):
        hours = filled(stored.hours, stored.country, now=now)
        if hours != stored.hours:
            await calendars.set_hours(tx, stored.id, hours)
            changed += 1
    return changed
