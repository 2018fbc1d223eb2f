"""`omnidesk arrivals`: the journal of what came in, and what is parked."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnidesk.cli.shared import do, read_id
from omnidesk.config import SettingsError
from omnidesk.domain import ids
from omnidesk.domain.errors import Unavailable
from omnidesk.domain.people import SYSTEM

if TYPE_CHECKING:
    from omnidesk.app import Desk


commands = typer.Typer(help="The journal of what came in, and what is parked.", no_args_is_help=True)

STATES = ("failed", "unreadable", "held")


@commands.command("list")
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

    for one in do(read):
        why = one.error or one.reason or ""
        name, inbox = ids.encode("arrival", one.id), ids.encode("inbox", one.inbox_id)
        print(f"{name}  {one.state:<10}  {one.received_at:%Y-%m-%d %H:%M:%S}  {inbox}  {one.size} bytes  {why}")


Arrivals = Annotated[list[str] | None, typer.Argument(help="Ids, arr_…")]


@commands.command()
def retry(
    arrival: Arrivals = None, every: Annotated[bool, typer.Option("--all", help="All that are parked so")] = False
) -> None:
    """Read failed or unreadable arrivals again."""
    from omnidesk.db import arrivals as rows
    from omnidesk.desk import arrivals

    if bool(arrival) == every:
        raise SettingsError("name arrivals, or say --all")
    wanted = [read_id("arrival", each) for each in arrival or []]

    async def again(desk: "Desk") -> int:
        if every:
            async with desk.db.transaction() as tx:
                return await rows.retry(tx)
        for each in wanted:
            await arrivals.retry(desk.db, each, SYSTEM)
        return len(wanted)

    print(f"{do(again)} will be read again.")


@commands.command()
def release(arrival: Annotated[list[str], typer.Argument(help="Ids, arr_…")]) -> None:
    """Let held arrivals through as if they came now, without acknowledgement."""
    from omnidesk.desk import arrivals

    wanted = [read_id("arrival", each) for each in arrival]

    async def through(desk: "Desk") -> None:
        for each in wanted:
            await arrivals.release(desk.db, each, SYSTEM)

    do(through)
    print(f"{len(wanted)} will be read.")


@commands.command()
def show(
    arrival: Annotated[str, typer.Argument(help="Its id, arr_…")],
    body: Annotated[bool, typer.Option("--body", help="Write the body, exactly as it came, to stdout")] = False,
) -> None:
    """Show what is known of an arrival; what was written only with --body."""
    from omnidesk.desk import arrivals

    arrival_id = read_id("arrival", arrival)
    journal, came = do(lambda desk: arrivals.opened(desk.db, desk.vault, arrival_id))
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


@commands.command()
def backfill(
    inbox: Annotated[str, typer.Argument(help="Its id, inb_…")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day, as the mail server dates mail")],
) -> None:
    """Bring older mail of an inbox that fetches; it is not acknowledged, and what is known falls away."""
    from omnidesk.channels.base import ChannelError
    from omnidesk.desk import arrivals

    inbox_id, now = read_id("inbox", inbox), datetime.now(UTC)

    async def older(desk: "Desk") -> int:
        try:
            return await arrivals.backfill(desk.db, desk.channels, desk.vault, inbox_id, since.date(), SYSTEM, now=now)
        except ChannelError as error:
            raise Unavailable(str(error)) from None

    print(f"{do(older)} had not come before.")
