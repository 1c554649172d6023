"""Zips of providers: one file comes out, within a limit, and what is amiss is either damage or another shape."""

import random
import tracemalloc
import zipfile
from io import BytesIO

import pytest

from pipeline.sources.answers import BrokenBody
from pipeline.sources.zips import OddZip, only_file

TEXT = b"OperDay,COAST\n" + b"11/03/2024,1.5\n" * 40


def packed(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    body = BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, text in (files or {"a_CSV": TEXT}).items():
            archive.writestr(name.replace("_", "."), text)
    return body.getvalue()


def locked(body: bytes) -> bytes:
    marked = bytearray(body)
    marked[6] |= 1
    marked[body.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(marked)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_one_file_comes_out_whichever_others_lie_beside_it(method: int) -> None:
    assert only_file(packed(method)) == ("a.CSV", TEXT)
    assert only_file(packed(method, a_csv=TEXT, b_xml=b"<x/>"), ".csv") == ("a.csv", TEXT)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (packed(a_xml=b"<x/>"), "0 .csv files"),
        (packed(a_csv=b"1", b_csv=b"2"), "2 .csv files"),
        (packed(a_csv=b"0" * 5000), "unfolds to 5,000 bytes"),
        (locked(packed()), "locked or packed in an unknown way"),
        (packed(zipfile.ZIP_BZIP2), "locked or packed in an unknown way"),
        (packed(zipfile.ZIP_LZMA), "locked or packed in an unknown way"),
    ],
)
def test_another_shape_is_said_in_words(body: bytes, words: str) -> None:
    with pytest.raises(OddZip, match=words):
        only_file(body, ".csv", 4096)


def test_a_zip_that_lies_about_its_size_unpacks_no_more_than_the_limit() -> None:
    size = 8_000_000
    told = packed(a_csv=b"0" * size).replace(size.to_bytes(4, "little"), (900).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(BrokenBody, match="is damaged"):
            only_file(told, ".csv", 1000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_mangled_bytes_are_damage_or_another_shape_and_never_a_bug() -> None:
    draw, bodies = random.Random(7), [packed(), packed(zipfile.ZIP_STORED), packed(zipfile.ZIP_LZMA)]
    seen = set()
    for _ in range(2000):
        body = bytearray(draw.choice(bodies))
        for _ in range(draw.randint(1, 4)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        try:
            only_file(bytes(body[: draw.choice([len(body), draw.randrange(len(body))])]), ".csv")
        except (BrokenBody, OddZip) as error:
            seen.add(type(error))
    assert seen == {BrokenBody, OddZip}
