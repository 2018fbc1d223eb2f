"""The tickets of a filled desk with everything that hangs on them, some thousand at a time."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from omnidesk.domain import numbers
from omnidesk.filling.copying import NULL, Sheet, uid, when
from omnidesk.filling.staff import CATEGORIES, Staff
from omnidesk.filling.words import Speech

DAY = 86_400.0
HOUR = 3_600.0
ARRIVALS_DAYS = 90  # done ones are kept so long
OUTBOX_DAYS = 30
_URGENCIES = ("normal",) * 14 + ("low",) * 3 + ("high",) * 2 + ("critical",)
_DOMAINS = ("mail.example", "post.example", "inbox.example", "firm.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when until when people wrote, in seconds since 1970."""

    begin: float
    end: float

    def at(self, share: float) -> float:
        return self.begin + (self.end - self.begin) * share

    def age(self, at: float) -> float:
        return (self.end - at) / (self.end - self.begin)


class Sheets:
    """The tables that grow with the desk."""

    def __init__(self) -> None:
        self.contacts = Sheet("contacts", "id name language created_at updated_at")
        self.identities = Sheet("identities", "id kind address contact_id name verified created_at")
        self.tickets = Sheet(
            "tickets",
            "id number status subject category urgency language channel inbox_id requester_id queue_id assignee_id "
            "assigned_at queued_at waiting_since facts attention first_reply_at last_inbound_at last_outbound_at "
            "resolved_at closed_at version created_at updated_at",
        )
        self.conversations = Sheet(
            "conversations",
            "id inbox_id thread_key ticket_id requester_id receives token subject last_inbound_at created_at",
        )
        self.participants = Sheet("participants", "conversation_id identity_id role created_at")
        self.messages = Sheet(
            "messages",
            "id conversation_id ticket_id direction author identity_id agent_id subject text arrival_id at created_at",
        )
        self.refs = Sheet("message_refs", "realm external_id variant message_id")
        self.deliveries = Sheet(
            "deliveries", "id message_id conversation_id to_ids message_ref state sent_at created_at updated_at"
        )
        self.outbox = Sheet("outbox", "kind order_key endpoint subject_id inbox_id state created_at done_at")
        self.arrivals = Sheet(
            "arrivals", "id inbox_id dedupe_key order_key lane state size day ticket_id received_at done_at"
        )
        self.decisions = Sheet("decisions", "id ticket_id kind reason agent_id policy_version detail created_at")
        self.events = Sheet("events", "seq type ticket_id subject_id actor data at")
        self.promises = Sheet("promises", "id ticket_id kind due_at state created_at settled_at")
        self.clocks = Sheet(
            "clocks",
            "id ticket_id kind calendar_id policy_version target_ms state started_at runs_since due_at consumed_ms "
            "settled_at",
        )
        self.timers = Sheet("timers", "kind subject_id due_at")

    def all(self) -> list[Sheet]:
        return list(vars(self).values())


@dataclass(slots=True)
class Person:
    identity: str
    address: str
    language: str
    name: str


@dataclass(slots=True)
class Talk:
    """One ticket while it is written."""

    ticket: str
    conversation: str
    person: Person
    queue: str
    agent: str
    inbox: str
    channel: str
    subject: str
    at: float
    order: str
    inbound: list[float] = field(default_factory=list)
    outbound: list[float] = field(default_factory=list)


class Filler:
    """Writes tickets in the order in which they came; the same seed writes the same."""

    def __init__(
        self, chance: random.Random, span: Span, staff: Staff, *, calendar: str, number_key: bytes, seq: int, seed: int
    ) -> None:
        self._chance, self._span, self._staff, self._calendar = chance, span, staff, calendar
        self._key, self._seq, self._seed = number_key, seq, seed
        self._speech = Speech(chance)
        self._people: list[Person] = []
        self._made = 0
        self.sheets = Sheets()

    def people(self, count: int) -> None:
        """So many customers, three in ten with a telephone."""
        for number in range(count):
            language = "en" if self._chance.random() < 0.3 else "ru"
            name, at = self._speech.name(language), self._span.begin
            contact, since = uid(self._chance, at), when(at)
            self.sheets.contacts.add(contact, name, language, since, since)
            address = f"customer{number}.{self._seed}@{_DOMAINS[number % 4]}"
            addresses = [("email", address)]
            if self._chance.random() < 0.3:
                addresses.append(("phone", f"+79{(self._seed * 10**7 + number) * 7919 % 10**9:09d}"))
            made = [uid(self._chance, at) for _ in addresses]
            for identity, (kind, each) in zip(made, addresses, strict=True):
                self.sheets.identities.add(identity, kind, each, contact, name, "t", since)
            self._people.append(Person(made[0], address, language, name))

    def tickets(self, count: int, of: int, messages: int, first: int) -> None:
        """The next `count` tickets of `of`, with so many messages among them, numbered from `first` on."""
        for said in self._shares(count, messages):
            at = self._span.at((self._made + self._chance.random()) / of)
            self._ticket(numbers.make(first + self._made, self._key), at, said)
            self._made += 1

    def _shares(self, tickets: int, messages: int) -> list[int]:
        """How many messages each gets: at least one, few get many."""
        shares = [1] * tickets
        for _ in range(messages - tickets):
            shares[int(tickets * self._chance.random() ** 1.7)] += 1
        self._chance.shuffle(shares)
        return shares

    def _ticket(self, number: str, at: float, messages: int) -> None:
        talk = self._begin(at)
        gap = min(4 * HOUR * (0.1 + self._chance.random()), (self._span.end - at) / (messages + 1))
        for index in range(messages):
            self._message(talk, index, at + gap * index)
        status = self._status(at)
        self._rows(talk, number, status)
        self._dates(talk, status)

    def _begin(self, at: float) -> Talk:
        chance, staff = self._chance, self._staff
        person = self._people[int(len(self._people) * chance.random() ** 2)]
        queue = chance.choices(staff.queues, cum_weights=staff.weights)[0]
        channel = "email" if chance.random() < 0.75 else "api"
        return Talk(
            ticket=uid(chance, at),
            conversation=uid(chance, at),
            person=person,
            queue=queue,
            agent=chance.choice(staff.agents[queue]),
            inbox=staff.inboxes[channel],
            channel=channel,
            subject=self._speech.subject(person.language),
            at=at,
            order=f"A-{100_000 + self._made}" if chance.random() < 0.4 else "",
        )

    def _status(self, at: float) -> str:
        days, draw = (self._span.end - at) / DAY, self._chance.random()
        if draw < 0.01:
            return "spam"
        if days > 30:
            return "closed" if draw < 0.997 else "pending" if draw < 0.999 else "open"
        if days > 4:
            return "closed" if draw < 0.85 else "resolved" if draw < 0.93 else "pending" if draw < 0.97 else "open"
        return "new" if draw < 0.2 else "open" if draw < 0.55 else "pending" if draw < 0.7 else "resolved"

    def _message(self, talk: Talk, index: int, at: float) -> None:
        draw = self._chance.random()
        message, moment = uid(self._chance, at), when(at)
        text = self._speech.message(talk.person.language, self._span.age(at))
        if index and draw < 0.1:
            self.sheets.messages.add(
                message, NULL, talk.ticket, "note", "agent", NULL, talk.agent, "", text, NULL, moment, moment
            )
            self._event("note.created", talk.ticket, message, at)
        elif index and draw < 0.55:
            self._reply(talk, message, text, at)
        else:
            self._letter(talk, message, text if index or not talk.order else f"{text} {_about(talk)}", at)

    def _letter(self, talk: Talk, message: str, text: str, at: float) -> None:
        moment, arrival = when(at), NULL
        ref = f"{message}@customer.example"
        if self._span.end - at < ARRIVALS_DAYS * DAY:
            arrival = uid(self._chance, at)
            lane, size = int(self._chance.random() * 64), 2 * len(text)
            self.sheets.arrivals.add(
                *(arrival, talk.inbox, ref, talk.person.address, lane, "done", size, moment[:10], talk.ticket),
                *(moment, when(at + 1)),
            )
        self.sheets.messages.add(
            *(message, talk.conversation, NULL, "in", "requester", talk.person.identity, NULL, talk.subject, text),
            *(arrival, moment, moment),
        )
        self.sheets.refs.add("mail", ref, talk.person.address, message)
        talk.inbound.append(at)
        self._event("message.received", talk.ticket, message, at)

    def _reply(self, talk: Talk, message: str, text: str, at: float) -> None:
        moment, delivery, ref = when(at), uid(self._chance, at), f"{message}@desk.example"
        self.sheets.messages.add(
            *(message, talk.conversation, NULL, "out", "agent", NULL, talk.agent, f"Re: {talk.subject}", text),
            *(NULL, moment, moment),
        )
        self.sheets.refs.add("mail", ref, "support@desk.example", message)
        self.sheets.deliveries.add(
            delivery, message, talk.conversation, f"{{{talk.person.identity}}}", ref, "sent", moment, moment, moment
        )
        if self._span.end - at < OUTBOX_DAYS * DAY:
            self.sheets.outbox.add(
                "message", talk.conversation, talk.inbox, delivery, talk.inbox, "sent", moment, when(at + 2)
            )
        talk.outbound.append(at)
        self._event("message.created", talk.ticket, message, at)

    def _event(self, kind: str, ticket: str, subject: str, at: float, data: str = "{}") -> None:
        self._seq += 1
        self.sheets.events.add(self._seq, kind, ticket, subject, "system", data, when(at))

    def _rows(self, talk: Talk, number: str, status: str) -> None:
        chance, moment = self._chance, when(talk.at)
        said_last = max(talk.inbound[-1], talk.outbound[-1] if talk.outbound else 0.0)
        done = status in ("resolved", "closed")
        closed_at = min(said_last + 3 * DAY, self._span.end) if status == "closed" else None
        assigned = status != "new"
        waits = status in ("new", "open") and talk.inbound[-1] == said_last
        changed = closed_at or said_last
        facts = json.dumps({"order": talk.order} if talk.order else {})
        self.sheets.tickets.add(
            *(talk.ticket, number, status, talk.subject, chance.choice(CATEGORIES), chance.choice(_URGENCIES)),
            *(talk.person.language, talk.channel, talk.inbox, talk.person.identity, talk.queue),
            *((talk.agent, when(talk.at + 60)) if assigned else (NULL, NULL)),
            *(moment, when(talk.inbound[-1]) if waits else NULL, facts),
            "chaser" if waits and chance.random() < 0.1 else NULL,
            *(when(talk.outbound[0] if talk.outbound else None), when(talk.inbound[-1])),
            *(when(talk.outbound[-1] if talk.outbound else None), when(said_last) if done else NULL),
            *(when(closed_at), 3 + len(talk.inbound), moment, when(changed)),
        )
        token = f"{chance.getrandbits(80):020x}"
        self.sheets.conversations.add(
            *(talk.conversation, talk.inbox, talk.conversation, talk.ticket, talk.person.identity),
            *("f" if status == "closed" else "t", token, talk.subject, when(talk.inbound[-1]), moment),
        )
        self.sheets.participants.add(talk.conversation, talk.person.identity, "requester", moment)
        why = json.dumps({"queue": talk.queue, "reason": "rule", "inputs": {"channel": talk.channel}})
        self.sheets.decisions.add(uid(chance, talk.at), talk.ticket, "queued", "rule", NULL, 0, why, moment)
        self._event("ticket.created", talk.ticket, NULL, talk.at, json.dumps({"channel": talk.channel}))
        if assigned:
            at = talk.at + 60
            self.sheets.decisions.add(uid(chance, at), talk.ticket, "assigned", "rank", talk.agent, 0, "{}", when(at))
            self._event("ticket.assigned", talk.ticket, talk.agent, at)
        if done:
            self._event("ticket.status_changed", talk.ticket, NULL, said_last, '{"from":"open","to":"resolved"}')

    def _dates(self, talk: Talk, status: str) -> None:
        """The promise, the clock and what is still due."""
        chance, over = self._chance, status in ("resolved", "closed", "spam")
        late = chance.random() < 0.1
        promise, clock, due = uid(chance, talk.at), uid(chance, talk.at), talk.at + DAY
        ahead = self._span.end + DAY * (1 + 9 * chance.random())
        settled = when(talk.at + (1.2 if late else 0.5) * DAY) if over else NULL
        state = ("broken" if late else "kept") if over else "open"
        self.sheets.promises.add(
            promise, talk.ticket, "first_reply", when(due if over else ahead), state, when(talk.at), settled
        )
        clock_state = ("breached" if late else "met") if over else "running"
        self.sheets.clocks.add(
            *(clock, talk.ticket, "first_reply", self._calendar, 0, 28_800_000, clock_state, when(talk.at)),
            *((NULL, NULL, 20_000_000, settled) if over else (when(talk.at), when(ahead), 0, NULL)),
        )
        if not over:
            self.sheets.timers.add("promise", promise, when(ahead))
            self.sheets.timers.add("clock", clock, when(ahead))
        if status == "resolved":
            self.sheets.timers.add("close", talk.ticket, when(ahead))


def _about(talk: Talk) -> str:
    return f"Номер заказа {talk.order}." if talk.person.language == "ru" else f"My order number is {talk.order}."


def chunks(tickets: int, messages: int, size: int) -> Iterator[tuple[int, int]]:
    """(tickets, messages) of each chunk; together exactly as many."""
    for start in range(0, tickets, size):
        end = min(start + size, tickets)
        yield end - start, messages * end // tickets - messages * start // tickets
