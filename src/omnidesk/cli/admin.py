"""`omnidesk admin`: agents, and links that sign them in."""

from typing import Annotated

import typer

from omnidesk.cli.shared import do
from omnidesk.config import SettingsError
from omnidesk.domain.people import Role

commands = typer.Typer(help="Agents, and links that sign them in.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The agent's e-mail address")]


@commands.command()
def link(email: Annotated[str | None, typer.Argument(help="Whose; default: the only administrator's")] = None) -> None:
    """Make a new one-time link that signs an administrator in, or makes the first one."""
    from omnidesk import founding

    print(do(lambda desk: founding.administrators_link(desk.settings, desk.db, email)))


@commands.command("create-agent")
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
    print(do(lambda desk: founding.agent(desk.settings, desk.db, email, name=name, role=role, language=language)))


@commands.command("reset-password")
def reset_password(email: Email) -> None:
    """End an agent's sessions and password now, and make the link by which he sets a new one."""
    from omnidesk import founding

    print(do(lambda desk: founding.reset(desk.settings, desk.db, email)))
