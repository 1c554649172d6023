"""issuing: whose forecast is issued, under which label, and with bands that can be made again bit for bit."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import features, issuing, registry
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.exogenous import Exogenous
from pipeline.features import Built
from pipeline.intervals import LEVELS
from pipeline.markets import Target
from pipeline.models.base import Batch, Floats
from pipeline.recall import Recent, recall
from pipeline.registry import Model
from pipeline.settings import ROOT
from pipeline.windows import Versions
from tests.conftest import Desk, ask
from tests.hourly import COUNTRY, ZONE, history, issued

DAYS = 75
COLUMNS = ["origin", "horizon", "issuer", "version_id", "status", *LEVELS]


@dataclass
class Shifted:
    """A family whose state says by how many MW it is above naive; knows whether it was given inputs."""

    name: str = "shifted"
    seen: list[bool] = field(default_factory=list)

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        self.seen.append(any(name.startswith("x_") for name in batch.shared_names + batch.target_names))
        return batch.naive + state["shift"]


@pytest.fixture(scope="module")
def target() -> Target:
    return load_markets(ROOT / "sextant.toml", ("es",))["es"].targets[0]


@pytest.fixture(scope="module")
def built() -> Built:
    """Two days of origins whose one input, a forecast, is unknown for the second day."""
    source = history("2024-01-01", DAYS)
    origins = source.valid_at[-48:]
    kept = source.valid_at <= origins[23] + np.timedelta64(6, "h")
    known = source.known_at[kept] - np.timedelta64(36, "h")
    told = Exogenous("forecast", "forecast", True, Versions(source.valid_at[kept], source.value[kept], known))
    return features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY, inputs=[told])


def model(*, shift: float = 10.0, with_reduced: bool = True, **changes: Any) -> Model:
    hours = (np.datetime64("2024-02-01", "h") + np.arange(700)).astype(np.int64)
    error = np.random.default_rng(1).normal(0, 1, (700, 6))
    pools = [{"origin": hours, "error": error * size} for size in (100.0, 200.0, 400.0)]
    made = Model(
        version_id="es.load-v1",
        family="shifted",
        feature_set="any",
        as_of=pd.Timestamp("2024-03-01", tz="UTC"),
        state={"shift": shift},
        reduced={"shift": 2 * shift} if with_reduced else None,
        residuals=pools[0],
        reduced_residuals=pools[1] if with_reduced else None,
        naive_residuals=pools[2],
    )
    return replace(made, **changes)


def nothing(built: Built, target: Target) -> Recent:
    source = history("2024-01-01", DAYS)
    actuals = Versions(source.valid_at, source.value, source.known_at)
    return Recent(target, built.batch.origins, pd.DataFrame(columns=COLUMNS), actuals)


def issue(built: Built, target: Target, one: Model | None, family: Any, **more: Any) -> issuing.Issue:
    recent = more.pop("recent", nothing(built, target))
    return issuing.issue(built, target, one, family, recent=recent, made_at=built.as_of, excuse="no model", **more)


def width(one: issuing.Issue, name: str = "p95") -> Floats:
    return one.bands[name] - one.bands["p50"]


def test_where_an_input_is_missing_the_reduced_state_forecasts_and_says_so(built: Built, target: Target) -> None:
    family = Shifted()
    got = issue(built, target, model(), family)
    late = built.missing_inputs != ""
    assert 24 <= late.sum() < 48
    assert (got.status == np.where(late, "reduced", "ok")).all()
    assert set(got.reason[late]) == {"made without forecast: not known at issue"}
    assert set(got.reason[~late]) == {""}
    assert set(got.version_id) == {"es.load-v1"}
    np.testing.assert_array_equal(
        got.bands["p50"] - built.batch.naive, np.where(late, 20.0, 10.0)[:, None] * np.ones(6)
    )
    assert family.seen == [True, False]
    assert width(got)[late].mean() > 1.3 * width(got)[~late].mean()


def test_without_a_reduced_state_it_falls_back_and_names_the_input(built: Built, target: Target) -> None:
    got = issue(built, target, model(with_reduced=False), Shifted())
    late = built.missing_inputs != ""
    assert set(got.status[late]) == {"fallback"}
    assert got.reason[late][0] == "es.load-v1 lacks forecast and has no model without it"
    np.testing.assert_array_equal(got.bands["p50"][late], built.batch.naive[late])
    assert width(got)[late].mean() > 1.5 * width(got)[~late].mean()


def test_a_model_of_later_than_the_issue_is_not_used(built: Built, target: Target) -> None:
    later = pd.Timestamp(built.as_of[10] + np.timedelta64(1, "us"), tz="UTC")
    got = issue(built, target, model(as_of=later), Shifted())
    assert set(got.status[:11]) == {"fallback"}
    assert got.reason[0] == "es.load-v1 was trained on later data"
    assert "fallback" not in got.status[11:]


def test_forecasts_that_are_no_numbers_or_wild_are_not_issued(built: Built, target: Target) -> None:
    for shift, reason in ((np.nan, "lacks an input"), (1e5, "gave an implausible value")):
        got = issue(built, target, model(shift=shift), Shifted())
        assert set(got.status) == {"fallback"}
        assert reason in got.reason[0]


def test_a_price_may_step_as_demand_may_not(built: Built, target: Target) -> None:
    far = float(0.7 * built.batch.level.max())
    broad = replace(target, series=replace(target.series, minimum=-1e6, maximum=1e6))
    assert "fallback" in issue(built, broad, model(shift=far), Shifted()).status
    price = replace(broad, kind="price")
    assert set(issue(built, price, model(shift=far), Shifted()).status) == {"ok", "reduced"}


def test_demand_may_step_as_far_as_the_last_day_went(built: Built, target: Target) -> None:
    """Zones with much sun double between noon and evening, day after day."""
    far, batch = float(0.7 * built.batch.level.max()), built.batch
    broad = replace(target, series=replace(target.series, minimum=-1e6, maximum=1e6))
    shared = batch.shared.copy()
    shared[:, batch.shared_names.index("max_24")] = 2 * far
    swinging = replace(built, batch=replace(batch, shared=shared))
    assert "fallback" in issue(built, broad, model(shift=far), Shifted()).status
    assert set(issue(swinging, broad, model(shift=far), Shifted()).status) == {"ok", "reduced"}


def test_without_a_model_the_fallback_has_the_bands_of_naive_as_recorded(built: Built, target: Target) -> None:
    bare = issue(built, target, None, None)
    assert set(bare.status) == {"fallback"}
    assert np.isnan(bare.bands["p10"][0]).all()
    got = issue(built, target, None, None, recent=_with_naive(built, target))
    assert np.isfinite(got.bands["p10"]).all()
    assert set(got.reason) == {"no model"}


def test_what_is_wrong_with_hours_that_nobody_issues_is_no_reason_to_fall_back(built: Built, target: Target) -> None:
    few, wild = replace(target, horizons=(1, 2, 3)), model(shift=np.array([10.0] * 3 + [1e5, np.nan, 1e5]))  # type: ignore[arg-type]
    assert set(issue(built, target, wild, Shifted()).status) == {"fallback"}
    assert set(issue(built, few, wild, Shifted()).status) == {"ok", "reduced"}
    naive = built.batch.naive.copy()
    naive[:, 5] = np.nan
    blind = replace(built, batch=replace(built.batch, naive=naive))
    assert set(issue(blind, target, None, None).status) == {"withheld"}
    assert set(issue(blind, few, None, None).status) == {"fallback"}


def test_bands_of_fewer_hours_wait_for_no_errors_of_hours_that_nobody_issues(built: Built, target: Target) -> None:
    few, whole = replace(target, horizons=(1, 2, 3)), _with_naive(built, target)
    recent = replace(whole, target=few, issues=whole.issues[whole.issues["horizon"] <= 3])
    got = issue(built, few, None, None, recent=recent)
    assert np.isfinite(got.bands["p10"][:, :3]).all()
    assert np.isnan(got.bands["p10"][:, 3:]).all()


def test_a_shadow_never_falls_back(built: Built, target: Target) -> None:
    recent = nothing(built, target)
    got = issuing.shadow(built, target, model(with_reduced=False), Shifted(), recent=recent, made_at=built.as_of)  # type: ignore[arg-type]
    late = built.missing_inputs != ""
    assert (got.status == np.where(late, "withheld", "ok")).all()
    assert set(got.version_id) == {"es.load-v1"}
    assert all(np.isnan(got.bands[name][late]).all() for name in LEVELS)


def test_bands_widen_after_issues_that_missed(built: Built, target: Target) -> None:
    calm = issue(built, target, model(), Shifted())
    bad = issue(built, target, model(shift=900.0), Shifted())
    assert (width(bad, "p05")[40] < 1.3 * width(calm, "p05")[40]).all()


def test_every_stored_forecast_can_be_made_again_alone_to_the_last_bit(full: Desk) -> None:
    stored = ask(full, "SELECT * FROM predictions WHERE issuer = 'sextant' ORDER BY origin, horizon")
    one = registry.load(registry.champion(full.warehouse, full.target.id), folder=full.settings.models)
    family = discover("pipeline.models", "FAMILY")[one.family]
    known = ask(full, "SELECT * FROM features")
    _learn_later(full)
    for origin in [*sorted(stored.origin.unique())[::20][-9:], stored.origin.max()]:
        was = stored[stored.origin == origin]
        row = features.from_rows(known[known.origin == origin], full.target.inputs)
        with full.warehouse.read() as session:
            recent = recall(session, full.target, row.batch.origins, row.as_of, written_by=was.written_at.iloc[0])
        made_at = was.made_at.dt.tz_localize(None).to_numpy()[:1]
        again = issuing.issue(row, full.target, one, family, recent=recent, made_at=made_at, excuse="")
        assert was.status.iloc[0] == again.status[0]
        for name in LEVELS:
            assert was[name].tolist() == again.bands[name][0].tolist()


def test_only_the_issues_asked_for_are_remembered(built: Built, target: Target) -> None:
    rows = [
        {
            "origin": pd.Timestamp("2024-03-01T05Z"),
            "horizon": h,
            "issuer": issuer,
            "version_id": version,
            "status": "ok",
        }
        | dict.fromkeys(LEVELS, value)
        for issuer, version, value in (("shadow", "v1", 1.0), ("sextant", "v2", 2.0), ("naive", "naive", 3.0))
        for h in range(1, 7)
    ]
    recent = replace(nothing(built, target), issues=pd.DataFrame(rows))
    for words, version, value in (
        (("sextant",), None, 2.0),
        (("sextant", "shadow"), "v1", 1.0),
        (("naive",), None, 3.0),
    ):
        made = recent.made(*words, version_id=version)
        assert made.origins.tolist() == [pd.Timestamp("2024-03-01T05").to_pydatetime()]
        assert (made.point == value).all()


def _learn_later(desk: Desk) -> None:
    """Facts and forecasts of the past that were written after all issues."""
    with desk.warehouse.write() as session:
        session._cursor.execute(
            "INSERT INTO actuals SELECT * REPLACE (1.5 * value AS value, known_at + INTERVAL 1 SECOND AS known_at, "
            "written_at + INTERVAL 1 DAY AS written_at) FROM actuals"
        )
        session._cursor.execute(
            "INSERT INTO predictions SELECT * REPLACE (origin - INTERVAL 9 DAY AS origin, 2 * p50 AS p50, "
            "written_at + INTERVAL 1 DAY AS written_at) FROM predictions WHERE issuer = 'sextant'"
        )


def _with_naive(built: Built, target: Target) -> Recent:
    """As if naive had been recorded for the 300 hours before."""
    source = history("2024-01-01", DAYS)
    origins = built.batch.origins[0] - np.arange(1, 301)
    past = features.build(source, origins, issued(origins), zone=ZONE, country=COUNTRY)
    plain = issuing.comparator_rows(past, target=target.id, mode=np.full(300, "live", dtype=object), made_at=past.as_of)
    return replace(nothing(built, target), issues=plain[plain.issuer == "naive"][COLUMNS])
