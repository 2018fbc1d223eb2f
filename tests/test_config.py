"""Settings: a wrong one is told in one line that never holds its value."""

import os
import stat
import threading
from pathlib import Path

import pytest

from omnidesk.config import MIN_KEY_CHARS, PREFIX, Settings, SettingsError, load_settings, secret_keys

EXAMPLE = Path(__file__).parents[1] / ".env.example"
KEY = "k" * MIN_KEY_CHARS
OTHER_KEY = "o" * MIN_KEY_CHARS


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    return load_settings(env_file=None)


def documented() -> dict[str, str]:
    lines = (line.removeprefix("#").strip() for line in EXAMPLE.read_text().splitlines())
    found = [line.split("=", 1) for line in lines if line.startswith(PREFIX)]
    assert len(found) == len(dict(found)), "a setting is documented twice"
    return dict(found)


def test_the_example_explains_every_setting_and_no_other() -> None:
    assert set(documented()) == {PREFIX + field.upper() for field in Settings.model_fields}


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines()]
    copy = tmp_path / ".env"
    copy.write_text("\n".join(line for line in lines if line.startswith(PREFIX)))
    assert load_settings(copy) == load_settings(None)


def test_a_desk_without_settings_runs_on_its_own_database() -> None:
    settings = load_settings(None)
    assert settings.embedded
    assert settings.data_dir.name == "omnidesk"
    assert settings.files_dir == settings.data_dir / "files"
    assert (settings.host, settings.port, settings.mail_max_bytes) == ("127.0.0.1", 8000, 26_214_400)


def test_root_and_others_have_their_customary_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/home/olga/.data")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load_settings(None).data_dir == Path("/home/olga/.data/omnidesk")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings(None).data_dir == Path("/var/lib/omnidesk")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "OMNIDESK_PORT: "),
        ("PORT", "70000", "OMNIDESK_PORT: "),
        ("WORKERS", "0", "OMNIDESK_WORKERS: "),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "only PostgreSQL"),
        ("DATABASE_URL", "hunter2", "not a URL like"),
        ("DATABASE_URL", "postgresql://u:hunter2@h:port/d", "not a URL like"),
        ("SECRET_KEY", "hunter2", "at least 32 characters"),
        ("SECRET_KEY", f"{KEY},hunter2", "at least 32 characters"),
        ("SECRET_KEY", ",", "at least 32 characters"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,hunter2", "OMNIDESK_TRUSTED_PROXIES: "),
        ("DEFAULT_TIMEZONE", "Europe/Hunter2", "not a time zone"),
        ("DEFAULT_TIMEZONE", "../../etc/passwd", "not a time zone"),
        ("DEFAULT_LANGUAGE", "hunter2", "OMNIDESK_DEFAULT_LANGUAGE: "),
        ("DEFAULT_COUNTRY", "Russia", "OMNIDESK_DEFAULT_COUNTRY: "),
        ("PUBLIC_URL", "hunter2", "OMNIDESK_PUBLIC_URL: "),
        ("MAIL_MAX_BYTES", "hunter2", "OMNIDESK_MAIL_MAX_BYTES: "),
        ("MAIL_MAX_BYTES", "-1", "OMNIDESK_MAIL_MAX_BYTES: "),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_name_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, **{name: value})
    line = str(caught.value)
    assert line.startswith(f"{PREFIX}{name}: ")
    assert words in line
    assert "\n" not in line
    assert line.count(PREFIX) == 1
    assert "hunter2" not in line.lower()
    assert caught.value.__cause__ is None


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^OMNIDESK_PORT: .+; OMNIDESK_WORKERS: "):
        load(monkeypatch, PORT="x", WORKERS="x")


@pytest.mark.parametrize(
    ("name", "words"),
    [("DATABSE_URL", "did you mean OMNIDESK_DATABASE_URL?"), ("zzz", "see .env.example")],
)
def test_an_unknown_setting_is_refused_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, words: str
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{PREFIX}{name}=hunter2\nOTHER=1\n")
    with pytest.raises(SettingsError) as in_file:
        load_settings(file)
    with pytest.raises(SettingsError) as in_environment:
        load(monkeypatch, **{name: "hunter2"})
    assert str(in_file.value) == str(in_environment.value)
    assert words in str(in_file.value)
    assert "hunter2" not in str(in_file.value)


def test_a_variable_goes_before_the_file_and_an_empty_one_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("OMNIDESK_PORT=9000\nOMNIDESK_WORKERS=3\nOMNIDESK_DATABASE_URL=\nOTHER=1\n")
    monkeypatch.setenv("OMNIDESK_PORT", "9001")
    monkeypatch.setenv("OMNIDESK_SECRET_KEY", "")
    settings = load_settings(file)
    assert (settings.port, settings.workers, settings.embedded, settings.secret_key) == (9001, 3, True, None)
    assert settings.public_url == "http://127.0.0.1:9001"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgres://u:p%40@h/d", "postgresql+asyncpg://u:p%40@h/d"),
        ("postgresql://u@h:6432/d?sslmode=require", "postgresql+asyncpg://u@h:6432/d?ssl=require"),
        ("postgresql+asyncpg://u@/d?host=%2Frun%2Fpg", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpg"),
    ],
)
def test_urls_of_databases_come_in_several_spellings(monkeypatch: pytest.MonkeyPatch, given: str, kept: str) -> None:
    assert load(monkeypatch, DATABASE_URL=given, SECRET_KEY=KEY).database_url == kept


def test_lists_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, TRUSTED_PROXIES="10.0.0.0/8, ::1,")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DATABASE_URL="postgresql://u:hunter2@h/d", SECRET_KEY=KEY)
    assert "hunter2" not in repr(settings) + str(settings)
    assert KEY not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"DATABASE_URL": "postgresql://h/d"}, "OMNIDESK_SECRET_KEY must be set"),
        ({"DATABASE_POOLED": "1"}, "need OMNIDESK_DATABASE_URL"),
        (
            {"DATABASE_URL": "postgresql://h/d", "DATABASE_POOLED": "1", "SECRET_KEY": KEY},
            "needs OMNIDESK_DATABASE_DIRECT_URL",
        ),
    ],
)
def test_settings_that_need_each_other(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(monkeypatch, **values)


def test_an_embedded_desk_makes_its_key_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, DATA_DIR=str(tmp_path / "desk"))
    (key,) = secret_keys(settings)
    assert len(key) == 32
    assert secret_keys(settings) == [key]
    file = tmp_path / "desk/secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, DATA_DIR=str(tmp_path))
    together = threading.Barrier(8)
    found: list[list[bytes]] = []

    def start() -> None:
        together.wait()
        found.append(secret_keys(settings))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({keys[0] for keys in found}) == 1


def test_an_old_and_a_new_key_stand_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (made,) = secret_keys(load(monkeypatch, DATA_DIR=str(tmp_path)))
    (old, made_again) = secret_keys(load(monkeypatch, SECRET_KEY=KEY))
    new, *rest = secret_keys(load(monkeypatch, SECRET_KEY=f" {OTHER_KEY} , {KEY}"))
    assert made_again == made
    assert rest == [old, made]
    assert len({new, old, made}) == 3
    on_a_server = load(monkeypatch, DATABASE_URL="postgresql://h/d")
    assert secret_keys(on_a_server) == [new, old]


def test_a_key_given_to_an_embedded_desk_is_not_doubled_by_a_made_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(secret_keys(load(monkeypatch, DATA_DIR=str(tmp_path), SECRET_KEY=KEY))) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"half\n", b"\xff" * 40])
def test_a_broken_key_file_is_never_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match=r"secret\.key"):
        secret_keys(load(monkeypatch, DATA_DIR=str(tmp_path)))
    assert file.read_bytes() == content


def test_a_key_that_others_can_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, DATA_DIR=str(tmp_path))
    secret_keys(settings)
    (tmp_path / "secret.key").chmod(0o644)
    with pytest.raises(SettingsError, match="open to others"):
        secret_keys(settings)
