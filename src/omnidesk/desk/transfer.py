"""Handing a ticket on: to a colleague or a queue, with a card, its age and the date that the customer was told."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import clocks as ladder
from omnidesk.db import events, handoffs, queues, tickets
from omnidesk.db import routing as store
from omnidesk.db.handoffs import Handoff
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Row
from omnidesk.desk.assign import NOT_ASKED_AGAIN
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor, Role
from omnidesk.domain.tickets import ACTIVE

MOST_HOPS = 2  # transfers; the next one goes to the lead of the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the next one must know."""

    details: str = ""
    steps_tried: str = ""
    expected_result: str = ""

    @property
    def missing(self) -> list[str]:
        return [name for name in self.__dataclass_fields__ if not getattr(self, name).strip()]


async def transfer(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    card: Card,
    *,
    agent_id: UUID | None = None,
    queue_id: UUID | None = None,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Hand a ticket on to an agent, or to a queue whose next free agent takes it.

    Nothing that the customer was told changes, nor how long he has waited. After two transfers the ticket goes
    to the lead of the queue instead of wandering on. Raises NotFound, Stale, Refused (`handoff_required` with
    what is missing, `agent_disabled`, `ticket_merged`, `ticket_closed` …, `not_yours`).
    """

    async def work(tx: Tx) -> None:
        locked = await tickets.lock(tx, ticket_id, actor)
        if locked is None:
            raise NotFound("There is no such ticket.")
        row = locked.row
        if version is not None and version != row.version:
            raise Stale("The ticket has changed since.", details={"version": row.version})
        _may(row, actor)
        if row.merged_into or locked.ticket.status not in ACTIVE:
            code = "ticket_merged" if row.merged_into else f"ticket_{row.status}"
            raise Refused("Nobody works on this ticket any more.", code=code)
        queue = await queues.read(tx, queue_id or row.queue_id)
        if queue is None or queue.archived_at:
            raise NotFound("There is no such queue.")
        if queue.needs_handoff and card.missing:
            raise Refused(
                "This queue takes tickets with a whole hand-off card only.",
                code="handoff_required",
                details={"missing": card.missing},
            )
        taker, why = await _taker(tx, row, queue.id, agent_id)
        await _hand_on(tx, row, queue.id, taker, why, card, actor, request_id, now)

    await db.repeating(work)


def _may(row: Row, actor: Actor) -> None:
    others = actor.kind == "agent" and row.assignee_id not in (None, actor.agent_id)
    if others and not actor.role.at_least(Role.SENIOR):
        raise Refused("Only its holder or a senior hands a ticket on.", code="not_yours")


async def _taker(tx: Tx, row: Row, queue_id: UUID, agent_id: UUID | None) -> tuple[UUID | None, str]:
    """(who gets it, why); None: whoever the queue gives it to."""
    if row.transfers >= MOST_HOPS:
        lead = (await ladder.leaders(tx, [queue_id]))[queue_id]
        if leads := [*lead["senior"], *lead["supervisor"]]:
            return leads[0], "too_many_transfers"
    if agent_id is None:
        return None, "transferred"
    agent = (await store.lock_agents(tx, {agent_id})).get(agent_id)
    if agent is None:
        raise NotFound("There is no such agent.")
    if agent.closed:
        raise Refused(f"The account of {agent.name} is closed.", code="agent_disabled")
    return agent_id, "transferred"


async def _hand_on(
    tx: Tx,
    row: Row,
    queue_id: UUID,
    taker: UUID | None,
    why: str,
    card: Card,
    actor: Actor,
    request_id: str | None,
    now: datetime,
) -> None:
    made = Handoff(
        id=new_id(now),
        ticket_id=row.id,
        from_agent_id=row.assignee_id,
        from_queue_id=row.queue_id,
        to_agent_id=taker,
        to_queue_id=queue_id,
        details=card.details,
        steps_tried=card.steps_tried,
        expected_result=card.expected_result,
        actor=str(actor),
        created_at=now,
    )
    await handoffs.add(tx, made)
    await handoffs.move(tx, row.id, queue_id, elsewhere=queue_id != row.queue_id, release=taker is None, now=now)
    if taker is not None:
        await store.set_assignees(tx, {row.id: taker}, now)
    elif row.assignee_id:  # the planner must not give it straight back
        await store.end_offer(tx, row.id, row.assignee_id, "declined", now + NOT_ASKED_AGAIN, now)
    await events.record(tx, _told(row, made, why), request_id=request_id)


def _told(row: Row, made: Handoff, why: str) -> list[Event]:
    data = {
        "handoff": ids.encode("handoff", made.id),
        "from": {"agent_id": _agent(made.from_agent_id), "queue_id": ids.encode("queue", made.from_queue_id)},
        "to": {"agent_id": _agent(made.to_agent_id), "queue_id": ids.encode("queue", made.to_queue_id)},
        "reason": why,
    }
    handed = Event(type=EventType.TICKET_TRANSFERRED, ticket_id=row.id, actor=made.actor, data=data)
    if made.to_agent_id:
        given = {"agent_id": _agent(made.to_agent_id), "previous": _agent(made.from_agent_id), "reason": why}
        kind, who = EventType.TICKET_ASSIGNED, made.to_agent_id
    elif made.from_agent_id:
        given = {"agent_id": _agent(made.from_agent_id), "reason": why}
        kind, who = EventType.TICKET_UNASSIGNED, made.from_agent_id
    else:  # it waited before and waits now: the planner looks again because it was updated
        given = {"changed": {"queue_id": [data["from"]["queue_id"], data["to"]["queue_id"]]}}  # type: ignore[index,dict-item]
        return [handed, Event(type=EventType.TICKET_UPDATED, ticket_id=row.id, actor=made.actor, data=given)]
    return [handed, Event(type=kind, ticket_id=row.id, subject_id=who, actor=made.actor, data=given)]


def _agent(agent_id: UUID | None) -> str | None:
    return ids.encode("agent", agent_id) if agent_id else None
