"""What our own mail server found out about a mail's origin (RFC 8601)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_RESULT = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc|arc|compauth)\s*=\s*([a-z]{1,20})", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Authentication:
    """One Authentication-Results header: who says it, and the result per method in lower case."""

    authserv_id: str
    results: Mapping[str, str] = field(default_factory=dict)


def read_authentication(value: str) -> Authentication:
    """A header's value; of several DKIM results a pass counts."""
    text = _COMMENT.sub("", value[:8_192])
    head, _, rest = text.partition(";")
    results: dict[str, str] = {}
    for method, result in _RESULT.findall(";" + rest):
        if results.get(method.lower()) != "pass":
            results[method.lower()] = result.lower()
    return Authentication((head.split() or [""])[0].lower(), results)


def trusted(found: Sequence[Authentication], authserv_id: str) -> Mapping[str, str]:
    """The results of our own server: its topmost header counts, everybody else's words do not.

    Empty when no server is trusted, or when it said nothing.
    """
    wanted = authserv_id.strip().lower()
    return next((each.results for each in found if wanted and each.authserv_id == wanted), {})
