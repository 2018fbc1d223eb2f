"""The desk's own reading and placing of mail, in the form that corpus scorers ask for."""

import json
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from omnidesk.channels.email.items import to_items
from omnidesk.channels.email.reading import read_mail
from omnidesk.domain.messages import Bounce, Inbound, Receipt
from omnidesk.domain.threading import Candidate, Via, place
from omnidesk.domain.tickets import Status


def email(raw: bytes) -> dict[str, Any]:
    """What is read from one mail."""
    mail = read_mail(raw)
    return {
        "from_address": mail.from_address,
        "from_name": mail.from_name,
        "to": [box.address for box in mail.to],
        "reply_to": [box.address for box in mail.reply_to],
        "subject": mail.subject,
        "text": mail.text,
        "visible_text": mail.visible_text,
        "attachments": [
            {"filename": file.name, "size": len(file.content), "content_type": file.content_type}
            for file in mail.attachments
        ],
        "auto_submitted": mail.auto_submitted,
        "bounce": mail.bounce is not None,
    }


def route(raw: bytes, envelope: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Where one mail goes, given the tickets that stand."""
    mail = read_mail(raw, mail_from=envelope["mail_from"])
    (item, *_) = to_items(
        mail,
        {"mail_from": envelope["mail_from"], "rcpt_to": json.dumps(envelope["rcpt_to"])},
        context["own_addresses"],
        trusted_authserv_id=context["trusted_authserv_id"],
        loop_marks=[context["loop_header"]["value"]],
    )
    if isinstance(item, Bounce):
        known = _Tickets(context)
        ids = [each.external_id for each in item.references]
        hit = next((known.by_message[each] for each in ids if each in known.by_message), None)
        hit = hit or next((known.by_token[each] for each in item.tokens if each in known.by_token), None)
        return {"ticket": hit, "action": "bounce", "auto_reply": False}
    if isinstance(item, Receipt):
        hit = _Tickets(context).by_message.get(item.ref.external_id) if item.ref else None
        return {"ticket": hit, "action": "ignore", "auto_reply": False}
    if not isinstance(item, Inbound):
        return {"ticket": None, "action": "drop", "auto_reply": False}
    return _placed(item, _Tickets(context))


class _Tickets:
    """What the database would know: ids of tickets by message, token and number; merged ones as their survivor."""

    def __init__(self, context: dict[str, Any]) -> None:
        self.tickets = {ticket["id"]: ticket for ticket in context["tickets"]}
        self.by_message: dict[str, str] = {}
        self.by_token: dict[str, str] = {}
        self.by_number: dict[str, str] = {}
        self.seen: dict[tuple[str, str], str] = {}
        for ticket in context["tickets"]:
            survivor = ticket.get("merged_into", ticket["id"])
            self.by_number[ticket["number"]] = survivor
            for address in [*ticket["reply_addresses"], *ticket["bounce_addresses"]]:
                self.by_token[address.partition("@")[0].partition("+")[2].lower()] = survivor
            for message in ticket["messages"]:
                message_id = message["message_id"].strip("<>")
                self.by_message[message_id] = survivor
                self.seen[message_id, message.get("from", "")] = survivor

    def candidate(self, ticket_id: str, via: Via, distance: int = 0) -> Candidate:
        ticket = self.tickets[ticket_id]
        ident = uuid5(NAMESPACE_URL, ticket_id)
        return Candidate(
            conversation_id=ident,
            ticket_id=ident,
            status=Status(ticket["status"]),
            requester=("email", "", ticket["requester"]),
            participants=frozenset(("email", "", each) for each in ticket["participants"]),
            via=via,
            distance=distance,
        )

    def name(self, ticket_id: UUID) -> str:
        return next(str(each) for each in self.tickets if uuid5(NAMESPACE_URL, each) == ticket_id)


def _placed(item: Inbound, known: _Tickets) -> dict[str, Any]:
    seen = known.seen.get((item.ref.external_id, item.ref.variant))
    if seen:
        return {"ticket": seen, "action": "duplicate", "auto_reply": False}
    candidates = [known.candidate(known.by_token[each], Via.TOKEN) for each in item.tokens if each in known.by_token]
    candidates += [
        known.candidate(known.by_message[ref.external_id], Via.REFERENCE, distance)
        for distance, ref in enumerate(item.references)
        if ref.external_id in known.by_message
    ]
    candidates += [known.candidate(known.by_number[n], Via.NUMBER) for n in item.numbers if n in known.by_number]
    placement = place(item, candidates)
    may_answer = not (item.automatic or item.quiet or item.suspicious)
    if placement.joins is None:
        return {"ticket": None, "action": "new", "auto_reply": may_answer}
    action = "reopen" if placement.reopens else "append"
    return {"ticket": known.name(placement.joins.ticket_id), "action": action, "auto_reply": False}
