"""Warehouse + models + configuration -> one sealed file that was opened and checked, and the rows about it."""

import errno
import os
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import __version__
from pipeline.archive import digest, opened, pack, unpack
from pipeline.attaching import needs_space
from pipeline.doctor import examine
from pipeline.errors import BackupDamaged, ConfigError, DiskFull, WarehouseError
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from pipeline.workroom import workroom

SUFFIX = ".sextant"
WAREHOUSE, CONFIG, MODELS = "warehouse.duckdb", "sextant.toml", "models"
STAMP = re.compile(r"-(\d{8}T\d{6}Z)(-\d+)?\.sextant$")
LEAST_KEPT = 3
ROOM = 1.5
"""A backup needs a copy of the warehouse and, compressed, about a third of it and the models again."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made and verified. `rows` counts all tables; `flaws` is what the doctor says of the content;
    `waited_s` is how long writers had to wait for the copy."""

    backup_id: str
    path: Path
    made_at: datetime
    bytes: int
    rows: int
    sha256: str
    why: str
    run_id: str
    flaws: tuple[str, ...]
    waited_s: float


def make(
    warehouse: Warehouse, settings: Settings, *, why: str, now: datetime, run_id: str, folder: Path | None = None
) -> Backup:
    """Back up warehouse, models and configuration into `folder` (default: the settings' one) while others work.

    The state is that of one moment: writers wait while the file is copied, everything else happens after. What
    is returned was unpacked and opened. Model files are held on to before the copy and after: a training run may
    remove one meanwhile that the copy knows as in use. Raises ConfigError for a folder nobody can write to,
    NoWarehouse, Busy, DiskFull; BackupDamaged when it does not open.
    """
    folder = folder or settings.backups
    with needs_space(f"the backup in {folder}"), workroom(_usable(folder)) as room:
        _has_room(warehouse, folder)
        copy, stamp = room / WAREHOUSE, f"{now:%Y%m%dT%H%M%SZ}"
        _hold(warehouse, settings.models, room / MODELS)
        waited_s = warehouse.snapshot(copy)
        _hold(Warehouse(copy), settings.models, room / MODELS)
        about: dict[str, Any] = {"backup_id": uuid.uuid4().hex[:12], "made_at": now.isoformat(), "why": why}
        about |= {"run_id": run_id, "version": __version__, "markets": list(settings.markets)}
        about |= _look(copy, room / MODELS)
        packed = room / f"{_own(warehouse)}{stamp}{SUFFIX}"
        pack(packed, _files(copy, settings.config), about)
        copy.unlink()
        unpacked(packed, room / "opened")
        path = _placed(packed, folder)
    return _backup(path, about, waited_s)


def verify(path: Path) -> dict[str, Any]:
    """Unpack a backup, open it and count; returns its manifest. Raises BackupDamaged, DiskFull, WrongFile."""
    with needs_space(f"opening {path.name}"), workroom(path.parent) as room:
        return unpacked(path, room / "opened")


def _usable(folder: Path) -> Path:
    """The folder, made where it is missing. Raises ConfigError, with what to do, when nobody can write to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if error.errno == errno.ENOSPC:  # a full disk is told as one
            raise
        raise ConfigError(
            f"backups cannot be written to {folder} ({error.strerror}); mount it, or name another by "
            "SEXTANT_BACKUPS or --to."
        ) from error
    return folder


def unpacked(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack a backup into `folder` and check that what is there equals the manifest, which is returned.

    Raises BackupDamaged, DiskFull, WrongFile when a newer Sextant made the warehouse.
    """
    manifest = unpack(path, folder)
    try:
        found = _look(folder / WAREHOUSE, folder / MODELS)
    except WarehouseError as error:
        raise BackupDamaged(f"{path.name}: its warehouse does not open ({error}); use another backup.") from error
    for what in ("schema", "rows"):
        if found[what] != manifest[what]:
            raise BackupDamaged(f"{path.name}: its {what} are {found[what]}, not {manifest[what]}; use another backup.")
    # A later Sextant may look closer; only what would have been said at the time can be held against the backup.
    worse = sorted(set(found["flaws"]) - set(manifest["flaws"]))
    if worse and manifest["version"] == __version__:
        raise BackupDamaged(f"{path.name}: {worse[0]}; use another backup.")
    return manifest


def record(warehouse: Warehouse, backup: Backup) -> None:
    """Append the row of table `backups`."""
    names = ("backup_id", "bytes", "rows", "sha256", "why", "run_id")
    row = {name: getattr(backup, name) for name in names}
    frame = pd.DataFrame([row | {"name": backup.path.name, "made_at": pd.Timestamp(backup.made_at)}])
    with warehouse.write() as session:
        session.append("backups", frame)


def prune(warehouse: Warehouse, folder: Path, *, keep: timedelta, now: datetime) -> list[Path]:
    """Remove backups of `warehouse` older than `keep`; the newest LEAST_KEPT that are whole stay however old they are.

    Those that other warehouses put into the same folder are left alone.
    """
    removed, whole, own = [], 0, _own(warehouse)
    for path in [one for one in kept(folder) if one.name.startswith(own)]:
        if whole < LEAST_KEPT or made_at(path) > now - keep:
            whole += whole < LEAST_KEPT and _seal_holds(path)
            continue
        path.unlink(missing_ok=True)
        removed.append(path)
    return removed


def kept(folder: Path) -> list[Path]:
    """The backups that are in `folder`, newest first by the moment in their names."""
    found = [path for path in folder.glob(f"*{SUFFIX}") if STAMP.search(path.name)]
    return sorted(found, key=lambda path: (made_at(path), path.name), reverse=True)


def made_at(path: Path) -> datetime:
    """The moment, aware UTC, that the name of a backup tells. Raises ValueError when it tells none."""
    stamp = STAMP.search(path.name)
    if stamp is None:
        raise ValueError(f"{path.name} is no name of a backup")
    return datetime.strptime(stamp[1] + "+0000", "%Y%m%dT%H%M%SZ%z")


def recorded(path: Path, manifest: dict[str, Any]) -> Backup:
    """The backup that a manifest tells of, lying at `path`."""
    return _backup(path, manifest, 0.0)


def _backup(path: Path, about: dict[str, Any], waited_s: float) -> Backup:
    return Backup(
        backup_id=about["backup_id"],
        path=path,
        made_at=datetime.fromisoformat(about["made_at"]),
        bytes=path.stat().st_size,
        rows=sum(about["rows"].values()),
        sha256=digest(path),
        why=about["why"],
        run_id=about["run_id"],
        flaws=tuple(about["flaws"]),
        waited_s=waited_s,
    )


def _has_room(warehouse: Warehouse, folder: Path) -> None:
    needed, free = ROOM * warehouse.path.stat().st_size, shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"a backup needs about {needed / 1e6:,.0f} MB in {folder} and {free / 1e6:,.0f} MB are free; "
            "free some space or set SEXTANT_BACKUPS to a folder on another disk."
        )


def _look(path: Path, models: Path) -> dict[str, Any]:
    """Schema number, rows a table and what the doctor says of the copy of a warehouse at `path`."""
    copy = Warehouse(path)
    copy.settle()
    with copy.read() as session:
        rows, current = session.census(), session.migrated()
        schema = int(session.ask("schema_number").number.iloc[0])
    # The copy was made in the middle of runs, and nobody works on it.
    findings = [one for one in examine(copy, models, jobs=[]) if one.check != "interrupted runs"] if current else []
    return {"schema": schema, "rows": rows, "flaws": sorted(f"{one.check}: {one.flaw}" for one in findings if one.flaw)}


def _own(warehouse: Warehouse) -> str:
    """How the names of this warehouse's backups begin: others of the same name may use the folder too.

    The mark lies beside the warehouse and not in it, where a restore would bring along somebody else's.
    """
    path = warehouse.path.with_name(f"{warehouse.path.name}.mark")
    if not path.exists():
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(uuid.uuid4().hex[:8])
        os.replace(partial, path)
    return f"{warehouse.path.stem}-{path.read_text()}-"


def _hold(warehouse: Warehouse, models: Path, room: Path) -> None:
    """Give the model files that `warehouse` knows a second name in `room`, or a copy where that is another disk."""
    for name in warehouse.ask("backed_up_models").artifact:
        source, held = models / name, room / name
        # Files of retired versions are gone; of others the doctor says so.
        if held.exists() or not source.is_file():
            continue
        held.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            try:
                os.link(source, held)
            except OSError:
                shutil.copyfile(source, held)


def _files(copy: Path, config: Path) -> dict[str, Path]:
    models = copy.with_name(MODELS)
    files = {WAREHOUSE: copy, CONFIG: config}
    files |= {f"{MODELS}/{path.relative_to(models)}": path for path in sorted(models.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if path.is_file()}


def _placed(packed: Path, folder: Path) -> Path:
    path, number = folder / packed.name, 1
    while path.exists():
        number += 1
        path = folder / f"{packed.name.removesuffix(SUFFIX)}-{number}{SUFFIX}"
    os.replace(packed, path)
    flush(folder)
    return path


def flush(folder: Path) -> None:
    """Have the disk remember the names in `folder`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal_holds(path: Path) -> bool:
    try:
        opened(path)
    except BackupDamaged:
        return False
    return True
