"""Logs: one line per fact, for people (console) or machines (json), on stderr.

They carry ids and our own words, never what customers wrote and never secrets. That is everybody's
habit; what stands here is the second guard: values under telling names are dropped, objects are named but not
printed, errors are told by `describe`, and other people's libraries speak from WARNING on, without values.

    log = structlog.get_logger(__name__)
    with about(ticket_id=ticket.id):
        log.info("reply queued", parts=2)
"""

import errno
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Any, Literal, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from omnidesk.domain.errors import DeskError

_NAMES = """
    args attachments authorization body caption card comment content contents cookie cookies credential credentials
    cvv data description dsn form headers html json key keys message otp parameters params passwd password payload
    pin query quote raw secret secrets signature snippet subject text token tokens
"""
SENSITIVE = frozenset(_NAMES.split())
"""A value is dropped when its name ends with one of these words: `bot_token`, `accessToken`; `body_bytes` stays."""

TALKATIVE = ("uvicorn.error", "alembic")  # libraries whose everyday news matter to operators and hold no data
LONGEST = 300  # characters of one value
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_FRAMES = 8  # of ours, the innermost ones


def configure(
    format: Literal["console", "json"] = "console",  # noqa: A002 - the word of the setting
    level: Literal["debug", "info", "warning", "error"] = "info",
    *,
    stream: TextIO | None = None,
) -> None:
    """Set up logging for this process: structlog, the standard library's, and errors that nobody caught."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _tell_errors,
        _guard,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_first_line, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(format, handler.stream)],
        )
    )
    _route(handler, getattr(logging, level.upper()))
    sys.excepthook = _uncaught
    threading.excepthook = lambda died: _uncaught(died.exc_type, died.exc_value, died.exc_traceback)


def _route(handler: logging.Handler, level: int) -> None:
    """All loggers to one handler: ours from `level` on, talkative ones from INFO, all others from WARNING."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("omnidesk").setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    for name in ("httpx", "httpcore", "asyncio", "sqlalchemy", "uvicorn.access"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))  # they write addresses with tokens at INFO
    for name in ("uvicorn", "uvicorn.access", *TALKATIVE):  # uvicorn brings handlers of its own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def _renderer(format: str, stream: TextIO) -> Processor:  # noqa: A002
    if format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), event_key="event", timestamp_key="time")


def about(
    *, request_id: object = None, arrival_id: object = None, ticket_id: object = None
) -> AbstractContextManager[None]:
    """Within the block, also in tasks started there, every line carries these ids."""
    ids = {"request_id": request_id, "arrival_id": arrival_id, "ticket_id": ticket_id}
    return structlog.contextvars.bound_contextvars(**{name: str(id_) for name, id_ in ids.items() if id_ is not None})


def describe(error: BaseException) -> str:
    """An error in words that may be stored, logged and shown to an operator; one line, at most 300 characters.

    Our own errors (DeskError, ChannelError and what is derived from them) tell their message. Of others only
    the class is told, with the database's code and constraint, or the system's code: their messages hold rows, URLs,
    file names, bodies.
    """
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return _short(f"{name}: {'; '.join(describe(one) for one in error.exceptions)}")
    if _ours(error):
        words = error.message if isinstance(error, DeskError) else str(error)
        return _short(f"{name}: {words}" if words else name)
    return _short(" ".join([name, *_codes(error)]))


def _ours(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] == "omnidesk" for kind in type(error).__mro__)


def _codes(error: BaseException) -> Iterator[str]:
    """What is safe of an error of asyncpg, also inside one of SQLAlchemy, and of the operating system."""
    inner: BaseException | None = error
    while inner is not None and getattr(inner, "constraint_name", None) is None:
        inner = getattr(inner, "orig", None) or inner.__cause__
    for found in (inner, error, getattr(error, "orig", None)):
        if (state := getattr(found, "sqlstate", None)) is not None:
            constraint = getattr(found, "constraint_name", None)
            yield f"{state} on {constraint}" if constraint else str(state)
            return
    if isinstance(error, OSError) and error.errno is not None:
        yield errno.errorcode.get(error.errno, str(error.errno))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _tell_errors(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by `error`, `causes` and `frames`: where in our code, never with what values."""
    error = _error_of(event.pop("exc_info", None))
    event.pop("exc_text", None)
    event.pop("stack_info", None)
    if error is not None:
        event["error"] = describe(error)
        if causes := [describe(cause) for cause in _causes(error)]:
            event["causes"] = causes
        event["frames"] = _frames(error.__traceback__)
    return event


def _error_of(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while cause is not None and id(cause) not in seen and len(seen) < 5:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _frames(trace: TracebackType | None) -> list[str]:
    """`module.function:line` of our frames, outermost first; of the last one when none is ours."""
    places: list[tuple[str, str]] = []
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "?"))
        places.append((module, f"{module}.{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"))
        trace = trace.tb_next
    ours = [place for module, place in places if module.partition(".")[0] == "omnidesk"]
    return ours[-_FRAMES:] or [place for _, place in places[-1:]]


def _first_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Of a library's record: its words without the values, and one line only (asyncio appends an error's text)."""
    record: logging.LogRecord = event["_record"]
    words = event["event"] if record.name.startswith(("omnidesk", *TALKATIVE)) else str(record.msg)
    event["event"] = words.splitlines()[0] if words else ""
    return event


def _guard(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name in list(event):
        if name.startswith("_"):
            continue  # structlog's own
        if name != "event" and _telling(name):
            del event[name]
        else:
            event[name] = _plain(event[name])
    return event


def _telling(name: str) -> bool:
    words = _WORDS.findall(name)
    return bool(words) and words[-1].lower() in SENSITIVE


def _plain(value: object) -> Any:
    """A value as it may stand in a log: short text, numbers, ids and moments; of anything else its class."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _short(value)
        case Enum():
            return _plain(value.value)
        case UUID() | datetime() | date() | timedelta() | PurePath():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case BaseException():
            return describe(value)
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items() if not _telling(str(name))}
        case list() | tuple() | set() | frozenset():
            return [_plain(one) for one in list(value)[:50]]
        case _:
            return f"<{type(value).__name__}>"


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, (KeyboardInterrupt, SystemExit)):
        if error is not None:
            sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("omnidesk").critical("died of an error that nobody caught", exc_info=error)
