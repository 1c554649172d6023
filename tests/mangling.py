"""(a good answer, a seed) -> what might have come instead: cut, flipped, doubled, of other types, past all numbers."""

import json
import random
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

VALUES = (
    None, True, 5, -1, "", "x", [], {}, [None], {"a": 1}, [[]], 10**400, float("inf"), float("nan"), "\ud800", "\0",
    "9999-12-31 23:00:00-0600", "0001-01-01T00:00:00-06:00", "2024-11-03T01:30:00", "12/31/9999", "99" * 12, "1e999",
)  # fmt: skip
CELLS = (
    "", "x", "-1", "25", "24:00", "00:00", "1e999", "nan", "9" * 400, '"', "\0", "\N{ARABIC-INDIC DIGIT ONE}", 
    "13/45/2023", "12/31/9999", "01/01/0001", "0001-01-01", "9999-12-31", "2023-02-30", "9999-12-31T23:00:00-00:00",
    "2024-11-03 01:30:00",
)  # fmt: skip
DEPTH = 100_000
METHOD, LOCKED, LATER = 99, 1, 84


def zipped(text: bytes, name: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of one file."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def bytes_mangled(good: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Cut off, without a part, with a part doubled, or with bytes that do not belong there."""
    chance = random.Random(seed)
    yield from (b"", good * 2, good[: len(good) // 2])
    for _ in range(count):
        body = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at, many = chance.randrange(len(body) + 1), chance.randint(1, 40)
            noise = bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
            kind = chance.randrange(5)
            if kind == 0:
                body[at : at + 1] = noise[:1]
            elif kind == 1:
                del body[at : at + many]
            elif kind == 2:
                body[at:at] = noise
            elif kind == 3:
                body[at:at] = body[at : at + many]
            else:
                del body[max(at, 1) :]
        yield bytes(body)


def json_mangled(good: bytes) -> Iterator[bytes]:
    """Each part of the document replaced by each of VALUES, taken out, and doubled where it stands in a list."""
    yield b"[" * DEPTH
    document = json.loads(good)
    for path in _paths(document):
        for value in VALUES:
            yield json.dumps(_with(document, path, value)).encode()
        if path:
            yield json.dumps(_edited(document, path, lambda whole, key: whole.pop(key))).encode()
        if path and isinstance(path[-1], int):
            yield json.dumps(_edited(document, path, lambda whole, key: whole.insert(key, whole[key]))).encode()


def _paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else [])
    )
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    return _edited(document, path, lambda whole, key: whole.__setitem__(key, value)) if path else value


def _edited(document: Any, path: tuple[Any, ...], edit: Any) -> Any:
    copy = json.loads(json.dumps(document))
    whole = copy
    for key in path[:-1]:
        whole = whole[key]
    edit(whole, path[-1])
    return copy


def table_mangled(good: bytes, rows: int = 2) -> Iterator[bytes]:
    """Each cell of the header and of the first rows replaced by each of CELLS, taken out, and doubled."""
    lines = good.decode().splitlines()
    for number in range(min(rows + 1, len(lines))):
        cells = lines[number].split(",")
        for at in range(len(cells)):
            edits = [[cell] for cell in CELLS] + [[], [cells[at]] * 2]
            for edit in edits:
                line = ",".join([*cells[:at], *edit, *cells[at + 1 :]])
                yield "\n".join([*lines[:number], line, *lines[number + 1 :]]).encode()
        yield "\n".join([*lines[:number], *lines[number + 1 :]]).encode()


def zip_mangled(text: bytes, name: str, seed: int, count: int) -> Iterator[bytes]:
    """One byte wrong anywhere."""
    good, chance = zipped(text, name), random.Random(seed)
    for _ in range(count):
        body = bytearray(good)
        body[chance.randrange(len(body))] = chance.randrange(256)
        yield bytes(body)


def zips_of_other_kinds(text: bytes, name: str) -> Iterator[bytes]:
    """Locked, packed in another way (whole and damaged), for later readers, misplaced, of two files, oddly named."""
    good = zipped(text, name)
    central = good.rindex(b"PK\x01\x02")
    for at, value in ((6, LOCKED), (8, METHOD)):
        body = bytearray(good)
        body[at] = body[central + at + 2] = value
        yield bytes(body)
    for at, value in ((central + 6, LATER), (len(good) - 4, 1)):
        yield good[:at] + bytes([value]) + good[at + 1 :]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield (whole := zipped(text, name, method))
        yield whole[:60] + b"\xff\xff\xff" + whole[63:]
    yield zipped(text, "..\\\N{SNOWMAN}")
    buffer = BytesIO(good)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(f"2{name}", text)
    yield buffer.getvalue()
