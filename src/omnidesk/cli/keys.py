"""`omnidesk keys`: API keys."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from omnidesk.cli.shared import do, read_id
from omnidesk.config import SettingsError
from omnidesk.domain import ids
from omnidesk.domain.people import SCOPES, SYSTEM

if TYPE_CHECKING:
    from omnidesk.app import Desk


commands = typer.Typer(help="API keys.", no_args_is_help=True)


@commands.command("create")
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
    key, secret = do(lambda desk: access.create_key(desk.db, new_id(now), wish, SYSTEM, now=now))
    print(f"{ids.encode('key', key.id)}\n{secret}")


@commands.command("list")
def list_keys(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100) -> None:
    """List API keys, newest first."""
    from omnidesk.db import access as rows

    async def read(desk: "Desk") -> list[rows.Key]:
        async with desk.db.connection() as tx:
            return await rows.keys(tx, agent_id=None, before=None, limit=limit)

    now = datetime.now(UTC)
    for key in do(read):
        over = key.expires_at is not None and key.expires_at <= now
        state = "revoked" if key.revoked_at else "expired" if over else "valid"
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
        print(f"{ids.encode('key', key.id)}  {state:<8}  {used:<10}  {key.name}  {' '.join(key.scopes)}")


@commands.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="Its id, key_…")]) -> None:
    """Revoke an API key: within two seconds nobody accepts it any more."""
    from omnidesk.desk import access

    key_id = read_id("key", key)
    do(lambda desk: access.revoke_key(desk.db, key_id, SYSTEM, version=None, now=datetime.now(UTC)))
    print("Revoked.")
