"""The command line. What goes wrong is one line on stderr, and an exit code: 1 trouble, 2 a wrong word of the user."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import structlog
import typer

from omnidesk import logs
from omnidesk.config import Settings, SettingsError, load_settings
from omnidesk.domain import ids
from omnidesk.domain.errors import DeskError, Unavailable
from omnidesk.domain.people import SCOPES, SYSTEM, Role

if TYPE_CHECKING:
    from omnidesk import process
    from omnidesk.app import Desk

T = TypeVar("T")

cli = typer.Typer(
    name="omnidesk",
    help="An async omnichannel support desk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
admin = typer.Typer(help="Agents, and links that sign them in.", no_args_is_help=True)
parked = typer.Typer(help="The journal of what came in, and what is parked.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
config = typer.Typer(help="The desk's configuration as a TOML file.", no_args_is_help=True)
cli.add_typer(admin, name="admin")
cli.add_typer(parked, name="arrivals")
cli.add_typer(keys, name="keys")
cli.add_typer(config, name="config")


def main() -> None:
    """The program `omnidesk`."""
    sys.exit(_guarded(cli))


def _guarded(work: Callable[[], object]) -> int:
    """Do it; the exit code. Whatever goes wrong is told in a line, without what it was about."""
    try:
        work()
    except SettingsError as error:
        return _trouble(error.message, 2)
    except DeskError as error:
        return _trouble(error.message, 1)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            return _trouble(f"{error.strerror}: {error.filename}", 1)
        if type(error).__name__ == "CannotDecrypt":
            words = f"the secret key does not open what is stored ({error})"
        elif _of_database(error):
            words = f"trouble with the database: {logs.describe(error)}"
        else:
            structlog.get_logger("omnidesk").critical("died of an error that nobody expected", exc_info=error)
            return 70
        return _trouble(f"{words}; `omnidesk doctor` says more", 1)
    return 0


def _trouble(words: str, code: int) -> int:
    print(f"omnidesk: {words}", file=sys.stderr)
    return code


def _of_database(error: Exception) -> bool:
    from omnidesk.db.session import AWAY, root_cause

    cause = root_cause(error)
    return isinstance(cause, AWAY) or type(cause).__module__.startswith("asyncpg")


def _settings(*, quiet: bool = False) -> Settings:
    """The settings, and logging as they say; `quiet` is for commands that print what they find."""
    settings = load_settings()
    quiet &= settings.log_level != "debug"
    logs.configure(settings.log_format, "warning" if quiet else settings.log_level)
    return settings


# --- running --------------------------------------------------------------------------------------


@cli.command()
def up(
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Worker processes; default: OMNIDESK_WORKERS")
    ] = None,
) -> None:
    """Run a whole desk: its database if it has none, the API with the doors for mail, and workers."""
    from omnidesk import app
    from omnidesk.db.embedded import EmbeddedPostgres
    from omnidesk.founding import prepare
    from omnidesk.ports import answers, check_free, reachable
    from omnidesk.supervise import Supervisor

    settings = _settings()
    count = workers or settings.workers
    check_free(settings)
    server = EmbeddedPostgres(settings.data_dir, options=_room_for(count)) if settings.embedded else None
    try:
        if server is not None:
            server.start()
        link = asyncio.run(prepare(settings, app.direct_url(settings)))
        mains: dict[str, Callable[[], int]] = {"api": _process(lambda stop: app.serve(settings, stop))}
        mains |= {f"worker-{n}": _process(lambda stop: app.work(settings, stop)) for n in range(1, count + 1)}
        Supervisor(mains, server).run(
            ready=lambda: answers(reachable(settings.host), settings.port),
            on_ready=lambda: _greet(settings, link),
        )
    finally:
        if server is not None:
            server.stop()


def _process(main: "process.Main") -> Callable[[], int]:
    """A process of the desk, as the supervisor starts it."""
    from omnidesk import process

    return lambda: _guarded(lambda: process.run(main))


def _room_for(workers: int) -> dict[str, str]:
    """Connections for so many processes, each with its pools at their largest, and some for people."""
    return {"max_connections": str(max(100, 25 * (workers + 1) + 20))}


def _greet(settings: Settings, link: str | None) -> None:
    print(f"Omnidesk is ready at {settings.public_url} (API: {settings.public_url}/docs)")
    for protocol, port in (("LMTP", settings.lmtp_port), ("SMTP", settings.smtp_port)):
        if port:
            print(f"Mail is taken by {protocol} at {settings.mail_host}, port {port}")
    if link:
        print(f"There is no administrator yet. Become one within a day: {link}")
    print("Ctrl-C ends it.", flush=True)


@cli.command()
def demo(
    port: Annotated[int, typer.Option(help="Of the pages and the API; the mail ports lie 24 to 26 above it")] = 8000,
    folder: Annotated[Path | None, typer.Option(help="Where to keep it; default: thrown away at the end")] = None,
    seed: Annotated[int, typer.Option(help="The same seed brings the same customers")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="Ten times as fast")] = False,
    seconds: Annotated[float | None, typer.Option(min=1, help="How long; default: until Ctrl-C")] = None,
) -> None:
    """Run a desk with simulated customers and agents; real desks are left alone, whatever the settings say."""
    from omnidesk import demo as play

    play.run(play.Wishes(port=port, folder=folder, seed=seed, fast=fast, seconds=seconds), _process)


@cli.command()
def serve() -> None:
    """Run one API process, with the doors for mail."""
    from omnidesk import app, process

    settings = _settings()
    app.database_url(settings)
    process.run(lambda stop: app.serve(settings, stop))


@cli.command()
def work() -> None:
    """Run one worker process."""
    from omnidesk import app, process

    settings = _settings()
    app.database_url(settings)
    process.run(lambda stop: app.work(settings, stop))


@cli.command()
def migrate(
    to: Annotated[str, typer.Option(help="A revision to go up or down to; `base` empties the database")] = "head",
) -> None:
    """Bring the database's schema to a revision, the newest by default, and found the desk."""
    from omnidesk.app import direct_url
    from omnidesk.db import migrate as migrations
    from omnidesk.founding import prepare

    settings = _settings()
    if to not in {"head", "base"} and to not in migrations.revisions():
        raise SettingsError(f"there is no revision {to}; there are {', '.join(migrations.revisions())}")
    with _database(settings, make=True):
        url = direct_url(settings)
        if to == "head":
            asyncio.run(prepare(settings, url))
        else:
            asyncio.run(migrations.migrate(url, to))
        print(f"The schema is at {asyncio.run(migrations.current(url)) or 'nothing'}.")


@cli.command()
def doctor() -> None:
    """Try every part of the desk, and say what to do; exit code 1 when something needs somebody."""
    from omnidesk.db.embedded import EmbeddedError
    from omnidesk.doctor import Finding, examine

    settings = _settings(quiet=True)

    async def look(running: bool) -> bool:
        bad = False
        async for finding in examine(settings, running=running):
            print(finding, flush=True)
            bad |= finding.level == "bad"
        return bad

    try:
        with _database(settings) as at_work:
            bad = asyncio.run(look(at_work))
    except EmbeddedError as error:
        print(Finding("bad", "database", error.message))
        bad = True
    raise typer.Exit(1 if bad else 0)


@cli.command()
def version() -> None:
    """Say which version this is."""
    print(f"omnidesk {installed('omnidesk')}")


# --- one desk for one command ---------------------------------------------------------------------


@contextmanager
def _database(settings: Settings, *, make: bool = False) -> Iterator[bool]:
    """Within the block the desk's database answers; an embedded one that is not running is started for it.

    Gives whether `omnidesk up` runs it. Raises SettingsError where there is none, unless it is to be made.
    """
    from omnidesk.app import database_url
    from omnidesk.db.embedded import EmbeddedPostgres, FolderInUse

    if not (make and settings.embedded):
        database_url(settings)
    if not settings.embedded:
        yield False
        return
    server, at_work = EmbeddedPostgres(settings.data_dir), False
    try:
        server.start()
    except FolderInUse:
        at_work = True
    try:
        yield at_work
    finally:
        server.stop()


def _do(work: Callable[["Desk"], Awaitable[T]]) -> T:
    """Do one thing with the parts of the desk."""
    from omnidesk.app import open_desk

    settings = _settings(quiet=True)

    async def done() -> T:
        desk = open_desk(settings)
        try:
            return await work(desk)
        finally:
            await desk.close()

    with _database(settings):
        return asyncio.run(done())


def _id(noun: str, text: str) -> UUID:
    try:
        return ids.decode(noun, text.strip())
    except ValueError:
        raise SettingsError(f"{text!r} names no {noun}: an id is {ids.PREFIXES[noun]}_ and 26 characters") from None


# --- agents and links -----------------------------------------------------------------------------

Email = Annotated[str, typer.Argument(help="The agent's e-mail address")]


@admin.command()
def link(email: Annotated[str | None, typer.Argument(help="Whose; default: the only administrator's")] = None) -> None:
    """Make a new one-time link that signs an administrator in, or makes the first one."""
    from omnidesk import founding

    print(_do(lambda desk: founding.administrators_link(desk.settings, desk.db, email)))


@admin.command("create-agent")
def create_agent(
    email: Email,
    name: Annotated[str, typer.Option(help="As customers and colleagues see it")],
    role: Annotated[Role, typer.Option()] = Role.AGENT,
    language: Annotated[str, typer.Option(help="ru or en")] = "ru",
) -> None:
    """Make an agent, and the link by which he signs in first."""
    from omnidesk import founding

    if "@" not in email or language not in {"ru", "en"}:
        raise SettingsError("an agent has an e-mail address, and speaks ru or en")
    print(_do(lambda desk: founding.agent(desk.settings, desk.db, email, name=name, role=role, language=language)))


@admin.command("reset-password")
def reset_password(email: Email) -> None:
    """End an agent's sessions and password now, and make the link by which he sets a new one."""
    from omnidesk import founding

    print(_do(lambda desk: founding.reset(desk.settings, desk.db, email)))


# --- arrivals -------------------------------------------------------------------------------------

STATES = ("failed", "unreadable", "held")


@parked.command("list")
def list_arrivals(
    state: Annotated[str | None, typer.Option(help="failed, unreadable or held; default: all of them")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """List what is parked, newest first."""
    from omnidesk.db import arrivals

    if state is not None and state not in STATES:
        raise SettingsError(f"--state is one of {', '.join(STATES)}")

    async def read(desk: "Desk") -> list[arrivals.Journal]:
        async with desk.db.connection() as tx:
            return await arrivals.parked(tx, states=[state] if state else STATES, limit=limit)

    for one in _do(read):
        why = one.error or one.reason or ""
        name, inbox = ids.encode("arrival", one.id), ids.encode("inbox", one.inbox_id)
        print(f"{name}  {one.state:<10}  {one.received_at:%Y-%m-%d %H:%M:%S}  {inbox}  {one.size} bytes  {why}")


Arrivals = Annotated[list[str] | None, typer.Argument(help="Ids, arr_…")]


@parked.command()
def retry(
    arrival: Arrivals = None, every: Annotated[bool, typer.Option("--all", help="All that are parked so")] = False
) -> None:
    """Read failed or unreadable arrivals again."""
    from omnidesk.db import arrivals as rows
    from omnidesk.desk import arrivals

    if bool(arrival) == every:
        raise SettingsError("name arrivals, or say --all")
    wanted = [_id("arrival", each) for each in arrival or []]

    async def again(desk: "Desk") -> int:
        if every:
            async with desk.db.transaction() as tx:
                return await rows.retry(tx)
        for each in wanted:
            await arrivals.retry(desk.db, each, SYSTEM)
        return len(wanted)

    print(f"{_do(again)} will be read again.")


@parked.command()
def release(arrival: Annotated[list[str], typer.Argument(help="Ids, arr_…")]) -> None:
    """Let held arrivals through as if they came now, without acknowledgement."""
    from omnidesk.desk import arrivals

    wanted = [_id("arrival", each) for each in arrival]

    async def through(desk: "Desk") -> None:
        for each in wanted:
            await arrivals.release(desk.db, each, SYSTEM)

    _do(through)
    print(f"{len(wanted)} will be read.")


@parked.command()
def show(
    arrival: Annotated[str, typer.Argument(help="Its id, arr_…")],
    body: Annotated[bool, typer.Option("--body", help="Write the body, exactly as it came, to stdout")] = False,
) -> None:
    """Show what is known of an arrival; what was written only with --body."""
    from omnidesk.desk import arrivals

    arrival_id = _id("arrival", arrival)
    journal, came = _do(lambda desk: arrivals.opened(desk.db, desk.vault, arrival_id))
    if body:
        if came is None:
            raise SettingsError("its body is gone: bodies of finished arrivals are kept for a week")
        sys.stdout.buffer.write(came.body)
        return
    facts: dict[str, Any] = {
        "id": ids.encode("arrival", journal.id),
        "inbox": ids.encode("inbox", journal.inbox_id),
        "state": journal.state,
        "why": journal.error or journal.reason,
        "attempts": journal.attempts,
        "received": journal.received_at.isoformat(),
        "done": journal.done_at.isoformat() if journal.done_at else None,
        "ticket": ids.encode("ticket", journal.ticket_id) if journal.ticket_id else None,
        "bytes": journal.size,
    }
    facts |= {f"meta.{name}": value for name, value in (came.meta.items() if came else ())}
    for name, value in facts.items():
        print(f"{name:<16}{'' if value is None else value}")


@parked.command()
def backfill(
    inbox: Annotated[str, typer.Argument(help="Its id, inb_…")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day, as the mail server dates mail")],
) -> None:
    """Bring older mail of an inbox that fetches; it is not acknowledged, and what is known falls away."""
    from omnidesk.channels.base import ChannelError
    from omnidesk.desk import arrivals

    inbox_id, now = _id("inbox", inbox), datetime.now(UTC)

    async def older(desk: "Desk") -> int:
        try:
            return await arrivals.backfill(desk.db, desk.channels, desk.vault, inbox_id, since.date(), SYSTEM, now=now)
        except ChannelError as error:
            raise Unavailable(str(error)) from None

    print(f"{_do(older)} had not come before.")


# --- API keys -------------------------------------------------------------------------------------


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for")],
    scope: Annotated[list[str], typer.Option(help="May be given several times; `all` for every one")],
    days: Annotated[int | None, typer.Option(min=1, help="How long it is valid; default: until it is revoked")] = None,
) -> None:
    """Make an API key; its secret is shown this once."""
    from omnidesk.desk import access
    from omnidesk.desk.new_ids import new_id

    scopes = set(SCOPES) if "all" in scope else set(scope)
    if unknown := sorted(scopes - set(SCOPES)):
        raise SettingsError(f"there is no scope {unknown[0]}; there are {', '.join(SCOPES)}")
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days) if days else None
    wish = access.KeyWish(name=name, scopes=frozenset(scopes), expires_at=expires_at)
    key, secret = _do(lambda desk: access.create_key(desk.db, new_id(now), wish, SYSTEM, now=now))
    print(f"{ids.encode('key', key.id)}\n{secret}")


@keys.command("list")
def list_keys(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100) -> None:
    """List API keys, newest first."""
    from omnidesk.db import access as rows

    async def read(desk: "Desk") -> list[rows.Key]:
        async with desk.db.connection() as tx:
            return await rows.keys(tx, agent_id=None, before=None, limit=limit)

    now = datetime.now(UTC)
    for key in _do(read):
        over = key.expires_at is not None and key.expires_at <= now
        state = "revoked" if key.revoked_at else "expired" if over else "valid"
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
        print(f"{ids.encode('key', key.id)}  {state:<8}  {used:<10}  {key.name}  {' '.join(key.scopes)}")


@keys.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="Its id, key_…")]) -> None:
    """Revoke an API key: within two seconds nobody accepts it any more."""
    from omnidesk.desk import access

    key_id = _id("key", key)
    _do(lambda desk: access.revoke_key(desk.db, key_id, SYSTEM, version=None, now=datetime.now(UTC)))
    print("Revoked.")


# --- configuration --------------------------------------------------------------------------------

ConfigFile = Annotated[typer.FileText, typer.Argument(encoding="utf-8", help="A TOML file; - reads what is piped in")]


@config.command("export")
def export_config() -> None:
    """Write policy, calendars, queues and agents as TOML."""
    from omnidesk.desk import config_file

    async def written(desk: "Desk") -> str:
        async with desk.db.connection() as tx:
            return config_file.dump(await config_file.export(tx))

    print(_do(written), end="")


@config.command("plan")
def plan_config(file: ConfigFile) -> None:
    """Show what putting a file in force would change, and change nothing."""
    from omnidesk.desk import config_file

    text = file.read()
    changes = _do(lambda desk: config_file.plan(desk.db, text, SYSTEM, now=datetime.now(UTC)))
    print("\n".join(changes) or "Nothing would change.")


@config.command("apply")
def apply_config(file: ConfigFile) -> None:
    """Put a file in force, all of it or nothing; what it does not name stays as it is."""
    from omnidesk.desk import config_file

    text = file.read()
    changes = _do(lambda desk: config_file.apply(desk.db, text, SYSTEM, now=datetime.now(UTC)))
    print("\n".join(changes) or "Nothing changed.")


if __name__ == "__main__":
    main()
