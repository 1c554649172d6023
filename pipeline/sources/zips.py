"""A zip that a provider sent -> its one file, unpacked within a limit."""

import zipfile
import zlib
from io import BytesIO

from pipeline.sources.answers import BrokenBody

MOST_BYTES = 32 * 1024 * 1024
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCKED = 0x1


class OddZip(Exception):
    """A zip of another shape; its words fit behind "the answer has"."""


def only_file(body: bytes, suffix: str = "", most: int = MOST_BYTES) -> tuple[str, bytes]:
    """Name and content of the one file in `body` whose name ends with `suffix`, in whichever case.

    Never unpacks more than `most` bytes, whatever the zip says of itself. Raises BrokenBody for what is no whole zip
    (a retry may bring one), OddZip for none or several such files and for one too large, locked or packed in a way
    other than stored or deflated.
    """
    if not body.startswith(b"PK"):
        raise BrokenBody(f"the answer of {len(body)} bytes is no zip file")
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            one = _one(archive, suffix, most)
            # The other methods unpack a whole chunk at once, so nothing would bound them.
            with archive.open(one) as file:
                return one.filename, file.read(most)
    except _DAMAGED as error:
        raise BrokenBody(f"the zip of {len(body)} bytes is damaged") from error


def _one(archive: zipfile.ZipFile, suffix: str, most: int) -> zipfile.ZipInfo:
    files = [one for one in archive.infolist() if one.filename.lower().endswith(suffix.lower())]
    if len(files) != 1:
        raise OddZip(f"{len(files)} {suffix.lower()} files in one zip".replace("  ", " "))
    if files[0].file_size > most:
        raise OddZip(f"a zip that unfolds to {files[0].file_size:,} bytes")
    if files[0].flag_bits & _LOCKED or files[0].compress_type not in _KNOWN:
        raise OddZip("a zip that is locked or packed in an unknown way")
    return files[0]
