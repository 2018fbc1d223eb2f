"""What comes in and goes out: arrivals at the door, items after reading, parts on the way out.

An `Arrival` is exactly what came; a channel's `read` turns it into items. Channels translate and
know nothing of tickets, so an item carries whatever may place it: thread key, references, tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Direction(StrEnum):
    INBOUND = "in"
    OUTBOUND = "out"
    NOTE = "note"


class Author(StrEnum):
    REQUESTER = "requester"
    PARTICIPANT = "participant"
    UNVERIFIED = "unverified"  # proved the thread (token, reference), not the person
    AGENT = "agent"
    STAFF = "staff"  # answered elsewhere, e.g. in the platform's own app
    BOT = "bot"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One thing that came in through an inbox, exactly as it came.

    `dedupe_key` is unique within the inbox for ever: the same key twice is one arrival.
    Arrivals with the same `order_key` are read one after the other. `meta` holds what the
    transport said beside the body (mail: `mail_from`, `rcpt_to`; webhooks: chosen headers).
    """

    dedupe_key: str
    order_key: str
    body: bytes
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An identity as a channel names it; unique by (kind, realm, address)."""

    kind: str  # email, phone, telegram, …
    address: str  # normalised by the channel: e-mail in lower case
    realm: str = ""  # empty for e-mail and phone, else the account or site the id belongs to
    name: str = ""
    verified: bool = False  # the transport vouches for it: a signature, an aligned DMARC pass

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.realm, self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment whose bytes are here."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    cid: str = ""  # set when the HTML shows it inline


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """An attachment still to be fetched from the platform."""

    url: str
    name: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A provider's id of a message; (realm, external_id, variant) is unique for ever.

    For mail the realm is `mail`, the id the Message-ID without brackets and the variant the
    sender's address: the same id from another sender is another message.
    """

    realm: str
    external_id: str
    variant: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.realm, self.external_id, self.variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A message of a person, as text. Everything about placing it is a claim, not a proof."""

    ref: Ref
    thread_key: str  # names the provider's thread within the inbox
    sender: Address
    text: str  # what the author wrote now
    sent_at: datetime | None = None  # the platform's time; None: take the arrival's
    subject: str = ""
    quoted: str = ""  # history and signature, kept folded
    html: str = ""  # sanitised; empty when the message was plain text
    digest: bytes = b""  # of the content; tells a redelivery from another body under the same id
    group_key: str = ""  # items of one album share it and append to one message
    references: tuple[Ref, ...] = ()  # messages this one says it answers, nearest first; variant unset
    tokens: tuple[str, ...] = ()  # reply tokens it was addressed to
    deliveries: tuple[UUID, ...] = ()  # of ours that it answers: the signed return paths it was addressed to
    address: str = ""  # which of the inbox's own addresses it came to
    numbers: tuple[str, ...] = ()  # ticket numbers named where a number may place a message
    participants: tuple[Address, ...] = ()  # Cc'd and To'd people, never our own addresses
    files: tuple[File | RemoteFile, ...] = ()
    automatic: bool = False  # machine-made: never answered automatically
    quiet: bool = False  # a person's, but acknowledgements are unwanted (suppression headers)
    spam: str = ""  # why the transport takes it for spam; such an arrival is held for a person to decide
    suspicious: str = ""  # why it is not what it seems (failed DMARC …); never joins by sender alone
    language: str = ""  # BCP 47 when the platform tells it
    hints: tuple[str, ...] = ()  # shown to the agent
    reply_to: Address | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    category: str = ""  # as a form, a menu or the posting program names it
    private: bool = True  # False for what everybody can read: comments, forum posts


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The platform says that a message now reads differently."""

    ref: Ref
    text: str
    html: str = ""
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """The platform says that a message is gone."""

    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Our own account spoke: a part of ours coming back, or a person answering elsewhere."""

    ref: Ref
    thread_key: str
    recipient: Address
    text: str
    correlation: str = ""  # our own key when the platform returns it
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A delivery report for something we sent."""

    state: str  # delivered | read | failed
    ref: Ref | None = None
    correlation: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A mail of ours could not be delivered, or is late."""

    references: tuple[Ref, ...] = ()  # Message-IDs that the report quotes; variant unset
    deliveries: tuple[UUID, ...] = ()  # of the signed return paths it came to
    tokens: tuple[str, ...] = ()  # reply tokens it was addressed to
    recipient: str = ""  # the address that failed, when the report names it
    permanent: bool = True  # the address is dead, not only full or away
    late: bool = False  # not given up: the server goes on trying
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to be done about it; `reason` is shown in the journal."""

    reason: str


Item = Inbound | Edited | Deleted | Echo | Receipt | Bounce | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class OutFile:
    """A file to send; the channel opens `path` itself when it streams."""

    name: str
    content_type: str
    size: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """One message on its way to one conversation, as the outbox hands it to a channel.

    The same value is given to `split` (without `part`) and to `send` (with the part to send),
    however often it is retried, so everything that identifies the call is decided before.
    """

    delivery_id: UUID
    message_ref: str  # our Message-ID or correlation key: the same at every try
    to: tuple[Address, ...]
    text: str
    cc: tuple[Address, ...] = ()
    subject: str = ""
    html: str = ""
    from_name: str = ""
    thread_key: str = ""
    reply_token: str = ""  # goes into Reply-To
    in_reply_to: str = ""  # external id of the message answered
    references: tuple[str, ...] = ()  # oldest first
    quoted: str = ""  # what the customer wrote, to stand below the answer
    files: tuple[OutFile, ...] = ()
    automatic: bool = False  # acknowledgements and notices: marked so that robots do not answer
    language: str = ""
    ticket_number: str = ""
    created_at: datetime | None = None  # when it was written; the Date of a mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A message that was sent reads differently now, or is taken back. The same value at every try."""

    key: str  # of this change: the same at every try, another for the next change
    delivery_id: UUID
    message_ref: str
    external_ids: tuple[str, ...]  # what the platform called its parts, in their order
    deleted: bool
    to: tuple[Address, ...]
    thread_key: str = ""
    text: str = ""  # empty when it is deleted
    html: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One provider call: `index` of `count`, with the text and files that go into it."""

    index: int = 0
    count: int = 1
    text: str = ""
    files: tuple[int, ...] = ()  # indexes into Outbound.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider took it; `external_id` is what its echoes and receipts will name."""

    external_id: str = ""
    realm: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)  # address -> reason, some of several recipients
