"""The contract of a channel: it translates between a platform and the desk, and nothing else.

A channel never sees the database, contacts or tickets. What it may do:

* `accept` (channels that are called): at the door, pure and cheap, on the raw bytes.
* `watch` (channels that fetch): bring arrivals and a cursor to `deliver`, for as long as it runs.
* `read`: in the worker, pure: what does an arrival mean?
* `split` and `send` (channels that answer): how many provider calls a message takes, and one call.

The decorator `register` is the manifest: nothing else lists channels. Errors of a channel:

ChannelError
├── BadSignature      not from the platform: 401, nothing stored
├── BadPayload        authentic, but not understood: stored as unreadable, acknowledged
├── Unreadable        `read` cannot make sense of it: parked, visible
├── SendDeferred      not sent, try again (after …)
├── SendRejected      not sent, and trying again will not help
├── SendUnknown       may have been sent: never repeated by ourselves
└── NeedsReauth       the account's credentials are refused: the direction stops, rows wait
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, Protocol, TypeVar, runtime_checkable

import httpx
from pydantic import BaseModel, ConfigDict

from omnidesk.domain.messages import Amendment, Arrival, Item, Outbound, Part, Sent


class ChannelError(Exception):
    """Base of what a channel may raise; messages never hold secrets or bodies."""


class BadSignature(ChannelError):
    """The request is not from the platform. `status` is what the platform expects to hear."""

    def __init__(self, reason: str, *, status: int = 401) -> None:
        super().__init__(reason)
        self.status = status


class BadPayload(ChannelError):
    """Authentic, but not understood; the door keeps the body as `unreadable` and says thank you."""


class Unreadable(ChannelError):
    """`read` cannot make sense of an arrival; it is parked and visible, the next one is read."""


class SendDeferred(ChannelError):
    """Not sent; may be tried again, not before `after_s` seconds when given."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class SendRejected(ChannelError):
    """Not sent; the platform says that it never will be."""


class SendUnknown(ChannelError):
    """The answer was lost after the call was written: it may have been sent."""


class NeedsReauth(ChannelError):
    """The platform refuses our credentials; raised by any call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """An HTTP request at the door, body untouched; header names in lower case."""

    method: str
    path: str  # below the inbox's own address
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the platform wants to hear once the arrivals are committed."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    arrivals: tuple[Arrival, ...]
    reply: Reply = field(default_factory=Reply)


Deliver = Callable[[Sequence[Arrival], Mapping[str, Any]], Awaitable[None]]
"""Commits arrivals together with the cursor after them; returns when both are durable."""

BeforeCall = Callable[[], Awaitable[None]]
"""Awaited by `send` just before the step that cannot be repeated (DATA, the POST): marks it `calling`."""


class InboxConfig(BaseModel):
    """Base of what an administrator types in. Secret fields are `SecretStr`: sealed at rest, never returned."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    def realm(self) -> str:
        """The account at the platform; two inboxes of one channel cannot share it. Empty: no such thing."""
        return ""

    def addresses(self) -> tuple[str, ...]:
        """E-mail addresses that are this inbox's own, in lower case."""
        return ()


class Memory(Protocol):
    """What a channel must know in its next process, too: a few texts of one inbox, sealed at rest."""

    async def read(self) -> dict[str, str]:
        """What was kept last, by whichever process; empty when nothing was."""
        ...

    async def write(self, values: Mapping[str, str]) -> None:
        """Keep these instead."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the desk lends to a channel."""

    http: httpx.AsyncClient
    inbox_id: str  # TypeID, for log lines and message ids
    addresses: tuple[str, ...] = ()  # own addresses of all inboxes: never a participant
    domain: str = ""  # of our Message-IDs
    memory: Memory | None = None  # None where a channel only reads
    keys: tuple[bytes, ...] = field(default=(), repr=False)  # to sign with (the first) and to verify: return paths


class Channel(Protocol):
    """What every channel can do."""

    def read(self, arrival: Arrival) -> list[Item]:
        """What an arrival means. Pure. Raises Unreadable."""
        ...


@runtime_checkable
class Called(Protocol):
    """A channel whose platform calls us."""

    def accept(self, request: WebhookRequest) -> Accepted:
        """Who called, and what arrived? Pure and cheap. Raises BadSignature, BadPayload."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A channel that fetches. One process at a time holds the watch of an inbox."""

    async def watch(self, cursor: Mapping[str, Any], deliver: Deliver) -> None:
        """Bring what is new since `cursor`, until cancelled. Raises NeedsReauth; other errors are retried.

        A channel with `alarm_after_s` delivers, if only nothing, whenever it has looked: after so many seconds
        of silence the inbox is shown as failing. So it is while a cursor says in words, as `missing`, what the
        platform has and did not give.
        """
        ...


def can_answer(channel: object) -> bool:
    """Whether a channel answers, and is set up to: an inbox without an outgoing server has `answers = False`."""
    return isinstance(channel, Answering) and bool(getattr(channel, "answers", True))


@runtime_checkable
class Backfilling(Protocol):
    """A channel that can bring what is older than its watch."""

    async def backfill(self, since: date, bring: Callable[[Sequence[Arrival]], Awaitable[None]]) -> None:
        """Bring everything since that day, in batches; what is known falls away. Raises NeedsReauth, OSError."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A channel that can answer. Where that takes settings which may be absent, its `answers` says so.

    `answers_at_once = True`: the door's own answer tells the number and the promised date.
    """

    def split(self, message: Outbound) -> list[Part]:
        """The provider calls that this message takes, in order; counts in the platform's units. Pure."""
        ...

    async def send(self, message: Outbound, part: Part, before_call: BeforeCall) -> Sent:
        """Make one provider call. Raises SendDeferred, SendRejected, SendUnknown, NeedsReauth."""
        ...


@runtime_checkable
class Amending(Protocol):
    """A channel that changes (manifest: `edits`) or takes back (`deletes`) what it sent, where the platform can."""

    async def amend(self, amendment: Amendment, before_call: BeforeCall) -> None:
        """Make the change known; doing it twice is harmless. Raises what `send` raises."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A channel that can try its account."""

    async def check(self) -> None:
        """Sign in wherever the inbox does, and leave. Raises NeedsReauth, SendDeferred, with words for an operator."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the desk knows of a channel; the inbox form is drawn from `config`."""

    name: str
    title: str
    config: type[InboxConfig]
    build: Callable[[Any, Tools], Any]  # (config, tools) -> channel
    edits: bool = False  # what was sent can be changed
    deletes: bool = False  # what was sent can be taken back
    repeats_safely: bool = False  # the platform takes our key: a lost call is made again, not `unknown`
    per_second: float = 0.0  # calls that the platform allows to one account, shared by all workers; 0: any number
    burst: int = 1  # of them at once after a quiet time


_registry: dict[str, Manifest] = {}
T = TypeVar("T")


def register(
    name: str,
    *,
    title: str,
    config: type[InboxConfig],
    edits: bool = False,
    deletes: bool = False,
    repeats_safely: bool = False,
    per_second: float = 0.0,
    burst: int = 1,
) -> Callable[[type[T]], type[T]]:
    """Class decorator: this class is the channel `name`. Raises ValueError when the name is taken."""

    def note(cls: type[T]) -> type[T]:
        if name in _registry and _registry[name].build is not cls:
            raise ValueError(f"channel {name!r} is registered twice")
        _registry[name] = Manifest(
            name=name,
            title=title,
            config=config,
            build=cls,
            edits=edits,
            deletes=deletes,
            repeats_safely=repeats_safely,
            per_second=per_second,
            burst=burst,
        )
        return cls

    return note


def manifests() -> dict[str, Manifest]:
    """Every channel there is: the modules of this folder, and the entry points `omnidesk.channels` of others."""
    import omnidesk.channels as folder

    for module in iter_modules(folder.__path__):
        if module.name != "base":
            import_module(f"omnidesk.channels.{module.name}")
    for point in entry_points(group="omnidesk.channels"):
        point.load()
    return dict(_registry)
