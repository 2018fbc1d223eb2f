"""Inboxes: make and change them from the form that their channel's schema draws, and open their channels."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr, ValidationError

from omnidesk.channels import base
from omnidesk.db import events, inboxes
from omnidesk.db.inboxes import Inbox
from omnidesk.db.session import Database, Tx
from omnidesk.desk.memory import InboxMemory
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, FieldError, Invalid, NotFound, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

MASK = "********"
"""Stands for a stored secret; sent back, it leaves the stored one unchanged."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An inbox with its channel, ready to read and send."""

    inbox: Inbox
    manifest: base.Manifest
    config: base.InboxConfig
    channel: Any
    answers: bool  # whether the channel can
    answers_at_once: bool = False  # the door's own answer tells number and date


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an administrator asks for; None leaves a thing as it is."""

    name: str | None = None
    config: Mapping[str, Any] | None = None
    queue_id: UUID | None = None
    category: str | None = None  # empty: none any more
    language: str | None = None
    acknowledge: bool | None = None
    paused: bool | None = None


class Channels:
    """Opens inboxes' channels and keeps them open while their settings stay the same.

    `get` may answer from a memory of `fresh_s` seconds: pausing an inbox takes effect within that time.
    """

    def __init__(
        self, db: Database, vault: Vault, http: httpx.AsyncClient, *, domain: str = "", fresh_s: float = 1.0
    ) -> None:
        self.manifests = base.manifests()
        self.domain = domain
        self.keys = vault.each_derived("channels")
        self._db, self._vault, self._http, self._fresh_s = db, vault, http, fresh_s
        self._opened: dict[UUID, Opened] = {}
        self._addresses: dict[str, UUID] = {}
        self._read_at = float("-inf")

    async def get(self, inbox_id: UUID) -> Opened:
        """Raises NotFound for an unknown inbox, or one whose channel is not installed."""
        if inbox_id not in self._opened or self._stale():
            await self.refresh()
        if inbox_id not in self._opened:
            raise NotFound("There is no such inbox.")
        return self._opened[inbox_id]

    async def every(self) -> list[Opened]:
        if self._stale():
            await self.refresh()
        return list(self._opened.values())

    async def find_address(self, address: str) -> UUID | None:
        """The inbox of one of our e-mail addresses (lower case); an unknown one is looked up afresh."""
        if address not in self._addresses or self._stale():
            async with self._db.connection() as tx:
                return await inboxes.by_address(tx, address)
        return self._addresses[address]

    @property
    def own_addresses(self) -> frozenset[str]:
        """As of the last refresh."""
        return frozenset(self._addresses)

    def _stale(self) -> bool:
        return time.monotonic() - self._read_at > self._fresh_s

    async def refresh(self) -> None:
        """Read all inboxes; channels whose settings did not change stay open."""
        async with self._db.connection() as tx:
            rows, addresses = await inboxes.every(tx), await inboxes.addresses(tx)
        changed = addresses != self._addresses
        self._addresses = addresses
        opened: dict[UUID, Opened] = {}
        for inbox in rows:
            known = self._opened.get(inbox.id)
            if known and not changed and _same_settings(known.inbox, inbox):
                opened[inbox.id] = replace(known, inbox=inbox)
            elif inbox.channel in self.manifests:
                opened[inbox.id] = self.open(inbox)
        replaced = [
            known for inbox_id, known in self._opened.items() if known.channel is not _channel(opened, inbox_id)
        ]
        self._opened = opened
        self._read_at = time.monotonic()
        await _close(replaced)

    async def close(self) -> None:
        """Close what channels keep open: connections to mail servers."""
        await _close(list(self._opened.values()))

    def config_of(self, inbox: Inbox) -> dict[str, Any]:
        """The whole config, secrets opened: for the channel alone."""
        return {**inbox.config, **unsealed(self._vault, inbox.secrets)}

    def open(self, inbox: Inbox) -> Opened:
        """Build the channel of an inbox, whether it is stored or only tried."""
        manifest = self.manifests[inbox.channel]
        config = manifest.config.model_validate(self.config_of(inbox))
        tools = base.Tools(
            http=self._http,
            inbox_id=ids.encode("inbox", inbox.id),
            addresses=tuple(sorted(self._addresses)),
            domain=self.domain,
            keys=self.keys,
            memory=InboxMemory(self._db, self._vault, inbox.id),
        )
        channel = manifest.build(config, tools)
        return Opened(
            inbox, manifest, config, channel, base.can_answer(channel), getattr(channel, "answers_at_once", False)
        )


def _channel(opened: Mapping[UUID, Opened], inbox_id: UUID) -> Any:
    return opened[inbox_id].channel if inbox_id in opened else None


async def _close(opened: Sequence[Opened]) -> None:
    for one in opened:
        close = getattr(one.channel, "close", None)
        if close is not None:
            with suppress(OSError, base.ChannelError):
                await close()


def _same_settings(one: Inbox, other: Inbox) -> bool:
    return (one.config, one.secrets) == (other.config, other.secrets)


def unsealed(vault: Vault, sealed: bytes | None) -> dict[str, Any]:
    """The secret fields of a config. Raises CannotDecrypt."""
    return dict(json.loads(vault.decrypt(sealed, "inbox"))) if sealed else {}


def secret_fields(manifest: base.Manifest) -> list[str]:
    """The fields of a channel's config that are sealed and never returned."""
    return [name for name, field in manifest.config.model_fields.items() if "SecretStr" in str(field.annotation)]


def shown_config(manifest: base.Manifest, inbox: Inbox, vault: Vault) -> dict[str, Any]:
    """The config as it may be shown: each stored secret as the mask."""
    stored = unsealed(vault, inbox.secrets)
    return {**inbox.config, **{name: MASK for name in secret_fields(manifest) if stored.get(name)}}


def checked(manifest: base.Manifest, given: Mapping[str, Any], stored: Mapping[str, Any]) -> base.InboxConfig:
    """The config that was typed in, masks replaced by the stored secrets. Raises Invalid with a list of fields."""
    values = {
        name: stored.get(name) if name in secret_fields(manifest) and value == MASK else value
        for name, value in given.items()
    }
    for name in secret_fields(manifest):
        if name not in values and name in stored:
            values[name] = stored[name]
    try:
        return manifest.config.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            f"The settings of this {manifest.title} inbox are not right.",
            [
                FieldError(
                    pointer="/config/" + "/".join(str(step) for step in problem["loc"]),
                    code=problem["type"],
                    message=problem["msg"],
                )
                for problem in error.errors(include_input=False, include_url=False, include_context=False)
            ],
        ) from None


def _split(manifest: base.Manifest, config: base.InboxConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what may be stored openly, what is sealed)."""
    secrets = set(secret_fields(manifest))
    opened = config.model_dump(mode="json", exclude=secrets)
    hidden = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in config
        if name in secrets and value is not None
    }
    return opened, hidden


async def create(
    db: Database,
    channels: Channels,
    vault: Vault,
    channel: str,
    wish: Wish,
    actor: Actor,
    *,
    inbox_id: UUID,
    before_commit: Callable[[Tx], Any] | None = None,
) -> Inbox:
    """Make an inbox. Raises Invalid, or Conflict when its account or one of its addresses is taken."""
    manifest = channels.manifests.get(channel)
    if manifest is None:
        raise Invalid("There is no such channel.", [FieldError(pointer="/channel", code="unknown", message="unknown")])
    config = checked(manifest, wish.config or {}, {})
    opened, hidden = _split(manifest, config)
    async with db.transaction() as tx:
        await _free(tx, inbox_id, channel, config)
        await inboxes.insert(
            tx,
            inbox_id=inbox_id,
            channel=channel,
            name=wish.name or manifest.title,
            realm=config.realm(),
            config=opened,
            secrets=vault.encrypt(json.dumps(hidden).encode(), "inbox") if hidden else None,
            queue_id=wish.queue_id,
            category=wish.category or None,
            language=wish.language or "ru",
            acknowledge=wish.acknowledge is not False,
        )
        await _take_addresses(tx, inbox_id, config)
        await events.record(
            tx, [Event(type=EventType.INBOX_CREATED, subject_id=inbox_id, actor=str(actor), data={"channel": channel})]
        )
        made = await inboxes.read(tx, inbox_id)
        assert made is not None
        if before_commit:
            await before_commit(tx)
    await channels.refresh()
    return made


async def update(
    db: Database,
    channels: Channels,
    vault: Vault,
    inbox_id: UUID,
    wish: Wish,
    actor: Actor,
    *,
    if_version: int | None = None,
    now: datetime,
) -> Inbox:
    """Change an inbox; secrets that are absent or masked stay. Raises NotFound, Stale, Invalid, Conflict."""
    async with db.transaction() as tx:
        inbox = await inboxes.read(tx, inbox_id, lock=True)
        if inbox is None or inbox.channel not in channels.manifests:
            raise NotFound("There is no such inbox.")
        if if_version is not None and inbox.version != if_version:
            raise Stale("The inbox has changed since.", details={"version": inbox.version})
        manifest = channels.manifests[inbox.channel]
        stored = unsealed(vault, inbox.secrets)
        config = checked(manifest, {**inbox.config, **(wish.config or {})}, stored)
        opened, hidden = _split(manifest, config)
        await _free(tx, inbox_id, inbox.channel, config)
        paused = inbox.paused_at if wish.paused is None else (inbox.paused_at or now) if wish.paused else None
        await inboxes.update(
            tx,
            inbox_id,
            name=wish.name or inbox.name,
            realm=config.realm(),
            config=opened,
            secrets=vault.encrypt(json.dumps(hidden).encode(), "inbox") if hidden else None,
            queue_id=wish.queue_id or inbox.queue_id,
            category=inbox.category if wish.category is None else wish.category or None,
            language=wish.language or inbox.language,
            acknowledge=inbox.acknowledge if wish.acknowledge is None else wish.acknowledge,
            paused_at=paused,
        )
        await _take_addresses(tx, inbox_id, config)
        if wish.config:  # new settings deserve a new try
            for direction in ("receive", "send"):
                await inboxes.set_health(tx, inbox_id, direction, "ok", None)
        changed = sorted(
            name
            for name in ("name", "config", "queue_id", "category", "language", "paused")
            if getattr(wish, name) is not None
        )
        await events.record(
            tx, [Event(type=EventType.INBOX_UPDATED, subject_id=inbox_id, actor=str(actor), data={"changed": changed})]
        )
        after = await inboxes.read(tx, inbox_id)
        assert after is not None
    await channels.refresh()
    return after


async def _free(tx: Tx, inbox_id: UUID, channel: str, config: base.InboxConfig) -> None:
    """The account may be connected once only: two inboxes of one account steal each other's messages."""
    if config.realm() and await inboxes.taken(tx, inbox_id, channel, config.realm()):
        raise Conflict("This account is already connected to another inbox.", code="account_taken")


async def _take_addresses(tx: Tx, inbox_id: UUID, config: base.InboxConfig) -> None:
    taken = await inboxes.set_addresses(tx, inbox_id, [address.lower() for address in config.addresses()])
    if taken:
        raise Conflict(f"{', '.join(taken)} already belongs to another inbox.", code="address_taken")
