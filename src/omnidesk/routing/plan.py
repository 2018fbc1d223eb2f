"""The plan: which waiting ticket goes to which agent now."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from omnidesk.routing.board import Board
from omnidesk.routing.decision import Decision
from omnidesk.routing.values import Policy, Snapshot


def plan(snapshot: Snapshot, policy: Policy) -> list[Decision]:
    """What to do now with every ticket of the snapshot; [] when nothing is to change.

    First what comes back from agents, then who gets what in the order of serving, then who waits and why,
    by id. Pure: the same snapshot in any order gives the same decisions, and after `paper.applied`
    the same plan gives []. `bench/plan.py` measures a hundred thousand tickets and ten thousand agents.
    """
    with collector_paused():
        board = Board(snapshot, policy)
        board.open(snapshot)
        lines = list(board.lines.values())
        board.serve(lines)
        board.tell(lines)
        return board.decisions


@contextmanager
def collector_paused() -> Iterator[None]:
    """Planning makes no reference cycles; on a large desk the collector would walk all of it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
