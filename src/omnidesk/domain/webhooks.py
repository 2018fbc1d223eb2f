"""Webhooks out: how a call is signed, what it says, and when it is tried again.

Source: Standard Webhooks 1.0, https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.domain import ids
from omnidesk.domain.events import subject

PREFIX = "whsec_"
SECRET_BYTES = 32
TEST = "webhook.test"  # the type of a call that is no event
PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)  # after the first try, the second …
TRIES = len(PAUSES_S) + 1  # over about 28 hours
LONGEST_WAIT_S = 86_400.0  # a receiver that asks for more is not believed
OFF_AFTER = timedelta(days=5)  # of nothing but failures
QUIET = timedelta(days=1)  # without any failure; the count of days then begins anew
LONGEST_OVERLAP = timedelta(days=7)


def new_secret(entropy: bytes) -> str:
    """`whsec_…` of these random bytes."""
    return PREFIX + base64.b64encode(entropy).decode()


def key_of(secret: str) -> bytes:
    """The key in a `whsec_…`. Raises ValueError."""
    try:
        return base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret is whsec_ and base64") from None


def signed(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a webhook; a signature by each key, the newest first."""
    content = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }


def pause_s(attempts: int, jitter: float, after_s: float | None = None) -> float | None:
    """Seconds until the next try after so many; None: that was the last one.

    `jitter` is random within 0 … 1 and moves each pause by up to a tenth; `after_s` is what the receiver asked for,
    which is never undercut.
    """
    if attempts >= TRIES:
        return None
    pause = PAUSES_S[max(attempts, 1) - 1] * (0.9 + jitter / 5)
    if after_s is not None and after_s == after_s:  # not NaN
        pause = max(pause, min(after_s, LONGEST_WAIT_S))
    return pause


def order_key(webhook_id: UUID, ticket_id: UUID | None, subject_id: UUID | None) -> str:
    """What keeps its order: the events of one ticket; of what is about no ticket, those of one thing."""
    about = ticket_id or subject_id
    return f"webhook:{webhook_id}:{about}" if about else f"webhook:{webhook_id}"


def payload(
    *,
    type: str,  # noqa: A002 - the word of the standard
    at: datetime,
    seq: int | None = None,
    ticket_id: UUID | None = None,
    subject_id: UUID | None = None,
    actor: str = "system",
    facts: Mapping[str, Any] | None = None,
    base_url: str = "",
) -> dict[str, Any]:
    """What a call says: ids, small facts and where to read the rest; the same at every try."""
    links = {"events": f"{base_url}/v1/events?after={seq - 1}"} if seq else {}
    if ticket_id:
        links["ticket"] = f"{base_url}/v1/tickets/{ids.encode('ticket', ticket_id)}"
    data = {
        "seq": seq,
        "ticket_id": ids.encode("ticket", ticket_id) if ticket_id else None,
        "subject_id": subject(type, subject_id),
        "actor": actor,
        "facts": dict(facts or {}),
        "links": links,
    }
    return {"type": type, "timestamp": at.isoformat(), "data": data}
