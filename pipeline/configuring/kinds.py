"""A value of sextant.toml + what it should be -> sound, or the words that mend it."""

import difflib
import json
import math
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlsplit

from pipeline.configuring.toml import File, Place
from pipeline.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9_-]+")
VAST = 1e12
"""No number of a configuration is beyond this."""
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Kind:
    """What a value may be; `fix` ends the sentence about one that is not."""

    fits: Callable[[Any], bool]
    fix: str


@dataclass(frozen=True)
class Key:
    """One key of a table; a needed one must be there."""

    kind: Kind
    needed: bool = False


Keys = Mapping[str, Key]


@dataclass(frozen=True)
class Mistake:
    """One sentence without its end, and the place it is about."""

    place: Place
    words: str


@dataclass
class Checker:
    """Collects the mistakes of a file."""

    file: File
    mistakes: list[Mistake] = field(default_factory=list)
    meant: set[Place] = field(default_factory=set)
    """Keys that a misspelt one was taken for."""

    def told(self, place: Place) -> bool:
        """Whether a value was complained of, or looks misspelt, so that nobody says that it lacks."""
        return place in self.meant or any(one.place == place for one in self.mistakes)

    def say(self, place: Place, words: str) -> None:
        """Note a mistake; `words` name the remedy."""
        self.mistakes.append(Mistake(place, words))

    def table(self, place: Place, row: Any, keys: Keys) -> dict[str, Any]:
        """The sound values of a table; what is unknown, wrong or lacking is noted."""
        if not isinstance(row, dict):
            self.say(place, f"{dotted(place)} is {shown(row)}; write it as a table, [{dotted(place)}]")
            return {}
        sound = {}
        for name, value in row.items():
            if name not in keys:
                self.say((*place, name), f"{_of(place)}{name} is unknown; {nearest(name, keys, 'it may have')}")
            elif keys[name].kind.fits(value):
                sound[name] = value
            else:
                self.say((*place, name), f"{_has(place)} {name} {shown(value)}; {keys[name].kind.fix}")
        self.meant |= {(*place, close) for name in row if name not in keys and (close := close_to(name, keys))}
        for name, key in keys.items():
            if key.needed and name not in row and (*place, name) not in self.meant:
                self.say(place, f"{dotted(place)} lacks {name}; {key.kind.fix}")
        return sound

    def tables(self, place: Place, rows: Any, keys: Keys) -> dict[str, dict[str, Any]]:
        """The sound values of each table below `place`, by its name."""
        if not isinstance(rows, dict):
            self.say(place, f"{dotted(place)} is {shown(rows)}; write tables such as [{dotted(place)}.NAME]")
            return {}
        for name in [name for name in rows if not NAME.fullmatch(name)]:
            self.say((*place, name), f"{dotted(place)}.{shown(name)} is no name; use letters, digits, _ and - only")
        return {name: self.table((*place, name), row, keys) for name, row in rows.items() if NAME.fullmatch(name)}

    def sentences(self) -> list[str]:
        """All mistakes in the order of the file, each with file and line."""
        placed = sorted((self.file.line(one.place), number) for number, one in enumerate(self.mistakes))
        told = [(line, self.mistakes[number].words) for line, number in placed]
        return [ended(f"{self.file.name}:{line}: {words}") for line, words in told]

    def refuse(self) -> None:
        """Raises ConfigError with the first mistake, and how many more there are."""
        found = self.sentences()
        if found:
            more = f" And {len(found) - 1} more: run `python jobs.py check-config`." if len(found) > 1 else ""
            raise ConfigError(found[0] + more)


def ended(words: str) -> str:
    """A sentence with its full stop, unless it asks."""
    return words if words.endswith("?") else f"{words}."


def dotted(place: Place) -> str:
    """The place as one writes it."""
    return ".".join(str(part) for part in place)


def shown(value: Any) -> str:
    """A value as one writes it in TOML, cut to a line."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(name: str, names: Iterable[str], there_are: str) -> str:
    """The known name that was probably meant, or all of them."""
    known = sorted(names)
    close = close_to(name, known)
    return f"did you mean {close}?" if close else f"{there_are} {', '.join(known) or 'none'}"


def close_to(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is spelt much like `name`, if any."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def text(example: str) -> Kind:
    """Words that say something."""
    return Kind(lambda value: isinstance(value, str) and bool(value.strip()), f"write text such as {example}")


def whole(least: int, example: int, unit: str = "", most: float = math.inf) -> Kind:
    """A whole number of at least `least`."""
    words = f"write whole {unit} such as {example}" if unit else f"write a whole number such as {example}"
    limits = (
        f" ({least} or more)" if least > 1 and most == math.inf else f" ({least} to {most})" if most < math.inf else ""
    )
    return Kind(lambda value: isinstance(value, int) and _number(value, least, most), f"{words}{limits}")


def number(least: float = -math.inf, most: float = math.inf, *, above: bool = False, what: str = "a number") -> Kind:
    """A finite number of at least `least` (`above`: above it) and at most `most`."""
    if above:
        up_to = f" and up to {most:.12g}" if most < math.inf else ""
        return Kind(lambda value: _number(value, least, most) and value > least, f"write {what} above {least:g}{up_to}")
    if most < math.inf:
        return Kind(lambda value: _number(value, least, most), f"write {what} from {least:g} to {most:.12g}")
    limits = f" of at least {least:g}" if least > -math.inf else ""
    return Kind(lambda value: _number(value, least, most), f"write {what}{limits}")


def word(words: Sequence[str]) -> Kind:
    """One of `words`."""
    return Kind(lambda value: isinstance(value, str) and value in words, f"use one of {', '.join(words)}")


def names(example: str, *, least: int = 0) -> Kind:
    """A list of names, each once."""
    return Kind(
        lambda value: (
            isinstance(value, list)
            and len(value) >= least
            and all(isinstance(one, str) and one.strip() for one in value)
            and len(set(value)) == len(value)
        ),
        f"give a list that names each once, such as {example}",
    )


def _mapping(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(one, str) and one for one in value.values())


def _zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(zoneinfo.ZoneInfo(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _link(value: Any) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        return value == "" or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        return False


def _clock(value: Any) -> bool:
    try:
        return isinstance(value, str) and time.fromisoformat(value).tzinfo is None
    except ValueError:
        return False


def _horizons(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 6 and value == list(range(1, len(value) + 1))


def _number(value: Any, least: float, most: float) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    # Whole numbers of TOML have no end, and NaN fails every comparison.
    return real and max(least, -VAST) <= value <= min(most, VAST)


def _of(place: Place) -> str:
    return f"{dotted(place)}: " if place else ""


def _has(place: Place) -> str:
    return f"{dotted(place)} has"


ANYTHING = Kind(lambda _value: True, "")
SWITCH = Kind(lambda value: isinstance(value, bool), "write true or false")
ZONE = Kind(_zone, 'write a time zone such as "Europe/Madrid" or "UTC"')
LINK = Kind(_link, 'write an address such as "https://status.example.org", or leave it out')
OF_DAY = Kind(_clock, 'write a time of day such as "03:30"')
MAPPING = Kind(_mapping, 'write what each source calls it, such as keys = { files = "load" }')
MONEY = Kind(
    lambda value: isinstance(value, str) and bool(CURRENCY.fullmatch(value)),
    'write three capitals of ISO 4217 such as "EUR"',
)
MOMENT = Kind(
    lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    "write a time with its offset, such as 2026-03-01T10:00:00Z",
)
HORIZONS = Kind(_horizons, "write the hours ahead from 1 on without a hole, such as [1, 2, 3, 4, 5, 6]")
