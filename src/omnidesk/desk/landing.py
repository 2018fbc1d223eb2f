"""What a batch of arrivals becomes: pure work between the lookups and the writing.

Arrivals are landed in order, and each sees what the ones before it in the batch made: the second
mail of a thread joins the conversation that the first one begins.
"""

import secrets
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from omnidesk.db.arrivals import Verdict
from omnidesk.db.known import KnownConversation
from omnidesk.desk import placing
from omnidesk.desk.batch import Draft, Extras, Read, Rows
from omnidesk.desk.known import Known
from omnidesk.desk.landing_reports import Reports, done
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.setup import Setup
from omnidesk.domain import text, tokens
from omnidesk.domain.clarify import answer
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Address, Author, Bounce, Deleted, Echo, Edited, Ignored, Inbound, Item, Receipt
from omnidesk.domain.threading import Placement, Via, place
from omnidesk.domain.tickets import WORKABLE, Status, Ticket
from omnidesk.domain.wishes import asks_for_senior, asks_why_so_long, plain_answer


class Landing:
    """Lands arrivals one after the other; `rows` is what to write then."""

    def __init__(self, setup: Setup, known: Known, *, now: datetime) -> None:
        self.setup, self.known, self.now = setup, known, now
        self.rows = Rows()
        self._reports = Reports(known, self.rows, now=now)
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
                return self._reports.edited(read, item)
            case Deleted():
                return self._reports.deleted(read, item)
            case Receipt():
                return self._reports.receipt(read, item)
            case Bounce():
                return self._reports.bounce(read, item)
            case Echo():
                return self._reports.echo(read, item)
            case Ignored():
                return Verdict(id=read.arrival.id, state="ignored", reason=item.reason)

    def _inbound(self, read: Read, inbound: Inbound, extras: Extras, *, first: bool) -> Verdict:
        if inbound.spam and not read.arrival.released:
            return Verdict(id=read.arrival.id, state="held", reason=inbound.spam)
        duplicate, inbound = placing.seen(self.known, inbound)
        if duplicate is not None:
            return done(read, self.known.ticket_of(duplicate), reason="came before")
        sender = self.known.identities[inbound.sender.key]
        if sender.unreachable_at is not None and not (inbound.automatic or inbound.suspicious):
            self.rows.heard_from.add(sender.id)
        placement = place(inbound, placing.candidates(self.known, lambda one: self._ticket(one).status, read, inbound))
        arrival_id = read.arrival.id if first else None
        if placement.joins is None:
            return done(read, self._begin(read, inbound, extras, placement, arrival_id))
        return done(read, self._join(read, inbound, extras, placement, arrival_id))

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
        queue, category, because = placing.queue_for(self.setup, inbox, inbound, extras, language, requester.tier or "")
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
            category=category,
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
            self._hear(ticket_id, conversation_id, inbound, extras, at)
            self._note_wishes(read, ticket_id, inbound, placement.author)
        self._received(ticket_id, message_id, inbound, unverified=placement.author == Author.UNVERIFIED)
        return ticket_id

    def _hear(self, ticket_id: UUID, conversation_id: UUID, inbound: Inbound, extras: Extras, at: datetime) -> None:
        """The customer waits for us again."""
        before = self._ticket(ticket_id)
        after = before.heard(at=at)
        draft = self._drafts.get(ticket_id)
        if draft is not None:
            draft.ticket, draft.last_inbound_at = after, max(draft.last_inbound_at, at)
            draft.facts.update(extras.facts)
            return
        self.rows.before.setdefault(ticket_id, before)
        locked, stated = self.known.tickets[ticket_id], dict(extras.facts)
        if locked.asked_for:
            self.rows.clarified[ticket_id] = one = answer(locked.asked_for, inbound.text, stated)
            stated |= one.given
        locked = replace(locked, ticket=after, asked_for=())
        self.known.tickets[ticket_id] = locked
        _, latest, facts = self.rows.heard.get(ticket_id, (locked, at, {}))
        self.rows.heard[ticket_id] = (locked, max(latest, at), {**facts, **stated})
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

    def _note_wishes(self, read: Read, ticket_id: UUID, inbound: Inbound, author: Author) -> None:
        """Does he want somebody more senior, or to know why it takes so long, say yes or no to what he was offered,
        or chase the answer that is owed? Lines of a live talk chase nothing."""
        if asks_for_senior(inbound.text):
            self.rows.senior.add(ticket_id)
        if author != Author.UNVERIFIED and asks_why_so_long(inbound.text):
            self.rows.impatient.add(ticket_id)
        if author == Author.REQUESTER and (said := plain_answer(inbound.text)) is not None:
            self.rows.yes_or_no[ticket_id] = said
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
                    placement.hints,
                    *(inbound.automatic, inbound.group_key or None, arrival_id, said_at),
                )
            )
            if inbound.group_key:
                self.known.groups[group] = message_id
        digest = inbound.digest or None
        self.rows.refs.append((*inbound.ref.key, message_id, digest))
        self.known.remember(inbound.ref, message_id, conversation_id, digest)
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
