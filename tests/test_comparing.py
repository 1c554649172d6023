"""Families side by side within their cores, and a candidate against the champion on the same hours."""

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import comparing, features, importance, registry
from pipeline.comparing import Candidate
from pipeline.configuring.markets import load_markets
from pipeline.errors import NotEnoughData
from pipeline.features import Actuals
from pipeline.inputs import Facts
from pipeline.models import naive, ridge
from pipeline.models.base import Batch, Family, Floats
from pipeline.registry import Model
from pipeline.settings import ROOT
from pipeline.training import HOLD_OUT, Lesson
from tests.hourly import history, hours, issued


def lesson_of(days: int) -> Lesson:
    """Synthetic demand from March 2023 on, with `days` of origins."""
    target = load_markets(ROOT / "sextant.toml", ("es",))["es"].targets[0]
    source = history("2023-03-01", days + 37)
    origins = hours("2023-04-06", days)
    facts = Facts(target, source, None, ())
    moment = issued(origins[-1:])[0]
    actuals = features.training_actuals(source, origins, as_of=moment)
    at = pd.Timestamp(moment).to_pydatetime().replace(tzinfo=UTC)
    return Lesson(target, at, facts, facts.built(origins, issued(origins)), actuals, "")


SHORT = lesson_of(100)


@dataclass
class Crowd:
    """Families that notice how many of them work at a time and how many jobs each was given."""

    most: int = 0
    now: int = 0
    jobs: list[int] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def member(self, label: str) -> Family:
        crowd = self

        class Member:
            name = label
            candidate = True
            kinds = ("load",)
            members: tuple[str, ...] = ()

            def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
                with crowd.lock:
                    crowd.now, crowd.most = crowd.now + 1, max(crowd.most, crowd.now + 1)
                    crowd.jobs.append(jobs)
                time.sleep(0.05)
                with crowd.lock:
                    crowd.now -= 1
                return {}

            def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
                return batch.naive.copy()

        return Member()


def compare(lesson: Lesson, families: dict[str, Any], cores: int = 2) -> tuple[Candidate, list[str]]:
    said: list[str] = []
    made = comparing.compare(lesson, families, cores=cores, progress=lambda items, *_: items, say=said.append)
    return made, said


@pytest.mark.parametrize(
    ("families", "cores", "most", "jobs"), [(5, 2, 2, 1), (5, 3, 3, 1), (2, 6, 2, 3), (1, 4, 1, 4)]
)
def test_families_share_the_cores_they_are_given(families: int, cores: int, most: int, jobs: int) -> None:
    crowd = Crowd()
    compare(SHORT, {f"f{n}": crowd.member(f"f{n}") for n in range(families)}, cores)
    assert crowd.most == most
    # The last fit, of the best on everything, has all cores.
    assert crowd.jobs == [jobs] * families + [cores]


class Mean:
    name = "mean"
    candidate = True
    kinds = ("load",)
    members = ("naive", "ridge")
    fits = 0

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        self.fits += 1
        return {"ridge": ridge.FAMILY.fit(batch, actual, seed=seed, jobs=jobs)}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return (batch.naive + ridge.FAMILY.predict(state["ridge"], batch)) / 2


class Short:
    """Never has enough."""

    name = "short"
    candidate = True
    kinds = ("load",)
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        raise NotEnoughData("short needs a century; wait.")

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return batch.naive


def test_a_mean_of_others_is_not_fitted_to_be_scored() -> None:
    mean = Mean()
    made, said = compare(SHORT, {"mean": mean, "naive": naive.FAMILY, "ridge": ridge.FAMILY})
    maes = made.scores.groupby("family")["mae"].mean()
    assert set(maes.index) == {"mean", "naive", "ridge"}
    assert made.family.name == maes.idxmin()
    assert mean.fits == (made.family.name == "mean")
    assert any("mean, hold-out MAE" in line and "the mean of its members" in line for line in said)


def test_one_family_without_enough_data_does_not_stop_the_others() -> None:
    made, said = compare(SHORT, {"short": Short(), "naive": naive.FAMILY})
    assert made.family.name == "naive"
    assert set(made.scores.family) == {"naive"}
    assert any("short is left out: short needs a century; wait." in line for line in said)
    with pytest.raises(NotEnoughData, match="none of short can serve: short: short needs a century"):
        compare(SHORT, {"short": Short()})


def test_a_yardstick_is_scored_but_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(ridge.FAMILY), "candidate", False)
    made, _ = compare(SHORT, {"naive": naive.FAMILY, "ridge": ridge.FAMILY})
    assert made.family.name == "naive"
    assert set(made.scores.family) == {"naive", "ridge"}


def champion_rows(lesson: Lesson, last_days: int, size: float) -> pd.DataFrame:
    """Errors of the last days of the lesson, all of one size."""
    origins = lesson.built.batch.origins[-24 * last_days :]
    moments = pd.to_datetime(np.repeat(origins, 6).astype("datetime64[us]"), utc=True)
    return pd.DataFrame({"origin": moments, "horizon": np.tile(np.arange(1, 7), len(origins)), "error": size})


def test_with_a_short_history_the_candidate_is_refitted_as_the_champion_was() -> None:
    made, _ = compare(SHORT, {"ridge": ridge.FAMILY})
    champion = comparing.on_hold_out(SHORT, champion_rows(SHORT, 20, 150.0))
    assert np.isfinite(champion).all(axis=1).sum() == 20 * 24
    own = comparing.own_errors(SHORT, made, champion, cores=1)
    assert np.isnan(own[: -20 * 24]).all()
    first_week = slice(-20 * 24, -19 * 24)
    assert not np.allclose(own[first_week], made.residuals["error"][first_week], equal_nan=True)
    duel = comparing.challenge(SHORT, made, champion_rows(SHORT, 20, 150.0), cores=1)
    # The newest hours have no actual yet.
    assert 20 * 24 - 8 <= duel.n < 20 * 24
    assert duel.champion_mae == pytest.approx(150.0)


def test_with_a_long_history_one_fresh_fit_half_way_is_enough() -> None:
    lesson = lesson_of(365 + HOLD_OUT.days + 2)
    crowd = Crowd()
    made, _ = compare(lesson, {"f": crowd.member("f")})
    fits = len(crowd.jobs)
    champion = comparing.on_hold_out(lesson, champion_rows(lesson, 9, 100.0))
    own = comparing.own_errors(lesson, made, champion, cores=1)
    assert len(crowd.jobs) == fits + 1
    np.testing.assert_array_equal(own, made.residuals["error"])
    made, _ = compare(lesson, {"ridge": ridge.FAMILY})
    own, held_out = comparing.own_errors(lesson, made, champion, cores=1), made.residuals["error"]
    half = HOLD_OUT.days * 12
    np.testing.assert_array_equal(own[:half], held_out[:half])
    assert not np.isclose(own[half:-6], held_out[half:-6]).any(axis=1).all()
    assert np.isfinite(own[half:-6]).all()


@dataclass
class Off:
    """Naive, off by so many MW at each hour ahead."""

    name: str
    by: tuple[float, ...]
    candidate: bool = True
    kinds: tuple[str, ...] = ("load",)
    members: tuple[str, ...] = ()

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        return {}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return batch.naive + np.array(self.by)


def test_families_are_ranked_and_judged_by_the_hours_that_are_issued() -> None:
    near, even = Off("near", (0, 0, 0, 9e5, 9e5, 9e5)), Off("even", (3000,) * 6)
    families = {"near": near, "even": even}
    few = replace(SHORT, target=replace(SHORT.target, horizons=(1, 2, 3)))
    assert compare(SHORT, families)[0].family.name == "even"
    made, said = compare(few, families)
    assert made.family.name == "near"
    assert set(made.scores["horizon"]) == {1, 2, 3}
    own = made.residuals["error"]
    assert made.mean_mae() == pytest.approx(np.nanmean(np.abs(own[:, :3])), rel=0.01)
    assert f"near, hold-out MAE {np.nanmean(np.abs(own[:, :3])):,.1f}" in " ".join(said)
    contents = {name: getattr(made, name) for name in registry.CONTENT}
    model = Model("v1", "near", "any", pd.Timestamp(few.as_of), **contents)
    assert comparing.flaw(few, made, model) is None
    assert "its latest forecasts reach" in str(comparing.flaw(SHORT, made, model))
    looks_at = importance.importances(few, made)
    assert looks_at["mae"].iloc[0] == pytest.approx(made.mean_mae(), rel=0.3)


def test_after_weeks_without_data_families_are_not_ranked_by_the_few_hours_since() -> None:
    lesson = lesson_of(160)
    back = np.r_[0 : 99 * 24, 159 * 24 : 160 * 24]
    built, actuals = lesson.built.rows(back), Actuals(*(part[back] for part in lesson.actuals))
    gone = replace(lesson, built=built, actuals=actuals)
    assert gone.test.sum() == HOLD_OUT.days * 24
    made, _ = compare(gone, {"naive": naive.FAMILY, "ridge": ridge.FAMILY})
    assert made.scores["n"].min() > 27 * 24 - 8
    assert made.scores["coverage"].notna().all()
    assert lesson.test.sum() == HOLD_OUT.days * 24 + 1


def test_errors_from_elsewhere_in_time_are_not_common() -> None:
    made, _ = compare(SHORT, {"naive": naive.FAMILY})
    rows = champion_rows(SHORT, 20, 1.0)
    duel = comparing.challenge(SHORT, made, rows.assign(origin=rows["origin"] - pd.Timedelta(days=90)), cores=1)
    assert (duel.n, duel.comparable) == (0, False)
    assert not comparing.challenge(SHORT, made, rows.iloc[:0], cores=1).comparable


def test_a_target_of_fewer_hours_or_issues_is_compared_on_those_it_has() -> None:
    made, _ = compare(SHORT, {"naive": naive.FAMILY})
    rows = champion_rows(SHORT, 20, 1.0)
    few = replace(SHORT, target=replace(SHORT.target, horizons=(1, 2, 3)))
    duel = comparing.challenge(few, made, rows[rows["horizon"] <= 3], cores=1)
    assert duel.comparable
    assert duel.n > 20 * 24 - 8
    own = made.residuals["error"][-20 * 24 :, :3]
    assert duel.candidate_mae == pytest.approx(np.abs(own[np.isfinite(own).all(axis=1)]).mean())
    assert not comparing.challenge(SHORT, made, rows[rows["horizon"] <= 3], cores=1).comparable
    at_midnight = champion_rows(SHORT, 28, 1.0).loc[lambda frame: frame["origin"].dt.hour == 0]
    daily = replace(SHORT, target=replace(SHORT.target, every=timedelta(hours=24)))
    assert comparing.challenge(daily, made, at_midnight, cores=1).n >= 26
    assert comparing.challenge(daily, made, at_midnight, cores=1).clearly_worse(1.05)
    assert not comparing.challenge(SHORT, made, at_midnight, cores=1).comparable
