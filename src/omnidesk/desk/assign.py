"""Who has a ticket, by hand: claim, give, hand back, accept or decline an offer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import events
from omnidesk.db import routing as store
from omnidesk.db.session import Database, Tx
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor, Role

NOT_ASKED_AGAIN = timedelta(seconds=60)  # after handing back or declining, unless another agent was asked
FINAL = ("closed", "spam")


async def assign(
    db: Database,
    ticket_id: UUID,
    agent_id: UUID,
    actor: Actor,
    *,
    if_version: int | None = None,
    reassign: bool = False,
    now: datetime,
) -> None:
    """Give the ticket to an agent; a claim when he gives it to himself. Again to the same one changes nothing.

    By hand means on purpose: capacity and presence are not asked. Somebody else's ticket is taken over by a
    supervisor, handed over by its holder, or moved with `reassign`. Raises NotFound, Stale, Conflict
    (`already_assigned`, with the holder), Refused (`ticket_merged`,
    `ticket_closed`, `ticket_spam`, `agent_disabled`).
    """
    async with db.transaction() as tx:
        ticket = await _locked(tx, ticket_id, if_version)
        if ticket.status in FINAL:
            raise Refused(f"A ticket that is {ticket.status} is nobody's work.", code=f"ticket_{ticket.status}")
        people = await store.lock_agents(tx, {agent_id, *([ticket.assignee_id] if ticket.assignee_id else [])})
        agent = people.get(agent_id)
        if agent is None:
            raise NotFound("There is no such agent.")
        if ticket.assignee_id == agent_id:
            return
        if agent.closed:
            raise Refused(f"The account of {agent.name} is closed.", code="agent_disabled")
        holder = people.get(ticket.assignee_id) if ticket.assignee_id else None
        if holder and not (reassign or actor.role.at_least(Role.SUPERVISOR) or actor.agent_id == holder.id):
            raise Conflict(
                f"{holder.name} already has this ticket.",
                code="already_assigned",
                details={"assignee": {"id": ids.encode("agent", holder.id), "name": holder.name}},
            )
        await store.set_assignees(tx, {ticket_id: agent_id}, now)
        before = ids.encode("agent", holder.id) if holder else None
        reason = "claimed" if actor.agent_id == agent_id else "by_hand"
        data = {"agent_id": ids.encode("agent", agent_id), "previous": before, "reason": reason}
        await _tell(tx, EventType.TICKET_ASSIGNED, ticket_id, agent_id, actor, data)


async def unassign(
    db: Database, ticket_id: UUID, actor: Actor, *, if_version: int | None = None, now: datetime
) -> None:
    """Hand the ticket back to its queue, with its age; its holder is not asked again for a minute.

    Nobody's ticket stays nobody's. Raises NotFound, Stale, Refused (`not_yours`: an agent
    who is neither its holder nor a supervisor; `ticket_merged`).
    """
    async with db.transaction() as tx:
        ticket = await _locked(tx, ticket_id, if_version)
        holder = ticket.assignee_id
        if holder is None:
            return
        if actor.kind == "agent" and actor.agent_id != holder and not actor.role.at_least(Role.SUPERVISOR):
            raise Refused("Only its holder or a supervisor hands a ticket back.", code="not_yours")
        await store.clear_assignees(tx, [ticket_id], now)
        await store.end_offer(tx, ticket_id, holder, "declined", now + NOT_ASKED_AGAIN, now)
        data = {"agent_id": ids.encode("agent", holder), "reason": "handed_back"}
        await _tell(tx, EventType.TICKET_UNASSIGNED, ticket_id, holder, actor, data)


async def accept_offer(db: Database, ticket_id: UUID, agent_id: UUID, actor: Actor, *, now: datetime) -> None:
    """Take a ticket that was offered. Raises NotFound, Conflict (`offer_over`: too late, or another was asked)."""
    async with db.transaction() as tx:
        ticket = await _locked(tx, ticket_id, None)
        await store.lock_agents(tx, {agent_id})
        if ticket.assignee_id == agent_id:
            return
        if ticket.status in FINAL or (await store.offers_of(tx, [ticket_id])).get(ticket_id) != agent_id:
            raise Conflict("This offer is over.", code="offer_over")
        await store.set_assignees(tx, {ticket_id: agent_id}, now)
        await store.set_misses(tx, agent_id, 0)
        data = {"agent_id": ids.encode("agent", agent_id), "previous": None, "reason": "accepted"}
        await _tell(tx, EventType.TICKET_ASSIGNED, ticket_id, agent_id, actor, data)


async def decline_offer(db: Database, ticket_id: UUID, agent_id: UUID, actor: Actor, *, now: datetime) -> None:
    """Leave a ticket that was offered to somebody else, with its age. Raises NotFound, Conflict (`offer_over`)."""
    async with db.transaction() as tx:
        await _locked(tx, ticket_id, None)
        if (await store.offers_of(tx, [ticket_id])).get(ticket_id) != agent_id:
            raise Conflict("This offer is over.", code="offer_over")
        await store.end_offer(tx, ticket_id, agent_id, "declined", now + NOT_ASKED_AGAIN, now)
        data = {"agent_id": ids.encode("agent", agent_id), "outcome": "declined"}
        await _tell(tx, EventType.TICKET_OFFER_ENDED, ticket_id, agent_id, actor, data)


async def _locked(tx: Tx, ticket_id: UUID, if_version: int | None) -> store.LockedTicket:
    ticket = (await store.lock_tickets(tx, [ticket_id])).get(ticket_id)
    if ticket is None:
        raise NotFound("There is no such ticket.")
    if ticket.merged_into:
        raise Refused("This ticket was merged into another one.", code="ticket_merged")
    if if_version is not None and if_version != ticket.version:
        raise Stale("The ticket has changed since you read it.", details={"version": ticket.version})
    return ticket


async def _tell(
    tx: Tx, kind: EventType, ticket_id: UUID, agent_id: UUID, actor: Actor, data: Mapping[str, str | None]
) -> None:
    await events.record(tx, [Event(type=kind, ticket_id=ticket_id, subject_id=agent_id, actor=str(actor), data=data)])
