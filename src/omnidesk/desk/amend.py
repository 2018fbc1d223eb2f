"""Changing and taking back what was written: notes by their author, answers where the channel can.

An answer's change is a call like any other: it waits behind the answer itself and is made outside any transaction.
The wording before is kept as a revision, a deleted message leaves a tombstone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import nh3

from omnidesk.channels import base
from omnidesk.channels.base import BeforeCall, SendRejected
from omnidesk.db import amendments, deliveries, events, outbox, replies, tickets
from omnidesk.db.amendments import Head
from omnidesk.db.amendments import Sent as Way
from omnidesk.db.outbox import Result, Row
from omnidesk.db.session import Database, Tx
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.reply import check
from omnidesk.desk.sending import Channels, Messages
from omnidesk.desk.settle import endpoint_of
from omnidesk.domain import ids
from omnidesk.domain.errors import Forbidden, Gone, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Amendment, Author, Sent
from omnidesk.domain.people import Actor, Role

KIND = "amendment"
NOT_CHANGED = "message_not_changed"  # why a ticket asks for attention
_OURS = {Author.AGENT, Author.BOT, Author.SYSTEM}


async def edit(
    db: Database,
    channels: Channels,
    message_id: UUID,
    actor: Actor,
    text: str,
    *,
    html: str = "",
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Let a note or an answer read differently; the channel is told of an answer's change.

    Raises NotFound, Stale, Gone (`message_deleted`), Invalid; Forbidden (`not_the_author`); Refused (`not_editable`,
    `channel_cannot_edit`, `secret_request_blocked`).
    """
    found, ways = await _prepared(db, channels, message_id, actor, "edits")
    check(text, (), note=found.direction == "note")
    revision_id = new_id(now)

    async def work(tx: Tx) -> None:
        message = await _locked(tx, message_id, actor, version)
        clean = nh3.clean(html) if html and message.direction != "note" else ""
        await amendments.revise(tx, revision_id, message_id, text=text, html=clean, actor=str(actor), at=now)
        await outbox.put(tx, [_call(way, revision_id) for way in ways])
        what = EventType.NOTE_EDITED if message.direction == "note" else EventType.MESSAGE_EDITED
        await _tell(tx, message, what, actor, request_id, now)

    await db.repeating(work)


async def delete(
    db: Database,
    channels: Channels,
    message_id: UUID,
    actor: Actor,
    *,
    version: int | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Take a note or an answer back: a tombstone stays. An answer of which nothing was sent yet is not sent.

    Raises as `edit`.
    """
    _, ways = await _prepared(db, channels, message_id, actor, "deletes")
    revision_id = new_id(now)

    async def work(tx: Tx) -> None:
        message = await _locked(tx, message_id, actor, version)
        unsent = [way.delivery_id for way in await amendments.sent(tx, message_id) if not way.begun]
        await amendments.bury(tx, revision_id, message_id, actor=str(actor), at=now)
        kept_back = await amendments.take_back(tx, unsent, "Deleted before it was sent.")
        await outbox.put(tx, [_call(way, revision_id) for way in ways if way.delivery_id not in kept_back])
        what = EventType.NOTE_DELETED if message.direction == "note" else EventType.MESSAGE_DELETED
        await _tell(tx, message, what, actor, request_id, now)

    await db.repeating(work)


async def _prepared(
    db: Database, channels: Channels, message_id: UUID, actor: Actor, ability: str
) -> tuple[Head, Sequence[Way]]:
    """The message and the ways that it took, each through a channel that can; looked at before the transaction."""
    async with db.connection() as tx:
        found = await _seen(tx, message_id, actor)
        ways = await amendments.sent(tx, message_id)
    if found.direction == "out" and not ways:  # written on the platform itself: it is changed there
        raise Refused("What was not sent from here is not changed here.", code="not_editable")
    for way in ways:
        manifest = (await channels.get(way.inbox_id)).manifest
        if not getattr(manifest, ability):
            words = f"What was sent by the channel {manifest.name} cannot be changed or taken back."
            raise Refused(words, code="channel_cannot_edit", details={"channel": manifest.name})
    return found, ways


async def _seen(tx: Tx, message_id: UUID, actor: Actor) -> Head:
    """A message that this actor may change. Raises NotFound, Gone, Forbidden, Refused."""
    found = await amendments.head(tx, message_id)
    if found is None or await tickets.read(tx, found.ticket_id, actor) is None:
        raise NotFound("There is no such message.")
    if found.deleted_at is not None:
        raise Gone("This message was deleted.", code="message_deleted")
    if found.direction != "note" and (found.direction != "out" or found.author not in _OURS):
        raise Refused("What somebody else wrote is not changed.", code="not_editable")
    own = actor.agent_id is not None and actor.agent_id == found.agent_id
    if not own and not actor.role.at_least(Role.SUPERVISOR):
        raise Forbidden("Only its author and supervisors change this.", code="not_the_author")
    return found


async def _locked(tx: Tx, message_id: UUID, actor: Actor, version: int | None) -> Head:
    """The message again, its ticket and itself locked."""
    ticket_id = (await _seen(tx, message_id, actor)).ticket_id
    await replies.lock_ticket(tx, ticket_id)
    message = await amendments.head(tx, message_id, lock=True)
    assert message is not None
    if message.deleted_at is not None:
        raise Gone("This message was deleted.", code="message_deleted")
    if version is not None and version != message.version:
        raise Stale("The message has changed since.", details={"version": message.version})
    return message


def _call(way: Way, revision_id: UUID) -> outbox.New:
    """Behind the answer itself: they share an order key. Made twice it is harmless."""
    endpoint = endpoint_of(way.inbox_id)
    return outbox.New(
        kind=KIND,
        order_key=ids.encode("conversation", way.conversation_id),
        limit_key=endpoint,
        endpoint=endpoint,
        subject_id=revision_id,
        inbox_id=way.inbox_id,
        part={"delivery": str(way.delivery_id)},
        repeats=True,
    )


async def _tell(tx: Tx, message: Head, what: EventType, actor: Actor, request_id: str | None, now: datetime) -> None:
    await replies.touch(tx, message.ticket_id, now)
    event = Event(type=what, ticket_id=message.ticket_id, subject_id=message.id, actor=str(actor))
    await events.record(tx, [event], request_id=request_id)


@dataclass
class Amendments(Messages):
    """Calls of kind `amendment`: a channel is told how a message reads now, or that it is taken back."""

    async def send(self, row: Row, before_call: BeforeCall) -> Sent:
        assert row.inbox_id is not None
        opened = await self.channels.get(row.inbox_id)
        async with self.db.connection() as tx:
            loaded = await amendments.load(tx, _delivery(row))
        if loaded is None or not loaded.delivered:
            raise SendRejected("The message itself was not sent.")
        if not isinstance(opened.channel, base.Amending):
            raise SendRejected("This channel cannot change what it sent.")
        amendment = Amendment(
            key=str(row.subject_id),
            delivery_id=loaded.delivery_id,
            message_ref=loaded.message_ref,
            external_ids=loaded.external_ids,
            deleted=loaded.deleted,
            to=loaded.to,
            thread_key=loaded.thread_key,
            text=loaded.text,
            html=loaded.html,
            changed_at=loaded.changed_at,
        )
        await opened.channel.amend(amendment, before_call)
        return Sent()

    async def record(self, tx: Tx, row: Row, result: Result, sent: Sent | None) -> bool:
        """A change that the platform refused is told, and asks an agent to look."""
        delivery_id = _delivery(row)
        await deliveries.lock_tickets(tx, [delivery_id])
        if not await outbox.finish(tx, row, result):
            return False
        await self._note_health(tx, row, result)
        if result.state == "rejected":
            await self._refused(tx, delivery_id, result.error)
        return True

    async def _refused(self, tx: Tx, delivery_id: UUID, reason: str | None) -> None:
        found = await deliveries.read(tx, delivery_id)
        loaded = await amendments.load(tx, delivery_id)
        if found is None or loaded is None or not loaded.delivered:
            return
        ticket_id: UUID = found["ticket_id"]
        data = {"action": "delete" if loaded.deleted else "edit", "reason": reason}
        told = [
            Event(
                type=EventType.MESSAGE_NOT_CHANGED,
                ticket_id=ticket_id,
                subject_id=found["message_id"],
                data=data,
            )
        ]
        asked = await replies.raise_attention(tx, [ticket_id], NOT_CHANGED)
        why = {"reason": NOT_CHANGED}
        told += [Event(type=EventType.TICKET_ATTENTION, ticket_id=one, data=why) for one in asked]
        await events.record(tx, told)


def _delivery(row: Row) -> UUID:
    return UUID(row.part["delivery"])
