"""Pages have no private door: every change needs a form of one's own session and the rights that the API asks for."""

import re

from omnidesk.desk import webhooks
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from omnidesk.web.pages import CHANGE
from tests.web.conftest import SITE, Browser, Console

SAME = {"sec-fetch-site": "same-origin"}
FORMS = sorted([*CHANGE, "/desk/presence"])


def filled(path: str, ticket: str) -> str:
    some = ids.encode("delivery", ids.decode("ticket", ticket))
    return path.format(ticket_id=ticket, delivery_id=some, arrival_id=some.replace("dlv", "arr"))


async def test_a_form_of_another_site_or_session_changes_nothing(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga", role=Role.SUPERVISOR)
    _, petr = await desk.agent("Petr", role=Role.SUPERVISOR)
    await petr.open("/desk")
    await olga.open("/desk")
    own, foreign = olga.hidden("/sign-out")["csrf"], petr.hidden("/sign-out")["csrf"]
    assert own != foreign
    before = await desk.read(ticket)
    forged: list[tuple[dict[str, str], str, str]] = [
        ({"sec-fetch-site": "cross-site"}, own, "another site"),
        ({"sec-fetch-site": "same-site"}, own, "another host of this site"),
        ({"origin": "https://evil.example"}, own, "another site, in an older browser"),
        ({}, own, "neither header"),
        (SAME, "", "no token"),
        (SAME, foreign, "another session's token"),
    ]
    for path in FORMS:
        for headers, token, why in forged:
            fields = {"to": "resolved", "text": "Hello", "note": "x", "agent": "me", "status": "online", "csrf": token}
            answer = await olga.http.post(filled(path, ticket), data=fields, headers=headers)
            assert answer.status_code == 403, (path, why)
    assert await desk.read(ticket) == before
    assert (await olga.http.get("/desk")).status_code == 200, "still signed in"


async def test_the_origin_alone_is_enough_for_older_browsers(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(f"/desk/tickets/{ticket}")
    fields = olga.hidden(f"/desk/tickets/{ticket}/status") | {"to": "resolved"}
    answer = await olga.http.post(f"/desk/tickets/{ticket}/status", data=fields, headers={"origin": SITE})
    assert answer.status_code == 303
    assert (await desk.read(ticket))["status"] == "resolved"


async def test_what_one_may_not_see_does_not_exist(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    other = await desk.api.another_queue("Other")
    _, olga = await desk.agent("Olga")
    await olga.open(f"/desk/tickets/{ticket}")
    form = olga.hidden(f"/desk/tickets/{ticket}/details")
    async with desk.api.db.connection() as tx:
        await tx.driver.execute("UPDATE tickets SET queue_id = $1", other)

    fields = {**form, "to": "resolved", "text": "Hello", "note": "x", "agent": "me", "urgency": "low"}
    for path in (path for path in FORMS if "ticket_id" in path):
        assert (await olga.http.post(filled(path, ticket), data=fields, headers=SAME)).status_code == 404, path
    assert (await olga.http.get(f"/desk/tickets/{ticket}")).status_code == 404
    assert (await olga.http.get(f"/v1/tickets/{ticket}")).status_code == 404, "as the API says"


async def test_parked_messages_are_for_supervisors(desk: Console) -> None:
    _, olga = await desk.agent("Olga")
    _, boss = await desk.agent("Boss", role=Role.SUPERVISOR)
    assert (await olga.http.get("/desk/parked")).status_code == 403
    assert "/desk/parked" not in await olga.open("/desk")
    assert "/desk/parked" in await boss.open("/desk")
    token = olga.hidden("/sign-out")["csrf"] if olga.page.url.path == "/desk" else ""
    path = filled("/desk/parked/{arrival_id}/retry", await desk.writes("Hello"))
    assert (await olga.http.post(path, data={"csrf": token}, headers=SAME)).status_code == 403


async def test_what_customers_write_is_text_and_never_markup(desk: Console) -> None:
    evil = '<script>alert(1)</script><img src=x onerror=alert(2)> "><b>bold</b> {{ 7*7 }} {who}'
    ticket = await desk.writes(evil, subject=evil)
    _, olga = await desk.agent("Olga")
    for url in (f"/desk/tickets/{ticket}", "/desk?view=waiting"):
        page = await olga.open(url)
        assert "&lt;script&gt;alert(1)" in page
        assert not re.search(r"<script|<img src=x|<b>bold", page)
    assert "{{ 7*7 }}" in await olga.open(f"/desk/tickets/{ticket}")


async def test_pages_need_no_script_no_inline_style_and_no_other_host(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga", role=Role.SUPERVISOR)
    for url in (
        "/sign-in?x",
        "/desk?view=waiting",
        f"/desk/tickets/{ticket}",
        "/desk/parked",
        "/desk/presence",
        "/desk/no",
    ):
        answer = await olga.http.get(url, follow_redirects=True)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(
            r"<script|<style|\sstyle=|\son[a-z]+=|(?:src|href|action)=\"(?:https?:)?//", answer.text
        ), url
    framed = await olga.http.get("/desk/presence")
    assert framed.headers["x-frame-options"] == "SAMEORIGIN"
    assert (await olga.http.get("/desk")).headers["x-frame-options"] == "DENY"


async def test_static_files_are_kept_for_ever_and_named_by_their_content(desk: Console) -> None:
    browser: Browser = await desk.stranger()
    page = await browser.open("/sign-in")
    [url] = re.findall(r'href="(/static/desk\.[0-9a-f]{12}\.css)"', page)
    answer = await browser.http.get(url)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    for wrong in ("/static/desk.css", "/static/..%2Fpages.py", "/static/desk.000000000000.css"):
        assert (await browser.http.get(wrong)).status_code == 404


async def test_administrators_see_that_a_webhook_was_switched_off(desk: Console) -> None:
    program = await desk.api.key()
    for name in ("ERP", "Shop"):
        wish = {"url": f"https://{name.lower()}.example/x", "description": name}
        assert (await program.post("/v1/webhooks", json=wish)).status_code == 201
    async with desk.api.db.transaction() as tx:
        await webhooks.switch_off(tx, await tx.driver.fetchval("SELECT max(id::text)::uuid FROM webhooks"), "failing")
    _, vera = await desk.agent("Vera", role=Role.ADMIN)
    assert "has switched the webhook Shop off" in vera.words
    assert "ERP" not in vera.words
    _, olga = await desk.agent("Olga")
    assert "webhook" not in olga.words
