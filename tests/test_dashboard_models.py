"""The Models page: lineage of a version, errors by version as pandas finds them, importance, a training run at work."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.data import Desk
from dashboard.figures import models as figures
from dashboard.figures import palette
from dashboard.panels import error_history, lineage
from dashboard.panels.importance import WORDS
from pipeline import features, metrics
from pipeline.preview import Apart, apart
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

TARGET, ZONE = "demo.load", "Europe/Madrid"
UNTIL = NOW.replace(minute=0) + timedelta(hours=1)
WINDOW: dict[str, Any] = {"target": TARGET, "since": UNTIL - timedelta(days=90), "until": UNTIL}
BY_DAY = WINDOW | {"step": "day", "zone": ZONE, "firsts": (), "lasts": ()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(waiting=True))
    with seated(tmp_path / "w.duckdb", monkeypatch) as made:
        yield made


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One warehouse for the tests that only ask; the champion lacks some hours, and others it has twice."""
    path = tmp_path_factory.mktemp("models") / "w.duckdb"
    champion = "FROM accuracy WHERE version_id = 'demo.load-v3'"
    with filler.fill(path, NOW, Story(waiting=True)).write() as session:
        session.script(f"DELETE {champion} AND horizon = 3 AND hour(origin) = 12")
        twice = "INSERT INTO accuracy SELECT * REPLACE ('shadow' AS issuer, error + 500 AS error)"
        session.script(f"{twice} {champion} AND hour(origin) = 14")
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        yield made


@pytest.fixture(scope="module")
def own(read: Desk) -> pd.DataFrame:
    """Each version's own forecasts, issued before shadow, worked out with pandas."""
    with read.warehouse.read() as session:
        rows = session._cursor.sql("FROM accuracy").to_arrow_table().to_pandas()
    rows = rows[rows["issuer"].isin(["sextant", "reissue", "shadow"]) & rows["status"].isin(["ok", "reduced"])]
    rows = rows[(rows["origin"] >= WINDOW["since"]) & (rows["origin"] < WINDOW["until"])]
    rows = rows.assign(shadow=rows["issuer"] == "shadow", loss=rows["error"].abs()).sort_values("shadow")
    return rows.drop_duplicates(["version_id", "origin", "horizon"])


def test_errors_by_version_and_day_are_what_pandas_finds(read: Desk, own: pd.DataFrame) -> None:
    found = read.ask("page_error_history", champion=None, **BY_DAY).set_index(["version_id", "bucket"])
    day = own["valid_at"].dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    groups = own.groupby(["version_id", day.rename("bucket")])
    assert len(found) == groups.ngroups > 36
    np.testing.assert_allclose(found["mae"], groups["loss"].mean())
    assert found["n"].tolist() == groups.size().tolist()
    assert found["n_shadow"].tolist() == groups["shadow"].sum().tolist()


def test_common_hours_are_those_that_the_champion_forecast_too(read: Desk, own: pd.DataFrame) -> None:
    found = read.ask("page_error_history", champion="demo.load-v3", **(BY_DAY | {"step": "week"}))
    champion = own.loc[own["version_id"] == "demo.load-v3", ["origin", "horizon"]]
    common = own.merge(champion, on=["origin", "horizon"])
    assert found.groupby("version_id")["n"].sum().to_dict() == common.groupby("version_id").size().to_dict()
    mine = found[found["version_id"] == "demo.load-v2"]
    mae = common.loc[common["version_id"] == "demo.load-v2", "loss"].mean()
    assert (mine["mae"] * mine["n"]).sum() / mine["n"].sum() == pytest.approx(mae)


def test_hours_of_declared_events_count_for_no_version(read: Desk) -> None:
    first, last = NOW - timedelta(days=2, hours=3), NOW - timedelta(days=2)
    less = read.ask("page_error_history", champion=None, **(BY_DAY | {"firsts": (first,), "lasts": (last,)}))
    whole = read.ask("page_error_history", champion=None, **BY_DAY)
    # Four hours that touch the event, six horizons each, of three versions that forecast them.
    assert whole["n"].sum() - less["n"].sum() in (4 * 6 * 2, 4 * 6 * 3)


def test_a_version_against_the_champion_is_compared_on_common_hours_only(read: Desk, own: pd.DataFrame) -> None:
    pairs = read.ask(
        "page_duels", champion="demo.load-v3", versions=("demo.load-v2", "demo.load-v4"), firsts=(), lasts=(), **WINDOW
    )
    found = apart(pairs[pairs["version_id"] == "demo.load-v4"])
    both = own[own["version_id"] == "demo.load-v4"].merge(
        own[own["version_id"] == "demo.load-v3"], on=["origin", "horizon"], suffixes=("", "_champion")
    )
    assert (found.n, found.n_hours) == (both["origin"].nunique(), len(both))
    assert found.mae == pytest.approx(both["loss"].mean())
    assert found.other_mae == pytest.approx(both["loss_champion"].mean())
    assert np.isnan(found.p_value)
    assert error_history.verdict(found) == "◌ too few hours"


def test_a_difference_has_the_standard_error_and_p_value_of_the_metrics() -> None:
    hours = pd.date_range("2026-01-01", periods=300, freq="h", tz="UTC")
    rng = np.random.default_rng(2)
    own, other = rng.normal(0, 80, (300, 2)), rng.normal(0, 100, (300, 2))
    index = pd.MultiIndex.from_product([hours, [1, 2]], names=["origin", "horizon"])
    pairs = pd.DataFrame({"error_0": own.ravel(), "error_1": other.ravel()}, index=index).reset_index()
    # A hole in time keeps its place.
    pairs = pairs.drop(index=range(100, 140))
    for wide in (own, other):
        wide[50:70] = np.nan
    found = apart(pairs)
    assert found.n == 280
    assert found.standard_error == pytest.approx(metrics.standard_error(np.abs(own) - np.abs(other)))
    assert found.p_value == pytest.approx(metrics.diebold_mariano(np.abs(own), np.abs(other)))
    assert error_history.verdict(found) == "● better"
    swapped = apart(pairs.rename(columns={"error_0": "error_1", "error_1": "error_0"}))
    assert error_history.verdict(swapped) == "▲ worse"
    assert swapped.difference == pytest.approx(-found.difference)
    assert error_history.verdict(Apart(300, 600, 9.9, 10.0, 1.0, 0.4)) == "◌ no difference"
    assert apart(pairs.iloc[:0]).n == 0


def test_the_page_says_what_the_lines_rest_on(read: Desk, own: pd.DataFrame) -> None:
    app = opened("models")
    assert not app.exception
    said = words(app)
    mine = own[own["version_id"] == "demo.load-v2"]
    n, in_shadow = len(mine), int(mine["shadow"].sum())
    assert f"v2 {mine['loss'].mean():,.1f} MW (n = {n:,}, {in_shadow:,} in shadow)" in said
    assert "only common hours can be compared" in said
    app.button_group(key="hours").set_value("Common with the champion").run()
    assert "here the lines can be compared" in words(app)
    table = next(one.value for one in app.dataframe if "verdict" in one.value).set_index("version")
    assert table.loc["demo.load-v4", "role"] == "newest challenger"
    assert table.loc["demo.load-v2", "issues"] == 71


def test_the_figure_has_a_line_a_version_a_level_each_and_the_reigns_behind(read: Desk) -> None:
    rows = read.ask("page_error_history", champion=None, **BY_DAY)
    reigns = read.ask("timeline", target=TARGET)
    figure = figures.error_history(
        rows, palette=palette.LIGHT, zone=ZONE, champion="demo.load-v3", levels={"demo.load-v3": 305.0}, reigns=reigns
    )
    assert [trace.name for trace in figure.data] == ["v3, champion", "v3, hold-out", "v4", "v2"]
    assert figure.data[0].line.color == palette.LIGHT.forecast
    assert set(figure.data[1].y) == {305.0}
    # The first reign ended before the first score, so two are to be seen, side by side.
    spans = sorted((pd.Timestamp(shape.x0), pd.Timestamp(shape.x1)) for shape in figure.layout.shapes)
    assert len(spans) == 3 - (reigns["live_until"].iloc[0].tz_localize(None) < rows["bucket"].min())
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert [note.text for note in figure.layout.annotations][-1] == "v1" or len(spans) == 2


def test_importance_is_drawn_largest_on_top_and_told_with_its_n(read: Desk) -> None:
    rows = read.ask("page_importances", target=TARGET, version_id="demo.load-v3")
    bar = figures.importance(rows, palette=palette.DARK).data[0]
    assert list(bar.y) == ["temperature_forecast", "load_forecast", "calendar", "level"]
    assert list(bar.x) == [22.0, 95.0, 260.0, 410.0]
    assert list(bar.error_x.array) == [1.1, 4.75, 13.0, 20.5]
    said = words(opened("models"))
    assert "hold-out MAE of 305.0 MW grows, in MW" in said
    assert "mean of 5 shuffles, n = 2,016 origins" in said


def linked(desk: Desk, version_id: str) -> Any:
    app = opened("models")
    app.query_params["version"] = version_id
    return app.run()


def test_a_link_to_a_version_shows_all_it_was_made_of(read: Desk) -> None:
    app = linked(read, "demo.load-v2")
    said = words(app)
    assert not app.exception
    assert "Lineage of demo.load-v2" in said
    for words_ in (
        "24,002 hourly origins",
        "`2f3a2f3a2f3a2f3a2f3a2f3a`",
        "7, `9f31c2e0aa11`",
        "[`train0000002`](jobs?run=train0000002) in 3 min 34 s",
        "[demo.load-v1](models?version=demo.load-v1)",
        "Mon 19 Oct 12:20 CEST to Tue 17 Nov 11:20 CET (29 days)",
        "gave way to demo.load-v3 (training)",
        "No importance is known of demo.load-v2",
    ):
        assert words_ in said, words_
    labels = [one.label for one in app.expander]
    assert f"{len(features.names(filler.INPUTS))} features, the set in use now" in labels
    assert "1 of 1 library differ from those that run now" in labels
    assert "2 decisions about it" in labels
    assert "Make champion" not in [button.label for button in app.button]


def test_a_link_to_no_version_says_so(read: Desk) -> None:
    assert "is no version of demo.load; select one above" in words(linked(read, "demo.load-v77"))


def test_the_file_is_checked_on_demand(desk: Desk) -> None:
    app = opened("models")
    assert "Not checked on this page yet" in words(app)
    app.button(key="check_file").click().run()
    assert "Checked just now: **ok**" in words(app)
    (desk.settings.models / "demo.load" / "train0000003.joblib").write_bytes(b"broken")
    app.button(key="check_file").click().run()
    assert "**Damaged.** demo.load-v3: its file demo.load/train0000003.joblib was changed since training" in words(app)


def test_every_feature_is_in_one_group() -> None:
    names = list(features.names(filler.INPUTS))
    groups = lineage.grouped(names)
    assert sorted(name for mine in groups.values() for name in mine) == sorted(names)
    inputs = {one.key.replace("_", " ") for one in filler.INPUTS}
    assert (
        inputs | set(WORDS.values()) <= set(groups) <= inputs | {f"{one} error" for one in inputs} | set(WORDS.values())
    )
    assert "holiday" in groups["calendar"]


def test_libraries_are_compared_with_those_that_run() -> None:
    found = lineage.compared({"numpy": np.__version__, "pandas": "0.1", "no-such-library": "1"})
    assert [(one["name"], one["state"]) for one in found] == [
        ("no-such-library", lineage.GONE),
        ("numpy", lineage.SAME),
        ("pandas", lineage.OTHER),
    ]
