"""Filling a desk from its first contact to its last vacuum."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from omnidesk.db import calendars, events, fill, setup
from omnidesk.db.session import Database, Tx
from omnidesk.domain.errors import Refused
from omnidesk.filling.copying import Sheet
from omnidesk.filling.staff import email_of, hire
from omnidesk.filling.tickets import Filler, Span, chunks

CHUNK = 10_000  # tickets written together
YEARS = timedelta(days=3 * 365)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How much, and which: the same seed, day and desk give the same rows."""

    tickets: int
    messages: int
    seed: int = 1
    until: datetime | None = None  # when the last ticket came; default: this midnight, UTC
    force: bool = False  # also beside what is there


async def run(db: Database, wish: Wish, say: Say) -> None:
    """Fill a founded desk; all of it or nothing. Raises Refused when the desk has data, or the wish makes no sense."""
    if not 0 < wish.tickets <= wish.messages:
        raise Refused("a desk has at least one ticket, and each ticket at least one message", code="bad_sizes")
    tables = await _write(db, wish, say)
    say("Looking at what is there now …")
    await fill.vacuum(db, tables)


async def _write(db: Database, wish: Wish, say: Say) -> list[str]:
    async with db.transaction() as tx, fill.without_limits(tx):
        if not (wish.force or await fill.is_empty(tx)):
            raise Refused("this desk has data; --force fills it beside that", code="not_empty")
        filler, staff = await _begin(tx, wish)
        for sheet in staff:
            await _copy(tx, sheet)
        tables = [sheet.table for sheet in filler.sheets.all()]
        say("Taking the indexes off …")
        back = await fill.take_off(tx, tables)
        filler.people(max(1, wish.tickets * 2 // 5))
        await _tickets(tx, wish, filler, say)
        for number, statement in enumerate(back, 1):
            say(f"Index or key {number} of {len(back)} …")
            await fill.put_back(tx, statement)
    return tables


async def _begin(tx: Tx, wish: Wish) -> tuple[Filler, list[Sheet]]:
    chance = random.Random(wish.seed)  # noqa: S311 - the same data each time, no secret
    until = wish.until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    span = Span(begin=(until - YEARS).timestamp(), end=until.timestamp())
    number_key, stored = await setup.setting(tx, "number_key"), await calendars.every(tx)
    if number_key is None or not stored:
        raise LookupError("this desk has no settings yet: run `omnidesk migrate`")
    calendar: UUID = stored[0].id
    if await fill.has_agent(tx, email_of(0, wish.seed)):
        raise Refused("this desk was filled with this seed before: take another", code="seed_used")
    staff, sheets = hire(chance, calendar, span.begin, wish.seed)
    filler = Filler(
        *(chance, span, staff),
        calendar=str(calendar),
        number_key=bytes.fromhex(number_key),
        seq=await events.newest(tx),
        seed=wish.seed,
    )
    return filler, sheets.all()


async def _tickets(tx: Tx, wish: Wish, filler: Filler, say: Say) -> None:
    first, done = await fill.next_ticket(tx, wish.tickets), 0
    for tickets, messages in chunks(wish.tickets, wish.messages, CHUNK):
        filler.tickets(tickets, wish.tickets, messages, first)
        for sheet in filler.sheets.all():
            await _copy(tx, sheet)
        done += tickets
        say(f"{done:,} of {wish.tickets:,} tickets")


async def _copy(tx: Tx, sheet: Sheet) -> None:
    await fill.copy(tx, sheet.table, sheet.columns, sheet.take())
