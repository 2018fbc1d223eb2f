"""Expressions of configuration that say which tickets a rule means.

    category in ["card", "fraud"] and language == "ru"
    urgency >= "high" or subject contains "refund"
    not (facts.amount < 1000) and tier != "free"

Names: address (which of the inbox's own it came to), category, channel, inbox, language, urgency, subject, text,
tier, and facts.<name>. Text is compared
without regard to case, width, ё and е, or runs of blanks. What is not known is empty text; a comparison
with a number is false for what is no number. A rule is parsed, never evaluated as code.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from omnidesk.domain.errors import Refused
from omnidesk.domain.text import folded
from omnidesk.routing.values import URGENCIES

NAMES = ("address", "category", "channel", "inbox", "language", "urgency", "subject", "text", "tier")
MAX_CHARS = 4_000
MAX_DEPTH = 20  # of parentheses and `not`
MAX_TERMS = 300  # comparisons and list members

Literal = str | Decimal | bool


class RuleError(Refused):
    """A rule that cannot be read; `position` counts characters from 0."""

    code = "rule_invalid"

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"At character {position + 1}: {reason}.", details={"position": position, "reason": reason})
        self.position, self.reason = position, reason


class Inputs:
    """What is known of a ticket, each text folded once."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._folded: dict[str, str | tuple[str, ...]] = {}

    def also(self, name: str, value: str) -> "Inputs":
        """The same with one more thing known; what was folded stays so."""
        more = Inputs({**self._values, name: value})
        more._folded = {key: text for key, text in self._folded.items() if key != name}
        return more

    def raw(self, name: str) -> Any:
        if name.startswith("facts."):
            facts = self._values.get("facts")
            return facts.get(name[6:]) if isinstance(facts, Mapping) else None
        return self._values.get(name)

    def text(self, name: str) -> str | tuple[str, ...]:
        """Folded text, or several of them when the fact is a list."""
        if name not in self._folded:
            self._folded[name] = _fold(self.raw(name))
        return self._folded[name]

    def number(self, name: str) -> Decimal | None:
        value = self.raw(name)
        try:
            number = None if value is None or isinstance(value, bool) else Decimal(str(value).strip())
        except InvalidOperation:
            return None
        return number if number is not None and number.is_finite() else None


Test = Callable[[Inputs], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule. Two rules are equal when their sources are."""

    source: str
    test: Test = field(repr=False, compare=False)

    def matches(self, values: Mapping[str, Any] | Inputs) -> bool:
        return self.test(values if isinstance(values, Inputs) else Inputs(values))


@lru_cache(maxsize=2048)
def parse(source: str) -> Rule:
    """Read a rule. Raises RuleError with the position and what is wrong there."""
    if len(source) > MAX_CHARS:
        raise RuleError(MAX_CHARS, f"a rule has at most {MAX_CHARS} characters")
    return Rule(source, _Parser(source).rule())


def parse_optional(source: str) -> Rule | None:
    """Read a rule; empty text is no rule."""
    return parse(source) if source.strip() else None


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\["\\])*" | '(?:[^'\\]|\\['\\])*')
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[^\W\d]\w*(?:\.\w+)?)
      | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
_KEYWORDS = {"and", "or", "not", "in", "contains", "true", "false"}
_ORDERING: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


class _Parser:
    """One token ahead; `or` binds weakest, then `and`, then `not`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._depth = self._terms = self._end = 0
        self._next()

    def _next(self) -> None:
        found = _TOKEN.match(self._source, self._end)
        if found is None:
            start = self._end + len(self._source[self._end :]) - len(self._source[self._end :].lstrip())
            unclosed = self._source[start] in "\"'"
            raise RuleError(start, "this text has no closing quote" if unclosed else "this is no part of a rule")
        self.kind = str(found.lastgroup)
        self.token = found[self.kind]
        self.start, self._end = found.start(self.kind), found.end()
        if self.kind == "word" and self.token.lower() in _KEYWORDS:
            self.kind, self.token = "keyword", self.token.lower()

    def _is(self, token: str) -> bool:
        return self.kind in ("keyword", "sign") and self.token == token

    def _take(self, token: str) -> bool:
        if self._is(token):
            self._next()
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._error(f"expected {token}")

    def _error(self, reason: str) -> RuleError:
        found = "the end" if self.kind == "end" else self.token
        return RuleError(self.start, f"{reason}, found {found[:40]}")

    def rule(self) -> Test:
        test = self._any()
        if self.kind != "end":
            raise self._error("expected and, or, or the end")
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda inputs: any(test(inputs) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda inputs: all(test(inputs) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"at most {MAX_DEPTH} levels of parentheses and not are read")
        if self._take("not"):
            inner = self._one()
            test: Test = lambda inputs: not inner(inputs)  # noqa: E731
        elif self._take("("):
            test = self._any()
            self._expect(")")
        else:
            test = self._comparison()
        self._depth -= 1
        return test

    def _comparison(self) -> Test:
        self._count()
        name = self._name()
        if self._take("not"):
            self._expect("in")
            return _negated(_is_one_of(name, self._list()))
        if self._take("in"):
            return _is_one_of(name, self._list())
        if self._take("contains"):
            return _contains(name, self._texts())
        sign = self.token if self.kind == "sign" else ""
        if sign in ("==", "!="):
            self._next()
            equal = _is_one_of(name, [self._literal()])
            return equal if sign == "==" else _negated(equal)
        if sign in _ORDERING:
            self._next()
            return self._ordering(name, sign)
        raise self._error("expected ==, !=, <, <=, >, >=, in, not in or contains")

    def _name(self) -> str:
        if self.kind != "word":
            raise self._error("expected a name such as category")
        name = self.token
        if name not in NAMES and not (name.startswith("facts.") and len(name) > 6):
            raise RuleError(self.start, f"{name} is not known here; there are {', '.join(NAMES)} and facts.<name>")
        self._next()
        return name

    def _ordering(self, name: str, sign: str) -> Test:
        start, value, compare = self.start, self._literal(), _ORDERING[sign]
        if name == "urgency":
            if value not in URGENCIES:
                raise RuleError(start, f"an urgency is one of {', '.join(URGENCIES)}")
            bound = URGENCIES.index(str(value))
            return lambda inputs: (level := inputs.text(name)) in URGENCIES and compare(_level(level), bound)
        if not isinstance(value, Decimal):
            raise RuleError(start, "only numbers and urgencies can be compared by size")
        limit = value
        return lambda inputs: (number := inputs.number(name)) is not None and compare(number, limit)

    def _list(self) -> list[Literal]:
        self._expect("[")
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        self._expect("]")
        return found

    def _texts(self) -> list[str]:
        start = self.start
        found = self._list() if self._is("[") else [self._literal()]
        texts = [folded(value) for value in found if isinstance(value, str)]
        if len(texts) < len(found) or not all(texts):
            raise RuleError(start, "contains needs a text, or a list of texts, that are not empty")
        return texts

    def _literal(self) -> Literal:
        self._count()
        kind, word = self.kind, self.token
        if kind == "text":
            self._next()
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        if kind == "number":
            self._next()
            return Decimal(word)
        if kind == "keyword" and word in ("true", "false"):
            self._next()
            return word == "true"
        raise self._error("expected a text in quotes or a number")

    def _count(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._error(f"at most {MAX_TERMS} comparisons and values are read")


def _fold(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(folded(str(member)) for member in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else folded(str(value))


def _level(level: str | tuple[str, ...]) -> int:
    return URGENCIES.index(str(level))


def _negated(test: Test) -> Test:
    return lambda inputs: not test(inputs)


def _is_one_of(name: str, wanted: list[Literal]) -> Test:
    numbers = [value for value in wanted if isinstance(value, Decimal)]
    texts = frozenset(_fold(value) for value in wanted if not isinstance(value, Decimal))

    def test(inputs: Inputs) -> bool:
        text = inputs.text(name)
        members = text if isinstance(text, tuple) else (text,)
        return any(member in texts for member in members) or (bool(numbers) and inputs.number(name) in numbers)

    return test


def _contains(name: str, parts: list[str]) -> Test:
    """Text holds one of the parts; a list holds one of them as a member."""

    def test(inputs: Inputs) -> bool:
        text = inputs.text(name)
        return any(part in text for part in parts)

    return test
