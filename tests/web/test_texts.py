"""Every word of the pages exists in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2.ext import extract_from_ast

from omnidesk.desk import texts
from omnidesk.web import console, render, words

WEB = Path(render.__file__).parent
TEMPLATES = sorted(path.name for path in (WEB / "templates").iterdir())


def said_in_templates(name: str) -> Iterator[str]:
    """The message ids of a template's `say(...)`; a call with something else is a word of a table."""
    source = (WEB / "templates" / name).read_text(encoding="utf-8")
    for _, _, message in extract_from_ast(render.environment.parse(source), ("say",), babel_style=False):
        yield from (part for part in (message if isinstance(message, tuple) else (message,)) if part)


def said_in_handlers() -> Iterator[str]:
    for path in sorted(WEB.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
                yield from (
                    each.value
                    for each in node.args[:2]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def said_in_tables() -> Iterator[str]:
    yield from words.SENTENCES
    for table in words.TABLES:
        yield from table.values()
    for view in (*console.VIEWS.values(), console.SEARCH):
        yield from (view.title, view.empty)


def missing(messages: Iterator[str]) -> list[str]:
    catalog = texts._catalog("ru")
    return sorted({text for text in messages if not (known := catalog.get(text)) or not known.string})


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_string_of_a_template_has_a_russian_one(name: str) -> None:
    assert missing(said_in_templates(name)) == []


def test_every_word_of_handlers_and_tables_has_a_russian_one() -> None:
    assert missing(said_in_handlers()) == []
    assert missing(said_in_tables()) == []


def test_russian_strings_fill_in_the_same_names() -> None:
    catalog = texts._catalog("ru")
    in_templates = (text for name in TEMPLATES for text in said_in_templates(name))
    messages = {*said_in_handlers(), *said_in_tables(), *in_templates}
    assert len(messages) > 200, "the search for strings finds them"
    for text in messages:
        known = catalog.get(text)
        assert known is not None
        assert names_in(text) == names_in(str(known.string)), text


def names_in(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}
