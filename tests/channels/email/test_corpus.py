"""Real mails of many programs, when their corpus is at hand, and mails broken at random."""

import importlib.util
import json
import os
import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bench.adapters import email, route
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.channels.email.charsets import decode
from omnidesk.channels.email.headers import mailboxes, message_ids, words
from omnidesk.channels.email.html import bounded, lines_of, sanitised
from omnidesk.channels.email.items import to_items
from omnidesk.channels.email.lines import lines_of_text
from omnidesk.channels.email.quotes import split
from omnidesk.channels.email.reading import read_mail
from tests.channels.email.mails import PAGE_PART, TEXT_PART, attached, mail, parts

ROOT = Path(os.environ.get("OMNIDESK_CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))
CORPUS = ROOT / "email"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set OMNIDESK_CORPUS to its folder")
SLOWEST_S = 5.0  # of CPU time for one mail: a hang, not a benchmark


def _scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_email", ROOT / "score_email.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _failures(cases: list[dict[str, Any]], check: Any, read: Any) -> dict[str, list[str]]:
    """Failed expectations by category and file."""
    failed: dict[str, list[str]] = {}
    for case in cases:
        started = time.process_time()
        got = read(case)
        wrong = check(case["expect"], got, time.process_time() - started)
        failed.setdefault(case["category"], [])
        failed[case["category"]] += [f"{case['file']}: {wrong}"] if wrong else []
    return failed


@needs_corpus
@pytest.mark.row(27, part="mail")
def test_real_mails_are_read() -> None:
    cases = json.loads((CORPUS / "cases.json").read_text("utf-8"))["cases"]

    failed = _failures(cases, _scorer().check, lambda case: email((CORPUS / case["file"]).read_bytes()))

    assert sum(map(len, failed.values())) <= 0.05 * len(cases), failed
    for category, wrong in failed.items():
        of = sum(1 for case in cases if case["category"] == category)
        assert of < 10 or len(wrong) <= 0.1 * of, wrong


@needs_corpus
@pytest.mark.row(28, part="mail")
@pytest.mark.row(34, part="mail")
def test_real_threads_stay_together_and_loops_end() -> None:
    data = json.loads((CORPUS / "threading" / "cases.json").read_text("utf-8"))

    def placed(case: dict[str, Any]) -> dict[str, Any]:
        raw = (CORPUS / "threading" / case["file"]).read_bytes()
        return route(raw, case["envelope"], data["contexts"][case["context"]])

    failed = _failures(data["cases"], _scorer().check_route, placed)

    assert not any(failed.values()), failed


def _samples() -> list[bytes]:
    own = [
        mail(
            "Hi\n\nOn 1/1/2026 10:00, A <a@b.example> wrote:\n> x\n> y\n-- \nIvan", Subject="=?utf-8?B?0J/RgNC40LI=?="
        ),
        parts(TEXT_PART, PAGE_PART, attached("filename*=UTF-8''%D0%A1.pdf"), kind="alternative"),
        parts(TEXT_PART, b"Content-Type: message/rfc822\n\n" + parts(TEXT_PART)),
        mail("<div class=gmail_quote><blockquote>x</blockquote></div>", Content_Type="text/html"),
        parts(
            TEXT_PART, "Content-Type: message/delivery-status\n\nX: y\n\nAction: failed\nStatus: 5.1.1", kind="report"
        ),
        parts(
            TEXT_PART, attached('filename="winmail.dat"', b"\x78\x9f\x3e\x22" + bytes(60), kind="application/ms-tnef")
        ),
        mail(b"MIIBszCB", Content_Type="application/pkcs7-mime", Content_Transfer_Encoding="base64"),
    ]
    real = sorted(CORPUS.glob("raw/*.eml")) if CORPUS.is_dir() else []
    return own + [raw for path in real if len(raw := path.read_bytes()) < 30_000]


TOKENS = [
    b"\n",
    b"\r",
    b"\0",
    b"--=_b\n",
    b"=?utf-8?B?",
    b"?=",
    b'"',
    b"<",
    b">",
    b"> ",
    b"(",
    b";",
    b":",
    b"\xff",
    b"<div>",
    b"&",
    b"Content-Type: multipart/mixed; boundary=x\n",
    b"Content-Transfer-Encoding: base64\n",
    b"-- \n",
    b"From: ",
    b" wrote:\n",
    b"On ",
]


def _broken(raw: bytes, dice: random.Random) -> bytes:
    """A sample with a few cuts, swaps, repeats and foreign pieces."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(data) + 1)
        span = dice.randint(1, 200)
        match dice.randrange(5):
            case 0:
                del data[at : at + span]
            case 1:
                data[at:at] = dice.choice(TOKENS) * dice.choice((1, 1, 3, 50))
            case 2:
                data[at:at] = data[at : at + span] * 2
            case 3:
                data[at : at + 4] = dice.randbytes(4)
            case _:
                del data[at:]
    return bytes(data)


def test_mails_broken_at_random_never_raise_and_never_hang() -> None:
    samples, ends = _samples(), time.monotonic() + 4
    for seed in range(20_000):
        if time.monotonic() > ends:
            break
        dice = random.Random(seed)
        raw = _broken(dice.choice(samples), dice)
        started = time.process_time()
        read = read_mail(raw)
        assert time.process_time() - started < SLOWEST_S, seed
        assert "unreadable" not in read.hints, seed
        assert "\0" not in read.text + read.subject + read.html + read.visible_text, seed
        assert to_items(read, {}, ["support@acme.example"]), seed
        json.dumps([read.text, read.subject, read.from_name, [file.name for file in read.attachments]]).encode("utf-8")


HOSTILE = {
    "quote marks": ">" * 300_000,
    "attributions": ("On " + "a " * 1_000 + "wrote:\n") * 300,
    "half addresses": "a@" * 150_000 + ":",
    "headers in the text": "From: a@b\nDate: 1.1.2020\n" * 10_000,
    "closings": "x\nregards,\n" * 10_000,
    "empty lines": "\n" * 500_000 + "x",
    "devices": ("x\n\nsent from my " + "iphone pro " * 40 + "\n") * 1_000,
    "rules": "-" * 500_000,
    "tags": "<" * 300_000,
    "open tags": "<b><p>" * 50_000,
    "entities": "&" * 300_000,
    "comments": "<!--" * 100_000,
    "attributes": "<a " + "x=y " * 100_000 + ">",
}


@pytest.mark.parametrize("bait", HOSTILE)
@pytest.mark.parametrize("kind", ["plain", "html"])
def test_bait_for_parsers_is_read_in_linear_time(bait: str, kind: str) -> None:
    started = time.process_time()
    read_mail(mail(HOSTILE[bait], Content_Type=f"text/{kind}; charset=utf-8"))
    assert time.process_time() - started < SLOWEST_S


@pytest.mark.parametrize("piece", ["=?utf-8?B?", "=?", '"', "(", "()", "<", ",", "a@b.c, ", "\\", ":", "; a=b", " "])
@pytest.mark.parametrize("name", ["From", "To", "Subject", "Content-Type", "Content-Disposition", "References"])
def test_bait_in_headers_is_read_in_linear_time(name: str, piece: str) -> None:
    started = time.process_time()
    read_mail(f"{name}: {piece * (1_000_000 // len(piece))}\n\nhi".encode())
    assert time.process_time() - started < 1.0


def test_twenty_five_megabytes_take_a_moment() -> None:
    raw = parts(TEXT_PART, attached('filename="a.pdf"', random.Random(1).randbytes(18_000_000)))
    started = time.process_time()
    read = read_mail(raw)
    assert len(read.attachments[0].content) == 18_000_000
    assert time.process_time() - started < SLOWEST_S


@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    assert "unreadable" not in read_mail(raw).hints


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_are_text(data: bytes, charset: str) -> None:
    text = decode(data, charset)
    text.encode("utf-8")
    assert "\0" not in text


@given(st.text(max_size=200))
def test_text_in_utf_8_survives_any_charset_of_one_byte(text: str) -> None:
    clean = text.replace("\0", "").encode("utf-8", "ignore").decode()
    assert decode(clean.encode(), "utf-8") == clean


@given(st.text(max_size=200))
def test_any_text_is_a_header(source: str) -> None:
    assert "\n" not in words(source)
    assert all("<" not in each for each in message_ids(source))
    assert all(box.address or box.name for box in mailboxes(source))


@given(st.text(alphabet="ab >\n-:@<.1On wrote", max_size=200))
def test_no_word_is_lost_between_answer_and_history(text: str) -> None:
    parted = split(lines_of_text(text))
    assert sorted("".join((parted.visible + parted.rest).split())) == sorted("".join(text.split()))


@given(st.text(alphabet="<>/abp \"'=&;div", max_size=200))
def test_any_text_is_a_page(source: str) -> None:
    lines_of(bounded(source))
    assert "<script" not in sanitised(bounded(source))
