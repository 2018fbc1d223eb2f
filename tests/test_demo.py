"""`omnidesk demo` as a newcomer runs it: tickets are made and answered by mail, and nothing is left of it."""

import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest

from tests.servers import free_port

pytestmark = pytest.mark.slow
PATIENCE_S = 120.0
SPAN = 27  # ports of a demo


class Demo:
    """A demo in a process of its own, and what it says."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.said = _room(), folder / "said"
        known = {name: value for name, value in os.environ.items() if not name.startswith("OMNIDESK_")}
        # settings of a real desk beside it: the demo must not touch that one
        known |= {"OMNIDESK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/real", "TMPDIR": str(folder)}
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "omnidesk", "demo", "--fast", "--port", str(self.port), *options],
                env=known,
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def waits_for(self, pattern: str) -> re.Match[str]:
        """Until it has said so."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.said.read_text())):
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.05)
        return found


def _room() -> int:
    """A port with room above it."""
    while (port := free_port()) + SPAN > 65_000:
        pass
    return port


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's server may pass through: started by root, it runs as another user."""
    made = Path(tempfile.mkdtemp(prefix="desk-demo-", dir="/var/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Demo]:
    one = Demo(folder, *options)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
            one.process.wait(30)


def of(folder: Path) -> list[str]:
    """Command lines of processes that work in the folder, or were started with it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            here = str((process / "cwd").readlink())
        except OSError:
            continue
        if words and (str(folder) in words or here.startswith(str(folder))):
            found.append(words)
    return found


def test_tickets_are_made_and_answered_and_it_ends_by_itself(folder: Path) -> None:
    with demo(folder, "--seconds", "15") as one:
        one.waits_for("Ctrl-C ends it")
        entry = one.waits_for(r"e-mail (\S+)   password (\S+)")
        with httpx.Client(base_url=f"http://127.0.0.1:{one.port}", trust_env=False) as api:
            signed_in = api.post("/v1/sessions", json={"email": entry[1], "password": entry[2]})
            assert signed_in.status_code == 201, signed_in.text
            one.waits_for(r"answers\n(.*\n)*.*resolved")
            one.waits_for("an answer is bounced")
            one.waits_for("no answer to robots")
            tickets = api.get("/v1/tickets", params={"status": "resolved"}).json()["data"]
            assert tickets
            timeline = api.get(f"/v1/tickets/{tickets[-1]['id']}/timeline").json()["data"]
            sent = [each for one in timeline if one["type"] == "message" for each in one["deliveries"]]
            assert {each["state"] for each in sent} <= {"sent", "bounced", "queued"}
        mailboxes = next(folder.glob("omnidesk-demo-*/mailboxes"))
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in mailboxes.glob("*/*.eml")]
        assert any(mail["Auto-Submitted"] is None for mail in mails), "an agent's answer really travelled"
        assert one.process.wait(60) == 0
    counts = re.search(r"That was: (\d+) new, (\d+) acknowledged, (\d+) assigned, (\d+) answered", one.said.read_text())
    assert counts
    assert all(int(count) >= 2 for count in counts.groups())
    assert "rror" not in one.said.read_text()
    assert list(folder.glob("omnidesk-demo-*")) == []
    assert of(folder) == []


def test_a_newcomers_mail_is_answered_and_ctrl_c_ends_everything_within_five_seconds(folder: Path) -> None:
    with demo(folder, "--seed", "7") as one:
        one.waits_for("Ctrl-C ends it")
        with smtplib.SMTP("127.0.0.1", one.port + 26, timeout=20) as client:
            mail = "From: you@home.example\r\nTo: support@acme.example\r\nSubject: Hello\r\n\r\nDoes it work?\r\n"
            client.sendmail("you@home.example", ["support@acme.example"], mail)
            with pytest.raises(smtplib.SMTPDataError, match="550"):
                client.sendmail("you@home.example", ["nobody@acme.example"], mail)
        one.waits_for(r"new: you@home.example, “Hello”")
        box = next(folder.glob("omnidesk-demo-*")) / "mailboxes" / "you@home.example"
        deadline = time.monotonic() + PATIENCE_S
        while not box.exists() or len(list(box.iterdir())) < 2:
            assert time.monotonic() < deadline, "an acknowledgement and an answer"
            time.sleep(0.05)
        assert "Acme Support" in (box / "002.eml").read_text()

        began = time.monotonic()
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(30) == 0
        assert time.monotonic() - began < 5
    assert of(folder) == []


def test_a_kept_folder_goes_on_where_it_was(folder: Path) -> None:
    kept = folder / "kept"
    with demo(folder, "--folder", str(kept), "--seconds", "5") as first:
        password = first.waits_for(r"password (\S+)")[1]
        assert first.process.wait(PATIENCE_S) == 0
    with demo(folder, "--folder", str(kept)) as again:
        assert again.waits_for(r"password (\S+)")[1] == password
        again.waits_for("answers")
