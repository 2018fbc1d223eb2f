"""The policy as configuration: plain values in, a checked `Policy` out, and back."""

from omnidesk.routing.values import ChannelPolicy, Policy, UrgencyPolicy

_MINUTE = 60_000

DEFAULT = Policy(
    urgencies={
        "critical": UrgencyPolicy(weight=64, target_ms=10 * _MINUTE, primary=True),
        "high": UrgencyPolicy(weight=4, target_ms=60 * _MINUTE),
        "normal": UrgencyPolicy(weight=2, target_ms=240 * _MINUTE),
        "low": UrgencyPolicy(weight=1, target_ms=1440 * _MINUTE),
    },
    channels={
        "phone": ChannelPolicy(live=True, units=6, accept_ms=20_000),
        "chat": ChannelPolicy(live=True, units=2),
    },
)
