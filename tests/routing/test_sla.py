"""Of the rows of the SLA table the most specific one decides."""

import pytest

from omnidesk.domain.errors import Invalid
from omnidesk.routing.policy import DEFAULT, parse, to_plain
from omnidesk.routing.sla import Class, terms
from omnidesk.routing.values import URGENCIES

TABLE = {
    "sla": [
        {"first_reply": "9h", "next_reply": "8h", "resolution": "27h", "reply_days": 3},
        {"channel": "vk", "first_reply": "2h", "reply_days": 1},
        {"urgency": "critical", "first_reply": "1h"},
        {"channel": "email", "urgency": "high", "first_reply": "4h", "reply_days": 2},
        {"tier": "vip", "first_reply": "30m"},
    ]
}
HOUR = 3_600_000


@pytest.mark.row(38)
@pytest.mark.row(65)
def test_terms_differ_by_channel_category_urgency_and_tier() -> None:
    sla = parse(TABLE).sla
    mail, social = terms(sla, Class("email")), terms(sla, Class("vk"))
    assert (mail.first_reply_ms, social.first_reply_ms) == (9 * HOUR, 2 * HOUR)
    assert (mail.reply_days, social.reply_days) == (3, 1)
    assert social.resolution_ms == 27 * HOUR, "what a row leaves out comes from a less specific one"
    assert terms(sla, Class("email", urgency="high")).reply_days == 2
    assert terms(sla, Class("vk", urgency="critical")).first_reply_ms == 2 * HOUR, (
        "the channel comes before the urgency"
    )
    assert terms(sla, Class("vk", urgency="critical", tier="vip")).first_reply_ms == HOUR // 2


def test_the_table_survives_being_written_and_read() -> None:
    policy = parse(TABLE)
    assert parse(to_plain(policy)) == policy
    assert parse(to_plain(DEFAULT)) == DEFAULT


@pytest.mark.row(47)
def test_the_terms_that_come_with_the_program_shorten_with_urgency() -> None:
    replies = [terms(DEFAULT.sla, Class("email", urgency=level)).first_reply_ms or 0 for level in URGENCIES]
    assert replies == sorted(replies, reverse=True)
    assert len(set(replies)) == len(URGENCIES)


@pytest.mark.parametrize(
    ("rows", "pointer"),
    [
        ({}, "/sla"),
        ([{"urgency": "extreme", "first_reply": "1h"}], "/sla/0/urgency"),
        ([{"channel": "vk"}], "/sla/0"),
        ([{"first_reply": "soon"}], "/sla/0/first_reply"),
        ([{"first_reply": "1h"}, {"next_reply": "1h"}], "/sla/1"),
        ([{"first_reply": "1h", "colour": "red"}], "/sla/0/colour"),
    ],
)
def test_a_mistake_is_named(rows: object, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse({"sla": rows})
    assert pointer in {error.pointer for error in refused.value.errors}
