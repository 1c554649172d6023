"""inputs and the features job: stored series become columns of the row that is due, or are missing by name."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline import features, inputs
from pipeline.configuring.markets import load_markets
from pipeline.features import Built
from pipeline.markets import Target
from tests.conftest import Desk, ask

INPUTS = ["load_forecast", "temperature_forecast", "price", "temperature"]
MORE = '\n[market.demo.target.price]\ntitle = "Price"\nkind = "price"\ninputs = ["load"]\n'


@pytest.fixture
def seeing(full: Desk) -> Desk:
    """The filled desk, an hour later, with four inputs and a second target that looks at the load."""
    path = full.settings.config
    before, _, after = path.read_text(encoding="utf-8").partition("[market.demo.target.load]")
    own = f'[market.demo.target.load]\ntitle = "Demand"\noperator = "load_forecast"\ninputs = {INPUTS}\n{MORE}'
    path.write_text(f"{before}{own}{after[after.index(chr(10) + '[') :]}", encoding="utf-8")
    full.markets = load_markets(path, ("demo",))
    full.now += timedelta(hours=1)
    return full


def _issue(desk: Desk, target: Target) -> Built:
    for job in ("ingest", "actuals", "features"):
        desk.done(job)
    mine = features.feature_set(target.inputs)
    rows = ask(desk, f"SELECT * FROM features WHERE target = '{target.id}' AND feature_set = '{mine}'")
    return features.from_rows(rows, target.inputs)


def _column(built: Built, name: str) -> np.ndarray:
    batch = built.batch
    if name in batch.shared_names:
        return batch.shared[0, batch.shared_names.index(name)]
    return batch.target[0, :, batch.target_names.index(name)]


def _hourly(desk: Desk, series: str, first: np.datetime64, last: np.datetime64) -> list[float]:
    sql = f"""SELECT avg(value) AS value FROM raw_latest WHERE series = '{series}'
        AND valid_at BETWEEN TIMESTAMPTZ '{first}:00Z' AND TIMESTAMPTZ '{last}:59Z'
        GROUP BY date_trunc('hour', valid_at) ORDER BY date_trunc('hour', valid_at)"""
    return ask(desk, sql).value.tolist()


def test_the_row_that_is_due_holds_the_stored_inputs(seeing: Desk) -> None:
    built = _issue(seeing, seeing.target)
    origin = built.batch.origins[0]
    assert built.missing_inputs.tolist() == [""]
    operator = _hourly(seeing, "demo.load_forecast", origin + 1, origin + 6)
    assert _column(built, "x_load_forecast_level") == pytest.approx(np.array(operator) - built.batch.level[0])
    assert built.operator[0] == pytest.approx(operator)
    warm = _hourly(seeing, "demo.temperature_forecast", origin + 1, origin + 6)
    assert _column(built, "x_temperature_forecast_level") == pytest.approx(warm)
    assert _column(built, "x_temperature_now") == pytest.approx(_hourly(seeing, "demo.temperature", origin, origin)[0])


def test_the_stored_row_is_that_of_a_rebuild_long_after(seeing: Desk) -> None:
    built = _issue(seeing, seeing.target)
    with seeing.warehouse.read() as session:
        again = inputs.built(session, seeing.target, built.batch.origins, built.as_of)
    assert again.batch.shared.tobytes() == built.batch.shared.tobytes()
    assert again.batch.target.tobytes() == built.batch.target.tobytes()


def test_a_measured_input_finer_than_an_hour_is_the_mean_of_its_hours(seeing: Desk) -> None:
    target = seeing.markets["demo"].targets[1]
    built = _issue(seeing, target)
    level = ask(seeing, "SELECT value FROM actuals_latest WHERE target = 'demo.load' ORDER BY valid_at DESC LIMIT 1")
    assert _column(built, "x_load_now") == level.value.iloc[0]


@pytest.mark.parametrize(
    ("where", "missing"),
    [
        ("series = 'demo.price'", "price"),
        ("series IN ('demo.temperature', 'demo.temperature_forecast')", "temperature,temperature_forecast"),
        ("series = 'demo.temperature' AND valid_at > TIMESTAMPTZ '2026-11-20 04:00Z'", ""),
        ("series = 'demo.temperature' AND valid_at > TIMESTAMPTZ '2026-11-20 03:00Z'", "temperature"),
    ],
)
def test_what_is_not_stored_is_missing_by_name_and_the_row_is_made(seeing: Desk, where: str, missing: str) -> None:
    for job in ("ingest", "actuals"):
        seeing.done(job)
    with seeing.warehouse.write() as session:
        session._cursor.execute(f"DELETE FROM raw WHERE {where}")
    seeing.done("features")
    mine = features.feature_set(seeing.target.inputs)
    built = features.from_rows(
        ask(seeing, f"SELECT * FROM features WHERE feature_set = '{mine}'"), seeing.target.inputs
    )
    assert built.missing_inputs.tolist() == [missing]
    assert np.isfinite(features.without_inputs(built.batch).target).all()


def test_the_names_of_both_targets_columns_are_kept(seeing: Desk) -> None:
    _issue(seeing, seeing.target)
    kept = ask(seeing, "SELECT feature_set, names FROM feature_sets").set_index("feature_set").names
    for target in seeing.markets["demo"].targets:
        assert tuple(kept[features.feature_set(target.inputs)]) == features.names(target.inputs)
    assert pd.Index(kept.index).is_unique
