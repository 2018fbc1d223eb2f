"""`omnidesk config`: the desk's configuration as a TOML file."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from omnidesk.cli.shared import do
from omnidesk.domain.people import SYSTEM

if TYPE_CHECKING:
    from omnidesk.app import Desk


commands = typer.Typer(help="The desk's configuration as a TOML file.", no_args_is_help=True)

ConfigFile = Annotated[typer.FileText, typer.Argument(encoding="utf-8", help="A TOML file; - reads what is piped in")]


@commands.command("export")
def export_config() -> None:
    """Write policy, calendars, queues and agents as TOML."""
    from omnidesk.desk import config_file

    async def written(desk: "Desk") -> str:
        async with desk.db.connection() as tx:
            return config_file.dump(await config_file.export(tx))

    print(do(written), end="")


@commands.command("plan")
def plan_config(file: ConfigFile) -> None:
    """Show what putting a file in force would change, and change nothing."""
    from omnidesk.desk import config_file

    text = file.read()
    changes = do(lambda desk: config_file.plan(desk.db, text, SYSTEM, now=datetime.now(UTC)))
    print("\n".join(changes) or "Nothing would change.")


@commands.command("apply")
def apply_config(file: ConfigFile) -> None:
    """Put a file in force, all of it or nothing; what it does not name stays as it is."""
    from omnidesk.desk import config_file

    text = file.read()
    changes = do(lambda desk: config_file.apply(desk.db, text, SYSTEM, now=datetime.now(UTC)))
    print("\n".join(changes) or "Nothing changed.")
