"""All agents at once, as bits of big integers: one bit per agent, one integer per property.

An agent's bit stands where his place in the order (fewest skills, longest idle, id) is, so that the lowest bit
of an intersection is the one to pick. Agents with as many skills share a region; in a planner each region
has room at its end, because who was given something goes to the end.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator
from uuid import UUID

from omnidesk.routing.decision import Seen
from omnidesk.routing.match import Need, Way, sane
from omnidesk.routing.values import Agent

BANDS = (0, 1, 2)  # thirds of an agent's capacity
_ROOM = 1024
_State = tuple[int, int, int, bool]  # primary, asynchronous, capacity, talks


class Desk:
    """An agent and what he holds, places kept for offers included."""

    __slots__ = ("agent", "asynchronous", "bit", "keys", "live", "needs", "primary", "region")

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.primary, self.asynchronous, self.live = agent.primary_units, agent.async_units, agent.live
        self.region = len(agent.skills)
        self.bit = 0  # place of the bit
        self.needs = 0  # numbers of the needs that he meets, as bits
        self.keys: tuple[Hashable, ...] = ()

    @property
    def online(self) -> bool:
        return self.agent.status == "online"

    @property
    def idle_key(self) -> tuple[int, int]:
        return self.agent.last_assigned_ms, self.agent.id.int

    def seen(self) -> Seen:
        return self.agent, self.primary, self.asynchronous, self.live

    def own(self) -> Seen:
        """The same without places kept for offers."""
        agent = self.agent
        return agent, agent.primary_units, agent.async_units, agent.live

    def fits(self, units: int, primary: bool) -> bool:
        used = self.primary if primary else self.primary + self.asynchronous
        return used + units <= self.agent.units

    def worse_by(self, other: "Desk", units: int, live: bool) -> str:
        """Where this one falls behind the other, by the order in which `pick` looks."""
        if live and (self.live > 0) != (other.live > 0):
            return "live"
        mine, total = self.primary + self.asynchronous, other.primary + other.asynchronous
        capacity, limit = self.agent.units, other.agent.units
        if max(0, mine + units - capacity) != max(0, total + units - limit):
            return "overcommit"
        if _band(mine, capacity) != _band(total, limit):
            return "band"
        if self.region != other.region:
            return "skills"
        if mine / capacity != total / limit:
            return "load"
        return "id" if self.agent.last_assigned_ms == other.agent.last_assigned_ms else "idle"


def _band(total: int, capacity: int) -> int:
    return min(2, 3 * total // capacity) if capacity else 2


class Fleet:
    def __init__(self, agents: Iterable[Agent], *, room: bool = False) -> None:
        self.desks: dict[UUID, Desk] = {agent.id: Desk(sane(agent)) for agent in agents}
        self.version = 0  # changes with every place and property, but not with loads
        self._room = room
        self._units: set[int] = {1}
        self._numbers: dict[Need, int] = {}
        self._levels: dict[str, list[tuple[int, int]]] = {}  # skill -> level and number of its needs
        self._load_keys: dict[_State, tuple[Hashable, ...]] = {}
        self._flips: dict[tuple[_State, _State], tuple[Hashable, ...]] = {}
        self._loads: tuple[list[float], list[float], list[float]] = ([], [], [])  # known loads per band
        self._slacks: list[int] = []
        for desk in self.desks.values():
            for skill in desk.agent.skills:
                if skill not in self._levels:
                    self._new_number((skill, 1))
        self.rebuild()

    # --- places ---------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Give every agent his place anew and make all bits from scratch."""
        self.version += 1
        regions: dict[int, list[Desk]] = {}
        for desk in self.desks.values():
            regions.setdefault(desk.region, []).append(desk)
        self.at: list[Desk] = []  # by place; a free place shows somebody who left it
        self._regions: dict[int, _Region] = {}
        places: dict[Hashable, list[int]] = {}
        for size in sorted(regions):
            members = sorted(regions[size], key=lambda desk: desk.idle_key)
            room = len(members) + _ROOM if self._room else 0
            self._regions[size] = _Region(members, len(self.at), room)
            for desk in members:
                desk.bit = len(self.at)
                self.at.append(desk)
                desk.keys = self._static_keys(desk)
                for key in desk.keys:
                    places.setdefault(key, []).append(desk.bit)
                for key in self._load_keys_of(desk):
                    places.setdefault(key, []).append(desk.bit)
            self.at.extend(members[-1:] * room)
        self.masks: dict[Hashable, int] = {key: _mask(found, len(self.at)) for key, found in places.items()}

    def put(self, agent: Agent, reserved: tuple[int, int, int] = (0, 0, 0)) -> Desk:
        """Enter an agent or what has changed about him; `reserved` is held for offers (primary, other, talks)."""
        agent = sane(agent)
        old = self.desks.get(agent.id)
        if old is not None and _same_place(old.agent, agent):
            before = _state(old)
            old.agent = agent
            _reset(old, reserved)
            self._flip(old, before)
            return old
        self.remove(agent.id)
        desk = self.desks[agent.id] = Desk(agent)
        _reset(desk, reserved)
        self._insert(desk)
        return desk

    def remove(self, agent_id: UUID) -> None:
        desk = self.desks.pop(agent_id, None)
        if desk is None:
            return
        self.version += 1
        self._toggle((*desk.keys, *self._load_keys_of(desk)), 1 << desk.bit)
        self._regions[desk.region].drop(desk)

    def _insert(self, desk: Desk) -> None:
        for skill in desk.agent.skills:
            if skill not in self._levels:
                self._new_number((skill, 1))
        region = self._regions.get(desk.region)
        if region is None or region.end == region.limit:
            self.rebuild()
            return
        self.version += 1
        desk.keys = self._static_keys(desk)
        after = region.insert(desk)
        place = region.end
        region.end += 1
        for other in reversed(after):  # few: mostly the newcomer is the one last assigned
            self._toggle((*other.keys, *self._load_keys_of(other)), 1 << other.bit | 1 << place)
            other.bit, place = place, other.bit
            self.at[other.bit] = other
        desk.bit = place
        self.at[place] = desk
        self._toggle((*desk.keys, *self._load_keys_of(desk)), 1 << place)

    # --- properties -----------------------------------------------------------------------------

    def _static_keys(self, desk: Desk) -> tuple[Hashable, ...]:
        agent = desk.agent
        keys: list[Hashable] = ["all"]
        if agent.status == "online":
            keys.append("online")
        keys.extend(["every channel"] if agent.channels is None else [("channel", name) for name in agent.channels])
        keys.extend(["every queue"] if agent.queues is None else [("queue", queue_id) for queue_id in agent.queues])
        desk.needs = 0
        for skill, level in agent.skills.items():
            for least, number in self._levels[skill]:
                if level >= least:
                    keys.append(number)
                    desk.needs |= 1 << number
        return tuple(keys)

    def _load_keys_of(self, desk: Desk) -> tuple[Hashable, ...]:
        state = _state(desk)
        known = self._load_keys.get(state)
        if known is None:
            known = self._load_keys[state] = tuple(self._new_load_keys(*state))
        return known

    def _new_load_keys(self, primary: int, asynchronous: int, capacity: int, talks: bool) -> Iterator[Hashable]:
        total = primary + asynchronous
        yield from (("primary", units) for units in self._units if primary + units <= capacity)
        yield from (("free", units) for units in self._units if total + units <= capacity)
        band, load = _band(total, capacity), total / capacity if capacity else 1.0
        slack = capacity - total
        if load not in self._loads[band]:
            insort(self._loads[band], load)
        if slack not in self._slacks:
            insort(self._slacks, slack)
        yield from (("slack", slack), ("band", band), ("load", load))
        if talks:
            yield "talks"

    def _toggle(self, keys: Iterable[Hashable], bits: int) -> None:
        masks = self.masks
        for key in keys:
            masks[key] = masks.get(key, 0) ^ bits

    def _flip(self, desk: Desk, before: _State) -> None:
        """Move the agent from one load to another."""
        after = _state(desk)
        if before == after:
            return
        keys = self._flips.get((before, after))
        if keys is None:
            old = set(self._load_keys.get(before) or self._new_load_keys(*before))
            keys = self._flips[before, after] = tuple(old ^ set(self._load_keys_of(desk)))
        self._toggle(keys, 1 << desk.bit)

    def take(self, desk: Desk, units: int, primary: bool, live: bool, sign: int = 1) -> None:
        """The agent now holds this much more; with `sign` -1, less."""
        before = _state(desk)
        if primary:
            desk.primary += sign * units
        else:
            desk.asynchronous += sign * units
        desk.live += sign * live
        self._flip(desk, before)

    def know_units(self, units: int) -> None:
        """Work of that size exists; must be said before it is asked for."""
        if units in self._units:
            return
        self._units.add(units)
        self._load_keys.clear()
        self._flips.clear()
        for name in ("primary", "free"):
            fitting = [desk.bit for desk in self.desks.values() if desk.fits(units, name == "primary")]
            self.masks[name, units] = _mask(fitting, len(self.at))

    def number(self, need: Need) -> int:
        """The number of a need, which is also its key."""
        if need not in self._numbers:
            self._new_number(need)
            number, (skill, level) = self._numbers[need], need
            for desk in self.desks.values():
                if desk.agent.skills.get(skill, 0) >= level:
                    desk.keys = (*desk.keys, number)
                    desk.needs |= 1 << number
                    self._toggle((number,), 1 << desk.bit)
        return self._numbers[need]

    def _new_number(self, need: Need) -> None:
        skill, level = need
        number = self._numbers[need] = len(self._numbers)
        self._levels.setdefault(skill, []).append((level, number))

    # --- questions ------------------------------------------------------------------------------

    def reach(self, channel: str, ways: tuple[Way, ...]) -> tuple[int, int, int]:
        """Who speaks the channel; of those, who is a member; of those, who has the skills of his way."""
        get = self.masks.get
        speaking = get("every channel", 0) | get(("channel", channel), 0)
        everywhere = get("every queue", 0)
        members = able = 0
        for queue_id, needs in ways:
            here = speaking & (everywhere | get(("queue", queue_id), 0))
            members |= here
            for need in needs:
                here &= get(self.number(need), 0)
            able |= here
        return speaking, members, able

    def bits(self, agent_ids: Iterable[UUID]) -> int:
        return sum(1 << self.desks[agent_id].bit for agent_id in agent_ids if agent_id in self.desks)

    def first(self, mask: int) -> Desk | None:
        return self.at[(mask & -mask).bit_length() - 1] if mask else None

    def fitting(self, units: int, primary: bool) -> int:
        return self.masks.get(("primary" if primary else "free", units), 0)

    def pick(self, able: int, units: int, primary: bool, live: bool) -> tuple[Desk, Desk | None, str]:
        """The best of these agents, the next best and where that one fell behind."""
        pool = self._narrow(able, units, primary, live)
        winner = self.at[(pool & -pool).bit_length() - 1]
        rest = pool & (pool - 1)
        if not rest:
            others = able ^ 1 << winner.bit
            if not others:
                return winner, None, ""
            rest = self._narrow(others, units, primary, live)
        loser = self.at[(rest & -rest).bit_length() - 1]
        return winner, loser, loser.worse_by(winner, units, live)

    def _narrow(self, pool: int, units: int, primary: bool, live: bool) -> int:
        """Those whom nothing but idleness and id tell apart."""
        if not pool & (pool - 1):
            return pool
        get = self.masks.get
        if live:
            pool = pool & get("talks", 0) or pool
        if primary:
            pool = pool & get(("free", units), 0) or self._least_overcommitted(pool, units)
        for band in BANDS:
            if found := pool & get(("band", band), 0):
                pool = found
                break
        pool &= self._regions[self.at[(pool & -pool).bit_length() - 1].region].mask
        if pool & (pool - 1):
            for load in self._loads[band]:
                if found := pool & get(("load", load), 0):
                    return found
        return pool

    def _least_overcommitted(self, pool: int, units: int) -> int:
        for slack in reversed(self._slacks):
            if slack < units and (found := pool & self.masks.get(("slack", slack), 0)):
                return found
        return pool


class _Region:
    """The agents with the same number of skills, longest idle first, and the places that are theirs."""

    def __init__(self, members: list[Desk], start: int, room: int) -> None:
        self.members = members
        self.keys = [desk.idle_key for desk in members]
        self.end = start + len(members)
        self.limit = self.end + room
        self.mask = (1 << self.limit) - (1 << start)

    def insert(self, desk: Desk) -> list[Desk]:
        """Enter the desk; returns those behind it."""
        index = bisect_left(self.keys, desk.idle_key)
        after = self.members[index:]
        self.members.insert(index, desk)
        self.keys.insert(index, desk.idle_key)
        return after

    def drop(self, desk: Desk) -> None:
        index = bisect_left(self.keys, desk.idle_key)
        del self.members[index], self.keys[index]


def _state(desk: Desk) -> _State:
    return desk.primary, desk.asynchronous, desk.agent.units, desk.live > 0


def _reset(desk: Desk, reserved: tuple[int, int, int]) -> None:
    agent = desk.agent
    desk.primary = agent.primary_units + reserved[0]
    desk.asynchronous = agent.async_units + reserved[1]
    desk.live = agent.live + reserved[2]


def _same_place(old: Agent, new: Agent) -> bool:
    """Do both stand at the same place, with the same properties?"""
    return (
        old.last_assigned_ms == new.last_assigned_ms
        and old.status == new.status
        and old.units == new.units
        and old.skills == new.skills
        and old.channels == new.channels
        and old.queues == new.queues
    )


def _mask(places: list[int], size: int) -> int:
    found = bytearray(size // 8 + 1)
    for place in places:
        found[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(found, "little")
