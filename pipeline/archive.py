"""Files and a manifest -> one sealed file, and back; a bit that changed anywhere in it is noticed.

The file is a plain zip that any tool opens. Its comment, the last 64 bytes, is the SHA-256 of all bytes before,
so the seal travels with it; the manifest names the SHA-256 of each member, so that damage can be named.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.attaching import no_space
from pipeline.errors import BackupDamaged, DiskFull

MANIFEST = "manifest.json"
FORMAT = 1
SEAL = 64
CHUNK = 1 << 20
LEVEL = 1
"""Fast compression: a warehouse shrinks to a quarter, and hardly further at a third of the speed."""
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError, ValueError, RuntimeError)
"""What reading a damaged zip fails with."""


def pack(target: Path, files: Mapping[str, Path], about: Mapping[str, Any]) -> None:
    """Write `files` (name in the archive -> where it lies) and a manifest with `about` to `target`, sealed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        members = {name: _add(archive, name, path) for name, path in files.items()}
        manifest = {**about, "format": FORMAT, "members": members}
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        archive.comment = b"0" * SEAL
    seal = digest(target, but_last=SEAL).encode()
    with target.open("r+b") as file:
        file.seek(-SEAL, os.SEEK_END)
        file.write(seal)
        file.flush()
        os.fsync(file.fileno())


def opened(path: Path) -> dict[str, Any]:
    """The manifest of a backup whose seal holds. Raises BackupDamaged naming the member that changed."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - SEAL))
            seal = file.read()
        whole = digest(path, but_last=SEAL).encode() == seal
    except OSError as error:
        raise BackupDamaged(f"{path.name} cannot be read ({error}); use another backup.") from error
    if not whole:
        raise BackupDamaged(f"{path.name}: {_culprit(path)} is not what was written; use another backup.")
    with zipfile.ZipFile(path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest["format"] > FORMAT:
        raise BackupDamaged(f"{path.name} was made by a newer Sextant; update Sextant.")
    return manifest


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Put every member into `folder`; returns the manifest. Raises BackupDamaged, DiskFull."""
    manifest = opened(path)
    with zipfile.ZipFile(path) as archive:
        for name, member in manifest["members"].items():
            try:
                laid = Path(archive.extract(name, folder))
                whole = digest(laid) == member["sha256"]
            except (*UNREADABLE, OSError) as error:
                if no_space(error):
                    raise DiskFull(f"no space is left to unpack {path.name}; free some and try again.") from error
                raise BackupDamaged(f"{path.name}: {name} cannot be unpacked ({error}); use another backup.") from error
            if not whole:
                raise BackupDamaged(f"{path.name}: {name} is not what was written; use another backup.")
    return manifest


def digest(path: Path, *, but_last: int = 0) -> str:
    """SHA-256 of a file, or of all but its last bytes, in hex."""
    made, left = sha256(), path.stat().st_size - but_last
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            made.update(chunk)
            left -= len(chunk)
    return made.hexdigest()


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    made, size = sha256(), 0
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            made.update(chunk)
            size += target.write(chunk)
    return {"sha256": made.hexdigest(), "bytes": size}


def _culprit(path: Path) -> str:
    """The member that changed, as far as that can still be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = json.loads(archive.read(MANIFEST))["members"]
            for name, member in members.items():
                if not _same(archive, name, member["sha256"]):
                    return str(name)
    except (*UNREADABLE, TypeError, OSError):
        return "its table of contents"
    return "the space between its members"


def _same(archive: zipfile.ZipFile, name: str, fingerprint: str) -> bool:
    made = sha256()
    try:
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                made.update(chunk)
    except UNREADABLE:
        return False
    return made.hexdigest() == fingerprint
