"""The policy as an administrator writes it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain.errors import Invalid
from omnidesk.routing import ChannelPolicy, UrgencyPolicy
from omnidesk.routing.policy import DEFAULT, duration_ms, duration_text, parse, to_plain
from omnidesk.routing.values import ORDERS, URGENCIES


def test_nothing_said_is_the_default() -> None:
    assert parse({}) == DEFAULT


def test_what_is_said_counts_and_the_rest_stays() -> None:
    policy = parse(
        {
            "policy": {"order": "edd"},
            "urgency": {"high": {"target": "30m"}},
            "channel": {"telegram": {"units": 2}, "phone": {"accept": ""}, "chat": {"accept": "15s"}},
            "agent": {"defaults": {"misses_to_away": 3}},
        },
        version=12,
    )
    assert (policy.version, policy.order, policy.sharpness, policy.misses_to_away) == (12, "edd", 3.0, 3)
    assert policy.urgencies["high"] == UrgencyPolicy(weight=4, target_ms=1_800_000)
    assert policy.channels == {
        "telegram": ChannelPolicy(units=2),
        "phone": ChannelPolicy(live=True, units=6, lift=1),
        "chat": ChannelPolicy(live=True, units=2, accept_ms=15_000),
    }


@pytest.mark.parametrize(
    ("plain", "pointer"),
    [
        ({"polcy": {}}, "/polcy"),
        ({"policy": []}, "/policy"),
        ({"policy": {"order": "random"}}, "/policy/order"),
        ({"policy": {"order": ["cost"]}}, "/policy/order"),
        ({"policy": {"sharpness": 0}}, "/policy/sharpness"),
        ({"policy": {"sharpness": float("nan")}}, "/policy/sharpness"),
        ({"policy": {"sharpness": True}}, "/policy/sharpness"),
        ({"urgency": {"urgent": {}}}, "/urgency/urgent"),
        ({"urgency": {"high": {"weight": -1}}}, "/urgency/high/weight"),
        ({"urgency": {"high": {"target": 60}}}, "/urgency/high/target"),
        ({"urgency": {"high": {"target": "0s"}}}, "/urgency/high/target"),
        ({"urgency": {"high": {"target": "1.5h"}}}, "/urgency/high/target"),
        ({"urgency": {"high": {"target": "9999d"}}}, "/urgency/high/target"),
        ({"channel": {"a/b": {"units": 0}}}, "/channel/a/b/units"),
        ({"channel": {"phone": {"live": 1}}}, "/channel/phone/live"),
        ({"channel": {"phone": {"lift": 4}}}, "/channel/phone/lift"),
        ({"category": [{"name": "a", "match": "text ="}]}, "/category/0/match"),
        ({"category": [{"name": ""}]}, "/category/0/name"),
        ({"agent": {"units": 3}}, "/agent/units"),
        ({"agent": {"defaults": {"units": 1.5}}}, "/agent/defaults/units"),
        ({"classify": {"threshold": 2}}, "/classify/threshold"),
        ({"classify": {"fallback_queue": ""}}, "/classify/fallback_queue"),
    ],
)
def test_a_wrong_key_is_named(plain: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(plain)
    assert [error.pointer for error in caught.value.errors] == [pointer.replace("a/b", "a~1b")]


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(Invalid, match="not valid: /policy") as caught:
        parse({"policy": {"order": 1, "x": 1}, "classify": {"threshold": "much"}})
    assert {error.pointer for error in caught.value.errors} == {"/policy/order", "/policy/x", "/classify/threshold"}


_DURATIONS = st.integers(1, 31_000_000).map(lambda s: f"{s}s")


@given(
    order=st.sampled_from(ORDERS),
    sharpness=st.floats(0.1, 10),
    urgency=st.dictionaries(
        st.sampled_from(URGENCIES),
        st.fixed_dictionaries({}, optional={"weight": st.floats(0.001, 1e6), "target": _DURATIONS}),
    ),
    channel=st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.fixed_dictionaries({"live": st.booleans()}, optional={"units": st.integers(1, 9), "accept": _DURATIONS}),
        max_size=4,
    ),
)
def test_a_policy_survives_being_written_and_read(**parts: Any) -> None:
    plain = {
        "policy": {"order": parts["order"], "sharpness": parts["sharpness"]},
        "urgency": parts["urgency"],
        "channel": parts["channel"],
    }
    policy = parse(plain)
    assert parse(to_plain(policy)) == policy


@given(st.integers(0, 366 * 86_400_000))
def test_durations_survive(milliseconds: int) -> None:
    assert duration_ms(duration_text(milliseconds)) == milliseconds


_KEYS = "policy order urgency high target channel phone accept agent defaults units classify threshold"
_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(st.recursive(_VALUES, lambda inner: st.dictionaries(st.sampled_from(_KEYS.split()), inner), max_leaves=12))
def test_any_configuration_is_read_or_refused(plain: Any) -> None:
    try:
        parsed = parse(plain)
    except Invalid as error:
        refused = error.errors
    else:
        refused = []
        assert parse(to_plain(parsed)) == parsed
    assert all(error.pointer == "" or error.pointer.startswith("/") for error in refused)
