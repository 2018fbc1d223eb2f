"""Calls of kind `webhook`: one event told to one address, signed, the same id and body at every try.

2xx is a yes. 410 is a no for ever and switches the webhook off; whatever else happens is tried again, eight times over
about 28 hours. A call whose answer was lost is made again: receivers know it by its id.
"""

import random
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from omnidesk.channels import outgoing
from omnidesk.channels.base import BeforeCall, SendDeferred, SendRejected, SendUnknown
from omnidesk.db import outbox, rates, webhook_deliveries, webhooks
from omnidesk.db.outbox import Result, Row
from omnidesk.db.session import Database, Tx
from omnidesk.db.webhook_deliveries import Loaded
from omnidesk.desk.vault import Vault
from omnidesk.desk.webhooks import PURPOSE, body_of, switch_off
from omnidesk.domain import ids, redaction
from omnidesk.domain import webhooks as rules
from omnidesk.domain.messages import Sent

WITHIN_S = 15.0  # for the whole call; documented, receivers rely on it
SNIPPET = 300  # characters of an answer that are kept
REMEMBERED = 1_000
LIMITS: Any = {"slots": 32, "per_endpoint": 8, "time_limit_s": 30.0}  # of the deliverer of webhooks
_SECRET = re.compile(r"whsec_\S+|(?i:\b(authorization|bearer|basic|token|secret|password|api[_-]?key)\b\W{1,4}\S+)")
_LOG_STATE = {"sent": "delivered", "rejected": "failed"}


@dataclass
class Try:
    """What a call came to, from the moment it was sent until it is written."""

    at: datetime
    began: float
    code: int | None = None
    latency_ms: int | None = None
    error: str | None = None
    answer: str = ""
    after_s: float | None = None

    def shown(self) -> dict[str, Any]:
        """As the log keeps it."""
        return {
            "at": self.at.isoformat(),
            "code": self.code,
            "latency_ms": self.latency_ms,
            "error": self.error,
            "answer": self.answer,
        }


@dataclass
class Webhooks:
    """Makes these calls, and switches off what has been dead for days."""

    db: Database
    vault: Vault
    http: httpx.AsyncClient
    base_url: str
    within_s: float = WITHIN_S
    _tries: dict[tuple[int, int], Try] = field(default_factory=dict)  # by row and token, until they are written

    async def rate(self, row: Row) -> rates.Rate | None:
        return None

    async def send(self, row: Row, before_call: BeforeCall) -> Sent:
        """Raises SendRejected (410, switched off, deleted), SendDeferred, SendUnknown."""
        async with self.db.connection() as tx:
            loaded = await webhook_deliveries.load(tx, row.subject_id)
        if loaded is None:
            raise SendRejected("The webhook was deleted.")
        if not loaded.is_on and loaded.type != rules.TEST:
            raise SendRejected("The webhook is switched off.")
        body, message_id = body_of(payload(loaded, self.base_url)), ids.encode("webhook_delivery", row.subject_id)
        headers = {"content-type": "application/json", **rules.signed(self._keys(loaded), message_id, _now_s(), body)}
        await before_call()
        tried = self._begin(row)
        try:
            answer = await outgoing.call(
                self.http,
                "POST",
                loaded.url,
                headers=headers,
                content=body,
                max_bytes=4 * SNIPPET,
                within_s=self.within_s,
                status_only=True,
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._failed(tried, error) from None
        return self._answered(tried, answer, message_id)

    def _keys(self, loaded: Loaded) -> list[bytes]:
        sealed = [each for each in (loaded.secret, loaded.old_secret) if each]
        return [rules.key_of(self.vault.decrypt(each, PURPOSE).decode()) for each in sealed]

    def _begin(self, row: Row) -> Try:
        while len(self._tries) >= REMEMBERED:
            del self._tries[next(iter(self._tries))]
        tried = self._tries[(row.id, row.token)] = Try(at=datetime.now(UTC), began=time.perf_counter())
        return tried

    def _failed(self, tried: Try, error: Exception) -> Exception:
        tried.latency_ms = _since_ms(tried)
        match error:
            case outgoing.NotAllowed() | httpx.InvalidURL():
                tried.error = "not a public https address"
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
                tried.error = "cannot be reached"
            case httpx.TimeoutException():
                tried.error = "no answer in time"
                return SendUnknown(tried.error)
            case _:
                tried.error = "connection lost"
                return SendUnknown(tried.error)
        return SendDeferred(tried.error)

    def _answered(self, tried: Try, answer: outgoing.Answer, message_id: str) -> Sent:
        tried.latency_ms, tried.code, tried.answer = _since_ms(tried), answer.status, snippet(answer.body)
        if 200 <= answer.status < 300:
            return Sent(external_id=message_id)
        tried.error = f"answered {answer.status}"
        if answer.status == 410:
            raise SendRejected(tried.error)
        tried.after_s = retry_after_s(answer.headers.get("retry-after", ""), datetime.now(UTC))
        raise SendDeferred(tried.error, after_s=tried.after_s)

    async def record(self, tx: Tx, row: Row, result: Result, sent: Sent | None) -> bool:
        tried = self._tries.get((row.id, row.token)) if result.state != "queued" else None
        ours = _ours(row, result, tried)
        await webhook_deliveries.lock(tx, [row.subject_id])
        if not await outbox.finish(tx, row, ours):
            return False
        if ours.state == "queued":
            return True
        state = _LOG_STATE.get(ours.state, "waiting")
        webhook_id = await webhook_deliveries.note_try(tx, row.subject_id, state, tried.shown() if tried else None)
        if tried and webhook_id and not row.endpoint.endswith(":test"):
            await self._note_health(tx, webhook_id, tried)
        return True

    async def _note_health(self, tx: Tx, webhook_id: Any, tried: Try) -> None:
        if tried.error is None:
            await webhooks.note_success(tx, webhook_id)
        elif tried.code == 410:
            await switch_off(tx, webhook_id, "gone")
        elif await webhooks.note_failure(tx, webhook_id, tried.error, off_after=rules.OFF_AFTER, quiet=rules.QUIET):
            await switch_off(tx, webhook_id, "failing")


def _ours(row: Row, result: Result, tried: Try | None) -> Result:
    """When a call that failed is tried again: by the schedule of webhooks."""
    if result.state != "deferred":
        return result
    pause_s = rules.pause_s(row.attempts, random.random(), tried.after_s if tried else None)  # noqa: S311 - spreads retries
    if pause_s is None:
        return Result(state="rejected", error=f"Given up after {row.attempts} tries: {result.error}")
    return replace(result, after_s=pause_s)


def payload(loaded: Loaded, base_url: str) -> dict[str, Any]:
    """What a webhook is told of an event."""
    return rules.payload(
        type=loaded.type,
        at=loaded.at,
        seq=loaded.seq,
        ticket_id=loaded.ticket_id,
        subject_id=loaded.subject_id,
        actor=loaded.actor,
        facts=loaded.data,
        base_url=base_url,
    )


def snippet(body: bytes) -> str:
    """The beginning of an answer on one line, for whoever looks for the fault; without what may be a secret."""
    text = " ".join(body[: 4 * SNIPPET].decode("utf-8", "replace").split())
    text = "".join(char for char in text if char.isprintable())
    return redaction.mask(_SECRET.sub("…", text)).text[:SNIPPET]


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, a number or a date (RFC 9110, section 10.2.3)."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _now_s() -> int:
    return int(time.time())


def _since_ms(tried: Try) -> int:
    return round((time.perf_counter() - tried.began) * 1000)
