"""exogenous: columns of other series, read slowly and fast, without leaks, missing in part or wholly."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import exogenous, features
from pipeline.errors import ModelError
from pipeline.exogenous import Exogenous
from pipeline.features import Built, History, Versions, build
from tests import slow_features
from tests.hourly import BESIDE, COUNTRY, ZONE, bits, history, hours, issued, subset, with_vintages
from tests.slow_features import hour_showing, moment, shown

HOUR = timedelta(hours=1)
NAN = float("nan")
FIRST, DAYS = "2024-02-20", 62
CLOCK_CHANGE = "2024-03-31"


def _wave(first: str, days: int, *, seed: int, known: int) -> Versions:
    """An hourly series with a day in it; known `known` minutes after each hour starts."""
    valid_at, rng = hours(first, days), np.random.default_rng(seed)
    value = 27000 + 4000 * np.sin(2 * np.pi * np.arange(len(valid_at)) / 24) + rng.normal(0, 200, len(valid_at))
    return Versions(valid_at, value, issued(valid_at, known))


def _revised(versions: Versions, *, seed: int) -> Versions:
    """The versions with holes, an outage known late, and second thoughts from a day early to a day late."""
    rng = np.random.default_rng(seed)
    known_at = versions.known_at.copy()
    known_at[930:945] += np.timedelta64(30, "h")
    kept = rng.random(len(versions)) > 0.02
    kept[900:915] = False
    whole = Versions(versions.valid_at[kept], versions.value[kept], known_at[kept])
    again = rng.random(len(whole)) < 0.3
    shift = rng.integers(-24, 24, int(again.sum())).astype("timedelta64[h]")
    return Versions(
        np.append(whole.valid_at[again], whole.valid_at),
        np.append(whole.value[again] * 1.02, whole.value),
        np.append(whole.known_at[again] + shift, whole.known_at),
    )


def _inputs(*, vintages: bool = False) -> list[Exogenous]:
    waves = [_wave(FIRST, DAYS + 2, seed=seed, known=known) for seed, known in enumerate((-900, 70, -600, -480), 3)]
    waves[3] = replace(waves[3], value=20 + (waves[3].value - 27000) / 400)
    if vintages:
        waves = [_revised(wave, seed=seed) for seed, wave in enumerate(waves)]
    kinds = (("load_forecast", "forecast", True), ("load", "measured", False), ("price", "price", False))
    return [
        *(Exogenous(*kind, wave) for kind, wave in zip(kinds, waves[:3], strict=True)),
        Exogenous("warm", "forecast", False, waves[3], "degC"),
    ]


def _built(source: History, origins: np.ndarray, inputs: list[Exogenous], *, delay: int = 72) -> Built:
    return build(source, origins, issued(origins, delay), zone=ZONE, country=COUNTRY, inputs=inputs)


def _columns(built: Built, place: int, horizon: int) -> dict[str, float]:
    batch = built.batch
    shared = zip(batch.shared_names, batch.shared[place], strict=True)
    target = zip(batch.target_names, batch.target[place, horizon - 1], strict=True)
    return {name: float(value) for name, value in (*shared, *target) if name.startswith("x_")}


def _slow(one: Exogenous, source: History, origin: np.datetime64, horizon: int) -> dict[str, float]:
    at, as_of = moment(origin), moment(issued(np.array([origin]))[0])
    rows: dict[datetime, list[tuple[datetime, float]]] = {}
    for place in np.argsort(one.versions.known_at, kind="stable"):
        said = moment(one.versions.known_at[place]), float(one.versions.value[place])
        rows.setdefault(moment(one.versions.valid_at[place]), []).append(said)
    load = slow_features.known_versions(source, at, as_of)

    def known(hour: datetime, then: datetime) -> float:
        return ([value for seen, value in rows.get(hour, []) if seen <= then] or [NAN])[-1]

    if one.kind == "measured":
        return _slow_measured(one.key, lambda hour: known(hour, as_of), at, horizon)

    def past(hour: datetime) -> float:
        told = [value for seen, value in rows.get(hour, []) if seen <= as_of]
        return known(hour, hour) if rows.get(hour, [(as_of,)])[0][0] <= hour else (told or [NAN])[0]

    goal, clock = known(at + horizon * HOUR, as_of), shown(at + horizon * HOUR)
    day, week = (past(hour_showing(clock - lag * HOUR)) for lag in (24, 168))
    row = {"level": goal, "change": goal - past(at), "day": goal - day}
    if one.unit == "degC":
        for name, degrees in (("heating", lambda c: max(18 - c, 0.0)), ("cooling", lambda c: max(c - 22, 0.0))):
            row |= {name: degrees(goal) - degrees(past(at)), f"{name}day": degrees(goal) - degrees(day)}
    if one.own_unit:
        row["week"] = goal - week
        row["level"] = goal - slow_features.filled(load, at)[at]
        for width in (3, 24):
            wrong = [past(hour) - load[hour][0] for hour in (at - lag * HOUR for lag in range(width)) if hour in load]
            wrong = [error for error in wrong if not np.isnan(error)]
            row[f"error{width}"] = float(np.mean(wrong)) if wrong else NAN
    return {f"x_{one.key}_{name}": value for name, value in row.items()}


def _slow_measured(key: str, known: Callable[[datetime], float], at: datetime, horizon: int) -> dict[str, float]:
    def held(hour: datetime) -> float:
        values = [known(hour - age * HOUR) for age in range(7)]
        return next((value for value in values if not np.isnan(value)), NAN)

    def day_before(hour: datetime) -> float:
        return held(hour_showing(shown(hour) - 24 * HOUR))

    row = {"now": held(at), "change24": held(at) - day_before(at), "yesterday": day_before(at + horizon * HOUR)}
    for width in (24, 72):
        past = [held(at - lag * HOUR) for lag in range(width)]
        there = [value for value in past if not np.isnan(value)]
        row[f"mean{width}"] = float(np.mean(there)) if len(there) >= 12 else NAN
    return {f"x_{key}_{name}": value for name, value in row.items()}


@pytest.mark.parametrize("vintages", [False, True], ids=["clean", "vintages"])
def test_every_column_is_that_of_the_slow_reading(vintages: bool) -> None:
    whole = history(FIRST, DAYS)
    source = with_vintages(whole) if vintages else whole
    inputs = _inputs(vintages=vintages)
    origins = np.datetime64(f"{CLOCK_CHANGE}T00", "h") + np.array([-36, -30, 0, 1, 2, 25])
    built = _built(source, origins, inputs)
    for place, origin in enumerate(origins):
        for horizon in (1, 6):
            slow: dict[str, float] = {}
            for one in inputs:
                slow |= _slow(one, source, origin, horizon)
            assert _columns(built, place, horizon) == pytest.approx(slow, rel=1e-9, abs=1e-6, nan_ok=True)


def test_the_columns_are_those_promised_and_beside_them_nothing_changes() -> None:
    source, origins, inputs = with_vintages(history(FIRST, DAYS)), hours("2024-04-01", 3), _inputs(vintages=True)
    built = _built(source, origins, inputs)
    assert built.batch.shared_names + built.batch.target_names == features.names(inputs)
    plain = _built(source, origins, [])
    assert bits(replace(built, batch=features.without_inputs(built.batch))) == bits(plain)
    assert features.without_inputs(built.batch).target_names == plain.batch.target_names
    assert (features.names([]), features.feature_set([])) == (features.names(), features.feature_set())
    assert set(plain.missing_inputs) == {""}


def test_one_row_is_bit_for_bit_the_row_of_a_bulk_build(monkeypatch: pytest.MonkeyPatch) -> None:
    source, inputs = with_vintages(history(FIRST, DAYS)), _inputs(vintages=True)
    origins = hours("2024-03-27", 8)
    monkeypatch.setattr(features, "CHUNK", 50)
    bulk = _built(source, origins, inputs)
    for place in range(0, len(origins), 11):
        part = Built(bulk.batch.rows([place]), *(getattr(bulk, name)[[place]] for name in BESIDE))
        assert bits(_built(source, origins[[place]], inputs)) == bits(part)


def test_a_row_needs_no_more_of_an_input_than_its_reach() -> None:
    source, origin = history(FIRST, DAYS), hours("2024-04-10", 1)[9:10]
    inputs = _inputs(vintages=True)
    near = [_only(one, one.versions.valid_at > origin[0] - exogenous.LOOK_BACK) for one in inputs]
    assert bits(_built(source, origin, near)) == bits(_built(source, origin, inputs))


@pytest.mark.parametrize("step", [-45, -38, 0, 1, 5, 29, 80, 300])
def test_noise_in_all_that_was_not_known_changes_no_bit(step: int) -> None:
    source, inputs = history(FIRST, DAYS), _inputs(vintages=True)
    origins = hours("2024-04-01", 1)[:1] + step
    noisy = [_noisy(one, origins[0]) for one in inputs]
    assert all((a.versions.value != b.versions.value).any() for a, b in zip(noisy, inputs, strict=True))
    assert bits(_built(source, origins, noisy)) == bits(_built(source, origins, inputs))


def test_a_measurement_of_after_the_origin_is_not_used_even_if_known() -> None:
    source, origins = history(FIRST, DAYS), hours("2024-04-01", 1)[:1]
    one = _inputs()[1]
    early = Versions(one.versions.valid_at, one.versions.value, issued(one.versions.valid_at, -9000))
    noisy = np.where(early.valid_at > origins[0], 1e6, early.value)
    with_noise = replace(one, versions=replace(early, value=noisy))
    assert bits(_built(source, origins, [with_noise])) == bits(_built(source, origins, [replace(one, versions=early)]))


def _noisy(one: Exogenous, origin: np.datetime64) -> Exogenous:
    versions = one.versions
    unknown = versions.known_at > issued(np.array([origin]))[0]
    if one.kind == "measured":
        unknown |= versions.valid_at > origin
    value = np.where(unknown, np.random.default_rng(7).normal(0, 1e6, len(versions)), versions.value)
    return replace(one, versions=replace(versions, value=value))


def _only(one: Exogenous, keep: np.ndarray) -> Exogenous:
    versions = one.versions
    return replace(one, versions=Versions(versions.valid_at[keep], versions.value[keep], versions.known_at[keep]))


def test_a_forecast_of_the_past_is_what_was_said_before_the_hour() -> None:
    source, origins = history(FIRST, DAYS), hours("2024-04-01", 1)[5:6]
    one = _inputs()[0]
    versions = one.versions
    past = versions.valid_at[versions.valid_at <= origins[0]]
    late = Versions(
        np.append(versions.valid_at, past),
        np.append(versions.value, np.zeros(len(past))),
        np.append(versions.known_at, issued(past, 5)),
    )
    assert bits(_built(source, origins, [replace(one, versions=late)])) == bits(_built(source, origins, [one]))


def test_the_error_of_a_forecast_is_of_known_actuals_only() -> None:
    source, origins, one = history(FIRST, DAYS), hours("2024-04-01", 1)[12:13], _inputs()[0]
    silent = np.isin(source.valid_at, origins[0] - np.arange(3))
    built = _built(subset(source, ~silent), origins, [one])
    assert built.stale_hours.tolist() == [3]
    assert np.isnan(_columns(built, 0, 1)["x_load_forecast_error3"])
    assert np.isfinite(_columns(built, 0, 1)["x_load_forecast_error24"])


def test_a_series_that_is_not_there_is_missing_by_name_and_no_exception() -> None:
    source, origins = history(FIRST, DAYS), hours("2024-04-01", 1)
    operator, load, price, _ = _inputs()
    none = [replace(operator, versions=None), _only(load, np.zeros(len(load.versions), dtype=bool)), price]
    built = _built(source, origins, none)
    assert set(built.missing_inputs) == {"load,load_forecast"}
    assert np.isfinite(features.without_inputs(built.batch).target).all()
    assert built.batch.shared_names + built.batch.target_names == features.names(none)


def test_an_input_is_missing_where_its_farthest_hour_is_not_known() -> None:
    source, origins = history(FIRST, DAYS), hours("2024-04-01", 1)
    operator, _, price, _ = _inputs()
    built = _built(source, origins, [operator, _only(price, price.versions.valid_at <= origins[10])])
    assert built.missing_inputs.tolist() == [""] * 5 + ["price"] * 19
    assert np.isfinite(_columns(built, 9, 1)["x_price_level"])
    assert np.isnan(_columns(built, 9, 2)["x_price_level"])


def test_a_late_measurement_stands_for_six_hours() -> None:
    source, origins, load = history(FIRST, DAYS), hours("2024-04-01", 1), _inputs()[1]
    built = _built(source, origins, [_only(load, load.versions.valid_at <= origins[3])])
    assert built.missing_inputs.tolist() == [""] * 10 + ["load"] * 14
    last = load.versions.value[load.versions.valid_at == origins[3]][0]
    assert [_columns(built, place, 1)["x_load_now"] == last for place in (3, 9, 10)] == [True, True, False]


def test_rows_come_back_with_their_inputs_and_only_with_them() -> None:
    source, origins, inputs = history(FIRST, DAYS), hours("2024-04-01", 1), _inputs()
    inputs[2] = _only(inputs[2], inputs[2].versions.valid_at <= origins[10])
    built = _built(source, origins, inputs)
    rows = features.to_rows(
        built, target="demo.load", mode="live", written_at=pd.Timestamp("2024-05-01", tz="UTC"), run_id="run"
    )
    back = features.from_rows(rows, inputs)
    assert back.batch.shared.tobytes() == built.batch.shared.tobytes()
    assert back.batch.target.tobytes() == built.batch.target.tobytes()
    assert back.missing_inputs.tolist() == built.missing_inputs.tolist()
    with pytest.raises(ModelError, match=features.feature_set()):
        features.from_rows(rows)
    empty = features.from_rows(rows.iloc[:0], inputs)
    assert (len(empty.batch), len(empty.missing_inputs)) == (0, 0)
    assert empty.batch.target.shape[2] == built.batch.target.shape[2]
