"""Answering: a message of ours, its way out and its provider calls, written in one transaction.

`reply` is an agent's answer, `note` an internal remark, `post` the part they share with the messages that
the desk writes by itself (acknowledgements, notices): it takes a way out and gives rows.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import nh3

from omnidesk.channels import base
from omnidesk.db import deliveries, events, outbox, replies, timers
from omnidesk.db.deliveries import Post
from omnidesk.db.replies import Conversation, Head, Person
from omnidesk.db.session import Database, Tx
from omnidesk.db.timers import Timer
from omnidesk.desk import clocks
from omnidesk.desk.deliver import Channels, Files, Opened
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.promises import Promised, make_promise
from omnidesk.desk.settle import endpoint_of, mark_arrived, resend
from omnidesk.domain import ids, redaction, tokens
from omnidesk.domain.clocks import Step
from omnidesk.domain.errors import FieldError, Invalid, NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Address, Author, Outbound, OutFile, Part, Ref
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import CLOSES_AFTER, Status, Ticket

__all__ = ["Draft", "NoWayOut", "Way", "mark_arrived", "note", "post", "prepare", "reply", "resend"]

MAX_TEXT = 200_000  # characters of one reply or note
MAX_RECIPIENTS = 100


class NoWayOut(Refused):
    """Nobody can be reached this way; the text says why."""

    code = "no_way_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Through which inbox a message leaves. `address` is the one it is written from, empty when there is none."""

    inbox_id: UUID
    manifest: base.Manifest
    channel: base.Answering
    address: str = ""
    from_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message of ours before it is split: who says what to whom. Ids and entropy are made by the caller."""

    message_id: UUID
    delivery_id: UUID
    message_ref: str
    conversation_id: UUID
    author: Author
    text: str
    at: datetime
    to: tuple[Person, ...]
    cc: tuple[Person, ...] = ()
    agent_id: UUID | None = None
    html: str = ""
    subject: str = ""
    automatic: bool = False
    language: str = ""
    ticket_number: str = ""
    files: tuple[OutFile, ...] = ()


def prepare(way: Way, draft: Draft) -> Post:
    """The rows of a message: pure. One call for each part that the channel splits it into.

    Raises NoWayOut when the channel makes nothing of it.
    """
    parts = way.channel.split(_outbound(way, draft))
    if not parts:
        raise NoWayOut("This channel has no way to send such a message.")
    return Post(
        message_id=draft.message_id,
        conversation_id=draft.conversation_id,
        author=draft.author,
        agent_id=draft.agent_id,
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        automatic=draft.automatic,
        at=draft.at,
        delivery_id=draft.delivery_id,
        to_ids=tuple(person.id for person in draft.to),
        cc_ids=tuple(person.id for person in draft.cc),
        message_ref=draft.message_ref,
        calls=tuple(_call(way, draft, part) for part in parts),
        ref=Ref(realm="mail", external_id=draft.message_ref, variant=way.address) if way.address else None,
    )


def _call(way: Way, draft: Draft, part: Part) -> outbox.New:
    endpoint = endpoint_of(way.inbox_id)
    return outbox.New(
        kind="message",
        order_key=ids.encode("conversation", draft.conversation_id),
        limit_key=endpoint,
        endpoint=endpoint,
        subject_id=draft.delivery_id,
        inbox_id=way.inbox_id,
        part=asdict(part),
        repeats=way.manifest.repeats_safely,
    )


def _outbound(way: Way, draft: Draft) -> Outbound:
    return Outbound(
        delivery_id=draft.delivery_id,
        message_ref=draft.message_ref,
        to=tuple(_address(person) for person in draft.to),
        cc=tuple(_address(person) for person in draft.cc),
        text=draft.text,
        html=draft.html,
        subject=draft.subject,
        from_name=way.from_name,
        automatic=draft.automatic,
        language=draft.language,
        ticket_number=draft.ticket_number,
        files=draft.files,
        created_at=draft.at,
    )


def _address(person: Person) -> Address:
    return Address(kind=person.kind, realm=person.realm, address=person.address, name=person.name)


async def post(tx: Tx, posts: Sequence[Post]) -> None:
    """Store prepared messages with their ways out and calls. Their tickets are locked; events are the caller's."""
    await deliveries.add(tx, posts)


def fresh_ref(address: str, domain: str = "") -> str:
    """A new Message-ID or correlation key (80 random bits) under the domain of the writing address."""
    return tokens.message_id(secrets.token_bytes(10), address.rpartition("@")[2] or domain or "desk.invalid")


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
    _check(text, attachment_ids)
    ways = await _ways(db, channels, ticket_id)
    ids_made = (new_id(now), new_id(now))

    async def work(tx: Tx) -> UUID:
        head = await _open_ticket(tx, ticket_id)
        conversation = await _conversation(tx, ticket_id, conversation_id)
        answered = head.ticket.answered(at=now, then=status_after)
        people, copied = await _recipients(tx, conversation, to, cc)
        way = _way(ways, conversation, people)
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
    conversation = await _conversation(tx, ticket_id, None)
    people, _ = await _recipients(tx, conversation, None, ())
    way = _way(await _ways_in(tx, channels, ticket_id), conversation, people)
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
    _check(text, attachment_ids, note=True)
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


def _check(text: str, attachment_ids: Sequence[UUID], *, note: bool = False) -> None:
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


async def _ways(db: Database, channels: Channels, ticket_id: UUID) -> Mapping[UUID, Way | str]:
    """Every inbox that the ticket may be answered through: how, or why not. Read before the transaction."""
    async with db.connection() as tx:
        return await _ways_in(tx, channels, ticket_id)


async def _ways_in(tx: Tx, channels: Channels, ticket_id: UUID) -> Mapping[UUID, Way | str]:
    ways: dict[UUID, Way | str] = {}
    for inbox_id in await replies.inboxes_for(tx, ticket_id):
        try:
            opened = await channels.get(inbox_id)
        except NotFound as error:
            ways[inbox_id] = error.message
        else:
            ways[inbox_id] = way_of(opened) or "This channel cannot answer."
    return ways


def way_of(opened: Opened) -> Way | None:
    """The way out through an open inbox; None when its channel cannot answer."""
    channel: Any = opened.channel
    if not base.can_answer(channel):
        return None
    return Way(
        inbox_id=opened.inbox.id,
        manifest=opened.manifest,
        channel=channel,
        address=next(iter(opened.config.addresses()), "").lower(),
        from_name=opened.inbox.name,
    )


def _way(ways: Mapping[UUID, Way | str], conversation: Conversation, people: Sequence[Person]) -> Way:
    """The conversation's own inbox; for people with mail addresses behind one that cannot answer, a mail inbox."""
    own = ways.get(conversation.inbox_id, "This inbox is gone.")
    if isinstance(own, Way):
        return own
    if all(person.kind == "email" for person in people):
        for way in ways.values():
            if isinstance(way, Way) and way.address:
                return way
    raise NoWayOut(own)


async def _open_ticket(tx: Tx, ticket_id: UUID) -> Head:
    head = await replies.lock_ticket(tx, ticket_id)
    if head is None:
        raise NotFound("There is no such ticket.")
    if head.merged_into:
        into = ids.encode("ticket", head.merged_into)
        raise Refused("This ticket was merged into another one.", code="ticket_merged", details={"into": into})
    return head


async def _conversation(tx: Tx, ticket_id: UUID, conversation_id: UUID | None) -> Conversation:
    found = await replies.conversations(tx, ticket_id)
    if conversation_id is not None:
        named = [each for each in found if each.id == conversation_id]
        if not named:
            raise NotFound("This ticket has no such conversation.")
        return named[0]
    private = [each for each in found if each.private]
    heard = [each for each in private if each.heard]
    if heard or private:
        return (heard or private)[0]
    if found:
        raise Refused(
            "Everybody can read this ticket's conversations: name the one to answer in.", code="conversation_required"
        )
    raise NoWayOut("This ticket has no conversation to answer in.")


async def _recipients(
    tx: Tx, conversation: Conversation, to: Sequence[UUID] | None, cc: Sequence[UUID] | None
) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """(to, cc): as the agent chose, else everybody in the conversation who can be reached; never ourselves."""
    everybody = await replies.participants(tx, conversation)
    if to is None:
        able = [person for person in everybody if person.reachable and not person.ours]
        people, others = able[:1], able[1:]
    else:
        people, others = await _chosen(tx, to, everybody), []
    if cc is not None:
        others = await _chosen(tx, cc, everybody)
    named = {person.id for person in people}
    if not people:
        raise NoWayOut("Nobody in this conversation can be reached.")
    if len(people) + len(others) > MAX_RECIPIENTS:
        raise Refused(f"At most {MAX_RECIPIENTS} recipients.", code="wrong_recipient")
    return tuple(people), tuple(person for person in others if person.id not in named)


async def _chosen(tx: Tx, wanted: Sequence[UUID], everybody: Sequence[Person]) -> list[Person]:
    """The agent's own choice, also of people thought unreachable. They must be of the conversation's kind and realm."""
    found = await replies.people(tx, wanted)
    spoken = {(person.kind, person.realm) for person in everybody}
    if len(found) != len(set(wanted)) or any((person.kind, person.realm) not in spoken for person in found):
        raise Refused("A recipient is not known in this conversation's channel.", code="wrong_recipient")
    return [person for person in found if not person.ours]


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
