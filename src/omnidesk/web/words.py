"""What pages call things: the desk's own values in words for agents. English here, Russian in `locale/ru.po`.

Every table maps a value to a message id. A value that is not here (a channel of a third party, an event of a
later version) is shown as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omnidesk.db.tickets import Decision
from omnidesk.db.timeline import Happened
from omnidesk.desk import texts
from omnidesk.domain.errors import DeskError, Forbidden, Invalid, NotFound, TooMany, Unavailable
from omnidesk.domain.tickets import CUSTOMER_LABELS, Status

STATUSES: Mapping[str, str] = {
    "new": "New",
    "open": "Open",
    "pending": "Waiting for the customer",
    "resolved": "Resolved",
    "closed": "Closed",
    "spam": "Spam",
}
URGENCIES: Mapping[str, str] = {"low": "Low", "normal": "Normal", "high": "High", "critical": "Critical"}
PRESENCES: Mapping[str, str] = {"online": "Online", "away": "Away", "offline": "Offline"}
CHANNELS: Mapping[str, str] = {"email": "E-mail", "api": "API", "phone": "Phone", "chat": "Chat", "web_form": "Form"}
AUTHORS: Mapping[str, str] = {
    "requester": "Customer",
    "participant": "Participant",
    "unverified": "Unverified sender",
    "agent": "Agent",
    "staff": "Colleague, outside the desk",
    "bot": "Bot",
    "system": "The desk",
}
DELIVERIES: Mapping[str, str] = {
    "queued": "On its way",
    "sent": "Sent",
    "delivered": "Delivered",
    "read": "Read",
    "deferred": "Delayed, will be tried again",
    "rejected": "Refused by the receiving side",
    "unknown": "It is not known whether this arrived",
    "bounced": "Came back as undeliverable",
}
ATTENTION: Mapping[str, str] = {
    "delivery_failed": "A message could not be delivered",
    "delivery_unknown": "It is not known whether a message arrived",
    "message_not_changed": "The customer may still see how a message read before",
    "promise_broken": "The promised date has passed",
    "sla_warning": "The agreed time is running out",
    "sla_breached": "The agreed time has passed",
    "chaser": "The customer wrote again before he was answered",
    "stalled": "The customer has heard nothing for long",
    "escalated": "Somebody more senior is to look",
    "senior_asked": "The customer asks for somebody more senior",
}
PROMISES: Mapping[str, str] = {
    "open": "open",
    "kept": "kept",
    "broken": "broken",
    "renegotiated": "moved to another date",
}
PROMISE_KINDS: Mapping[str, str] = {
    "first_reply": "First answer",
    "next_action": "Next step",
    "senior": "Answer of a senior",
    "progress": "Next message",
}
FACTS: Mapping[str, str] = {
    "order": "Order",
    "login": "Login",
    "occurred_at": "When it happened",
    "receipt": "Receipt",
    "amount": "Amount",
    "phone": "Phone",
    "device": "Device",
}
PARKED: Mapping[str, str] = {
    "failed": "Could not be taken in",
    "unreadable": "Could not be read",
    "held": "Held back",
}
HINTS: Mapping[str, str] = {
    "unverified_sender": "The sender is not a participant of this conversation. Do not tell anything about the ticket "
    "before you know who this is.",
    "number_of_another_ticket": "The number in the subject belongs to somebody else's ticket.",
    "dmarc_failed": "The sender's address may be forged: the check of its domain (DMARC) failed.",
    "several_authors": "This mail names several authors.",
    "no_sender": "This mail names no sender.",
    "from_our_own_address": "This mail claims to come from our own address.",
    "only_quoted_text": "This mail holds nothing but quoted text.",
    "same_id_other_body": "A different mail with the same Message-ID came before.",
    "unreadable": "Parts of this mail could not be read.",
    "headers_cut": "This mail has too many header lines; the rest was not read.",
    "nested_too_deep": "This mail is nested too deeply; the rest was not read.",
    "too_many_parts": "This mail has too many parts; the rest was not read.",
    "text_cut": "The text was too long; its end was not read.",
    "too_large_end_missing": "This mail was too large; its end is missing.",
}
MASKED: Mapping[str, str] = {
    "password": "a password",
    "card": "a card number",
    "cvv": "a card's secret code",
    "code": "a one-time code",
    "pin": "a PIN",
    "codeword": "a code word",
}
MASKED_HINT = "Masked before it was stored: {what}."
WARNINGS = frozenset({"unverified_sender", "number_of_another_ticket", "dmarc_failed", "from_our_own_address"})
FLASHES: Mapping[str, str] = {
    "replied": "Your answer is on its way.",
    "noted": "The note is kept.",
    "saved": "Saved.",
    "pending": "The ticket now waits for the customer.",
    "resolved": "Resolved.",
    "open": "The ticket is open again.",
    "taken": "The ticket is yours.",
    "given": "The ticket was given.",
    "returned": "The ticket is back in its queue.",
    "spam": "Marked as spam: hidden, its clocks stopped.",
    "not_spam": "Not spam after all: back where it was.",
    "resent": "It is sent again.",
    "arrived": "Noted: it arrived.",
    "retried": "It is read again.",
    "released": "It is let through.",
    "welcome": "Welcome to the desk.",
    "signed_out": "You are signed out.",
}
BROKEN, BROKEN_WHY = "Something broke here", "Please try again. If it happens again, name the number below."

# --- refusals ---------------------------------------------------------------------------------------

REASONS: Mapping[str, str] = {
    "agent_disabled": "This agent's account is closed.",
    "already_assigned": "{name} already has this ticket.",
    "arrival_not_parked": "Somebody has already decided about this message.",
    "bad_request": "This request cannot be understood.",
    "body_too_large": "What you sent is too large.",
    "conversation_required": "Everybody can read this ticket's conversations: choose the one to answer in.",
    "cross_site": "This form was not sent from a page of this desk. Open the page anew and try again.",
    "email_taken": "There is an agent with this address already.",
    "empty_file": "The file is empty.",
    "file_too_large": "The file is too large.",
    "form_expired": "This form belongs to another session. Open the page anew and try again.",
    "form_used": "This form was sent already, with another text. The page shows what was kept; send yours again "
    "if it is still needed.",
    "has_administrator": "There is an administrator already. Ask them for a link.",
    "in_flight": "This form is being sent already. Look at the ticket in a moment.",
    "link_used": "This link was used already, or its day is over. Ask your administrator for a new one.",
    "missing_right": "Your role does not include this.",
    "newcomer_needed": "The first administrator needs a name, an e-mail address and a password.",
    "no_page": "There is nothing at this address.",
    "no_way_out": "Nobody can be reached this way: the channel cannot answer, or no address works.",
    "not_found": "There is no such thing, or it is not yours to see.",
    "not_resendable": "This was not lost: there is nothing to send again.",
    "not_spam": "This ticket is not marked as spam.",
    "not_unknown": "There is no doubt about this delivery.",
    "not_yours": "Only its holder or a supervisor hands a ticket back.",
    "offer_over": "This offer is over.",
    "required": "Write something first.",
    "secret_request_blocked": "Customers must never be asked for a password, a card's data or a one-time code. "
    "Nothing was sent; please change the text.",
    "stale": "The ticket has changed since you opened it.",
    "storage": "Files cannot be stored right now.",
    "ticket_closed": "This ticket is closed. A new message of the customer makes a new ticket.",
    "ticket_merged": "This ticket was merged into another one.",
    "ticket_spam": "This ticket is marked as spam.",
    "too_long": "The text is too long.",
    "too_many_requests": "Too many attempts. Wait a little, then try again.",
    "transition_not_allowed": "The ticket cannot go there from where it is.",
    "unavailable": "A part of the desk is away. Try again in a moment.",
    "unknown_attachment": "A file was not uploaded by you, or is in use already. Choose it again.",
    "weak_password": "A password has at least 12 characters.",
    "wrong_credentials": "Wrong address or password.",
    "wrong_recipient": "A recipient is not known in this conversation's channel.",
}
REFUSED = "The desk says no: {code}."


def reason(language: str, error: DeskError) -> str:
    """Why not, in the reader's words."""
    code = error.errors[0].code if isinstance(error, Invalid) and error.errors else error.code
    known = REASONS.get(code)
    if known is None:
        return texts.say(language, REFUSED, code=code)
    holder = error.details.get("assignee")
    name = holder.get("name", "") if isinstance(holder, dict) else ""
    return texts.say(language, known, name=name)


def refusal_title(error: DeskError) -> str:
    """A message id for the heading of a page that is an error."""
    for kind, title in _TITLES.items():
        if isinstance(error, kind):
            return title
    return "That did not work"


_TITLES: Mapping[type[DeskError], str] = {
    NotFound: "Not found",
    Forbidden: "Not allowed",
    TooMany: "Please wait a little",
    Unavailable: "Back in a moment",
}

# --- sentences --------------------------------------------------------------------------------------

ASSIGNED: Mapping[str, str] = {
    "claimed": "{who} took the ticket",
    "by_hand": "{who} gave the ticket to {agent}",
    "accepted": "{agent} accepted the ticket",
    "best_fit": "Given to {agent}: the best fit of those who are here",
    "only_fit": "Given to {agent}: nobody else who is here can take it",
    "last_agent": "Given to {agent}, who had it before",
    "escalated": "{agent} has it now, being more senior",
    "transferred": "{who} handed the ticket on to {agent}",
    "too_many_transfers": "Given to {agent}, who leads: it was handed on too often",
}
UNASSIGNED: Mapping[str, str] = {
    "handed_back": "{who} gave the ticket back to its queue",
    "queue_changed": "{agent} is not in the new queue: the ticket waits again",
    "agent_offline": "{agent} went offline: the ticket waits again",
    "transferred": "{who} handed the ticket on",
}
OFFER_ENDED: Mapping[str, str] = {
    "declined": "{agent} left the ticket to somebody else",
    "missed": "{agent} did not answer the offer in time",
    "withdrawn": "The offer to {agent} was withdrawn",
}
CHANGED: Mapping[str, str] = {
    "subject": "{who} changed the subject",
    "category": "{who} changed the category: {old} → {new}",
    "urgency": "{who} changed the urgency: {old} → {new}",
    "language": "{who} changed the language: {old} → {new}",
    "queue_id": "{who} moved the ticket: {old} → {new}",
    "required": "{who} changed the skills that it needs: {old} → {new}",
    "preferred": "{who} changed the skills that it asks for: {old} → {new}",
}
HAPPENED: Mapping[str, str] = {
    "ticket.created": "The ticket was made",
    "ticket.offered": "Offered to {agent}",
    "ticket.linked": "Linked with another ticket",
    "message.edited": "{who} changed a message",
    "message.deleted": "{who} removed a message",
    "message.not_changed": "The platform did not take the change of a message",
    "note.edited": "{who} changed a note",
    "note.deleted": "{who} removed a note",
    "promise.made": "The customer was told: an answer by {due}",
    "promise.kept": "The promise was kept",
    "promise.broken": "The promised date has passed",
    "promise.renegotiated": "The customer was told another date",
    "ticket.transferred": "{who} wrote a hand-off card",
    "ticket.escalated": "{who} asked for somebody more senior",
    "proposal.made": "{who} proposed another solution",
    "proposal.accepted": "{who}: the customer accepts the proposal",
    "proposal.declined": "{who}: the customer declines the proposal",
    "proposal.withdrawn": "{who} withdrew the proposal",
    "clock.warned": "The agreed time is running out",
    "clock.breached": "The agreed time has passed",
}
STATUS_CHANGED = "{who} changed the status: {old} → {new}"
ATTENTION_OVER = "Needs no attention any more"
RESENT, ARRIVED = "{who} sent a message again", "{who} noted that a message arrived"
BY_DESK, BY_CUSTOMER, BY_PROGRAM, SOMEBODY = "The desk", "The customer", "A program", "Somebody"
NONE = "none"

WHY: Mapping[tuple[str, str], str] = {
    ("queued", "rule"): "In this queue because a rule of it fits.",
    ("queued", "fallback"): "In the default queue: no rule fits.",
    ("queued", "inbox"): "In this queue because its inbox belongs there.",
    ("queued", "triage"): "In this queue to be sorted: no rule fits, and it has no category.",
    ("clarified", "complete"): "The customer told what he was asked for.",
    ("clarified", "incomplete"): "The customer answered, but not all that he was asked for.",
    ("clarified", "no_answer"): "The customer did not answer in time: it goes on as it is.",
    ("assigned", "best_fit"): "{agent} got it: the best fit of those who are here.",
    ("assigned", "only_fit"): "{agent} got it: nobody else who is here can take it.",
    ("assigned", "last_agent"): "{agent} got it, having had it before.",
    ("offered", "best_fit"): "Offered to {agent}: the best fit of those who are here.",
    ("offered", "only_fit"): "Offered to {agent}: nobody else who is here can take it.",
    ("offered", "last_agent"): "Offered to {agent}, who had it before.",
    ("waiting", "no_skill"): "It waits: nobody has the skills that it needs.",
    ("waiting", "all_offline"): "It waits: nobody who could take it is here.",
    ("waiting", "closed_hours"): "It waits: the queue is closed now.",
    ("waiting", "all_declined"): "It waits: everybody who could take it has left it.",
    ("waiting", "all_full"): "It waits: everybody who could take it has enough to do.",
    ("waiting", "sticky_hold"): "It waits a moment for the agent who had it before.",
    ("waiting", "no_queue"): "It waits: its queue does not exist any more.",
    ("missed", "no_accept"): "{agent} did not answer the offer in time.",
    ("missed", "agent_left"): "{agent} went away before answering the offer.",
    ("returned", "agent_offline"): "{agent} went offline: it waits again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How ids read for this visitor."""

    language: str
    agents: Mapping[str, str]  # TypeID -> name
    queues: Mapping[str, str]
    show_moment: Callable[[datetime], str]

    def say(self, text: str, **values: object) -> str:
        return texts.say(self.language, text, **values)

    def agent(self, type_id: object) -> str:
        return self.agents.get(str(type_id)) or self.say(SOMEBODY)

    def actor(self, actor: str) -> str:
        kind, _, type_id = actor.partition(":")
        return {
            "agent": lambda: self.agent(type_id),
            "key": lambda: self.say(BY_PROGRAM),
            "contact": lambda: self.say(BY_CUSTOMER),
        }.get(kind, lambda: self.say(BY_DESK))()


def status(language: str, value: str) -> str:
    """What agents call a status; in Russian the words that the customer reads, too."""
    return texts.say(language, STATUSES.get(value, value))


def customers_word(language: str, value: str) -> str:
    """What the customer sees."""
    return CUSTOMER_LABELS["ru" if language == "ru" else "en"].get(Status(value), "")


def happened(event: Happened, names: Names) -> str | None:
    """An event in one sentence; None when the page tells it elsewhere."""
    data, who = event.data, names.actor(event.actor)
    values = {"who": who, "agent": names.agent(data.get("agent_id"))}
    match event.type:
        case "ticket.assigned" | "ticket.unassigned" | "ticket.offer_ended":
            table = {"ticket.assigned": ASSIGNED, "ticket.unassigned": UNASSIGNED}.get(event.type, OFFER_ENDED)
            key = data.get("outcome") if event.type == "ticket.offer_ended" else data.get("reason")
            text = table.get(str(key))
            return names.say(text, **values) if text else event.type
        case "ticket.status_changed":
            old, new = (status(names.language, str(data.get(side))) for side in ("from", "to"))
            return names.say(STATUS_CHANGED, who=who, old=old, new=new)
        case "ticket.updated":
            return "; ".join(_changes(data, who, names))
        case "delivery.changed":
            return _delivery(event, who, names)
        case "clock.changed":
            return names.say(HAPPENED["clock.breached"]) if data.get("state") == "breached" else None
        case "ticket.attention":
            return names.say(ATTENTION.get(str(data.get("reason")), ATTENTION_OVER))
    text = HAPPENED.get(event.type)
    return names.say(text, due=_due(data, names), **values) if text else event.type


def _delivery(event: Happened, who: str, names: Names) -> str | None:
    if not event.actor.startswith(("agent:", "key:")):
        return None
    return names.say(RESENT if event.data.get("to") == "queued" else ARRIVED, who=who)


def _due(data: Mapping[str, Any], names: Names) -> str:
    try:
        return names.show_moment(datetime.fromisoformat(str(data.get("due_at"))))
    except ValueError:
        return ""


def _changes(data: Mapping[str, Any], who: str, names: Names) -> list[str]:
    found = []
    for name, pair in dict(data.get("changed") or {}).items():
        old, new = pair if len(pair) == 2 else (None, None)
        text = CHANGED.get(name, name)
        found.append(names.say(text, who=who, old=_value(name, old, names), new=_value(name, new, names)))
    return found


def _value(name: str, value: object, names: Names) -> str:
    if value is None or value == []:
        return names.say(NONE)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "queue_id":
        return names.queues.get(str(value), names.say(NONE))
    return names.say(URGENCIES[str(value)]) if name == "urgency" and str(value) in URGENCIES else str(value)


def why(decision: Decision, names: Names, agent: str) -> str:
    """A decision of the routing core in one sentence."""
    text = WHY.get((decision.kind, decision.reason))
    return names.say(text, agent=agent) if text else f"{decision.kind}: {decision.reason}"


def hint(language: str, value: str) -> str:
    """What an agent should know about a message."""
    kind, _, what = value.partition(":")
    if kind == "masked":
        return texts.say(language, MASKED_HINT, what=texts.say(language, MASKED.get(what, what)))
    return texts.say(language, HINTS.get(value, value))


TABLES = (
    *(STATUSES, URGENCIES, PRESENCES, CHANNELS, AUTHORS, DELIVERIES, ATTENTION, PROMISES, PROMISE_KINDS, FACTS),
    *(PARKED, HINTS, MASKED, FLASHES, REASONS, ASSIGNED, UNASSIGNED, OFFER_ENDED, CHANGED, HAPPENED, WHY, _TITLES),
)
SENTENCES = (
    *(MASKED_HINT, BROKEN, BROKEN_WHY, REFUSED, STATUS_CHANGED, ATTENTION_OVER, RESENT, ARRIVED, NONE),
    *(BY_DESK, BY_CUSTOMER, BY_PROGRAM, SOMEBODY, "That did not work"),
)
"""With `TABLES`, every message id of this file: the catalogue must know them."""
