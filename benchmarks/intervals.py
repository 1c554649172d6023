"""Real data -> coverage and Winkler score of our adaptive bands beside quantile regression and CQR; kept in RESULTS.md.

Everybody learns once, at the start of the window; the bands of each origin are made of what was known when it was
issued. A hold-out of 28 days before the window is where our first bands come from, as in training.

    python -m benchmarks.intervals [--quick] [--window validation] [--family ridge] [--sets caiso,ercot] [--fresh]
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from benchmarks import quantiles, results
from benchmarks.contenders import MODELS, Ours, ask
from benchmarks.datasets import DATA, HOUR, NAMES, WINDOWS, Dataset, Period, load
from pipeline import backtest
from pipeline.adapting import Basis, Track
from pipeline.discovery import discover
from pipeline.models.base import Floats
from pipeline.windows import Ints, Versions

FAMILY, QUICK_FAMILY = "ensemble", "ridge"
OURS = "Sextant"
HOLD_OUT = 28 * 24
WEEK = 168
OVERALL, EACH, WORST_WEEK = 0.02, 0.06, 0.70
PROMISES = (("80 %", 1, 2, 0.8), ("90 %", 0, 3, 0.9))
NOTES = """\
Bands around T+1..T+6 from every hour of the window, made of what was known then; everybody learned once, at its start,
from the same features. CQR is corrected once, on the 60 days before the window, or (rolling) anew every day. Coverage
by horizon and by local hour of the target is the lowest and highest of the 6 and the 24; the worst week is of seven
days from the window's start with at least half of its pairs. No declared event lies in these windows."""


@dataclass(frozen=True)
class Held:
    """How bands of one promise held: overall, lowest and highest by horizon and hour, worst week, Winkler score."""

    coverage: float
    horizons: tuple[float, float]
    hours: tuple[float, float]
    worst_week: float
    winkler: float


@dataclass(frozen=True)
class Verdict:
    """One dataset: `held[contender][promise]`, and the sentences about targets that our bands miss."""

    title: str
    held: Mapping[str, Mapping[str, Held]]
    misses: tuple[str, ...]


def adaptive(dataset: Dataset, window: str, family: str, *, quick: bool, fresh: bool) -> tuple[Floats, Floats]:
    """(Points (n, H), edges (n, H, 4)) of ours for the window's origins."""
    batch, actual = dataset.built(window).batch, dataset.actuals(window).value
    first = dataset.periods[window].first
    held_from = first - HOLD_OUT * HOUR
    test, hold_out = batch.origins >= first, (batch.origins >= held_from) & (batch.origins < first)
    point = ask(Ours(family, family), dataset, window, quick=quick, fresh=fresh).values
    before = _hold_out(dataset, window, family, fresh=fresh)
    origins, history = batch.origins[test], dataset.history
    actuals = Versions(history.valid_at, history.value, history.known_at)
    track = Track(origins, actuals, zone=dataset.zone, since=held_from)
    held = track.spread(batch.origins[hold_out], before - actual[hold_out], np.nan)
    basis = Basis(own=np.ones(held.shape, dtype=bool), held=held)
    as_of = dataset.built(window).as_of[test]
    edges = np.full((*point.shape, 4), np.nan)
    for place in tqdm(range(len(origins)), desc=f"  {dataset.title} bands", delay=2, leave=False):
        edges[place] = track.band(origins[place], as_of[place], point[place], basis)
        track.remember(origins[[place]], point[[place]], edges[[place]])
    return point, edges


def _hold_out(dataset: Dataset, window: str, family: str, *, fresh: bool) -> Floats:
    """Forecasts of the hold-out by a fit at its start."""
    period = dataset.periods[window]
    start = period.first - HOLD_OUT * HOUR
    past = replace(dataset, periods={window: Period(period.train_from, start, period.first - HOUR)})
    built, actuals = past.built(window), past.actuals(window)

    def fit() -> Floats:
        return backtest.rolling_origin(
            discover("pipeline.models", "FAMILY")[family],
            built.batch,
            actuals.value,
            known_at=actuals.known_at,
            as_of=built.as_of,
            test_from=start,
            seed=7,
        )

    code = "".join(path.read_text(encoding="utf-8") for path in sorted(MODELS.glob("*.py")))
    words = f"{dataset.name} hold_out {family} {start} {code}"
    return quantiles.kept(words, [built.batch.shared, built.batch.target, actuals.value], fit, fresh=fresh)


def measure(dataset: Dataset, window: str, family: str, *, quick: bool, fresh: bool) -> Verdict:
    """Bands of everybody on the pairs that all have."""
    batch, actual = dataset.built(window).batch, dataset.actuals(window).value
    test = batch.origins >= dataset.periods[window].first
    edges = {OURS: adaptive(dataset, window, family, quick=quick, fresh=fresh)[1]}
    edges |= quantiles.bands(dataset, window, fresh=fresh)
    truth, hours = actual[test], batch.local_hour[test]
    common = ~np.isnan(truth) & ~np.any([np.isnan(one).any(axis=2) for one in edges.values()], axis=0)
    truth = np.where(common, truth, np.nan)
    held = {
        name: {
            words: _held(one[:, :, low], one[:, :, high], truth, hours, 1 - share)
            for words, low, high, share in PROMISES
        }
        for name, one in edges.items()
    }
    return Verdict(dataset.title, held, tuple(_misses(held, quick=quick)))


def _held(low: Floats, high: Floats, truth: Floats, hours: Ints, alpha: float) -> Held:
    """Winkler (1972): width plus 2/alpha times how far the actual lies outside."""
    known = ~np.isnan(truth)
    inside = np.where(known, (low <= truth) & (truth <= high), np.nan)
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    by_hour = [np.nanmean(inside[hours == hour]) for hour in range(24)]
    by_horizon = np.nanmean(inside, axis=0)
    weeks = [inside[start : start + WEEK] for start in range(0, len(inside), WEEK)]
    whole = [np.nanmean(week) for week in weeks if np.sum(~np.isnan(week)) >= WEEK * inside.shape[1] / 2]
    return Held(
        coverage=float(np.nanmean(inside)),
        horizons=(float(by_horizon.min()), float(by_horizon.max())),
        hours=(float(min(by_hour)), float(max(by_hour))),
        worst_week=float(min(whole)),
        winkler=float(np.nanmean(np.where(known, high - low + 2 / alpha * outside, np.nan))),
    )


def _misses(held: Mapping[str, Mapping[str, Held]], *, quick: bool) -> list[str]:
    found = []
    for words, _, _, share in PROMISES:
        ours = held[OURS][words]
        for name, others in held.items():
            if name != OURS and not ours.winkler < others[words].winkler:
                found.append(f"{words} Winkler {ours.winkler:,.0f} is not below {name}'s {others[words].winkler:,.0f}")
        # A fortnight says nothing of single hours and weeks.
        limit = EACH if quick else OVERALL
        if abs(ours.coverage - share) > limit:
            found.append(f"{words} covers {ours.coverage:.3f}")
        for what, (lowest, highest) in (("horizon", ours.horizons), ("hour", ours.hours)):
            if not quick and not share - EACH <= lowest <= highest <= share + EACH:
                found.append(f"{words} by {what} covers {lowest:.3f} to {highest:.3f}")
        if not quick and share == 0.8 and ours.worst_week < WORST_WEEK:
            found.append(f"{words} covers {ours.worst_week:.3f} in its worst week")
    return found


def table(verdict: Verdict) -> list[list[str]]:
    """Rows for print and Markdown, the first one the head."""
    rows = [[verdict.title, "covers", "by horizon", "by hour", "worst week", "Winkler"]]
    for words, *_ in PROMISES:
        for name, held in verdict.held.items():
            one = held[words]
            span = (f"{low:.3f} to {high:.3f}" for low, high in (one.horizons, one.hours))
            cells = [f"{words} {name}", f"{one.coverage:.3f}", *span, f"{one.worst_week:.3f}", f"{one.winkler:,.0f}"]
            rows.append(cells)
    return rows


def main() -> int:
    """Run the benchmark; exit code 1 when a target is missed."""
    options = _options()
    if not DATA.exists():
        print("intervals: the real data are not here (expected in ../shared/data) FALLS SHORT")
        return 1
    names = options.sets.split(",") if options.sets else ["caiso"] if options.quick else list(NAMES)
    family = options.family or (QUICK_FAMILY if options.quick else FAMILY)
    verdicts = []
    for name in names:
        dataset = load(name, quick=options.quick)
        verdict = measure(dataset, options.window, family, quick=options.quick, fresh=options.fresh)
        verdicts.append(verdict)
        for row in table(verdict):
            print(f"{row[0]:28}" + "".join(f"{cell:>18}" for cell in row[1:]))
        print("".join(f"  misses: {words}\n" for words in verdict.misses), flush=True)
    if not options.quick and not options.sets and options.window == "test":
        body = "\n\n".join([NOTES, *(results.markdown(table(one)) for one in verdicts), _summary(verdicts)])
        results.keep("intervals", f"Intervals around `{family}`", body)
    print(f"intervals: {_summary(verdicts)}")
    return 0 if not any(one.misses for one in verdicts) else 1


def _summary(verdicts: list[Verdict]) -> str:
    """The line that the benchmark ends with."""
    ratio = [
        one.held[OURS][words].winkler / min(held[words].winkler for name, held in one.held.items() if name != OURS)
        for one in verdicts
        for words, *_ in PROMISES
    ]
    missed = [f"{one.title}: {words}" for one in verdicts for words in one.misses]
    words = "PASS" if not missed else f"FALLS SHORT ({'; '.join(missed)})"
    return f"Winkler {max(ratio):.3f} of the best rival's at most (target below 1, and coverage as promised) {words}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--window", choices=WINDOWS, default="test")
    parser.add_argument("--family")
    parser.add_argument("--sets")
    parser.add_argument("--fresh", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
