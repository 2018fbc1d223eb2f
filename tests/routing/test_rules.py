"""Rules as an administrator writes them: what they match, and what they say when they are wrong."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.routing.expressions import MAX_CHARS
from omnidesk.routing.rules import QueueRule, RuleError, choose_queue, parse, parse_optional

LETTER = {
    "category": "card",
    "channel": "email",
    "inbox": "Support",
    "language": "ru",
    "urgency": "high",
    "subject": "Возврат  ДЕНЕГ за заказ",
    "text": "Верните деньги, пожалуйста. Всё сломалось.",
    "tier": "Gold",
    "facts": {"amount": "1299.90", "app": "iOS", "vip": True, "tags": ["Refund", "late"], "attempts": 3},
}


@pytest.mark.parametrize(
    "rule",
    [
        'category in ["card", "fraud"] and language == "ru"',
        'category == "CARD"',
        "tier == 'gold'",
        'category not in ["loan"]',
        'category != "loan" or language == "en"',
        'subject contains "возврат денег"',
        'text contains ["не работает", "все сломалось"]',
        "facts.amount > 1299 and facts.amount <= 1299.9",
        "facts.attempts == 3",
        "facts.attempts in [1, 2, 3]",
        "facts.vip == true",
        'facts.tags contains "refund"',
        'facts.tags == "late"',
        'urgency >= "high"',
        'urgency < "critical"',
        'not urgency == "low"',
        'not (category == "loan" and language == "ru")',
        'category == "loan" and tier == "x" or language == "ru"',
        'facts.unknown == ""',
        'facts.unknown != "x"',
        'NOT category == "loan" AND Language == "ru"'.replace("Language", "language"),
        "subject contains 'за \\\\' or subject contains 'заказ'",
    ],
)
def test_this_letter_matches(rule: str) -> None:
    assert parse(rule).matches(LETTER)


@pytest.mark.parametrize(
    "rule",
    [
        'category == "cards"',
        'language == "ru" and (category == "loan" or tier == "free")',
        "facts.amount > 1299.90",
        "facts.app > 1",
        "facts.unknown < 5",
        'facts.tags contains "ref"',
        'urgency > "high"',
        'subject contains "деньги"',
        "facts.vip == false",
        'not language == "ru"',
    ],
)
def test_this_letter_does_not_match(rule: str) -> None:
    assert not parse(rule).matches(LETTER)


@pytest.mark.parametrize(
    ("rule", "position", "reason"),
    [
        ("", 0, "name"),
        ("categoy == 'x'", 0, "categoy is not known"),
        ("facts == 'x'", 0, "not known"),
        ("category = 'x'", 9, "no part"),
        ("category == card", 12, "quotes"),
        ("category == 'card", 12, "closing quote"),
        ("category in 'card'", 12, "expected ["),
        ("category in []", 13, "expected a text"),
        ("(category == 'x'", 16, "expected )"),
        ("category == 'x' language == 'ru'", 16, "and, or"),
        ("category < 'x'", 11, "only numbers"),
        ("urgency > 'urgent'", 10, "urgency is one of"),
        ("text contains 5", 14, "contains needs"),
        ("text contains ''", 14, "contains needs"),
        ("category", 8, "expected =="),
        ("category not 'x'", 13, "expected in"),
        ("'x' == category", 0, "name"),
        ("__import__('os')", 0, "not known"),
        ("facts.amount > 1e9", 15, "no part"),
        ("facts.a.b == 1", 7, "no part"),
        ("category == 'a' == 'b'", 16, "and, or"),
    ],
)
def test_a_wrong_rule_says_where_and_why(rule: str, position: int, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(rule)
    assert (caught.value.position, reason in caught.value.reason) == (position, True), caught.value


def test_limits_of_size_depth_and_terms() -> None:
    assert parse("(" * 18 + "tier == 'x'" + ")" * 18)
    for rule in (
        "tier == 'x' or " * 300 + "tier == 'x'",
        "(" * 50 + "tier == 'x'" + ")" * 50,
        "not " * 500 + "tier == 'x'",
        "facts.n in [" + "1," * 400 + "1]",
        "x" * (MAX_CHARS + 1),
    ):
        with pytest.raises(RuleError):
            parse(rule)


def test_an_empty_rule_is_no_rule() -> None:
    assert parse_optional("  ") is None
    assert parse_optional("tier == 'x'") == parse("tier == 'x'")


@given(st.text(alphabet="categoryin[]()'\"=!<>,. andotfs123\\\n", max_size=80))
def test_any_text_is_a_rule_or_an_error_with_a_position_inside(source: str) -> None:
    positions = []
    try:
        parse(source).matches(LETTER)
    except RuleError as error:
        positions.append(error.position)
    assert all(0 <= position <= len(source) for position in positions)


@given(
    st.dictionaries(st.sampled_from(["category", "text", "facts", "urgency"]), st.none() | st.text() | st.integers())
)
def test_odd_inputs_are_compared_and_not_stumbled_over(inputs: dict[str, object]) -> None:
    parse("facts.n > 5 or urgency > 'low' or text contains 'x' or category in ['a', 1, true]").matches(inputs)


def test_long_text_without_a_closing_quote_is_refused_quickly() -> None:
    started = time.process_time()
    with pytest.raises(RuleError):
        parse("category == '" + "\\" * (MAX_CHARS - 20))
    assert time.process_time() - started < 1


CARDS, LOANS, TRIAGE = UUID(int=1), UUID(int=2), UUID(int=3)
QUEUES = [
    QueueRule(queue_id=TRIAGE, name="triage", position=9, fallback=True),
    QueueRule(queue_id=LOANS, name="loans", position=2, match=parse('language == "ru"')),
    QueueRule(queue_id=CARDS, name="cards", position=1, match=parse('category == "card"')),
]


def test_explicit_then_inbox_then_rules_in_order_then_fallback() -> None:
    assert choose_queue(QUEUES, LETTER, queue_id=TRIAGE, inbox_queue_id=LOANS).reason == "explicit"
    assert choose_queue(QUEUES, LETTER, inbox_queue_id=LOANS).queue_id == LOANS
    by_rule = choose_queue(QUEUES, LETTER)
    assert (by_rule.queue_id, by_rule.rule, by_rule.reason) == (CARDS, 'category == "card"', "rule")
    assert choose_queue(QUEUES, {**LETTER, "category": ""}).queue_id == LOANS
    assert choose_queue(QUEUES, {}) == choose_queue(QUEUES[:1], {})
    assert choose_queue(QUEUES, {}).reason == "fallback"


def test_a_queue_that_is_gone_is_passed_over_and_nothing_is_lost_without_a_fallback() -> None:
    assert choose_queue(QUEUES, LETTER, queue_id=UUID(int=99)).queue_id == CARDS
    assert choose_queue(QUEUES[1:], {}).queue_id == LOANS
    with pytest.raises(LookupError):
        choose_queue([], {})
