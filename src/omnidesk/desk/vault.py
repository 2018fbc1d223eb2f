"""Encryption at rest: secrets of inboxes and the bodies of arrivals.

AES-256-GCM; each ciphertext begins with the id of its key, so an old and a new key stand side by side.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ID = 4
_NONCE = 12


class CannotDecrypt(Exception):
    """No key of ours opens this, or it was altered."""


class Vault:
    """Encrypts with the first key and decrypts with any. `purpose` keeps one kind of text from passing as another."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = {self._key_id(key): AESGCM(self._derive(key, b"vault")) for key in reversed(keys)}
        self._current = self._key_id(keys[0])
        self._roots = tuple(keys)

    @staticmethod
    def _key_id(key: bytes) -> bytes:
        return hashlib.blake2b(key, digest_size=_ID, person=b"omnidesk-key-id").digest()

    @staticmethod
    def _derive(key: bytes, purpose: bytes) -> bytes:
        return hashlib.blake2b(purpose, key=hashlib.sha512(key).digest(), digest_size=32).digest()

    def derived(self, purpose: str) -> bytes:
        """32 bytes for another use (signing cursors, return paths), from the current key."""
        return self.each_derived(purpose)[0]

    def each_derived(self, purpose: str) -> tuple[bytes, ...]:
        """The same from every key, the current one first: to verify what an older key signed."""
        return tuple(self._derive(root, purpose.encode()) for root in self._roots)

    def encrypt(self, plain: bytes, purpose: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._current + nonce + self._keys[self._current].encrypt(nonce, plain, purpose.encode())

    def decrypt(self, sealed: bytes, purpose: str) -> bytes:
        """Raises CannotDecrypt."""
        key = self._keys.get(bytes(sealed[:_ID]))
        if key is None:
            raise CannotDecrypt("made with a key that this desk does not have")
        try:
            return key.decrypt(bytes(sealed[_ID : _ID + _NONCE]), bytes(sealed[_ID + _NONCE :]), purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotDecrypt("altered or cut short") from error
