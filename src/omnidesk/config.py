"""Settings of a desk, from variables `OMNIDESK_…` and a file `.env`; `.env.example` explains each.

A wrong setting ends the start with one line that names it. A name that we do not know is wrong too:
it would otherwise be a setting without effect. Values never stand in an error, they may be secrets.
"""

import os
import stat
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from omnidesk.domain.errors import DeskError

PREFIX = "OMNIDESK_"
SUITE = ("OMNIDESK_TEST_", "OMNIDESK_CORPUS")  # read by tests alone
MIN_KEY_CHARS = 32
KEY_FILE = "secret.key"
SEE = "; see .env.example"


class SettingsError(DeskError):
    """A setting is wrong; the message is one line for the one who starts the desk."""

    code = "settings"


def _postgres_url(value: str) -> str:
    """As SQLAlchemy and asyncpg want it, from what providers hand out. Raises ValueError."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("not a URL like postgresql://user:password@host/database") from None
    if url.drivername not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("only PostgreSQL will do: postgresql://user:password@host/database")
    if "sslmode" in url.query:  # libpq's word for what asyncpg calls ssl
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def _secret_key(value: SecretStr) -> SecretStr:
    if not _whole(_parts(value.get_secret_value())):
        raise ValueError(f"each key needs at least {MIN_KEY_CHARS} characters; make one with: openssl rand -base64 32")
    return value


def _whole(keys: list[str]) -> bool:
    return bool(keys) and all(len(key) >= MIN_KEY_CHARS for key in keys)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _several(value: object) -> object:
    return _parts(value) if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone of this machine, like Europe/Moscow") from None
    return value


def _site(value: str) -> str:
    if not value.startswith(("http://", "https://")) or len(value.split("://", 1)[1].strip("/")) == 0:
        raise ValueError("not an address like https://support.example.com")
    return value.rstrip("/")


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/omnidesk")
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local/share") / "omnidesk"


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
Port = Annotated[int, Field(ge=0, le=65535)]
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """What an operator decides. Sizes are in bytes (`25MiB` is understood), port 0 closes a door for mail."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Folder = Field(default_factory=_default_data_dir)
    files_dir: Folder = Field(default_factory=lambda known: known["data_dir"] / "files")
    secret_key: Annotated[SecretStr, AfterValidator(_secret_key)] | None = None

    database_url: PostgresUrl | None = Field(None, repr=False)
    database_direct_url: PostgresUrl | None = Field(None, repr=False)
    database_pooled: bool = False

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    public_url: Annotated[str, AfterValidator(_site)] = Field(
        default_factory=lambda known: f"http://127.0.0.1:{known['port']}"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_several)] = ()
    workers: int = Field(1, ge=1, le=256)

    mail_host: str = "127.0.0.1"
    lmtp_port: Port = 8024
    smtp_port: Port = 8025
    mail_max_bytes: ByteSize = Field(ByteSize(25 * 2**20), ge=2**10)

    default_language: Literal["ru", "en"] = "ru"
    default_timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Moscow"
    default_country: str = Field("RU", pattern="^[A-Z]{2}$")

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    webhook_allow_loopback: bool = False

    @property
    def embedded(self) -> bool:
        """Does the desk run its own PostgreSQL?"""
        return self.database_url is None


def load_settings(env_file: Path | None = Path(".env")) -> Settings:
    """The settings of this process; variables go before the file. Raises SettingsError."""
    in_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    _refuse_unknown({*os.environ, *in_file})
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        raise SettingsError("; ".join(_explained(error))) from None
    if settings.embedded and (settings.database_direct_url or settings.database_pooled):
        raise SettingsError("OMNIDESK_DATABASE_DIRECT_URL and OMNIDESK_DATABASE_POOLED need OMNIDESK_DATABASE_URL")
    if settings.database_pooled and not settings.database_direct_url:
        raise SettingsError("OMNIDESK_DATABASE_POOLED needs OMNIDESK_DATABASE_DIRECT_URL, past the pooler")
    if not settings.embedded and settings.secret_key is None:
        raise SettingsError(
            "OMNIDESK_SECRET_KEY must be set when OMNIDESK_DATABASE_URL is; make one with: openssl rand -base64 32"
        )
    return settings


def _refuse_unknown(names: Iterable[str]) -> None:
    known = {field.upper() for field in Settings.model_fields}
    for name in sorted(names):
        prefix, ours, setting = name.upper().partition(PREFIX)
        if prefix or not ours or setting in known or name.upper().startswith(SUITE):
            continue
        near = get_close_matches(setting, known, n=1)
        raise SettingsError(f"{name} is no setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else SEE))


def _explained(error: ValidationError) -> list[str]:
    """A line for each setting that is wrong; not for those whose default waits for another one."""
    lines: dict[str, str] = {}
    for found in error.errors(include_input=False, include_url=False):
        if found["type"] != "default_factory_not_called":
            lines.setdefault(PREFIX + str(found["loc"][0]).upper(), found["msg"].removeprefix("Value error, "))
    return [f"{name}: {words}" for name, words in lines.items()]


def secret_keys(settings: Settings) -> list[bytes]:
    """The desk's keys, 32 bytes each: the first encrypts and signs, all of them open and verify.

    They are derived from OMNIDESK_SECRET_KEY. An embedded desk makes a key in its data folder at its
    first start, readable by its user alone; that key goes on opening what it closed when the setting
    comes to stand before it. Raises SettingsError.
    """
    given = _parts(settings.secret_key.get_secret_value()) if settings.secret_key else []
    kept = _kept_keys(settings.data_dir / KEY_FILE, make=not given) if settings.embedded else []
    return [_derived(key) for key in dict.fromkeys([*given, *kept])]


def _derived(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=32, person=b"omnidesk key").digest()


def _kept_keys(path: Path, *, make: bool) -> list[str]:
    try:
        if make and not path.exists():
            _make_key(path)
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SettingsError(f"{path} is open to others: chmod 600 it, and change the key if they read it")
            keys = _parts(file.read().replace("\n", ","))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"the key in {path} cannot be used: {type(error).__name__}") from None
    if not _whole(keys):
        raise SettingsError(f"{path} holds no whole key: bring it back from a backup")
    return keys


def _make_key(path: Path) -> None:
    """Whole or not at all, and the same one for all who start at the same moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody was faster
            os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
