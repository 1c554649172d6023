"""No candidate that is broken, leaky or clearly worse ever serves; a fresh equal one does, as the policy has it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import guard, registry, training
from pipeline.discovery import discover
from pipeline.features import Built
from pipeline.guard import Duel
from pipeline.inputs import Facts
from pipeline.jobs import train
from pipeline.markets import Policy
from pipeline.models import ridge
from pipeline.models.base import Batch, Floats
from pipeline.registry import Model
from pipeline.training import Lesson
from tests.conftest import Desk, ask


class Ridge:
    """A sound candidate to spoil in one way at a time."""

    name = "spoiled"
    candidate = True
    members: tuple[str, ...] = ()
    kinds = ("load",)
    fits = 0

    def fit(self, batch: Batch, actual: Floats, *, seed: int, jobs: int) -> dict[str, Any]:
        self.fits += 1
        return ridge.FAMILY.fit(batch, actual, seed=seed, jobs=jobs) | {"fits": self.fits}

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return ridge.FAMILY.predict(state, batch)


class Leaky(Ridge):
    """Reads y[T+h] off the later rows of its batch: unbeatable on any hold-out, useless live."""

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        forecast = super().predict(state, batch)
        for h in range(forecast.shape[1]):
            place = np.searchsorted(batch.origins, batch.origins + np.timedelta64(h + 1, "h"))
            there = place < len(batch)
            forecast[there, h] = batch.level[place[there]]
        return forecast


class NotANumber(Ridge):
    """Good on the hold-out; the fit on everything went wrong."""

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) * (np.nan if state["fits"] > 1 else 1.0)


class Mute(Ridge):
    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) * np.nan


class Wild(Ridge):
    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) * (1000.0 if state["fits"] > 1 else 1.0)


class Forgetful(Ridge):
    """Good on the hold-out; the fit on everything is off by a little, and plausible."""

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) + (900.0 if state["fits"] > 1 else 0.0)


class Nostalgic(Ridge):
    """Looks at hours that stored rows do not keep."""

    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) + (0.0 if batch.recent.shape[1] else np.nan)


class Worse(Ridge):
    def predict(self, state: dict[str, Any], batch: Batch) -> Floats:
        return super().predict(state, batch) + 300.0 * np.sin(batch.origins.astype(int))[:, None]


def train_only(desk: Desk, monkeypatch: pytest.MonkeyPatch, family: Any, **args: Any) -> dict[str, Any]:
    known = discover("pipeline.models", "FAMILY") | {family.name: family}
    monkeypatch.setattr(train, "discover", lambda *_: known)
    return desk.run("train", families=[family.name], **args)


def newest_decision(desk: Desk) -> pd.Series:
    return ask(desk, "SELECT * FROM promotions ORDER BY number").iloc[-1]


def champion(desk: Desk) -> str:
    return str(registry.champion(desk.warehouse, desk.target.id)["version_id"])


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        (Leaky(), "sees the future: 5 of 6 forecasts change when later origins are not beside them"),
        (NotANumber(), "144 of its latest forecasts are not numbers"),
        (Nostalgic(), "144 of its latest forecasts are not numbers"),
        (Wild(), "its latest forecasts reach .* MW"),
        (Forgetful(), "its fit on everything errs by .* on hours it has learned, by .* before it had"),
        (Worse(), r"clearly worse: MAE .* against the champion's .* common origins \(difference \+.* ± .*, p = "),
    ],
    ids=["leaky", "not a number", "needs what is not stored", "implausible", "forgetful", "clearly worse"],
)
def test_a_bad_candidate_is_refused_with_the_reason(
    full: Desk, monkeypatch: pytest.MonkeyPatch, family: Any, reason: str
) -> None:
    assert train_only(full, monkeypatch, family)["state"] == "succeeded"
    decision = newest_decision(full)
    assert (decision.version_id, decision.outcome) == ("demo.load-v2", "refused")
    assert pd.Series([decision.reason]).str.contains(reason).all(), decision.reason
    assert champion(full) == "demo.load-v1"


def test_a_candidate_whose_file_was_damaged_is_refused(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    write = registry.store

    def damaged(content, *, folder, name):
        artifact = write(content, folder=folder, name=name)
        (folder / artifact.path).write_bytes((folder / artifact.path).read_bytes()[:-1])
        return artifact

    monkeypatch.setattr(registry, "store", damaged)
    full.done("train", families=["ridge"])
    assert newest_decision(full).outcome == "refused"
    assert "was changed since training" in newest_decision(full).reason
    assert champion(full) == "demo.load-v1"


def test_a_family_without_a_number_is_left_out_and_alone_it_fails_the_run(
    full: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = train_only(full, monkeypatch, Mute())
    assert row["state"] == "failed"
    assert "none of spoiled can serve: spoiled: its forecasts of the hold-out are not numbers" in row["error"]
    row = full.done("train", families=["spoiled", "ridge"])
    assert "spoiled is left out: its forecasts of the hold-out are not numbers" in row["log"]
    assert registry.champion(full.warehouse, full.target.id)["family"] == "ridge"


def test_a_fresh_equal_candidate_is_promoted(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    train_only(full, monkeypatch, Ridge())
    decision = newest_decision(full)
    assert (decision.version_id, decision.outcome) == ("demo.load-v2", "promoted")
    assert decision.reason.startswith("sound and not clearly worse than the champion: MAE ")
    assert '"p_value"' in decision.evidence


def lesson_of(desk: Desk) -> Lesson:
    return training.gather(desk.warehouse, desk.target, as_of=desk.now)


def model_of(desk: Desk, lesson: Lesson) -> Model:
    batch, actual = lesson.built.batch, lesson.actuals.value
    return Model(
        version_id="candidate",
        family="ridge",
        feature_set="",
        as_of=pd.Timestamp(desk.now),
        state=ridge.FAMILY.fit(batch, actual, seed=1, jobs=1),
        reduced=None,
        residuals={},
        reduced_residuals=None,
        naive_residuals={},
    )


def test_features_that_see_the_future_are_found_out(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = lesson_of(full)
    model = model_of(full, lesson)
    assert guard.sees_the_future(model, ridge.FAMILY, lesson.facts, lesson.built) is None
    honest = Facts.built

    def leaky(facts: Facts, origins: np.ndarray, as_of: np.ndarray) -> Built:
        built = honest(facts, origins, as_of)
        order = np.argsort(facts.history.valid_at, kind="stable")
        later = order[np.searchsorted(facts.history.valid_at[order], origins + np.timedelta64(1, "h")) % len(order)]
        shared = built.batch.shared.copy()
        shared[:, 0] += 0.1 * facts.history.value[later]
        return replace(built, batch=replace(built.batch, shared=shared))

    monkeypatch.setattr(Facts, "built", leaky)
    spoiled = lesson_of(full)
    reason = guard.sees_the_future(model_of(full, spoiled), ridge.FAMILY, spoiled.facts, spoiled.built)
    assert reason is not None
    assert "when what came later is replaced by noise" in reason


def test_a_candidate_that_takes_too_long_is_refused(full: Desk) -> None:
    lesson = lesson_of(full)
    ticks = iter([0.0, 5.5])
    reason = guard.flaw(model_of(full, lesson), ridge.FAMILY, lesson.built, lesson.target, clock=lambda: next(ticks))
    assert reason == "too slow: 5.5 s for 24 forecasts, 5 s are allowed"


def fight(ratio: float, p_value: float = 0.001, n: int = 500) -> Duel:
    return Duel(n, 100.0 * ratio, 100.0, 1.0, p_value)


NONE = Duel(12, *[float("nan")] * 4)


@pytest.mark.parametrize(
    ("promotion", "against", "outcome"),
    [
        ("auto", None, "promoted"),
        ("auto", NONE, "promoted"),
        ("auto", fight(1.0), "promoted"),
        ("auto", fight(1.04), "promoted"),
        ("auto", fight(1.06), "refused"),
        ("auto", fight(1.06, p_value=0.4), "promoted"),
        ("must_win", None, "promoted"),
        ("must_win", NONE, "refused"),
        ("must_win", fight(1.0), "refused"),
        ("must_win", fight(0.99, p_value=0.6), "promoted"),
        ("manual", None, "waiting"),
        ("manual", fight(0.5), "waiting"),
        ("manual", fight(2.0), "waiting"),
        ("never", None, "promoted"),
        ("never", fight(0.5), "refused"),
    ],
)
def test_the_policy_decides(promotion: str, against: Duel | None, outcome: str) -> None:
    policy = Policy(promotion=promotion)
    assert guard.verdict(policy, flaw=None, against=against).outcome == outcome
    broken = guard.verdict(policy, flaw="is broken", against=against)
    assert (broken.outcome, broken.reason) == ("refused", "is broken")


def test_what_was_rolled_back_must_win_under_any_automatic_policy() -> None:
    for against, outcome in ((fight(1.0), "refused"), (fight(0.9), "promoted"), (NONE, "refused")):
        verdict = guard.verdict(Policy(), flaw=None, against=against, must_win="v2 was rolled back")
        assert verdict.outcome == outcome
        assert "(v2 was rolled back)" in verdict.reason


@pytest.mark.parametrize(
    ("promotion", "outcome"),
    [("auto", "promoted"), ("must_win", "promoted"), ("manual", "waiting"), ("never", "refused")],
)
def test_a_champion_that_cannot_serve_is_no_bar_to_a_sound_candidate(promotion: str, outcome: str) -> None:
    policy, unfit = Policy(promotion=promotion), "v1 looks at other inputs"
    verdict = guard.verdict(policy, flaw=None, against=fight(1.5), unfit=unfit)
    assert verdict.outcome == outcome
    assert guard.verdict(policy, flaw="is broken", against=fight(1.5), unfit=unfit).reason == "is broken"
    if outcome == "promoted":
        why = "sound, and the champion cannot serve: v1 looks at other inputs (MAE 150.0 against the champion's 100.0"
        assert verdict.reason.startswith(why)
    back = guard.verdict(policy, flaw=None, against=fight(1.5), unfit=unfit, must_win="v2 was rolled back")
    assert back.outcome != "promoted"


def test_a_duel_is_fought_on_common_origins_only() -> None:
    rng = np.random.default_rng(3)
    own, other = rng.normal(0, 10, (300, 6)), rng.normal(0, 20, (300, 6))
    own[:50], other[250:, 2] = np.nan, np.nan
    result = guard.duel(own, other)
    assert result.n == 200
    assert result.candidate_mae == pytest.approx(np.abs(own[50:250]).mean())
    assert result.champion_mae == pytest.approx(np.abs(other[50:250]).mean())
    assert result.p_value < 0.01
    assert not result.clearly_worse(1.05)
    assert guard.duel(other, own).clearly_worse(1.05)
    assert not guard.duel(own[:100], other[:100]).comparable
