"""The composition root: the parts of a process, chosen in one place from the settings."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from omnidesk import worker
from omnidesk.api import deps
from omnidesk.api.auth import SAFE, cookie_name
from omnidesk.api.factory import create_api
from omnidesk.channels import outgoing
from omnidesk.channels.email import listener as mail
from omnidesk.config import Settings, SettingsError, secret_keys
from omnidesk.db import embedded
from omnidesk.db.listen import ARRIVED, Listener
from omnidesk.db.session import Database
from omnidesk.desk import amend, job_exports, job_updates, webhooks
from omnidesk.desk.accept import Door
from omnidesk.desk.deliver import Deliverer
from omnidesk.desk.feed import Feed
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.intake import Intake
from omnidesk.desk.job_exports import TicketExport
from omnidesk.desk.job_updates import TicketUpdate
from omnidesk.desk.jobs import Kind, Runner
from omnidesk.desk.reading import Reader
from omnidesk.desk.sending import Messages
from omnidesk.desk.vault import Vault
from omnidesk.desk.webhook_calls import LIMITS, Webhooks
from omnidesk.domain.messages import Arrival
from omnidesk.ports import check_free, listening_socket, mail_ports
from omnidesk.process import GRACE_S, together
from omnidesk.web import pages as console
from omnidesk.web import visit

JOBS: Mapping[str, Kind] = {job_exports.KIND: TicketExport(), job_updates.KIND: TicketUpdate()}
WITHOUT_NAME = "omnidesk.localhost"  # the domain of a desk that is reached by an address only


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts that every process of a desk has, all of one event loop."""

    settings: Settings
    db: Database
    listener: Listener
    vault: Vault
    http: httpx.AsyncClient
    channels: Channels
    door: Door
    files: FileStore
    reader: Reader
    intake: Intake

    async def close(self) -> None:
        """Let go of processes, connections and files."""
        self.reader.close()
        await self.channels.close()
        await self.http.aclose()
        await self.db.close()


def database_url(settings: Settings) -> str:
    """Where the desk's database answers, now or soon. Raises SettingsError where none was ever started."""
    url = settings.database_url or embedded.address(settings.data_dir)
    if url is None:
        raise SettingsError(f"there is no desk in {settings.data_dir}: run `omnidesk up`, or set OMNIDESK_DATABASE_URL")
    return url


def direct_url(settings: Settings) -> str:
    """The same database past any pooler."""
    return settings.database_direct_url or database_url(settings)


def domain_of(settings: Settings) -> str:
    """The host of the desk's public address, for Message-IDs and greetings."""
    host = urlsplit(settings.public_url).hostname or WITHOUT_NAME
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return WITHOUT_NAME


def open_desk(settings: Settings) -> Desk:
    """Choose the parts; nothing is connected yet. Raises SettingsError."""
    db = Database(database_url(settings), pooled=settings.database_pooled)
    vault = Vault(secret_keys(settings))
    listener = Listener(direct_url(settings))
    http = outgoing.client(loopback=settings.webhook_allow_loopback)
    channels = Channels(db, vault, http, domain=domain_of(settings))
    door = Door(db, vault, wake=lambda: listener.tell(ARRIVED))
    files = FileStore(settings.files_dir)
    reader = Reader(channels, vault, files, zone=settings.default_timezone)
    return Desk(
        settings=settings,
        db=db,
        listener=listener,
        vault=vault,
        http=http,
        channels=channels,
        door=door,
        files=files,
        reader=reader,
        intake=Intake(db, door, channels, reader),
    )


# --- the worker -----------------------------------------------------------------------------------


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """A worker process, until `stop`."""
    desk = open_desk(settings)
    kinds = {
        "message": Messages(desk.db, desk.channels, desk.files),
        amend.KIND: amend.Amendments(desk.db, desk.channels, desk.files),
    }
    told = {webhooks.KIND: Webhooks(desk.db, desk.vault, desk.http, settings.public_url)}
    parts = worker.Parts(
        db=desk.db,
        listener=desk.listener,
        channels=desk.channels,
        door=desk.door,
        intake=desk.intake,
        deliverer=Deliverer(desk.db, kinds, listener=desk.listener),
        webhooks=Deliverer(desk.db, told, listener=desk.listener, **LIMITS),
        files=desk.files,
        jobs=Runner(desk.db, desk.files, JOBS),
    )
    try:
        await worker.work(parts, stop)
    finally:
        await desk.close()


# --- the API and the doors ------------------------------------------------------------------------


def create_app(settings: Settings, stop: asyncio.Event | None = None) -> FastAPI:
    """The web application, with the door for mail beside it; `stop` ends what lasts: feeds, mail in transfer.

    Everything that needs the database waits for it and comes back by itself; until then the answer is 503.
    """
    stopped = stop or asyncio.Event()
    desk = open_desk(settings)
    feed = Feed(desk.db, desk.listener)
    pages = visit.Parts(
        db=desk.db,
        vault=desk.vault,
        channels=desk.channels,
        files=desk.files,
        public_url=settings.public_url,
        cookie=cookie_name(settings.public_url.startswith("https://")),
        zone=settings.default_timezone,
        language=settings.default_language,
    )
    app = create_api(
        deps.Parts(
            db=desk.db,
            vault=desk.vault,
            channels=desk.channels,
            door=desk.door,
            feed=feed,
            intake=desk.intake,
            files=desk.files,
            settings=deps.Settings(
                public_url=settings.public_url,
                version=version("omnidesk"),
                body_limits=console.body_limits(pages),
                loopback=settings.webhook_allow_loopback,
            ),
        )
    )
    app.router.routes.extend(console.pages(pages))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        doors = [await _open_mail(desk, protocol, port) for protocol, port in mail_ports(settings).items()]
        loops = [desk.listener.run(stopped), feed.run(stopped), *(_mail_until(stopped, door) for door in doors)]
        running = asyncio.create_task(together(stopped, *loops))
        try:
            yield
        finally:
            stopped.set()
            try:
                await running
            finally:
                await desk.close()

    app.router.lifespan_context = lifespan
    app.add_middleware(_Telling, tell=desk.listener.tell)
    return app


class _Telling:
    """After a request that may have changed something, wakes those who wait for work: deliverer, planner, feed.

    What came in through a hook is told by the door.
    """

    def __init__(self, app: ASGIApp, tell: Callable[[], None]) -> None:
        self._app, self._tell = app, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in SAFE and not scope["path"].startswith("/hooks/"):
            self._tell()


async def _open_mail(desk: Desk, protocol: str, port: int) -> mail.Listener:
    """The door for mail, open. Raises OSError when the port is taken."""

    async def find_inbox(address: str) -> str | None:
        inbox_id = await desk.channels.find_address(address)
        return str(inbox_id) if inbox_id else None

    async def deliver(inbox_id: str, arrival: Arrival) -> None:
        await desk.door.accept(UUID(inbox_id), [arrival])

    door = mail.Listener(
        find_inbox,
        deliver,
        protocol=protocol,
        hostname=domain_of(desk.settings),
        max_bytes=desk.settings.mail_max_bytes,
    )
    await door.start(desk.settings.mail_host, port)
    return door


async def _mail_until(stop: asyncio.Event, door: mail.Listener) -> None:
    try:
        await stop.wait()
    finally:
        await door.stop(GRACE_S - 1)


class _Server(uvicorn.Server):
    """Uvicorn, told to stop by our own event instead of signals."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # ours are handled in process.py

    async def on_tick(self, counter: int) -> bool:
        return self._stop.is_set() or await super().on_tick(counter)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """An API process with the doors for mail, until `stop`; running requests end within seconds."""
    check_free(settings)
    bound = listening_socket(settings.host, settings.port)
    proxies = [str(network) for network in settings.trusted_proxies]
    config = uvicorn.Config(
        create_app(settings, stop),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        timeout_graceful_shutdown=int(GRACE_S - 0.5),
    )
    server = _Server(config, stop)
    await server.serve([bound])
