"""What a batch says of messages that are here: edits, deletions, receipts, bounces, and echoes of our own words."""

from datetime import datetime
from uuid import UUID

from omnidesk.db.arrivals import Verdict
from omnidesk.db.known import KnownRef
from omnidesk.desk.batch import Read, Rows
from omnidesk.desk.known import Known
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.settle import Report
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Author, Bounce, Deleted, Echo, Edited, Receipt, Ref


def done(read: Read, ticket_id: UUID | None, reason: str | None = None) -> Verdict:
    """The arrival has its verdict: it belongs to this ticket."""
    return Verdict(id=read.arrival.id, state="done", ticket_id=ticket_id, reason=reason)


def waits_for(realm: str, external_id: str) -> str:
    """How the journal names the message that an edit waits for."""
    return f"{realm} {external_id}"


class Reports:
    """Lands what is about other messages; what it finds goes into `rows`."""

    def __init__(self, known: Known, rows: Rows, *, now: datetime) -> None:
        self._known, self._rows, self._now = known, rows, now

    def _waits(self, read: Read, ref: Ref) -> Verdict:
        """It overtook its message: held until that is here."""
        return Verdict(
            id=read.arrival.id,
            state="held",
            reason="waits for its message",
            waits_for=waits_for(ref.realm, ref.external_id),
        )

    def edited(self, read: Read, item: Edited) -> Verdict:
        message = self._known.named(item.ref)
        if message is None:
            return self._waits(read, item.ref)
        at = item.edited_at or read.arrival.received_at
        self._rows.edits.append((new_id(self._now), message.message_id, item.text, item.html, at))
        return self._told(read, message, EventType.MESSAGE_EDITED)

    def deleted(self, read: Read, item: Deleted) -> Verdict:
        message = self._known.named(item.ref)
        if message is None:
            return self._waits(read, item.ref)
        self._rows.deletions.append(message.message_id)
        return self._told(read, message, EventType.MESSAGE_DELETED)

    def _told(self, read: Read, message: KnownRef, what: EventType) -> Verdict:
        ticket_id = self._known.ticket_of(message)
        self._rows.events.append(Event(type=what, ticket_id=ticket_id, subject_id=message.message_id, actor="contact"))
        return done(read, ticket_id)

    def receipt(self, read: Read, item: Receipt) -> Verdict:
        state = {"failed": "rejected"}.get(item.state, item.state)
        message = self._known.named(item.ref) if item.ref else None
        if message is None and item.ref and not item.correlation:
            return self._waits(read, item.ref)
        self._rows.reports.append(Report(state=state, correlation=item.correlation, ref=item.ref, reason=item.reason))
        return done(read, self._known.ticket_of(message) if message else None, reason="receipt")

    def bounce(self, read: Read, item: Bounce) -> Verdict:
        """A report about a message that we sent, named by its return path or quoted; any other is noted and left."""
        delivery = next((each for each in item.deliveries if str(each) in self._known.by_token), None)
        ours = next((ref for ref in map(self._known.ours, item.references) if ref), None)
        if delivery is None and ours is None:
            return Verdict(id=read.arrival.id, state="ignored", reason="a bounce of nothing that we sent")
        self._rows.reports.append(
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
            ticket_id: UUID | None = self._known.conversations[self._known.by_token[str(delivery)]].ticket_id
        else:
            ticket_id = self._known.ticket_of(ours) if ours else None
        return done(read, ticket_id, reason="a mail of ours is late" if item.late else "bounce")

    def echo(self, read: Read, item: Echo) -> Verdict:
        """Our own words coming back are known; what somebody said elsewhere for us joins the thread."""
        if self._known.named(item.ref) is not None:
            return Verdict(id=read.arrival.id, state="ignored", reason="our own message")
        conversation_id = self._known.by_thread.get((read.arrival.inbox_id, item.thread_key))
        if conversation_id is None:
            return Verdict(id=read.arrival.id, state="ignored", reason="said elsewhere in a thread that is not here")
        message_id, at = new_id(self._now), item.sent_at or read.arrival.received_at
        self._rows.messages.append(
            (
                *(message_id, conversation_id, "out", Author.STAFF, None, "", item.text, "", "", ()),
                *(False, None, read.arrival.id, at),
            )
        )
        self._rows.refs.append((*item.ref.key, message_id, None))
        self._known.remember(item.ref, message_id, conversation_id, None)
        ticket_id = self._known.conversations[conversation_id].ticket_id
        self._rows.events.append(
            Event(type=EventType.MESSAGE_CREATED, ticket_id=ticket_id, subject_id=message_id, actor="staff")
        )
        return done(read, ticket_id)
