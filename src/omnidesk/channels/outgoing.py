"""Going out by HTTP to addresses that other people chose: webhooks, downloads, token URLs.

Nobody may make the desk call its own network: every address that a name resolves to must be public,
and the connection goes to the address that was looked at, not to a second lookup's (DNS rebinding).
No proxies from the environment, no redirects, https only, limits of time and size.
`client(loopback=True)` is the explicit setting for development and tests: http and 127.0.0.1 too.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotAllowed(httpx.UnsupportedProtocol):
    """The URL leads to where the desk does not go; trying again will not help."""


class TooLarge(httpx.TransportError):
    """The answer is larger than its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def client(*, loopback: bool = False, timeout_s: float = 15, verify: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    """A client that only goes to public addresses; use it for everything that is called by URL."""
    return httpx.AsyncClient(
        transport=_Guarded(loopback=loopback, verify=verify),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10)),
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": "omnidesk", "accept-encoding": "identity"},
    )


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    max_bytes: int = 64 * 1024,
    within_s: float = 30,
) -> Answer:
    """One call, its answer read to at most `max_bytes`, all in `within_s` seconds.

    Raises httpx.TransportError: NotAllowed and httpx.ConnectError before anything was sent, TooLarge
    and httpx.ReadTimeout after; httpx.InvalidURL for what is no URL.
    """
    try:
        async with asyncio.timeout(within_s):
            async with http.stream(method, url, headers=headers, content=content) as response:
                body = await _body(response, max_bytes)
                return Answer(status=response.status_code, headers=dict(response.headers), body=body)
    except TimeoutError:
        raise httpx.ReadTimeout("no complete answer in time") from None


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    """Counts what comes out of decompression, so that a small bomb does not grow."""
    kept = bytearray()
    async for chunk in response.aiter_bytes(16 * 1024):
        kept += chunk
        if len(kept) > max_bytes:
            raise TooLarge("the answer is too large")
    return bytes(kept)


class _Guarded(httpx.AsyncBaseTransport):
    """Resolves, checks, and connects to the checked address under the name that was asked for.

    Connections are not kept: the pool would share them by address, and two names may have one.
    """

    def __init__(self, *, loopback: bool, verify: ssl.SSLContext | bool) -> None:
        self._loopback = loopback
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, host = request.url, request.url.host
        if url.scheme != "https" and not (self._loopback and url.scheme == "http"):
            raise NotAllowed("only https is called")
        if not host or url.userinfo:
            raise NotAllowed("a URL of a host, without a password in it")
        address = await _checked(host, url.port or (443 if url.scheme == "https" else 80), loopback=self._loopback)
        extensions = {**request.extensions, "sni_hostname": url.raw_host.decode("ascii")}
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # Host is the name's, set by the client
            stream=request.stream,
            extensions=extensions,
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _checked(host: str, port: int, *, loopback: bool) -> str:
    """The first address of a host, when all of them are public. Raises NotAllowed, httpx.ConnectError."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), 10)
    except (OSError, UnicodeError, TimeoutError):
        raise httpx.ConnectError("the name cannot be resolved") from None
    addresses = [str(each[4][0]) for each in found]
    if not addresses:
        raise httpx.ConnectError("the name has no address")
    if not all(is_public(each, loopback=loopback) for each in addresses):
        raise NotAllowed("the address is not public")
    return addresses[0]


def is_public(text: str, *, loopback: bool = False) -> bool:
    """Is it an address of the public internet (or, when allowed, of this machine)? IPv4 in IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(str(inner), loopback=loopback)
    if loopback and address.is_loopback:
        return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
