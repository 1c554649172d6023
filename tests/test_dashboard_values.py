"""A series of any length: few points on the wire with every extreme among them, every value of a stretch."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard import formats
from dashboard.data import Desk
from dashboard.figures import series as lines
from dashboard.figures.palette import LIGHT
from dashboard.panels import values
from tests import filler
from tests.dashboards import NOW, opened, seated, words

FIVE, YEAR = timedelta(minutes=5), timedelta(days=365)
N = 365 * 288
HIGH, LOW = 60_000.0, 5_000.0
END = datetime(2026, 11, 20, 11, tzinfo=UTC)


def rows(value: np.ndarray, start: str = "2025-11-20T11:00Z") -> pd.DataFrame:
    return pd.DataFrame({"valid_at": pd.date_range(start, periods=len(value), freq=FIVE), "value": value})


def load() -> np.ndarray:
    """A year of demand with one spike up and one down, one value each."""
    hours = np.arange(N) / 12
    made = 27_000 + 5_000 * np.sin(hours / 24 * 2 * np.pi) + np.random.default_rng(1).normal(0, 120, N)
    made[40_001], made[77_777] = HIGH, LOW
    return made


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing but a year of demand; the newest day was published twice."""
    path = tmp_path_factory.mktemp("year") / "w.duckdb"
    warehouse, made = filler.empty(path, NOW), rows(load())
    made = made.assign(valid_at=made["valid_at"].astype("datetime64[us, UTC]"), series="demo.load", source="demo")
    stamps = {"made_at": made["valid_at"], "seen_at": made["valid_at"] + pd.Timedelta(minutes=10), "run_id": "r1"}
    again = made.tail(288).assign(value=lambda frame: frame["value"] + 1000)
    later = {"made_at": again["valid_at"], "seen_at": again["valid_at"] + pd.Timedelta(hours=2), "run_id": "r2"}
    with warehouse.write() as session:
        session.append("raw", made.assign(**stamps))
        session.append("raw", again.assign(**later))
    return path


@pytest.fixture
def desk(year: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with seated(year, monkeypatch) as made:
        yield made


def caption(app: AppTest) -> str:
    return next(one.value for one in app.caption if "drawn" in one.value)


def shown(**query: str) -> AppTest:
    app = opened().switch_page("views/data.py")
    for name, value in query.items():
        app.query_params[name] = value
    assert not app.run().exception
    return app


def test_a_year_is_thinned_to_what_a_screen_shows_with_its_extremes() -> None:
    value = load()
    line = lines.thinned(rows(value), cadence=FIVE)
    assert (line.n, line.exact, line.low, line.high) == (N, False, LOW, HIGH)
    assert lines.DRAWN - 2 <= line.drawn <= lines.DRAWN
    assert {HIGH, LOW} <= set(line.points["value"])
    assert line.points["valid_at"].is_monotonic_increasing
    # Of every stretch that is a few pixels wide the range is drawn in full.
    drawn = line.points.set_index("valid_at")["value"].resample("2D").agg(["min", "max"]).iloc[:-1]
    whole = rows(value).set_index("valid_at")["value"].resample("2D").agg(["min", "max"]).iloc[:-1]
    assert ((drawn - whole).abs().max() < 1500).all()


@given(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=120), st.integers(4, 40))
def test_whatever_is_thinned_keeps_both_ends_and_both_extremes(made: list[float | None], most: int) -> None:
    frame = rows(np.array(made, dtype=float))
    line = lines.thinned(frame, cadence=FIVE, most=most, exact=most)
    there = frame["value"].dropna()
    assert line.n == len(there)
    drawn = line.points["value"].dropna()
    assert len(drawn) == line.drawn
    if len(there):
        assert (drawn.min(), drawn.max()) == (there.min(), there.max()) == (line.low, line.high)
        assert (drawn.iloc[0], drawn.iloc[-1]) == (there.iloc[0], there.iloc[-1])
    if len(there) <= most:
        assert line.exact


def test_a_hole_breaks_the_line_and_both_its_sides_are_drawn() -> None:
    value = np.arange(5000.0)
    frame = rows(value).drop(index=range(2000, 2100))
    for exact in (1000, 10_000):
        line = lines.thinned(frame, cadence=FIVE, exact=exact)
        (at,) = np.flatnonzero(line.points["value"].isna())
        assert line.points["value"].iloc[[at - 1, at + 1]].tolist() == [1999, 2100]
    # A single missing value is seen where every value is drawn, and not where a pixel holds many.
    frame = rows(value).drop(index=[2000])
    assert lines.thinned(frame, cadence=FIVE, exact=10_000).points["value"].isna().sum() == 1
    assert lines.thinned(frame, cadence=FIVE, exact=1000).points["value"].isna().sum() == 0


def test_a_year_is_light_on_the_wire() -> None:
    line = lines.thinned(rows(load()), cadence=FIVE)
    span = {"since": pd.Timestamp(END - YEAR), "until": pd.Timestamp(END)}
    figure = lines.line(line, palette=LIGHT, zone="Europe/Madrid", title="Demand", unit="MW", **span)
    assert len(figure.to_json()) < 100_000


def test_a_year_is_drawn_thinned_and_a_stretch_of_it_exactly(desk: Desk) -> None:
    assert caption(shown(range="1 year")).startswith(
        f"Demand: {N:,} values, 1,200 drawn, extremes kept; 5,000 to 60,000 MW"
    )
    app = shown(**{"range": "1 year", "from": "2026-03-01T00:00:00+00:00", "to": "2026-03-02T00:00:00+00:00"})
    assert caption(app).startswith("Demand: all 288 drawn")
    assert "Sun 01 Mar 01:00 to Mon 02 Mar 01:00, CET" in words(app)
    app.button(key="values_later").click().run()
    assert "Mon 02 Mar 01:00 to Tue 03 Mar 01:00, CET" in words(app)
    app.button(key="values_whole").click().run()
    assert caption(app).startswith(f"Demand: {N:,} values")
    assert "from" not in app.query_params


def test_a_stretch_is_every_value_as_it_is_stored(desk: Desk) -> None:
    series = desk.markets["demo"].series[0]
    since = datetime(2026, 3, 1, tzinfo=UTC)
    line = values.values(desk, series, since, since + timedelta(days=1))
    stored = rows(load()).set_index("valid_at")["value"][since : since + timedelta(days=1) - FIVE]
    assert line.exact
    assert line.points["value"].tolist() == stored.tolist()


def test_the_first_version_can_be_seen_instead_of_the_newest(desk: Desk) -> None:
    series = desk.markets["demo"].series[0]
    newest, first = (
        values.values(desk, series, END - timedelta(hours=4), END, first=one).points for one in (False, True)
    )
    assert (newest["value"] - first["value"]).round(6).unique().tolist() == [1000.0]
    assert "first published version of each" in caption(shown(first="true"))


@pytest.mark.parametrize(
    ("first", "last"),
    [("yesterday", "today"), ("2026-03-01T00:00", "2026-03-02T00:00"), ("2020-01-01T00:00Z", "2020-01-02T00:00Z"),
     ("2026-11-19T00:00Z", "2026-11-18T00:00Z"), ("<script>", "")],
)  # fmt: skip
def test_a_stretch_that_makes_no_sense_is_not_looked_at(desk: Desk, first: str, last: str) -> None:
    app = shown(**{"from": first, "to": last})
    assert "values_whole" not in {one.key for one in app.button}
    assert "drawn" in caption(app)


def test_a_series_without_values_says_so(desk: Desk) -> None:
    app = shown(series="demo.price")
    assert "No value in this range" in words(app)


@pytest.mark.parametrize("zone", ["Europe/Madrid", "Australia/Adelaide", "UTC"])
@pytest.mark.parametrize("until", ["2026-07-02T00:00Z", "2026-10-25T12:00Z", "2026-03-29T12:00Z"])
def test_a_marked_time_is_the_one_the_chart_shows_and_no_line_folds(zone: str, until: str) -> None:
    hours = pd.Series(pd.date_range(end=until, periods=48, freq="h"))
    clock = formats.steady(zone, hours.iloc[-1])
    shown = formats.wall(hours, clock)
    assert shown.is_monotonic_increasing
    assert shown.is_unique
    assert f"{shown.iloc[-1]:%d %H:%M}" == f"{formats.local(hours.iloc[-1], zone):%d %H:%M}"
    assert [values.moment_of(str(one), clock) for one in shown] == list(hours)
