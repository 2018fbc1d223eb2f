"""`omnidesk doctor`: tries every part of the desk, and says of each trouble what to do about it."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from omnidesk.app import Desk, direct_url, open_desk
from omnidesk.channels import base
from omnidesk.config import Settings
from omnidesk.db import arrivals, checks, figures, inboxes, webhooks
from omnidesk.db.migrate import current, head
from omnidesk.db.session import Tx, is_away
from omnidesk.desk.inboxes import Opened
from omnidesk.desk.planner import LEASE as PLANNER
from omnidesk.desk.vault import CannotDecrypt
from omnidesk.domain import ids
from omnidesk.logs import describe
from omnidesk.ports import answers, mail_ports, reachable

OLDEST = 150_000  # of PostgreSQL
SKEW_S, WIDE_SKEW_S = 1.0, 30.0
LITTLE_DISK, NO_DISK = 2 * 2**30, 200 * 2**20  # bytes
PATIENCE_S = 10.0
LATE_S = 60.0
REJECTED_DAYS = 7
SEALED = 20  # bodies that are opened

Level = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a part; `bad` needs somebody, `advice` says what he may do."""

    level: Level
    part: str
    words: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5}{self.part:<13}{self.words}" + (f"\n{'':<18}-> {self.advice}" if self.advice else "")


async def examine(settings: Settings, *, running: bool) -> AsyncIterator[Finding]:
    """Findings of every part, as they come; `running`: the desk is at work on this machine."""
    for finding in (*_disk(settings), *_files(settings)):
        yield finding
    async for finding in _ports(settings, running=running):
        yield finding
    desk = open_desk(settings)
    try:
        async for finding in _database(desk):
            yield finding
            if finding.level == "bad":
                return  # nothing behind it can be asked
        for examined in (_secrets, _inboxes, _parked, _calls, _webhooks):
            async for finding in examined(desk):
                yield finding
        async for finding in _loops(desk, running=running):
            yield finding
    finally:
        await desk.close()


# --- this machine ---------------------------------------------------------------------------------


def _disk(settings: Settings) -> Iterator[Finding]:
    disks: dict[int, tuple[Path, Path]] = {}
    for folder in (settings.data_dir, settings.files_dir):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        disks.setdefault(there.stat().st_dev, (folder, there))
    for folder, there in disks.values():
        free = shutil.disk_usage(there).free
        level: Level = "bad" if free < NO_DISK else "note" if free < LITTLE_DISK else "ok"
        advice = "" if level == "ok" else "make room, or move the folder to a larger disk"
        yield Finding(level, "disk", f"{free / 2**30:.1f} GiB free for {folder}", advice)


def _files(settings: Settings) -> Iterator[Finding]:
    folder = settings.files_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Finding("bad", "files", f"cannot write into {folder}: {error.strerror}", _owner(folder))
    else:
        yield Finding("ok", "files", f"{folder} can be written")


def _owner(folder: Path) -> str:
    return f"let the user of the desk write into {folder}, or set OMNIDESK_FILES_DIR"


async def _ports(settings: Settings, *, running: bool) -> AsyncIterator[Finding]:
    yield await _port("http", settings.host, settings.port, answers, "PORT", running=running)
    for protocol, port in mail_ports(settings).items():
        yield await _port(protocol, settings.mail_host, port, _is_our_mail, f"{protocol.upper()}_PORT", running=running)


async def _port(
    part: str, host: str, port: int, is_ours: Callable[[str, int], object], setting: str, *, running: bool
) -> Finding:
    where = f"port {port} at {host}"
    try:
        with socket.create_connection((reachable(host), port), timeout=2):
            pass
    except OSError:
        if running:
            return Finding("bad", part, f"nothing answers at {where}", "look into the log of `omnidesk up` or `serve`")
        return Finding("ok", part, f"{where} is free")
    if await asyncio.to_thread(is_ours, reachable(host), port):
        return Finding("ok", part, f"the desk answers at {where}")
    return Finding("bad", part, f"another program has {where}", f"stop it, or set OMNIDESK_{setting}")


def _is_our_mail(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=3) as connection:
            greeting = connection.recv(200)
    except OSError:
        return False
    return greeting.startswith(b"220 ") and greeting.rstrip().endswith(b" mail")


# --- the database ---------------------------------------------------------------------------------


async def _database(desk: Desk) -> AsyncIterator[Finding]:
    try:
        async with asyncio.timeout(PATIENCE_S), desk.db.connection() as tx:
            asked = datetime.now(UTC)
            server = await checks.server(tx)
            answered = datetime.now(UTC)
        revision = await current(direct_url(desk.settings))
    except Exception as error:
        words = "it does not answer" if is_away(error) else "it refuses us"
        advice = "start it, or check OMNIDESK_DATABASE_URL" if desk.settings.database_url else "see its log"
        yield Finding("bad", "database", f"{words}: {describe(error)}", advice)
        return
    yield _server(server)
    yield _schema(revision)
    yield _clock((server.now - (asked + (answered - asked) / 2)).total_seconds())


def _server(server: checks.Server) -> Finding:
    words = f"PostgreSQL {server.version}, {server.encoding}, {server.size / 2**20:.0f} MiB"
    if server.version_num < OLDEST:
        return Finding("bad", "database", words, "the desk needs PostgreSQL 15 or newer")
    if server.encoding != "UTF8":
        return Finding("bad", "database", words, "make a database with ENCODING 'UTF8' and move the desk there")
    if server.read_only:
        return Finding("bad", "database", f"{words}, read only", "point OMNIDESK_DATABASE_URL at the primary server")
    return Finding("ok", "database", words)


def _schema(revision: str | None) -> Finding:
    if revision == head():
        return Finding("ok", "schema", f"at {revision}, the newest")
    advice = "run `omnidesk migrate`; if the database is newer than this program, update the program"
    return Finding("bad", "schema", f"at {revision or 'nothing'}, this program wants {head()}", advice)


def _clock(skew_s: float) -> Finding:
    words = f"{abs(skew_s):.1f} s {'behind' if skew_s > 0 else 'ahead of'} the database's"
    level: Level = "bad" if abs(skew_s) > WIDE_SKEW_S else "note" if abs(skew_s) > SKEW_S else "ok"
    return Finding(level, "clock", words, "" if level == "ok" else "set both machines by NTP")


# --- the desk -------------------------------------------------------------------------------------


async def _secrets(desk: Desk) -> AsyncIterator[Finding]:
    async with desk.db.connection() as tx:
        rows, bodies = await _sealed(tx)
    closed = 0
    for purpose, sealed in [*(("inbox", row) for row in rows), *(("arrival", body) for body in bodies)]:
        try:
            desk.vault.decrypt(sealed, purpose)
        except CannotDecrypt:
            closed += 1
    if closed:
        words = f"{closed} of {len(rows) + len(bodies)} stored secrets and bodies do not open"
        yield Finding("bad", "secret key", words, "add the former key behind the new one: OMNIDESK_SECRET_KEY=new,old")
    else:
        yield Finding("ok", "secret key", f"opens all of {len(rows) + len(bodies)} stored secrets and bodies")


async def _sealed(tx: Tx) -> tuple[list[bytes], list[bytes]]:
    rows = [inbox.secrets for inbox in await inboxes.every(tx) if inbox.secrets]
    return rows, await checks.sealed_bodies(tx, SEALED)


async def _inboxes(desk: Desk) -> AsyncIterator[Finding]:
    try:
        opened = await desk.channels.every()
    except CannotDecrypt:
        return  # told with the secret key
    if not opened:
        yield Finding("note", "inboxes", "there are none yet", "make one: POST /v1/inboxes, or in the console")
    for finding in await asyncio.gather(*(_inbox(one) for one in opened)):
        yield finding


async def _inbox(opened: Opened) -> Finding:
    inbox, part = opened.inbox, "inbox"
    name = f"{inbox.name} ({inbox.channel})"
    if inbox.paused_at:
        return Finding("note", part, f"{name} is paused since {inbox.paused_at:%Y-%m-%d %H:%M} UTC")
    if isinstance(opened.channel, base.Checked):
        try:
            async with asyncio.timeout(PATIENCE_S):
                await opened.channel.check()
        except base.NeedsReauth as error:
            return Finding("bad", part, f"{name}: {error}", "type in its credentials anew")
        except Exception as error:
            words = str(error) if isinstance(error, base.ChannelError) else describe(error)
            return Finding("bad", part, f"{name} cannot sign in: {words}", "check its host, port and encryption")
    for direction, state, why in (
        ("receive", inbox.receive_state, inbox.receive_error),
        ("send", inbox.send_state, inbox.send_error),
    ):
        if state == "needs_reauth":
            return Finding("bad", part, f"{name} cannot {direction}: {why}", "type in its credentials anew")
        if state != "ok":
            return Finding("bad", part, f"{name} cannot {direction}: {why}", "it is tried again by itself")
    tried = ", signs in" if isinstance(opened.channel, base.Checked) else ""
    return Finding("ok", part, f"{name} works{tried}")


async def _parked(desk: Desk) -> AsyncIterator[Finding]:
    async with desk.db.connection() as tx:
        counts = await arrivals.counts(tx)
    for state, advice in (
        ("failed", "`omnidesk arrivals list --state failed`, then `arrivals retry`"),
        ("unreadable", "`omnidesk arrivals list --state unreadable`; after an update, `arrivals retry`"),
        ("held", "`omnidesk arrivals list --state held`, then `arrivals release`"),
    ):
        if counts[state]:
            yield Finding("note", "arrivals", f"{counts[state]} {state}", advice)
    if not any(counts[state] for state in ("failed", "unreadable", "held")):
        yield Finding("ok", "arrivals", f"none parked, {counts['new']} waiting")


async def _calls(desk: Desk) -> AsyncIterator[Finding]:
    async with desk.db.connection() as tx:
        counts = await checks.failed_calls(tx, REJECTED_DAYS)
    if counts["unknown"]:
        advice = "an agent decides in each ticket: send again, or mark as arrived"
        yield Finding("note", "sending", f"{counts['unknown']} messages of which nobody knows if they left", advice)
    if counts["rejected"]:
        words = f"{counts['rejected']} refused within {REJECTED_DAYS} days"
        yield Finding("note", "sending", words, "their tickets ask for attention and say why")
    if not any(counts.values()):
        yield Finding("ok", "sending", "nothing refused or in doubt")


async def _webhooks(desk: Desk) -> AsyncIterator[Finding]:
    async with desk.db.connection() as tx:
        troubled = await webhooks.troubled(tx)
    for one in troubled:
        name = f"{ids.encode('webhook', one.id)} ({one.description or urlsplit(one.url).hostname})"
        why = f": {one.last_error}" if one.last_error else ""
        if one.disabled_at:
            reason = {"gone": "its receiver is gone (410)", "owner_gone": "its owner is gone"}.get(
                one.disabled_reason or "", f"it failed for five days{why}"
            )
            advice = (
                f'mend it, then PATCH /v1/webhooks/{ids.encode("webhook", one.id)} {{"enabled": true}}, or delete it'
            )
            yield Finding("bad", "webhooks", f"{name} was switched off: {reason}", advice)
        elif one.failing_since:
            words = f"{name} fails since {one.failing_since:%Y-%m-%d %H:%M} UTC{why}"
            yield Finding("note", "webhooks", words, "it is tried again by itself, and switched off after five days")
    if not troubled:
        yield Finding("ok", "webhooks", "none fails")


async def _loops(desk: Desk, *, running: bool) -> AsyncIterator[Finding]:
    async with desk.db.connection() as tx:
        found, planning = await figures.read(tx), await checks.held(tx, PLANNER)
    if not planning:
        level: Level = "bad" if running else "note"
        yield Finding(level, "worker", "no worker process is at work", "start one: `omnidesk up`, or `omnidesk work`")
    late = {
        "arrivals wait to be read": found["arrivals_oldest_seconds"][""],
        "messages wait to be sent": found["outbox_oldest_seconds"][""],
        "timers are late": found["timers_late_seconds"][""],
    }
    for words, seconds in late.items():
        if seconds > LATE_S:
            advice = "look into the worker's log; if it is busy, start another one" if running else "start the desk"
            yield Finding("bad" if running else "note", "worker", f"{words}: {seconds:.0f} s", advice)
    if planning and all(seconds <= LATE_S for seconds in late.values()):
        yield Finding("ok", "worker", "nothing is late")
