"""Passwords: hashed with argon2id in a thread, compared in a time that tells nothing; guessing is slowed down."""

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from omnidesk.db import rates
from omnidesk.db.session import Database
from omnidesk.domain.errors import Refused, TooMany

SHORTEST_PASSWORD = 12
_ADDRESS_RATE = rates.Rate(per_second=1 / 6, burst=10)
_EMAIL_RATE = rates.Rate(per_second=1 / 30, burst=20)

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's first choice for argon2id
_nobody = _hasher.hash(secrets.token_hex(16))
_hashing = ThreadPoolExecutor(max_workers=4, thread_name_prefix="argon2")  # each hash takes 19 MiB meanwhile


async def hashed(password: str) -> str:
    """Raises Refused (`weak_password`) below twelve characters."""
    if len(password) < SHORTEST_PASSWORD:
        raise Refused("A password has at least 12 characters.", code="weak_password")
    return await asyncio.get_running_loop().run_in_executor(_hashing, _hasher.hash, password)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


async def matches(password_hash: str | None, password: str) -> bool:
    """Takes as long for nobody as for somebody."""
    loop = asyncio.get_running_loop()
    fits = await loop.run_in_executor(_hashing, _verify, password_hash or _nobody, password)
    return fits and password_hash is not None


async def slow_down(db: Database, address: str, email: str) -> None:
    digest = hashlib.sha256(email.encode()).hexdigest()[:32]
    buckets = {f"sign-in:from:{address}": (1, _ADDRESS_RATE), f"sign-in:as:{digest}": (1, _EMAIL_RATE)}
    async with db.transaction() as tx:
        grants = await rates.take(tx, buckets)
    waits = [grant.wait_s for grant in grants.values() if not grant.taken]
    if waits:
        raise TooMany("Too many attempts to sign in. Wait a little.", retry_after_s=max(waits))


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
