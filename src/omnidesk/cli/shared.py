"""What the commands share: settings, one desk for one command, and trouble told in a line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import structlog

from omnidesk import logs
from omnidesk.config import Settings, SettingsError, load_settings
from omnidesk.domain import ids
from omnidesk.domain.errors import DeskError

if TYPE_CHECKING:
    from omnidesk.app import Desk

T = TypeVar("T")


def guarded(work: Callable[[], object]) -> int:
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


def settings_of_this_run(*, quiet: bool = False) -> Settings:
    """The settings, and logging as they say; `quiet` is for commands that print what they find."""
    settings = load_settings()
    quiet &= settings.log_level != "debug"
    logs.configure(settings.log_format, "warning" if quiet else settings.log_level)
    return settings


@contextmanager
def one_database(settings: Settings, *, make: bool = False) -> Iterator[bool]:
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


def do(work: Callable[["Desk"], Awaitable[T]]) -> T:
    """Do one thing with the parts of the desk."""
    from omnidesk.app import open_desk

    settings = settings_of_this_run(quiet=True)

    async def done() -> T:
        desk = open_desk(settings)
        try:
            return await work(desk)
        finally:
            await desk.close()

    with one_database(settings):
        return asyncio.run(done())


def read_id(noun: str, text: str) -> UUID:
    try:
        return ids.decode(noun, text.strip())
    except ValueError:
        raise SettingsError(f"{text!r} names no {noun}: an id is {ids.PREFIXES[noun]}_ and 26 characters") from None
