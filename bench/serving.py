"""A desk as operators run it: processes of the real program over one server, and an outside system that posts."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from tests.servers import free_port

from bench.load import Load, Outcome
from bench.rig import new_database, plain_url
from omnidesk.app import open_desk
from omnidesk.config import Settings
from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.desk import access, inboxes, setup
from omnidesk.desk.access import KeyWish
from omnidesk.desk.inboxes import Wish
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.people import SCOPES, SYSTEM

KEY = "a secret key of the benchmarks that is long enough"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SUPPORT = "support@acme.example"
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A founded desk with an inbox of the channel `api` and one for mail, ready to be served."""

    url: str
    inbox: UUID
    api_key: str
    folder: Path
    port: int
    lmtp_port: int

    @property
    def path(self) -> str:
        """Where the outside system posts."""
        return f"/hooks/{ids.encode('inbox', self.inbox)}"

    def environment(self) -> dict[str, str]:
        ours = {
            "DATABASE_URL": plain_url(self.url),
            "SECRET_KEY": KEY,
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "LMTP_PORT": str(self.lmtp_port),
            "SMTP_PORT": "0",
        }
        return bare_environment() | {f"OMNIDESK_{name}": value for name, value in ours.items()}


def bare_environment() -> dict[str, str]:
    """Ours, without settings of a desk."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OMNIDESK_")}


async def site(running: EmbeddedPostgres, folder: Path, **more_mail: object) -> Site:
    """Found a desk on a new database; `more_mail` is further configuration of its inbox for mail."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        database_url=await new_database(running), data_dir=folder, secret_key=SecretStr(KEY), _env_file=None
    )
    desk = open_desk(settings)
    await setup.found(desk.db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    wish = Wish(name="Shop", language="ru", config={"signing_secret": SIGNING})
    inbox = await inboxes.create(desk.db, desk.channels, desk.vault, "api", wish, SYSTEM, inbox_id=new_id())
    mail = {"address": SUPPORT, "smtp_host": "127.0.0.1", "smtp_port": free_port(), "smtp_security": "none"}
    wish = Wish(name="Mail", language="ru", config=mail | more_mail)
    await inboxes.create(desk.db, desk.channels, desk.vault, "email", wish, SYSTEM, inbox_id=new_id())
    key = KeyWish(name="bench", scopes=frozenset(SCOPES))
    _, secret = await access.create_key(desk.db, new_id(), key, SYSTEM, now=datetime.now(UTC))
    await desk.close()
    return Site(
        url=str(settings.database_url),
        inbox=inbox.id,
        api_key=secret,
        folder=folder,
        port=free_port(),
        lmtp_port=free_port(),
    )


@contextmanager
def process(log: Path, environment: Mapping[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python program with its own log; told to stop at the end."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, *arguments], env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def serving(one: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """`omnidesk serve`, ready."""
    with process(one.folder / "serve.log", one.environment(), "-m", "omnidesk", "serve") as child:
        wait_ready(one.port, "/health/ready", one.folder / "serve.log", child)
        yield child


@contextmanager
def working(one: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """`omnidesk work`."""
    with process(one.folder / "work.log", one.environment(), "-m", "omnidesk", "work") as child:
        yield child


@contextmanager
def baseline(running: EmbeddedPostgres, folder: Path) -> Iterator[int]:
    """The baseline of the door, ready at this port."""
    url = asyncio.run(_baseline_database(running))
    port = free_port()
    arguments = ("-m", "uvicorn", "bench.baseline_door:app", "--loop", "uvloop", "--http", "httptools")
    more = ("--no-access-log", "--no-server-header", "--log-level", "warning", "--port", str(port))
    environment = bare_environment() | {"BASELINE_DATABASE": url}
    with process(folder / "baseline.log", environment, *arguments, *more) as child:
        wait_ready(port, "/docs", folder / "baseline.log", child)
        yield port


async def _baseline_database(running: EmbeddedPostgres) -> str:
    from bench.baseline_door import TABLE

    url = plain_url(await new_database(running))
    connection = await asyncpg.connect(url)
    await connection.execute(TABLE)
    await connection.close()
    return url


def wait_ready(port: int, path: str, log: Path, child: "subprocess.Popen[bytes]") -> None:
    """Until a GET is answered with 200. Raises RuntimeError, with the end of the log, when the child gave up."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"it ended with {child.returncode}: {log.read_text()[-500:]}")
        with suppress(URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing answers at {path}")


def drive(load: Load) -> Outcome:
    """Load from a process of its own. Raises RuntimeError unless every answer was 202."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(dataclasses.asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
        env=bare_environment(),
    )
    outcome = Outcome(**json.loads(done.stdout))
    if outcome.statuses != {"202": load.requests}:
        raise RuntimeError(f"answers: {outcome.statuses}")
    return outcome
