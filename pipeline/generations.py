"""Which tables a write changed -> a small file beside the warehouse: readers keep answers about all other tables.

The file is sealed with the state the warehouse's file was left in, so whatever changed it otherwise (another release,
a restored backup, a crash) makes every table count as changed.
"""

import json
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from pipeline.queries import migrations

Version = tuple[tuple[int, int, int], ...]
Stamp = frozenset[tuple[str, str]]
ANY = "*"
"""Stands for every table: of a statement nobody can tell more of."""
_MADE = re.compile(r"^CREATE (?:OR REPLACE )?(TABLE|VIEW) (\w+)(.*?);$", re.MULTILINE | re.DOTALL)
_CHANGED = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
_WORDS = re.compile(r"\w+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Generations:
    """The generation of every table at one version of the file; one that is not in `tables` has that of `others`."""

    version: Version
    newest: str
    others: str
    tables: dict[str, str]

    def stamp(self, tables: Iterable[str]) -> Stamp:
        """What an answer about `tables` is marked with."""
        return frozenset((name, self._of(name)) for name in tables)

    def holds(self, stamp: Stamp) -> bool:
        """Whether none of the tables that an answer is about changed since; never true of an empty stamp."""
        return bool(stamp) and all(self._of(name) == generation for name, generation in stamp)

    def _of(self, name: str) -> str:
        return self.newest if name == ANY else self.tables.get(name, self.others)


@dataclass
class Noted:
    """What a write under way says it changed when it ends well."""

    tables: set[str] = field(default_factory=set)


class Ledger:
    """The file beside the warehouse at `path`. `version` looks at the warehouse's file."""

    def __init__(self, path: Path, version: Callable[[], Version]) -> None:
        self._path = path.with_name(f"{path.name}.changes")
        self._version = version
        self._known: Generations | None = None

    def now(self) -> Generations:
        """The generations of now; while somebody writes, or where that cannot be told, those of the file as a whole."""
        version, known = self._version(), self._known
        if known is None or known.version != version:
            known = self._read(version)
            if known is not None:
                self._known = known
        return known or _whole(version)

    @contextmanager
    def noted(self) -> Iterator[Noted]:
        """Around a write, alone: what it noted is written down when it ends well and the file changed."""
        before, noted = self._version(), Noted()
        yield noted
        after = self._version()
        if after != before:
            self._write(self._read(before) or _whole(before), noted.tables, after)

    def _read(self, version: Version) -> Generations | None:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            sealed = tuple(tuple(one) for one in found["version"])
            made = Generations(sealed, found["newest"], found["others"], found["tables"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return made if made.version == version else None

    def _write(self, was: Generations, tables: set[str], version: Version) -> None:
        new = uuid.uuid4().hex[:16]
        told = bool(tables) and ANY not in tables
        others, kept = (was.others, was.tables | dict.fromkeys(sorted(tables), new)) if told else (new, {})
        text = json.dumps({"version": version, "newest": new, "others": others, "tables": kept})
        partial = self._path.with_name(f"{self._path.name}.part")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, self._path)
        except OSError as error:
            # The write itself is done; readers then take every table for changed.
            _log.debug("%s was not written: %s", self._path.name, error)


def changed_by(sql: str) -> set[str]:
    """The tables that a statement writes to."""
    return set(_CHANGED.findall(sql)) or {ANY}


@lru_cache(maxsize=1000)
def read_by(sql: str) -> frozenset[str]:
    """The tables that a query may read, through views too: more than it does where a name has two meanings."""
    tables, views = _catalogue()
    found: set[str] = set()
    waiting, seen = set(_WORDS.findall(sql)), set[str]()
    while waiting:
        word = waiting.pop()
        if word in seen:
            continue
        seen.add(word)
        found |= {word} & tables
        waiting |= set(_WORDS.findall(views.get(word, "")))
    return frozenset(found or {ANY})


@cache
def _catalogue() -> tuple[set[str], dict[str, str]]:
    tables: set[str] = set()
    views: dict[str, str] = {}
    for step in migrations():
        for kind, name, text in _MADE.findall(step.script):
            if kind == "TABLE":
                tables.add(name)
            else:
                views[name] = f"{views.get(name, '')} {text}"
    return tables, views


def _whole(version: Version) -> Generations:
    words = f"file {version}" if version else ""
    return Generations(version, words, words, {})
