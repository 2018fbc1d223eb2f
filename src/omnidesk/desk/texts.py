"""What customers and agents read, in their language: gettext catalogues whose message ids are English."""

from datetime import datetime, tzinfo
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

LANGUAGES = ("ru", "en")
DEFAULT = "en"
_FOLDER = Path(__file__).resolve().parents[1] / "locale"


@lru_cache
def _catalog(language: str) -> Catalog:
    with (_FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


@lru_cache(maxsize=256)
def supported(language: str | None) -> str:
    """The nearest language that we speak: `ru-RU` is Russian, unknown ones are English."""
    short = (language or "").replace("_", "-").split("-")[0].lower()
    return short if short in LANGUAGES else DEFAULT


@lru_cache(maxsize=4096)
def _translated(language: str, text: str) -> str:
    if language == DEFAULT:
        return text
    message = _catalog(language).get(text)
    return str(message.string) if message and message.string else text


def say(language: str | None, text: str, **values: object) -> str:
    """The text in a language, its `{names}` filled in."""
    found = _translated(supported(language), text)
    return found.format(**values) if values else found


def say_count(language: str | None, one: str, many: str, count: int) -> str:
    """The right plural form of a text with `{count}`."""
    spoken = supported(language)
    forms: tuple[str, ...] = (one, many)
    index = 0 if count == 1 else 1
    if spoken != DEFAULT:
        catalog = _catalog(spoken)
        message = catalog.get(one)
        if message is not None and isinstance(message.string, tuple) and all(message.string):
            forms, index = message.string, _plural_index(spoken, count)
    return forms[index].format(count=count)


def _plural_index(language: str, count: int) -> int:
    """Which of gettext's forms a count takes, by the rules of the locale (CLDR)."""
    return {"one": 0, "few": 1}.get(Locale(language).plural_form(count), 2)


@lru_cache(maxsize=1024)
def moment(language: str | None, at: datetime, zone: tzinfo) -> str:
    """«вторник, 24 ноября 2026 г., 18:00 (GMT+3)»: a date that a customer can put into his calendar."""
    spoken = supported(language)
    pattern = "EEEE, d MMMM y 'г.', HH:mm" if spoken == "ru" else "EEEE, d MMMM y, HH:mm"
    local = at.astimezone(zone)
    zone_name = {"MSK": "МСК"}.get(local.tzname() or "", local.tzname() or "") if spoken == "ru" else local.tzname()
    if zone_name and zone_name[0] in "+-":
        zone_name = f"UTC{zone_name}"
    return f"{format_datetime(local, pattern, locale=spoken)} ({zone_name})"
