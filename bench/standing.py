"""`start` and `memory`: `omnidesk up` on a data folder that exists, and what its idle processes take."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection

from tests.servers import free_port

from bench.rig import ROUNDS, Figures, figure, median
from bench.serving import bare_environment, process, wait_ready

CLIENTS = 200
IDLE_S = 5.0


def run() -> Figures:
    with tempfile.TemporaryDirectory(prefix="omnidesk-bench-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        environment = _environment(folder)
        with _up(folder, environment):  # founds it
            pass
        starts = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            with _up(folder, environment) as pid:
                starts.append(time.perf_counter() - began)
        with _up(folder, environment) as pid:
            return {"start": figure(median(starts), "s"), **_memory(pid, environment)}


def _environment(folder: Path) -> dict[str, str]:
    ours = {"DATA_DIR": str(folder / "data"), "PORT": str(free_port()), "LMTP_PORT": "0", "SMTP_PORT": "0"}
    return bare_environment() | {f"OMNIDESK_{name}": value for name, value in ours.items()}


@contextmanager
def _up(folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """`omnidesk up`, ready; gives its process id."""
    with process(folder / "up.log", environment, "-m", "omnidesk", "up") as child:
        wait_ready(int(environment["OMNIDESK_PORT"]), "/health/ready", folder / "up.log", child)
        yield child.pid


def _memory(up: int, environment: dict[str, str]) -> Figures:
    """MiB of the API's and the worker's processes when nothing happens, and KiB for each client of the feed."""
    children = {name: pid for pid, name in _children(up)}
    api, worker = children["omnidesk api"], children["omnidesk worker"]
    time.sleep(IDLE_S)
    key = subprocess.run(
        [sys.executable, "-m", "omnidesk", "keys", "create", "bench", "--scope", "events:read"],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.split()[-1]
    idle = {"memory_api": _rss_kib(api) / 1024, "memory_worker": _rss_kib(worker) / 1024}
    with ExitStack() as stack:
        _follow(stack, int(environment["OMNIDESK_PORT"]), key, 10)  # what is made once is there then
        before = _rss_kib(api)
        _follow(stack, int(environment["OMNIDESK_PORT"]), key, CLIENTS)
        each = (_rss_kib(api) - before) / CLIENTS
    figures = {name: figure(value, "MiB") for name, value in idle.items()}
    return {"memory": figure(max(idle.values()), "MiB"), **figures, "memory_sse_client": figure(each, "KiB")}


def _children(parent: int) -> Iterator[tuple[int, str]]:
    """(process id, name without its number) of the processes that `parent` started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        if int(fields["PPid"]) == parent:
            yield int(status.parent.name), fields["Name"].split("-")[0].strip()


def _rss_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _follow(stack: ExitStack, port: int, key: str, clients: int) -> None:
    """Open streams, each until it has told where it begins."""
    request = f"GET /v1/events/stream HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    for _ in range(clients):
        line = stack.enter_context(create_connection(("127.0.0.1", port), timeout=20))
        line.sendall(request)
        heard = b""
        while b"retry:" not in heard:
            more = line.recv(4096)
            if not more:
                raise RuntimeError(f"the stream ended: {heard[:200]!r}")
            heard += more
