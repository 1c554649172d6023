"""sql/*.sql -> named queries and numbered migrations, read once per process."""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One numbered script; applied once, in one transaction with its record."""

    number: int
    name: str
    script: str

    @property
    def sha256(self) -> str:
        """Fingerprint of the script, so that an edited old migration is noticed."""
        return sha256(self.script.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All NNN_name.sql, in order."""
    files = sorted(FOLDER.glob("[0-9][0-9][0-9]_*.sql"))
    return tuple(Migration(int(f.name[:3]), f.stem[4:], f.read_text(encoding="utf-8")) for f in files)


@cache
def queries() -> dict[str, str]:
    """Every `-- name: x` section of the other files. Raises ValueError when a name is used twice."""
    found: dict[str, str] = {}
    for file in sorted(FOLDER.glob("[a-z]*.sql")):
        parts = _NAME.split(file.read_text(encoding="utf-8"))[1:]
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"query {name} is written twice, again in {file.name}")
            found[name] = text.strip().rstrip(";")
    return found
