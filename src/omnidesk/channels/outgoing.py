"""Going out by HTTP to addresses that other people chose: webhooks, downloads, token URLs.

Nobody may make the desk call its own network: every address that a name resolves to must be public,
and the connection goes to the address that was looked at, not to a second lookup's (DNS rebinding).
No proxies from the environment, no redirects, https only, limits of time and size. Ports are 443 and those from
1024 on: what listens below speaks other protocols. TLS is verified by the name, whatever way it was spelled.
`client(loopback=True)` is the explicit setting for development and tests: http and 127.0.0.1 too.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER = tuple(  # public by the registry of this Python's `ipaddress`, and yet nobody's web server
    ipaddress.ip_network(each)
    for each in (
        "168.63.129.16/32",  # the platform behind a virtual machine at Azure
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "2001::/32",  # Teredo: an IPv4 address chosen by whoever wrote the name
        "3fff::/20",  # documentation (RFC 9637)
        "64:ff9b:1::/48",  # translation within one network (RFC 8215)
        "fec0::/10",  # site-local (RFC 3879)
    )
)
RESOLVE_S = 10.0
BODY_S = 2.0  # for the body of an answer of which only the status matters
_resolving = ThreadPoolExecutor(max_workers=8, thread_name_prefix="dns")  # slow names hold up no other work

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, the preferred first. Raises OSError or UnicodeError when it has none."""


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


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """As the machine resolves names."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_resolving, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [str(each[4][0]) for each in found]


def client(
    *,
    loopback: bool = False,
    timeout_s: float = 15,
    verify: ssl.SSLContext | bool = True,
    resolve: Resolve = system_resolve,
) -> httpx.AsyncClient:
    """A client that only goes to public addresses; use it for everything that is called by URL."""
    return httpx.AsyncClient(
        transport=_Guarded(loopback=loopback, verify=verify, resolve=resolve),
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
    status_only: bool = False,
) -> Answer:
    """One call, its answer read to at most `max_bytes`, all in `within_s` seconds.

    With `status_only` the status is the answer: of the body comes what arrives soon, cut at `max_bytes`, and a
    body that is huge, slow or broken harms nothing. Raises httpx.TransportError: NotAllowed and httpx.ConnectError
    before anything was sent, TooLarge and httpx.ReadTimeout after; httpx.InvalidURL for what is no URL.
    """
    try:
        async with asyncio.timeout(within_s):
            async with http.stream(method, url, headers=headers, content=content) as response:
                body = await (_beginning(response, max_bytes) if status_only else _body(response, max_bytes))
                return Answer(status=response.status_code, headers=dict(response.headers), body=body)
    except TimeoutError:
        raise httpx.ReadTimeout("no complete answer in time") from None


async def _beginning(response: httpx.Response, max_bytes: int) -> bytes:
    kept = bytearray()
    with suppress(TimeoutError, httpx.TransportError, httpx.DecodingError):
        async with asyncio.timeout(BODY_S):
            async for chunk in response.aiter_bytes(4 * 1024):
                kept += chunk
                if len(kept) >= max_bytes:
                    break
    return bytes(kept[:max_bytes])


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    """Counts what comes out of decompression, so that a small bomb does not grow."""
    kept = bytearray()
    async for chunk in response.aiter_bytes(16 * 1024):
        kept += chunk
        if len(kept) > max_bytes:
            raise TooLarge("the answer is too large")
    return bytes(kept)


def check(url: str, *, loopback: bool = False) -> httpx.URL:
    """What can be said of a URL before its name is resolved. Raises NotAllowed, httpx.InvalidURL."""
    parsed = httpx.URL(url)
    if parsed.scheme != "https" and not (loopback and parsed.scheme == "http"):
        raise NotAllowed("only https is called")
    if not parsed.host or parsed.userinfo:
        raise NotAllowed("a URL names a host, without a password in it")
    if not loopback and not (_port(parsed) == 443 or 1024 <= _port(parsed) <= 65535):
        raise NotAllowed("only port 443 and ports from 1024 on are called")
    if _is_address(parsed.host) and not is_public(parsed.host, loopback=loopback):
        raise NotAllowed("the address is not public")
    return parsed


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Guarded(httpx.AsyncBaseTransport):
    """Resolves, checks, and connects to the checked address under the name that was asked for.

    Connections are not kept: the pool would share them by address, and two names may have one.
    """

    def __init__(self, *, loopback: bool, verify: ssl.SSLContext | bool, resolve: Resolve) -> None:
        self._loopback, self._resolve = loopback, resolve
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check(str(request.url), loopback=self._loopback)
        addresses = await self._checked(request.url.host, _port(request.url))
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent: the other family may be reachable
        return await self._inner.handle_async_request(_pinned(request, addresses[-1]))

    async def _checked(self, host: str, port: int) -> list[str]:
        """The first address of each family, when all of them are public. Raises NotAllowed, httpx.ConnectError."""
        try:
            addresses = await asyncio.wait_for(self._resolve(host, port), RESOLVE_S)
        except (OSError, UnicodeError, TimeoutError):
            raise httpx.ConnectError("the name cannot be resolved") from None
        if not addresses:
            raise httpx.ConnectError("the name has no address")
        if not all(is_public(each, loopback=self._loopback) for each in addresses):
            raise NotAllowed("the address is not public")
        return list({":" in each: each for each in reversed(addresses)}.values())[::-1]

    async def aclose(self) -> None:
        await self._inner.aclose()


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """The same request to that address; Host is the name's, and so is the name that TLS asks for and verifies."""
    name = request.url.raw_host.decode("ascii").rstrip(".")  # a server's name has no dot at its end (RFC 6066)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )


def is_public(text: str, *, loopback: bool = False) -> bool:
    """Is it an address of the public internet (or, when allowed, of this machine)? IPv4 in IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(str(inner), loopback=loopback)
    if any(address.version == net.version and address in net for net in _NEVER):
        return False
    if loopback and address.is_loopback:
        return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
