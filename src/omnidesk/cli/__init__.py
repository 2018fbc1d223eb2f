"""The command line. What goes wrong is one line on stderr, and an exit code: 1 trouble, 2 a wrong word of the user."""

import sys

import typer

from omnidesk.cli import admin, arrivals, bench, config_file, keys, running, upkeep
from omnidesk.cli.shared import guarded

cli = typer.Typer(
    name="omnidesk",
    help="An async omnichannel support desk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(running.commands)
cli.add_typer(upkeep.commands)
cli.add_typer(admin.commands, name="admin")
cli.add_typer(arrivals.commands, name="arrivals")
cli.add_typer(keys.commands, name="keys")
cli.add_typer(config_file.commands, name="config")
cli.add_typer(bench.commands, name="bench")


def main() -> None:
    """The program `omnidesk`."""
    sys.exit(guarded(cli))
