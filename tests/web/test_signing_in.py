"""Coming in through the pages: passwords, one-time links, languages, and the way out."""

import pytest

from omnidesk.desk import access
from omnidesk.domain.people import Role
from omnidesk.web.visit import local, preferred
from tests.web.conftest import PASSWORD, Console


async def test_a_stranger_is_sent_to_sign_in_and_then_where_he_wanted_to_go(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    agent_id, _ = await desk.agent("Olga")
    browser = await desk.stranger()

    await browser.open(f"/desk/tickets/{ticket}")
    assert browser.page.url.path == "/sign-in"
    await browser.send(
        str(browser.page.url.raw_path, "ascii"), {"email": desk.api.emails[agent_id], "password": PASSWORD}, hidden={}
    )

    assert browser.page.url.path == f"/desk/tickets/{ticket}"
    assert "Where is my order?" in browser.words


async def test_whatever_is_wrong_the_answer_is_the_same_and_the_address_stays(desk: Console) -> None:
    agent_id, _ = await desk.agent("Olga")
    browser = await desk.stranger()
    for email in (desk.api.emails[agent_id], "nobody@acme.example"):
        answer = await browser.send("/sign-in", {"email": email, "password": "not the password"}, hidden={})
        assert answer.status_code == 401
        assert "Wrong address or password." in browser.words
        assert f'value="{email}"' in answer.text
        assert "not the password" not in answer.text
    await browser.open("/desk")
    assert browser.page.url.path == "/sign-in"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/desk", "//evil.example/desk", "/\\evil.example", "/v1/me", "/deskx"]
)
def test_signing_in_never_leads_to_another_site(elsewhere: str) -> None:
    assert local(elsewhere) == "/desk"
    assert local("/desk?view=open") == "/desk?view=open"


async def test_the_first_link_makes_the_first_administrator_once(desk: Console) -> None:
    token = await access.make_link(desk.api.db, None, now=desk.api.now())
    browser, url = await desk.stranger(), f"/welcome/{token}"
    for _ in range(2):
        await browser.open(url)  # looking does not use it up
        assert "no administrator yet" in browser.words

    person = {"name": "Anna", "email": "anna@acme.example"}
    short = await browser.send(url, {**person, "password": "short"}, hidden={})
    assert (short.status_code, 'value="Anna"' in short.text) == (422, True)
    assert "at least 12 characters" in browser.words
    await browser.send(url, {**person, "password": PASSWORD}, hidden={})
    assert browser.page.url.path == "/desk"
    assert "Welcome to the desk." in browser.words

    again = await (await desk.stranger()).open(url)
    assert "used already" in again
    me = await browser.http.get("/v1/me")
    assert (me.json()["role"], me.json()["name"], me.json()["language"]) == ("admin", "Anna", "en")


async def test_a_reset_link_sets_a_new_password_and_ends_older_sessions(desk: Console) -> None:
    agent_id, old = await desk.agent("Olga")
    token = await access.make_link(desk.api.db, agent_id, now=desk.api.now())
    browser = await desk.stranger()
    await browser.open(f"/welcome/{token}")
    assert "Hello, Olga!" in browser.words
    await browser.send(f"/welcome/{token}", {"password": "another long password"}, hidden={})
    assert browser.page.url.path == "/desk"

    await old.open("/desk")
    assert old.page.url.path == "/sign-in"
    gone = await browser.http.get(f"/welcome/{token}")
    assert gone.status_code == 410


async def test_the_token_of_a_link_reaches_no_log_and_no_other_page(
    desk: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await access.make_link(desk.api.db, None, now=desk.api.now())
    browser = await desk.stranger()
    await browser.open(f"/welcome/{token}")
    assert browser.page.headers["referrer-policy"] == "strict-origin"
    await browser.send(f"/welcome/{token}", {"password": "short"}, hidden={})
    written = "".join(capsys.readouterr())
    assert "/welcome/{token}" in written, "requests are logged by their route"
    assert token not in written


async def test_signing_out_ends_the_session_itself(desk: Console) -> None:
    _, browser = await desk.agent("Olga")
    stolen = dict(browser.http.cookies)
    await browser.send("/sign-out")
    assert "You are signed out." in browser.words

    thief = await desk.stranger()
    thief.http.cookies.update(stolen)
    await thief.open("/desk")
    assert thief.page.url.path == "/sign-in"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(desk: Console) -> None:
    agent_id, _ = await desk.agent("Olga")
    browser = await desk.stranger()
    form = {"email": desk.api.emails[agent_id], "password": PASSWORD}
    answer = await browser.http.post("/sign-in", data=form, headers={"sec-fetch-site": "same-origin"})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_before_signing_in_the_browser_says_which_language_then_the_agent(desk: Console) -> None:
    stranger = await desk.stranger("ru-RU,ru;q=0.9,en;q=0.5")
    page = await stranger.open("/sign-in")
    assert '<html lang="ru">' in page
    assert "Вход в систему" in page

    _, olga = await desk.agent("Olga", "ru", role=Role.SUPERVISOR)
    olga.http.headers["accept-language"] = "en"
    for url, word in (
        ("/desk", "Не назначены"),
        ("/desk/parked", "Ничего не отложено"),
        ("/desk/presence", "На месте"),
    ):
        page = await olga.open(url)
        assert '<html lang="ru">' in page
        assert word in olga.words


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ru"),
        ("", "ru"),
        ("de", "ru"),
        ("de,en;q=0.4,ru;q=0.3", "en"),
        ("ru;q=x, en;q=0.1", "en"),
        ("en;q=0", "ru"),
    ],
)
def test_the_language_most_asked_for_wins(header: str | None, language: str) -> None:
    assert preferred(header, "ru") == language
