"""`omnidesk demo`: a whole desk with simulated customers and agents, on loopback, in a folder that is thrown away.

The desk is the one of `omnidesk up`. Beside it runs one process more, the stage: a mail server for the world
outside, customers who write by it, and agents who work through the REST API. Neither has a private door.
"""

import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from omnidesk import app, logs, process
from omnidesk.config import Settings, SettingsError
from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.demo import staff
from omnidesk.demo.customers import Customers
from omnidesk.demo.news import News
from omnidesk.demo.outside import Outside
from omnidesk.demo.pace import FAST, Pace
from omnidesk.founding import prepare
from omnidesk.ports import answers, check_free, listening_socket
from omnidesk.supervise import Supervisor

LMTP, SMTP, OUTSIDE = 24, 25, 26  # ports of the demo: so much above the one of the pages
HIGHEST_PORT = 65535 - OUTSIDE
READY_S = 60.0
SERVER_S = 2.0  # for the last checkpoint of a desk that was told to stop while it began


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How the demo is to run. `seconds` None: until it is told to stop."""

    port: int = 8000
    folder: Path | None = None
    seed: int = 1
    fast: bool = False
    seconds: float | None = None


def run(wishes: Wishes, child: Callable[[process.Main], Callable[[], int]]) -> None:
    """Run the demo until Ctrl-C or its time is over; `child` makes a process of the desk. Raises SettingsError."""
    with _folder(wishes.folder) as folder:
        settings = _settings(folder, wishes.port)
        check_free(settings)
        listening_socket("127.0.0.1", wishes.port + OUTSIDE).close()
        logs.configure("console", "error")
        typer.echo("Starting a desk with a PostgreSQL of its own …")
        server = EmbeddedPostgres(settings.data_dir)
        try:
            server.start()
            link = asyncio.run(prepare(settings, app.direct_url(settings)))
            mains = {
                "api": child(lambda stop: app.serve(settings, stop)),
                "worker-1": child(lambda stop: app.work(settings, stop)),
                "stage": child(lambda stop: _show(settings, folder, link, wishes, stop)),
            }
            Supervisor(mains, server).run()
        finally:
            server.stop(within_s=SERVER_S)
    typer.echo("Stopped." if wishes.folder else "Stopped, and its folder is gone.")


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """The folder asked for, or one that is gone afterwards."""
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-demo-"))
    folder.chmod(0o711)  # started by root, the database's server runs as another user and must pass through
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path, port: int) -> Settings:
    """A desk of its own whatever the environment says, so that no real one gets simulated customers."""
    if not 0 < port <= HIGHEST_PORT:
        raise SettingsError(f"the demo takes a port up to {HIGHEST_PORT}, and {OUTSIDE} above it")
    data = folder / "desk"
    return Settings(
        **dict.fromkeys(("database_url", "database_direct_url", "secret_key")),
        database_pooled=False,
        data_dir=data,
        files_dir=data / "files",
        host="127.0.0.1",
        mail_host="127.0.0.1",
        port=port,
        lmtp_port=port + LMTP,
        smtp_port=port + SMTP,
        public_url=f"http://127.0.0.1:{port}",
        trusted_proxies=(),
        webhook_allow_loopback=True,
        default_language=staff.language(),
        log_level="error",
        _env_file=None,
    )


async def _show(settings: Settings, folder: Path, link: str | None, wishes: Wishes, stop: asyncio.Event) -> None:
    """The stage's process; when its play is over, or failed, the supervisor is asked to stop everything."""
    try:
        await _stage(settings, folder, link, wishes, stop)
    except Exception as error:
        typer.echo(f"The demo failed: {getattr(error, 'message', None) or type(error).__name__}", err=True)
    if not stop.is_set():
        os.kill(os.getppid(), signal.SIGTERM)
        await stop.wait()


async def _stage(settings: Settings, folder: Path, link: str | None, wishes: Wishes, stop: asyncio.Event) -> None:
    """Everybody who is not the desk, until `stop` or until the time is over."""
    if not await _desk_is_up(settings, stop):
        return
    url = settings.public_url
    entry, secret = await staff.administrator(url, link, folder / "demo.json")
    chance = random.Random(wishes.seed)  # noqa: S311 - a play, no secret
    pace = Pace(random.Random(wishes.seed + 1), FAST if wishes.fast else 1.0)  # noqa: S311
    customers = Customers(staff.SUPPORT, pace)
    domain = staff.SUPPORT.partition("@")[2]
    world = Outside(folder / "mailboxes", domain=domain, door=settings.lmtp_port, on_mail=customers.gets)
    customers.mail = world
    await world.start(wishes.port + OUTSIDE)
    try:
        async with staff.client(url, secret) as api:
            await staff.furnish(api, wishes.port + OUTSIDE)
            team = await staff.agents(api, url, pace)
            newest = (await staff.call(api, "GET", "/v1/events", limit="200"))["page"]["next_cursor"]
            names = {one.id: one.name for one in team} | {one.key_id: one.name for one in team}
            news = News(api, int(newest), names)
            _greet(settings, entry, folder, wishes)
            await _play(news, team, customers, chance, stop, wishes.seconds)
            typer.echo(f"That was: {news.summary()}.")
            for one in team:
                await one.api.aclose()
    finally:
        world.close()


async def _play(
    news: News,
    team: list[staff.Agent],
    customers: Customers,
    chance: random.Random,
    stop: asyncio.Event,
    seconds: float | None,
) -> None:
    """All of them side by side, until `stop` or for so long."""
    woken = [asyncio.Event() for _ in team]
    news.waiting = woken
    work = [one.works(stop, bell) for one, bell in zip(team, woken, strict=True)]
    parts = [news.follow(), customers.come(chance, stop), *work]
    tasks = [asyncio.create_task(part) for part in parts]
    told = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([told, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # whoever fails is heard of
    finally:
        for task in (told, *tasks, *customers.errands):
            task.cancel()
        await asyncio.gather(told, *tasks, *customers.errands, return_exceptions=True)


async def _desk_is_up(settings: Settings, stop: asyncio.Event) -> bool:
    for _ in range(int(READY_S / 0.05)):
        if stop.is_set() or await asyncio.to_thread(answers, settings.host, settings.port):
            return not stop.is_set()
        await asyncio.sleep(0.05)
    raise TimeoutError("the desk does not answer")


def _greet(settings: Settings, entry: staff.Entry, folder: Path, wishes: Wishes) -> None:
    port = wishes.port + OUTSIDE
    typer.echo(f"""
A desk is running, with customers who write to {staff.SUPPORT} and {len(staff.AGENTS)} agents who answer.

  Pages     {settings.public_url}/desk
            e-mail {entry.email}   password {entry.password}
  API       {settings.public_url}/docs
  Metrics   {settings.public_url}/metrics

Write a mail yourself, with a server of the world outside at port {port}:

  printf 'From: you@home.example\\nTo: {staff.SUPPORT}\\nSubject: Hello\\n\\nDoes it work?\\n' |
    curl -sS smtp://127.0.0.1:{port} --mail-from you@home.example --mail-rcpt {staff.SUPPORT} -T -

Answers land in  {folder}/mailboxes/you@home.example

Ctrl-C ends it. What happens:
""")
