"""How much agents hold: every load that occurs, once, with the bit sets it belongs to.

There are few different loads and many agents, so what a load means (who still fits, which third of his
capacity it is) is worked out once, and moving an agent from one load to the next is a look-up.
"""

from bisect import insort
from collections.abc import Iterator

BANDS = (0, 1, 2)  # thirds of an agent's capacity; these are the first three sets
TALKS = 3  # the set of those who have a live conversation


class Load:
    """So many units of primary and of other work, and so many live conversations, of one capacity."""

    __slots__ = ("asynchronous", "band", "capacity", "live", "primary", "sets", "share", "steps", "total")

    def __init__(self, primary: int, asynchronous: int, capacity: int, live: int) -> None:
        self.primary, self.asynchronous, self.capacity, self.live = primary, asynchronous, capacity, live
        self.total = primary + asynchronous
        self.share = self.total / capacity if capacity else 1.0
        self.band = min(2, 3 * self.total // capacity) if capacity else 2
        self.sets: frozenset[int] = frozenset()
        self.steps: dict[tuple[int, bool, int], tuple[Load, tuple[int, ...]]] = {}

    def fits(self, units: int, primary: bool) -> bool:
        return (self.primary if primary else self.total) + units <= self.capacity

    def excess(self, units: int) -> int:
        """Units over the capacity when so many are added."""
        return max(0, self.total + units - self.capacity)


class Loads:
    """The loads that occur and the numbers of their sets."""

    def __init__(self) -> None:
        self.size = TALKS + 1  # sets so far
        self.fitting: dict[tuple[int, bool], int] = {}  # units, primary -> the set of those who can take them
        self.shares: tuple[list[tuple[float, int]], ...] = ([], [], [])  # per band: share of the capacity, set
        self.slacks: list[tuple[int, int]] = []  # free units (negative: too many), set
        self._loads: dict[tuple[int, int, int, int], Load] = {}
        self._by_share: dict[float, int] = {}
        self._by_slack: dict[int, int] = {}

    def at(self, primary: int, asynchronous: int, capacity: int, live: int) -> Load:
        key = (primary, asynchronous, capacity, live)
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = Load(*key)
            load.sets = frozenset(self._sets(load))
        return load

    def step(self, load: Load, units: int, primary: bool, live: int) -> tuple[Load, tuple[int, ...]]:
        """The load with so many units more, and the sets that this enters or leaves."""
        known = load.steps.get((units, primary, live))
        if known is None:
            more = (units, 0) if primary else (0, units)
            after = self.at(load.primary + more[0], load.asynchronous + more[1], load.capacity, load.live + live)
            known = load.steps[units, primary, live] = (after, tuple(load.sets ^ after.sets))
        return known

    def know(self, units: int) -> bool:
        """Work of that size exists; True when that is news, and every load is to be looked up again."""
        if (units, False) in self.fitting:
            return False
        for primary in (False, True):
            self.fitting[units, primary] = self._new_set()
        self._loads.clear()
        return True

    def _new_set(self) -> int:
        self.size += 1
        return self.size - 1

    def _sets(self, load: Load) -> Iterator[int]:
        yield load.band
        if load.live > 0:
            yield TALKS
        yield from (number for fit, number in self.fitting.items() if load.fits(*fit))
        if load.share not in self._by_share:
            self._by_share[load.share] = self._new_set()
            insort(self.shares[load.band], (load.share, self._by_share[load.share]))
        yield self._by_share[load.share]
        slack = load.capacity - load.total
        if slack not in self._by_slack:
            self._by_slack[slack] = self._new_set()
            insort(self.slacks, (slack, self._by_slack[slack]))
        yield self._by_slack[slack]
