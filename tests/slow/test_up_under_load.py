"""`omnidesk up` is ended while mail comes in: by force, and by Ctrl-C."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests import test_up
from tests.slow.fleet import Postman, mail
from tests.test_up import Machine, children, gone, until

pytestmark = pytest.mark.slow
machine = test_up.machine
THREADS = 400


class Writing(threading.Thread):
    """Customers who write one mail after the other, each until it is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.postman, self.taken, self.enough = Postman(port), 0, False

    def run(self) -> None:
        for thread in self._threads():
            self.postman.hand_in(thread, mail(thread, 0))
            self.taken += 1

    def _threads(self) -> Iterator[int]:
        yield from (thread for thread in range(THREADS) if not self.enough)


def test_a_desk_that_is_killed_leaves_nobody_behind_and_comes_back_with_everything(machine: Machine) -> None:
    desk = machine.up()
    with machine.client() as http:
        machine.enters(http)
        writing = Writing(machine.ports["LMTP_PORT"])
        writing.start()
        until(lambda: writing.taken > 30)
        family = _family(desk.pid)
        desk.kill()
        desk.wait()
        until(lambda: gone(family), within_s=15)
        began = time.monotonic()
        machine.up()
        print(f"up again after {time.monotonic() - began:.1f} s")
        until(lambda: writing.taken > 60 or not writing.is_alive())
        writing.enough = True
        writing.join(60)
        count = writing.taken
        until(lambda: _tickets(http) >= count)
        assert _tickets(http) == count, "each mail that was taken is a ticket, and none is two"
        assert set(writing.postman.heard) <= {0, 250, 421, 451}


def test_ctrl_c_ends_everything_within_five_seconds_under_load(machine: Machine) -> None:
    desk = machine.up()
    with machine.client() as http:
        machine.enters(http)
        writing = Writing(machine.ports["LMTP_PORT"])
        writing.start()
        until(lambda: writing.taken > 30)
        family, told = _family(desk.pid), time.monotonic()
        desk.send_signal(signal.SIGINT)
        assert desk.wait(15) == 0
        took = time.monotonic() - told
        print(f"ended after {took:.1f} s")
        assert took < 6  # a second for a busy machine
        until(lambda: gone(family), within_s=2)


def _family(pid: int) -> dict[int, str]:
    """Children and theirs: reading processes, the server's own."""
    found = children(pid)
    for child in list(found):
        found |= _family(child)
    return found


def _tickets(http: object) -> int:
    count, after = 0, ""
    while True:
        answer = http.get("/v1/tickets", params={"limit": 100, **({"cursor": after} if after else {})})  # type: ignore[attr-defined]
        if answer.status_code != 200:
            return 0
        page = answer.json()
        count += len(page["data"])
        after = page["page"]["next_cursor"] or ""
        if not page["page"]["has_more"]:
            return count
