"""What goes wrong at OASIS, over real HTTP: haste, error reports under status 200, damaged and malicious zips."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pandas as pd
import pytest

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, Throttled, Transient
from pipeline.sources import http, oasis
from tests.servers import faults
from tests.servers.caiso import CaisoServer, invented_store, refused, table_edited, violation
from tests.servers.oasis import zipped
from tests.test_caiso import NOW, SYSTEM, fetch, values


@pytest.fixture(scope="module")
def store() -> dict[str, pd.DataFrame]:
    return invented_store("2024-10-31", "2024-11-03")


@pytest.fixture
def server(store: dict[str, pd.DataFrame]) -> Iterator[CaisoServer]:
    with CaisoServer(store, NOW) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (violation, Throttled, "asked to slow down"),
        (faults.throttled(), Throttled, "HTTP 429"),
        (faults.unavailable, Transient, "HTTP 503"),
        (faults.truncated, Transient, "broke off"),
        (faults.broken_json, Transient, "is damaged"),
        (faults.web_page, Transient, "a web page came"),
        (faults.answering(b"INTERVALSTARTTIME_GMT"), Transient, "is no zip file"),
        (faults.answering(b""), Transient, "is no zip file"),
        (faults.forbidden, AuthRefused, "OASIS needs no token"),
        (refused("1015", "GroupZip is still being made."), Transient, "error 1015, GroupZip is still being made"),
        (
            refused("1001", "Invalid Request &amp; more", "INVALID_REQUEST.xml"),
            BadRequest, "error 1001, Invalid Request & more; correct the key",
        ),
        (lambda _: zipped("odd.xml", "<a/>"), SchemaChanged, "an XML file without an error code"),
        (lambda _: zipped("odd.csv", ""), SchemaChanged, "a file that is no table"),
        (table_edited(lambda text: text.replace(",MW,", ",MEGAWATT,")), SchemaChanged, "no column MW"),
        (table_edited(lambda text: text.replace("_ACT_", "_5MIN_")), SchemaChanged, "no item SYS_FCST_ACT_MW, only"),
        (table_edited(lambda text: text.replace("T01:00:00-00:00", "T01:00:00-08:00")), SchemaChanged, "not GMT"),
        (table_edited(lambda text: text.replace("2024-11-01", "2024-11-31")), SchemaChanged, "does not exist"),
        (table_edited(lambda text: text.replace("2024-", "0024-")), SchemaChanged, "a time in the year 24"),
        (table_edited(lambda text: text.replace(",3.8,", ",3.8,x")), SchemaChanged, "a value that is not a number"),
        (
            table_edited(lambda text: text.replace("T02:00:00-00:00,2024-11-01T03", "T02:00:00-00:00,2024-11-01T04")),
            SchemaChanged, "an interval of 0 days 02:00:00",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named_with_series_source_and_remedy(
    server: CaisoServer, fault: faults.Fault, kind: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server)
    assert str(caught.value).startswith("caiso.system from caiso: ")
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_violation_is_answered_with_twelve_seconds_of_silence(server: CaisoServer, monkeypatch) -> None:
    slept: list[float] = []
    client = http.Client(user_agent="test", sleep=slept.append, random=lambda: 0.0)
    monkeypatch.setattr("pipeline.sources.caiso.client_for", lambda _settings: client)
    server.faults += [violation, refused("1015", "still being made")]
    assert len(fetch(server)) == 24
    assert slept == [oasis.WAIT_AFTER_VIOLATION_S, 0.0]
    assert len(server.requests) == 3


def test_the_server_itself_punishes_haste_and_the_client_keeps_its_distance(store: dict[str, pd.DataFrame]) -> None:
    with CaisoServer(store, NOW, gap_s=60.0) as strict:
        fetch(strict)
        with pytest.raises(Throttled, match="asked to slow down"):
            fetch(strict)
    assert http.polite_gap_s("oasis.caiso.com") > 5.0


def test_a_zip_that_unfolds_without_end_is_refused_unopened(server: CaisoServer, monkeypatch) -> None:
    monkeypatch.setattr(oasis, "MOST_ROWS", 20)
    with pytest.raises(SchemaChanged, match=r"more than 20 rows"):
        fetch(server)
    monkeypatch.setattr(oasis, "MOST_BYTES", 1000)
    with pytest.raises(SchemaChanged, match=r"a zip that unfolds to \d,\d{3} bytes"):
        fetch(server)


def test_two_files_or_a_locked_one_are_no_answer(server: CaisoServer) -> None:
    def doubled(answer: faults.Answer) -> faults.Answer:
        buffer = BytesIO(answer.body)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("second.csv", "x")
        return replace(answer, body=buffer.getvalue())

    def locked(answer: faults.Answer) -> faults.Answer:
        body, central = bytearray(answer.body), answer.body.rindex(b"PK\x01\x02")
        body[6] |= 1
        body[central + 8] |= 1
        return replace(answer, body=bytes(body))

    server.faults += [doubled, locked]
    with pytest.raises(SchemaChanged, match="2 files in one zip"):
        fetch(server)
    with pytest.raises(SchemaChanged, match="a zip that is locked"):
        fetch(server)


def test_under_chaos_an_answer_is_right_or_a_passing_error(server: CaisoServer, store: dict[str, pd.DataFrame]) -> None:
    server.chaos(seed=2, share=0.5)
    whole = failed = 0
    for _ in range(16):
        try:
            points = fetch(server)
        except (Transient, Throttled):
            failed += 1
            continue
        assert values(points, SYSTEM).tolist() == store["ACTUAL"].loc["2024-11-01", "CA ISO-TAC"].tolist()
        whole += 1
    assert whole > 3
    assert failed > 3
