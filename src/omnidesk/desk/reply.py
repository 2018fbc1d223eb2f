"""Answering: a message of ours, its way out and its provider calls, written in one transaction.

`reply` is an agent's answer, `note` an internal remark, `announce` what the desk says by itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import nh3

from omnidesk.db import events, replies, timers
from omnidesk.db.replies import Head
from omnidesk.db.session import Database, Tx
from omnidesk.db.timers import Timer
from omnidesk.desk import clocks
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.posting import Draft, fresh_ref, post, prepare
from omnidesk.desk.promises import Promised, make_promise
from omnidesk.desk.sending import Channels, Files
from omnidesk.desk.settle import mark_arrived, resend
from omnidesk.desk.ways import NoWayOut, choose_conversation, choose_recipients, choose_way, ways_in, ways_of
from omnidesk.domain import ids, redaction
from omnidesk.domain.clocks import Step
from omnidesk.domain.errors import FieldError, Invalid, NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Author, OutFile
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import CLOSES_AFTER, Status, Ticket

__all__ = ["NoWayOut", "announce", "mark_arrived", "note", "reply", "resend"]

MAX_TEXT = 200_000  # characters of one reply or note


async def reply(
    db: Database,
    channels: Channels,
    files: Files,
    ticket_id: UUID,
    actor: Actor,
    text: str,
    *,
    html: str = "",
    conversation_id: UUID | None = None,
    to: Sequence[UUID] | None = None,
    cc: Sequence[UUID] | None = None,
    attachment_ids: Sequence[UUID] = (),
    status_after: Status | None = None,
    promise: Promised | None = None,
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """Store an agent's reply and queue it for delivery; return the message's id.

    All or nothing, committed on return; the provider is called later by the deliverer. `to` and `cc` are
    identities; without them it goes to everybody in the conversation (the requester first), never to
    ourselves. Without a conversation it goes to the private one in which somebody wrote last. A `promise` that
    its text tells replaces the dates that were told before.

    Raises NotFound; Invalid (empty, too long); Refused with `ticket_closed`, `ticket_spam`, `ticket_merged`,
    `secret_request_blocked`, `conversation_required`, `wrong_recipient`, `unknown_attachment`; NoWayOut.
    """
    check(text, attachment_ids)
    ways = await ways_of(db, channels, ticket_id)
    ids_made = (new_id(now), new_id(now))

    async def work(tx: Tx) -> UUID:
        head = await _open_ticket(tx, ticket_id)
        conversation = await choose_conversation(tx, ticket_id, conversation_id)
        answered = head.ticket.answered(at=now, then=status_after)
        people, copied = await choose_recipients(tx, conversation, to, cc)
        way = choose_way(ways, conversation, people)
        draft = Draft(
            message_id=ids_made[0],
            delivery_id=ids_made[1],
            message_ref=fresh_ref(way.address),
            conversation_id=conversation.id,
            author=Author.AGENT,
            agent_id=actor.agent_id,
            text=text,
            html=nh3.clean(html) if html else "",
            at=now,
            to=people,
            cc=copied,
            subject=conversation.subject or head.subject,
            language=head.language,
            ticket_number=head.number,
            files=await _files(tx, files, attachment_ids, actor),
        )
        await post(tx, [prepare(replace(way, from_name=actor.name or way.from_name), draft)])
        if attachment_ids:
            await replies.use_attachments(tx, draft.message_id, attachment_ids, str(actor))
        await replies.save_answered(tx, answered, now)
        await _close_in_time(tx, head.ticket, answered)
        moved = await clocks.step(tx, [Step(head.ticket, answered, now, replied=True)], actor=str(actor))
        news = await _news(tx, head.ticket, answered, draft, actor, now, promises=promise is not None)
        if promise is not None:
            news += await make_promise(tx, ticket_id, promise, draft.message_id, actor=str(actor), now=now)
        await events.record(tx, [*news, *moved], request_id=request_id)
        return draft.message_id

    return await db.repeating(work)


async def announce(
    tx: Tx,
    channels: Channels,
    ticket_id: UUID,
    text: str,
    promise: Promised | None,
    *,
    now: datetime,
) -> list[Event]:
    """Say something by ourselves where a reply would go, with the date that the text tells; the events to record.

    The ticket is locked. It is no person's answer: nothing that is owed is settled by it. Raises NotFound,
    Refused (`ticket_merged`, `conversation_required`), NoWayOut.
    """
    head = await _open_ticket(tx, ticket_id)
    conversation = await choose_conversation(tx, ticket_id, None)
    people, _ = await choose_recipients(tx, conversation, None, ())
    way = choose_way(await ways_in(tx, channels, ticket_id), conversation, people)
    draft = Draft(
        message_id=new_id(now),
        delivery_id=new_id(now),
        message_ref=fresh_ref(way.address),
        conversation_id=conversation.id,
        author=Author.SYSTEM,
        text=text,
        at=now,
        to=people,
        subject=conversation.subject or head.subject,
        automatic=True,
        language=head.language,
        ticket_number=head.number,
    )
    await post(tx, [prepare(way, draft)])
    await replies.touch(tx, ticket_id, now)
    said = Event(
        type=EventType.MESSAGE_CREATED, ticket_id=ticket_id, subject_id=draft.message_id, data={"automatic": True}
    )
    made = await make_promise(tx, ticket_id, promise, draft.message_id, actor="system", now=now) if promise else []
    return [said, *made]


async def note(
    db: Database,
    ticket_id: UUID,
    actor: Actor,
    text: str,
    *,
    attachment_ids: Sequence[UUID] = (),
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """Store an internal note: it belongs to the ticket and never leaves the desk. Raises NotFound, Invalid, Refused."""
    check(text, attachment_ids, note=True)
    message_id = new_id(now)

    async def work(tx: Tx) -> UUID:
        if await replies.lock_ticket(tx, ticket_id) is None:
            raise NotFound("There is no such ticket.")
        await replies.add_note(tx, message_id, ticket_id, actor.agent_id, text, now)
        if await replies.use_attachments(tx, message_id, attachment_ids, str(actor)) != len(set(attachment_ids)):
            raise _unknown_attachment()
        await replies.touch(tx, ticket_id, now)
        made = Event(type=EventType.NOTE_CREATED, ticket_id=ticket_id, subject_id=message_id, actor=str(actor))
        await events.record(tx, [made], request_id=request_id)
        return message_id

    return await db.repeating(work)


def check(text: str, attachment_ids: Sequence[UUID], *, note: bool = False) -> None:
    """What may be said. Raises Invalid (empty, too long, no text), Refused (`secret_request_blocked`)."""
    if not text.strip() and not attachment_ids:
        raise Invalid("Say something.", [FieldError(pointer="/text", code="required", message="Say something.")])
    if len(text) > MAX_TEXT:
        words = f"At most {MAX_TEXT} characters."
        raise Invalid(words, [FieldError(pointer="/text", code="too_long", message=words)])
    if "\0" in text:
        words = "The text holds characters that cannot be stored."
        raise Invalid(words, [FieldError(pointer="/text", code="not_text", message=words)])
    asked = None if note else redaction.asks_for_secret(text)
    if asked:
        raise Refused(
            "Customers must never be asked for a password, a card's secret or a one-time code.",
            code="secret_request_blocked",
            details={"asks_for": asked},
        )


async def _open_ticket(tx: Tx, ticket_id: UUID) -> Head:
    head = await replies.lock_ticket(tx, ticket_id)
    if head is None:
        raise NotFound("There is no such ticket.")
    if head.merged_into:
        into = ids.encode("ticket", head.merged_into)
        raise Refused("This ticket was merged into another one.", code="ticket_merged", details={"into": into})
    return head


async def _files(tx: Tx, files: Files, attachment_ids: Sequence[UUID], actor: Actor) -> tuple[OutFile, ...]:
    if not attachment_ids:
        return ()
    found = await replies.unused_files(tx, attachment_ids, str(actor))
    if len(found) != len(attachment_ids):
        raise _unknown_attachment()
    return tuple(
        OutFile(name=name, content_type=content_type, size=size, path=str(files.path(sha256)))
        for name, content_type, size, sha256 in found
    )


def _unknown_attachment() -> Refused:
    return Refused("An attachment was not uploaded by you, or is in use already.", code="unknown_attachment")


async def _close_in_time(tx: Tx, before: Ticket, after: Ticket) -> None:
    """A ticket resolved with the answer closes after some days; one that is open again does not."""
    if after.status == Status.RESOLVED and after.resolved_at:
        due = Timer(kind="close", subject_id=after.id, due_at=after.resolved_at + CLOSES_AFTER)
        await timers.set_timers(tx, [due])
    elif before.status == Status.RESOLVED:
        await timers.cancel(tx, "close", [after.id])


async def _news(
    tx: Tx, before: Ticket, after: Ticket, draft: Draft, actor: Actor, now: datetime, *, promises: bool
) -> list[Event]:
    """What a reply changed, for those who follow; one that `promises` keeps nothing yet."""
    delivery, conversation = (
        ids.encode("delivery", draft.delivery_id),
        ids.encode("conversation", draft.conversation_id),
    )
    who, ticket_id = str(actor), before.id
    news = [
        Event(
            type=EventType.MESSAGE_CREATED,
            ticket_id=ticket_id,
            subject_id=draft.message_id,
            actor=who,
            data={"conversation_id": conversation, "delivery_id": delivery, "automatic": draft.automatic},
        )
    ]
    if after.status != before.status:
        moved = {"from": str(before.status), "to": str(after.status)}
        news.append(Event(type=EventType.TICKET_STATUS, ticket_id=ticket_id, actor=who, data=moved))
    for promise, kind, kept in [] if promises else await replies.settle_promises(tx, ticket_id, now):
        event = EventType.PROMISE_KEPT if kept else EventType.PROMISE_BROKEN
        news.append(Event(type=event, ticket_id=ticket_id, subject_id=promise, actor=who, data={"kind": kind}))
    return news
