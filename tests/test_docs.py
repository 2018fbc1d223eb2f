"""What the guides in docs/ say is tried: the commands of the API guide, and the channel that a stranger adds."""

import asyncio
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from omnidesk.channels import base
from omnidesk.cli import cli
from omnidesk.config import Settings
from tests import story
from tests.servers import free_port

DOCS = Path(__file__).parent.parent / "docs"
SMS = {"id": "1", "from": "+79997654321", "text": "Where is my order?"}


@pytest.fixture
async def desk(db_url: str, tmp_path: Path) -> AsyncIterator[story.Desk]:
    async with story.desk(db_url, tmp_path / "desk") as running:
        yield running


def blocks(page: str, kind: str) -> list[str]:
    """The code blocks of a kind in a guide."""
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="Debian's curl is not installed")
async def test_each_command_of_the_api_guide_works(desk: story.Desk) -> None:
    commands = blocks("api.md", "sh run")
    assert len(commands) > 8
    script = "set -euo pipefail\n" + "\necho; echo =====\n".join(commands)
    known = {"DESK": f"http://127.0.0.1:{desk.settings.port}", "OMNIDESK_KEY": desk.secret, "PATH": os.environ["PATH"]}
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=known, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await shell.communicate())[0].decode()
    assert shell.returncode == 0, said
    answers = said.split("=====")
    assert '"kind":"key"' in answers[0]
    assert re.search(r"^inb_\w{26}$", answers[1], re.MULTILINE)
    assert re.search(r"^tkt_\w{26}$", answers[2], re.MULTILINE)
    assert '"code": "' in answers[-1].replace('"code":"', '"code": "')
    [ticket] = await desk.get("/v1/tickets", urgency="high")
    assert (ticket["status"], ticket["subject"]) == ("pending", "Where is my order?")
    said_there = await desk.said(ticket["id"])
    assert [entry["text"] for entry in said_there if entry["type"] == "note"] == [
        "The parcel is in Riga.",
        "Called the carrier.",
        "Tracking",
    ], "with the same Idempotency-Key there is one note"
    assert [file["name"] for entry in said_there for file in entry["files"]] == ["tracking.txt"]


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="curl or openssl is not installed")
async def test_a_message_signed_as_the_guide_says_comes_in(desk: story.Desk) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    inbox = await desk.post("/v1/inboxes", {"channel": "api", "name": "Shop", "config": {"signing_secret": secret}})
    known = {"DESK": f"http://127.0.0.1:{desk.settings.port}", "INBOX": inbox["id"], "SECRET": secret}
    script = "set -euo pipefail\n" + "\n".join(blocks("channels/api.md", "sh run"))
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=known | {"PATH": os.environ["PATH"]}, stdout=asyncio.subprocess.PIPE
    )
    said = (await shell.communicate())[0].decode()
    assert (shell.returncode, said) == (0, '{"status":"accepted"}')
    [ticket] = await desk.tickets(1)
    assert (ticket["channel"], (await desk.said(ticket["id"]))[0]["text"]) == ("api", "Where is it?")


@pytest.mark.skipif(shutil.which("curl") is None, reason="Debian's curl is not installed")
async def test_a_receiver_written_by_the_guide_is_told_what_happens(desk: story.Desk, tmp_path: Path) -> None:
    port, [code] = free_port(), blocks("webhooks.md", "python")
    (tmp_path / "receiver.py").write_text(code)
    known = {"DESK": f"http://127.0.0.1:{desk.settings.port}", "OMNIDESK_KEY": desk.secret, "PORT": str(port)}
    known |= {"RECEIVER": f"http://127.0.0.1:{port}/", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "\n".join(["set -euo pipefail", "trap 'kill %1' EXIT", *blocks("webhooks.md", "sh run")])
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=known, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await asyncio.wait_for(shell.communicate(), 60))[0].decode()
    assert shell.returncode == 0, said
    assert "\nwebhook.test None\n" in said
    assert '"replayed":' in said
    assert '"rotating_until":"' in said


PAGES = [DOCS.parent / "README.md", DOCS.parent / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def commands_of(command: Any) -> dict[str, Any]:
    """The commands of a group, by name; none of a plain command."""
    found: dict[str, Any] = getattr(command, "commands", {})
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_links_lead_somewhere_and_commands_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    commands = commands_of(typer.main.get_command(cli))
    assert commands
    for command, sub in re.findall(r"(?:`|^|bin/)omnidesk (?!-)([a-z]+)(?: ([a-z-]+))?", text, re.MULTILINE):
        assert command in commands, command
        below = commands_of(commands[command])
        assert not below or sub in below, f"{command} {sub}"
    settings = {f"OMNIDESK_{name.upper()}" for name in Settings.model_fields} | {"OMNIDESK_KEY"}
    assert set(re.findall(r"OMNIDESK_[A-Z_]*[A-Z]", text)) <= settings


class Pigeon:
    """The SMS gateway: keeps what it is given."""

    def __init__(self) -> None:
        self.port, self.sms = free_port(), list[dict[str, Any]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head.lower())
        assert size
        self.sms.append(json.loads(await reader.readexactly(int(size[1]))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
def pigeon_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the guide, where Python finds installed ones."""
    [code], [project] = blocks("add-a-channel.md", "python"), blocks("add-a-channel.md", "toml")
    points = tomllib.loads(project)["project"]["entry-points"]["omnidesk.channels"]
    site = tmp_path / "site"
    info = site / "omnidesk_pigeon-0.1.0.dist-info"
    info.mkdir(parents=True)
    (site / "pigeon.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: omnidesk-pigeon\nVersion: 0.1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[omnidesk.channels]\n{lines}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(base, "_registry", dict(base._registry))


@pytest.mark.usefixtures("pigeon_installed")
async def test_a_stranger_adds_a_channel_by_the_guide(db_url: str, tmp_path: Path) -> None:
    pigeon = Pigeon()
    server = await asyncio.start_server(pigeon.serve, "127.0.0.1", pigeon.port)
    async with server, story.desk(db_url, tmp_path / "desk", inbox=False) as desk:
        [channel] = [one for one in await desk.get("/v1/channels") if one["name"] == "pigeon"]
        assert (channel["receives"], channel["answers"], channel["secrets"]) == ("called", True, ["secret"])
        config = {"number": "+79991234567", "secret": "s3cr3t-s3cr3t", "url": f"http://127.0.0.1:{pigeon.port}/send"}
        inbox = await desk.post("/v1/inboxes", {"channel": "pigeon", "name": "SMS", "config": config})
        olena = await desk.agent("Olena")

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{desk.settings.port}") as gateway:
            forged = await gateway.post(f"/hooks/{inbox['id']}", json=SMS, headers={"X-Pigeon-Secret": "guessed"})
            assert forged.status_code == 401
            for _ in range(2):
                taken = await gateway.post(
                    f"/hooks/{inbox['id']}", json=SMS, headers={"X-Pigeon-Secret": "s3cr3t-s3cr3t"}
                )
                assert (taken.status_code, taken.text) == (200, "OK")

        [ticket] = await desk.tickets(1)
        long_answer = " ".join(["It left today."] * 12)
        await desk.answers(olena, ticket["id"], long_answer)

        async def arrived() -> bool:
            return "".join(sms["text"] for sms in pigeon.sms).endswith(long_answer)

        await story.until(arrived)
        assert all(len(sms["text"]) <= 160 and sms["to"] == SMS["from"] for sms in pigeon.sms)
