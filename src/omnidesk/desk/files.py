"""Files by their content: one folder, names are hashes, the same bytes are stored once.

    <folder>/ab/ab34…   the bytes, whole and synced before the name exists
    <folder>/tmp/…      being written
    <folder>/trash/…    being swept

Any number of processes share a folder. A writer always puts its bytes in place anew, also when they are there,
so a sweep that meets it sees a young file and puts it back.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from omnidesk.db import files
from omnidesk.db.session import Database
from omnidesk.desk.sniff import HEAD, sniff
from omnidesk.domain.errors import NotFound, Refused, Unavailable

MAX_BYTES = 50 * 1024 * 1024
CHUNK = 256 * 1024
KEPT_DAYS = 7  # unused uploads and unreferenced bytes
TMP_S = 86_400.0  # what a killed writer left is removed after a day


class TooLarge(Refused):
    code = "file_too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Bytes that are durable on disk; not kept before `db.files.note` says so."""

    sha256: bytes
    size: int
    content_type: str  # sniffed


class FileStore:
    """A folder of files named by their SHA-256. `most` is the largest size in bytes that is taken."""

    def __init__(self, folder: Path, *, most: int = MAX_BYTES) -> None:
        self._folder, self._most = folder, most
        for name in ("tmp", "trash"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: bytes) -> Path:
        """Where the bytes lie (or would)."""
        name = sha256.hex()
        if len(name) != 64:
            raise ValueError("a SHA-256 has 32 bytes")
        return self._folder / name[:2] / name

    async def store(self, source: AsyncIterable[bytes], claimed: str = "", *, most: int | None = None) -> Stored:
        """Write a stream; return when it is durable. Raises TooLarge, Unavailable (disk full or broken).

        Whatever fails, also the source itself, leaves nothing behind.
        """
        limit = self._most if most is None else min(most, self._most)
        temporary = self._folder / "tmp" / secrets.token_hex(16)
        try:
            return await self._write(temporary, source, claimed, limit)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ENOENT}:
                raise
            raise Unavailable("Files cannot be stored right now.", code="storage") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    async def store_bytes(self, content: bytes, claimed: str = "", *, most: int | None = None) -> Stored:
        """Write what is in memory already. Raises as `store`."""
        return await self.store(_pieces(content), claimed, most=most)

    async def _write(self, temporary: Path, source: AsyncIterable[bytes], claimed: str, limit: int) -> Stored:
        digest, size, head = hashlib.sha256(), 0, b""
        with temporary.open("xb") as out:
            async for piece in source:
                size += len(piece)
                if size > limit:
                    raise TooLarge(f"A file may have at most {limit} bytes.", details={"limit": limit})
                head += piece[: HEAD - len(head)]
                await asyncio.to_thread(_take_in, out, digest, piece)
            await asyncio.to_thread(_sync, out)
        sha256 = digest.digest()
        await asyncio.to_thread(_move, temporary, self.path(sha256))
        return Stored(sha256=sha256, size=size, content_type=sniff(head, claimed))

    def open(self, sha256: bytes) -> BinaryIO:
        """The bytes, to read. Raises NotFound when they are gone."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise NotFound("This file is gone.") from None

    async def stream(self, sha256: bytes) -> AsyncIterator[bytes]:
        """The bytes in pieces, read in threads. Raises NotFound at the first step."""
        source = await asyncio.to_thread(self.open, sha256)
        with source:
            while piece := await asyncio.to_thread(source.read, CHUNK):
                yield piece

    async def sweep(self, db: Database, *, days: int = KEPT_DAYS) -> int:
        """Remove what nothing points to for so many days, in batches; how many files went."""
        await asyncio.to_thread(self._clean_tmp)
        async with db.transaction() as tx:
            back = await files.known(tx, list(self._trashed()))
        await asyncio.to_thread(self._empty_trash, back)
        removed = 0
        while True:
            async with db.transaction() as tx:
                await files.drop_unused(tx, days)
                hashes = await files.take_unreferenced(tx, days)
                removed += await asyncio.to_thread(self._remove, hashes, days)
            if not hashes:
                break
        return removed + await self._sweep_unknown(db, days)

    async def _sweep_unknown(self, db: Database, days: int) -> int:
        """Remove old bytes that no row knows: their writer died before it noted them."""
        removed = 0
        for shard in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            old = await asyncio.to_thread(lambda shard=shard: [*_older(shard, days)])  # type: ignore[misc]
            if old:
                async with db.transaction() as tx:
                    known = await files.known(tx, old)
                removed += await asyncio.to_thread(self._remove, [each for each in old if each not in known], days)
        return removed

    def _remove(self, hashes: list[bytes], days: int) -> int:
        """Move aside, look again, then delete: what was written anew meanwhile goes back."""
        removed = 0
        for sha256 in hashes:
            path, trash = self.path(sha256), self._folder / "trash" / sha256.hex()
            with contextlib.suppress(FileNotFoundError):
                path.replace(trash)
                if time.time() - trash.stat().st_mtime < days * 86_400:
                    trash.replace(path)
                else:
                    trash.unlink()
                    removed += 1
        return removed

    def set_aside(self, hashes: Iterable[bytes]) -> None:
        """Take bytes away at once; the sweep deletes them after a day, or puts back what was noted anew meanwhile."""
        for sha256 in hashes:
            with contextlib.suppress(FileNotFoundError):
                self.path(sha256).replace(self._folder / "trash" / sha256.hex())

    def _trashed(self) -> Iterator[bytes]:
        for path in (self._folder / "trash").iterdir():
            with contextlib.suppress(ValueError):
                yield bytes.fromhex(path.name)

    def _empty_trash(self, known: set[bytes]) -> None:
        """What a killed sweep left: back in place when it is known again, else away after a day."""
        for sha256 in [*self._trashed()]:
            trash = self._folder / "trash" / sha256.hex()
            with contextlib.suppress(FileNotFoundError):
                if sha256 in known:
                    _move(trash, self.path(sha256))
                elif time.time() - trash.stat().st_ctime > TMP_S:
                    trash.unlink()

    def _clean_tmp(self) -> None:
        for path in (self._folder / "tmp").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > TMP_S:
                    path.unlink()


async def upload(
    db: Database,
    store: FileStore,
    source: AsyncIterable[bytes],
    *,
    attachment_id: UUID,
    name: str,
    claimed: str,
    uploader: str,
    most: int | None = None,
) -> Stored:
    """Store a file that waits for its message, as an attachment of its uploader's (`str(Actor)`).

    Raises TooLarge, Unavailable; Refused (`empty_file`).
    """
    stored = await store.store(source, claimed, most=most)
    if not stored.size:
        raise Refused("The file is empty.", code="empty_file")
    async with db.transaction() as tx:
        await files.add_upload(
            tx,
            files.Upload(
                id=attachment_id,
                sha256=stored.sha256,
                name=clean_name(name),
                content_type=stored.content_type,
                size=stored.size,
                uploader=uploader,
            ),
        )
    return stored


def clean_name(name: str) -> str:
    """A file's name without folders and control characters, at most 200 characters, its ending kept."""
    base = name.replace("\\", "/").rpartition("/")[2]
    base = "".join(char for char in base if char.isprintable()).strip(" .") or "file"
    if len(base) <= 200:
        return base
    stem, dot, ending = base.rpartition(".")
    return stem[: 199 - len(ending)] + dot + ending if dot and len(ending) <= 20 else base[:200]


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _take_in(out: BinaryIO, digest: "hashlib._Hash", piece: bytes) -> None:
    out.write(piece)
    digest.update(piece)


def _sync(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())


def _move(source: Path, target: Path) -> None:
    """Into place, atomically and durably: the folder's entry is synced too."""
    target.parent.mkdir(exist_ok=True, mode=0o700)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _older(shard: Path, days: int) -> Iterator[bytes]:
    for path in shard.iterdir():
        with contextlib.suppress(FileNotFoundError, ValueError):
            if time.time() - path.stat().st_mtime > days * 86_400:
                yield bytes.fromhex(path.name)
