"""Finding tickets: newest first, day by day into the past, and what was found first is ranked.

Ranking all tickets with a common word takes seconds on a large desk; so the newest 500 are looked for and ranked
among themselves, and the next page goes on behind them. The past is gone through in windows that grow while little
is found, each a statement of its own: when the time is over, what the windows before brought is the answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import asyncpg

from omnidesk.db import search as rows
from omnidesk.db.search import Hit, Moment
from omnidesk.db.session import Database, root_cause
from omnidesk.db.tickets import Filter
from omnidesk.domain.people import Actor
from omnidesk.domain.search import Query, cover, day_of

RANKED = 500  # tickets that are ranked among themselves
TIME_S = 0.2
LEAST_S = 0.01  # less is not worth a statement
MOST_DAYS = 128
GROWTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Some tickets, newest first; `floor` is where older ones may follow, None: there are none.

    `partial`: the time was over before there were enough.
    """

    hits: Sequence[Hit]
    floor: Moment | None
    partial: bool = False


async def find(
    db: Database,
    query: Query,
    wanted: Filter,
    actor: Actor,
    *,
    now: datetime,
    upto: Moment | None = None,
    most: int = RANKED,
) -> Found | None:
    """The newest tickets that fit, not newer than `upto`; None when the query has only words that stand everywhere."""
    deadline = monotonic() + TIME_S
    async with db.connection() as tx:
        asked = await rows.compiled(tx, query)
        first = await rows.oldest(tx)
    if asked is None:
        return None
    if first is None:
        return Found(hits=[], floor=None)
    start = day_of(max(first, wanted.created_after or first))
    end = day_of(min([now + timedelta(days=1), *filter(None, (upto and upto[0], wanted.created_before))]))

    async def look(begin: int, last: int, limit: int) -> list[Hit]:
        left = deadline - monotonic()
        if left < LEAST_S:
            raise TimeoutError
        async with db.transaction() as tx:
            await rows.limit_time(tx, int(left * 1000))
            return await rows.newest(tx, asked, cover(begin, last), wanted, actor, upto=upto, limit=limit)

    return await _walk(look, start, end, most)


async def _walk(look: Callable[[int, int, int], Awaitable[list[Hit]]], start: int, end: int, most: int) -> Found:
    """Windows from the day `end` back to the day `start`, until there are `most`."""
    hits: list[Hit] = []
    last, days = end, 1
    while last >= start:
        begin = max(start, last - days + 1)
        need = most - len(hits)
        try:
            more = await look(begin, last, need)
        except Exception as error:
            if not isinstance(root_cause(error), asyncpg.QueryCanceledError | TimeoutError):
                raise
            return Found(hits=hits, floor=_end_of(last), partial=True)
        hits += more
        if len(more) == need:
            return Found(hits=hits, floor=_before(more[-1]))
        days = _next(days, need - len(more), len(more))
        last = begin - 1
    return Found(hits=hits, floor=None)


def _next(days: int, need: int, found: int) -> int:
    """How many days the next window has: as many as probably hold what is missing."""
    likely = days * need * 5 // (found * 4) + 1 if found else days * GROWTH
    return max(1, min(likely, days * GROWTH, MOST_DAYS))


def _before(hit: Hit) -> Moment:
    """Just older than that."""
    return hit.at, UUID(int=max(0, hit.id.int - 1))


def _end_of(day: int) -> Moment:
    """The newest moment of a day."""
    return datetime.fromtimestamp((day + 1) * 86_400, UTC) - timedelta(microseconds=1), UUID(int=(1 << 128) - 1)


def ranked(hits: Sequence[Hit]) -> list[Hit]:
    """The best first; of equals the newest."""
    return sorted(hits, key=lambda hit: -hit.rank)
