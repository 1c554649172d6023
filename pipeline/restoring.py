"""Backup + settings -> the warehouse, models and configuration of its moment in place; what was there is kept."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.archive import digest
from pipeline.attaching import needs_space
from pipeline.backups import CONFIG, MODELS, WAREHOUSE, flush, record, recorded, unpacked
from pipeline.errors import Busy, Held, JobRunning, RestoreRefused, WrongFile
from pipeline.settings import Settings
from pipeline.warehouse import SCHEDULER, Warehouse
from pipeline.workroom import workroom


@dataclass(frozen=True)
class Restored:
    """What a restore did. `kept` is the warehouse that was there before, `models` how many files were put back,
    `config` where the backup's configuration lies when it is another than ours."""

    manifest: dict[str, Any]
    kept: Path | None
    migrated: list[str]
    models: int
    config: Path | None


def restore(path: Path, settings: Settings, *, force: bool, now: datetime, actor: str) -> Restored:
    """Put the backup at `path` in the place of the settings' warehouse; nothing is touched before it was verified.

    The warehouse is exchanged in one step: a crash leaves the old one or the new one. The old one and model
    files that differ are kept beside the new with `.before-restore-TIME` in their names; the configuration in
    use stays. Raises RestoreRefused when a warehouse is there and `force` is not given, or somebody works on it;
    BackupDamaged, WrongFile when a newer Sextant made the backup, DiskFull.
    """
    warehouse = Warehouse(settings.warehouse, wait_s=settings.lock_wait_s)
    mark = f".before-restore-{now:%Y%m%dT%H%M%SZ}"
    with needs_space(f"restoring {path.name}"), _nobody_else(warehouse, force), workroom(warehouse.path.parent) as room:
        manifest = unpacked(path, room)
        migrated = Warehouse(room / WAREHOUSE).migrate(now)
        _flush_file(room / WAREHOUSE)
        _fold(warehouse)
        models = sum(_put(room / MODELS / name, settings.models / name, mark) for name in _names(room / MODELS))
        config = _configured(room / CONFIG, settings, mark)
        old = _exchange(room / WAREHOUSE, warehouse, mark)
    record(warehouse, recorded(path, manifest))
    _note(warehouse, path, actor=actor, now=now, kept=old, migrated=migrated)
    return Restored(manifest, old, migrated, models, config)


@contextmanager
def _nobody_else(warehouse: Warehouse, force: bool) -> Iterator[None]:
    """Refuse beside others, and keep a scheduler from starting meanwhile."""
    if warehouse.path.exists() and not force:
        raise RestoreRefused(
            f"{warehouse.path.name} exists; add --force to replace it (it is kept under another name)."
        )
    warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warehouse.job_lock(SCHEDULER):
            _refuse_beside(warehouse)
            yield
    except JobRunning as error:
        raise RestoreRefused("a scheduler works on this warehouse; stop it first (`up` or `schedule`).") from error
    except (Busy, Held) as error:
        raise RestoreRefused(f"somebody uses the warehouse: {error}") from error


def _refuse_beside(warehouse: Warehouse) -> None:
    busy = [job for job in warehouse.busy_jobs() if job != SCHEDULER]
    if busy:
        raise RestoreRefused(f"{', '.join(busy)} runs on this warehouse; wait for it to end or stop it.")


def _fold(warehouse: Warehouse) -> None:
    """See that no outsider has the old file, and leave it in one piece; it may be too damaged for that.

    Then what is not folded in goes aside with it, as it is.
    """
    if not warehouse.path.exists():
        return
    try:
        with warehouse.write():
            pass
    except WrongFile:
        return


def _exchange(new: Path, warehouse: Warehouse, mark: str) -> Path | None:
    """Rename `new` over the warehouse; returns where the old one is."""
    path = warehouse.path
    with warehouse.alone():
        # A job that has begun waits for us now, with the old warehouse in mind.
        _refuse_beside(warehouse)
        old = _set_aside(path, mark) if path.exists() else None
        if warehouse.unfolded.exists():
            os.replace(warehouse.unfolded, f"{old or path}{'' if old else mark}.wal")
        os.replace(new, path)
        flush(path.parent)
    return old


def _put(source: Path, target: Path, mark: str) -> bool:
    """Copy a model file where it is missing or differs; returns whether it was."""
    if target.is_file() and digest(target) == digest(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, partial)
        _flush_file(partial)
        if target.exists():
            _set_aside(target, mark)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _set_aside(path: Path, mark: str) -> Path:
    """Give `path` a second name that no file has yet; the first one stays until it is replaced in one step."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}{mark}" + (f"-{number}" if number > 1 else ""))
        try:
            os.link(path, kept)
        except FileExistsError:
            number += 1
            continue
        return kept


def _configured(source: Path, settings: Settings, mark: str) -> Path | None:
    """Lay the backup's configuration beside the warehouse where it differs from ours; returns where."""
    if not source.is_file() or source.read_bytes() == settings.config.read_bytes():
        return None
    target = settings.warehouse.with_name(f"{CONFIG}{mark.replace('before-restore', 'restored')}")
    shutil.copyfile(source, target)
    return target


def _names(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _note(
    warehouse: Warehouse, path: Path, *, actor: str, now: datetime, kept: Path | None, migrated: list[str]
) -> None:
    row = {
        "audit_id": uuid.uuid4().hex[:12],
        "acted_at": pd.Timestamp(now),
        "actor": actor,
        "role": "admin",
        "action": "restore",
        "subject": path.name,
        "outcome": "ok",
        "reason": "the state of the warehouse was replaced by a backup",
        "detail": json.dumps({"kept": kept.name if kept else None, "migrated": migrated}),
    }
    with warehouse.write() as session:
        session.append("audit", pd.DataFrame([row]))
