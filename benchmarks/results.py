"""A section's title and body -> benchmarks/RESULTS.md, where it replaces the section of the same name."""

import os
import platform
import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pipeline.settings import ROOT

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
OPENING = "# What was measured\n\nEach section is written by the benchmark it names, on real data, in one run.\n"
LIBRARIES = ("numpy", "pandas", "scikit-learn", "lightgbm", "xgboost-cpu", "duckdb", "holidays")


def keep(name: str, title: str, body: str, *, path: Path = RESULTS, libraries: tuple[str, ...] = LIBRARIES) -> None:
    """Write or replace section `name`; the machine, the versions of `libraries` and the date stand under its title."""
    text = path.read_text(encoding="utf-8") if path.exists() else OPENING
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n## {title}\n\n{setting(libraries)}\n\n{body.strip()}\n{end}"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not found.search(text):
        text = f"{text.rstrip()}\n\n{begin}{end}\n"
    path.write_text(found.sub(lambda _: section, text), encoding="utf-8")


def setting(libraries: tuple[str, ...]) -> str:
    """One line: the date, the machine, Python and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    machine = f"{_processor()}, {os.cpu_count()} cores"
    return f"{datetime.now():%Y-%m-%d}, {machine}, Python {platform.python_version()}, {versions}."


def markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head, the first column is text and the others are numbers."""
    head, *body = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8"))
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
