"""Path of a warehouse -> a copy of it, made by a process of its own at the moment it is told to.

Standard library only: it must start fast, and it must not be a process that has the file attached.
"""

import os
import shutil
import sys
from pathlib import Path

CHUNK = 1 << 24


def warm(path: Path) -> None:
    """Read `path` once, so that the copy made while writers wait comes from memory."""
    with path.open("rb") as file:
        while file.read(CHUNK):
            pass


def copy(source: Path, target: Path) -> None:
    """Copy the file and, where there is one, its write-ahead log."""
    shutil.copyfile(source, target)
    if os.path.exists(f"{source}.wal"):
        shutil.copyfile(f"{source}.wal", f"{target}.wal")


def main() -> int:
    """Say that we are ready, wait for the word, copy. Returns 1 with one line of text when that is impossible."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        warm(source)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if sys.stdin.readline():
            copy(source, target)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
