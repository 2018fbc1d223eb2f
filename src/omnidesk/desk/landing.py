"""What a batch of arrivals becomes: pure work between the lookups and the writing.

Arrivals are landed in order, and each sees what the ones before it in the batch made: the second
mail of a thread joins the conversation that the first one begins.
"""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.arrivals import Verdict, Waiting
from omnidesk.db.inboxes import Inbox
from omnidesk.db.intake import KnownConversation, KnownIdentity, KnownRef, LockedTicket
from omnidesk.desk.inboxes import Opened
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.settle import Report
from omnidesk.desk.setup import Queue, Setup
from omnidesk.domain import text, tokens
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import (
    Address,
    Author,
    Bounce,
    Deleted,
    Echo,
    Edited,
    Ignored,
    Inbound,
    Item,
    Receipt,
    Ref,
)
from omnidesk.domain.threading import Candidate, Key, Placement, Via, place
from omnidesk.domain.tickets import WORKABLE, Status, Ticket
from omnidesk.domain.wishes import asks_for_senior
from omnidesk.routing.rules import choose_queue, queue_of_place


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a message, its bytes already in the store; without `sha256` still to be fetched, or skipped."""

    sha256: bytes | None
    name: str
    content_type: str
    size: int
    cid: str = ""
    state: str = "stored"
    source_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What reading found out about a message beside its words."""

    language: str | None = None
    urgency: str = "normal"
    urgency_reasons: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An arrival after reading: masked items with their extras, or the verdict that reading came to."""

    arrival: Waiting
    opened: Opened | None
    items: tuple[tuple[Item, Extras], ...] = ()
    verdict: Verdict | None = None


@dataclass(slots=True, kw_only=True)
class Known:
    """What the lookups found; grows as the batch lands."""

    refs: dict[tuple[str, str], list[KnownRef]]
    conversations: dict[UUID, KnownConversation]
    by_token: dict[str, UUID]  # reply tokens, and deliveries named by their return path
    by_thread: dict[tuple[UUID, str], UUID]
    by_number: dict[str, UUID]
    participants: dict[UUID, set[Key]]
    identities: dict[Key, KnownIdentity]
    tickets: dict[UUID, LockedTicket]
    groups: dict[tuple[UUID, str], UUID]


@dataclass(slots=True, kw_only=True)
class Draft:
    """A ticket that this batch begins; its number is drawn at the end."""

    id: UUID
    read: Read
    inbound: Inbound
    extras: Extras
    conversation_id: UUID
    message_id: UUID
    token: str
    subject: str
    language: str
    requester: KnownIdentity
    queue: Queue
    ticket: Ticket
    facts: dict[str, str]
    last_inbound_at: datetime
    because: dict[str, Any]
    moved: bool  # it was written to the address of another queue


@dataclass(slots=True)
class Rows:
    """Everything to write, table by table, in the order of the statements."""

    drafts: list[Draft] = field(default_factory=list)
    links: list[tuple[UUID, str, UUID]] = field(default_factory=list)
    conversations: list[tuple[Any, ...]] = field(default_factory=list)
    participants: dict[tuple[UUID, UUID], str] = field(default_factory=dict)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    refs: list[tuple[str, str, str, UUID, bytes | None]] = field(default_factory=list)
    files: dict[bytes, int] = field(default_factory=dict)
    attachments: list[tuple[Any, ...]] = field(default_factory=list)
    heard: dict[UUID, tuple[LockedTicket, datetime, dict[str, str]]] = field(default_factory=dict)
    heard_in: dict[UUID, datetime] = field(default_factory=dict)
    chasers: Counter[UUID] = field(default_factory=Counter)  # messages to tickets that were owed an answer
    senior: set[UUID] = field(default_factory=set)  # tickets whose customers ask for somebody more senior
    before: dict[UUID, Ticket] = field(default_factory=dict)  # as those that were heard stood before the batch
    heard_from: set[UUID] = field(default_factory=set)  # thought unreachable, and writing
    edits: list[tuple[UUID, UUID, str, str, datetime]] = field(default_factory=list)
    deletions: list[UUID] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)  # receipts and bounces
    events: list[Event] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class Landing:
    """Lands arrivals one after the other; `rows` is what to write then."""

    def __init__(self, setup: Setup, known: Known, *, now: datetime) -> None:
        self.setup, self.known, self.now = setup, known, now
        self.rows = Rows()
        self._drafts: dict[UUID, Draft] = {}

    def land(self, read: Read) -> None:
        """Add what this arrival becomes."""
        if read.verdict is not None or read.opened is None:
            self.rows.verdicts.append(
                read.verdict or Verdict(id=read.arrival.id, state="failed", error="no such inbox")
            )
            return
        verdict = Verdict(id=read.arrival.id, state="ignored", reason="nothing in it")
        for index, (item, extras) in enumerate(read.items):
            step = self._item(read, item, extras, first=index == 0)
            if verdict.state != "done":
                verdict = step
        self.rows.verdicts.append(verdict)

    def _item(self, read: Read, item: Item, extras: Extras, *, first: bool) -> Verdict:
        match item:
            case Inbound():
                return self._inbound(read, item, extras, first=first)
            case Edited():
                return self._edited(read, item)
            case Deleted():
                return self._deleted(read, item)
            case Receipt():
                return self._receipt(read, item)
            case Bounce():
                return self._bounce(read, item)
            case Echo():
                return self._echo(read, item)
            case Ignored():
                return Verdict(id=read.arrival.id, state="ignored", reason=item.reason)

    # --- messages ---------------------------------------------------------------------------------

    def _inbound(self, read: Read, inbound: Inbound, extras: Extras, *, first: bool) -> Verdict:
        if inbound.spam and not read.arrival.released:
            return Verdict(id=read.arrival.id, state="held", reason=inbound.spam)
        duplicate, inbound = self._seen(inbound)
        if duplicate is not None:
            return self._done(read, self._ticket_of(duplicate), reason="came before")
        sender = self.known.identities[inbound.sender.key]
        if sender.unreachable_at is not None and not (inbound.automatic or inbound.suspicious):
            self.rows.heard_from.add(sender.id)
        placement = place(inbound, self._candidates(read, inbound))
        arrival_id = read.arrival.id if first else None
        if placement.joins is None:
            return self._done(read, self._begin(read, inbound, extras, placement, arrival_id))
        return self._done(read, self._join(read, inbound, extras, placement, arrival_id))

    def _done(self, read: Read, ticket_id: UUID | None, reason: str | None = None) -> Verdict:
        return Verdict(id=read.arrival.id, state="done", ticket_id=ticket_id, reason=reason)

    def _seen(self, inbound: Inbound) -> tuple[KnownRef | None, Inbound]:
        """The message that this one repeats, or the message as new; the same id with another body gets a hint."""
        ref = inbound.ref
        for _ in range(2):
            same = [r for r in self.known.refs.get((ref.realm, ref.external_id), []) if r.variant == ref.variant]
            if not same:
                return None, replace(inbound, ref=ref)
            if not inbound.digest or not same[0].digest or bytes(same[0].digest) == inbound.digest:
                return same[0], inbound
            ref = replace(ref, variant=f"{ref.variant}#{inbound.digest.hex()[:16]}")
            inbound = replace(inbound, hints=(*inbound.hints, "same_id_other_body"))
        return same[0], inbound

    def _ticket_of(self, ref: KnownRef) -> UUID | None:
        conversation = self.known.conversations.get(ref.conversation_id) if ref.conversation_id else None
        return conversation.ticket_id if conversation else None

    def _candidates(self, read: Read, inbound: Inbound) -> list[Candidate]:
        known, found = self.known, list[tuple[UUID, Via, int]]()
        for token in (*inbound.tokens, *map(str, inbound.deliveries)):
            if token in known.by_token:
                found.append((known.by_token[token], Via.TOKEN, 0))
        for distance, ref in enumerate(inbound.references):
            for other in known.refs.get((ref.realm, ref.external_id), []):
                if other.conversation_id is not None:
                    found.append((other.conversation_id, Via.REFERENCE, distance))
        echoed = self._ours(inbound.ref)  # our own mail, sent on by somebody under its old id
        if echoed is not None and echoed.conversation_id is not None:
            found.append((echoed.conversation_id, Via.REFERENCE, 0))
        thread = known.by_thread.get((read.arrival.inbox_id, inbound.thread_key))
        if thread is not None:
            found.append((thread, Via.THREAD, 0))
        found += [(known.by_number[number], Via.NUMBER, 0) for number in inbound.numbers if number in known.by_number]
        return [self._candidate(*one) for one in found if one[0] in known.conversations]

    def _candidate(self, conversation_id: UUID, via: Via, distance: int) -> Candidate:
        conversation = self.known.conversations[conversation_id]
        return Candidate(
            conversation_id=conversation_id,
            ticket_id=conversation.ticket_id,
            status=self._ticket(conversation.ticket_id).status,
            requester=conversation.requester,
            participants=frozenset(self.known.participants.get(conversation_id, ())),
            via=via,
            distance=distance,
        )

    def _ticket(self, ticket_id: UUID) -> Ticket:
        draft = self._drafts.get(ticket_id)
        return draft.ticket if draft else self.known.tickets[ticket_id].ticket

    def _begin(
        self, read: Read, inbound: Inbound, extras: Extras, placement: Placement, arrival_id: UUID | None
    ) -> UUID:
        """A new ticket with its first conversation and message."""
        assert read.opened is not None
        inbox, at = read.opened.inbox, read.arrival.received_at
        ticket_id, conversation_id = new_id(self.now), new_id(self.now)
        requester = self.known.identities[inbound.sender.key]
        language = extras.language or requester.language or inbox.language
        queue, because = self._queue(inbox, inbound, extras, language)
        token = tokens.reply_token(secrets.token_bytes(10))
        subject = text.shorten(inbound.subject.strip() or inbound.text.strip().partition("\n")[0], 200)
        message_id = self._message(conversation_id, inbound, extras, placement, arrival_id, at)
        draft = Draft(
            id=ticket_id,
            read=read,
            inbound=inbound,
            extras=extras,
            conversation_id=conversation_id,
            message_id=message_id,
            token=token,
            subject=subject,
            language=language,
            requester=requester,
            queue=queue,
            ticket=Ticket(id=ticket_id, status=Status.NEW, waiting_since=at),
            facts=dict(extras.facts),
            last_inbound_at=at,
            because=because,
            moved="moved_from" in because,
        )
        self.rows.drafts.append(draft)
        self._drafts[ticket_id] = draft
        if placement.follows is not None:
            self.rows.links.append((ticket_id, "follows", placement.follows))
        self.rows.conversations.append(
            (
                conversation_id,
                inbox.id,
                inbound.thread_key,
                ticket_id,
                requester.id,
                inbound.private,
                token,
                subject,
                at,
            )
        )
        self._remember(draft, inbound, inbox.id)
        if not inbound.automatic and asks_for_senior(inbound.text):
            self.rows.senior.add(ticket_id)
        self._participate(conversation_id, inbound.sender, "requester")
        for person in inbound.participants:
            self._participate(conversation_id, person, "participant")
        self.rows.events.append(
            Event(
                type=EventType.TICKET_CREATED,
                ticket_id=ticket_id,
                actor="contact",
                data={"channel": inbox.channel, "urgency": extras.urgency, "follows": placement.follows},
            )
        )
        self._received(ticket_id, message_id, inbound)
        return ticket_id

    def _remember(self, draft: Draft, inbound: Inbound, inbox_id: UUID) -> None:
        """Let the rest of the batch find this conversation."""
        self.known.conversations[draft.conversation_id] = KnownConversation(
            id=draft.conversation_id,
            ticket_id=draft.id,
            inbox_id=inbox_id,
            thread_key=inbound.thread_key,
            requester=inbound.sender.key,
            via=Via.THREAD,
            named=inbound.thread_key,
        )
        self.known.by_thread[inbox_id, inbound.thread_key] = draft.conversation_id
        self.known.by_token[draft.token] = draft.conversation_id

    def _join(
        self, read: Read, inbound: Inbound, extras: Extras, placement: Placement, arrival_id: UUID | None
    ) -> UUID:
        """One more message of a conversation that is here."""
        assert placement.joins is not None
        conversation_id, ticket_id = placement.joins.conversation_id, placement.joins.ticket_id
        at = read.arrival.received_at
        message_id = self._message(conversation_id, inbound, extras, placement, arrival_id, at)
        if placement.author in {Author.REQUESTER, Author.PARTICIPANT}:
            self._participate(conversation_id, inbound.sender, "participant")
            for person in inbound.participants:
                self._participate(conversation_id, person, "participant")
        if not inbound.automatic:
            self._hear(ticket_id, conversation_id, extras, at)
            self._note_wishes(read, ticket_id, inbound)
        self._received(ticket_id, message_id, inbound, unverified=placement.author == Author.UNVERIFIED)
        return ticket_id

    def _hear(self, ticket_id: UUID, conversation_id: UUID, extras: Extras, at: datetime) -> None:
        """The customer waits for us again."""
        before = self._ticket(ticket_id)
        after = before.heard(at=at)
        draft = self._drafts.get(ticket_id)
        if draft is not None:
            draft.ticket, draft.last_inbound_at = after, max(draft.last_inbound_at, at)
            draft.facts.update(extras.facts)
            return
        self.rows.before.setdefault(ticket_id, before)
        locked = replace(self.known.tickets[ticket_id], ticket=after)
        self.known.tickets[ticket_id] = locked
        _, latest, facts = self.rows.heard.get(ticket_id, (locked, at, {}))
        self.rows.heard[ticket_id] = (locked, max(latest, at), {**facts, **extras.facts})
        self.rows.heard_in[conversation_id] = max(self.rows.heard_in.get(conversation_id, at), at)
        if after.status != before.status:
            self.rows.events.append(
                Event(
                    type=EventType.TICKET_STATUS,
                    ticket_id=ticket_id,
                    actor="contact",
                    data={"from": before.status, "to": after.status},
                )
            )

    def _note_wishes(self, read: Read, ticket_id: UUID, inbound: Inbound) -> None:
        """Does he want somebody more senior, or chase the answer that is owed? Lines of a live talk chase nothing."""
        if asks_for_senior(inbound.text):
            self.rows.senior.add(ticket_id)
        before, channel = self.rows.before.get(ticket_id), read.opened.inbox.channel if read.opened else ""
        way = self.setup.policy.channels.get(channel)
        if before and before.waiting_since and before.status in WORKABLE and not (way and way.live):
            self.rows.chasers[ticket_id] += 1
            fact = Event(type=EventType.TICKET_ATTENTION, ticket_id=ticket_id, data={"reason": "chaser"})
            self.rows.events.append(fact)

    def _message(
        self,
        conversation_id: UUID,
        inbound: Inbound,
        extras: Extras,
        placement: Placement,
        arrival_id: UUID | None,
        at: datetime,
    ) -> UUID:
        """The message's row, ids and files; an album's items become one message."""
        group = (conversation_id, inbound.group_key)
        message_id = self.known.groups.get(group) if inbound.group_key else None
        if message_id is None:
            message_id = new_id(self.now)
            said_at = min(inbound.sent_at, at) if inbound.sent_at else at
            self.rows.messages.append(
                (
                    *(
                        message_id,
                        conversation_id,
                        "in",
                        placement.author,
                        self.known.identities[inbound.sender.key].id,
                    ),
                    *(text.shorten(inbound.subject, 500), inbound.text, inbound.quoted, inbound.html),
                    "{" + ",".join(f'"{hint}"' for hint in placement.hints) + "}",
                    *(inbound.automatic, inbound.group_key or None, arrival_id, said_at),
                )
            )
            if inbound.group_key:
                self.known.groups[group] = message_id
        self._refer(message_id, conversation_id, inbound.ref, inbound.digest or None)
        for position, file in enumerate(extras.files):
            if file.sha256 is not None:
                self.rows.files[file.sha256] = file.size
            self.rows.attachments.append(
                (
                    *(new_id(self.now), message_id, file.sha256, file.name, file.content_type, file.size, file.cid),
                    *(position, file.state, file.source_url),
                )
            )
        return message_id

    def _refer(self, message_id: UUID, conversation_id: UUID, ref: Ref, digest: bytes | None) -> None:
        self.rows.refs.append((*ref.key, message_id, digest))
        self.known.refs.setdefault((ref.realm, ref.external_id), []).append(
            KnownRef(
                realm=ref.realm,
                external_id=ref.external_id,
                variant=ref.variant,
                digest=digest,
                message_id=message_id,
                conversation_id=conversation_id,
                direction="in",
            )
        )

    def _participate(self, conversation_id: UUID, person: Address, role: str) -> None:
        """Somebody takes part; never one of our own addresses."""
        if person.kind == "email" and person.address in self.setup.own_addresses:
            return
        identity = self.known.identities[person.key]
        here = self.known.participants.setdefault(conversation_id, set())
        if person.key not in here:
            here.add(person.key)
            self.rows.participants.setdefault((conversation_id, identity.id), role)

    def _received(self, ticket_id: UUID, message_id: UUID, inbound: Inbound, *, unverified: bool = False) -> None:
        data = {"automatic": inbound.automatic} | ({"unverified": True} if unverified else {})
        self.rows.events.append(
            Event(
                type=EventType.MESSAGE_RECEIVED,
                ticket_id=ticket_id,
                subject_id=message_id,
                actor="contact",
                data=data,
            )
        )

    def _queue(self, inbox: Inbox, inbound: Inbound, extras: Extras, language: str) -> tuple[Queue, dict[str, Any]]:
        """The queue, and the inputs and reason that a decision records."""
        inputs = {
            "channel": inbox.channel,
            "inbox": inbox.name,
            "address": inbound.address,
            "language": language,
            "urgency": extras.urgency,
            "subject": inbound.subject,
            "text": inbound.text,
            "facts": dict(extras.facts),
        }
        rules = [queue.rule for queue in self.setup.queues.values()]
        choice = choose_queue(rules, inputs, inbox_queue_id=inbox.queue_id)
        queue = self.setup.queues[choice.queue_id]
        own = queue_of_place(rules, {"inbox": inbox.name, "address": inbound.address}) if inbound.address else None
        misdirected = choice.reason == "rule" and own is not None and own != queue.id
        recorded = {name: value for name, value in inputs.items() if name not in {"subject", "text", "facts"}}
        return queue, {
            "queue": queue.name,
            "rule": choice.rule,
            "reason": choice.reason,
            "inputs": recorded,
            "urgency": {"level": extras.urgency, "reasons": list(extras.urgency_reasons)},
            **({"moved_from": self.setup.queues[own].name} if misdirected and own else {}),
        }

    # --- what happens to messages that are here -----------------------------------------------------

    def _of(self, ref: Ref) -> KnownRef | None:
        """The message behind a provider's id; the variant counts when it is given."""
        found = self.known.refs.get((ref.realm, ref.external_id), [])
        return next((r for r in found if not ref.variant or r.variant == ref.variant), None)

    def _waits(self, read: Read, ref: Ref) -> Verdict:
        """It overtook its message: held until that is here."""
        return Verdict(
            id=read.arrival.id,
            state="held",
            reason="waits for its message",
            waits_for=waits_for(ref.realm, ref.external_id),
        )

    def _edited(self, read: Read, item: Edited) -> Verdict:
        message = self._of(item.ref)
        if message is None:
            return self._waits(read, item.ref)
        at = item.edited_at or read.arrival.received_at
        self.rows.edits.append((new_id(self.now), message.message_id, item.text, item.html, at))
        return self._told(read, message, EventType.MESSAGE_EDITED)

    def _deleted(self, read: Read, item: Deleted) -> Verdict:
        message = self._of(item.ref)
        if message is None:
            return self._waits(read, item.ref)
        self.rows.deletions.append(message.message_id)
        return self._told(read, message, EventType.MESSAGE_DELETED)

    def _told(self, read: Read, message: KnownRef, what: EventType) -> Verdict:
        ticket_id = self._ticket_of(message)
        self.rows.events.append(Event(type=what, ticket_id=ticket_id, subject_id=message.message_id, actor="contact"))
        return self._done(read, ticket_id)

    def _receipt(self, read: Read, item: Receipt) -> Verdict:
        state = {"failed": "rejected"}.get(item.state, item.state)
        message = self._of(item.ref) if item.ref else None
        if message is None and item.ref and not item.correlation:
            return self._waits(read, item.ref)
        self.rows.reports.append(Report(state=state, correlation=item.correlation, ref=item.ref, reason=item.reason))
        return self._done(read, self._ticket_of(message) if message else None, reason="receipt")

    def _bounce(self, read: Read, item: Bounce) -> Verdict:
        """A report about a message that we sent, named by its return path or quoted; any other is noted and left."""
        delivery = next((each for each in item.deliveries if str(each) in self.known.by_token), None)
        ours = next((ref for ref in map(self._ours, item.references) if ref), None)
        if delivery is None and ours is None:
            return Verdict(id=read.arrival.id, state="ignored", reason="a bounce of nothing that we sent")
        self.rows.reports.append(
            Report(
                state="sent" if item.late else "bounced",
                delivery_id=delivery,
                ref=Ref(realm=ours.realm, external_id=ours.external_id, variant=ours.variant) if ours else None,
                reason=item.reason,
                recipient=item.recipient,
                permanent=item.permanent,
            )
        )
        if delivery is not None:
            ticket_id: UUID | None = self.known.conversations[self.known.by_token[str(delivery)]].ticket_id
        else:
            ticket_id = self._ticket_of(ours) if ours else None
        return self._done(read, ticket_id, reason="a mail of ours is late" if item.late else "bounce")

    def _ours(self, ref: Ref) -> KnownRef | None:
        """The message of ours that has this id."""
        known = self.known.refs.get((ref.realm, ref.external_id), [])
        return next((each for each in known if each.direction == "out"), None)

    def _echo(self, read: Read, item: Echo) -> Verdict:
        """Our own words coming back are known; what somebody said elsewhere for us joins the thread."""
        if self._of(item.ref) is not None:
            return Verdict(id=read.arrival.id, state="ignored", reason="our own message")
        conversation_id = self.known.by_thread.get((read.arrival.inbox_id, item.thread_key))
        if conversation_id is None:
            return Verdict(id=read.arrival.id, state="ignored", reason="said elsewhere in a thread that is not here")
        message_id, at = new_id(self.now), item.sent_at or read.arrival.received_at
        self.rows.messages.append(
            (
                *(message_id, conversation_id, "out", Author.STAFF, None, "", item.text, "", "", "{}"),
                *(False, None, read.arrival.id, at),
            )
        )
        self._refer(message_id, conversation_id, item.ref, None)
        ticket_id = self.known.conversations[conversation_id].ticket_id
        self.rows.events.append(
            Event(type=EventType.MESSAGE_CREATED, ticket_id=ticket_id, subject_id=message_id, actor="staff")
        )
        return self._done(read, ticket_id)


def waits_for(realm: str, external_id: str) -> str:
    """How the journal names the message that an edit waits for."""
    return f"{realm} {external_id}"
