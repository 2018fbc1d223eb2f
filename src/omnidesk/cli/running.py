"""`up`, `demo`, `serve` and `work`: the desk and its parts, running until somebody ends them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnidesk.cli.shared import guarded, settings_of_this_run
from omnidesk.config import Settings

if TYPE_CHECKING:
    from omnidesk import process


commands = typer.Typer()


@commands.command()
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

    settings = settings_of_this_run()
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

    return lambda: guarded(lambda: process.run(main))


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


@commands.command()
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


@commands.command()
def serve() -> None:
    """Run one API process, with the doors for mail."""
    from omnidesk import app, process

    settings = settings_of_this_run()
    app.database_url(settings)
    process.run(lambda stop: app.serve(settings, stop))


@commands.command()
def work() -> None:
    """Run one worker process."""
    from omnidesk import app, process

    settings = settings_of_this_run()
    app.database_url(settings)
    process.run(lambda stop: app.work(settings, stop))
