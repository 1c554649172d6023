"""Why a forecast moved: effects add up, follow the weights of a linear model, and go to what alone has changed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import explaining, features
from pipeline.configuring.markets import load_markets
from pipeline.counterfactual import Rows, Told
from pipeline.discovery import discover
from pipeline.errors import ModelError
from pipeline.exogenous import Exogenous
from pipeline.explaining import Side
from pipeline.inputs import Facts
from pipeline.markets import Target
from pipeline.models import direct
from pipeline.models.base import Batch, Floats, is_linear
from pipeline.registry import Model
from pipeline.settings import ROOT
from pipeline.windows import History, Versions
from tests.hourly import history, hours, issued, together

HOUR = np.timedelta64(1, "h")
SOURCE = history("2024-01-01", 110)
T = np.datetime64("2024-04-10T09", "h")
RIDGE = discover("pipeline.models", "FAMILY")["ridge"]
DEGREES = 12 + 6 * np.sin(2 * np.pi * np.arange(112 * 24) / 24) + np.random.default_rng(2).normal(0, 1, 112 * 24)


def temperature(*later: tuple[np.datetime64, float, np.datetime64], kind: str = "forecast") -> Exogenous:
    """Told two days ahead, or measured 70 minutes after the hour began; `later` are further (hour, value, known_at)."""
    valid = hours("2024-01-01", 112)
    known = valid.astype("datetime64[us]") + np.timedelta64(70 if kind == "measured" else -48 * 60, "m")
    more = [np.array(column) for column in zip(*later, strict=True)] if later else [valid[:0], DEGREES[:0], known[:0]]
    parts = zip((valid, DEGREES, known), more, strict=True)
    return Exogenous("warm", kind, False, Versions(*(np.concatenate(pair) for pair in parts)), "degC")


@pytest.fixture(scope="module")
def target() -> Target:
    """Demand in Madrid's zone with one input, a temperature forecast."""
    demo = load_markets(ROOT / "sextant.toml", ("demo",))["demo"].targets[0]
    one = next(one for one in demo.inputs if one.key == "temperature_forecast")
    return replace(demo, inputs=(replace(one, id="demo.warm"),), operator=None)


def facts(target: Target, source: History = SOURCE, warm: Exogenous | None = None) -> Facts:
    return Facts(target, source, None, (warm or temperature(),))


@pytest.fixture(scope="module")
def model(target: Target) -> Model:
    """Ridge fitted on the two months before, with a reduced state that knows no input."""
    origins = hours("2024-02-08", 60)
    built = facts(target).built(origins, issued(origins))
    actual = features.training_actuals(SOURCE, origins, as_of=issued(origins)[-1]).value
    state, reduced = (
        RIDGE.fit(batch, actual, seed=0, jobs=1) for batch in (built.batch, features.without_inputs(built.batch))
    )
    none: Any = {"origin": np.zeros(0, dtype=np.int64), "error": np.zeros((0, 6))}
    stamp = pd.Timestamp("2024-04-08", tz="UTC")
    return Model("demo.load-v1", "ridge", "", stamp, state, reduced, none, none, none)


def told(of: Facts, model: Model, origin: np.datetime64, *, as_of: np.datetime64 | None = None) -> Told:
    """The issue of an origin as the model makes it."""
    moment = issued(np.array([origin])) if as_of is None else np.array([as_of])
    point = explaining._asked(model, RIDGE, of.built(np.array([origin]), moment).batch)[0]
    return Told(origin, moment[0], point)


def explained(target: Target, of: Facts, before: Side, after: Side) -> pd.DataFrame:
    return explaining.explain(target, of, before, after, made_at=pd.Timestamp("2024-04-10T10:12", tz="UTC"))


def plain(target: Target, of: Facts, model: Model, *, apart: int = 1) -> pd.DataFrame:
    """Why the issue of T differs from that of `apart` hours before."""
    sides = [
        explaining.side(told(of, model, origin), model.version_id, model, RIDGE) for origin in (T - apart * HOUR, T)
    ]
    found = explained(target, of, *sides)
    change = sides[1].told.point[: 6 - apart] - sides[0].told.point[apart:]
    np.testing.assert_allclose(found.groupby("horizon").effect.sum(), change, rtol=0, atol=1e-6)
    return found


def effect(found: pd.DataFrame, name: str) -> Floats:
    return found[found.input == name].sort_values("horizon").effect.to_numpy()


def test_the_effect_of_an_input_on_a_linear_model_is_weight_times_change(target: Target, model: Model) -> None:
    """By hand: the rows of the two feature paths, their difference in the input's columns, ridge's weights."""
    cooler = [(T + k * HOUR, DEGREES[(T - SOURCE.valid_at[0]).astype(int) + k] - 3, issued(np.array([T]))[0])
              for k in range(1, 7)]  # fmt: skip
    found = plain(target, facts(target, warm=temperature(*cooler)), model)
    rows = [
        facts(target, warm=one).built(np.array([T]), issued(np.array([T]))).batch
        for one in (temperature(), temperature(*cooler))
    ]
    names = (*rows[0].shared_names, *rows[0].target_names)
    mine = [name.startswith("x_warm_") for name in names]
    for h in range(5):
        step = (direct.rows(rows[1], h) - direct.rows(rows[0], h))[0]
        weights = model.state["weights"][h, rows[0].local_hour[0, h]]
        assert effect(found, "warm")[h] == pytest.approx(float(weights[mine] @ step[mine]), abs=1e-6)
    assert found.exact.all()
    mine_rows = found[found.input == "warm"]
    assert mine_rows.moved.to_numpy() == pytest.approx(np.full(5, -3.0))
    assert set(mine_rows.words) == {"the temperature forecast fell by 3.0 degC"}
    assert set(mine_rows.unit) == {"degC"}


def test_a_surprise_in_the_last_hour_is_told_with_its_size_and_its_hour(target: Target, model: Model) -> None:
    at = SOURCE.valid_at == T
    before = told(facts(target), model, T - HOUR)
    surprised = replace(SOURCE, value=np.where(at, before.point[0] + 310.4, SOURCE.value))
    found = plain(target, facts(target, surprised), model)
    assert set(found.input) == {"last_hour", "rest"}
    mine = found[found.input == "last_hour"]
    assert mine.moved.to_numpy() == pytest.approx(np.full(5, 310.4))
    assert set(mine.words) == {"the 11:00 hour came in 310 MW above the forecast"}
    as_expected = plain(
        target, facts(target, replace(SOURCE, value=np.where(at, before.point[0], SOURCE.value))), model
    )
    assert "came in as in the forecast" in as_expected.words.iloc[0]
    # What was no surprise is no reason: only the shape within the hour is left, and the surprise counts in full.
    grown = effect(found, "last_hour") - effect(as_expected, "last_hour")
    assert (grown > 60).all()
    np.testing.assert_allclose(effect(found, "rest"), effect(as_expected, "rest"), atol=1e-6)


def test_what_was_forecast_of_the_last_hour_is_a_row_of_its_own_not_the_hour_before(
    target: Target, model: Model
) -> None:
    of, before = facts(target), told(facts(target), model, T - HOUR)
    rows = Rows(of, before, told(of, model, T))
    old, new = rows.batch([frozenset(), frozenset(rows.groups)]).level
    assert old == before.point[0]
    assert new == SOURCE.value[SOURCE.valid_at == T][0]
    whole = of.built(np.array([T]), issued(np.array([T]))).batch
    assert rows.batch([frozenset(rows.groups)]).shared.tobytes() == whole.shared.tobytes()


def test_a_revision_of_earlier_hours_is_a_reason_of_its_own(target: Target, model: Model) -> None:
    late = (SOURCE.valid_at >= T - 5 * HOUR) & (SOURCE.valid_at < T - 2 * HOUR)
    again = {name: getattr(SOURCE, name)[late] for name in vars(SOURCE)}
    again |= {"value": again["value"] + 200, "known_at": np.full(3, issued(np.array([T]))[0])}
    found = plain(target, facts(target, together(SOURCE, History(**again))), model)
    mine = found[found.input == "revised"]
    assert set(mine.words) == {"3 earlier hours were revised, up by 200 MW on average"}
    assert mine.moved.to_numpy() == pytest.approx(np.full(5, 200.0))
    assert (np.abs(mine.effect) > 1).any()


def test_reasons_that_meet_in_a_feature_are_not_called_exact(target: Target, model: Model) -> None:
    """A revised hour and the newest one are both the lowest of a day: neither has a share of its own in that."""
    late = SOURCE.valid_at == T - 5 * HOUR
    again = {name: getattr(SOURCE, name)[late] for name in vars(SOURCE)}
    low = SOURCE.value[(SOURCE.valid_at > T - 30 * HOUR) & (SOURCE.valid_at <= T)].min()
    again |= {"value": np.array([low - 900]), "known_at": issued(np.array([T]))}
    revised = together(SOURCE, History(**again))
    surprised = replace(revised, value=np.where(revised.valid_at == T, low - 1500, revised.value))
    found = plain(target, facts(target, surprised), model)
    assert set(found.input) == {"last_hour", "revised", "rest"}
    assert not found.exact.any()
    # Each alone has a share of its own.
    alone = facts(target, replace(SOURCE, value=np.where(SOURCE.valid_at == T, low - 1500, SOURCE.value)))
    assert plain(target, alone, model).exact.all()


def test_nothing_that_came_after_the_issue_is_looked_at(target: Target, model: Model) -> None:
    later = issued(np.array([T]))[0] + np.timedelta64(1, "us")
    wild = [(T + k * HOUR, 99.0, later) for k in range(-30, 7)]
    unknown = SOURCE.known_at > issued(np.array([T]))[0]
    noise = replace(SOURCE, value=np.where(unknown, 1e6, SOURCE.value))
    quiet, noisy = plain(target, facts(target), model), plain(target, facts(target, noise, temperature(*wild)), model)
    pd.testing.assert_frame_equal(quiet, noisy)


def test_several_hours_at_once_are_told_together(target: Target, model: Model) -> None:
    found = plain(target, facts(target), model, apart=3)
    assert set(found.horizon) == {1, 2, 3}
    assert found.words.iloc[0].startswith("the hours 09:00 to 11:00 came in ")
    assert found.words.iloc[0].endswith(" on average")
    assert set(found[found.input == "rest"].words) == {"the same knowledge seen from 3 hours nearer"}
    assert plain_or_none(target, model, apart=6).empty


def plain_or_none(target: Target, model: Model, *, apart: int) -> pd.DataFrame:
    of = facts(target)
    sides = [explaining.side(told(of, model, at), model.version_id, model, RIDGE) for at in (T - apart * HOUR, T)]
    return explained(target, of, *sides)


def test_the_usual_course_of_a_measurement_is_no_news(target: Target, model: Model) -> None:
    usual = temperature(kind="measured")
    assert usual.versions is not None
    place = int((T - SOURCE.valid_at[0]).astype(int))
    course = usual.versions.value.copy()
    course[place] = course[place - 1] + course[place - 24] - course[place - 25]
    seen = replace(target, inputs=(replace(target.inputs[0], kind="measured", title="Temperature"),))
    origins = hours("2024-02-08", 60)
    batch = facts(seen, warm=usual).built(origins, issued(origins)).batch
    actual = features.training_actuals(SOURCE, origins, as_of=issued(origins)[-1]).value
    own = replace(model, state=RIDGE.fit(batch, actual, seed=0, jobs=1))
    quiet = plain(seen, facts(seen, warm=replace(usual, versions=replace(usual.versions, value=course))), own)
    assert "warm" not in set(quiet.input) or np.abs(effect(quiet, "warm")).max() < 1e-6
    course[place] += 2
    warm = plain(seen, facts(seen, warm=replace(usual, versions=replace(usual.versions, value=course))), own)
    mine = warm[warm.input == "warm"]
    assert set(mine.words) == {"the temperature came in 2.0 degC above its course of the day before"}
    assert mine.moved.to_numpy() == pytest.approx(np.full(5, 2.0))


def test_an_input_that_comes_back_is_told_and_not_called_exact(target: Target, model: Model) -> None:
    dark = temperature()
    assert dark.versions is not None
    late = dark.versions.valid_at > T
    known = np.where(late, issued(np.array([T]))[0], dark.versions.known_at)
    back = replace(dark, versions=replace(dark.versions, known_at=known))
    found = plain(target, facts(target, warm=back), model)
    assert set(found[found.input == "warm"].words) == {"the temperature forecast came in"}
    assert found[found.input == "warm"].moved.isna().all()
    assert not found.exact.any()


def test_another_version_is_a_reason(target: Target, model: Model) -> None:
    of = facts(target)
    other = replace(model, version_id="demo.load-v2", state=model.state | {"offset": model.state["offset"] + 40})
    before = explaining.side(told(of, model, T - HOUR), "demo.load-v1", model, RIDGE)
    after = explaining.side(told(of, other, T), "demo.load-v2", other, RIDGE)
    found = explained(target, of, before, after)
    assert effect(found, "model") == pytest.approx(np.full(5, 40.0))
    assert set(found[found.input == "model"].words) == {"demo.load-v2 took over from demo.load-v1"}
    assert not found.exact.any()
    # The same, when the former version cannot be asked any more: all that is not explained is the change of version.
    lost = explained(target, of, replace(before, predict=None), after)
    assert "rest" not in set(lost.input)
    np.testing.assert_allclose(effect(lost, "model"), effect(found, "model") + effect(found, "rest"), atol=1e-6)
    back = explained(target, of, explaining.side(before.told, "naive", None, None), after)
    assert "demo.load-v2 is back after the fallback" in set(back.words)
    gone = explained(target, of, before, explaining.side(after.told, "naive", None, None))
    assert "the fallback stands in for demo.load-v1" in set(gone.words)


def test_of_many_inputs_those_that_do_least_come_in_together(target: Target) -> None:
    class Sum:
        """Every input's level by its weight."""

        name = "sum"

        def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
            places = [batch.target_names.index(f"x_in{k}_level") for k in range(12)]
            return batch.level[:, None] + batch.target[:, :, places] @ np.arange(12.0)

    at = issued(np.array([T]))[0]
    warm = temperature(*[(T + k * HOUR, 30.0, at) for k in range(1, 7)])
    inputs = tuple(replace(target.inputs[0], id=f"demo.in{k}") for k in range(12))
    many = replace(target, inputs=inputs)
    of = Facts(many, SOURCE, None, tuple(replace(warm, key=one.key) for one in inputs))
    any_model: Any = Model("v1", "sum", "", pd.Timestamp(0, tz="UTC"), {}, None, {}, None, {})
    family: Any = Sum()
    moments = [issued(np.array([one])) for one in (T - HOUR, T)]
    points = [family.predict({}, of.built(one.astype("datetime64[h]") - HOUR, one).batch)[0] for one in moments]
    asked = [Told(at, *pair) for at, *pair in zip((T - HOUR, T), np.concatenate(moments), points, strict=True)]
    found = explained(many, of, *(explaining.side(one, "v1", any_model, family) for one in asked))
    assert found.input.nunique() == explaining.MOST_PLAYERS + 1
    kept = {name for name in found.input if name.startswith("in")}
    assert kept == {f"in{k}" for k in range(6, 12)}
    assert set(found[found.input == "other_inputs"].words) == {"other inputs moved"}
    np.testing.assert_allclose(effect(found, "in11") / effect(found, "in6"), 11 / 6)
    rise = effect(found, "in6") / 6
    np.testing.assert_allclose(effect(found, "other_inputs"), rise * sum(range(6)), atol=1e-9)
    assert not is_linear(family)


def test_a_version_without_a_number_for_the_comparison_says_so(target: Target, model: Model) -> None:
    of = facts(target)
    sides = [explaining.side(told(of, model, at), "v1", model, RIDGE) for at in (T - HOUR, T)]
    silent = replace(sides[1], predict=lambda batch: np.full((len(batch), 6), np.nan))
    with pytest.raises(ModelError, match="v1 has no number for what was known before"):
        explained(target, of, sides[0], silent)
    withheld = replace(sides[0], told=replace(sides[0].told, point=np.full(6, np.nan)))
    assert explained(target, of, withheld, sides[1]).empty
