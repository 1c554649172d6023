"""The Accuracy page: bands, worst hours, trend, what is left out and a look back are what the tables say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import Desk
from dashboard.panels import worst_hours
from pipeline import erring
from pipeline.markets import Event, Target
from tests.accuracy_rows import UNTIL, ZONE, choose, figures, holed, scores, slices
from tests.dashboards import NOW, opened, words


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with holed(tmp_path_factory.mktemp("accuracy") / "w.duckdb") as made:
        yield made


@pytest.fixture(scope="module")
def rows(desk: Desk) -> pd.DataFrame:
    return scores(desk)


@pytest.fixture(scope="module")
def app(desk: Desk) -> AppTest:
    return opened("accuracy")


def test_the_bands_are_what_pandas_finds(app: AppTest, rows: pd.DataFrame, desk: Desk) -> None:
    choose(app, horizon="All")
    with desk.warehouse.read() as session:
        issued = session._cursor.sql("SELECT * FROM predictions WHERE issuer = 'sextant'").to_arrow_table().to_pandas()
    both = rows.merge(issued[["origin", "horizon", "p05", "p10", "p90", "p95"]], on=["origin", "horizon"])
    below = {label: both["actual"] <= both[label] for label in ("p05", "p10", "p50", "p90", "p95")}
    shares = [f"{label.upper()} {100 * share.mean():.1f} %" for label, share in below.items()]
    assert f"{', '.join(shares)}; n = {len(both):,}, all horizons, issues Wed 21 Oct" in words(app)
    table = next(one.value for one in app.dataframe if "inside90" in one.value).set_index("horizon")
    inside = both["actual"].between(both["p05"], both["p95"]).groupby(both["horizon"]).mean()
    width = both["p90"] - both["p10"]
    beyond = (both["p10"] - both["actual"]).clip(lower=0) + (both["actual"] - both["p90"]).clip(lower=0)
    assert np.allclose(table["inside90"], inside)
    assert np.allclose(table["width"], width.groupby(both["horizon"]).mean())
    assert np.allclose(table["winkler"], (width + 10 * beyond).groupby(both["horizon"]).mean())
    assert (table["n"] == both.groupby("horizon").size()).all()


def test_the_worst_hours_are_the_largest_errors_each_hour_once(app: AppTest, rows: pd.DataFrame) -> None:
    choose(app, horizon="All")
    found = next(one.value for one in app.dataframe if "times" in one.value)
    size = rows.assign(size=rows["error"].abs())
    largest = size.groupby("valid_at")["size"].max().nlargest(20)
    assert np.allclose(found["size"], largest)
    assert found["valid_at"].tolist() == largest.index.tolist()
    row = found.iloc[0]
    same = size[
        (size["horizon"] == row["horizon"]) & (slices(size, "Hour") == f"{row['valid_at'].tz_convert(ZONE):%H}:00")
    ]
    assert row["times"] == pytest.approx(row["size"] / same["size"].mean())
    assert row["n_usual"] == len(same)


def test_a_worst_hour_leads_to_what_was_on_screen(app: AppTest) -> None:
    found = next(one.value for one in app.dataframe if "times" in one.value)
    for row in found.itertuples():
        made = row.origin + timedelta(hours=1, minutes=13)
        assert row.link.startswith(f"./?at={made:%Y-%m-%dT%H}%3A{made:%M}Z")
        assert ("replayed=1" in row.link) == (row.mode == "replay")
    assert {"live", "replay"} == set(found["mode"])


def test_what_was_special_is_said(desk: Desk) -> None:
    target = next(iter(desk.targets.values()))
    at = pd.Timestamp("2026-11-18 10:00", tz="UTC")
    near = Event((at + timedelta(hours=3)).to_pydatetime(), (at + timedelta(hours=5)).to_pydatetime(), "storm")
    row = pd.Series({
        "valid_at": at, "status": "fallback", "reason": "no data", "stale_hours": 2, "filled_hours": 1, "actual": 900.0,
        "hour_before": 400.0, "n_versions": 2, "first_actual": 880.0, "newest_actual": 900.0,
    })  # fmt: skip
    assert worst_hours.special(row, replace(target, events=(near,)), 300.0) == [
        "near a declared event (storm)", "fallback: no data", "actuals 2 hours stale", "1 hour of inputs filled",
        "ramp of +500 in an hour", "actual revised by +20 later",
    ]  # fmt: skip
    calm = row.copy()
    calm[["status", "stale_hours", "filled_hours", "n_versions"]] = ["ok", np.nan, 0, 1]
    assert worst_hours.special(calm, target, 600.0) == []
    calm["valid_at"] = pd.Timestamp("2026-11-15 10:00", tz="UTC")
    assert worst_hours.special(calm, target, 600.0) == ["sunday"]


def test_the_newest_point_of_the_trend_is_the_alert_rules_own(app: AppTest, desk: Desk) -> None:
    target = next(iter(desk.targets.values()))
    change = erring.change(desk.warehouse, target, UNTIL.to_pydatetime())
    assert change is not None
    allowed = f"{change.mae_before * target.policy.error_up:,.0f}"
    said = (
        f"Newest week {change.mae:,.0f} MW (n = {change.n:,}), :material/check_circle: within the {allowed} "
        f"allowed: 20 % above the 28 days before (n = {change.n_before:,})"
    )
    assert said in words(choose(app, window="30 days", horizon="All"))


def test_changes_of_several_moments_are_those_of_each_alone(desk: Desk) -> None:
    target = next(iter(desk.targets.values()))
    untils = [UNTIL.to_pydatetime() - timedelta(days=back) for back in (30, 4, 2, 0)]
    together = erring.changes(desk.warehouse.ask, target, untils).set_index("until")
    alone = {until: erring.change(desk.warehouse, target, until) for until in untils}
    assert set(together.index) == {until for until, one in alone.items() if one}
    assert len(together) == 3
    for until, row in together.iterrows():
        one = alone[until.to_pydatetime()]
        assert (row["n"], row["mae"]) == (one.n, pytest.approx(one.mae))
        assert row["mae_before"] == pytest.approx(one.mae_before)


def retargeted(desk: Desk, patch: pytest.MonkeyPatch, **change: object) -> Target:
    market = desk.markets["demo"]
    target = replace(market.targets[0], **change)
    patch.setitem(desk.markets, "demo", replace(market, targets=(target,)))
    return target


def test_hours_of_declared_events_are_left_out_and_named(
    desk: Desk, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = NOW - timedelta(days=2, hours=3), NOW - timedelta(days=2)
    retargeted(desk, monkeypatch, events=(Event(first, last, "a blackout of the *whole* market"),))
    app = opened("accuracy")
    text = words(app)
    assert "**4 hours left out** of all figures of this page: a blackout of the \\*whole\\* market" in text
    common = rows.dropna(subset=["naive", "operator"])
    kept = common[(common["valid_at"] + pd.Timedelta("1h") <= first) | (common["valid_at"] >= last)]
    assert len(common) - len(kept) == 24
    assert figures(app)["n"].sum() == len(kept)
    assert "Grey: 5 hours without a score" in text
    assert "configured now" not in text
    app.query_params["at"] = "2026-11-20T09:40Z"
    text = words(app.run())
    assert "Scores leave out the hours of declared events as configured now" in text
    assert "As configured now, whenever it was declared." in text


def test_where_percentages_mean_nothing_errors_are_scaled(
    desk: Desk, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    retargeted(desk, monkeypatch, kind="price")
    app = opened("accuracy")
    with desk.warehouse.read() as session:
        actuals = session._cursor.sql("SELECT * FROM actuals").to_arrow_table().to_pandas()
    values = actuals.sort_values("known_at").drop_duplicates("valid_at", keep="last").set_index("valid_at")["value"]
    scale = (values - values.shift(freq="168h")).abs().mean()
    common = rows.dropna(subset=["naive", "operator"])
    expected = common["error"].abs().groupby(common["horizon"]).mean() / scale
    assert np.allclose(figures(app)["relative"], expected)
    assert f"of the year up to the window's end, {scale:,.0f} MW" in words(app)


def test_a_look_back_knows_only_what_was_scored_by_then(desk: Desk) -> None:
    app = opened("accuracy")
    app.query_params["at"] = "2026-11-16T10:20Z"
    app.run()
    with desk.warehouse.read() as session:
        stored = session._cursor.sql("SELECT * FROM accuracy").to_arrow_table().to_pandas()
    then = pd.Timestamp("2026-11-16 10:20", tz="UTC")
    stored = stored[(stored["scored_at"] <= then) & (stored["origin"] < pd.Timestamp("2026-11-16 11:00", tz="UTC"))]
    stored = stored[stored["origin"] >= pd.Timestamp("2026-10-17 11:00", tz="UTC")]
    issuers = stored[stored["issuer"].isin(["sextant", "naive", "operator"])].groupby(["origin", "horizon"])["issuer"]
    assert figures(app)["n"].sum() == (issuers.nunique() == 3).sum()
    assert stored["mode"].eq("live").all()


def test_a_window_without_scores_says_what_would_fill_it(desk: Desk) -> None:
    app = opened("accuracy")
    choose(app, window="Custom")
    app.date_input(key="days").set_value((pd.Timestamp("2026-01-02").date(), pd.Timestamp("2026-01-05").date())).run()
    assert not app.exception
    assert "Nothing is scored in this window" in words(app)
    assert "Backtest in slices, MAE in MW" in words(app)
