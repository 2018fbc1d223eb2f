"""What a ticket is about: the category that was given, else a rule's, else the learned model's, else none.

The model is anything that tells categories with their probabilities; it decides only when it is sure enough,
and its best guesses are kept for a person to choose from with one click.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omnidesk.domain.text import folded
from omnidesk.routing.expressions import Inputs, Rule

Guess = tuple[str, float]
Model = Callable[[str], Sequence[Guess]]
"""Categories with their probabilities for a `normalised` text, in any order."""

GUESSES = 3
MAX_CHARS = 20_000  # what stands further down is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRule:
    category: str
    match: Rule
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """`source`: field, inbox, rule, model, or none; then the category is empty and a person decides."""

    category: str
    source: str
    reason: str  # the rule, or the probability
    guesses: tuple[Guess, ...] = ()  # of the model, best first


def classify(
    inputs: Mapping[str, Any] | Inputs,
    *,
    explicit: str = "",
    inbox_category: str = "",
    rules: Iterable[CategoryRule] = (),
    model: Model | None = None,
    threshold: float = 0.5,
    thresholds: Mapping[str, float] | None = None,
) -> Classification:
    """The category of a ticket with these `inputs` (names as in rules).

    `explicit` is the field of a form or phone menu. The model decides from `threshold` on, or from the one that
    `thresholds` has for its category; it is asked in any case, so that its guesses can be shown.
    """
    given = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
    guesses = _guesses(given, model)
    for category, source in ((explicit, "field"), (inbox_category, "inbox")):
        if category:
            return Classification(category=category, source=source, reason="", guesses=guesses)
    for rule in sorted(rules, key=lambda rule: (rule.position, rule.category)):
        if rule.match.matches(given):
            return Classification(category=rule.category, source="rule", reason=rule.match.source, guesses=guesses)
    if guesses:
        category, probability = guesses[0]
        if probability >= (thresholds or {}).get(category, threshold):
            return Classification(category=category, source="model", reason=f"{probability:.2f}", guesses=guesses)
    return Classification(category="", source="none", reason="", guesses=guesses)


def _guesses(given: Inputs, model: Model | None) -> tuple[Guess, ...]:
    if model is None:
        return ()
    text = normalised(f"{given.raw('subject') or ''}\n{given.raw('text') or ''}")
    return tuple(sorted(model(text), key=lambda guess: (-guess[1], guess[0]))[:GUESSES]) if text else ()


_QUOTE = re.compile(r"(?m)^[ \t]*>.*$")
_SIGNATURE = re.compile(r"(?ms)^-- ?$.*")
_DIGITS = re.compile(r"\d")


def normalised(text: str) -> str:
    """Text as the model reads it: NFKC, lower case, ё as е, no quotes and signature, every digit a 0."""
    own = _SIGNATURE.sub("", _QUOTE.sub("", text[:MAX_CHARS]))
    return _DIGITS.sub("0", folded(own))
