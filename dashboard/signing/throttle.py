"""Failed sign-ins by name and by address -> how long the next try has to wait."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

FREE = 5
FIRST = timedelta(seconds=4)
LONGEST = timedelta(minutes=10)
FORGOTTEN = timedelta(minutes=30)
KEYS = 4096


@dataclass
class _Count:
    tries: int
    last: datetime
    until: datetime


class Throttle:
    """Counts of tries that failed or are not decided yet, KEYS of them at most; thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._mutex = threading.Lock()

    def begin(self, keys: tuple[str, ...], now: datetime) -> timedelta | None:
        """Count a try, before anything is checked, so that many at once are no way round; or say how long to wait."""
        with self._mutex:
            waits = [one.until - now for key in keys if (one := self._known(key, now)) and one.until > now]
            if waits:
                return max(waits)
            for key in keys:
                self._count(key, now)
            return None

    def tries(self, key: str, now: datetime) -> int:
        """How many tries of late count against `key`."""
        with self._mutex:
            found = self._known(key, now)
            return found.tries if found else 0

    def good(self, name: str, others: tuple[str, ...]) -> None:
        """The try went through: the name is clean again, and of the others only this one try is forgiven."""
        with self._mutex:
            self._counts.pop(name, None)
            self._forgive(others)

    def undecided(self, keys: tuple[str, ...]) -> None:
        """Nothing could be checked: the try counts against nobody."""
        with self._mutex:
            self._forgive(keys)

    def _forgive(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            if one := self._counts.get(key):
                one.tries -= 1
                one.until = one.until if one.tries >= FREE else one.last

    def _known(self, key: str, now: datetime) -> _Count | None:
        found = self._counts.get(key)
        if found and now - found.last > FORGOTTEN:
            del self._counts[key]
            return None
        return found

    def _count(self, key: str, now: datetime) -> None:
        one = self._counts.setdefault(key, _Count(0, now, now))
        one.tries, one.last = one.tries + 1, now
        if one.tries >= FREE:
            one.until = now + min(LONGEST, FIRST * 2 ** min(one.tries - FREE, 20))
        if len(self._counts) > KEYS:
            # Not the oldest: a flood of names nobody has must not push out the one that is being guessed at.
            others = (other for other in self._counts if other != key)
            del self._counts[min(others, key=lambda other: (self._counts[other].tries, self._counts[other].last))]


def of_address(address: str) -> str:
    """The key of a client's address: a whole IPv6 network of 64 bits, because one client has all of it."""
    try:
        found = ip_address(address)
    except ValueError:
        return f"address {address[:64]}"
    found = getattr(found, "ipv4_mapped", None) or found
    return f"address {found if found.version == 4 else ip_network(f'{found}/64', strict=False)}"


def of_name(name: str, address: str = "") -> str:
    """The key of a user's name as typed; of that name from one address only, where its user is known to come from."""
    return f"name {name.strip().lower()[:64]}" + (f" from {of_address(address)}" if address else "")
