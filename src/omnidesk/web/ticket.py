"""The page of a ticket: what was said and what happened, in order, and what can be done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from omnidesk.db import agents, deliveries, queues, replies, routing, tickets, timeline
from omnidesk.db import files as file_rows
from omnidesk.db.replies import Conversation, Person
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Row
from omnidesk.db.timeline import Happened, Message, Position
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound
from omnidesk.domain.people import Actor, Role
from omnidesk.web import console, render, words
from omnidesk.web.visit import Visit
from omnidesk.web.words import Names

PAGE = 60  # entries of the timeline at once
DECISIONS = 10
MOST_CONVERSATIONS = 20  # that a reply may choose from
RESENDABLE = frozenset({"unknown", "rejected", "bounced"})
Entry = Message | Happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody sent that was not taken: why, and his words, which are not lost."""

    refusal: str = ""
    form: str = ""  # reply or note: where the refusal is shown; empty: above the page
    text: str = ""
    note: str = ""
    conversation: UUID | None = None
    attachment_ids: tuple[UUID, ...] = ()
    seen_at: datetime | None = None  # what came after it is shown as news


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A conversation that can be answered: where, and to whom a reply goes."""

    id: UUID
    channel: str
    subject: str
    private: bool
    heard: bool
    people: Sequence[Person]  # the requester first; the first one is written to, the others get a copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message with what belongs to it."""

    message: Message
    files: Sequence[timeline.Attachment]
    sent: Sequence[Mapping[str, Any]]
    fresh: bool  # came after the reader had opened the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event in one sentence."""

    at: datetime
    sentence: str
    fresh: bool


async def page(visit: Visit) -> Response:
    return await show(visit, console.decoded("ticket", visit.request.path_params["ticket_id"]))


async def show(visit: Visit, ticket_id: UUID, *, status: int = 200, typed: Typed | None = None) -> Response:
    """The ticket as it is now. Raises NotFound, also for what one may not see."""
    actor, typed = visit.needs("tickets:read"), typed or Typed()
    async with visit.db.connection() as tx:
        row = await tickets.read(tx, ticket_id, actor)
        if row is None:
            raise NotFound("There is no such ticket.")
        await console.layout(visit, tx)
        names = await _names(visit, tx)
        shown = {
            **await _timeline(visit, tx, row, typed, names),
            **await _people(tx, row, typed),
            **await _around(tx, row, names, actor),
            "kept": await _kept(tx, typed, actor),
        }
    return visit.page(
        "ticket.html",
        status=status,
        row=row,
        typed=typed,
        key=str(new_id()),
        customers_word=words.customers_word(row.language, row.status),
        names=names,
        resendable=RESENDABLE,
        writes=visit.may("messages:write"),
        changes=visit.may("tickets:write"),
        supervises=actor.role.at_least(Role.SUPERVISOR),
        **shown,
    )


async def _names(visit: Visit, tx: Tx) -> Names:
    people = await console.agent_names(tx)
    known = await queues.page(tx, limit=console.MOST_NAMES, archived=None)
    return Names(
        language=visit.language,
        agents={ids.encode("agent", agent_id): name for agent_id, name in people.items()},
        queues={ids.encode("queue", queue.id): queue.name for queue in known},
        show_moment=lambda at: render.moment(visit.language, at, visit.now, visit.parts.zone),
    )


# --- the timeline -----------------------------------------------------------------------------------


async def _timeline(visit: Visit, tx: Tx, row: Row, typed: Typed, names: Names) -> dict[str, Any]:
    before = _position(visit.request.query_params.get("before", ""))
    found = await timeline.page(tx, row.id, after=before, descending=True, limit=PAGE + 1)
    entries = found[:PAGE][::-1]
    message_ids = [entry.id for entry in entries if isinstance(entry, Message)]
    files = await timeline.attachments(tx, message_ids)
    sent: dict[UUID, list[Mapping[str, Any]]] = {}
    for delivery in await deliveries.of_messages(tx, message_ids):
        sent.setdefault(delivery["message_id"], []).append(delivery)
    shown: list[Said | Told] = []
    for entry in entries:
        fresh = is_fresh(entry, typed.seen_at)
        if isinstance(entry, Message):
            shown.append(Said(message=entry, files=files.get(entry.id, ()), sent=sent.get(entry.id, ()), fresh=fresh))
        elif sentence := words.happened(entry, names):
            shown.append(Told(at=entry.at, sentence=sentence, fresh=fresh))
    return {
        "entries": shown,
        "latest": max((one.message.id for one in shown if isinstance(one, Said)), default=None),
        "earlier": _place(entries[0].position) if len(found) > PAGE else None,
        "whole": before is None,
        "news": [one for one in shown if one.fresh] if typed.seen_at else [],
    }


def is_fresh(entry: Entry, seen_at: datetime | None) -> bool:
    """Whether an entry was written after somebody had opened the page."""
    written_at = entry.created_at if isinstance(entry, Message) else entry.at
    return seen_at is not None and written_at > seen_at


def _place(position: Position) -> str:
    return f"{position.at.isoformat()}~{position.rank}~{position.id}"


def _position(text: str) -> Position | None:
    """None for what is no place of ours: the page then shows the end."""
    moment, rank, entry = [*text.split("~"), "", ""][:3]
    try:
        at = datetime.fromisoformat(moment)
        entry = str(UUID(entry)) if rank == "0" else str(int(entry[:18]))
    except ValueError:
        return None
    return Position(at=at, rank=int(rank), id=entry) if at.tzinfo and rank in {"0", "1"} else None


# --- to whom ----------------------------------------------------------------------------------------


async def _people(tx: Tx, row: Row, typed: Typed) -> dict[str, Any]:
    channels = {one.id: one.channel for one in await timeline.conversations(tx, row.id)}
    found = (await replies.conversations(tx, row.id))[:MOST_CONVERSATIONS]
    choices = [await _choice(tx, one, channels) for one in found]
    return {
        "person": (await tickets.requesters(tx, [row.requester_id]))[row.requester_id],
        "choices": choices,
        "chosen": typed.conversation or _default(choices),
        "by_id": {choice.id: choice for choice in choices},
    }


async def _choice(tx: Tx, conversation: Conversation, channels: Mapping[UUID, str]) -> Choice:
    everybody = await replies.participants(tx, conversation)
    return Choice(
        id=conversation.id,
        channel=channels.get(conversation.id, ""),
        subject=conversation.subject,
        private=conversation.private,
        heard=conversation.heard,
        people=[person for person in everybody if person.reachable and not person.ours],
    )


def _default(choices: Sequence[Choice]) -> UUID | None:
    """Where a reply goes unless the agent says otherwise: the private one heard last. None: he has to say."""
    private = [one for one in choices if one.private]
    heard = [one for one in private if one.heard]
    return (heard or private)[0].id if private else None


# --- around it --------------------------------------------------------------------------------------


async def _around(tx: Tx, row: Row, names: Names, actor: Actor) -> dict[str, Any]:
    decisions = await tickets.decisions(tx, row.id, before=None, limit=DECISIONS)
    survivor = await tickets.read_any(tx, row.merged_into) if row.merged_into else None
    offered = (await routing.offers_of(tx, [row.id])).get(row.id)
    return {
        "promises": await tickets.promises(tx, row.id),
        "decisions": [(one.created_at, _why(one, names)) for one in decisions],
        "survivor": survivor,
        "offered_to_me": offered is not None and offered == actor.agent_id,
        "agents": [
            (ids.encode("agent", one.id), one.name, one.status)
            for one in await agents.page(tx, limit=console.MOST_NAMES)
        ],
        "queues": await queues.page(tx, limit=console.MOST_NAMES),
    }


def _why(decision: tickets.Decision, names: Names) -> str:
    agent = names.agent(ids.encode("agent", decision.agent_id)) if decision.agent_id else ""
    return words.why(decision, names, agent)


async def _kept(tx: Tx, typed: Typed, actor: Actor) -> list[tuple[str, str]]:
    """(id, name) of files that were uploaded with a reply that was not taken."""
    rows = [await file_rows.read(tx, one) for one in typed.attachment_ids]
    mine = [row for row in rows if row and row["uploader"] == str(actor) and row["message_id"] is None]
    return [(ids.encode("attachment", row["id"]), row["name"]) for row in mine]
