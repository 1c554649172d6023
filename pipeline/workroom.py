"""Folder -> a hidden folder in it for what is not finished, which never outlives its process for long."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".unfinished-"


@contextmanager
def workroom(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, emptied and removed at the end; what a crash left there is cleared first.

    On the same disk as `folder`, so that a finished file is put in its place by renaming it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear(folder)
    with _locked(folder, fcntl.LOCK_EX):
        room = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        # The kernel drops this lock when the process dies, whoever looks and from whichever container.
        held = os.open(room, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(held)


def clear(folder: Path) -> None:
    """Remove the workrooms of dead processes."""
    rooms = list(folder.glob(f"{PREFIX}*"))
    if not rooms:
        return
    with _locked(folder, fcntl.LOCK_EX):
        for room in rooms:
            try:
                with _locked(room, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(room, ignore_errors=True)
            except (BlockingIOError, FileNotFoundError):
                continue


@contextmanager
def _locked(folder: Path, mode: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)
