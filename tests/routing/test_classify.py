"""Which category, and who says so."""

from collections.abc import Sequence

from omnidesk.routing.classify import CategoryRule, Classification, classify, normalised
from omnidesk.routing.rules import parse

LETTER = {"subject": "Карта", "text": "Карту съел банкомат", "language": "ru"}
RULES = [
    CategoryRule(category="atm", match=parse('text contains "банкомат"'), position=2),
    CategoryRule(category="card", match=parse('subject contains "карта"'), position=1),
]


def model(text: str) -> Sequence[tuple[str, float]]:
    assert text == "карта карту съел банкомат"
    return [("loan", 0.05), ("atm", 0.7), ("card", 0.2), ("other", 0.05)]


GUESSES = (("atm", 0.7), ("card", 0.2), ("loan", 0.05))


def test_the_field_then_the_inbox_then_the_first_rule_then_the_model() -> None:
    found = classify(LETTER, explicit="loan", inbox_category="card", rules=RULES, model=model)
    assert found == Classification(category="loan", source="field", reason="", guesses=GUESSES)
    assert classify(LETTER, inbox_category="loan", rules=RULES).source == "inbox"
    assert classify(LETTER, rules=RULES, model=model) == Classification(
        category="card", source="rule", reason='subject contains "карта"', guesses=GUESSES
    )
    found = classify(LETTER, model=model)
    assert found == Classification(category="atm", source="model", reason="0.70", guesses=GUESSES)


def test_an_unsure_model_leaves_it_to_a_person_but_shows_its_guesses() -> None:
    found = classify(LETTER, model=model, threshold=0.8)
    assert (found.category, found.source, found.guesses) == ("", "none", GUESSES)
    assert classify(LETTER, model=model, threshold=0.8, thresholds={"atm": 0.6}).category == "atm"
    assert classify(LETTER, model=model, threshold=0.5, thresholds={"atm": 0.9}).category == ""


def test_without_a_model_or_text_there_are_no_guesses() -> None:
    assert classify(LETTER) == Classification(category="", source="none", reason="")
    assert classify({}, model=model).guesses == ()
    assert classify({"text": None, "subject": "  "}, model=model).guesses == ()


def test_the_model_reads_neither_quotes_nor_signature_nor_numbers() -> None:
    letter = "Ещё жду Заказ №4481\n> Вы писали: украли\n>> ещё\n-- \nИван, +7 900"
    assert normalised(letter) == "еще жду заказ no0000"
