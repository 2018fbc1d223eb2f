"""PostgreSQL beside the desk: a real server in the data folder, for as long as this process lives.

`EmbeddedPostgres(folder)` makes a cluster at its first start, opens it to this machine's own user on
a Unix socket only (peer authentication, no TCP, no passwords), and ends with us: orderly by `stop`,
and by the kernel's signal when we are killed. One process at a time may open a folder.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy.engine import URL

from omnidesk.db import embedded_root as root
from omnidesk.db import embedded_setup as setup
from omnidesk.db.embedded_root import EmbeddedError, FolderInUse

__all__ = ["EmbeddedError", "EmbeddedPostgres", "FolderInUse", "address"]

RETRY_S = 10.0  # a server that refuses to start is tried again, e.g. while an old one is still leaving
READY_S = 300.0  # the longest recovery after a crash that we wait for
STOP_S = 30.0  # for the last checkpoint
_PR_SET_PDEATHSIG = 1  # prctl(2)
_POLL_S = 0.01
_locks: set[int] = set()  # descriptors of the folders that this process has open


class EmbeddedPostgres:
    """A PostgreSQL server of the desk in `folder`, the desk's data folder.

    `runtime` is the parent of the socket's folder; by default $XDG_RUNTIME_DIR, for root /run, else
    the data folder itself. `options` are server settings laid over ours. `start` and `stop` block (2 s for a new
    folder, else 0.2 s, longer after a crash): call them before the event loop runs and after it ended,
    or from a supervisor without one.
    """

    def __init__(self, folder: Path, *, runtime: Path | None = None, options: Mapping[str, str] | None = None) -> None:
        self._layout = setup.Layout(folder.expanduser().resolve())
        self._runtime = runtime
        self._options = dict(options or {})
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None

    @property
    def folder(self) -> Path:
        return self._layout.folder

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server is not None and self.alive() else None

    def start(self) -> str:
        """Start the server, unless it runs, and return the URL of the desk's database.

        Only from the main thread: the kernel ends the server with the thread that started it.
        Raises FolderInUse, and EmbeddedError saying why the server cannot run here.
        """
        if sys.platform != "linux":
            raise EmbeddedError("the embedded database needs Linux: set OMNIDESK_DATABASE_URL")
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("EmbeddedPostgres.start belongs in the main thread")
        if not self.alive():
            try:
                self._open()
            except (OSError, subprocess.SubprocessError) as error:
                self.stop()
                raise EmbeddedError(f"the database in {self.folder} cannot start: {error}") from error
            except BaseException:
                self.stop()
                raise
        return self.url()

    def stop(self, *, within_s: float = STOP_S) -> None:
        """End the server in an orderly way and let go of the folder; nothing happens when it is stopped.

        A last checkpoint that takes longer than `within_s` is left out: the next start then replays the log.
        """
        if self._server is not None:
            _end(self._server, within_s)
            self._server = None
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.rmdir()
            self._socket = None
        if self._lock in _locks:
            _locks.remove(self._lock)
            os.close(self._lock)
        self._lock = None

    def alive(self) -> bool:
        """Is the server's process there? A server that died may be started again."""
        return self._server is not None and self._server.poll() is None

    def url(self, database: str = setup.ROLE) -> str:
        """The URL of a database for the desk's role, which owns the database `omnidesk` and is no superuser."""
        return self._url(setup.ROLE, database)

    def admin_url(self, database: str = setup.SUPERUSER) -> str:
        """The URL of a database for the superuser: repairs, backups, and test-suites that make databases."""
        return self._url(setup.SUPERUSER, database)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _url(self, role: str, database: str) -> str:
        if self._socket is None:
            raise EmbeddedError("the embedded database is not running")
        url = URL.create("postgresql+asyncpg", role, database=database, query={"host": str(self._socket)})
        return url.render_as_string(hide_password=False)

    def _open(self) -> None:
        layout = self._layout
        root.own_name()
        setup.make_folders(layout)
        if self._lock is None:
            self._lock = _lock(layout.lock)
        user = root.server_user(layout.data)
        setup.open_to(user, layout)
        bin_folder = root.binaries(layout.top, user)
        if not layout.data.exists():
            setup.initialise(layout, user, bin_folder)
        _check_version(layout.data)
        deadline = time.monotonic() + RETRY_S
        while not self._try(user, bin_folder / "postgres", deadline):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL does not start: {_last_words(layout)}")
            time.sleep(0.1)

    def _try(self, user: root.ServerUser, program: Path, deadline: float) -> bool:
        """One try: is the server up now? False when it ended by itself, which may pass."""
        layout = self._layout
        _clear_pid_file(layout.data, deadline)
        self._socket = setup.socket_folder(layout, self._runtime, user)
        setup.write_config(layout, self._socket, self._options)
        with layout.start_log.open("wb") as words:
            self._server = subprocess.Popen(  # noqa: S603 - our own binary and arguments
                [str(program), "-D", str(layout.data), "-c", f"config_file={layout.config}"],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=root.ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for the desk, which then stops the server
                preexec_fn=_tied_to(os.getpid()),
                **root.as_user(user.uid, user),
            )
        return _ready(self._server, layout.data)


def address(folder: Path) -> str | None:
    """The URL of the desk's database in `folder`, for other processes than the one that runs it; it may be away.

    None where no server was ever started.
    """
    layout = setup.Layout(folder.expanduser().resolve())
    socket = setup.configured_socket(layout)
    if socket is None or not layout.data.exists():
        return None
    url = URL.create("postgresql+asyncpg", setup.ROLE, database=setup.ROLE, query={"host": str(socket)})
    return url.render_as_string(hide_password=False)


def _lock(path: Path) -> int:
    """Take the folder for this process. Raises FolderInUse with the holder's process id."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise FolderInUse(f"{path.parent} is open in another desk, process {holder}: stop that one first") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    _locks.add(lock)
    return lock


def _let_go() -> None:
    """In a forked child: a lock lasts until its last copy is closed, and ours must not outlive us."""
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_let_go)


def _tied_to(parent: int) -> Callable[[], None]:
    """What the child does between its change of user, which would undo it, and the server: end when `parent` ends."""
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)  # SIGINT: PostgreSQL's fast shutdown
        if os.getppid() != parent:  # died before the kernel was asked
            os._exit(1)

    return tie


def _check_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text(errors="replace").strip()
    except FileNotFoundError:
        found = ""
    if not found.isdigit():
        raise EmbeddedError(f"{data} is not a folder of PostgreSQL: put it aside, or restore it")
    if found != str(root.MAJOR):
        raise EmbeddedError(
            f"{data} is of PostgreSQL {found}, this program brings {root.MAJOR}: dump with the old one, restore here"
        )


def _clear_pid_file(data: Path, deadline: float) -> None:
    """Make way for a server in `data`, whose lock we hold.

    A pid file that is empty (power loss) or names a process that is something else by now (reused
    id) would keep PostgreSQL from starting for ever. A server that really is there has lost its desk and
    is about to end: it gets until `deadline`, then is told to end at once.
    """
    file = data / "postmaster.pid"
    pid = _pid_in(file)
    if pid is None or not _serves(pid, data):
        file.unlink(missing_ok=True)
        return
    if not _gone(pid, data, deadline):
        os.kill(pid, signal.SIGQUIT)
        if not _gone(pid, data, time.monotonic() + 5):
            raise EmbeddedError(f"an old server, process {pid}, does not leave {data}")


def _gone(pid: int, data: Path, deadline: float) -> bool:
    while _serves(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _pid_in(file: Path) -> int | None:
    try:
        first = file.read_bytes().split(b"\n", 1)[0]
        return abs(int(first)) or None  # negative: a single-user server
    except (FileNotFoundError, ValueError):
        return None


def _serves(pid: int, data: Path) -> bool:
    """Is process `pid` a PostgreSQL server in `data`? Its command line is readable by all, unlike its folder."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return arguments[0].endswith(b"postgres") and os.fsencode(data) in arguments


def _ready(server: subprocess.Popen[bytes], data: Path) -> bool:
    """Wait until the server takes connections, as `pg_ctl` does: line 8 of its pid file. False when it ended."""
    until = time.monotonic() + READY_S
    while server.poll() is None:
        with contextlib.suppress(OSError):
            lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
            if len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready":
                return True
        if time.monotonic() > until:
            raise EmbeddedError(f"PostgreSQL is not ready after {READY_S:.0f} s")
        time.sleep(_POLL_S)
    return False


def _end(server: subprocess.Popen[bytes], within_s: float) -> None:
    for order, wait_s in ((signal.SIGINT, within_s), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if server.poll() is not None:
            return
        server.send_signal(order)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(wait_s)


def _last_words(layout: setup.Layout) -> str:
    """Why the server went, in its own words; those of its start hold settings and paths, no data."""
    logs = [layout.start_log, *sorted(layout.log.glob("*.log"), key=lambda path: path.stat().st_mtime)]
    for log in reversed(logs):
        lines = [line for line in log.read_text(errors="replace").splitlines() if "FATAL" in line or "PANIC" in line]
        if lines:
            return f"{lines[-1]} (more in {layout.log})"
    return f"see {layout.log}"
