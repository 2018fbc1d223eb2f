"""The command line: what an operator types, reads, and gets as exit code."""

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
import structlog

import tests.plain
from omnidesk.app import Desk, open_desk
from omnidesk.cli import cli
from omnidesk.cli.shared import guarded
from omnidesk.config import load_settings
from omnidesk.db import migrate
from omnidesk.desk import access, inboxes, setup
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.errors import Unauthenticated
from omnidesk.domain.people import SYSTEM
from omnidesk.ports import mail_ports
from tests.servers import free_port

T = TypeVar("T")
PASSWORD = "correct horse battery staple"


@dataclass
class Operator:
    """Somebody at a terminal."""

    out: pytest.CaptureFixture[str]

    def types(self, *words: str) -> tuple[int, str, str]:
        """(exit code, what stands on stdout, on stderr)."""
        self.out.readouterr()
        try:
            code = guarded(lambda: cli(list(words)))
        except SystemExit as end:
            code = int(end.code or 0)
        said = self.out.readouterr()
        return code, said.out, said.err

    def does(self, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
        """Something behind the desk's back."""

        async def done() -> T:
            desk = open_desk(load_settings(None))
            try:
                return await work(desk)
            finally:
                await desk.close()

        return asyncio.run(done())


@pytest.fixture
def here(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A migrated database, free ports and a folder; logging is as it was afterwards."""
    given = {"DATABASE_URL": db_url, "DATA_DIR": str(tmp_path), "SECRET_KEY": "k" * 32}
    given |= {name: str(free_port()) for name in ("PORT", "LMTP_PORT", "SMTP_PORT")}
    for name, value in given.items():
        monkeypatch.setenv(f"OMNIDESK_{name}", value)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], sys.excepthook, threading.excepthook = before[0], before[2], before[3]
    root.setLevel(before[1])
    structlog.reset_defaults()


@pytest.fixture
def operator(here: None, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(capsys)


def token(link: str) -> str:
    found = re.fullmatch(r"http://127\.0\.0\.1:\d+/\w+[#/]([\w-]{40,})\n", link)
    assert found, link
    return found[1]


async def _enters(desk: Desk, secret: str, email: str | None = None) -> str:
    newcomer = access.Newcomer(agent_id=new_id(), email=email, name="Olga") if email else None
    signed_in = await access.use_link(
        desk.db, secret, password=PASSWORD, newcomer=newcomer, address="127.0.0.1", now=datetime.now(UTC)
    )
    return signed_in.actor.role


def test_the_first_link_makes_an_administrator_and_the_next_one_is_his(operator: Operator) -> None:
    assert operator.types("migrate")[:2] == (0, f"The schema is at {migrate.head()}.\n")
    secret = token(operator.types("admin", "link")[1])
    assert operator.does(lambda desk: _enters(desk, secret, "olga@acme.example")) == "admin"

    again = token(operator.types("admin", "link")[1])
    assert operator.does(lambda desk: _enters(desk, again)) == "admin"
    code, _, said = operator.types("admin", "link", "ivan@acme.example")
    assert (code, "ivan@acme.example is no administrator; there are olga@acme.example" in said) == (1, True)


def test_agents_are_made_once_and_get_new_passwords(operator: Operator) -> None:
    made = operator.types("admin", "create-agent", "Petr@acme.example", "--name", "Petr", "--role", "supervisor")
    assert operator.does(lambda desk: _enters(desk, token(made[1]))) == "supervisor"
    code, _, said = operator.types("admin", "create-agent", "petr@acme.example", "--name", "Petr")
    assert (code, said) == (1, "omnidesk: There is an agent with this address already.\n")

    async def sign_in(desk: Desk) -> None:
        await access.sign_in(desk.db, "petr@acme.example", PASSWORD, address="127.0.0.1", now=datetime.now(UTC))

    operator.does(sign_in)
    link = operator.types("admin", "reset-password", "petr@acme.example")[1]
    with pytest.raises(Unauthenticated):
        operator.does(sign_in)
    assert operator.does(lambda desk: _enters(desk, token(link))) == "supervisor"
    operator.does(sign_in)
    assert operator.types("admin", "reset-password", "nobody@acme.example")[0] == 1


def test_keys_are_made_listed_and_revoked(operator: Operator) -> None:
    code, said, _ = operator.types("keys", "create", "shop", "--scope", "tickets:read", "--days", "7")
    key_id, secret = said.split()
    assert (code, access.public_part(secret) is not None) == (0, True)
    assert re.search(rf"{key_id}  valid +never used  shop  tickets:read\n", operator.types("keys", "list")[1])
    assert secret not in operator.types("keys", "list")[1]
    assert operator.types("keys", "revoke", key_id)[:2] == (0, "Revoked.\n")
    assert "revoked" in operator.types("keys", "list")[1]
    code, _, said = operator.types("keys", "create", "shop", "--scope", "tickets:eat")
    assert (code, "there is no scope tickets:eat; there are tickets:read" in said) == (2, True)


async def _parked(desk: Desk) -> UUID:
    await setup.found(desk.db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    inbox_id = new_id()
    await inboxes.create(
        desk.db, desk.channels, desk.vault, "plain", inboxes.Wish(name="Plain"), SYSTEM, inbox_id=inbox_id
    )
    await desk.door.accept(inbox_id, [tests.plain.arrival("ivan", "hello", id="1", do="unreadable")])
    while await desk.intake.once():
        pass
    async with desk.db.connection() as tx:
        return UUID(str(await tx.driver.fetchval("SELECT id FROM arrivals")))


def test_parked_arrivals_are_shown_without_what_was_written_and_read_again(operator: Operator) -> None:
    name = ids.encode("arrival", operator.does(_parked))
    listed = operator.types("arrivals", "list", "--state", "unreadable")[1]
    assert name in listed
    assert "hello" not in listed
    shown = operator.types("arrivals", "show", name)[1]
    assert re.search(r"^state +unreadable$", shown, re.M)
    assert "hello" not in shown
    assert operator.types("arrivals", "retry", name)[:2] == (0, "1 will be read again.\n")
    assert operator.types("arrivals", "list")[1] == ""
    code, _, said = operator.types("arrivals", "retry", name)
    assert (code, said) == (1, "omnidesk: This arrival does not wait for that decision.\n")


def test_wrong_words_are_told_in_one_line(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    revisions = ", ".join(migrate.revisions())
    for words, code, said in (
        (("arrivals", "show", "tkt_1"), 2, "omnidesk: 'tkt_1' names no arrival: an id is arr_ and 26 characters\n"),
        (("arrivals", "retry"), 2, "omnidesk: name arrivals, or say --all\n"),
        (("arrivals", "list", "--state", "lost"), 2, "omnidesk: --state is one of failed, unreadable, held\n"),
        (("migrate", "--to", "9999"), 2, f"omnidesk: there is no revision 9999; there are {revisions}\n"),
    ):
        assert operator.types(*words) == (code, "", said)
    monkeypatch.setenv("OMNIDESK_POTR", "1")
    assert operator.types("keys", "list") == (
        2,
        "",
        "omnidesk: OMNIDESK_POTR is no setting; did you mean OMNIDESK_PORT?\n",
    )


def test_without_a_desk_one_is_told_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMNIDESK_DATABASE_URL")
    for words in (("doctor",), ("serve",), ("work",), ("admin", "link")):
        code, _, said = Operator(capsys).types(*words)
        assert (code, f"there is no desk in {tmp_path}: run `omnidesk up`" in said) == (2, True)


def test_a_database_that_is_away_is_one_line(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIDESK_DATABASE_URL", f"postgresql://desk@127.0.0.1:{free_port()}/desk")
    code, _, said = operator.types("keys", "list")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("omnidesk: trouble with the database: ConnectionRefusedError")


def test_the_schema_goes_down_and_up(operator: Operator) -> None:
    assert operator.types("migrate", "--to", "base")[:2] == (0, "The schema is at nothing.\n")
    code, found, _ = operator.types("doctor")
    assert (code, "bad  schema       at nothing" in found) == (1, True)
    assert operator.types("migrate")[0] == 0
    code, found, _ = operator.types("doctor")
    assert (code, f"ok   schema       at {migrate.head()}, the newest" in found) == (0, True)


def test_a_database_of_a_newer_program_is_left_alone(operator: Operator) -> None:
    async def newer(desk: Desk) -> None:
        async with desk.db.transaction() as tx:
            await tx.driver.execute("UPDATE alembic_version SET version_num = 'ffff'")

    operator.does(newer)
    code, _, said = operator.types("migrate")
    assert (code, "at revision ffff, which this program does not know: update the program" in said) == (2, True)
    code, found, _ = operator.types("doctor")
    assert (code, "bad  schema       at ffff" in found) == (1, True)


def test_the_doctor_finds_what_is_wrong(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.does(_parked)
    code, found, _ = operator.types("doctor")
    assert code == 0
    assert re.search(r"^ok +secret key +opens all of 2 stored", found, re.M)
    assert re.search(r"^note +arrivals +1 unreadable\n +-> `omnidesk arrivals list", found, re.M)
    assert re.search(r"^note +worker +no worker process is at work", found, re.M)

    monkeypatch.setenv("OMNIDESK_SECRET_KEY", "another key " * 4)
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "-b", "127.0.0.1", os.environ["OMNIDESK_PORT"]]
    ) as other:
        try:
            _wait_for(int(os.environ["OMNIDESK_PORT"]))
            code, found, _ = operator.types("doctor")
        finally:
            other.kill()
    assert code == 1
    assert re.search(
        r"^bad +secret key +2 of 2 stored secrets and bodies do not open\n +-> add the former key", found, re.M
    )
    assert re.search(r"^bad +http +another program has port \d+.*\n +-> stop it, or set OMNIDESK_PORT$", found, re.M)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nobody listens")


def test_the_program_tells_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "omnidesk", "version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"omnidesk \d+\.\d+\.\d+\n", done.stdout)


def test_a_port_of_zero_switches_a_door_off(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIDESK_LMTP_PORT", "0")
    monkeypatch.setenv("OMNIDESK_SMTP_PORT", "2525")
    assert mail_ports(load_settings(None)) == {"smtp": 2525}


def test_the_configuration_is_written_planned_and_put_in_force(operator: Operator, tmp_path: Path) -> None:
    operator.types("migrate")
    code, written, _ = operator.types("config", "export")
    file = tmp_path / "desk.toml"
    file.write_text(written, encoding="utf-8")
    assert (code, operator.types("config", "plan", str(file))[:2]) == (0, (0, "Nothing would change.\n"))
    file.write_text(written.replace('order = "cost"', 'order = "edd"'), encoding="utf-8")
    change = '~ policy: order "cost" -> "edd"\n'
    assert operator.types("config", "plan", str(file))[:2] == (0, change)
    assert operator.types("config", "apply", str(file))[:2] == (0, change)
    assert operator.types("config", "apply", str(file))[:2] == (0, "Nothing changed.\n")
    wrong = written.replace('order = "cost"', 'order = "luck"')
    line = 1 + wrong[: wrong.index('order = "luck"')].count("\n")
    file.write_text(wrong, encoding="utf-8")
    code, said, trouble = operator.types("config", "apply", str(file))
    assert (code, said) == (1, "")
    assert f"line {line}: policy/order: must be one of" in trouble
    assert 'order = "edd"' in operator.types("config", "export")[1]
