"""A batch of arrivals on its way through intake: as it was read, and as it is to be written."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db.arrivals import Verdict, Waiting
from omnidesk.db.known import KnownIdentity, LockedTicket
from omnidesk.desk.inboxes import Opened
from omnidesk.desk.settle import Report
from omnidesk.desk.setup import Queue
from omnidesk.domain.clarify import Answer
from omnidesk.domain.events import Event
from omnidesk.domain.messages import Inbound, Item
from omnidesk.domain.tickets import Ticket


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
    category: str  # empty: none
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
    impatient: set[UUID] = field(default_factory=set)  # tickets whose customers ask why it takes so long
    yes_or_no: dict[UUID, bool] = field(default_factory=dict)  # tickets whose requesters said just that, last
    clarified: dict[UUID, Answer] = field(default_factory=dict)  # tickets whose customers were asked for facts
    before: dict[UUID, Ticket] = field(default_factory=dict)  # as those that were heard stood before the batch
    heard_from: set[UUID] = field(default_factory=set)  # thought unreachable, and writing
    edits: list[tuple[UUID, UUID, str, str, datetime]] = field(default_factory=list)
    deletions: list[UUID] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)  # receipts and bounces
    events: list[Event] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
