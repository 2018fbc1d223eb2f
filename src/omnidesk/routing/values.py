"""What the routing core reads and says: frozen values, integer milliseconds, ids as UUIDs.

Two clocks are met here. `now_ms`, offers, exclusions and absences use the wall clock (milliseconds since
1970). Waiting uses the clock of the ticket's queue: `Queue.clock_ms` counts open milliseconds of its
calendar, from any origin, and `Ticket.waiting_since_ms` and `queued_since_ms` are moments on that same
clock; a queue without `clock_ms` is always open and uses the wall clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

URGENCIES = ("low", "normal", "high", "critical")
ORDERS = ("cost", "edd", "priority", "fifo")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgencyPolicy:
    weight: float  # cost of a target's length of delay
    target_ms: int  # used when the ticket brings no target of its own
    primary: bool = False  # handled at once, like live work, whatever the channel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPolicy:
    live: bool = False  # somebody is on the line: primary work, pauses the asynchronous
    units: int = 1  # of the agent's capacity
    lift: int = 0  # by so many urgencies its tickets come before equal ones of other channels
    accept_ms: int | None = None  # offered, and taken back when not accepted in time; None: assigned at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A row of the SLA table: terms for tickets of this channel, category, urgency and tier; empty means any.

    Durations are open time of the queue's calendar. None leaves that term to a less specific row.
    """

    channel: str = ""
    category: str = ""
    urgency: str = ""
    tier: str = ""
    first_reply_ms: int | None = None
    next_reply_ms: int | None = None
    resolution_ms: int | None = None
    reply_days: int | None = None  # business days to a first reply that the customer is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """What tickets may be about: the rule that finds it in what a new ticket says; empty: only given by hand.

    What it `needs` and the customer did not say is asked for once, before the ticket waits in its queue; after
    `patience_ms` of open time it goes there as it is.
    """

    name: str
    match: str = ""
    needs: tuple[str, ...] = ()  # names of facts
    patience_ms: int = 9 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one version; `policy.parse` makes it from configuration and `policy.DEFAULT` is a start."""

    version: int = 1
    order: str = "cost"  # one of ORDERS
    sharpness: float = 3.0  # p of the rank: how steeply cost grows with age
    urgencies: Mapping[str, UrgencyPolicy]
    channels: Mapping[str, ChannelPolicy]  # a channel not listed is asynchronous, one unit, without accept
    agent_units: int = 6  # capacity of an agent who has none of his own
    offline_grace_ms: int = 60_000
    misses_to_away: int = 2
    exclude_ms: int = 60_000  # after a decline or a miss, unless another agent was offered the ticket before
    threshold: float = 0.5  # least probability at which the learned model decides
    fallback_queue: str = "triage"  # takes what has no category and is claimed by no rule, when there is such a queue
    categories: tuple[Category, ...] = ()  # their rules are asked in this order
    sla: tuple[Target, ...] = ()
    explain_ms: int | None = None  # "why does it take so long?" is answered once in so much open time; None: never
    notice_ms: int | None = None  # a customer who heard nothing for so much open time is written to; None: is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """This agent is not asked again until then (wall clock), or until another agent was."""

    agent_id: UUID
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket that waits for an agent.

    `waiting_since_ms` is when the customer started to wait; it survives decline, transfer and requeue.
    A skill is a name, or a name with the least level: `cards>=3`.
    """

    id: UUID
    queue_id: UUID
    waiting_since_ms: int  # clock of the queue
    queued_since_ms: int | None = None  # clock of the queue; starts the steps; None: waiting_since_ms
    channel: str = "email"
    urgency: str = "normal"
    category: str = ""
    language: str = ""
    contact_id: UUID | None = None
    required: frozenset[str] = frozenset()  # beside those of the queue; never dropped
    preferred: frozenset[str] = frozenset()  # beside those of the queue; required while a step keeps them
    target_ms: int | None = None  # None: by urgency
    units: int | None = None  # None: by channel
    last_agent_id: UUID | None = None  # who served this customer last
    excluded: tuple[Exclusion, ...] = ()
    waiting_reason: str = ""  # the one recorded last; a waiting decision is made only when it changes
    because: tuple[str, ...] = ()  # how it was classified and queued, carried into the decision as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A person who takes tickets, and what he holds now (offers not included: the plan adds those)."""

    id: UUID
    skills: Mapping[str, int] = field(default_factory=dict)  # name -> level, from 1
    channels: frozenset[str] | None = None  # None: all
    queues: frozenset[UUID] | None = None  # member of; None: all
    units: int = 6  # capacity; 0 takes nothing
    status: str = "online"  # online | away | offline; only online gets work
    primary_units: int = 0  # of live and critical work held
    async_units: int = 0  # of all other work held
    live: int = 0  # live conversations held
    last_assigned_ms: int = 0  # wall clock
    misses: int = 0  # offers not accepted since the last accepted one
    offline_since_ms: int | None = None  # wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How strict the search is until `until_ms` after the ticket came into the queue.

    `last_agent`: only the agent who served this customer last, passed over while he is not there.
    `keep`: preferred skills that still count as required; `*` is all of them. `overflow`: agents of that queue are
    asked, too.
    """

    until_ms: int | None = None  # clock of the queue, from queued_since_ms; None: for ever
    last_agent: bool = False
    keep: tuple[str, ...] = ()
    overflow: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where tickets wait. A skill may name a fact of the ticket: `lang:{language}`; dropped when that is empty."""

    id: UUID
    name: str = ""
    require: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()  # in time order; after the last one preferred skills no longer count
    open: bool = True  # explains waiting; an agent who is online outside the hours does get work
    clock_ms: int | None = None  # open milliseconds of its calendar up to now; None: the wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A ticket of the snapshot was offered and not yet answered; it keeps its place on the agent meanwhile."""

    ticket_id: UUID
    agent_id: UUID
    expires_ms: int  # wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A ticket on an agent's desk; only those of agents who are not there matter to the plan."""

    ticket: Ticket
    agent_id: UUID
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the plan may know. Order of the members does not matter; ids are unique."""

    now_ms: int
    tickets: tuple[Ticket, ...] = ()  # waiting, and those under offer
    agents: tuple[Agent, ...] = ()
    queues: tuple[Queue, ...] = ()
    offers: tuple[Offer, ...] = ()
    held: tuple[Held, ...] = ()
