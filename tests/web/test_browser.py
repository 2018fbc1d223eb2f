"""The console in a real browser without JavaScript: sign in, answer, resolve; no page is wider than a phone."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from omnidesk.desk import access
from omnidesk.domain import ids
from tests import story
from tests.web.conftest import PASSWORD

CHROMIUM = shutil.which("chromium")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
IVAN = "ivan@customer.example"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest.fixture
async def desk(db_url: str, tmp_path: Path) -> AsyncIterator[story.Desk]:
    async with story.desk(db_url, tmp_path) as running:
        yield running


async def tab(browser: Browser, desk: story.Desk, language: str, *, width: int = 1280, dark: bool = False) -> Page:
    """A window without JavaScript that tells of requests to anywhere else."""
    context = await browser.new_context(
        java_script_enabled=False,
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        locale=language,
        base_url=desk.settings.public_url,
    )
    page = await context.new_page()
    page.on("request", lambda request: outside.append(request.url) if not_ours(request.url, desk) else None)
    return page


outside: list[str] = []


def not_ours(url: str, desk: story.Desk) -> bool:
    return not url.startswith(desk.settings.public_url)


async def test_the_first_administrator_signs_in_answers_and_resolves(desk: story.Desk, tmp_path: Path) -> None:
    outside.clear()
    link = await access.make_link(desk.db, None, now=datetime.now(UTC))
    await desk.writes(IVAN, "Где мой заказ 48213?", subject="Заказ", name="Иван")
    [ticket] = await desk.tickets(1)
    await desk.mail_to(IVAN)
    async with chromium() as browser:
        page = await tab(browser, desk, "ru-RU")
        await page.goto(f"/welcome/{link}")
        await page.get_by_label("Ваше имя").fill("Анна")
        await page.get_by_label("E-mail").fill("anna@acme.example")
        await page.get_by_label("Новый пароль").fill(PASSWORD)
        await page.get_by_role("button", name="Войти").click()
        await page.get_by_role("status").get_by_text("Добро пожаловать!").wait_for()

        frame = page.frame_locator("iframe.pulse")
        await frame.get_by_role("button", name="На месте", exact=True).click()
        await frame.locator('button.online[aria-pressed="true"]').wait_for()

        await page.get_by_role("navigation", name="Списки").get_by_role("link", name="Все открытые").click()
        await page.get_by_role("link", name="Заказ").click()
        await page.get_by_role("heading", level=1, name="Заказ").wait_for()
        await page.get_by_label("Ваш ответ").fill("Заказ в пути, будет завтра.")
        await page.get_by_role("button", name="Отправить и решить").click()
        await page.get_by_text("Ответ отправляется.").wait_for()
        await page.screenshot(path=tmp_path / "answered.png", full_page=True)

    answer = await desk.mail_to(IVAN, 2)
    body = answer.get_body(("plain",))
    assert body is not None
    assert "Заказ в пути, будет завтра." in body.get_content()
    await desk.ticket(ticket["id"], status="resolved")
    assert outside == [], "no request left for another host"


async def test_every_page_fits_a_phone_in_both_languages_light_and_dark(desk: story.Desk, tmp_path: Path) -> None:
    olga = await desk.agent("Olga", role="supervisor", online=False)
    long = "Заказ" + "очень" * 60
    await desk.writes(IVAN, f"{long}\n\nhttps://shop.example/{'x' * 300}", subject=long, name="Иван")
    [ticket] = await desk.tickets(1)
    pages = ["/desk?view=open", f"/desk/tickets/{ticket['id']}", "/desk/parked", "/desk/nothing", "/desk/presence"]
    async with chromium() as browser:
        for language, dark, width in (("ru", False, 360), ("en", True, 360), ("ru", True, 768), ("en", False, 1280)):
            await desk.api.patch(f"/v1/agents/{olga.id}", json={"language": language}, headers={"If-Match": "*"})
            link = await access.make_link(desk.db, ids.decode("agent", olga.id), now=datetime.now(UTC))
            page = await tab(browser, desk, language, width=width, dark=dark)
            await page.goto(f"/welcome/{link}")
            await page.locator("input[type=password]").fill(PASSWORD)
            await page.locator("button.primary").click()
            await page.locator("table, .empty").first.wait_for()
            for number, url in enumerate(pages):
                await page.goto(url)
                await page.screenshot(path=tmp_path / f"{language}-{width}-{number}.png", full_page=True)
                assert await page.locator("html").get_attribute("lang") == language
                assert await overhang(page) <= 0, f"{url} is wider than {width} px"


async def overhang(page: Page) -> int:
    """How many pixels of the page stand beyond its window; asked over the protocol, as scripts are off."""
    session = await page.context.new_cdp_session(page)
    metrics = await session.send("Page.getLayoutMetrics")
    width = int(metrics["cssContentSize"]["width"]) - int(metrics["cssLayoutViewport"]["clientWidth"])
    await session.detach()
    return width
