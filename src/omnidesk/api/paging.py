"""Keyset pages: an opaque cursor names the last row seen, and holds only for the list that gave it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from omnidesk.api.errors import Malformed

MOST = 200
_SIGNATURE = 12
T = TypeVar("T")
R = TypeVar("R")

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most")]
CursorText = Annotated[str | None, Query(max_length=2000, description="`page.next_cursor` of the page before")]


class PageInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"next_cursor": "eyJ…", "has_more": True}]})

    next_cursor: str | None = Field(description="Goes into `cursor` for the next page; null on the last one")
    has_more: bool
    count: str | None = Field(None, description='With `count=estimate`: how many there are, at most "1000+"')
    partial: bool = Field(False, description="A search whose time was over: more may be found from `next_cursor` on")


class Page(BaseModel, Generic[T]):
    data: list[T]
    page: PageInfo

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`TicketPage` of tickets, `MessageOrHappenedPage` where entries have several shapes."""
        entry = get_args(params[0])[0] if get_origin(params[0]) is Annotated else params[0]
        return "Or".join(shape.__name__.removesuffix("Out") for shape in get_args(entry) or (entry,)) + "Page"


class Cursors:
    """Makes and reads cursors, signed so that only our own come back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, binding: str, position: Sequence[Any]) -> str:
        body = json.dumps(list(position), separators=(",", ":"), default=str).encode()
        return base64.urlsafe_b64encode(self._signature(binding, body) + body).decode().rstrip("=")

    def read(self, binding: str, text: str) -> list[Any]:
        """The position that `make` was given. Raises Malformed for a damaged cursor or that of another list."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            raw = b""
        signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if not body or not hmac.compare_digest(signature, self._signature(binding, body)):
            raise Malformed(
                "The cursor is damaged or belongs to another list. Begin with the first page.", code="bad_cursor"
            )
        return list(json.loads(body))

    def _signature(self, binding: str, body: bytes) -> bytes:
        return hmac.digest(self._key, binding.encode() + b"\0" + body, "sha256")[:_SIGNATURE]


def binding(request: Request, owner: str) -> str:
    """What a cursor holds for: path, filters, sort and who asked; not the limit."""
    given = sorted((k, v) for k, v in request.query_params.multi_items() if k not in {"cursor", "limit", "count"})
    return hashlib.sha256(json.dumps([request.url.path, owner, given]).encode()).hexdigest()


class Pager:
    """One list of one request: where it begins, and the page to give back."""

    def __init__(self, request: Request, response: Response, cursors: Cursors, owner: str) -> None:
        self._request, self._response, self._cursors = request, response, cursors
        self._binding = binding(request, owner)

    def after(self, cursor: str | None) -> list[Any] | None:
        return self._cursors.read(self._binding, cursor) if cursor else None

    def page(
        self,
        rows: Sequence[R],
        limit: int,
        show: Callable[[R], T],
        position: Callable[[R], Sequence[Any]],
        *,
        count: str | None = None,
    ) -> Page[T]:
        """`rows` is one more than `limit` when there is a next page; adds the Link header."""
        more = len(rows) > limit
        rows = rows[:limit]
        following = self._next(position(rows[-1])) if more else None
        info = PageInfo(next_cursor=following, has_more=more, count=count)
        return Page(data=[show(row) for row in rows], page=info)

    def given(
        self, data: list[T], following: Sequence[Any] | None, *, count: str | None = None, partial: bool = False
    ) -> Page[T]:
        """A page that was cut elsewhere, and the position where the next one begins; adds the Link header."""
        cursor = self._next(following) if following is not None else None
        info = PageInfo(next_cursor=cursor, has_more=cursor is not None, count=count, partial=partial)
        return Page(data=data, page=info)

    def _next(self, position: Sequence[Any]) -> str:
        cursor = self._cursors.make(self._binding, position)
        url = self._request.url.include_query_params(cursor=cursor)
        self._response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return cursor


def capped(count: int, most: int = 1000) -> str:
    """A count as it is shown: exact up to `most`, then "1000+"."""
    return f"{most}+" if count > most else str(count)
