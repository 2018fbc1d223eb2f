"""A program that is told by webhooks, as its author would write it: verifies, remembers ids, answers as told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} As told", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Call:
    """One call that was verified."""

    id: str
    headers: dict[str, str]
    payload: dict[str, Any]
    secret: str  # by which it was verified

    @property
    def type(self) -> str:
        return str(self.payload["type"])

    @property
    def seq(self) -> int:
        return int(self.payload["data"]["seq"])

    @property
    def ticket(self) -> str:
        return str(self.payload["data"]["ticket_id"])


@dataclass
class Receiver:
    """`script` says what each call is answered, in turn, then `then`; None never answers, b"" hangs up."""

    port: int = 0
    secrets: list[str] = field(default_factory=list)
    script: list[bytes | None] = field(default_factory=list)
    then: bytes | None = OK
    decide: Callable[[Call], bytes | None] | None = None
    wait_s: float = 0.0
    calls: list[Call] = field(default_factory=list)  # all that came
    taken: list[Call] = field(default_factory=list)  # those that were answered with 2xx
    forged: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Nobody listens any more; the port stays ours to come back to."""
        if self._server:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            call = self._verified(headers, body)
            if call is None:
                self.forged += 1
                writer.write(answer(401))
            else:
                await self._answer(call, reader, writer)
            await writer.drain()
        writer.close()

    def _verified(self, headers: dict[str, str], body: bytes) -> Call | None:
        for secret in self.secrets:
            with suppress(Exception):
                payload = Webhook(secret).verify(body, headers)
                assert payload == json.loads(body)
                return Call(headers["webhook-id"], headers, payload, secret)
        return None

    async def _answer(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls.append(call)
        reply = self.script.pop(0) if self.script else self.decide(call) if self.decide else self.then
        if self.wait_s:
            await asyncio.sleep(self.wait_s)
        if reply is None:
            await reader.read()
            return
        if reply[9:10] == b"2":
            self.taken.append(call)
        writer.write(reply)


@asynccontextmanager
async def receiver(*secrets: str) -> AsyncIterator[Receiver]:
    program = Receiver(secrets=list(secrets))
    await program.up()
    try:
        yield program
    finally:
        await program.down()
