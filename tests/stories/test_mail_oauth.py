"""A mailbox without a password: refresh tokens that change with each use, and grants that are withdrawn."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import pytest

from omnidesk import app
from omnidesk.channels import base
from omnidesk.domain import ids
from tests import story
from tests.story import Desk, until

BOX, IVAN = "box@acme.example", "ivan@customer.example"


@dataclass
class Provider:
    """Gives access tokens; each refresh token works once, as with the strictest."""

    valid: str = "r1"
    lasts_s: int = 3600
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  # that it gave
    imap: list[str] = field(default_factory=list)  # who signed in where
    smtp: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    async def token(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        given = parse_qs((await reader.readexactly(length)).decode())["refresh_token"][0]
        self.asked.append(given)
        if given != self.valid:
            status, body = "400 Bad Request", {"error": "invalid_grant"}
        else:
            self.valid, token = f"{given}+", f"a{len(self.tokens)}"
            self.tokens.append(token)
            status = "200 OK"
            body = {"access_token": token, "expires_in": str(self.lasts_s), "refresh_token": self.valid}
        text = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        writer.close()

    async def mailbox(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """IMAP, with nothing in it."""
        writer.write(b"* OK ready\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            if command.startswith("AUTHENTICATE XOAUTH2"):
                said = base64.b64decode(command.split()[2]).decode()
                self.imap.append(said)
                if not self._knows(said):
                    writer.write(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
                    await reader.readline()
                    writer.write(f"{tag} NO [AUTHENTICATIONFAILED] no\r\n".encode())
                    continue
            answers = {
                "CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE\r\n",
                "SELECT": "* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1] ok\r\n",
                "UID SEARCH": "* SEARCH\r\n",
            }
            if command == "IDLE":
                writer.write(b"+ idling\r\n")
                await reader.readline()
            found = next((text for start, text in answers.items() if command.startswith(start)), "")
            writer.write(f"{found}{tag} OK done\r\n".encode())

    async def submission(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """SMTP, for those who sign in."""
        writer.write(b"220 ready\r\n")
        content = False
        while line := (await reader.readline()).decode():
            command = line.strip()
            if content:
                self.mails[-1] += line
                if command != ".":
                    continue
                content = False
            if command.startswith("EHLO"):
                writer.write(b"250-here\r\n250 AUTH XOAUTH2\r\n")
            elif command.startswith("AUTH XOAUTH2"):
                said = base64.b64decode(command.split()[2]).decode()
                self.smtp.append(said)
                writer.write(b"235 in\r\n" if self._knows(said) else b"535 5.7.8 no\r\n")
            elif command == "DATA":
                self.mails.append("")
                content = True
                writer.write(b"354 go on\r\n")
            else:
                writer.write(b"250 ok\r\n")

    def _knows(self, said: str) -> bool:
        return said in {f"user={BOX}\x01auth=Bearer {token}\x01\x01" for token in self.tokens}


@asynccontextmanager
async def listening(*serve: object) -> AsyncIterator[list[int]]:
    servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in serve]  # type: ignore[arg-type]
    try:
        yield [server.sockets[0].getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.close()


async def shows(desk: Desk, inbox: str, state: str) -> bool:
    [row] = await desk.rows("SELECT receive_state FROM inboxes WHERE id = $1", ids.decode("inbox", inbox))
    return bool(row["receive_state"] == state)


async def test_a_mailbox_without_a_password_is_signed_in_to_by_whichever_process(desk: Desk) -> None:
    provider = Provider()
    async with listening(provider.token, provider.mailbox, provider.submission) as (token_port, imap_port, smtp_port):
        inbox = await story.email_inbox(
            desk,
            BOX,
            smtp_port=smtp_port,
            imap_host="127.0.0.1",
            imap_port=imap_port,
            imap_security="none",
            oauth_token_url=f"http://127.0.0.1:{token_port}/token",
            oauth_client_id="desk",
            oauth_refresh_token="r1",
        )
        await until(lambda: shows_sign_in(provider))
        await desk.writes(IVAN, "Hello", to=BOX, subject="By token")

        async def sent() -> bool:
            return any("By token" in mail for mail in provider.mails)

        await until(sent)
        assert set(provider.imap) | set(provider.smtp) <= {
            f"user={BOX}\x01auth=Bearer {t}\x01\x01" for t in provider.tokens
        }

        another = app.open_desk(desk.settings)  # a process that knows only what is stored: r1, long used up
        try:
            opened = await another.channels.get(ids.decode("inbox", inbox))
            await opened.channel.check()
            assert provider.asked == ["r1", *(f"r1{'+' * n}" for n in range(1, len(provider.asked)))], "each used once"
            stored = await desk.rows("SELECT value FROM settings WHERE name LIKE 'memory:%'")
            assert len(stored) == 1
            assert "r1" not in bytes.fromhex(stored[0]["value"]).decode("latin-1")

            provider.valid = "withdrawn"
            opened.channel._tokens._until = 0  # an hour passes
            with pytest.raises(base.NeedsReauth):
                await opened.channel._tokens()
        finally:
            await another.close()

        change = {"config": {"oauth_refresh_token": "refused"}}
        assert (await desk.api.patch(f"/v1/inboxes/{inbox}", json=change, headers={"If-Match": "*"})).is_success
        await until(lambda: shows(desk, inbox, "needs_reauth"))
        provider.valid = "s1"
        change = {"config": {"oauth_refresh_token": "s1"}}
        assert (await desk.api.patch(f"/v1/inboxes/{inbox}", json=change, headers={"If-Match": "*"})).is_success
        await until(lambda: shows(desk, inbox, "ok"))
        await until(lambda: asked(provider, "s1"))


async def shows_sign_in(provider: Provider) -> bool:
    return bool(provider.imap)


async def asked(provider: Provider, token: str) -> bool:
    return token in provider.asked
