"""The policy as configuration: plain values in, a checked `Policy` out, and back.

    {"policy": {"order": "cost", "sharpness": 3.0, "notice": "18h", "explain": "9h"},
     "urgency": {"critical": {"weight": 64, "target": "10m", "primary": True}},
     "channel": {"phone": {"live": True, "units": 6, "lift": 1, "accept": "20s"}},
     "agent": {"defaults": {"units": 6, "offline_grace": "60s", "misses_to_away": 2, "exclude": "60s"}},
     "classify": {"threshold": 0.5, "fallback_queue": "triage"},
     "category": [{"name": "payment", "match": 'text contains "оплат"', "needs": ["receipt"], "patience": "9h"}],
     "sla": [{"first_reply": "9h", "next_reply": "9h", "resolution": "27h"},
             {"channel": "vk", "urgency": "high", "first_reply": "1h", "reply_days": 1}]}

What is left out is as in DEFAULT; rows of `sla` replace all of its rows, those of `category` are all that there are.
Durations are whole numbers with ms, s, m, h or d.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from omnidesk.domain.clarify import FACTS
from omnidesk.domain.errors import FieldError, Invalid
from omnidesk.routing import expressions
from omnidesk.routing.values import ORDERS, URGENCIES, Category, ChannelPolicy, Policy, Target, UrgencyPolicy

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_NOTICE = 18 * _HOUR  # two office days
_EXPLAIN = 9 * _HOUR
_MAX_NEEDS = 10
_PATIENCE = 9 * _HOUR

DEFAULT = Policy(
    urgencies={
        "critical": UrgencyPolicy(weight=64, target_ms=10 * _MINUTE, primary=True),
        "high": UrgencyPolicy(weight=4, target_ms=60 * _MINUTE),
        "normal": UrgencyPolicy(weight=2, target_ms=240 * _MINUTE),
        "low": UrgencyPolicy(weight=1, target_ms=1440 * _MINUTE),
    },
    channels={
        "phone": ChannelPolicy(live=True, units=6, lift=1, accept_ms=20_000),
        "chat": ChannelPolicy(live=True, units=2),
    },
    sla=tuple(
        Target(urgency=urgency, first_reply_ms=reply, next_reply_ms=reply, resolution_ms=resolution)
        for urgency, reply, resolution in (
            ("critical", _HOUR, 9 * _HOUR),
            ("high", 4 * _HOUR, 18 * _HOUR),
            ("normal", 9 * _HOUR, 27 * _HOUR),
            ("low", 18 * _HOUR, 45 * _HOUR),
        )
    ),
    explain_ms=_EXPLAIN,
    notice_ms=_NOTICE,
)

_UNITS = {"ms": 1, "s": 1_000, "m": _MINUTE, "h": 60 * _MINUTE, "d": 1440 * _MINUTE}
_DURATION = re.compile(r"(\d{1,11})(ms|s|m|h|d)", re.ASCII)
_YEAR = 366 * _UNITS["d"]
_MAX_CHANNELS = 200
_MAX_TARGETS = 1_000
_MAX_CATEGORIES = 500
_DIMENSIONS = ("channel", "category", "urgency", "tier")
_TERMS = ("first_reply", "next_reply", "resolution")
T = TypeVar("T")


def parse(plain: Mapping[str, Any], *, version: int = 1) -> Policy:
    """The policy of a configuration. Raises Invalid with every key that is wrong, by JSON pointer."""
    errors: list[FieldError] = []
    top = _Table(plain, "", errors)
    rules, classify = top.table("policy"), top.table("classify")
    agent = top.table("agent").only("defaults").table("defaults")
    urgencies, channels = top.table("urgency"), top.table("channel")
    policy = Policy(
        version=version,
        order=rules.one_of("order", ORDERS, DEFAULT.order),
        sharpness=rules.number("sharpness", 0.1, 10, DEFAULT.sharpness),
        urgencies={level: _urgency(urgencies.table(level), DEFAULT.urgencies[level]) for level in URGENCIES},
        channels=_channels(channels),
        agent_units=agent.whole("units", 0, 1_000, DEFAULT.agent_units),
        offline_grace_ms=agent.duration("offline_grace", 0, DEFAULT.offline_grace_ms),
        misses_to_away=agent.whole("misses_to_away", 1, 1_000, DEFAULT.misses_to_away),
        exclude_ms=agent.duration("exclude", 0, DEFAULT.exclude_ms),
        threshold=classify.number("threshold", 0, 1, DEFAULT.threshold),
        fallback_queue=classify.text("fallback_queue", DEFAULT.fallback_queue),
        categories=_categories(top),
        sla=_targets(top) if "sla" in top.plain else DEFAULT.sla,
        explain_ms=None if rules.plain.get("explain") == "" else rules.duration("explain", 60_000, _EXPLAIN),
        notice_ms=None if rules.plain.get("notice") == "" else rules.duration("notice", 60_000, _NOTICE),
    )
    top.only("policy", "urgency", "channel", "agent", "classify", "category", "sla")
    rules.only("order", "sharpness", "notice", "explain")
    urgencies.only(*URGENCIES)
    agent.only("units", "offline_grace", "misses_to_away", "exclude")
    classify.only("threshold", "fallback_queue")
    if errors:
        named = "; ".join(f"{error.pointer or '/'}: {error.message}" for error in errors[:5])
        raise Invalid(f"The policy is not valid: {named}", errors, code="policy_invalid")
    return policy


def to_plain(policy: Policy) -> dict[str, Any]:
    """The configuration of a policy, complete; `parse` makes the same policy of it."""
    return {
        "policy": {
            "order": policy.order,
            "sharpness": policy.sharpness,
            "explain": "" if policy.explain_ms is None else duration_text(policy.explain_ms),
            "notice": "" if policy.notice_ms is None else duration_text(policy.notice_ms),
        },
        "urgency": {
            name: {"weight": one.weight, "target": duration_text(one.target_ms), "primary": one.primary}
            for name, one in policy.urgencies.items()
        },
        "channel": {
            name: {"live": one.live, "units": one.units, "lift": one.lift}
            | ({} if one.accept_ms is None else {"accept": duration_text(one.accept_ms)})
            for name, one in policy.channels.items()
        },
        "agent": {
            "defaults": {
                "units": policy.agent_units,
                "offline_grace": duration_text(policy.offline_grace_ms),
                "misses_to_away": policy.misses_to_away,
                "exclude": duration_text(policy.exclude_ms),
            }
        },
        "classify": {"threshold": policy.threshold, "fallback_queue": policy.fallback_queue},
        "category": [_category_plain(category) for category in policy.categories],
        "sla": [_target_plain(target) for target in policy.sla],
    }


def _category_plain(category: Category) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": category.name, "match": category.match}
    if not category.needs:
        return plain
    return plain | {"needs": list(category.needs), "patience": duration_text(category.patience_ms)}


def _target_plain(target: Target) -> dict[str, Any]:
    plain: dict[str, Any] = {name: getattr(target, name) for name in _DIMENSIONS if getattr(target, name)}
    for name in _TERMS:
        if (term := getattr(target, f"{name}_ms")) is not None:
            plain[name] = duration_text(term)
    return plain if target.reply_days is None else plain | {"reply_days": target.reply_days}


def duration_ms(text: str) -> int:
    """`90s` in milliseconds. Raises ValueError for what is no duration or longer than a year."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("a duration is a whole number with ms, s, m, h or d, such as 90s")
    milliseconds = int(found[1]) * _UNITS[found[2]]
    if milliseconds > _YEAR:
        raise ValueError("a duration is at most 366d")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """The shortest way to say so many milliseconds exactly."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _UNITS[unit] == 0)
    return f"{milliseconds // _UNITS[unit]}{unit}" if milliseconds else "0s"


def _urgency(table: "_Table", default: UrgencyPolicy) -> UrgencyPolicy:
    table.only("weight", "target", "primary")
    return UrgencyPolicy(
        weight=table.number("weight", 0.001, 1_000_000, default.weight),
        target_ms=table.duration("target", 1_000, default.target_ms),
        primary=table.flag("primary", default.primary),
    )


def _channels(table: "_Table") -> dict[str, ChannelPolicy]:
    """Those of DEFAULT, changed and completed; `accept = ""` asks for no acceptance."""
    if len(table.plain) > _MAX_CHANNELS:
        table.refuse("", f"at most {_MAX_CHANNELS} channels")
        return {}
    found: dict[str, ChannelPolicy] = {}
    for name in dict.fromkeys((*DEFAULT.channels, *table.plain)):
        one, default = table.table(name), DEFAULT.channels.get(name, ChannelPolicy())
        one.only("live", "units", "lift", "accept")
        none = one.plain.get("accept", None if default.accept_ms is None else "-") in (None, "")
        found[name] = ChannelPolicy(
            live=one.flag("live", default.live),
            units=one.whole("units", 1, 1_000, default.units),
            lift=one.whole("lift", 0, len(URGENCIES) - 1, default.lift),
            accept_ms=None if none else one.duration("accept", 1_000, default.accept_ms or 0),
        )
    return found


def _categories(top: "_Table") -> tuple[Category, ...]:
    """In the order in which their rules are asked; no two of one name."""
    found: dict[str, Category] = {}
    for row in top.tables("category", _MAX_CATEGORIES):
        row.only("name", "match", "needs", "patience")
        name = row.text("name", "")
        if name in found:
            row.refuse("name", "there is another category of this name")
        found[name] = Category(
            name=name,
            match=row.rule("match"),
            needs=row.several("needs", FACTS, _MAX_NEEDS),
            patience_ms=row.duration("patience", 60_000, _PATIENCE),
        )
    return tuple(found.values())


def _targets(top: "_Table") -> tuple[Target, ...]:
    """The rows of the SLA table; no two may be for the same tickets."""
    found: dict[tuple[str, ...], Target] = {}
    days: int | None
    for row in top.tables("sla", _MAX_TARGETS):
        row.only(*_DIMENSIONS, *_TERMS, "reply_days")
        where = tuple(row.text(name, "") if name in row.plain else "" for name in _DIMENSIONS)
        if where[2] and where[2] not in URGENCIES:
            row.refuse("urgency", f"must be one of {', '.join(URGENCIES)}")
        if where in found:
            row.refuse("", "there is another row for the same tickets")
        terms = [row.duration(name, 1_000, 0) if name in row.plain else None for name in _TERMS]
        days = row.whole("reply_days", 1, 250, 1) if "reply_days" in row.plain else None
        if not any(terms) and days is None:
            row.refuse("", f"needs one of {', '.join(_TERMS)}, reply_days")
        channel, category, urgency, tier = where
        found[where] = Target(
            channel=channel,
            category=category,
            urgency=urgency,
            tier=tier,
            first_reply_ms=terms[0],
            next_reply_ms=terms[1],
            resolution_ms=terms[2],
            reply_days=days,
        )
    return tuple(found.values())


class _Table:
    """A table of the configuration; wrong keys are noted with their pointer and read as the default."""

    def __init__(self, plain: Any, pointer: str, errors: list[FieldError]) -> None:
        self.plain: Mapping[str, Any] = plain if isinstance(plain, Mapping) else {}
        self._pointer, self._errors = pointer, errors
        if not isinstance(plain, Mapping):
            self.refuse("", "must be a table")

    def refuse(self, key: str, message: str) -> None:
        pointer = self._below(key) if key else self._pointer
        self._errors.append(FieldError(pointer=pointer, code="invalid", message=message))

    def table(self, key: str) -> "_Table":
        return _Table(self.plain.get(key, {}), self._below(key), self._errors)

    def tables(self, key: str, most: int) -> "list[_Table]":
        """A list of tables."""
        rows = self.plain.get(key, [])
        if not isinstance(rows, list | tuple) or len(rows) > most:
            self.refuse(key, f"must be a list of at most {most} tables")
            return []
        return [_Table(row, f"{self._below(key)}/{n}", self._errors) for n, row in enumerate(rows)]

    def _below(self, key: str) -> str:
        return f"{self._pointer}/" + key.replace("~", "~0").replace("/", "~1")

    def only(self, *known: str) -> "_Table":
        for key in self.plain:
            if key not in known:
                self.refuse(str(key), f"is not known; there are {', '.join(known)}")
        return self

    def number(self, key: str, least: float, most: float, default: float) -> float:
        value = self.plain.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(key, f"must be a number from {least:g} to {most:g}")
        return default

    def whole(self, key: str, least: int, most: int, default: int) -> int:
        value = self.plain.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(key, f"must be a whole number from {least} to {most}")
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.plain.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value is True

    def text(self, key: str, default: str) -> str:
        value = self.plain.get(key, default)
        if isinstance(value, str) and 0 < len(value) <= 200:
            return value
        self.refuse(key, "must be a text of 1 to 200 characters")
        return default

    def several(self, key: str, known: tuple[str, ...], most: int) -> tuple[str, ...]:
        """A list of known words, each once."""
        values = self.plain.get(key, [])
        if not isinstance(values, list | tuple) or len(values) > most or any(one not in known for one in values):
            self.refuse(key, f"must be a list of at most {most} of {', '.join(known)}")
            return ()
        return tuple(dict.fromkeys(values))

    def rule(self, key: str) -> str:
        """The source of a rule; empty: none."""

        def read(value: Any) -> str:
            expressions.parse_optional(value)
            return str(value)

        try:
            return self._checked(key, "", read, "must be a rule")
        except expressions.RuleError as error:
            self.refuse(key, error.message)
            return ""

    def one_of(self, key: str, known: tuple[str, ...], default: str) -> str:
        return self._checked(
            key, default, lambda value: known[known.index(value)], f"must be one of {', '.join(known)}"
        )

    def duration(self, key: str, least_ms: int, default: int) -> int:
        def read(value: Any) -> int:
            milliseconds = duration_ms(value)
            if milliseconds < least_ms:
                raise ValueError("too short")
            return milliseconds

        least = f" and at least {duration_text(least_ms)}" if least_ms else ""
        message = f"must be a duration such as 90s, at most 366d{least}"
        return self._checked(key, default, read, message) if key in self.plain else default

    def _checked(self, key: str, default: T, read: Callable[[Any], T], message: str) -> T:
        try:
            return read(self.plain.get(key, default))
        except (ValueError, AttributeError, TypeError):
            self.refuse(key, message)
            return default
