"""`omnidesk up` as an operator runs it: one command, its processes, and how they end."""

import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import free_port

pytestmark = pytest.mark.slow
PATIENCE_S = 60.0
PASSWORD = "correct horse battery staple"


def until(ask: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := ask()):
        assert time.monotonic() < deadline, f"not so within {within_s} s"
        time.sleep(0.05)
    return found


def children(pid: int) -> dict[int, str]:
    """{process id: name} of the children of a process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            head, _, rest = stat.read_text().rpartition(") ")
            if rest.split()[0] != "Z" and int(rest.split()[1]) == pid:
                found[int(head.split(" (")[0])] = head.split(" (", 1)[1]
    return found


@dataclass
class Machine:
    """A machine with a data folder, on which a desk is started and ended."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("PORT", "LMTP_PORT")})
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def up(self) -> subprocess.Popen[str]:
        """Start the desk, and wait until it says that it is ready."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("OMNIDESK_")}
        given = {"DATA_DIR": str(self.folder), "SMTP_PORT": "0"} | {
            name: str(port) for name, port in self.ports.items()
        }
        log = (self.folder.parent / "log").open("a")
        desk = subprocess.Popen(
            [sys.executable, "-m", "omnidesk", "up"],
            env=known | {f"OMNIDESK_{name}": value for name, value in given.items()},
            cwd=self.folder.parent,
            stdout=(self.folder.parent / "out").open("w"),
            stderr=log,
            text=True,
        )
        self.running.append(desk)
        until(lambda: "Ctrl-C ends it." in self.said() or desk.poll() is not None)
        assert desk.poll() is None, (self.folder.parent / "log").read_text()
        return desk

    def said(self) -> str:
        return (self.folder.parent / "out").read_text()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.ports['PORT']}", trust_env=False)

    def enters(self, http: httpx.Client) -> None:
        """Its first administrator comes by the link that was printed, and makes a mailbox."""
        link = re.search(r"within a day: \S+[#/]([\w-]{40,})\n", self.said())
        assert link
        who = {"token": link[1], "email": "olga@acme.example", "name": "Olga", "password": PASSWORD}
        assert http.post("/v1/sessions/links", json=who).status_code == 201
        http.headers["sec-fetch-site"] = "same-origin"
        made = http.post(
            "/v1/inboxes", json={"channel": "email", "name": "Mail", "config": {"address": "support@acme.example"}}
        )
        assert made.status_code == 201, made.text

    def letter(self, subject: str) -> None:
        text = f"From: ivan@customer.example\r\nTo: support@acme.example\r\nSubject: {subject}\r\n\r\nPlease help.\r\n"
        with smtplib.LMTP("127.0.0.1", self.ports["LMTP_PORT"]) as mta:
            assert mta.sendmail("ivan@customer.example", ["support@acme.example"], text) == {}


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Not pytest's own folder, which is closed to the user that root's server runs as."""
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-up-", dir="/var/tmp"))
    folder.chmod(0o711)
    machine = Machine(folder / "data")
    yield machine
    for desk in machine.running:
        desk.kill()
        desk.wait()
    until(lambda: not any(f"{folder}/" in line for line in _commands()))
    shutil.rmtree(folder, ignore_errors=True)


def _commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def subjects(http: httpx.Client) -> list[str]:
    with suppress(httpx.TransportError):
        answer = http.get("/v1/tickets")
        if answer.status_code == 200:
            return [ticket["subject"] for ticket in answer.json()["data"]]
    return []


def gone(pids: dict[int, str]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_desk_starts_with_one_command_and_is_the_same_after_a_restart(machine: Machine) -> None:
    desk = machine.up()
    family = children(desk.pid)
    assert {"omnidesk api", "omnidesk worker"} <= {name[:15].rstrip("-") for name in family.values()}
    with machine.client() as http:
        machine.enters(http)
        machine.letter("Refund")
        assert until(lambda: subjects(http)) == ["Refund"]

        told = time.monotonic()
        desk.send_signal(signal.SIGTERM)
        assert desk.wait(10) == 0
        assert time.monotonic() - told < 6  # a second for a busy machine
        assert gone(family)

        machine.up()
        assert "no administrator" not in machine.said()  # it has its administrator
        assert until(lambda: subjects(http)) == ["Refund"]


def test_nothing_is_left_when_the_supervisor_is_killed(machine: Machine) -> None:
    desk = machine.up()
    family = children(desk.pid)
    assert len(family) == 3  # the server, the API, a worker
    desk.kill()
    until(lambda: gone(family), within_s=15)
    machine.up()  # and nothing is in the way


def test_what_dies_comes_back_and_nothing_is_lost(machine: Machine) -> None:
    desk = machine.up()
    with machine.client() as http:
        machine.enters(http)
        for victim in ("omnidesk worker", "postgres", "omnidesk api"):
            pid = next(pid for pid, name in children(desk.pid).items() if name.startswith(victim))
            os.kill(pid, signal.SIGKILL)
            if victim == "omnidesk worker":
                machine.letter(f"While {victim} was away")  # the door stands open
            until(partial(another, desk.pid, victim, pid))
            until(partial(ready, http))
            machine.letter(f"After {victim}")
            until(partial(landed, http, f"After {victim}"))
        assert sorted(subjects(http)) == sorted(
            [
                "While omnidesk worker was away",
                *(f"After {name}" for name in ("omnidesk worker", "postgres", "omnidesk api")),
            ]
        )


def another(parent: int, name: str, than: int) -> bool:
    """Is there a child of that name again, another one than before?"""
    return any(found.startswith(name) and pid != than for pid, found in children(parent).items())


def landed(http: httpx.Client, subject: str) -> bool:
    return subject in subjects(http)


def ready(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return http.get("/health/ready").status_code == 200
    return False


def test_a_second_desk_is_refused_in_one_line(machine: Machine) -> None:
    machine.up()
    other = Machine(machine.folder)
    with pytest.raises(AssertionError, match=r"omnidesk: .* is open in another desk, process \d+: stop that one first"):
        other.up()
    machine.running += other.running
