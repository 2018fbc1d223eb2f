"""What the forms of a ticket's page do: each calls the use case that the API calls, then shows the ticket again.

A form carries the version that its page showed. Where the ticket has changed meanwhile, nothing is done: the page
comes back with what is new and with everything that was typed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from omnidesk.db import deliveries, tickets, timeline
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Row
from omnidesk.db.timeline import Happened, Message
from omnidesk.desk import assign, files, reply
from omnidesk.desk import tickets as desk
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, DeskError, NotFound, Refused, Stale
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean
from omnidesk.domain.tickets import Status, Urgency
from omnidesk.web.console import decoded
from omnidesk.web.once import Form, once
from omnidesk.web.ticket import Typed, is_fresh, show
from omnidesk.web.visit import Visit, status_of

NEWS = 50  # entries that are looked through for what changed
CHUNK = 256 * 1024
TRANSITIONS = {"open": Status.OPEN, "pending": Status.PENDING, "resolved": Status.RESOLVED}
MATTERS = frozenset({"ticket.status_changed", "ticket.assigned", "ticket.unassigned"})
Work = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A form of a ticket's page."""

    ticket_id: UUID
    actor: Actor
    form: FormData
    version: int | None  # that its page showed
    seen_at: datetime | None  # when its page was shown

    def text(self, name: str) -> str:
        return clean(str(self.form.get(name, "")))


async def _sent(visit: Visit, scope: str) -> Sent:
    """The form, of somebody who may send it and may see the ticket."""
    form = await visit.form()
    actor = visit.needs(scope)
    ticket_id = decoded("ticket", visit.request.path_params["ticket_id"])
    async with visit.db.connection() as tx:
        await _seen(tx, ticket_id, actor)
    version = str(form.get("version", ""))
    return Sent(
        ticket_id=ticket_id,
        actor=actor,
        form=form,
        version=int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else None,
        seen_at=_moment(str(form.get("seen_at", ""))),
    )


async def _seen(tx: Tx, ticket_id: UUID, actor: Actor) -> Row:
    row = await tickets.read(tx, ticket_id, actor)
    if row is None:
        raise NotFound("There is no such ticket.")
    return row


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _url(ticket_id: UUID, place: str = "") -> str:
    return f"/desk/tickets/{ids.encode('ticket', ticket_id)}{place}"


# --- saying something -------------------------------------------------------------------------------


async def send_reply(visit: Visit) -> Response:
    """Answer the customer; the button says where the ticket goes with it."""
    sent = await _sent(visit, "messages:write")
    typed = await _typed(visit, sent, "reply")
    then = TRANSITIONS.get(str(sent.form.get("then", "")))

    async def work(db: Database) -> UUID:
        await _not_stale(db, sent)
        return await reply.reply(
            db,
            visit.parts.channels,
            visit.parts.files,
            sent.ticket_id,
            sent.actor,
            typed.text,
            conversation_id=typed.conversation,
            attachment_ids=typed.attachment_ids,
            status_after=then,
            request_id=visit.request_id,
            now=visit.now,
        )

    return await _said(visit, sent, typed, work, "replied")


async def add_note(visit: Visit) -> Response:
    """Write a note for colleagues."""
    sent = await _sent(visit, "messages:write")
    typed = await _typed(visit, sent, "note")

    async def work(db: Database) -> UUID:
        return await reply.note(
            db,
            sent.ticket_id,
            sent.actor,
            typed.note,
            attachment_ids=typed.attachment_ids,
            request_id=visit.request_id,
            now=visit.now,
        )

    return await _said(visit, sent, typed, work, "noted")


async def _said(
    visit: Visit, sent: Sent, typed: Typed, work: Callable[[Database], Awaitable[UUID]], flash: str
) -> Response:
    route = f"{visit.request.url.path} {typed.form}"
    form = Form(key=str(sent.form.get("key", "")), route=route, content=_content(sent))
    try:
        if typed.refusal:
            raise Refused("A file was not taken.", code=typed.refusal)
        message_id = await (once(visit, form, work) if form.key else work(visit.db))
    except NotFound:
        raise
    except DeskError as error:
        refused = replace(typed, refusal=visit.reason(error))
        return await show(visit, sent.ticket_id, status=_status(error), typed=refused)
    return visit.to(_url(sent.ticket_id, f"#{ids.encode('message', message_id)}"), flash)


def _content(sent: Sent) -> str:
    """Everything that makes this form another one; of files their names and sizes."""
    fields = [
        f"{name}={value.filename}:{value.size}" if isinstance(value, UploadFile) else f"{name}={value}"
        for name, value in sent.form.multi_items()
        if name not in {"csrf", "version", "seen_at", "key"}
    ]
    return "\0".join(fields)


def _status(error: DeskError) -> int:
    return 412 if isinstance(error, Stale) else status_of(error)


async def _typed(visit: Visit, sent: Sent, form: str) -> Typed:
    """What was typed, its files stored: they wait for a reply that is taken."""
    kept, refusal = _kept_ids(sent.form), ""
    for brought in sent.form.getlist("files"):
        if isinstance(brought, UploadFile) and brought.filename:
            try:
                kept.append(await _store(visit, sent.actor, brought))
            except DeskError as error:
                refusal = error.code
    named = str(sent.form.get("conversation", ""))
    return Typed(
        form=form,
        refusal=refusal,
        text=sent.text("text"),
        note=sent.text("note"),
        conversation=decoded("conversation", named) if named else None,
        attachment_ids=tuple(kept),
        seen_at=sent.seen_at,
    )


def _kept_ids(form: FormData) -> list[UUID]:
    return [decoded("attachment", str(one)) for one in form.getlist("attachment")]


async def _store(visit: Visit, actor: Actor, brought: UploadFile) -> UUID:
    attachment_id = new_id(visit.now)
    await files.upload(
        visit.db,
        visit.parts.files,
        _pieces(brought.file),
        attachment_id=attachment_id,
        name=brought.filename or "",
        claimed=brought.content_type or "",
        uploader=str(actor),
        most=visit.parts.max_upload,
    )
    return attachment_id


async def _pieces(source: BinaryIO) -> AsyncIterator[bytes]:
    while piece := source.read(CHUNK):
        yield piece


async def _not_stale(db: Database, sent: Sent) -> None:
    """Raises Stale when something was said or decided since the page was shown that the writer should see first.

    The ticket stays locked until the reply is written. Being given the ticket oneself changes nothing about the answer.
    """
    async with db.transaction() as tx:
        locked = await tickets.lock(tx, sent.ticket_id, sent.actor)
        if locked is None:
            raise NotFound("There is no such ticket.")
        if sent.version is None or locked.row.version == sent.version:
            return
        entries = await timeline.page(tx, sent.ticket_id, after=None, descending=True, limit=NEWS)
    news = [entry for entry in entries if is_fresh(entry, sent.seen_at)]
    if not news or any(_matters(entry, sent.actor) for entry in news):
        raise Stale("The ticket has changed since you opened it.", details={"version": locked.row.version})


def _matters(entry: Message | Happened, actor: Actor) -> bool:
    if isinstance(entry, Message):
        return entry.agent_id is None or entry.agent_id != actor.agent_id
    given_to_me = entry.type == "ticket.assigned" and entry.subject_id == actor.agent_id
    return entry.type in MATTERS and entry.actor != str(actor) and not given_to_me


# --- moving it along --------------------------------------------------------------------------------


async def _changed(visit: Visit, sent: Sent, work: Work) -> Response:
    """Do it and show the ticket, or the list when it went out of sight; refused: the ticket, with the reason."""
    try:
        flash = await work()
    except (Refused, Conflict) as error:
        typed = Typed(refusal=visit.reason(error), seen_at=sent.seen_at if isinstance(error, Stale) else None)
        return await show(visit, sent.ticket_id, status=_status(error), typed=typed)
    async with visit.db.connection() as tx:
        still = await tickets.read(tx, sent.ticket_id, sent.actor)
    return visit.to(_url(sent.ticket_id) if still else "/desk", flash)


async def move(visit: Visit) -> Response:
    """To another status."""
    sent = await _sent(visit, "tickets:write")
    to = TRANSITIONS.get(str(sent.form.get("to", "")))
    if to is None:
        raise Refused("There is no such status.", code="bad_request")

    async def work() -> str:
        await desk.transition(
            visit.db,
            sent.ticket_id,
            sent.actor,
            to,
            version=sent.version,
            request_id=visit.request_id,
            now=visit.now,
        )
        return str(to)

    return await _changed(visit, sent, work)


async def spam(visit: Visit) -> Response:
    """Hide it as spam, or bring it back."""
    sent = await _sent(visit, "tickets:write")
    undo = bool(sent.form.get("undo"))

    async def work() -> str:
        change = desk.unmark_spam if undo else desk.mark_spam
        await change(
            visit.db, sent.ticket_id, sent.actor, version=sent.version, request_id=visit.request_id, now=visit.now
        )
        return "not_spam" if undo else "spam"

    return await _changed(visit, sent, work)


async def give(visit: Visit) -> Response:
    """To oneself, to somebody, or back to the queue. The page names the holder, so taking over is on purpose."""
    sent = await _sent(visit, "tickets:write")
    to = str(sent.form.get("agent", ""))

    async def work() -> str:
        if not to:
            await assign.unassign(visit.db, sent.ticket_id, sent.actor, if_version=sent.version, now=visit.now)
            return "returned"
        agent_id = sent.actor.agent_id if to == "me" else decoded("agent", to)
        assert agent_id is not None
        await assign.assign(
            visit.db,
            sent.ticket_id,
            agent_id,
            sent.actor,
            if_version=sent.version,
            reassign=sent.version is not None,
            now=visit.now,
        )
        return "taken" if agent_id == sent.actor.agent_id else "given"

    return await _changed(visit, sent, work)


async def describe(visit: Visit) -> Response:
    """Queue and urgency."""
    sent = await _sent(visit, "tickets:write")
    urgency = str(sent.form.get("urgency", ""))
    if urgency not in set(Urgency):
        raise Refused("There is no such urgency.", code="bad_request")
    values = {"urgency": urgency, "queue_id": decoded("queue", str(sent.form.get("queue", "")))}

    async def work() -> str:
        await desk.patch(
            visit.db,
            sent.ticket_id,
            sent.actor,
            values,
            version=sent.version,
            request_id=visit.request_id,
            now=visit.now,
        )
        return "saved"

    return await _changed(visit, sent, work)


async def answer_offer(visit: Visit) -> Response:
    """Take or leave a ticket that was offered."""
    sent = await _sent(visit, "tickets:write")
    assert sent.actor.agent_id is not None
    agent_id, takes = sent.actor.agent_id, sent.form.get("outcome") == "accepted"

    async def work() -> str:
        answer = assign.accept_offer if takes else assign.decline_offer
        await answer(visit.db, sent.ticket_id, agent_id, sent.actor, now=visit.now)
        return "taken" if takes else "returned"

    return await _changed(visit, sent, work)


# --- what became of it ------------------------------------------------------------------------------


async def settle(visit: Visit) -> Response:
    """A delivery that is in doubt: send it again, or it arrived."""
    form = await visit.form()
    actor = visit.needs("messages:write")
    delivery_id = decoded("delivery", visit.request.path_params["delivery_id"])
    async with visit.db.connection() as tx:
        found = await deliveries.read(tx, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        await _seen(tx, found["ticket_id"], actor)
    again = visit.request.url.path.endswith("/resend")
    sent = Sent(ticket_id=found["ticket_id"], actor=actor, form=form, version=None, seen_at=None)

    async def work() -> str:
        settle = reply.resend if again else reply.mark_arrived
        await settle(visit.db, delivery_id, actor, request_id=visit.request_id)
        return "resent" if again else "arrived"

    return await _changed(visit, sent, work)
