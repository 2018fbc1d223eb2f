"""Templates into HTML: escaped by default, in the visitor's language, times in the desk's zone."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from omnidesk.desk import texts
from omnidesk.domain import ids, numbers
from omnidesk.web import words

if TYPE_CHECKING:
    from omnidesk.web.visit import Visit

HERE = Path(__file__).resolve().parent
KINDS = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"

environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _named(path: Path) -> str:
    """The name carries the content's hash, so that it may be kept for ever."""
    return f"{path.stem}.{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}{path.suffix}"


_paths = {path.name: path for path in sorted((HERE / "static").iterdir()) if path.suffix in KINDS}
_names = {name: _named(path) for name, path in _paths.items()}
_served = {_names[name]: (path.read_bytes(), KINDS[path.suffix]) for name, path in _paths.items()}


def static_url(name: str) -> str:
    return f"/static/{_names[name]}"


def static(name: str) -> Response | None:
    """A static file by its hashed name."""
    found = _served.get(name)
    if found is None:
        return None
    return Response(found[0], media_type=found[1], headers={"Cache-Control": FOR_EVER})


def moment(language: str, at: datetime, now: datetime, zone: str) -> str:
    """«22 нояб., 18:05»; the time alone when it is today, the year when it is another one."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == today.date():
        return format_datetime(local, "HH:mm", locale=language)
    day = "d MMM" if language == "ru" else "MMM d"
    year = "" if local.year == today.year else " y" if language == "ru" else ", y"
    return format_datetime(local, f"{day}{year}, HH:mm", locale=language)


def span(language: str, time: timedelta) -> str:
    """«2 ч», "35 min": how long, in its largest unit; less than a minute is a minute."""
    time = max(time, timedelta(minutes=1))
    return format_timedelta(time, granularity="minute", threshold=1, format="narrow", locale=language).rstrip(".")


def size(count: int) -> str:
    """«340 KB»"""
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1000))} KB"


def rendered(template: str, visit: "Visit", **values: Any) -> str:
    """The HTML of a page. Templates know the visit as `v`."""
    language, zone = visit.language, visit.parts.zone
    return environment.get_template(template).render(
        v=visit,
        lang=language,
        say=visit.say,
        word=lambda table, value: visit.say(getattr(words, table).get(value, value)),
        moment=lambda at: moment(language, at, visit.now, zone),
        exactly=lambda at: texts.moment(language, at, ZoneInfo(zone)),
        span=lambda at: span(language, visit.now - at),
        size=size,
        type_id=ids.encode,
        grouped=numbers.grouped,
        static=static_url,
        hint=lambda value: words.hint(language, value),
        status=lambda value: words.status(language, value),
        warnings=words.WARNINGS,
        **values,
    )
