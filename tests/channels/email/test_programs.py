"""Letters as mail programs of many countries write them: what they put around a letter goes, the letter stays."""

from pathlib import Path

import pytest

from omnidesk.channels.email.lines import lines_of_text
from omnidesk.channels.email.quotes import split

LETTER = "Thanks, that works.\n\nCould you also send the invoice?"
OLD = "Hello Ivan,\n\nPlease restart the router and try again.\n\nKind regards,\nSupport"
LISTS = {
    name: entries.strip("\n").split("\n%%\n")
    for name, _, entries in (
        section.partition("\n")
        for section in Path(__file__).with_name("programs.txt").read_text("utf-8").split("\n== ")[1:]
    )
}


def seen(text: str, *, forwarded: bool = False) -> str:
    return split(lines_of_text(text), forwarded=forwarded, sender_name="John Smith").visible


def marked(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


@pytest.mark.parametrize("line", LISTS["marked"])
def test_above_below_and_around_marked_history_the_letter_stays(line: str) -> None:
    nested = marked(f"{line}\n{marked(OLD)}\nMore")

    assert seen(f"{LETTER}\n\n{line}\n{marked(OLD)}\n") == LETTER
    assert seen(f"{LETTER}\n{line}\n\n{marked(OLD)}\n") == LETTER
    assert seen(f"{line}\n{marked(OLD)}\n\n{LETTER}\n") == LETTER
    assert seen(f"{LETTER}\n\n{line}\n{nested}\n") == LETTER


@pytest.mark.parametrize("lines", [*LISTS["history"], *LISTS["block"]])
def test_what_announces_history_ends_the_letter(lines: str) -> None:
    assert seen(f"{LETTER}\n\n{lines}\n\n{OLD}\n") == LETTER
    assert seen(f"{LETTER}\n\nSent from my iPhone\n\n{lines}\n\n{OLD}\n") == LETTER


@pytest.mark.parametrize("block", LISTS["block"])
def test_headers_of_the_mail_before_are_history_unless_it_is_forwarded(block: str) -> None:
    before = marked(f"{block}\n\n{OLD}")

    assert seen(f"{LETTER}\n\n{'_' * 32}\n{block}\n\n{OLD}\n") == LETTER
    assert seen(f"{LETTER}\n\n{before}\n") == LETTER
    assert OLD in seen(f"FYI\n\n{block}\n\n{OLD}\n\nMore follows.", forwarded=True)


@pytest.mark.parametrize("line", LISTS["forward"])
def test_what_is_forwarded_is_content_with_a_word_above_or_without(line: str) -> None:
    content = f"From: Shop <shop@c.example>\nDate: Sun, 22 Nov 2026 10:00:00 +0300\nTo: i@b.example\n\n{OLD}\n\nMore."

    assert OLD in seen(f"Have a look\n\n{line}\n\n{content}")
    assert OLD in seen(f"{line}\n\n{content}")


@pytest.mark.parametrize("signature", LISTS["signature"])
def test_a_signature_goes_at_the_end_and_above_history(signature: str) -> None:
    history = f"On 22 Nov 2026, at 10:00, Support <support@acme.example> wrote:\n\n{marked(OLD)}"

    assert seen(f"{LETTER}\n\n{signature}\n") == LETTER
    assert seen(f"{LETTER}\n\n{signature}\n\n{history}\n") == LETTER


@pytest.mark.parametrize("text", LISTS["letter"])
def test_a_letter_that_only_looks_like_history_or_signature_stays_whole(text: str) -> None:
    assert seen(text) == text
