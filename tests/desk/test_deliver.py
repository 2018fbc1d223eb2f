"""The way out: nothing is lost, nothing leaves twice, and what cannot be known is shown."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from omnidesk.channels.base import BeforeCall, NeedsReauth, SendDeferred, SendRejected, SendUnknown, Tools
from omnidesk.db import circuits, outbox
from omnidesk.db.outbox import Row
from omnidesk.db.session import Database
from omnidesk.desk import deliver, retries, settle
from omnidesk.desk.reply import reply
from omnidesk.domain.errors import Refused
from omnidesk.domain.messages import Ref, Sent
from tests.desk.outgoing import (
    NOON,
    FewChannels,
    Folder,
    Outgoing,
    Scripted,
    ScriptedConfig,
    fails,
    manifest_of,
    waits,
)


@pytest.fixture
async def desk(db: Database) -> Outgoing:
    return await Outgoing(db, FewChannels(db)).make()


async def answers(desk: Outgoing, ticket: Any, text: str) -> None:
    await reply(desk.db, desk.channels, Folder(), ticket, desk.agent, text, now=NOON + timedelta(hours=1))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def delivery_of(desk: Outgoing, n: int = -1) -> Any:
    return (await desk.sql("SELECT * FROM deliveries ORDER BY id"))[n]


async def test_a_long_answer_leaves_in_order_and_its_ids_are_remembered(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "We are looking into it, one day more.")
    worker = desk.deliverer()

    assert [await worker.deliver_once() for _ in range(3)] == [1, 1, 0], "one part of a conversation at a time"

    assert desk.platform.texts == ["We are looking into ", "it, one day more."]
    assert await desk.delivery_states() == ["sent"]
    refs = await desk.sql("SELECT external_id FROM message_refs WHERE realm = 'scripted'")
    assert {row["external_id"].split(":")[1] for row in refs} == {"0", "1"}
    changed = await desk.sql("SELECT data FROM events WHERE type = 'delivery.changed'")
    assert len(changed) == 1, "only the last part changed the delivery"
    assert (await desk.sql("SELECT sent_at FROM inboxes"))[0]["sent_at"] is not None


async def test_a_refused_call_is_rejected_with_its_reason_and_the_rest_of_the_message_stays(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "We are looking into it, one day more.")
    desk.platform.script = [fails(SendRejected("the customer blocked us"), after_call=True)]
    worker = desk.deliverer()

    await worker.deliver_once()
    assert await worker.deliver_once() == 0

    assert await desk.states() == ["rejected", "rejected"]
    assert (await delivery_of(desk))["state"] == "rejected"
    assert (await delivery_of(desk))["error"] == "the customer blocked us"
    assert (await desk.sql("SELECT attention FROM tickets"))[0]["attention"] == "delivery_failed"

    await settle.resend(desk.db, (await delivery_of(desk))["id"], desk.agent)
    while await worker.deliver_once():
        pass
    assert await desk.delivery_states() == ["sent"]
    assert (await desk.sql("SELECT attention FROM tickets"))[0]["attention"] is None


async def test_deferral_waits_longer_each_time_and_ends_after_two_days(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "Hello")
    worker = desk.deliverer()
    tries, longest = 0, 0.0
    while (await desk.states()) != ["rejected"]:
        desk.platform.script = [fails(SendDeferred("mailbox busy"))]
        await desk.sql("DELETE FROM circuits")
        tries += await worker.deliver_once()
        waiting = (await desk.sql("SELECT extract(epoch FROM due_at - now())::float8 AS s FROM outbox"))[0]["s"]
        longest = max(longest, waiting)
        assert waiting <= retries.ceiling_s(tries)
        await desk.later(seconds=waiting + 1)
        assert tries < 200

    assert tries > 10
    assert longest > 1_800, "pauses grow to hours"
    assert "two days" in (await delivery_of(desk))["error"]
    assert (await desk.rows())[0]["tried_at"] is not None


def test_pauses_double_are_jittered_and_never_undercut_what_was_asked() -> None:
    assert [retries.ceiling_s(n) for n in (1, 2, 3, 30)] == [30, 60, 120, 14_400]
    assert retries.again_s(3, 0, 0.5) == 60
    assert retries.again_s(3, 0, 0.0) == 1
    assert retries.again_s(1, 0, 1.0, after_s=900) == 900
    assert retries.again_s(1, 0, 1.0, after_s=float("inf")) == 86_400
    assert retries.again_s(1, 0, 1.0, after_s=float("nan")) == 30
    assert retries.again_s(9, 172_800, 0.5) is None


@pytest.mark.parametrize(
    "error", [SendUnknown("connection lost"), ConnectionResetError("secret detail"), ValueError("secret detail")]
)
async def test_a_lost_answer_is_unknown_holds_what_follows_and_is_never_repeated(
    desk: Outgoing, error: Exception
) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    desk.platform.script = [fails(error, after_call=True)]
    worker = desk.deliverer()
    assert await worker.deliver_once() == 1

    await answers(desk, ticket, "second")
    other, _ = await desk.ivan()
    await answers(desk, other, "somebody else")
    assert await worker.deliver_once() == 1
    await desk.later(days=3)
    assert await worker.deliver_once() == 0

    assert desk.platform.texts == ["somebody else"]
    assert await desk.states() == ["unknown", "queued", "sent"]
    stored = (await delivery_of(desk, 0))["error"]
    assert stored
    assert "secret" not in stored


async def test_the_first_exit_an_echo_or_receipt_proves_it(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    await answers(desk, ticket, "second")
    desk.platform.script = [fails(SendUnknown("lost"), after_call=True)]
    worker = desk.deliverer()
    await worker.deliver_once()
    row = await delivery_of(desk, 0)
    proof = settle.Proof(correlation=row["message_ref"], ref=Ref(realm="scripted", external_id="p-1"))

    async with desk.db.transaction() as tx:
        assert await settle.settle(tx, [proof, settle.Proof(correlation="not ours")]) == [row["message_id"], None]

    assert await desk.delivery_states() == ["sent", "queued"]
    assert (await desk.sql("SELECT message_id FROM message_refs WHERE external_id = 'p-1'"))[0][0] == row["message_id"]
    await worker.deliver_once()
    assert desk.platform.texts == ["second"], "the first was not sent again"
    async with desk.db.transaction() as tx:
        await settle.settle(tx, [proof])
    assert await desk.states() == ["sent", "sent"]


async def test_the_echo_of_a_sent_part_does_not_settle_another_part(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "We are looking into it, one day more.")
    worker = desk.deliverer()
    await worker.deliver_once()
    desk.platform.script = [fails(SendUnknown("lost"), after_call=True)]
    await worker.deliver_once()
    first = (await desk.rows())[0]["external_id"]

    async with desk.db.transaction() as tx:
        ref = Ref(realm="scripted", external_id=first)
        await settle.settle(
            tx, [settle.Proof(ref=ref), settle.Proof(correlation=(await delivery_of(desk))["message_ref"])]
        )
        await settle.report(tx, [settle.Report(state="delivered", ref=ref)])

    assert await desk.states() == ["sent", "unknown"]


async def test_the_second_exit_an_agent_says_again(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    desk.platform.script = [fails(SendUnknown("lost"), after_call=True)]
    worker = desk.deliverer()
    await worker.deliver_once()
    row = await delivery_of(desk)

    await settle.resend(desk.db, row["id"], desk.agent)
    assert await desk.delivery_states() == ["queued"]
    await worker.deliver_once()

    assert await desk.delivery_states() == ["sent"]
    assert desk.platform.taken[0][0].message_ref == row["message_ref"], "with the same key"
    with pytest.raises(Refused):
        await settle.resend(desk.db, row["id"], desk.agent)


async def test_the_third_exit_an_agent_says_it_arrived(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    await answers(desk, ticket, "second")
    desk.platform.script = [fails(SendUnknown("lost"), after_call=True)]
    worker = desk.deliverer()
    await worker.deliver_once()
    row = await delivery_of(desk, 0)

    await settle.mark_arrived(desk.db, row["id"], desk.agent)
    await worker.deliver_once()

    assert desk.platform.texts == ["second"]
    assert await desk.delivery_states() == ["sent", "sent"]
    with pytest.raises(Refused):
        await settle.mark_arrived(desk.db, row["id"], desk.agent)
    actors = [event["actor"] for event in await desk.sql("SELECT actor FROM events WHERE type = 'delivery.changed'")]
    assert str(desk.agent) in actors


async def test_a_worker_that_froze_in_its_call_leaves_unknown_and_its_late_answer_settles_it(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun, go = asyncio.Event(), asyncio.Event()
    desk.platform.script = [waits(begun, go)]
    frozen = asyncio.create_task(desk.deliverer().deliver_once())
    await begun.wait()
    assert await desk.states() == ["calling"]
    other = desk.deliverer()
    assert await other.deliver_once() == 0
    assert await desk.states() == ["calling"], "its lease still runs"

    await desk.later(hours=1)
    assert await other.deliver_once() == 0
    assert await desk.delivery_states() == ["unknown"]
    go.set()
    await frozen

    assert await desk.delivery_states() == ["sent"]
    assert len(desk.platform.taken) == 1


async def test_a_worker_that_froze_before_its_call_may_not_make_it_any_more(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun, go = asyncio.Event(), asyncio.Event()
    desk.platform.script = [waits(begun, go, after_call=False)]
    frozen = asyncio.create_task(desk.deliverer().deliver_once())
    await begun.wait()
    assert await desk.states() == ["claimed"]

    await desk.later(hours=1)
    assert await desk.deliverer().deliver_once() == 1
    assert await desk.states() == ["sent"]
    go.set()
    await frozen

    assert len(desk.platform.taken) == 1
    assert await desk.states() == ["sent"]


async def test_a_long_preparation_keeps_its_lease_while_its_worker_lives(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun, go = asyncio.Event(), asyncio.Event()
    desk.platform.script = [waits(begun, go, after_call=False)]
    alive = desk.deliverer()
    alive.lease_s = 3.0
    preparing = asyncio.create_task(alive.deliver_once())
    await begun.wait()
    (first,) = await desk.sql("SELECT until FROM outbox")
    async with asyncio.timeout(30):
        while (await desk.sql("SELECT until FROM outbox"))[0]["until"] == first["until"]:
            await asyncio.sleep(0.05)
            assert await desk.deliverer().deliver_once() == 0, "nobody else takes it"
    go.set()
    await preparing

    assert len(desk.platform.taken) == 1
    assert await desk.states() == ["sent"]


async def test_a_killed_worker_keeps_nobody_waiting_for_more_than_seconds(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun = asyncio.Event()
    desk.platform.script = [waits(begun, asyncio.Event(), after_call=False)]
    killed = asyncio.create_task(desk.deliverer().deliver_once())
    await begun.wait()
    killed.cancel()
    await asyncio.wait([killed])
    assert await desk.states() == ["claimed"]

    await desk.later(seconds=16)
    assert await desk.deliverer().deliver_once() == 1
    assert desk.platform.texts == ["first"]


async def test_where_the_platform_takes_our_key_a_lost_call_is_made_again_with_it(db: Database) -> None:
    desk = await Outgoing(db, FewChannels(db)).make(repeats_safely=True)
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun = asyncio.Event()
    desk.platform.script = [waits(begun, asyncio.Event())]
    dead = asyncio.create_task(desk.deliverer().deliver_once())
    await begun.wait()
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    assert await desk.states() == ["calling"]

    await desk.later(hours=1)
    worker = desk.deliverer()
    desk.platform.script = [fails(SendUnknown("lost"), after_call=True)]
    assert await worker.deliver_once() == 1
    assert await desk.states() == ["deferred"]
    await desk.later(hours=1)
    assert await worker.deliver_once() == 1

    assert await desk.states() == ["sent"]
    assert desk.platform.taken[0][0].message_ref == (await delivery_of(desk))["message_ref"]


async def test_many_deliverers_send_each_answer_once_and_each_conversation_in_order(desk: Outgoing) -> None:
    for _ in range(6):
        ticket, _ = await desk.ivan()
        for n in range(5):
            await answers(desk, ticket, f"{ticket.hex[:8]} {n}")
    stop = asyncio.Event()
    running = [asyncio.create_task(desk.deliverer(slots=4).run(stop)) for _ in range(3)]

    async def all_sent() -> bool:
        return set(await desk.states()) == {"sent"}

    await until(all_sent)
    stop.set()
    await asyncio.gather(*running)

    texts = desk.platform.texts
    assert len(texts) == len(set(texts)) == 30
    for prefix in {text[:8] for text in texts}:
        mine = [text for text in texts if text.startswith(prefix)]
        assert mine == sorted(mine)


async def test_refused_credentials_hold_the_inbox_lose_nothing_and_release(desk: Outgoing) -> None:
    for text in ("one", "two", "three"):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, text)
    desk.platform.script = [fails(NeedsReauth("the token was revoked"))] * 3
    worker = desk.deliverer()
    await worker.deliver_once()
    inbox = (await desk.sql("SELECT send_state, send_error FROM inboxes"))[0]
    assert (inbox["send_state"], inbox["send_error"]) == ("needs_reauth", "the token was revoked")
    assert await desk.states() == ["queued"] * 3
    await desk.later(days=10)
    assert await worker.deliver_once() == 0, "held"
    assert len(await desk.sql("SELECT 1 FROM events WHERE type = 'inbox.health_changed'")) == 1

    await settle.reopen_direction(desk.db, desk.inbox_id, "send", desk.agent)
    assert await worker.deliver_once() == 3

    assert sorted(desk.platform.texts) == ["one", "three", "two"]
    assert {row["attempts"] for row in await desk.rows()} == {1}, "the refused tries do not count"


async def test_a_paused_inbox_holds_its_rows(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "one")
    await desk.sql("UPDATE inboxes SET paused_at = now()")
    worker = desk.deliverer()
    assert await worker.deliver_once() == 0
    await desk.sql("UPDATE inboxes SET paused_at = NULL")
    assert await worker.deliver_once() == 1


async def test_a_failing_endpoint_opens_its_circuit_one_probe_goes_through_and_success_closes_it(
    desk: Outgoing,
) -> None:
    for _ in range(circuits.OPENS_AT + 3):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "hello")
    desk.platform.script = [fails(SendDeferred("unreachable"))] * circuits.OPENS_AT
    worker = desk.deliverer(slots=circuits.OPENS_AT)
    assert await worker.deliver_once() == circuits.OPENS_AT
    assert await worker.deliver_once() == 0, "the circuit is open"
    assert (await desk.sql("SELECT send_state FROM inboxes"))[0][0] == "failing"

    await desk.sql("UPDATE circuits SET open_until = now() - interval '1 second'")
    desk.platform.script = [fails(SendDeferred("unreachable"))]
    assert await worker.deliver_once() == 1, "one probe"
    assert await worker.deliver_once() == 0
    await desk.sql("UPDATE circuits SET open_until = now() - interval '1 second'")
    assert await worker.deliver_once() == 1
    assert (await desk.sql("SELECT send_state FROM inboxes"))[0][0] == "ok"
    await desk.later(hours=5)
    assert await worker.deliver_once() == circuits.OPENS_AT
    states = [row["data"] for row in await desk.sql("SELECT data FROM events WHERE type = 'inbox.health_changed'")]
    assert len(states) == 2


async def test_only_one_of_two_workers_gets_the_probe(desk: Outgoing) -> None:
    for _ in range(4):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "hello")
    await desk.sql(
        """
        INSERT INTO circuits (endpoint, failures, open_until)
        SELECT DISTINCT endpoint, 7, now() - interval '1 s' FROM outbox
        """
    )
    begun, go = asyncio.Event(), asyncio.Event()
    desk.platform.script = [waits(begun, go)]
    probing = asyncio.create_task(desk.deliverer().deliver_once())
    await begun.wait()
    assert await desk.deliverer().deliver_once() == 0
    go.set()
    assert await probing == 1
    assert await desk.deliverer().deliver_once() == 3


async def test_a_platform_that_asks_for_a_pause_gets_it_from_all(desk: Outgoing) -> None:
    for _ in range(2):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "hello")
    desk.platform.script = [fails(SendDeferred("rate limited", after_s=20))]
    assert await desk.deliverer(slots=1).deliver_once() == 1
    assert await desk.deliverer().deliver_once() == 0
    await desk.later(seconds=21)
    await desk.later(minutes=2)
    worker = desk.deliverer()
    assert await worker.deliver_once() == 1
    assert await worker.deliver_once() == 1
    assert await desk.states() == ["sent", "sent"]


async def test_a_rate_limit_is_shared_by_workers(db: Database) -> None:
    desk = await Outgoing(db, FewChannels(db)).make(per_second=0.01, burst=3)
    for _ in range(8):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "hello")

    workers = [desk.deliverer(), desk.deliverer()]
    assert sum(await asyncio.gather(*(worker.deliver_once() for worker in workers))) == 3
    assert sum(await asyncio.gather(*(worker.deliver_once() for worker in workers))) == 0
    await desk.later(seconds=201)
    assert sum([await worker.deliver_once() for worker in workers]) == 2
    assert {row["attempts"] for row in await desk.rows()} == {0, 1}, "waiting is no try"


async def test_a_slow_inbox_leaves_room_for_the_others(desk: Outgoing) -> None:
    for _ in range(6):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "slow")
    go = asyncio.Event()
    desk.platform.script = [waits(asyncio.Event(), go) for _ in range(6)]
    quick, inbox_id = Scripted(ScriptedConfig(), Tools(http=None, inbox_id="")), uuid4()  # type: ignore[arg-type]
    await desk.add_inbox(inbox_id, quick, manifest_of(Scripted))
    who = await desk.person("maria")
    ticket = await desk.ticket(who)
    await desk.conversation(ticket, who, inbox_id=inbox_id)
    await answers(desk, ticket, "quick")
    stop = asyncio.Event()
    running = asyncio.create_task(desk.deliverer(slots=4, per_endpoint=2).run(stop))

    async def settled_down() -> bool:
        slow = [row["state"] for row in await desk.rows() if row["inbox_id"] == desk.inbox_id]
        return quick.texts == ["quick"] and sorted(slow) == ["calling"] * 2 + ["queued"] * 4

    await until(settled_down)
    go.set()
    stop.set()
    await running


async def test_when_the_database_goes_away_in_a_call_the_answer_is_written_later(desk: Outgoing, db_url: str) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    begun, go = asyncio.Event(), asyncio.Event()
    desk.platform.script = [waits(begun, go)]
    stop = asyncio.Event()
    own = Database(db_url)
    worker = Outgoing(own, desk.channels).deliverer()
    running = asyncio.create_task(worker.run(stop))
    await begun.wait()
    name = make_url(db_url).database
    admin = await asyncpg.connect(make_url(db_url).set(database="postgres").render_as_string(hide_password=False))
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    go.set()
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(db_url)

    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await admin.close()

    await until(lambda: _are(desk, ["sent"]), 20)
    async with asyncio.timeout(20):
        while True:
            with suppress(asyncpg.InterfaceError, asyncpg.ConnectionDoesNotExistError):
                await answers(desk, ticket, "second")
                break
    await until(lambda: _are(desk, ["sent", "sent"]), 20)
    stop.set()
    await running
    await own.close()
    assert desk.platform.texts[-1] == "second"


async def _are(desk: Outgoing, states: list[str]) -> bool:
    """Not yet, where a connection of the test's own was cut, too."""
    try:
        return await desk.states() == states
    except (asyncpg.InterfaceError, asyncpg.ConnectionDoesNotExistError):
        return False


async def test_a_call_that_could_not_be_announced_was_not_made_whatever_the_channel_makes_of_it(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    await desk.sql(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$
        """
    )
    await desk.sql(
        """
        CREATE TRIGGER refuse BEFORE UPDATE ON outbox FOR EACH ROW
          WHEN (NEW.state = 'calling') EXECUTE FUNCTION refuse()
        """
    )

    async def hides_the_reason(before_call: BeforeCall) -> Sent:
        try:
            await before_call()
        except Exception as error:
            raise SendUnknown("connection lost") from error
        raise AssertionError("the call was made")

    desk.platform.script = [hides_the_reason]
    worker = desk.deliverer()
    assert await worker.deliver_once() == 1
    assert await desk.states() == ["queued"]
    assert (await desk.rows())[0]["attempts"] == 0
    await desk.sql("DROP TRIGGER refuse ON outbox")
    await worker.deliver_once()
    assert await desk.states() == ["sent"]


async def test_a_call_that_takes_too_long_ends(desk: Outgoing) -> None:
    for _ in range(2):
        ticket, _ = await desk.ivan()
        await answers(desk, ticket, "hello")
    never = asyncio.Event()
    desk.platform.script = [waits(asyncio.Event(), never), waits(asyncio.Event(), never, after_call=False)]
    await desk.deliverer(time_limit_s=0.2).deliver_once()
    assert sorted(await desk.states()) == ["deferred", "unknown"]


async def test_bounces_and_receipts_are_seen_and_a_bounced_answer_may_go_again(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answers(desk, ticket, "first")
    worker = desk.deliverer()
    await worker.deliver_once()
    row = await delivery_of(desk)
    async with desk.db.transaction() as tx:
        read = settle.Report(state="read", correlation=row["message_ref"])
        late = settle.Report(state="delivered", correlation=row["message_ref"])
        assert await settle.report(tx, [read, late]) == [row["id"], row["id"]]
    assert await desk.delivery_states() == ["read"]
    async with desk.db.transaction() as tx:
        await settle.report(
            tx, [settle.Report(state="bounced", delivery_id=row["id"], reason="no such mailbox", permanent=True)]
        )
    assert await desk.delivery_states() == ["bounced"]
    assert (await desk.sql("SELECT attention FROM tickets"))[0][0] == "delivery_failed"
    assert (await desk.sql("SELECT unreachable_reason FROM identities"))[0][0] == "no such mailbox"

    await settle.resend(desk.db, row["id"], desk.agent)
    await worker.deliver_once()
    assert await desk.delivery_states() == ["sent"]
    assert desk.platform.texts == ["first", "first"]


def row(**more: Any) -> Row:
    values: dict[str, Any] = {
        "id": 1,
        "kind": "message",
        "order_key": "c",
        "limit_key": "",
        "endpoint": "e",
        "subject_id": uuid4(),
        "inbox_id": None,
        "part": {},
        "repeats": False,
        "attempts": 1,
        "tried_s": 0.0,
        "token": 1,
    }
    return Row(**values | more)


def test_a_fault_before_the_call_is_tried_again_and_tells_only_its_class() -> None:
    result = deliver.judge(row(), KeyError("ivan@client.example"), begun=False, jitter=0.5)
    assert result == outbox.Result(state="deferred", error="KeyError", after_s=15.0)
