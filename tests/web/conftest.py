"""A desk with its pages: the API's desk, the console's routes beside it, and people with browsers."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from omnidesk.api.auth import cookie_name
from omnidesk.desk import access
from omnidesk.web.pages import pages
from omnidesk.web.visit import Parts
from tests.api.conftest import PASSWORD, SITE, WHSEC, Desk
from tests.api.conftest import desk as api_desk  # the fixture that `desk` below builds on

__all__ = ["PASSWORD", "SITE", "Browser", "Console", "api_desk", "desk"]

FORM = re.compile(r"<form\b[^>]*?action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
HIDDEN = re.compile(r"<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\"")
TAGS = re.compile(r"<[^>]+>")


@dataclass
class Browser:
    """Somebody's browser: keeps cookies, follows redirects, fills in the forms that a page shows."""

    http: httpx.AsyncClient
    page: httpx.Response = field(default_factory=lambda: httpx.Response(200))

    async def open(self, url: str) -> str:
        self.page = await self.http.get(url, follow_redirects=True)
        return self.page.text

    @property
    def words(self) -> str:
        """What a reader sees, in one line."""
        return " ".join(unescape(TAGS.sub(" ", self.page.text)).split())

    def hidden(self, action: str) -> dict[str, str]:
        """The hidden fields of the form that the page sends there."""
        found = [body for target, body in FORM.findall(self.page.text) if target == action]
        assert found, f"no form to {action} on {self.page.url}"
        return {name: unescape(value) for name, value in HIDDEN.findall(found[0])}

    async def send(
        self,
        action: str,
        fields: dict[str, str] | None = None,
        *,
        files: Any = None,
        hidden: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Fill in the form and press its button; the page is then what came back, redirects followed."""
        data = {**(self.hidden(action) if hidden is None else hidden), **(fields or {})}
        headers = {"sec-fetch-site": "same-origin", "origin": SITE}
        self.page = await self.http.post(action, data=data, files=files, headers=headers, follow_redirects=True)
        return self.page


@dataclass
class Console:
    """The desk behind its pages."""

    api: Desk
    inbox: str = ""

    async def stranger(self, language: str = "en") -> Browser:
        return Browser(await self.api.client(**{"accept-language": language}))

    async def writes(
        self, text: str, *, thread: str = "one", address: str = "ivan@customer.example", **more: Any
    ) -> str:
        """A customer's message, taken in as every one is; the TypeID of its ticket."""
        program = await self.api.key()
        if not self.inbox:
            replies = {"webhook_url": "https://shop.example/replies", "webhook_secret": WHSEC}
            config = {"signing_secret": WHSEC, **replies}
            made = await program.post("/v1/inboxes", json={"channel": "api", "name": "Shop", "config": config})
            self.inbox = made.json()["id"]
        requester = {"kind": "email", "address": address, "name": "Ivan"}
        body = {"requester": requester, "text": text, "subject": "A question", "thread": thread, **more}
        answer = await program.post(f"/v1/inboxes/{self.inbox}/messages", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"]["id"])

    async def read(self, ticket: str) -> dict[str, Any]:
        """The ticket as the API shows it."""
        answer = await (await self.api.key()).get(f"/v1/tickets/{ticket}")
        found: dict[str, Any] = answer.json()
        return found

    async def said(self, ticket: str) -> list[str]:
        """What agents said on a ticket: answers and notes, without what the desk writes by itself."""
        answer = await (await self.api.key()).get(f"/v1/tickets/{ticket}/timeline")
        return [entry["text"] for entry in answer.json()["data"] if entry.get("author") == "agent"]

    async def agent(self, name: str, language: str = "en", **more: Any) -> tuple[UUID, Browser]:
        """An agent of the default queue who has signed in with a password."""
        agent_id = await self.api.agent(name, queues=(await self.api.queue(),), **more)
        async with self.api.db.connection() as tx:
            await tx.driver.execute("UPDATE agents SET language = $2 WHERE id = $1", agent_id, language)
        token = await access.make_link(self.api.db, agent_id, now=self.api.now())
        await access.use_link(self.api.db, token, password=PASSWORD, address="test", now=self.api.now())
        browser = await self.stranger(language)
        await browser.open("/sign-in")
        await browser.send("/sign-in", {"email": self.api.emails[agent_id], "password": PASSWORD}, hidden={})
        assert browser.page.url.path == "/desk", browser.words
        return agent_id, browser


@pytest.fixture
def desk(api_desk: Desk) -> Console:
    parts = Parts(
        db=api_desk.db,
        vault=api_desk.parts.vault,
        channels=api_desk.parts.channels,
        files=api_desk.parts.files,
        public_url=SITE,
        cookie=cookie_name(https=False),
        max_upload=200_000,
        now=api_desk.now,
    )
    api_desk.app.router.routes.extend(pages(parts))
    return Console(api_desk)
