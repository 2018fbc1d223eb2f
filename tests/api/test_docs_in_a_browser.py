"""The docs page in a real browser: it works under its own policy and talks to this desk only."""

import shutil

import pytest
from playwright.async_api import async_playwright

from tests.api.conftest import Desk
from tests.api.test_events import served

CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_an_operation_is_tried_out_from_the_page(desk: Desk) -> None:
    secret = await desk.secret("queues:read")
    asked: list[str] = []
    complaints: list[str] = []
    async with served(desk) as base, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{base}/docs")
        await page.fill("#key", secret)
        await page.fill("#find", "list queues")
        form = page.locator('form.try[data-method="GET"][data-path="/v1/queues"]')
        await form.locator("xpath=..").locator("summary").click()
        await form.locator('input[name="limit"]').fill("1")
        await form.locator("button").click()
        await page.wait_for_function(
            "(form) => form.querySelector('.answer').textContent.startsWith('200')", arg=await form.element_handle()
        )
        answer = await form.locator(".answer").inner_text()
        listed = await page.locator("nav li:visible").count()
        styled = await page.evaluate("getComputedStyle(document.body).display")
        await browser.close()

    assert '"is_default": true' in answer
    assert listed == 1
    assert styled == "grid", "its style passed its own policy"
    assert complaints == []
    assert all(url.startswith((base, "data:")) for url in asked), asked
    assert not any(secret in url for url in asked)
