"""`migrate`, `doctor` and `version`: what keeps a desk well."""

import asyncio
from importlib.metadata import version as installed
from typing import Annotated

import typer

from omnidesk.cli.shared import one_database, settings_of_this_run
from omnidesk.config import SettingsError

commands = typer.Typer()


@commands.command()
def migrate(
    to: Annotated[str, typer.Option(help="A revision to go up or down to; `base` empties the database")] = "head",
) -> None:
    """Bring the database's schema to a revision, the newest by default, and found the desk."""
    from omnidesk.app import direct_url
    from omnidesk.db import migrate as migrations
    from omnidesk.founding import prepare

    settings = settings_of_this_run()
    if to not in {"head", "base"} and to not in migrations.revisions():
        raise SettingsError(f"there is no revision {to}; there are {', '.join(migrations.revisions())}")
    with one_database(settings, make=True):
        url = direct_url(settings)
        if to == "head":
            asyncio.run(prepare(settings, url))
        else:
            asyncio.run(migrations.migrate(url, to))
        print(f"The schema is at {asyncio.run(migrations.current(url)) or 'nothing'}.")


@commands.command()
def doctor() -> None:
    """Try every part of the desk, and say what to do; exit code 1 when something needs somebody."""
    from omnidesk.db.embedded import EmbeddedError
    from omnidesk.doctor import Finding, examine

    settings = settings_of_this_run(quiet=True)

    async def look(running: bool) -> bool:
        bad = False
        async for finding in examine(settings, running=running):
            print(finding, flush=True)
            bad |= finding.level == "bad"
        return bad

    try:
        with one_database(settings) as at_work:
            bad = asyncio.run(look(at_work))
    except EmbeddedError as error:
        print(Finding("bad", "database", error.message))
        bad = True
    raise typer.Exit(1 if bad else 0)


@commands.command()
def version() -> None:
    """Say which version this is."""
    print(f"omnidesk {installed('omnidesk')}")
