"""RUNBOOK.md -> what it says about one kind of alert."""

import re
from functools import cache
from pathlib import Path

from pipeline.settings import ROOT

FILE = ROOT / "RUNBOOK.md"
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)


def entry(rule: str, file: Path = FILE) -> str:
    """The Markdown under the heading `### rule`, without it; empty when there is none."""
    return _entries(file, file.stat().st_mtime_ns).get(rule, "") if file.exists() else ""


@cache
def _entries(file: Path, _changed: int) -> dict[str, str]:
    parts = HEADING.split(file.read_text(encoding="utf-8"))
    # An entry ends where the next chapter begins.
    texts = [re.split(r"^#{1,2} ", text, maxsplit=1, flags=re.MULTILINE)[0].strip() for text in parts[2::2]]
    return dict(zip((name.strip(" `") for name in parts[1::2]), texts, strict=True))
