"""A candidate, as loaded back from its file, + the champion's errors -> whether it may serve, and why not."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from pipeline import features, metrics
from pipeline.exogenous import Exogenous
from pipeline.features import Built
from pipeline.inputs import Facts
from pipeline.markets import Policy, Target
from pipeline.models.base import Batch, Family, Floats
from pipeline.registry import Model
from pipeline.windows import Versions

V = TypeVar("V", bound=Versions)

LATEST = 24
BUDGET_S = 5.0
SAMPLES = 6
RECENT = 672
TOLERANCE = 1e-6
"""Share of the level by which a forecast may move for no reason but rounding."""
LEAST_COMMON, LEAST_SELDOM = 100, 20
"""Origins to compare on, of a target that is issued every hour; of others their part of it, down to the second."""
LEARNED = 1.2
"""Ratio of MAE above which a model errs too much on what it has learned."""
DOUBT = 0.10
"""Two-sided p-value above which a difference may be chance: 5 % on the side that matters."""


@dataclass(frozen=True)
class Duel:
    """MAE of candidate and champion on `n` common origins; NaN where these are too few to compare.

    standard_error: of the mean difference; p_value: two-sided, of no difference (see metrics).
    """

    n: int
    candidate_mae: float
    champion_mae: float
    standard_error: float
    p_value: float

    @property
    def comparable(self) -> bool:
        """Whether there is enough to compare."""
        return bool(np.isfinite(self.candidate_mae))

    def clearly_worse(self, tolerated: float) -> bool:
        """Whether the candidate's MAE is above `tolerated` times the champion's, and not by chance."""
        return self.candidate_mae > tolerated * self.champion_mae and not self.p_value >= DOUBT

    def words(self) -> str:
        """One phrase for reasons."""
        if not self.comparable:
            return f"{self.n} origins in common with the champion, too few to compare"
        return (
            f"MAE {self.candidate_mae:,.1f} against the champion's {self.champion_mae:,.1f} on {self.n} common "
            f"origins (difference {self.candidate_mae - self.champion_mae:+,.1f} ± {self.standard_error:,.1f}, "
            f"p = {self.p_value:.2g})"
        )


@dataclass(frozen=True)
class Verdict:
    """What is to become of a candidate: promoted, refused or waiting, and one sentence why."""

    outcome: str
    reason: str


def flaw(
    model: Model, family: Family, built: Built, target: Target, *, clock: Callable[[], float] = time.perf_counter
) -> str | None:
    """Why the model must not serve, or None.

    It has to forecast the newest LATEST origins of `built`, or with a reduced state the newest whole ones and the
    newest ones without inputs, by finite and plausible numbers within BUDGET_S. `clock` gives seconds.
    """
    # Live rows are read from the table, which does not keep the hours that only yardsticks look at.
    stored = replace(built.batch, recent=np.empty((len(built.batch), 0)))
    newest = stored.rows(slice(-LATEST, None))
    trials = {"": (model.state, newest)}
    if model.reduced is not None:
        whole = np.flatnonzero(built.missing_inputs == "")[-LATEST:]
        trials = {
            "": (model.state, stored.rows(whole)),
            " without inputs": (model.reduced, features.without_inputs(newest)),
        }
    start = clock()
    points = {words: family.predict(state, batch) for words, (state, batch) in trials.items() if len(batch)}
    took = clock() - start
    if took > BUDGET_S:
        return f"too slow: {took:.1f} s for {sum(map(len, points.values()))} forecasts, {BUDGET_S:g} s are allowed"
    reasons = [_implausible(point, target, words) for words, point in points.items()]
    return next((reason for reason in reasons if reason), None)


def sees_the_future(model: Model, family: Family, facts: Facts, built: Built) -> str | None:
    """Why the model's forecasts cannot be reproduced live, or None.

    SAMPLES origins of the newest RECENT of `built` are forecast twice: among all later ones, and each alone
    from facts in which everything after it, and everything not known at its issue, is replaced by noise.
    """
    origins, as_of = built.batch.origins, built.as_of
    places = np.unique(np.linspace(max(0, len(origins) - RECENT), len(origins) - 1, SAMPLES).astype(int))
    among = family.predict(model.state, built.batch.rows(slice(places[0], None)))[places - places[0]]
    alone, blind = (np.full(among.shape, np.nan) for _ in range(2))
    for row, place in enumerate(places):
        alone[row] = family.predict(model.state, built.batch.rows(slice(place, place + 1)))[0]
        noisy = spoiled(facts, origins[place], as_of[place]).built(origins[[place]], as_of[[place]])
        # Without an input it is the reduced state's turn.
        blind[row] = family.predict(model.state, noisy.batch)[0] if noisy.missing_inputs[0] == "" else alone[row]
    level = built.batch.level[places]
    if moved := _moved(among, alone, level):
        return f"sees the future: {moved} of {len(places)} forecasts change when later origins are not beside them"
    if moved := _moved(alone, blind, level):
        return f"sees the future: {moved} of {len(places)} forecasts change when what came later is replaced by noise"
    return None


def worse_than_held_out(model: Model, family: Family, batch: Batch, actual: Floats, hold_out_mae: float) -> str | None:
    """Why the fit on everything is not the fit that was tested, or None.

    It has learned the hold-out, `batch` with `actual` (n, k) of the first k horizons, so it must not err much more
    there than the fit that had not: `hold_out_mae`.
    """
    mae = float(metrics.mae(family.predict(model.state, batch)[:, : actual.shape[1]], actual))
    if mae <= LEARNED * hold_out_mae:
        return None
    return f"its fit on everything errs by {mae:,.1f} on hours it has learned, by {hold_out_mae:,.1f} before it had"


def spoiled(facts: Facts, origin: np.datetime64, as_of: np.datetime64) -> Facts:
    """The facts with noise for all that was not known at `as_of`, and for all that was measured after `origin`."""

    def noisy_input(one: Exogenous) -> Exogenous:
        if one.versions is None:
            return one
        unknown = one.versions.known_at > as_of
        if one.kind == "measured":
            unknown |= one.versions.valid_at > origin
        return replace(one, versions=_noisy(one.versions, unknown))

    unknown = (facts.history.valid_at > origin) | (facts.history.known_at > as_of)
    return replace(facts, history=_noisy(facts.history, unknown), inputs=tuple(map(noisy_input, facts.inputs)))


def duel(candidate: Floats, champion: Floats, *, every_h: int = 1) -> Duel:
    """Compare two (n, H) arrays of errors of the same hourly origins in time order, where both are known.

    `every_h`: the target is issued every so many hours, so that no more origins than that are common.
    """
    both = np.isfinite(candidate + champion).all(axis=1, keepdims=True)
    own, other = (np.where(both, np.abs(errors), np.nan) for errors in (candidate, champion))
    n = int(both.sum())
    if n < max(LEAST_COMMON / every_h, LEAST_SELDOM):
        return Duel(n, *[float("nan")] * 4)
    return Duel(
        n=n,
        candidate_mae=float(np.nanmean(own)),
        champion_mae=float(np.nanmean(other)),
        standard_error=metrics.standard_error(own - other),
        p_value=metrics.diebold_mariano(own, other),
    )


def verdict(
    policy: Policy, *, flaw: str | None, against: Duel | None, must_win: str | None = None, unfit: str | None = None
) -> Verdict:
    """Decide by the target's policy. `against` None: there is no champion; `must_win` says why it has to.

    `unfit` says why the champion itself cannot serve: what it once did is then no reason to go on with naive.
    """
    if flaw is not None:
        return Verdict("refused", flaw)
    if policy.promotion == "manual":
        return Verdict("waiting", f"waits for approval: {'no champion yet' if against is None else against.words()}")
    if against is None:
        return Verdict("promoted", "sound, and the first")
    if policy.promotion == "never":
        return Verdict("refused", f"the policy is that only a person promotes: {against.words()}")
    if unfit and not must_win:
        return Verdict("promoted", f"sound, and the champion cannot serve: {unfit} ({against.words()})")
    if policy.promotion == "must_win" or must_win:
        return _won(against, must_win or "the policy is must_win")
    if against.clearly_worse(policy.clearly_worse):
        return Verdict("refused", f"clearly worse: {against.words()}")
    return Verdict("promoted", f"sound and not clearly worse than the champion: {against.words()}")


def _won(against: Duel, why: str) -> Verdict:
    if against.comparable and against.candidate_mae < against.champion_mae:
        return Verdict("promoted", f"won as it must ({why}): {against.words()}")
    return Verdict("refused", f"did not win ({why}): {against.words()}")


def _noisy(versions: V, unknown: np.ndarray) -> V:
    rng = np.random.default_rng(7)
    names = [one.name for one in fields(versions) if one.name not in ("valid_at", "known_at")]
    changed = {name: np.where(unknown, rng.normal(0, 1e6, len(versions)), getattr(versions, name)) for name in names}
    return replace(versions, **changed)


def _implausible(point: Floats, target: Target, words: str) -> str | None:
    point = point[:, : target.width]
    if not np.isfinite(point).all():
        return f"{int((~np.isfinite(point)).sum())} of its latest forecasts{words} are not numbers"
    if point.min() < target.minimum or point.max() > target.maximum:
        return f"its latest forecasts{words} reach {point.min():,.0f} to {point.max():,.0f} {target.series.unit}"
    return None


def _moved(first: Floats, second: Floats, level: Floats) -> int:
    room = TOLERANCE * np.maximum(np.abs(level), 1.0)[:, None]
    same = (np.abs(first - second) <= room) | (np.isnan(first) & np.isnan(second))
    return int((~same.all(axis=1)).sum())
