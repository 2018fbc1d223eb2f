"""What the plan says: decisions that carry enough to be explained and made again."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, NamedTuple
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.values import Agent, Held, Offer, Policy, Queue, Ticket

Kind = Literal["assigned", "offered", "waiting", "missed", "returned"]
Seen = tuple[Agent, int, int, int]
"""An agent at the moment of a decision, with his units of primary and other work and his live talks."""


class Setting(NamedTuple):
    """What the decisions about one line of tickets have in common."""

    now_ms: int
    policy: Policy
    queues: tuple[Queue, ...]  # whose members were asked
    counts: Mapping[str, int]  # agents who fell out for a cause other than load


class Scene(NamedTuple):
    """What a decision rests on: references to values that cannot change."""

    setting: Setting
    agents: tuple[Seen, ...] = ()  # the winner and the best loser, or the nearest
    full: int = 0
    eligible: int = 0
    offer: Offer | None = None
    held: Held | None = None


class Decision(NamedTuple):
    """What is to be done with one ticket, and why.

    assigned  to `agent_id`: best_fit | only_fit | last_agent
    offered   to `agent_id` until `until_ms`: same reasons
    waiting   no_skill | all_offline | closed_hours | all_declined | all_full | sticky_hold | no_queue
    missed    an offer ended: no_accept | agent_left; `away` says that the agent is to be set away
    returned  from an agent who is gone: agent_offline

    `lost_by` is where `loser_id` fell behind the winner: live, overcommit, band, skills, load, idle, id; or,
    of a waiting ticket, the cause that kept the nearest agent out. `record.replay` makes the same decision
    again from `inputs` alone.
    """

    kind: Kind
    ticket_id: UUID
    reason: str
    policy_version: int
    ticket: Ticket
    scene: Scene
    agent_id: UUID | None = None
    until_ms: int | None = None  # wall clock, if the queue stays open: end of offer, exclusion or sticky step
    away: bool = False
    step: int = 0  # index into the steps of the queue; their number when all are over
    loser_id: UUID | None = None
    lost_by: str = ""

    @property
    def said(self) -> tuple[object, ...]:
        """What was decided, without what it rests on; equal decisions say the same."""
        return (*self[:4], *self[6:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self.said == other.said

    def __hash__(self) -> int:
        return hash(self.said)

    def __repr__(self) -> str:
        return f"Decision{self.said}"

    @property
    def rank(self) -> float:
        """What the ticket was compared by; bigger comes first."""
        return match.rank(self.scene.setting.policy, self.ticket, self.age_ms)

    @property
    def age_ms(self) -> int:
        """How long the customer has waited, on the clock of the queue."""
        setting = self.scene.setting
        own = next((queue for queue in setting.queues if queue.id == self.ticket.queue_id), None)
        return (setting.now_ms if own is None else match.clock(own, setting.now_ms)) - self.ticket.waiting_since_ms

    @property
    def counts(self) -> dict[str, int]:
        """How many agents were `eligible`, and how many fell out first for which cause.

        The causes in their order: channel, queue, skill, offline, excluded, sticky, full.
        """
        last = {"full": self.scene.full, "eligible": self.scene.eligible}
        return {**self.scene.setting.counts, **{cause: number for cause, number in last.items() if number}}

    @property
    def inputs(self) -> dict[str, Any]:
        """The reduced snapshot behind this decision, as plain JSON; made when asked for."""
        return _inputs(self)


def seen_agent(seen: Seen) -> Agent:
    """The agent with the load that he had at that moment, places kept for offers included."""
    agent, primary_units, async_units, live = seen
    return replace(agent, primary_units=primary_units, async_units=async_units, live=live)


def _inputs(decision: Decision) -> dict[str, Any]:
    scene, setting, ticket = decision.scene, decision.scene.setting, decision.ticket
    standing = {ticket.urgency, match.lifted(setting.policy, ticket), "normal"}
    policy = replace(
        setting.policy,
        urgencies={k: v for k, v in setting.policy.urgencies.items() if k in standing},
        channels={k: v for k, v in setting.policy.channels.items() if k == ticket.channel},
        categories=(),
        sla=(),
        explain_ms=None,
        notice_ms=None,
    )
    return {
        "now_ms": setting.now_ms,
        "policy": plain(policy),
        "ticket": plain(ticket),
        "queues": plain(setting.queues),
        "agents": [plain(seen_agent(seen)) for seen in scene.agents],
        "offer": plain(scene.offer),
        "held": plain(scene.held),
        "counts": decision.counts,
    }


def plain(value: Any) -> Any:
    """A value of this module as JSON: ids become strings, sets become sorted lists."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(plain(member) for member in value)
    if isinstance(value, tuple):
        return [plain(member) for member in value]
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value
