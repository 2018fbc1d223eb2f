"""Finding tickets by their words: pages of what is found, the best of the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.api.errors import Malformed
from omnidesk.db.search import Hit, Moment
from omnidesk.db.session import Database
from omnidesk.db.tickets import Filter
from omnidesk.desk import search
from omnidesk.desk.search import RANKED, Found, ranked
from omnidesk.domain.errors import FieldError
from omnidesk.domain.people import Actor
from omnidesk.domain.search import LONGEST, NothingToFind, Query, TooMuch, parse

SORTS = ("relevance", "-created_at")
DESCRIPTION = (
    "Words in any order, «an exact phrase» in quotes, a number (whole, its first or last digits, as it is dictated), "
    "an e-mail address or its beginning, a telephone, an order. The last word may still be typed: three letters find "
    "what begins so. The newest 500 are ranked among themselves, the next pages go on behind them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins: behind a hit among the newest up to a ticket."""

    upto: Moment | None = None
    after: Hit | None = None

    @classmethod
    def read(cls, position: Sequence[Any] | None) -> "Place":
        if not position:
            return cls()
        at, upto, rank, last_at, last = position
        after = Hit(at=datetime.fromisoformat(last_at), id=UUID(last), rank=float(rank)) if last else None
        return cls(upto=(datetime.fromisoformat(at), UUID(upto)), after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """One page of ids, and the position of the next one; None: there is none."""

    ids: list[UUID]
    following: list[Any] | None
    partial: bool
    count: str


def query(text: str) -> Query:
    """Raises Malformed for what cannot be looked for."""
    try:
        return parse(text)
    except NothingToFind:
        raise _refused("nothing_to_find", "There is no word and no number in it.") from None
    except TooMuch:
        raise _refused("query_too_long", f"That is too much: at most {LONGEST} characters and 24 words.") from None


def plain_sort(sort: str | None) -> tuple[str, bool]:
    """(column, descending) of a list without a query."""
    if sort == "relevance":
        raise _bad_sort("Only what is looked for has a relevance: give q.")
    sort = sort or "-updated_at"
    return sort.lstrip("-"), sort.startswith("-")


def _bad_sort(message: str) -> Malformed:
    return Malformed(message, code="bad_sort", errors=[FieldError(pointer="sort", code="bad_sort", message=message)])


def _refused(code: str, message: str) -> Malformed:
    return Malformed(message, code=code, errors=[FieldError(pointer="q", code=code, message=message)])


async def page(
    db: Database,
    asked: Query,
    wanted: Filter,
    actor: Actor,
    *,
    sort: str | None,
    place: Place,
    limit: int,
    now: datetime,
) -> Hits:
    """Raises Malformed when the query has only words that stand everywhere, or for a sort that a search has not."""
    sort = sort or "relevance"
    if sort not in SORTS:
        raise _bad_sort("What is looked for is sorted by relevance or -created_at.")
    found = await search.find(db, asked, wanted, actor, now=now, upto=place.upto, most=RANKED)
    if found is None:
        raise _refused("nothing_to_find", "These words stand everywhere: add one that says more.")
    hits = ranked(found.hits) if sort == "relevance" else list(found.hits)
    if place.after is not None:
        last = _key(place.after, sort)
        hits = [hit for hit in hits if _key(hit, sort) > last]
    here = hits[:limit]
    return Hits(
        ids=[hit.id for hit in here],
        following=_following(found, place, here[-1] if len(hits) > limit else None),
        partial=found.partial,
        count=f"{len(found.hits)}+" if found.floor else str(len(found.hits)),
    )


def _key(hit: Hit, sort: str) -> tuple[float, float, int]:
    return (-hit.rank if sort == "relevance" else 0.0, -hit.at.timestamp(), -hit.id.int)


def _following(found: Found, place: Place, last: Hit | None) -> list[Any] | None:
    """Further among the same newest ones, behind `last`; or behind them all."""
    if last is not None:
        at, upto = place.upto or (found.hits[0].at, found.hits[0].id)
        return [at.isoformat(), upto, last.rank, last.at.isoformat(), last.id]
    return [found.floor[0].isoformat(), found.floor[1], None, None, None] if found.floor else None
