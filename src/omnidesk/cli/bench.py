"""`omnidesk bench`: a desk as large as one wants to measure."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from omnidesk.cli.shared import do

if TYPE_CHECKING:
    from omnidesk.app import Desk

commands = typer.Typer(help="A desk as large as one wants to measure.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """A desk as large as one wants to measure."""


@commands.command("fill")
def fill_desk(
    tickets: Annotated[int, typer.Option(min=1, max=20_000_000, help="How many")] = 1_000_000,
    messages: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many, among all tickets")] = 5_000_000,
    seed: Annotated[int, typer.Option(help="The same seed and day make the same data")] = 1,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day before which all happened; default: today")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also a desk that has data")] = False,
) -> None:
    """Fill a founded desk (`omnidesk migrate`) with three years of tickets; stop `omnidesk up` before."""
    from omnidesk.filling.fill import Wish, run

    wish = Wish(
        tickets=tickets,
        messages=messages,
        seed=seed,
        until=until.replace(tzinfo=UTC) if until else None,
        force=force,
    )
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {words}", flush=True)

    async def filled(desk: "Desk") -> None:
        await run(desk.db, wish, say)

    do(filled)
    say("Done.")
