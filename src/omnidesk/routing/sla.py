"""Which terms hold for a ticket: of the rows of the SLA table that match it, the most specific one decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from omnidesk.routing.values import Target

KINDS = ("first_reply", "next_reply", "resolution")
_WEIGHTS = {"tier": 8, "category": 4, "channel": 2, "urgency": 1}  # among rows that name equally many


class Class(NamedTuple):
    """What the terms of a ticket depend on."""

    channel: str
    category: str = ""
    urgency: str = "normal"
    tier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Milliseconds of open time; None: nothing is measured, or the queue's own days are told."""

    first_reply_ms: int | None = None
    next_reply_ms: int | None = None
    resolution_ms: int | None = None
    reply_days: int | None = None

    def of(self, kind: str) -> int | None:
        """The target of a kind of clock."""
        found: int | None = getattr(self, f"{kind}_ms")
        return found


def terms(targets: Iterable[Target], of: Class) -> Terms:
    """Each term from the most specific row that states it.

    A row that names more wins; of rows that name equally many, tier comes before category, channel, urgency.
    """
    found: dict[str, int] = {}
    for target in sorted((one for one in targets if _matches(one, of)), key=_specificity):
        for name in ("first_reply_ms", "next_reply_ms", "resolution_ms", "reply_days"):
            if (value := getattr(target, name)) is not None:
                found[name] = value
    return Terms(**found)


def _matches(target: Target, of: Class) -> bool:
    return all(getattr(target, name) in ("", getattr(of, name)) for name in Class._fields)


def _specificity(target: Target) -> tuple[int, int]:
    named = [weight for name, weight in _WEIGHTS.items() if getattr(target, name)]
    return len(named), sum(named)
