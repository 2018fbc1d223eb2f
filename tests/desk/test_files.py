"""Files: whole or not at all, once, named by what they are, and gone only when nobody needs them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from omnidesk.db import files
from omnidesk.db.session import Database
from omnidesk.desk.files import FileStore, Stored, TooLarge, clean_name, upload
from omnidesk.desk.sniff import sniff
from omnidesk.domain.errors import NotFound, Refused, Unavailable

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files", most=1_000_000)


async def stream(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error:
        raise error


def left_over(store: FileStore) -> list[Path]:
    return [path for path in store.path(bytes(32)).parents[1].rglob("*") if path.is_file()]


async def age(db: Database, store: FileStore, stored: Stored, days: int) -> None:
    when = time.time() - days * 86_400
    os.utime(store.path(stored.sha256), (when, when))
    async with db.transaction() as tx:
        await tx.driver.execute("UPDATE files SET created_at = now() - make_interval(days => $1)", days)
        await tx.driver.execute("UPDATE attachments SET created_at = now() - make_interval(days => $1)", days)


async def test_what_was_stored_is_read_back_and_the_same_bytes_lie_there_once(store: FileStore) -> None:
    one, two = await asyncio.gather(store.store(stream(b"ab", b"cd")), store.store_bytes(b"abcd"))
    assert one == two
    assert one.size == 4
    assert b"".join([piece async for piece in store.stream(one.sha256)]) == b"abcd"
    assert left_over(store) == [store.path(one.sha256)]
    empty = await store.store_bytes(b"")
    assert store.path(empty.sha256).read_bytes() == b""


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncio.CancelledError()])
async def test_a_broken_upload_leaves_nothing(store: FileStore, error: Exception) -> None:
    with pytest.raises(type(error)):
        await store.store(stream(b"half", error=error))
    with pytest.raises(TooLarge):
        await store.store(stream(*[b"x" * 300_000] * 4))
    with pytest.raises(TooLarge):
        await store.store_bytes(b"four", most=3)
    assert left_over(store) == []


async def test_a_broken_disk_is_said_loudly(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "files")
    (tmp_path / "files" / "tmp").rmdir()
    with pytest.raises(Unavailable):
        await store.store_bytes(b"abcd")


def test_what_is_gone_is_not_found(store: FileStore) -> None:
    with pytest.raises(NotFound):
        store.open(bytes(32))
    with pytest.raises(ValueError):
        store.path(b"../../etc/passwd")


async def test_the_sweep_takes_old_files_that_nothing_points_to(db: Database, store: FileStore) -> None:
    used = await upload(db, store, stream(b"used"), attachment_id=uuid4(), name="a", claimed="", uploader="agent:a")
    async with db.transaction() as tx:
        unused = await store.store_bytes(b"unused")
        await files.note(tx, [(unused.sha256, unused.size)])
    forgotten = await store.store_bytes(b"its writer died before it was noted")
    fresh = await store.store_bytes(b"somebody is about to note this")
    for stored in (used, unused, forgotten):
        await age(db, store, stored, 8)
    async with db.transaction() as tx:
        await tx.driver.execute("UPDATE attachments SET created_at = now()")

    assert await store.sweep(db) == 2
    assert {path.name for path in left_over(store)} == {used.sha256.hex(), fresh.sha256.hex()}

    await age(db, store, used, 8)
    assert await store.sweep(db) == 1, "an upload that no message took is forgotten too"
    async with db.transaction() as tx:
        assert await files.known(tx, [used.sha256, unused.sha256]) == set()


async def test_a_file_written_again_while_it_is_swept_stays(db: Database, store: FileStore) -> None:
    async with db.transaction() as tx:
        stored = await store.store_bytes(b"twice")
        await files.note(tx, [(stored.sha256, stored.size)])
    await age(db, store, stored, 8)
    async with db.transaction() as tx:
        assert await files.take_unreferenced(tx, 7) == [stored.sha256]
        await store.store_bytes(b"twice")
        assert store._remove([stored.sha256], 7) == 0
    assert store.path(stored.sha256).read_bytes() == b"twice"


async def test_what_a_killed_sweep_or_writer_left_is_put_right(db: Database, store: FileStore) -> None:
    async with db.transaction() as tx:
        stored = await store.store_bytes(b"needed")
        await files.note(tx, [(stored.sha256, stored.size)])
    root = store.path(stored.sha256).parents[1]
    store.path(stored.sha256).replace(root / "trash" / stored.sha256.hex())
    old = root / "tmp" / "deadbeef"
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    await store.sweep(db)
    assert left_over(store) == [store.path(stored.sha256)]


async def test_an_empty_upload_is_refused(db: Database, store: FileStore) -> None:
    with pytest.raises(Refused):
        await upload(db, store, stream(), attachment_id=uuid4(), name="a", claimed="", uploader="agent:a")


@pytest.mark.parametrize(
    ("head", "claimed", "kind"),
    [
        (PNG, "application/pdf", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
        (b"%PDF-1.7", "text/plain", "application/pdf"),
        (b"MZ\x90\0", "image/png", "application/x-msdownload"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "", "image/webp"),
        (b"\0\0\0\x20ftypheic", "image/jpeg", "image/heic"),
        (b"\0\0\0\x20ftypisom", "audio/mp4", "audio/mp4"),
        (
            b"PK\3\4....",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b"PK\3\4....", "image/png", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", "application/msword"),
        (b"<!-- hi --><SCRIPT>alert(1)</SCRIPT>", "text/plain", "text/html"),
        (b"<?xml version='1.0'?><svg onload='x'>", "image/png", "image/svg+xml"),
        ("строка;ещё\n".encode("cp1251"), "text/csv; charset=windows-1251", "text/csv"),
        (b"hello", "text/html", "text/plain"),
        (b"hello", "image/png", "text/plain"),
        (b"\1\2\3", "image/png", "application/octet-stream"),
        (b"\1\2\3", "application/x-own", "application/x-own"),
        (b"\1\2\3", 'x"\r\nSet-Cookie: a=b', "application/octet-stream"),
        (b"", "text/plain", "text/plain"),
    ],
)
def test_what_a_file_is_counts_not_what_is_claimed(head: bytes, claimed: str, kind: str) -> None:
    assert sniff(head, claimed) == kind


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\счёт.pdf", "счёт.pdf"),
        ("a\r\nb\0.txt", "ab.txt"),
        ("...", "file"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_name(name) == clean
