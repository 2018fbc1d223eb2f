"""What a mail means to the desk: a message, a bounce, a receipt, or nothing.

Everything that may place a message is gathered here and weighed elsewhere (`domain.threading`).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from uuid import UUID

from omnidesk.channels.email.authentication import trusted
from omnidesk.channels.email.headers import Mailbox
from omnidesk.channels.email.reading import Mail
from omnidesk.domain.messages import Address, Bounce, Ignored, Inbound, Item, Receipt, Ref
from omnidesk.domain.tokens import is_return_path, returned_delivery

REALM = "mail"
_MAX_REFERENCES = 50
_MAX_PARTICIPANTS = 50
_NUMBER = re.compile(r"\[\s?#\s?(\d[\d\- \u00a0\u2010-\u2015]{1,30})\]")
_RETURN_LOCALS = ("bounces", "bounce")
_NOBODY = "unknown@invalid"  # RFC 2606: can never be written to

DMARC_FAILED = "dmarc_failed"
SEVERAL_AUTHORS = "several_authors"
NO_SENDER = "no_sender"
FROM_OURSELVES = "from_our_own_address"
ONLY_QUOTES = "only_quoted_text"


def to_items(
    mail: Mail,
    meta: Mapping[str, str],
    own_addresses: Collection[str],
    *,
    inbox_addresses: Collection[str] = (),
    keys: Collection[bytes] = (),
    trusted_authserv_id: str = "",
    loop_marks: Collection[str] = (),
) -> list[Item]:
    """The items of a mail that was delivered with this envelope.

    `meta` holds `mail_from` and `rcpt_to` (a JSON list) when the transport knew them.
    `own_addresses` are those of all inboxes, `inbox_addresses` those of this one; a subaddress of one is
    ours too. `keys` sign our return paths. Only the server named `trusted_authserv_id` is believed about
    SPF, DKIM and DMARC. `loop_marks` are what our own mails carry.
    """
    if {mark.lower() for mark in loop_marks} & {mark.lower() for mark in mail.loop_marks}:
        return [Ignored(reason="a mail of this desk came back")]
    own = [address.lower() for address in own_addresses]
    arrived_at = _arrived_at(mail, meta)
    deliveries = _deliveries(arrived_at, own, keys)
    if mail.bounce is not None:
        if None in deliveries:
            return [Ignored(reason="a bounce to a return path that this desk did not sign")]
        return [
            Bounce(
                deliveries=_known(deliveries),
                references=_refs(mail.bounce.message_ids),
                tokens=_tokens(arrived_at, own),
                recipient=mail.bounce.recipient,
                permanent=mail.bounce.permanent,
                late=mail.bounce.late,
                reason=mail.bounce.reason,
            )
        ]
    if mail.receipt is not None:
        return [Receipt(state=mail.receipt.state, ref=each) for each in _refs(mail.receipt.message_ids)] or [
            Ignored(reason="a receipt that names no mail")
        ]
    inbound = _inbound(mail, meta, own, arrived_at, trusted(mail.authentication, trusted_authserv_id))
    return [replace(inbound, deliveries=_known(deliveries), address=_came_to(arrived_at, inbox_addresses))]


def _inbound(
    mail: Mail, meta: Mapping[str, str], own: list[str], arrived_at: tuple[str, ...], results: Mapping[str, str]
) -> Inbound:
    author, name, ourselves = _author(mail, meta, own)
    reply_to = next(
        (box for box in mail.reply_to if box.address not in (author, "") and not _is_own(box.address, own)), None
    )
    suspicious = _suspicious(mail, results)
    digest = _digest(mail)
    message_id = (
        mail.message_id or f"{blake2b(digest + str(mail.date).encode(), digest_size=16).hexdigest()}@missing.invalid"
    )
    nearest_first = tuple(dict.fromkeys([*mail.in_reply_to, *reversed(mail.references)]))
    root = next(iter((*mail.references, *mail.in_reply_to)), message_id)
    return Inbound(
        ref=Ref(realm=REALM, external_id=message_id, variant=author),
        thread_key=f"{root} {author}",
        sender=Address(
            kind="email",
            address=author,
            name=name,
            verified=results.get("dmarc") == "pass" and not suspicious and author == mail.from_address,
        ),
        text=mail.visible_text,
        sent_at=mail.date,
        subject=mail.subject,
        quoted=mail.quoted_text,
        html=mail.html,
        digest=digest,
        references=_refs(nearest_first),
        tokens=_tokens(arrived_at, own),
        numbers=_numbers(mail.subject),
        participants=_participants([*mail.to, *mail.cc], own, author),
        files=mail.attachments,
        automatic=mail.auto_submitted or ourselves or author == _NOBODY,
        quiet=mail.quiet,
        suspicious=suspicious,
        hints=(*_hints(mail, author, ourselves), *_authenticated(results)),
        reply_to=Address(kind="email", address=reply_to.address, name=reply_to.name) if reply_to else None,
    )


def _author(mail: Mail, meta: Mapping[str, str], own: list[str]) -> tuple[str, str, bool]:
    """Address and name of who wrote, and whether that is only ourselves.

    A form on our own site often writes from our address and names the customer in Reply-To.
    """
    if mail.from_address and not _is_own(mail.from_address, own):
        return mail.from_address, mail.from_name, False
    others = [*mail.reply_to, *([mail.sender] if mail.sender else []), Mailbox(meta.get("mail_from", "").lower())]
    other = next((box for box in others if box.address and not _is_own(box.address, own)), None)
    if other is not None and (not mail.from_address or other in mail.reply_to):
        return other.address, other.name or mail.from_name, False
    return mail.from_address or _NOBODY, mail.from_name, bool(mail.from_address)


def _suspicious(mail: Mail, results: Mapping[str, str]) -> str:
    if len({box.address for box in mail.authors if box.address}) > 1:
        return SEVERAL_AUTHORS
    return DMARC_FAILED if results.get("dmarc") == "fail" else ""


def _hints(mail: Mail, author: str, ourselves: bool) -> tuple[str, ...]:
    found = [
        NO_SENDER if author == _NOBODY else "",
        FROM_OURSELVES if ourselves else "",
        ONLY_QUOTES if mail.text and not mail.visible_text else "",
    ]
    return (*mail.hints, *(hint for hint in found if hint))


def _authenticated(results: Mapping[str, str]) -> tuple[str, ...]:
    """What our own server found out of the mail's origin, kept with the message: `spf:pass`, `dmarc:fail`."""
    return tuple(f"{method}:{results[method]}" for method in ("spf", "dkim", "dmarc") if method in results)


def _arrived_at(mail: Mail, meta: Mapping[str, str]) -> tuple[str, ...]:
    """Every address that this mail was sent or delivered to; the envelope first."""
    envelope = [each.lower() for each in _listed(meta.get("rcpt_to", ""))]
    headers = [*mail.delivered_to, *(box.address for box in (*mail.to, *mail.cc))]
    return tuple(dict.fromkeys([*envelope, *headers]))


def _listed(text: str) -> list[str]:
    try:
        found = json.loads(text) if text else []
    except ValueError:
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _tokens(addresses: Iterable[str], own: list[str]) -> tuple[str, ...]:
    """What stands behind the plus of an address of ours, or of a return path in a domain of ours."""
    domains = {address.rpartition("@")[2] for address in own}
    returns = [f"{local}@{domain}" for domain in domains for local in _RETURN_LOCALS]
    found = [_behind_plus(address, base) for address in addresses for base in (*own, *returns)]
    return tuple(dict.fromkeys(token for token in found if token))


def _deliveries(addresses: Iterable[str], own: list[str], keys: Collection[bytes]) -> list[UUID | None]:
    """Of each return path of ours the delivery; None for one that none of the keys signed."""
    paths = [address for address in addresses if is_return_path(address) and _is_own(address, own)]
    return [returned_delivery(path, *keys) for path in paths]


def _known(deliveries: Iterable[UUID | None]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(each for each in deliveries if each))


def _came_to(addresses: Iterable[str], inbox_addresses: Collection[str]) -> str:
    """Which of the inbox's addresses this mail was sent to, the envelope's first; empty when it names none."""
    bases = [each.lower() for each in inbox_addresses]
    return next((base for address in addresses for base in bases if _is_own(address, [base])), "")


def _behind_plus(address: str, base: str) -> str:
    local, _, domain = address.rpartition("@")
    base_local, _, base_domain = base.rpartition("@")
    return local[len(base_local) + 1 :] if domain == base_domain and local.startswith(base_local + "+") else ""


def _is_own(address: str, own: list[str]) -> bool:
    return any(address == base or _behind_plus(address, base) for base in own)


def _numbers(subject: str) -> tuple[str, ...]:
    """Ticket numbers in a subject, as `[#123-456-789]`; digits only."""
    found = ("".join(char for char in each if char.isdecimal()) for each in _NUMBER.findall(subject))
    return tuple(dict.fromkeys(found))


def _participants(boxes: Iterable[Mailbox], own: list[str], author: str) -> tuple[Address, ...]:
    people = {box.address: box for box in boxes if box.address != author and not _is_own(box.address, own)}
    return tuple(Address(kind="email", address=box.address, name=box.name) for box in people.values())[
        :_MAX_PARTICIPANTS
    ]


def _refs(message_ids: Iterable[str]) -> tuple[Ref, ...]:
    return tuple(Ref(realm=REALM, external_id=each) for each in message_ids)[:_MAX_REFERENCES]


def _digest(mail: Mail) -> bytes:
    """Of what people see: servers and lists change headers on the way, not this."""
    state = blake2b(digest_size=16)
    for piece in (mail.from_address, mail.subject, mail.text, *(file.name for file in mail.attachments)):
        state.update(piece.encode("utf-8", "replace") + b"\0")
    for file in mail.attachments:
        state.update(file.content)
    return state.digest()
