"""What the embedded server stands on: its folders, its cluster, its socket and its configuration."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from omnidesk.db.embedded_root import EmbeddedError, ServerUser, let_pass, may_enter, own_name, run

ROLE = "omnidesk"  # owns the database of the same name, is no superuser
SUPERUSER = "postgres"
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 107  # bytes; sun_path of unix(7) less its final zero


@dataclass(frozen=True)
class Layout:
    """Where things stand below `folder`, the desk's data folder.

    Only `data` and `log` belong to the server's user; what root writes later stands where that user
    cannot put a link in its way.
    """

    folder: Path

    @cached_property
    def top(self) -> Path:
        return self.folder / "database"

    @cached_property
    def data(self) -> Path:
        return self.top / "data"

    @cached_property
    def unfinished(self) -> Path:
        return self.top / "data.new"

    @cached_property
    def log(self) -> Path:
        return self.top / "log"

    @cached_property
    def start_log(self) -> Path:
        """What the server said before its own log was open."""
        return self.top / "start.log"

    @cached_property
    def lock(self) -> Path:
        return self.top / "lock"

    @cached_property
    def config(self) -> Path:
        return self.top / "postgresql.conf"

    @cached_property
    def hba(self) -> Path:
        return self.top / "pg_hba.conf"

    @cached_property
    def ident(self) -> Path:
        return self.top / "pg_ident.conf"


def make_folders(layout: Layout) -> None:
    """Make the desk's folder and ours in it, closed to others. Raises EmbeddedError."""
    try:
        layout.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        layout.top.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"cannot make the data folder {layout.top}: {error.strerror}") from None
    if layout.top.lstat().st_uid != os.geteuid():
        owner = layout.top.lstat().st_uid
        raise EmbeddedError(f"{layout.top} belongs to user {owner}: start the desk as that user")


def open_to(user: ServerUser, layout: Layout) -> None:
    """Let the server's user, nobody else, pass through our two folders. Raises EmbeddedError naming a closed parent."""
    layout.log.mkdir(mode=0o700, exist_ok=True)
    if not user.switched:
        return
    os.chown(layout.log, user.uid, user.gid, follow_symlinks=False)
    for folder in (layout.top, layout.folder):
        if not may_enter(folder, user):
            let_pass(folder, user)
    closed = next((parent for parent in layout.folder.parents if not may_enter(parent, user)), None)
    if closed is not None:
        raise EmbeddedError(
            f"the database of a desk started by root runs as user {user.uid}, which cannot enter {closed}: "
            "choose another OMNIDESK_DATA_DIR (default /var/lib/omnidesk), or start the desk as another user"
        )


def initialise(layout: Layout, user: ServerUser, bin_folder: Path) -> None:
    """Make the cluster, the role and the database; appears as `data` only when it is complete.

    Raises EmbeddedError with the last words of the program that failed.
    """
    new = layout.unfinished
    if new.exists():
        shutil.rmtree(new)  # left by a start that was interrupted
    new.mkdir(mode=0o700)
    if user.switched:
        os.chown(new, user.initdb_uid, user.gid)
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    locale.append("--lc-ctype=C.UTF-8")  # text search asks the C library: with plain C, «заказ» keeps its quotes
    auth = ["--auth=peer", f"--username={SUPERUSER}", "--data-checksums", "--no-instructions", "--no-sync"]
    _must(run(user.initdb_uid, user, [str(bin_folder / "initdb"), f"--pgdata={new}", *locale, *auth]), "initdb")
    single = [str(bin_folder / "postgres"), "--single", "-D", str(new), "-c", "log_min_messages=error", "postgres"]
    sql = f"CREATE ROLE {ROLE} LOGIN\nCREATE DATABASE {ROLE} OWNER {ROLE}\n"
    made = run(user.initdb_uid, user, single, stdin=sql)
    if "ERROR" in made.stderr:
        raise EmbeddedError(f"making the database failed: {_last_line(made.stderr)}")
    _must(made, "making the database")
    _must(run(user.initdb_uid, user, [str(bin_folder / "initdb"), "--sync-only", f"--pgdata={new}"]), "initdb")
    if user.switched:
        for path in (new, *new.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
    new.rename(layout.data)
    top = os.open(layout.top, os.O_RDONLY)
    os.fsync(top)
    os.close(top)


def _must(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode != 0:
        raise EmbeddedError(f"{what} failed: {_last_line(done.stderr) or _last_line(done.stdout)}")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")


def socket_folder(layout: Layout, runtime: Path | None, user: ServerUser) -> Path:
    """A 0700 folder of the server's user for its socket alone, emptied; made where the path is short enough.

    Below `runtime` when given, else $XDG_RUNTIME_DIR (for root: /run), else the data folder.
    Raises EmbeddedError when none of them will do.
    """
    name = f"omnidesk-{blake2b(os.fsencode(layout.folder), digest_size=6).hexdigest()}"
    tried = []
    for parent, below in _runtime_parents(runtime, layout, name):
        path = parent / below
        if len(os.fsencode(path / SOCKET)) > LONGEST_SOCKET or set(str(path)) & set(",:\n"):
            tried.append(f"{path} (too long, or with a comma or colon)")
            continue
        try:
            _make_socket_folder(path, user)
        except OSError as error:
            tried.append(f"{path} ({error.strerror})")
            continue
        return path
    raise EmbeddedError(f"no place for the database's socket; tried {', '.join(tried)}: set XDG_RUNTIME_DIR")


def _runtime_parents(runtime: Path | None, layout: Layout, name: str) -> Iterator[tuple[Path, str]]:
    if runtime is not None:
        yield runtime.resolve(), name
        return
    home = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.geteuid() == 0:
        yield Path("/run"), name
    elif home.startswith("/"):
        yield Path(home), name
    yield layout.top, "run"


def _make_socket_folder(path: Path, user: ServerUser) -> None:
    """Make or reuse `path`. Raises OSError when it is not a folder of ours, or stands where others may write."""
    around = path.parent.stat()
    if around.st_uid not in {0, os.geteuid()} or around.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(1, "others may write around it")
    path.mkdir(mode=0o700, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in {os.geteuid(), user.uid}:
        raise PermissionError(1, "belongs to another user")
    path.chmod(0o700)
    os.chown(path, user.uid, user.gid)
    for left in path.iterdir():  # the lock of a socket may name a process id that is somebody else's by now
        left.unlink()


def write_config(layout: Layout, run_folder: Path, options: Mapping[str, str]) -> None:
    """Write the server's three configuration files anew; `options` are laid over ours."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{run_folder}"',
        "unix_socket_permissions": "0700",
        "hba_file": str(layout.hba),
        "ident_file": str(layout.ident),
        "max_connections": "100",
        "shared_buffers": f"{_shared_buffers_mb()}MB",
        "max_wal_size": "1GB",
        "jit": "off",
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "logging_collector": "on",
        "log_directory": str(layout.log),
        "log_filename": "postgresql-%a.log",  # a week of days, each overwritten when it comes round again
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_line_prefix": "%m [%p] ",
        # Nothing that customers wrote may reach the log: no statements, no values, no errors of queries.
        "log_min_messages": "log",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "off",
    } | dict(options)
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    _write(layout.config, ["# Written at every start. Settings of your own: ALTER SYSTEM.", *lines])
    _write(layout.hba, ["# Written at every start.", "local all all peer map=desk"])
    name = own_name()
    _write(layout.ident, [f'desk "{name}" {role}' for role in (ROLE, SUPERUSER)])


def configured_socket(layout: Layout) -> Path | None:
    """The folder of the socket, as the last start chose it."""
    name = "unix_socket_directories = "
    try:
        lines = layout.config.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    value = next((line.removeprefix(name) for line in lines if line.startswith(name)), "")
    text = value[1:-1].replace("''", "'").replace("\\\\", "\\").strip('"')
    return Path(text) if text else None


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o644)  # the folder around it is closed


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _shared_buffers_mb() -> int:
    """A sixteenth of the memory we may use, 32 to 512 MB: a desk shares its machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's share, cgroup v2; the word `max` means none
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        memory = min(memory, int(text))
    return max(32, min(512, memory // 16 // 2**20))
