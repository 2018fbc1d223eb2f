"""Access tokens for mail servers that take no passwords (RFC 6749, section 6; XOAUTH2).

Some providers give a new refresh token with each answer, and some of them refuse the old one from then on.
The newest is remembered for all processes, under the grant that it came from: a new grant starts anew.
"""

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx

from omnidesk.channels import base, outgoing

_EARLY_S = 120  # a token is replaced so long before it ends
_REFUSED = {"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an administrator was given when the account was connected."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(repr=False)


class Tokens:
    """Gives a token that is still good, asking for a new one when it must; shared by SMTP and IMAP."""

    def __init__(self, grant: Grant, http: httpx.AsyncClient, memory: base.Memory | None = None) -> None:
        self._grant, self._http, self._memory = grant, http, memory
        self._refresh_token = grant.refresh_token
        self._origin = hashlib.sha256(grant.refresh_token.encode()).hexdigest()
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """Raises NeedsReauth when the grant is refused, SendDeferred when the server is away."""
        async with self._lock:
            if time.monotonic() >= self._until:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        """Ask with the newest refresh token; again when another process was a moment faster and got a newer one."""
        self._refresh_token = asked = await self._newest()
        try:
            await self._refresh()
        except base.NeedsReauth:
            self._refresh_token = await self._newest()
            if self._refresh_token == asked:
                raise
            await self._refresh()
        if self._memory and self._refresh_token != asked:
            await self._memory.write({"origin": self._origin, "refresh_token": self._refresh_token})

    async def _newest(self) -> str:
        kept = await self._memory.read() if self._memory else {}
        return kept["refresh_token"] if kept.get("origin") == self._origin else self._refresh_token

    async def _refresh(self) -> None:
        given = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
            "client_id": self._grant.client_id,
            **({"client_secret": self._grant.client_secret} if self._grant.client_secret else {}),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        content = urlencode(given).encode()
        try:
            answer = await outgoing.call(self._http, "POST", self._grant.token_url, headers=headers, content=content)
        except (httpx.TransportError, httpx.InvalidURL):
            raise base.SendDeferred("the token server cannot be reached") from None
        self._take(answer)

    def _take(self, answer: outgoing.Answer) -> None:
        try:
            found = json.loads(answer.body)
            error, token, lasts = found.get("error"), found.get("access_token"), float(found.get("expires_in", 3600))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise base.SendDeferred(f"the token server's answer makes no sense ({answer.status})") from None
        if answer.status == 401 or error in _REFUSED:
            raise base.NeedsReauth("the token server refuses the account's grant")
        if answer.status != 200 or not isinstance(token, str) or not token:
            raise base.SendDeferred(f"the token server gives no token ({answer.status})")
        self._refresh_token = str(found.get("refresh_token") or self._refresh_token)  # some rotate it
        self._token, self._until = token, time.monotonic() + max(0.0, lasts - _EARLY_S)
