"""Tokens in mail addresses: where a reply belongs, and which delivery a bounce is about.

A reply token is 80 random bits as 16 characters of base32, compared without case because mail
servers and people change it. It proves the thread, never the person. The return path is signed,
so that nobody can mark a customer's address as dead. Sources: RFC 4648, section 6 (base32);
RFC 5233 (subaddresses); RFC 3834, section 4 and RFC 5321, section 4.5.5 (return paths).
"""

import hmac
import re
from base64 import b32decode, b32encode
from uuid import UUID

_TOKEN = re.compile(r"[a-z2-7]{16}", re.ASCII)
_RETURN = re.compile(r"[^@]{1,20}\+([a-z2-7]{26})\.([a-z2-7]{16})@[^@]+", re.ASCII)
MAX_RETURN_LOCAL = 20  # characters of a return path's own local part; with the token there are 64, RFC 5321
_MOST = 320  # characters of an address, RFC 3696 with its errata


def reply_token(entropy: bytes) -> str:
    """Ten random bytes as a token. Raises ValueError when there are not exactly ten."""
    if len(entropy) != 10:
        raise ValueError("a reply token is made of ten random bytes")
    return _base32(entropy)


def is_reply_token(text: str) -> bool:
    return _TOKEN.fullmatch(text.lower()) is not None


def reply_address(address: str, token: str) -> str:
    """`support@acme.example` becomes `support+<token>@acme.example`; an older subaddress stays in front.

    Raises ValueError when one of them is not what it should be.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or not is_reply_token(token):
        raise ValueError("expected an address and a reply token")
    return f"{local}+{token.lower()}@{domain}"


def split_reply_address(address: str) -> tuple[str, str] | None:
    """(address without token, token) of an address with a reply token, both in lower case; else None."""
    if len(address) > _MOST:
        return None
    rest, at, domain = address.strip().lower().rpartition("@")
    local, plus, token = rest.rpartition("+")
    if not (at and plus and local and domain and _TOKEN.fullmatch(token)):
        return None
    return f"{local}@{domain}", token


def message_id(entropy: bytes, domain: str) -> str:
    """A Message-ID without its angle brackets; raises ValueError below ten random bytes (80 bits)."""
    if len(entropy) < 10:
        raise ValueError("a Message-ID is made of at least ten random bytes")
    return f"{_base32(entropy)}@{domain.lower()}"


def return_path(delivery_id: UUID, key: bytes, address: str) -> str:
    """The envelope sender of a delivery: `bounces+<delivery>.<signature>@domain` of `bounces@domain`.

    Raises ValueError for an address that is none, or whose local part has more than 20 characters.
    """
    local, _, domain = address.lower().rpartition("@")
    name = _base32(delivery_id.bytes)
    path = f"{local}+{name}.{_signature(name, key)}@{domain}"
    if not _RETURN.fullmatch(path):
        raise ValueError("a return path is an address with a short local part")
    return path


def is_return_path(address: str) -> bool:
    """Whether it looks like one, whoever signed it."""
    return len(address) <= _MOST and _RETURN.fullmatch(address.strip().lower()) is not None


def returned_delivery(address: str, *keys: bytes) -> UUID | None:
    """The delivery of a return path that one of the keys signed; None for any other address.

    Several keys may stand side by side while a desk changes its key.
    """
    found = _RETURN.fullmatch(address.strip().lower()) if len(address) <= _MOST else None
    if not found:
        return None
    name, signature = found.groups()
    fits = [hmac.compare_digest(signature, _signature(name, key)) for key in keys]
    return UUID(bytes=b32decode(f"{name.upper()}======")) if any(fits) else None


def loop_mark(key: bytes) -> str:
    """What a desk writes on its mails to know them when they come back; tells nothing of the key."""
    return _base32(hmac.digest(key, b"omnidesk loop", "sha256")[:10])


def _signature(token: str, key: bytes) -> str:
    return _base32(hmac.digest(key, b"omnidesk return path\0" + token.encode(), "sha256")[:10])


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
