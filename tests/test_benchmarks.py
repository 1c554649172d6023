"""The benchmarks' own parts: what a dataset drops, what peers are given, how common origins are scored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, contenders, results
from benchmarks.contenders import FIELD, Peer, filled, peers_hours, slimmed
from benchmarks.datasets import HOUR, Dataset, as_of, hourly_dataset
from benchmarks.places import peers_python
from benchmarks.scoring import Scores, Target, geometric_mean, score
from benchmarks.victoria import hours_of
from pipeline import backtest
from pipeline.models.forest_recursive import FAMILY as FOREST

ZONE = "Europe/Madrid"


def frame(hours: int = 24 * 200) -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC")
    step = np.arange(hours)
    noise = np.random.default_rng(3).normal(0, 60, hours)
    load = 20_000 + 3_000 * np.sin(2 * np.pi * step / 24) + 500 * np.sin(2 * np.pi * step / 168) + noise
    return pd.DataFrame({"load": load, "operator": load + 100.0}, index=index)


def dataset(rows: pd.DataFrame, months: int = 1) -> Dataset:
    where = {"zone": ZONE, "country": "ES", "bounds": (10_000.0, 40_000.0)}
    return hourly_dataset("made", "Made up", rows, **where, test_months=months)


def test_impossible_values_and_spikes_become_missing_and_nothing_else_changes() -> None:
    rows = frame()
    broken = rows.copy()
    broken.iloc[100, 0] = 1.0
    broken.iloc[200, 0] += 9_000.0
    broken.iloc[300:302, 0] = np.nan
    made = dataset(broken)
    assert np.flatnonzero(made.hourly.isna()).tolist() == [100, 200, 300, 301]
    kept = made.hourly.notna().to_numpy()
    assert (made.hourly[kept] == rows["load"].to_numpy()[kept]).all()
    assert len(made.history) == kept.sum()


def test_a_steep_ramp_is_no_spike() -> None:
    rows = frame()
    rows.iloc[400:, 0] += 6_000.0
    assert not dataset(rows).hourly.isna().any()


def test_validation_lies_before_the_test_and_both_have_lessons_only_from_before() -> None:
    made = dataset(frame())
    test, validation = made.periods["test"], made.periods["validation"]
    assert (test.first, test.last) == (np.datetime64("2024-07-01T00"), np.datetime64("2024-07-18T17"))
    assert validation.last + 6 * HOUR < test.first
    assert validation.train_from < validation.first <= validation.last
    built = made.built("validation")
    assert built.batch.origins.max() + 6 * HOUR < test.first
    assert not np.isnan(built.batch.shared).any()


def test_an_origin_sees_its_own_hour_and_not_the_next() -> None:
    rows = frame()
    changed = rows.copy()
    origin = dataset(rows).periods["test"].first
    changed.loc[pd.Timestamp(origin + HOUR).tz_localize("UTC") :, "load"] += 1_000.0
    before, after = (dataset(one).built("test").batch for one in (rows, changed))
    upto = before.origins <= origin
    assert (before.shared[upto] == after.shared[upto]).all()
    assert (before.target[upto] == after.target[upto]).all()
    assert (before.shared[~upto] != after.shared[~upto]).any()


def test_the_operators_forecast_is_an_input_only_where_asked_for() -> None:
    made = dataset(frame())
    plain, informed = made.built("test").batch, made.built("test", operator=True).batch
    extra = set(informed.target_names) - set(plain.target_names)
    assert extra
    assert all(name.startswith("x_operator_") for name in extra)
    assert not np.isnan(informed.target).any()


def test_peers_see_holes_filled_from_the_past_alone() -> None:
    values = frame()["load"].to_numpy().copy()
    values[500:503] = np.nan
    later = values.copy()
    later[503:] += 5_000.0
    assert not np.isnan(filled(values)).any()
    assert (filled(values)[:503] == filled(later)[:503]).all()


def test_peers_are_given_the_local_calendar_of_every_hour_to_six_beyond_the_last_origin() -> None:
    made = dataset(frame())
    hours = peers_hours(made, "test")
    assert hours.index[-1] == pd.Timestamp(made.periods["test"].last) + pd.Timedelta(hours=6)
    local = hours.index.tz_localize("UTC").tz_convert(ZONE)
    assert (hours["hour"] == local.hour).all()
    assert (hours["month"] == local.month).all()
    assert (hours["weekday"] == local.day_of_week).all()
    assert (hours.loc["2024-05-01T12", "holiday"]) == 1


def test_half_hours_of_victoria_become_hours_at_a_fixed_offset() -> None:
    rows = pd.DataFrame({"Demand": [3.0, 4.0, 5.0, 5.5], "Temperature": [18.0, 17.0, 16.0, 15.0]})
    hours = hours_of(rows)
    assert hours.index[0] == pd.Timestamp("2013-12-31T14:00Z")
    assert hours["load"].tolist() == [3_500.0, 5_250.0]
    assert hours["last_30"].tolist() == [4_000.0, 5_500.0]


def test_the_forest_forecasts_the_same_from_the_part_it_is_given() -> None:
    made = dataset(frame(24 * 120))
    built, actuals = made.built("test"), made.actuals("test")
    whole, part = (
        backtest.rolling_origin(
            FOREST,
            batch,
            actuals.value,
            known_at=actuals.known_at,
            as_of=built.as_of,
            test_from=made.periods["test"].last - 3 * HOUR,
        )
        for batch in (built.batch, slimmed("forest_recursive", built.batch))
    )
    assert (whole == part).all()


def test_a_contender_is_scored_on_pairs_that_everybody_forecast() -> None:
    actual = np.full((4, 6), 100.0)
    ours, peer = actual + 1.0, actual + 2.0
    peer[0] = np.nan
    ours[0] = 900.0
    found = score("made", "Made up", {"ours": ours, "peer": peer}, actual, lead="ours", scale=4.0, spent={"ours": 3.0})
    assert found.n == 18
    assert found.mae("ours") == 1.0
    assert found.table.loc["peer", "mase"] == 0.5
    assert found.table["behind"].tolist() == [0.0, 1.0]
    assert found.best(["ours", "peer"]) == 1.0
    assert np.isnan(found.mae("absent"))


def test_no_common_pair_is_said() -> None:
    values = np.full((2, 6), 1.0)
    with pytest.raises(ValueError, match="share no origin"):
        score("made", "Made up", {"a": values, "b": values * np.nan}, values, lead="a", scale=1.0, spent={})


def scores(name: str, ours: float, peer: float, forest: float, **more: float) -> Scores:
    errors = {"ensemble": ours, "forest_recursive": forest, "scikit-learn only": ours} | more
    errors |= {one.name: peer for one in FIELD}
    return Scores(name, name, 1, pd.DataFrame({"mae": errors}))


def test_targets_are_met_at_the_limit_and_missed_above_it() -> None:
    found = accuracy.targets([scores("spain_hourly", 50.0, 100.0, 100.0, operator=80.0)], "ensemble")
    words = {target.words: target for target in found}
    assert words["of the recursive forest, spain_hourly"].met
    informed = words["of the operator's forecast with it as an input, spain_hourly"]
    assert np.isnan(informed.figure)
    assert not informed.met
    worse = accuracy.targets([scores("ercot", 96.0, 100.0, 400.0), scores("victoria", 60.0, 100.0, 400.0)], "ensemble")
    missed = [target.words for target in worse if not target.met]
    assert missed == ["of the best peer, worst set"]


def test_a_fresh_set_counts_for_no_target() -> None:
    counted = [scores("ercot", 50.0, 100.0, 200.0)]
    more = [*counted, scores("caiso_2023", 500.0, 100.0, 200.0)]
    assert [one.figure for one in accuracy.targets(counted, "ensemble")] == [
        one.figure for one in accuracy.targets(more, "ensemble")
    ]


def test_the_geometric_mean_is_not_known_where_a_part_is_not() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert np.isnan(geometric_mean([0.5, np.nan]))
    assert not Target("x", float("nan"), 1.0).met


def test_a_section_of_results_is_replaced_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for name, body in (("speed", "fast"), ("accuracy", r"first \1"), ("accuracy", "second")):
        results.keep(name, name.title(), body, path=path, libraries=("numpy",))
    text = path.read_text(encoding="utf-8")
    assert "fast" in text
    assert "second" in text
    assert "first" not in text
    assert text.count("## Accuracy") == 1
    assert f"numpy {np.__version__}" in text


@pytest.mark.slow
@pytest.mark.parametrize("peer", [FIELD[1], FIELD[3]], ids=lambda peer: peer.name)
def test_a_peer_learns_and_forecasts_from_the_past_alone(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        peers_python()
    except FileNotFoundError:
        pytest.skip("PEERS ABSENT: run `make peers` to have them tested")
    monkeypatch.setattr(contenders, "CACHE", tmp_path)
    rows = frame(24 * 120)
    changed = rows.copy()
    turn = dataset(rows).periods["test"].first + 100 * HOUR
    changed.loc[pd.Timestamp(turn + HOUR).tz_localize("UTC") :, "load"] += 3_000.0
    before, after = (
        contenders.ask(peer, dataset(one), "test", quick=False, fresh=False).values for one in (rows, changed)
    )
    assert (before[:101] == after[:101]).all()
    assert (before[101:] != after[101:]).any()
    assert np.nanmean(np.abs(before - dataset(rows).actuals("test").value[-len(before) :])) < 300.0


def test_origins_are_issued_after_their_hour_is_known() -> None:
    made = dataset(frame())
    assert (as_of(made.history.valid_at) > made.history.known_at).all()
