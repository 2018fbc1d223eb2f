"""The errors that a caller can act on.

DeskError
├── NotFound            also what one may not see
├── Gone                it was there, and was deleted or erased
├── Conflict            somebody was faster; carries who or what
│   └── Stale           the version named is not the current one
├── Refused             well-formed, but a rule says no; `code` says which
│   └── Invalid         with a list of fields
├── Forbidden           signed in, but not allowed to do this
├── Unauthenticated     nobody is signed in
├── TooMany             a limit was reached; try again after `retry_after_s`
└── Unavailable         a part of the desk is away; try again later

`code` is stable and machine-readable; the text is for people and translated at the door.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    pointer: str  # RFC 6901, into the body that was sent
    code: str
    message: str


class DeskError(Exception):
    """Base of all errors that are answers; `details` are extra members of the problem document."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = dict(details or {})


class NotFound(DeskError):
    code = "not_found"


class Gone(DeskError):
    code = "gone"


class Conflict(DeskError):
    code = "conflict"


class Stale(Conflict):
    code = "stale"


class Refused(DeskError):
    code = "refused"


class Invalid(Refused):
    code = "invalid"

    def __init__(self, message: str, errors: list[FieldError], *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.errors = errors


class Forbidden(DeskError):
    code = "forbidden"


class Unauthenticated(DeskError):
    code = "unauthenticated"


class TooMany(DeskError):
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_s: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(DeskError):
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
