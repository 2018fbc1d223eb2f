"""Logs say what happened to which ticket, and never what a customer wrote or what opens a door."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from omnidesk import logs
from omnidesk.channels.base import SendDeferred
from omnidesk.domain.errors import Refused, Unavailable

CANARY = "hunter2"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written to a json log; logging is as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    logs.configure("json", "info", stream=stream)
    yield stream
    root.handlers[:], sys.excepthook, threading.excepthook = before[0], before[2], before[3]
    root.setLevel(before[1])
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_and_about_which_ticket(written: io.StringIO) -> None:
    ticket = UUID(int=7)
    with logs.about(request_id="r1", ticket_id=ticket):
        structlog.get_logger("omnidesk.desk.reply").info("reply queued", parts=2)
    structlog.get_logger("omnidesk.desk.reply").info("idle")
    first, second = lines(written)
    assert first.pop("time").endswith("Z")
    assert first == {
        "event": "reply queued",
        "level": "info",
        "logger": "omnidesk.desk.reply",
        "parts": 2,
        "request_id": "r1",
        "ticket_id": str(ticket),
    }
    assert "ticket_id" not in second


async def test_ids_follow_into_tasks_and_not_into_neighbours(written: io.StringIO) -> None:
    log = structlog.get_logger("omnidesk.worker")
    together = asyncio.Barrier(2)

    async def read(arrival: str) -> None:
        with logs.about(arrival_id=arrival):
            await together.wait()
            await asyncio.create_task(tell(arrival))

    async def tell(arrival: str) -> None:
        log.info("read", expected=arrival)

    await asyncio.gather(read("a1"), read("a2"))
    assert sorted((line["arrival_id"], line["expected"]) for line in lines(written)) == [("a1", "a1"), ("a2", "a2")]


@pytest.mark.parametrize(
    "name",
    ["body", "text", "password", "bot_token", "accessToken", "client-secret", "Authorization", "headers", "html"],
)
def test_values_under_telling_names_are_dropped(written: io.StringIO, name: str) -> None:
    log = structlog.get_logger("omnidesk.x")
    log.info("seen", **{name: CANARY})
    log.info("seen", nested={name: CANARY, "size": 5}, several=[{name: CANARY}])
    assert [line["event"] for line in lines(written)] == ["seen", "seen"]
    assert lines(written)[1]["nested"] == {"size": 5}
    assert CANARY not in written.getvalue()


def test_counts_and_codes_stay(written: io.StringIO) -> None:
    structlog.get_logger("omnidesk.x").info("seen", body_bytes=10, status_code=429, context="intake", token_id="t1")
    (line,) = lines(written)
    assert (line["body_bytes"], line["status_code"], line["context"], line["token_id"]) == (10, 429, "intake", "t1")


@dataclass
class Letter:
    words: str


def test_objects_are_named_and_long_words_cut(written: io.StringIO) -> None:
    error = ValueError(CANARY)
    log = structlog.get_logger("omnidesk.x")
    log.info("seen", letter=Letter(CANARY), several=[Letter(CANARY)], bytes_=CANARY.encode(), problem=error)
    log.info("seen %s", CANARY)
    log.info("seen", where=Path("/tmp"), long="x" * 400 + CANARY)
    first, _, third = lines(written)
    assert (first["letter"], first["several"], first["bytes_"]) == ("<Letter>", ["<Letter>"], "<7 bytes>")
    assert first["problem"] == "ValueError"
    assert (third["where"], len(third["long"])) == ("/tmp", 300)
    assert CANARY not in written.getvalue()


def test_an_error_is_told_by_class_place_and_causes_without_values(written: io.StringIO) -> None:
    try:
        try:
            json.loads("{" + CANARY)
        except ValueError as error:
            raise Unavailable("the mailbox cannot be read") from error
    except Unavailable:
        structlog.get_logger("omnidesk.x").exception("watch ended")
    (line,) = lines(written)
    assert line["error"] == "Unavailable: the mailbox cannot be read"
    assert line["causes"] == ["JSONDecodeError"]
    assert line["level"] == "error"
    assert CANARY not in written.getvalue()


def test_frames_are_ours(written: io.StringIO) -> None:
    try:
        logs.configure("json", "no level")  # type: ignore[arg-type]
    except AttributeError:
        structlog.get_logger("omnidesk.x").exception("not configured")
    (line,) = lines(written)
    assert [frame.rpartition(":")[0] for frame in line["frames"]] == ["omnidesk.logs.configure"]


def test_libraries_speak_from_warning_on_and_without_values(written: io.StringIO) -> None:
    for name in ("httpx", "httpcore.connection", "asyncio", "sqlalchemy.engine", "aiosmtpd", "uvicorn.access"):
        logging.getLogger(name).info("GET https://api.telegram.org/bot%s", CANARY)
        logging.getLogger(name).warning("failed for %s", CANARY)
    assert [line["event"] for line in lines(written)] == ["failed for %s"] * 6


def test_news_of_the_server_are_told(written: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("omnidesk.plain").info("told by %s", "the standard library")
    assert [line["event"] for line in lines(written)] == [
        "Started server process [7]",
        "told by the standard library",
    ]


async def test_asyncio_does_not_print_the_error_of_a_forgotten_task(written: io.StringIO) -> None:
    async def fails() -> None:
        raise ValueError(CANARY)

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    del task
    (line,) = lines(written)
    assert line["event"] == "Task exception was never retrieved"
    assert line["error"] == "ValueError"
    assert CANARY not in written.getvalue()


def test_an_error_that_nobody_caught_is_logged_like_the_others(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise ValueError(CANARY)

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    try:
        fails()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert [(line["level"], line["error"]) for line in lines(written)] == [("critical", "ValueError")] * 2
    assert CANARY not in written.getvalue() + capsys.readouterr().err


def test_for_people_a_line_is_a_line() -> None:
    stream = io.StringIO()
    try:
        logs.configure("console", "warning", stream=stream)
        log = structlog.get_logger("omnidesk.x")
        log.info("not told at this level")
        log.warning("inbox is\nslow", inbox="support")
    finally:
        logging.getLogger().handlers.clear()
        structlog.reset_defaults()
    (line,) = stream.getvalue().splitlines()
    assert "inbox is slow" in line
    assert "inbox=support" in line


async def test_a_unique_violation_never_shows_its_row(db_url: str) -> None:
    engine = create_async_engine(make_url(db_url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TEMP TABLE said (word text CONSTRAINT said_once UNIQUE)"))
        say = text("INSERT INTO said VALUES (:word)"), {"word": CANARY}
        await connection.execute(*say)
        with pytest.raises(IntegrityError) as caught:
            await connection.execute(*say)
    await engine.dispose()
    wrapped = caught.value
    inner = wrapped.orig.__cause__ if wrapped.orig else None
    assert isinstance(inner, asyncpg.UniqueViolationError)
    assert CANARY in str(wrapped)
    assert CANARY in str(inner.detail)
    assert logs.describe(wrapped) == "IntegrityError 23505 on said_once"
    assert logs.describe(inner) == "UniqueViolationError 23505 on said_once"
    group = ExceptionGroup(CANARY, [wrapped, Refused("no")])
    assert logs.describe(group) == "ExceptionGroup: IntegrityError 23505 on said_once; Refused: no"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("the ticket is closed"), "Refused: the ticket is closed"),
        (SendDeferred("Telegram unreachable\nfor now"), "SendDeferred: Telegram unreachable for now"),
        (SendDeferred(""), "SendDeferred"),
        (KeyError(CANARY), "KeyError"),
        (FileNotFoundError(2, CANARY, CANARY), "FileNotFoundError ENOENT"),
        (OSError(CANARY), "OSError"),
        (httpx.ConnectError(f"https://api.telegram.org/bot{CANARY}"), "ConnectError"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY), "UnicodeDecodeError"),
    ],
)
def test_an_error_is_told_in_safe_words(error: Exception, words: str) -> None:
    assert logs.describe(error) == words


@given(st.text())
def test_whatever_we_say_fits_one_short_line(words: str) -> None:
    told = logs.describe(Refused(words))
    assert len(told) <= 300
    assert len(told.splitlines()) == 1
    assert told.startswith("Refused")
