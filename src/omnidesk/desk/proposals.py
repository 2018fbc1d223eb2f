"""Proposals: another solution is offered to the customer, who accepts or declines it."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from uuid import UUID

from omnidesk.db import events, tickets
from omnidesk.db import proposals as store
from omnidesk.db.joined import Joined
from omnidesk.db.session import Database, Tx
from omnidesk.desk import clocks, reply, texts
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.sending import Channels, Files
from omnidesk.domain import ids
from omnidesk.domain.clocks import Step
from omnidesk.domain.errors import Conflict, FieldError, Invalid, NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import Status

STATES = {"accepted": EventType.PROPOSAL_ACCEPTED, "declined": EventType.PROPOSAL_DECLINED}


async def propose(
    db: Database,
    channels: Channels,
    files: Files,
    ticket_id: UUID,
    actor: Actor,
    text: str,
    *,
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """Tell the customer of another solution and ask whether it suits him; the ticket waits for his answer.

    One that he has not answered yet is withdrawn. Raises NotFound, Invalid (empty), and what `reply` raises.
    """
    if not text.strip():
        raise Invalid("Say something.", [FieldError(pointer="/text", code="required", message="Say something.")])
    return await db.repeating(
        partial(_propose, db, channels, files, ticket_id, actor, text.strip(), new_id(now), request_id, now)
    )


async def _propose(
    db: Database,
    channels: Channels,
    files: Files,
    ticket_id: UUID,
    actor: Actor,
    text: str,
    proposal_id: UUID,
    request_id: str | None,
    now: datetime,
    tx: Tx,
) -> UUID:
    locked = await tickets.lock(tx, ticket_id, actor)
    if locked is None:
        raise NotFound("There is no such ticket.")
    question = texts.say(locked.row.language, "Does this suit you? Please answer yes or no.")
    message_id = await reply.reply(
        Joined(db, tx),
        channels,
        files,
        ticket_id,
        actor,
        f"{text}\n\n{question}",
        status_after=Status.PENDING,
        request_id=request_id,
        now=now,
    )
    gone = await store.withdraw(tx, ticket_id, str(actor), now)
    await store.add(tx, proposal_id, ticket_id, message_id, text, actor.agent_id, now)
    facts = [_fact(EventType.PROPOSAL_WITHDRAWN, ticket_id, old, str(actor)) for old in gone]
    told = {"message_id": ids.encode("message", message_id)}
    made = Event(type=EventType.PROPOSAL_MADE, ticket_id=ticket_id, subject_id=proposal_id, actor=str(actor), data=told)
    await events.record(tx, [*facts, made], request_id=request_id)
    return proposal_id


async def answer(
    db: Database,
    ticket_id: UUID,
    proposal_id: UUID,
    actor: Actor,
    outcome: str,
    comment: str = "",
    *,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Note what the customer said: `accepted` or `declined`. Work goes on either way; a declined one is no solution.

    Raises NotFound, Conflict (`proposal_over`: it was answered or withdrawn), Refused (`ticket_closed` …).
    """

    async def work(tx: Tx) -> None:
        locked = await tickets.lock(tx, ticket_id, actor)
        found = await store.read(tx, ticket_id, proposal_id) if locked else None
        if locked is None or found is None:
            raise NotFound("There is no such proposal.")
        if locked.row.merged_into or locked.ticket.status in {Status.CLOSED, Status.SPAM}:
            code = "ticket_merged" if locked.row.merged_into else f"ticket_{locked.row.status}"
            raise Refused("Nobody works on this ticket any more.", code=code)
        if found.state != "open":
            raise Conflict("This proposal is over.", code="proposal_over", details={"state": found.state})
        await store.settle(tx, proposal_id, outcome, str(actor), comment, now)
        before = locked.ticket
        solved = outcome == "accepted" and before.status == Status.RESOLVED
        after = before if solved or before.status == Status.NEW else before.moved_to(Status.OPEN, at=now)
        await tickets.save(tx, after, now=now)
        moved = await clocks.step(tx, [Step(before, after, now)], actor=str(actor))
        facts = [_fact(STATES[outcome], ticket_id, proposal_id, str(actor))]
        if after.status != before.status:
            data = {"from": str(before.status), "to": str(after.status), "reason": f"proposal_{outcome}"}
            facts.append(Event(type=EventType.TICKET_STATUS, ticket_id=ticket_id, actor=str(actor), data=data))
        await events.record(tx, [*facts, *moved], request_id=request_id)

    await db.repeating(work)


async def answered(tx: Tx, answers: Mapping[UUID, bool], now: datetime) -> list[Event]:
    """Requesters of locked tickets wrote a plain yes or no; the events of the proposals that they answered so."""
    found = await store.answered(tx, answers, now)
    return [_fact(STATES[state], ticket, proposal, "contact") for proposal, ticket, state in sorted(found)]


def _fact(kind: EventType, ticket_id: UUID, proposal_id: UUID, actor: str) -> Event:
    return Event(type=kind, ticket_id=ticket_id, subject_id=proposal_id, actor=actor)
