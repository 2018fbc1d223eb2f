"""Real servers on free loopback ports for tests: Postfix, Dovecot, and a mail server that misbehaves as told.

Each is a context manager. Debian's packages are needed for the first two; without them (or without
root, which they want) the test is skipped with the reason.
"""

import asyncio
import inspect
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOBODY = 65534


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], Any], *, within_s: float = 20) -> None:
    """Returns when the condition (which may be awaitable) holds; fails the test after `within_s` seconds."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail("it did not happen in time")
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Certificates:
    server: ssl.SSLContext
    client: ssl.SSLContext  # trusts the server's, and only that


def certificates(folder: Path, name: str = "localhost") -> Certificates:
    """A certificate for `name` and 127.0.0.1 that signs itself, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return Certificates(server=server, client=ssl.create_default_context(cafile=str(pem)))


@dataclass
class Sink:
    """A mail server that keeps what it gets and misbehaves as told.

    `says` maps a step to the reply: `connect`, `MAIL`, `RCPT`, `RCPT:<address>`, `DATA`, `dot`, `RSET`.
    A reply of `drop` closes the connection there, `hang` never answers. `dot` comes after the
    message was kept.
    """

    port: int = 0
    says: dict[str, str] = field(default_factory=dict)
    mails: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    connections: int = 0
    open: "set[_SinkSession]" = field(default_factory=set)

    def reply(self, *steps: str) -> str:
        return next((self.says[step] for step in steps if step in self.says), "")

    def hang_up(self) -> None:
        """Close every connection, as servers do with idle ones."""
        for session in list(self.open):
            if session.transport is not None:
                session.transport.close()


class _SinkSession(SMTP):
    """aiosmtpd with a script; it has no hooks for a greeting or for the words after DATA."""

    def __init__(self, sink: Sink, handler: object, **options: Any) -> None:
        super().__init__(handler, hostname="sink.example", enable_SMTPUTF8=True, **options)
        self._sink = sink

    def connection_made(self, transport: Any) -> None:
        first = self.transport is None
        self._sink.connections += first
        self._sink.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.open.discard(self)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        text = status if isinstance(status, str) else status.decode()
        if text.startswith("220 sink"):
            text = self._sink.reply("connect") or text
        elif text.startswith("354"):
            text = self._sink.reply("DATA") or text
        await self._say(text)

    async def _say(self, text: str) -> None:
        if text == "hang":
            await asyncio.Event().wait()
        if text == "drop":
            cast(asyncio.Transport, self.transport).abort()
            raise ConnectionResetError
        await super().push(text)
        if text.startswith("421"):
            assert self.transport is not None
            self.transport.close()

    async def smtp_DATA(self, arg: str) -> None:
        refused = self._sink.reply("DATA")
        if refused[:1] in {"4", "5"}:
            await self._say(refused)
        else:
            await super().smtp_DATA(arg)


class _SinkHandler:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self._sink.reply("MAIL") or "250 2.1.0 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = self._sink.reply(f"RCPT:{address}", "RCPT") or "250 2.1.5 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_RSET(self, server: Any, session: Any, envelope: Any) -> str:
        return self._sink.reply("RSET") or "250 2.0.0 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = self._sink.reply("dot") or "250 2.0.0 OK"
        if reply[:1] not in {"4", "5"}:
            self._sink.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return reply


def _password_is_right(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data.password == b"right", handled=False)


@asynccontextmanager
async def sink(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, auth: bool = False, size: int = 2**25
) -> AsyncIterator[Sink]:
    """A mail server of our own. With `auth` the password of everybody is `right`; with `tls` STARTTLS is demanded."""
    told = Sink()
    options: dict[str, Any] = {"data_size_limit": size}
    if auth:
        options |= {"auth_required": True, "auth_require_tls": False, "authenticator": _password_is_right}
    if tls and not implicit:
        options |= {"tls_context": tls, "require_starttls": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _SinkSession(told, _SinkHandler(told), loop=loop, **options),
        "127.0.0.1",
        0,
        ssl=tls if implicit else None,
    )
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for session in list(told.open):
            if session.transport is not None:
                cast(asyncio.Transport, session.transport).abort()
        await asyncio.sleep(0)


def _demanded(*programs: str) -> None:
    """Skips when a Debian package is missing, or the right to run its daemons."""
    for program, package in zip(programs[::2], programs[1::2], strict=True):
        if not (shutil.which(program) or Path(program).exists()):
            pytest.skip(f"Debian's {package} is not installed")
    if os.geteuid() != 0:
        pytest.skip("mail daemons are started by root only")


@contextmanager
def _open_folder() -> Iterator[Path]:
    """A folder that daemons under other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="desk-mail-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str, log: Path) -> None:
    with log.open("ab") as out:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, timeout=30, start_new_session=True
        )


def _pid(file: Path, log: Path) -> int:
    """What a daemon wrote, once it has written it."""
    for _ in range(200):
        with suppress(FileNotFoundError, ValueError):
            return int(file.read_text())
        time.sleep(0.05)
    pytest.fail(f"it did not start: {log.read_text(errors='replace') if log.exists() else ''}")


def _wait_for_port(port: int, log: Path) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"nothing listens: {log.read_text(errors='replace') if log.exists() else ''}")


def _wait_for_end(pid: int) -> None:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Postfix:
    """Takes mail for `domain` by SMTP at `port` and delivers it by LMTP to where it was told."""

    port: int
    domain: str
    folder: Path

    def flush(self) -> None:
        """Try everything that waits again, now."""
        _run("postqueue", "-c", str(self.folder / "conf"), "-f", log=self.folder / "log")

    def waiting(self) -> int:
        """How many mails are still in the queue."""
        queue = self.folder / "queue"
        kinds = ("incoming", "active", "deferred", "maildrop")
        return sum(path.is_file() for kind in kinds for path in (queue / kind).rglob("*"))

    def log(self) -> str:
        return (self.folder / "mail.log").read_text(errors="replace")


@contextmanager
def postfix(lmtp_port: int, *, domain: str = "acme.example", transport: str = "lmtp") -> Iterator[Postfix]:
    """A Postfix of our own that hands mail for `domain` to 127.0.0.1:`lmtp_port` by `lmtp` or `smtp`."""
    _demanded("postfix", "postfix")
    with _open_folder() as folder:
        port, conf = free_port(), folder / "conf"
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "data", "postfix")
        (conf / "main.cf").write_text(
            _main_cf(
                folder,
                domain,
                f"{transport}:inet:127.0.0.1:{lmtp_port}"
                if transport == "lmtp"
                else f"{transport}:[127.0.0.1]:{lmtp_port}",
            )
        )
        (conf / "master.cf").write_text(_master_cf(port))
        _run("postfix", "-c", str(conf), "start", log=folder / "log")
        pid = _pid(folder / "queue/pid/master.pid", folder / "mail.log")
        try:
            _wait_for_port(port, folder / "mail.log")
            yield Postfix(port=port, domain=domain, folder=folder)
        finally:
            with suppress(subprocess.SubprocessError):
                _run("postfix", "-c", str(conf), "stop", log=folder / "log")
            _wait_for_end(pid)


def _main_cf(folder: Path, domain: str, transport: str) -> str:
    return f"""
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mx.{domain}
mydestination =
virtual_mailbox_domains = {domain}
virtual_transport = {transport}
recipient_delimiter = +
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
default_transport = error:no outbound mail in tests
smtputf8_enable = yes
alias_maps =
message_size_limit = 52428800
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
lmtp_connect_timeout = 5s
lmtp_data_done_timeout = 10s
"""


def _master_cf(port: int) -> str:
    """Debian's services without chroot: name, public or not, most processes, program."""
    services = """
        cleanup n 0 cleanup
        rewrite - - trivial-rewrite
        bounce - 0 bounce
        defer - 0 bounce
        trace - 0 bounce
        verify - 1 verify
        smtp - - smtp
        relay - - smtp
        error - - error
        retry - - error
        lmtp - - lmtp
        showq n - showq
        proxymap - - proxymap
        anvil - 1 anvil
        scache - 1 scache
    """
    lines = [f"127.0.0.1:{port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
    lines += ["pickup unix n - n 60 1 pickup", "qmgr unix n - n 1 1 qmgr", "flush unix n - n 1000? 0 flush"]
    lines += ["tlsmgr unix - - n 1000? 1 tlsmgr"]
    for name, private, most, program in (line.split() for line in services.split("\n") if line.strip()):
        lines.append(f"{name} unix {private} - n - {most} {program}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Dovecot:
    """IMAP at `port`, LMTP at `lmtp_port`; any user, any password."""

    port: int
    lmtp_port: int
    folder: Path

    def start(self) -> None:
        _run("dovecot", "-c", str(self.folder / "dovecot.conf"), log=self.folder / "log")
        _wait_for_port(self.port, self.folder / "dovecot.log")

    def kill(self) -> None:
        """It dies at once with all its processes, telling nobody."""
        self._signal(signal.SIGKILL)
        _wait_for_end(_pid(self.folder / "run/master.pid", self.folder / "log"))
        (self.folder / "run/master.pid").unlink()

    def freeze(self) -> None:
        """It holds its connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        """To the master and all below it."""
        master = _pid(self.folder / "run/master.pid", self.folder / "log")
        for pid in (master, *_children(master)):
            with suppress(ProcessLookupError):
                os.kill(pid, which)

    def renumber(self, user: str) -> None:
        """The folders get a new UIDVALIDITY, as after a restored backup; only while it is stopped."""
        for pattern in ("dovecot-uid*", "dovecot.index*"):
            for file in (self.folder / "mail" / user).rglob(pattern):
                file.unlink()


def _children(pid: int) -> list[int]:
    """Every process below this one."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[1]) == pid:
                below = int(stat.parent.name)
                found += [below, *_children(below)]
    return found


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """A Dovecot of our own."""
    _demanded("dovecot", "dovecot-imapd", "/usr/lib/dovecot/lmtp", "dovecot-lmtpd")
    with _open_folder() as folder:
        port, lmtp_port = free_port(), free_port()
        (folder / "mail").mkdir()
        os.chown(folder / "mail", NOBODY, NOBODY)
        (folder / "dovecot.conf").write_text(_dovecot_conf(folder, port, lmtp_port))
        running = Dovecot(port=port, lmtp_port=lmtp_port, folder=folder)
        running.start()
        try:
            yield running
        finally:
            pid = _pid(folder / "run/master.pid", folder / "dovecot.log")
            os.kill(pid, signal.SIGTERM)
            _wait_for_end(pid)


def _dovecot_conf(folder: Path, port: int, lmtp_port: int) -> str:
    return f"""
protocols = imap lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
last_valid_uid = 0
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%u
mailbox_idle_check_interval = 5s
imap_idle_notify_interval = 2 mins
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={NOBODY} gid={NOBODY} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
