"""Which queue a new ticket belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.routing.expressions import Inputs, Rule, RuleError, parse, parse_optional

__all__ = [
    "QueueChoice",
    "QueueRule",
    "Rule",
    "RuleError",
    "choose_queue",
    "parse",
    "parse_optional",
    "queue_of_place",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRule:
    """How tickets come into a queue: by its rule in order of position, or as the fallback."""

    queue_id: UUID
    name: str
    position: int = 0
    match: Rule | None = None  # None: only by explicit choice, inbox or as fallback
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChoice:
    queue_id: UUID
    rule: str  # source of the rule that matched, else empty
    reason: str  # explicit | inbox | rule | triage | fallback


def choose_queue(
    rules: Iterable[QueueRule],
    inputs: Mapping[str, Any] | Inputs,
    *,
    queue_id: UUID | None = None,
    inbox_queue_id: UUID | None = None,
    triage: str = "",
) -> QueueChoice:
    """The queue of a new ticket: the one asked for, that of its inbox, the first whose rule matches, the fallback.

    A queue asked for that is not among `rules` is passed over. What no rule claims and has no category goes to
    the queue of the name `triage`, where people sort it, when there is one. Without a fallback the last queue takes
    what nobody claims, so that nothing is lost. Raises LookupError when there are no queues at all.
    """
    ordered = _ordered(rules)
    if not ordered:
        raise LookupError("there are no queues")
    known = {rule.queue_id for rule in ordered}
    for wanted, reason in ((queue_id, "explicit"), (inbox_queue_id, "inbox")):
        if wanted is not None and wanted in known:
            return QueueChoice(queue_id=wanted, rule="", reason=reason)
    given = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
    for rule in ordered:
        if rule.match is not None and rule.match.matches(given):
            return QueueChoice(queue_id=rule.queue_id, rule=rule.match.source, reason="rule")
    sorting = next((rule for rule in ordered if rule.name == triage), None) if triage else None
    if sorting is not None and not given.raw("category"):
        return QueueChoice(queue_id=sorting.queue_id, rule="", reason="triage")
    last = next((rule for rule in ordered if rule.fallback), ordered[-1])
    return QueueChoice(queue_id=last.queue_id, rule="", reason="fallback")


def queue_of_place(rules: Iterable[QueueRule], place: Mapping[str, Any]) -> UUID | None:
    """The queue that a place (inbox and address) stands for: of the first rule that the place alone makes true."""
    given, nothing = Inputs(place), Inputs({})
    for rule in _ordered(rules):
        if rule.match is not None and rule.match.matches(given) and not rule.match.matches(nothing):
            return rule.queue_id
    return None


def _ordered(rules: Iterable[QueueRule]) -> list[QueueRule]:
    return sorted(rules, key=lambda rule: (rule.position, rule.queue_id.int))
