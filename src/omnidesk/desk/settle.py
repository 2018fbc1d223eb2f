"""What became of what we sent: proofs, receipts, bounces, and an agent's word.

A call whose answer was lost is `unknown` and never repeated by ourselves. It has three exits: an echo or
a receipt proves it (`settle`), an agent says again (`resend`), an agent says it arrived (`mark_arrived`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from omnidesk.db import circuits, deliveries, events, inboxes, replies, webhook_deliveries
from omnidesk.db import settle as calls
from omnidesk.db.deliveries import Change
from omnidesk.db.session import Database, Tx
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, Gone, NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Ref
from omnidesk.domain.people import SYSTEM, Actor

FAILED, UNKNOWN = "delivery_failed", "delivery_unknown"  # why a ticket asks for attention
_ASKS = {"rejected": FAILED, "bounced": FAILED, "unknown": UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The platform shows that it has a message of ours: by our own key, or by its id of a message we know."""

    correlation: str = ""
    ref: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a receipt or a bounce says of a delivery; `state` is delivered, read, rejected, bounced or (late) sent."""

    state: str
    delivery_id: UUID | None = None  # when a signed return path named it
    correlation: str = ""
    ref: Ref | None = None
    reason: str = ""
    recipient: str = ""  # the address that failed
    permanent: bool = False  # the address is dead


async def settle(tx: Tx, proofs: Sequence[Proof]) -> list[UUID | None]:
    """Settle lost calls by echoes or receipts; for each proof the message of ours that it shows, or None.

    The ids that the platform gave become references of that message. Locks tickets, in order.
    """
    found = await deliveries.by_proof(tx, [proof.correlation for proof in proofs], [proof.ref for proof in proofs])
    named = [(delivery, proof) for delivery, proof in zip(found, proofs, strict=True) if delivery]
    if not named:
        return [None] * len(proofs)
    subjects = [delivery for delivery, _ in named]
    await deliveries.lock_tickets(tx, subjects)
    await calls.settle(tx, subjects, [proof.ref.external_id if proof.ref else "" for _, proof in named])
    messages = await deliveries.messages_of(tx, subjects)
    await deliveries.add_refs(tx, [(proof.ref, messages[delivery]) for delivery, proof in named if proof.ref])
    await tell(tx, await deliveries.refresh(tx, subjects))
    return [messages[delivery] if delivery else None for delivery in found]


async def report(tx: Tx, reports: Sequence[Report]) -> list[UUID | None]:
    """Take in receipts and bounces; for each the delivery that it is about, or None.

    Each of them also proves that a lost call went through. A permanent bounce marks the address as unreachable;
    that a mail is late changes no state, only what is said of it.
    """
    proven = await deliveries.by_proof(tx, [each.correlation for each in reports], [each.ref for each in reports])
    found = [each.delivery_id or delivery for each, delivery in zip(reports, proven, strict=True)]
    known = await deliveries.messages_of(tx, [each for each in found if each])
    about = [(each, delivery) for each, delivery in zip(reports, found, strict=True) if delivery in known and delivery]
    for each, delivery in sorted(about, key=lambda pair: pair[1]):
        if each.permanent:
            await replies.mark_unreachable(tx, delivery, each.recipient.lower(), each.reason[:500])
    await deliveries.lock_tickets(tx, [delivery for _, delivery in about])
    arrived = [(each, delivery) for each, delivery in about if each.state != "rejected"]
    proven_ids = [each.ref.external_id if each.ref else "" for each, _ in arrived]
    await calls.settle(tx, [delivery for _, delivery in arrived], proven_ids)
    await tell(tx, await deliveries.refresh(tx, [delivery for _, delivery in arrived]))
    states, errors = [each.state for each, _ in about], [each.reason[:500] or None for each, _ in about]
    await tell(tx, await deliveries.report(tx, [delivery for _, delivery in about], states, errors))
    return [delivery if delivery in known else None for delivery in found]


async def resend(db: Database, delivery_id: UUID, actor: Actor, *, request_id: str | None = None) -> None:
    """An agent says: send it again. The same key goes with it, so that a platform that has it may notice.

    Raises NotFound; Conflict (`already_sending`) for what is on its way, also when somebody else was faster; Gone
    (`message_deleted`); Refused (`not_resendable`) for what arrived.
    """

    async def work(tx: Tx) -> None:
        row = await _locked(tx, delivery_id)
        if await deliveries.is_gone(tx, delivery_id):
            raise Gone("This message was deleted.", code="message_deleted")
        if row["state"] in {"queued", "deferred"}:
            raise Conflict("This is on its way already.", code="already_sending")
        again = await calls.requeue(tx, delivery_id)
        if not again and row["state"] == "bounced":
            again = await calls.repeat(tx, delivery_id)
        if not again:
            raise Refused("This was not lost: there is nothing to send again.", code="not_resendable")
        await deliveries.set_queued(tx, delivery_id)
        await tell(tx, [_change(row, "queued")], actor, request_id)

    await db.repeating(work)


async def mark_arrived(db: Database, delivery_id: UUID, actor: Actor, *, request_id: str | None = None) -> None:
    """An agent says: it arrived. Raises NotFound; Refused (`not_unknown`) when there is no doubt about it."""

    async def work(tx: Tx) -> None:
        await _locked(tx, delivery_id)
        if not await calls.arrived(tx, delivery_id):
            raise Refused("There is no doubt about this delivery.", code="not_unknown")
        await tell(tx, await deliveries.refresh(tx, [delivery_id]), actor, request_id)

    await db.repeating(work)


async def _locked(tx: Tx, delivery_id: UUID) -> dict[str, object]:
    await deliveries.lock_tickets(tx, [delivery_id])
    row = await deliveries.read(tx, delivery_id)
    if row is None:
        raise NotFound("There is no such delivery.")
    return row


def _change(row: dict[str, object], after: str) -> Change:
    ticket_id, message_id, delivery_id = row["ticket_id"], row["message_id"], row["id"]
    assert isinstance(ticket_id, UUID)
    assert isinstance(message_id, UUID)
    assert isinstance(delivery_id, UUID)
    return Change(
        delivery_id=delivery_id,
        message_id=message_id,
        ticket_id=ticket_id,
        before=str(row["state"]),
        after=after,
        error=None,
        automatic=False,
    )


async def recover(db: Database) -> int:
    """Settle calls whose holder died or froze: queued again, or unknown; how many. Any process, any time."""
    async with db.connection() as tx:
        lapsed = await calls.find_lapsed(tx)
    if not lapsed:
        return 0

    async def work(tx: Tx) -> int:
        await deliveries.lock_tickets(tx, [subject for _, subject in lapsed])
        rows = await calls.lapse(tx, [row_id for row_id, _ in lapsed])
        await circuits.end_probes(tx, {row.endpoint for row in rows})
        subjects = sorted({row.subject_id for row in rows if row.kind == "message"})
        await tell(tx, await deliveries.refresh(tx, subjects))
        given_up = [row.subject_id for row in rows if row.kind == "webhook" and row.state == "rejected"]
        await webhook_deliveries.give_up(tx, given_up)
        return len(rows)

    return await db.repeating(work)


async def reopen_direction(
    db: Database, inbox_id: UUID, direction: str, actor: Actor = SYSTEM, *, request_id: str | None = None
) -> None:
    """The account's credentials work again: `receive` or `send` goes on, and held calls leave at once.

    Raises NotFound for an unknown inbox.
    """

    async def work(tx: Tx) -> None:
        if direction == "send":
            await calls.release_inbox(tx, inbox_id)
            await circuits.worked(tx, endpoint_of(inbox_id))
        inbox = await inboxes.read(tx, inbox_id, lock=True)
        if inbox is None:
            raise NotFound("There is no such inbox.")
        await health(tx, inbox_id, direction, "ok", None, actor, request_id)

    await db.repeating(work)


async def health(
    tx: Tx,
    inbox_id: UUID,
    direction: str,
    state: str,
    error: str | None,
    actor: Actor = SYSTEM,
    request_id: str | None = None,
) -> None:
    """Say how a direction of an inbox is; an event when that is news."""
    if await inboxes.set_health(tx, inbox_id, direction, state, error):
        await tell_health(tx, inbox_id, direction, state, error, actor, request_id)


async def failing(tx: Tx, inbox_id: UUID, error: str | None) -> None:
    """An inbox's calls keep failing; refused credentials are the graver news and stay."""
    inbox = await inboxes.read(tx, inbox_id, lock=True)
    if inbox is not None and inbox.send_state == "ok":
        await health(tx, inbox_id, "send", "failing", error)


async def tell_health(
    tx: Tx,
    inbox_id: UUID,
    direction: str,
    state: str,
    error: str | None,
    actor: Actor = SYSTEM,
    request_id: str | None = None,
) -> None:
    """The event of a direction's health, which is written already."""
    data = {"direction": direction, "state": state, "reason": error}
    event = Event(type=EventType.INBOX_HEALTH, subject_id=inbox_id, actor=str(actor), data=data)
    await events.record(tx, [event], request_id=request_id)


def endpoint_of(inbox_id: UUID) -> str:
    """Whose circuit and rate limit the calls of an inbox share."""
    return ids.encode("inbox", inbox_id)


async def tell(tx: Tx, changes: Sequence[Change], actor: Actor = SYSTEM, request_id: str | None = None) -> None:
    """Events of changed deliveries; what failed or is in doubt asks an agent to look. Tickets are locked."""
    news = [_event(change, actor) for change in changes if change.before != change.after]
    for reason in (FAILED, UNKNOWN):
        asking = [change.ticket_id for change in changes if _ASKS.get(change.after) == reason]
        if asking:
            news += [_attention(ticket, reason) for ticket in await replies.raise_attention(tx, asking, reason)]
    settled = [change.ticket_id for change in changes if change.before in _ASKS and change.after not in _ASKS]
    if settled:
        news += [_attention(ticket, None) for ticket in await replies.drop_attention(tx, settled, [FAILED, UNKNOWN])]
    await events.record(tx, news, request_id=request_id)


def _event(change: Change, actor: Actor) -> Event:
    data: dict[str, object] = {
        "message_id": ids.encode("message", change.message_id),
        "from": change.before,
        "to": change.after,
    }
    if change.error:
        data["reason"] = change.error
    return Event(
        type=EventType.DELIVERY_CHANGED,
        ticket_id=change.ticket_id,
        subject_id=change.delivery_id,
        actor=str(actor),
        data=data,
    )


def _attention(ticket_id: UUID, reason: str | None) -> Event:
    return Event(type=EventType.TICKET_ATTENTION, ticket_id=ticket_id, data={"reason": reason})
