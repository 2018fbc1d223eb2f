"""The agents' pages beside the ticket itself: lists, who is here, parked arrivals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.responses import Response

from omnidesk.db import agents, arrivals, inboxes, queues, tickets, webhooks
from omnidesk.db.queues import Queue
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Filter, Row
from omnidesk.desk import arrivals as parked_arrivals
from omnidesk.desk import presence
from omnidesk.domain import ids, numbers, sight
from omnidesk.domain.errors import NotFound
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean
from omnidesk.web.visit import Visit

PAGE = 50
MOST_NAMES = 500  # queues and agents that a form offers


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A list that agents open: which tickets, in which order, and what it says when there are none."""

    title: str
    filter: Filter
    empty: str
    mine: bool = False
    sort: str = "updated_at"
    descending: bool = True
    counted: bool = False


VIEWS: Mapping[str, View] = {
    "mine": View(
        title="Mine",
        filter=Filter(statuses=("new", "open")),
        mine=True,
        empty="Nothing waits for you. Go online to be given tickets, or take one that waits.",
        counted=True,
    ),
    "waiting": View(
        title="Unassigned",
        filter=Filter(statuses=("new", "open"), unassigned=True),
        sort="created_at",
        descending=False,
        empty="Nobody waits: every open ticket has its agent.",
        counted=True,
    ),
    "open": View(title="All open", filter=Filter(statuses=("new", "open")), empty="There are no open tickets."),
    "pending": View(
        title="Pending", filter=Filter(statuses=("pending",)), empty="No ticket waits for an answer of its customer."
    ),
    "resolved": View(
        title="Resolved", filter=Filter(statuses=("resolved", "closed")), empty="Nothing has been resolved yet."
    ),
    "spam": View(title="Spam", filter=Filter(statuses=("spam",)), empty="No spam here."),
}
SEARCH = View(
    title="Search",
    filter=Filter(statuses=("new", "open", "pending", "resolved", "closed", "spam")),
    empty="Nothing found. Search by a ticket's number, also its beginning, or by a customer's whole e-mail address.",
)


# --- the layout -------------------------------------------------------------------------------------


async def layout(visit: Visit, tx: Tx) -> None:
    """What every page of a signed-in agent shows around itself."""
    actor = visit.agent
    parked = await _parked_count(visit, tx) if visit.may("arrivals:read") else None
    troubled = await webhooks.troubled(tx) if visit.may("webhooks:read") else []
    off = [one.description or urlsplit(one.url).hostname for one in troubled if one.disabled_at]
    visit.chrome = {"me": actor, "parked": parked, "webhooks_off": off}


async def _parked_count(visit: Visit, tx: Tx) -> int | None:
    """None for somebody who sees some inboxes only: the counts are of all."""
    if visit.agent.inbox_ids:
        return None
    counts = await arrivals.counts(tx)
    return sum(counts[state] for state in ("failed", "unreadable", "held"))


async def queues_of(tx: Tx, actor: Actor) -> list[Queue]:
    """The queues whose tickets the actor sees."""
    found = await queues.page(tx, limit=MOST_NAMES)
    seen = sight.queues_of(actor)
    return [queue for queue in found if seen is None or queue.id in seen]


async def agent_names(tx: Tx) -> dict[UUID, str]:
    return {one.id: one.name for one in await agents.page(tx, limit=MOST_NAMES, disabled=None)}


# --- lists ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page of a list begins: after this ticket."""

    at: datetime
    id: UUID

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """None for what is no place of ours: the list then begins anew."""
        moment, _, ticket = text.partition("~")
        try:
            at, ticket_id = datetime.fromisoformat(moment), ids.decode("ticket", ticket)
        except ValueError:
            return None
        return cls(at=at, id=ticket_id) if at.tzinfo else None


async def tickets_page(visit: Visit) -> Response:
    actor = visit.needs("tickets:read")
    query = visit.request.query_params
    words = clean(query.get("q", ""))[:400].strip()
    key = query.get("view", "mine")
    view = SEARCH if words else VIEWS.get(key, VIEWS["mine"])
    queue = query.get("queue", "") if not words else ""
    wanted = _searched(words) if words else _wanted(view, queue, actor)
    place = Place.read(query.get("after", ""))
    async with visit.db.connection() as tx:
        await layout(visit, tx)
        found = await _found(tx, view, wanted, actor, place) if wanted else []
        shown = await _named(tx, found[:PAGE])
        own_queues = await queues_of(tx, actor)
        counts = await _counts(tx, actor)
    if words and len(found) == 1 and not place and numbers.normalise(words) == found[0].number:
        return visit.to(f"/desk/tickets/{ids.encode('ticket', found[0].id)}")
    following = _after(visit, found[PAGE - 1], view) if len(found) > PAGE else None
    return visit.page(
        "tickets.html",
        view=view,
        key="search" if words else key if key in VIEWS else "mine",
        views=VIEWS,
        counts=counts,
        words=words,
        queue=queue,
        queues=own_queues,
        following=following,
        first=place is None,
        here=_here(visit),
        **shown,
    )


def _wanted(view: View, queue: str, actor: Actor) -> Filter:
    """The view's filter within one queue; a queue that does not exist is none in particular."""
    mine = (actor.agent_id,) if view.mine and actor.agent_id else ()
    try:
        within = (ids.decode("queue", queue),) if queue else ()
    except ValueError:
        within = ()
    return replace(view.filter, assignee_ids=mine, queue_ids=within)


def _searched(words: str) -> Filter | None:
    """By address or number; None when it is neither."""
    if "@" in words:
        return replace(SEARCH.filter, requester=words.lower())
    number = numbers.normalise(words)
    return replace(SEARCH.filter, number=number) if number else None


async def _found(tx: Tx, view: View, wanted: Filter, actor: Actor, place: Place | None) -> list[Row]:
    return await tickets.page(
        tx,
        wanted,
        actor,
        sort=view.sort,
        descending=view.descending,
        after=(place.at, place.id) if place else None,
        limit=PAGE + 1,
    )


async def _named(tx: Tx, rows: Sequence[Row]) -> dict[str, Any]:
    """The tickets of a page with the names that stand beside them."""
    return {
        "rows": rows,
        "people": await tickets.requesters(tx, [row.requester_id for row in rows]),
        "agents": await agent_names(tx),
        "queue_names": {queue.id: queue.name for queue in await queues.page(tx, limit=MOST_NAMES, archived=None)},
    }


async def _counts(tx: Tx, actor: Actor) -> dict[str, str]:
    """How many there are in the views that show it, "1000+" at most."""
    found = {}
    for key, view in VIEWS.items():
        if view.counted:
            number = await tickets.count(tx, _wanted(view, "", actor), actor)
            found[key] = f"{tickets.COUNTED}+" if number > tickets.COUNTED else str(number)
    return found


def _after(visit: Visit, last: Row, view: View) -> str:
    at: datetime = getattr(last, view.sort)
    given = {name: value for name, value in visit.request.query_params.items() if name in {"view", "queue", "q"}}
    return "/desk?" + urlencode({**given, "after": f"{at.isoformat()}~{ids.encode('ticket', last.id)}"})


def _here(visit: Visit) -> str:
    url = visit.request.url
    return url.path + (f"?{url.query}" if url.query else "")


# --- who is here --------------------------------------------------------------------------------------


async def pulse(visit: Visit) -> Response:
    """A small frame that loads itself anew: says that the agent is still there, shows and changes his presence.

    A page without scripts cannot say so by itself, and whoever is silent for two minutes is taken for gone.
    """
    actor = visit.agent
    assert actor.agent_id is not None
    if visit.request.method == "POST":
        form = await visit.form()
        status = str(form.get("status", ""))
        await presence.set_presence(visit.db, actor.agent_id, status, actor, now=visit.now)
        return visit.to("/desk/presence")
    await presence.heartbeat(visit.db, actor.agent_id, now=visit.now)
    async with visit.db.connection() as tx:
        me = await agents.read(tx, actor.agent_id)
        counts = await _counts(tx, actor)
    if me is None:
        raise NotFound("There is no such agent.")
    return visit.page("presence.html", framed=True, me=me, counts=counts)


# --- parked arrivals ------------------------------------------------------------------------------------


async def parked(visit: Visit) -> Response:
    """What came in and waits for a person's decision."""
    actor = visit.needs("arrivals:read")
    try:
        before = ids.decode("arrival", visit.request.query_params.get("before", ""))
    except ValueError:
        before = None
    async with visit.db.connection() as tx:
        await layout(visit, tx)
        found = await arrivals.parked(tx, before=before, limit=PAGE + 1)
        names = {one.id: one.name for one in await inboxes.every(tx)}
    following = f"/desk/parked?before={ids.encode('arrival', found[PAGE - 1].id)}" if len(found) > PAGE else None
    rows = [one for one in found[:PAGE] if not actor.inbox_ids or one.inbox_id in actor.inbox_ids]
    return visit.page("parked.html", rows=rows, inboxes=names, following=following)


async def decide(visit: Visit) -> Response:
    """Read a parked arrival again, or let a held one through."""
    await visit.form()
    actor = visit.needs("arrivals:write")
    arrival_id = decoded("arrival", visit.request.path_params["arrival_id"])
    if visit.request.url.path.endswith("/release"):
        await parked_arrivals.release(visit.db, arrival_id, actor)
        return visit.to("/desk/parked", "released")
    await parked_arrivals.retry(visit.db, arrival_id, actor)
    return visit.to("/desk/parked", "retried")


def decoded(noun: str, text: str) -> UUID:
    """Raises NotFound for what is no id."""
    try:
        return ids.decode(noun, text)
    except ValueError:
        raise NotFound("There is nothing at this address.", code="no_page") from None


async def nothing(visit: Visit) -> Response:
    raise NotFound("There is nothing at this address.", code="no_page")
