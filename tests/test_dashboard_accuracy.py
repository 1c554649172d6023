"""The Accuracy page: every measure of every slice is what pandas finds in the tables by itself."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import Desk
from tests.accuracy_rows import ZONE, choose, figures, holed, scores, slices
from tests.dashboards import opened, words


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


@pytest.mark.parametrize("by", ["Horizon", "Hour", "Weekday", "Month", "Day type", "Version"])
def test_every_slice_is_what_pandas_finds_on_the_common_hours(app: AppTest, rows: pd.DataFrame, by: str) -> None:
    found = figures(choose(app, by=by, horizon="All"))
    common = rows.dropna(subset=["naive", "operator"])
    groups = common.assign(size=common["error"].abs()).groupby(slices(common, by))
    assert set(found.index) == set(groups.groups)
    found = found.loc[list(groups.groups)]
    assert (found["n"] == groups.size()).all()
    assert np.allclose(found["mae"], groups["size"].mean())
    assert np.allclose(found["rmse"], groups["error"].apply(lambda part: np.sqrt((part**2).mean())))
    assert np.allclose(found["bias"], groups["error"].mean())
    assert np.allclose(found["relative"], groups.apply(lambda part: 100 * (part["size"] / part["actual"]).mean()))
    for name, column in (("naive", "skill"), ("operator", "skill_operator")):
        other = groups[name].apply(lambda part: part.abs().mean())
        assert np.allclose(found[f"{name}_mae"], other)
        assert np.allclose(found[column], 1 - groups["size"].mean() / other)
    assert np.allclose(found["coverage"], groups["in_band"].apply(lambda part: part.astype(float).mean()))
    assert (found["n_band"] == groups["in_band"].count()).all()
    assert (found["n_replay"] == groups["mode"].apply(lambda part: (part == "replay").sum())).all()


def doubt(values: np.ndarray) -> float:
    """Of (hours, k) values with holes, as the words on the page say; in the plainest way."""
    return max(newey_west(values), by_days(values))


def by_days(values: np.ndarray) -> float:
    """If whole days, counted from the first hour with a value, were independent of each other."""
    part = pd.DataFrame(values).stack().dropna().reset_index()
    hour = part["level_0"] + part["level_1"]
    day = (hour - hour.min()) // 24
    sums = (part[0] - part[0].mean()).groupby(day).sum()
    return float(np.sqrt(len(sums) * sums.var()) / len(part))


def newey_west(values: np.ndarray) -> float:
    known = ~np.isnan(values)
    n, hours = known.sum(), len(values)
    spread = np.where(known, values - values[known].mean(), 0).sum(axis=1)
    lags = max(min(168, hours // 4), 1)
    total = (spread**2).sum()
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (spread[lag:] * spread[:-lag]).sum()
    share = lags / hours
    return float(np.sqrt(total / (1 - share + share**2 / 3)) / n)


@pytest.mark.parametrize(("by", "name"), [("Hour", "07:00"), ("Horizon", "T+4"), ("Day type", "Working day")])
def test_the_standard_error_leaves_other_hours_blank_in_time(
    app: AppTest, rows: pd.DataFrame, by: str, name: str
) -> None:
    found = figures(choose(app, by=by, horizon="All")).loc[name]
    common = rows.dropna(subset=["naive", "operator"])
    part = common[slices(common, by) == name]
    hours = pd.date_range(part["origin"].min(), part["origin"].max(), freq="h")

    def table(values: pd.Series) -> np.ndarray:
        return values.groupby([part["origin"], part["horizon"]]).first().unstack().reindex(hours).to_numpy(float)

    size, naive = part["error"].abs(), part["naive"].abs()
    assert found["mae_se"] == pytest.approx(doubt(table(size)))
    assert found["bias_se"] == pytest.approx(doubt(table(part["error"])))
    assert found["rmse_se"] == pytest.approx(doubt(table(size**2)) / (2 * found["rmse"]))
    assert found["coverage_se"] == pytest.approx(doubt(table(part["in_band"].astype(float))))
    paired = table(size - size.sum() / naive.sum() * naive)
    assert found["skill_se"] == pytest.approx(doubt(paired) * len(part) / naive.sum())


def test_a_slice_of_few_days_has_no_standard_error_and_still_its_n(app: AppTest) -> None:
    found = figures(choose(app, by="Version", horizon="All"))
    assert found.loc["naive (fallback)", "n"] == 6
    assert found.filter(like="_se").loc["naive (fallback)"].isna().all()
    assert "±" not in found.loc["naive (fallback)", "mae_said"]
    assert "±" in found.loc["v2", "mae_said"]
    choose(app, window="7 days", by="Weekday")
    found = figures(app)
    assert (found["n"] >= 24).all()
    assert found.filter(like="_se").isna().all(axis=None)
    assert not found["mae_said"].str.contains("±").any()
    assert "Below 4 days it is not given" in words(app)
    choose(app, window="30 days", by="Weekday")
    assert figures(app)["mae_said"].str.contains("±").all()


def test_a_chosen_horizon_is_the_one_that_is_measured(app: AppTest, rows: pd.DataFrame) -> None:
    found = figures(choose(app, by="Weekday", horizon="T+3"))
    common = rows.dropna(subset=["naive", "operator"]).query("horizon == 3")
    groups = common["error"].abs().groupby(slices(common, "Weekday"))
    assert np.allclose(found["mae"].sort_index(), groups.mean())
    assert (found["n"].sort_index() == groups.size()).all()
    shown = {one.label: one.value for one in app.metric}
    assert shown["MAE T+3"] == f"{common['error'].abs().mean():,.0f} MW"
    assert shown["MAPE T+3"] == f"{100 * (common['error'].abs() / common['actual']).mean():.2f} %"
    choose(app, horizon="All", by="Horizon")


def test_no_measure_stands_without_its_n_and_window(app: AppTest) -> None:
    text = words(choose(app, by="Horizon", horizon="All"))
    tiles = [one.value for one in app.caption if one.value.startswith("± ") and " · " in one.value]
    assert len(tiles) == len(app.metric) == 6
    assert all("n = " in one for one in tiles)
    assert "issues Wed 21 Oct 13:00 CEST to Fri 20 Nov 12:00 CET" in text
    for start in ("Newest week", "P05 ", "A hump", "Orange", "Local hours of Madrid, issues", "All horizons, "):
        line = next(line for line in text.splitlines() if line.startswith(start))
        assert "n = " in line
        assert "issues Wed 21 Oct 13:00" in line


@pytest.mark.parametrize("metric", ["RMSE", "Relative", "Bias", "Skill", "Coverage"])
def test_every_measure_has_a_figure(app: AppTest, metric: str) -> None:
    choose(app, metric=metric, by="Day type")
    assert not app.exception
    assert not app.error
    choose(app, metric="MAE", by="Horizon")


def test_days_of_ones_own_choice_are_whole_local_days(app: AppTest, rows: pd.DataFrame) -> None:
    choose(app, window="Custom", by="Horizon", horizon="All")
    app.date_input(key="days").set_value((pd.Timestamp("2026-11-02").date(), pd.Timestamp("2026-11-05").date())).run()
    found = figures(app)
    days = rows["origin"].dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")
    part = rows[days.between("2026-11-02", "2026-11-05")]
    assert (found["n"].to_numpy() == part.groupby("horizon").size()).all()
    assert np.allclose(found["mae"], part["error"].abs().groupby(part["horizon"]).mean())
    assert "these figures may still change a lot" in words(app)
    choose(app, window="30 days")
