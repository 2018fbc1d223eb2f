"""Telling a customer another date: a message of an agent, and the promise in it, in one transaction."""

from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import promises as store
from omnidesk.db.session import Database
from omnidesk.desk import reply, texts
from omnidesk.desk.promises import Promised, told
from omnidesk.desk.sending import Channels, Files
from omnidesk.domain.errors import FieldError, Invalid, NotFound
from omnidesk.domain.people import Actor

FURTHEST = timedelta(days=366)


async def promise(
    db: Database,
    channels: Channels,
    files: Files,
    ticket_id: UUID,
    actor: Actor,
    *,
    due_at: datetime,
    next_action: str,
    text: str = "",
    request_id: str | None = None,
    now: datetime,
) -> UUID:
    """Tell the customer by when what will be done; the new date replaces the old ones. Returns the message's id.

    `text` comes before the sentence with the date. Raises NotFound, Invalid (`due_at` in the past or more
    than a year ahead), and what `reply` raises.
    """
    if not now < due_at <= now + FURTHEST:
        words = "The date must lie ahead, within a year."
        raise Invalid(words, [FieldError(pointer="/due_at", code="out_of_range", message=words)])
    async with db.connection() as tx:
        counted = await store.counting(tx, ticket_id)
    if counted is None:
        raise NotFound("There is no such ticket.")
    when = told(counted.language, due_at, counted)
    sentence = texts.say(
        counted.language,
        "Next step: {action}. We will come back to you by {due}.",
        action=next_action.strip().rstrip("."),
        due=when,
    )
    arithmetic = {"told_by": str(actor), "next_action": next_action}
    return await reply.reply(
        db,
        channels,
        files,
        ticket_id,
        actor,
        f"{text.strip()}\n\n{sentence}" if text.strip() else sentence,
        promise=Promised(kind="next_action", due_at=due_at, arithmetic=arithmetic),
        request_id=request_id,
        now=now,
    )
