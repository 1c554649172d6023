"""sextant.toml -> its tables, and the line on which each of its values stands."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError

Place = tuple[str | int, ...]
"""Where a value is: names of tables and keys, and places in lists."""

POSITION = re.compile(
    r"^(?P<words>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.DOTALL
)
HINTS = {
    "overwrite": "each key may stand once in its table, so take one of the two out",
    "twice": "each name may stand once, so give this table another name or join it with the first",
    "namespace": "each name may stand once, so give this table another name or join it with the first",
    "Unclosed": "close the bracket",
    "Unterminated": "close the quotes",
    "Invalid value": "text stands in double quotes, numbers, true and false without",
    "Expected '='": "write key = value",
    "Expected ']'": "close the header of the table with ]",
}


@dataclass(frozen=True)
class File:
    """A configuration as read: `name` of the file, its `text` and its `tables`."""

    name: str
    text: str
    tables: Mapping[str, Any]

    @cached_property
    def lines(self) -> Mapping[Place, int]:
        """The line, from 1, of each table and key."""
        implied, headers = dict[Place, int](), dict[Place, int]()
        for place, line, header in _lines(self.text):
            for size in range(1, len(place) + 1):
                implied.setdefault(place[:size], line)
            if header:
                headers[place] = line
        return implied | headers

    def line(self, place: Place) -> int:
        """The line of a value, or of the nearest table around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(path: Path) -> File:
    """Read `path`. Raises ConfigError with the line when it is no TOML, and when it cannot be read."""
    try:
        # Some editors begin a file with a mark of its encoding.
        text = path.read_text(encoding="utf-8-sig")
        return File(path.name, text, tomllib.loads(text))
    except OSError as error:
        words = error.strerror or "no such file"
        raise ConfigError(
            f"{path.name} cannot be read ({words}); restore it, or write one with `python jobs.py init`."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not in UTF-8; save it in that encoding.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}:{_said(str(error), text)}.") from error
    except (ValueError, RecursionError) as error:
        words = "a number of thousands of digits" if isinstance(error, ValueError) else "brackets within brackets"
        raise ConfigError(f"{path.name} cannot be understood: it has {words}; write it shorter.") from error


def _said(message: str, text: str) -> str:
    found = POSITION.match(message)
    words = found["words"] if found else message
    # What is not closed is noticed only further down.
    here = found is not None and found["line"] is not None and not words.startswith(("Unclosed", "Unterminated"))
    line = found["line"] if found and here else _broken(text)
    column = f" (column {found['column']})" if found and here else ""
    hint = next((hint for word, hint in HINTS.items() if word in words), "mend the line")
    return f"{line}: {words}{column}; {hint}"


def _broken(text: str) -> int:
    """Where the statement begins that never ends; else the last line."""
    rows, at = text.splitlines(keepends=True), 0
    while at < len(rows):
        found, size = _statement(rows, at)
        if not found and at + size == len(rows) and rows[at].strip() and not rows[at].lstrip().startswith("#"):
            return at + 1
        at += size
    return max(1, len(text.rstrip().splitlines()))


def _lines(text: str) -> Iterator[tuple[Place, int, bool]]:
    """(Place, line, whether a header) of each statement, parsed by itself, so that quotes and dots mean what they mean.

    Of a sound file.
    """
    rows, at = text.splitlines(keepends=True), 0
    table: Place = ()
    counts: dict[Place, int] = {}
    while at < len(rows):
        found, size = _statement(rows, at)
        if rows[at].lstrip().startswith("["):
            table = _entered(found, counts)
            yield table, at + 1, True
        else:
            yield from ((table + inner, at + 1, False) for inner in _within(found))
        at += size


def _statement(rows: list[str], at: int) -> tuple[dict[str, Any], int]:
    """(What the statement that begins at a row says, over how many rows it goes)."""
    for size in range(1, len(rows) - at + 1):
        try:
            return tomllib.loads("".join(rows[at : at + size])), size
        except tomllib.TOMLDecodeError:
            continue
    return {}, len(rows) - at


def _entered(found: Any, counts: dict[Place, int]) -> Place:
    """The table that a header opens; of an array of tables the next one."""
    place: Place = ()
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))
        place = (*place, name)
    if isinstance(found, list):
        counts[place] = counts.get(place, -1) + 1
        place = (*place, counts[place])
    return place


def _within(found: Mapping[str, Any]) -> Iterator[Place]:
    for name, value in found.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *inner) for inner in _within(value))
