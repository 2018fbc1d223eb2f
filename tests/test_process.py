"""How a process of the desk ends."""

import signal
import subprocess
import sys
import time

import pytest

STUBBORN = """
import asyncio
from omnidesk import logs, process
logs.configure()

async def main(stop):
    print("running", flush=True)
    await stop.wait()
    print("told", flush=True)
    if {stubborn}:
        await asyncio.Event().wait()

process.run(main)
print("ended", flush=True)
"""


def started(*, stubborn: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN.format(stubborn=stubborn)], stdout=subprocess.PIPE, text=True
    )
    assert said(process) == "running"
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_it_finish(number: signal.Signals) -> None:
    with started(stubborn=False) as process:
        process.send_signal(number)
        assert (said(process), said(process), process.wait(10)) == ("told", "ended", 0)


def test_the_second_signal_ends_it_at_once() -> None:
    with started(stubborn=True) as process:
        process.send_signal(signal.SIGTERM)
        assert said(process) == "told"
        process.send_signal(signal.SIGTERM)
        assert process.wait(3) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_what_hangs_is_ended_after_five_seconds() -> None:
    with started(stubborn=True) as process:
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGALRM
        assert 4 < time.monotonic() - told < 6
