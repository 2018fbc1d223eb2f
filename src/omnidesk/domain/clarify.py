"""What a category may need to know of a ticket, and what a short answer to the question for it means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnidesk.domain.facts import phone_number

FACTS = (
    *("order", "login", "receipt", "occurred_at", "amount", "phone", "device", "os", "browser", "app_version"),
)  # as `domain.facts` names them
_LONGEST = 60  # characters of a bare answer
_BARE = {
    "order": re.compile(r"(?:№|#|n )?\s*([\w-]*\d[\w-]*)", re.IGNORECASE),
    "receipt": re.compile(r"(?:№|#|n )?\s*([\w-]*\d[\w-]*)", re.IGNORECASE),
    "login": re.compile(r"([\w.+-]+(?:@[\w.-]+)?)"),
    "app_version": re.compile(r"v?\s*(\d+(?:\.\d+)*)", re.IGNORECASE),
    "device": re.compile(r"(.+)"),
    "os": re.compile(r"(.+)"),
    "browser": re.compile(r"(.+)"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a customer said when he was asked for facts."""

    asked: tuple[str, ...]
    given: Mapping[str, str]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.asked if name not in self.given]


def answer(asked: Sequence[str], text: str, stated: Mapping[str, str]) -> Answer:
    """`stated` are the facts that the message states in full words."""
    given = {name: stated[name] for name in asked if stated.get(name)}
    return Answer(tuple(asked), {**given, **bare_answers(text, [name for name in asked if name not in given])})


def bare_answers(text: str, missing: Sequence[str]) -> dict[str, str]:
    """Facts that somebody gave in so few words that only our question tells what they are.

    `missing` are the facts asked for that were not stated in full words, in the order of the question. An answer
    of as many short lines as there are facts gives one each; anything longer is for a person to read.
    """
    lines = [line.strip().rstrip(".,;!") for line in text.splitlines() if line.strip()]
    if len(lines) != len(missing) or any(len(line) > _LONGEST for line in lines):
        return {}
    found = {}
    for name, line in zip(missing, lines, strict=True):
        bare = re.sub(r"^\d[.)]\s+", "", line)
        if value := _value(name, bare):
            found[name] = value
    return found


def _value(name: str, line: str) -> str | None:
    if name == "phone":
        return phone_number(line)
    shape = _BARE.get(name)
    match = shape.fullmatch(line) if shape else None
    return match[1] if match else None
