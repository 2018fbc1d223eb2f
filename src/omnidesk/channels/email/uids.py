"""Sets of UIDs as runs, for there are many and they follow each other; written like "17,20-22"."""

from collections.abc import Iterable

Spans = tuple[tuple[int, int], ...]  # first and last of each run; sorted, apart from each other


def read(text: str) -> Spans:
    """What `written` wrote. Raises ValueError."""
    runs = (run.partition("-") for run in text.split(",") if run)
    return tuple((int(first), int(last or first)) for first, _, last in runs)


def written(spans: Spans) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def between(first: int, last: int) -> Spans:
    return ((first, last),) if first <= last else ()


def joined(spans: Spans, uids: Iterable[int]) -> Spans:
    """The runs with these UIDs, too."""
    runs: list[tuple[int, int]] = []
    for first, last in sorted((*spans, *((uid, uid) for uid in uids))):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            runs.append((first, last))
    return tuple(runs)


def without(uids: Iterable[int], spans: Spans) -> list[int]:
    """Those of the UIDs that are in no run, sorted."""
    left, at = [], 0
    for uid in sorted(set(uids)):
        while at < len(spans) and spans[at][1] < uid:
            at += 1
        if at == len(spans) or uid < spans[at][0]:
            left.append(uid)
    return left


def outside(uids: list[int], first: int, last: int) -> Spans:
    """All from `first` to `last` but these sorted UIDs."""
    runs: list[tuple[int, int]] = []
    for uid in (*uids, last + 1):
        runs += between(first, uid - 1)
        first = uid + 1
    return tuple(runs)
