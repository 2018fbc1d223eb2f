"""Coming in: keys and their scopes, passwords, sessions, one-time links; what other sites cannot do."""

import asyncio
import zlib
from datetime import timedelta

from omnidesk.desk import access
from omnidesk.desk.access import keys
from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.api.conftest import PASSWORD, SITE, Desk
from tests.api.test_problems import problem


async def test_a_key_does_what_its_scopes_say_and_no_more(desk: Desk) -> None:
    reader = await desk.key("queues:read")

    assert (await reader.get("/v1/queues")).status_code == 200
    body = problem(await reader.get("/v1/tickets"), 403, "missing_scope")
    assert body["scope"] == "tickets:read"
    problem(await reader.post("/v1/agents", json={}), 403, "missing_scope")


async def test_wrong_expired_and_revoked_keys_are_refused_alike(desk: Desk) -> None:
    secret = await desk.secret("queues:read", expires_at=desk.now() + timedelta(hours=1))
    program = await desk.client(authorization=f"Bearer {secret}")
    assert (await program.get("/v1/queues")).status_code == 200

    mistyped = secret[:-1] + ("1" if secret.endswith("0") else "0")
    for wrong in (mistyped, secret[:-8], "omd_live_", "hello", secret.replace("live", "test"), "я" * 60):
        stranger = await desk.client()
        answer = await stranger.get("/v1/queues", headers={b"authorization": f"Bearer {wrong}".encode()})
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(await (await desk.client(authorization="Basic eDp5")).get("/v1/queues"), 401, "unauthenticated")

    desk.later(hours=2)
    problem(await program.get("/v1/queues"), 401, "unauthenticated")


async def test_a_forged_key_with_a_known_name_and_a_right_checksum_is_refused(desk: Desk) -> None:
    secret = await desk.secret("queues:read")
    _, other = access.new_secret()
    body = "_".join([*secret.split("_")[:3], other.split("_")[3]])[:-6]
    forged = body + keys.base62(zlib.crc32(body.encode()), 6)
    assert access.public_part(forged) == access.public_part(secret)

    stranger = await desk.client(authorization=f"Bearer {forged}")
    problem(await stranger.get("/v1/queues"), 401, "unauthenticated")
    assert (await (await desk.client(authorization=f"Bearer {secret}")).get("/v1/queues")).status_code == 200
    problem(await stranger.get("/v1/queues"), 401, "unauthenticated")


async def test_a_key_in_the_query_string_is_no_key(desk: Desk) -> None:
    secret = await desk.secret()
    problem(await (await desk.client()).get(f"/v1/queues?api_key={secret}"), 400, "unknown_parameter")


async def test_revoking_takes_effect_at_once(desk: Desk) -> None:
    admin = await desk.key()
    made = await admin.post("/v1/keys", json={"name": "Shop", "scopes": ["queues:read"]})
    assert made.status_code == 201
    program = await desk.client(authorization=f"Bearer {made.json()['secret']}")
    assert (await program.get("/v1/queues")).status_code == 200

    url = made.headers["location"]
    assert (await admin.delete(url)).status_code == 428
    revoked = await admin.delete(url, headers={"if-match": made.headers["etag"]})

    assert revoked.status_code == 204
    problem(await program.get("/v1/queues"), 401, "unauthenticated")
    listed = (await admin.get("/v1/keys")).json()["data"]
    shop = next(key for key in listed if key["name"] == "Shop")
    assert shop["revoked_at"]
    assert shop["last_used_at"]
    assert "secret" not in shop


async def test_nobody_gives_more_than_he_has(desk: Desk) -> None:
    queue, inbox = await desk.queue(), ids.decode("inbox", await desk.inbox())
    limited = await desk.key("keys:write", "tickets:read", inbox_ids=frozenset({inbox}))
    shown = ids.encode("inbox", inbox)

    problem(await limited.post("/v1/keys", json={"name": "x", "scopes": ["tickets:write"]}), 403, "missing_right")
    problem(await limited.post("/v1/keys", json={"name": "x", "scopes": ["tickets:read"]}), 403, "forbidden")
    within = {"name": "x", "scopes": ["tickets:read"], "inbox_ids": [shown]}
    assert (await limited.post("/v1/keys", json=within)).status_code == 201

    olga = await desk.signed_in(await desk.agent("Olga", queues=(queue,)))
    me = (await olga.get("/v1/me")).json()["agent_id"]
    own = {"name": "mine", "scopes": ["tickets:read"], "agent_id": me}
    assert (await olga.post("/v1/keys", json=own)).status_code == 201, "a personal key for oneself"
    problem(await olga.post("/v1/keys", json={**own, "agent_id": None}), 403, "missing_right")
    problem(await olga.post("/v1/keys", json={**own, "scopes": ["keys:write"]}), 403, "missing_right")
    assert [key["name"] for key in (await olga.get("/v1/keys")).json()["data"]] == ["mine"]


async def test_a_password_begins_a_session_that_ends_when_idle(desk: Desk) -> None:
    olga = await desk.agent("Olga")
    await desk.signed_in(olga)
    browser = await desk.client(**{"sec-fetch-site": "same-origin"})

    begun = await browser.post("/v1/sessions", json={"email": desk.emails[olga].upper(), "password": PASSWORD})

    assert begun.status_code == 201, begun.text
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert (await browser.get("/v1/me")).json()["name"] == "Olga"
    desk.later(hours=11)
    assert (await browser.get("/v1/me")).status_code == 200
    desk.later(hours=11)
    assert (await browser.get("/v1/me")).status_code == 200, "used within twelve hours"
    desk.later(hours=13)
    problem(await browser.get("/v1/me"), 401, "unauthenticated")


async def test_signing_out_ends_the_session_itself(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.agent("Olga"))
    token = browser.cookies["omd_session"]

    assert (await browser.delete("/v1/sessions/current")).status_code == 204

    thief = await desk.client(cookie=f"omd_session={token}")
    problem(await thief.get("/v1/me"), 401, "unauthenticated")


async def test_another_site_cannot_use_the_cookie(desk: Desk) -> None:
    ticket = await desk.ticket()
    browser = await desk.signed_in(await desk.agent("Boss", Role.SUPERVISOR))
    token = browser.cookies["omd_session"]

    async def note(**headers: str) -> int:
        client = await desk.client(cookie=f"omd_session={token}", **headers)
        return (await client.post(f"/v1/tickets/{ticket}/notes", json={"text": "hello"})).status_code

    assert await note(**{"sec-fetch-site": "same-origin"}) == 201
    assert await note(origin=SITE) == 201
    assert await note(**{"sec-fetch-site": "cross-site", "origin": SITE}) == 403
    assert await note(**{"sec-fetch-site": "same-site"}) == 403
    assert await note(origin="https://evil.example") == 403
    assert await note(origin="null") == 403
    assert await note() == 403, "a browser that says nothing is not believed"
    assert await desk.count("messages WHERE direction = 'note'") == 2


async def test_strangers_and_wrong_passwords_hear_the_same(desk: Desk) -> None:
    olga = await desk.agent("Olga")
    await desk.signed_in(olga)
    stranger = await desk.client()

    async def says(email: str, password: str) -> dict[str, object]:
        answer = await stranger.post("/v1/sessions", json={"email": email, "password": password})
        body = problem(answer, 401, "wrong_credentials")
        return {name: value for name, value in body.items() if name != "request_id"}

    assert await says(desk.emails[olga], "wrong password!!") == await says("nobody@acme.example", PASSWORD)


async def test_guessing_is_slowed_down(desk: Desk) -> None:
    olga = await desk.agent("Olga")
    await desk.signed_in(olga)
    stranger = await desk.client()
    tries = [
        await stranger.post("/v1/sessions", json={"email": desk.emails[olga], "password": f"guess {n:010}"})
        for n in range(12)
    ]

    assert tries[0].status_code == 401
    assert tries[-1].status_code == 429
    assert int(tries[-1].headers["retry-after"]) > 0


async def test_a_link_works_once_even_for_two_at_once(desk: Desk) -> None:
    olga = await desk.agent("Olga")
    token = await access.make_link(desk.db, olga, now=desk.now())
    one, two = await desk.client(), await desk.client()

    answers = await asyncio.gather(*(who.post("/v1/sessions/links", json={"token": token}) for who in (one, two)))

    assert sorted(answer.status_code for answer in answers) == [201, 401]
    problem(await one.post("/v1/sessions/links", json={"token": token}), 401, "link_used")
    late = await access.make_link(desk.db, olga, now=desk.now())
    desk.later(hours=25)
    problem(await two.post("/v1/sessions/links", json={"token": late}), 401, "link_used")


async def test_the_first_link_makes_the_first_administrator_and_no_second(desk: Desk) -> None:
    links = [await access.make_link(desk.db, None, now=desk.now()) for _ in range(2)]
    first = {"token": links[0], "email": "Boss@acme.example", "name": "Boss", "password": PASSWORD}
    one, two = await desk.client(), await desk.client()

    problem(await one.post("/v1/sessions/links", json={**first, "password": "short"}), 422, "weak_password")
    made = await one.post("/v1/sessions/links", json=first)
    problem(
        await two.post("/v1/sessions/links", json={**first, "token": links[1], "email": "two@acme.example"}),
        409,
        "has_administrator",
    )

    assert made.status_code == 201
    assert made.json()["me"]["role"] == "admin"
    assert await desk.count("agents") == 1


async def test_a_new_password_ends_older_sessions(desk: Desk) -> None:
    olga = await desk.agent("Olga")
    old = await desk.signed_in(olga)
    new = await desk.signed_in(olga)

    problem(await old.get("/v1/me"), 401, "unauthenticated")
    assert (await new.get("/v1/me")).status_code == 200
    sent = {"old": "not my password", "new": "a new long password"}
    problem(await new.post("/v1/sessions/password", json=sent), 401, "wrong_credentials")
    assert (await new.post("/v1/sessions/password", json={**sent, "old": PASSWORD})).status_code == 204
    problem(await new.get("/v1/me"), 401, "unauthenticated")


async def test_a_disabled_agent_is_out_at_once_with_his_keys(desk: Desk) -> None:
    admin = await desk.key()
    olga = await desk.agent("Olga")
    browser = await desk.signed_in(olga)
    program = await desk.key("queues:read", agent_id=olga)
    desk.app.state.keyring._fresh_s = 0.0
    assert (await program.get("/v1/queues")).status_code == 200

    url = f"/v1/agents/{ids.encode('agent', olga)}"
    gone = await admin.patch(url, json={"disabled": True}, headers={"if-match": "*"})

    assert gone.status_code == 200, gone.text
    problem(await browser.get("/v1/me"), 401, "unauthenticated")
    problem(await program.get("/v1/queues"), 401, "unauthenticated")


def test_a_key_is_long_random_and_catches_slips() -> None:
    made = {access.new_secret() for _ in range(50)}
    assert len({public for public, _ in made}) == 50
    for public, secret in made:
        assert access.public_part(secret) == public
        assert access.public_part(secret[:-1] + ("0" if secret[-1] != "0" else "1")) is None
        assert len(secret.rpartition("_")[2]) == 38
