"""When a call that did not go through is tried again."""

BASE_S = 30.0
LONGEST_S = 4 * 3600.0
LAST_S = 2 * 86_400.0  # after two days of tries a call is given up
LONGEST_WAIT_S = 86_400.0  # a platform that asks for more is not believed


def ceiling_s(attempts: int) -> float:
    """The longest pause after so many tries: 30 s, doubled with each, at most four hours."""
    return min(LONGEST_S, BASE_S * 2.0 ** min(max(attempts, 1) - 1, 20))


def again_s(attempts: int, tried_s: float, jitter: float, after_s: float | None = None) -> float | None:
    """Seconds until the next try; None: two days are over, give up.

    `attempts` counts the one that just failed, `tried_s` is the time since the first of them, `jitter` is
    random within 0 … 1 ("full jitter": anything up to the ceiling, so that a crowd spreads) and `after_s` is what
    the platform asked for, which is never undercut.
    """
    if tried_s >= LAST_S:
        return None
    pause_s = max(1.0, ceiling_s(attempts) * jitter)
    if after_s is not None and after_s == after_s:  # not NaN
        pause_s = max(pause_s, min(after_s, LONGEST_WAIT_S))
    return pause_s
