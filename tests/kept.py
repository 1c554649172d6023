"""A name and a maker of files -> a copy of those files, made once by all the workers of a run of tests."""

import fcntl
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.warehouse import Warehouse

SHELF = "SHELF_OF_TESTS"
"""The environment variable that names the folder where copies are kept; without one everything is made anew."""


def copied(name: str, folder: Path, make: Callable[[Path], object]) -> None:
    """Put what `make` writes into a folder into `folder`; `name` tells everything that it depends on."""
    if SHELF not in os.environ:
        make(folder)
        return
    original = Path(os.environ[SHELF]) / name
    with original.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            unfinished = original.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(original)
    shutil.copytree(original, folder, dirs_exist_ok=True)


def warehouse(name: str, path: Path, now: datetime, make: Callable[[Path], object]) -> None:
    """Put the warehouse that `make` makes for `now` at `path`, with the models beside it.

    A moment with a fraction was read off the clock: it never comes again, so nothing is kept.
    """
    if now.microsecond or SHELF not in os.environ:
        make(path)
        return
    name = f"{name}-{now:%Y%m%d-%H%M%S}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        copied(name, Path(folder), lambda place: make(place / "w.duckdb"))
        for file in Path(folder).glob("w.duckdb*"):
            file.rename(path.parent / (path.name + file.name.removeprefix("w.duckdb")))
        if (models := Path(folder) / "models").exists():
            shutil.copytree(models, path.parent / "models", dirs_exist_ok=True)


def empty(path: Path, now: datetime) -> None:
    """A migrated warehouse without data at `path`."""
    warehouse("empty", path, now, lambda place: Warehouse(place, wait_s=10).migrate(now))
