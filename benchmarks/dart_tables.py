"""Answers of benchmarks.dart -> tables, the headline, what falls short."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline import metrics
from pipeline.intervals import EDGES, LEVELS
from pipeline.models.base import Floats

OURS, AHEAD, LAST, YESTERDAY = "Sextant", "day-ahead", "persistence", "same hour yesterday"
RIVALS = (AHEAD, LAST, YESTERDAY)
ALL = slice(None)
SIDES = ["right", "last hour's side is right", "gain", "always up is right", "profit an hour", "last hour's side earns"]
SIDES += ["gain in profit", "always up earns", "sum", "pairs"]
Answers = Sequence[Any]
What = Callable[[Floats, Floats], Floats]
NOTES = """\
Hourly origins, T+1..T+6, USD/MWh, pairs that all contenders have. Day-ahead prices were known at 13:30 Central of the
day before, a real-time hour ten minutes after its end. Bands of everybody are made in the same way from his own errors.
Intervals hold 95 % and mind autocorrelation; those of all points together take the points of an hour as one. Profit is
of one megawatt in the forecast's direction: as T+1..T+6 come after the day-ahead gate has closed nobody can earn it, it
weighs directions by their size. The yardstick of direction is a rule without a model, "the side of the last hour known
at the issue": a spread tends to keep its side, so that a high share of right sides says little by itself. Gains are
Sextant's share or profit less the rule's, pair by pair."""


def tables(answers: Answers) -> list[list[list[str]]]:
    """Rows for print and Markdown: errors, quantiles, direction by point; errors, direction by horizon."""
    parts = [(one.name, [one]) for one in answers] + ([("all", list(answers))] if len(answers) > 1 else [])
    sides = [_side(words, some, ALL) for words, some in parts]
    far = [_side(f"T+{h + 1}", answers, slice(h, h + 1)) for h in range(6)]
    return [
        _errors(parts),
        _quantiles(parts),
        [["direction", *SIDES], *sides],
        _horizons(answers),
        [["by horizon", *SIDES], *far],
    ]


def numbers(answers: Answers) -> dict[str, float]:
    """The headline, as dart_recount has it."""
    hits, earned = gain(answers, metrics.hits), gain(answers, metrics.earnings)
    return {
        "n": float(sum(np.isfinite(one.actual).sum() for one in answers)),
        "mae": mae(answers, OURS),
        AHEAD: mae(answers, AHEAD),
        LAST: mae(answers, LAST),
        "pinball": pinball(answers, OURS),
        "hit rate": float(metrics.hit_rate(*_pairs(answers))),
        "profit": float(metrics.profit(*_pairs(answers))),
        "hit rate of rule": float(metrics.hit_rate(*_pairs(answers, LAST))),
        "profit of rule": float(metrics.profit(*_pairs(answers, LAST))),
        "hit rate gain": hits[0],
        "hit rate gain error": hits[1],
        "profit gain": earned[0],
        "profit gain error": earned[1],
        "tail MAE": metrics.tail_mae(*_pairs(answers)),
        "R2": r2(answers),
        "coverage 80": covered(answers, 1, 2),
    }


def misses(answers: Answers) -> list[str]:
    """Baselines that ours does not beat, overall."""
    found = []
    for rival in RIVALS:
        if not mae(answers, OURS) < mae(answers, rival):
            found.append(f"MAE is not below that of {rival}")
        if not pinball(answers, OURS) < min(pinball(answers, rival), mae(answers, rival) / 2):
            found.append(f"pinball loss is not below that of {rival}")
    return found


def headline(answers: Answers) -> str:
    """One line of figures; horizons at which a rule without a model is as good are named."""
    found, best = numbers(answers), min(mae(answers, rival) for rival in RIVALS)
    loss = min(pinball(answers, rival) for rival in RIVALS)
    far = [f"T+{h + 1}" for h in range(6) if not mae(answers, OURS, h) < mae(answers, AHEAD, h)]
    words = f"; no better than day-ahead at {', '.join(far)}" if far else ""
    return (
        f"MAE {found['mae']:.2f}, {found['mae'] / best:.3f} of the best baseline's, pinball loss "
        f"{found['pinball']:.3f}, {found['pinball'] / loss:.3f} of the best with the same bands (targets below 1), "
        f"direction right in {found['hit rate']:.1%}, the last hour's side in {found['hit rate of rule']:.1%} "
        f"(gain {points(*gain(answers, metrics.hits))}), profit {found['profit']:.2f} and "
        f"{found['profit of rule']:.2f} (gain {dollars(*gain(answers, metrics.earnings))}), R2 {found['R2']:.3f}"
        f"{words}{_no_gain(answers)}"
    )


def gain(answers: Answers, what: What, h: slice = ALL) -> tuple[float, float]:
    """Mean and standard error of `what` of ours less that of the rule "the side of the last known hour", paired."""
    pairs = np.stack([_gained(one, what) for one in answers])[..., h]
    return float(np.nanmean(pairs)), metrics.mean_error(_over_points(pairs))


def mae(answers: Answers, name: str, h: Any = slice(None)) -> float:
    """Of all points together, of one horizon or all."""
    return float(np.nanmean(np.abs(np.stack([one.point[name][:, h] - one.actual[:, h] for one in answers]))))


def pinball(answers: Answers, name: str) -> float:
    """Mean over the quantiles; the median is the point."""
    actual = np.stack([one.actual for one in answers])
    edges = dict(zip(EDGES, np.moveaxis(np.stack([one.edges[name] for one in answers]), -1, 0), strict=True))
    edges["p50"] = np.stack([one.point[name] for one in answers])
    return float(np.mean([metrics.pinball_loss(edges[key], actual, level=level) for key, level in LEVELS.items()]))


def covered(answers: Answers, low: int, high: int) -> float:
    """Share of actuals between two of EDGES of ours."""
    edges = np.stack([one.edges[OURS] for one in answers])
    return float(metrics.coverage(edges[..., low], edges[..., high], np.stack([one.actual for one in answers])))


def r2(answers: Answers, h: Any = slice(None)) -> float:
    """1 - sum of squared errors / sum of squares about the test's own mean."""
    forecast, actual = (part[..., h] for part in _pairs(answers))
    known = np.isfinite(actual)
    spread = actual[known] - actual[known].mean()
    return float(1 - np.sum((forecast - actual)[known] ** 2) / np.sum(spread**2))


def _pairs(answers: Answers, name: str = OURS) -> tuple[Floats, Floats]:
    """(points, n, H) forecasts of one contender and actuals."""
    return np.stack([one.point[name] for one in answers]), np.stack([one.actual for one in answers])


def _gained(one: Any, what: What) -> Floats:
    gained: Floats = what(one.point[OURS], one.actual) - what(one.point[LAST], one.actual)
    return gained


def _no_gain(answers: Answers) -> str:
    """Horizons at which the interval of a gain does not lie above 0."""
    found = ""
    for words, what in ("direction", metrics.hits), ("profit", metrics.earnings):
        gains = [gain(answers, what, slice(h, h + 1)) for h in range(6)]
        equal = [f"T+{h + 1}" for h, (mean, error) in enumerate(gains) if not mean - metrics.NORMAL * error > 0]
        where = "any horizon" if len(equal) == len(gains) else ", ".join(equal)
        found += f"; {words} no better than the last hour's side at {where}" if equal else ""
    return found


def _of_hours(answers: Answers, what: What) -> Floats:
    return _over_points(np.stack([what(one.point[OURS], one.actual) for one in answers]))


def _over_points(values: Floats) -> Floats:
    """(n, H) means over the points, which share their hours: one cluster each."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def _errors(parts: list[tuple[str, Answers]]) -> list[list[str]]:
    rows = [["MAE", OURS, *RIVALS, "against day-ahead", f"tail MAE {OURS}", f"tail MAE {AHEAD}", "R2"]]
    for words, answers in parts:
        actual = np.stack([one.actual for one in answers])
        tail = [metrics.tail_mae(np.stack([one.point[name] for one in answers]), actual) for name in (OURS, AHEAD)]
        values = [mae(answers, name) for name in (OURS, *RIVALS)]
        cells = [f"{value:.2f}" for value in (*values, *tail)]
        cells.insert(4, f"{values[0] / values[1] - 1:+.1%} ± {metrics.NORMAL * _skill_error(answers):.1%}")
        rows.append([words, *cells, f"{r2(answers):.3f}"])
    return rows


def _skill_error(answers: Answers, h: Any = slice(None)) -> float:
    ours = _of_hours(answers, lambda forecast, actual: np.abs(forecast - actual))
    rival = _of_hours(answers, lambda _, actual: np.abs(actual))
    return metrics.skill_error(ours[:, h], rival[:, h])


def _quantiles(parts: list[tuple[str, Answers]]) -> list[list[str]]:
    banded, alone = ([f"{name}, {how}" for name in RIVALS] for how in ("same bands", "point alone"))
    rows = [["pinball loss", OURS, *banded, *alone, "80 % covers", "90 % covers"]]
    for words, answers in parts:
        values = [pinball(answers, name) for name in (OURS, *RIVALS)] + [mae(answers, name) / 2 for name in RIVALS]
        cover = f"{covered(answers, 1, 2):.3f}", f"{covered(answers, 0, 3):.3f}"
        rows.append([words, *(f"{value:.3f}" for value in values), *cover])
    return rows


def _side(words: str, answers: Answers, h: slice) -> list[str]:
    """A row of SIDES."""
    (ours, actual), (last, _) = ([part[..., h] for part in _pairs(answers, name)] for name in (OURS, LAST))
    up, n = np.ones(actual.shape), int(np.isfinite(actual).sum())
    hits, earned = (_of_hours(answers, what)[:, h] for what in (metrics.hits, metrics.earnings))
    profit = float(metrics.profit(ours, actual))
    cells = [_percent(float(metrics.hit_rate(ours, actual)), metrics.mean_error(hits))]
    cells += [f"{float(metrics.hit_rate(last, actual)):.1%}", points(*gain(answers, metrics.hits, h))]
    cells += [f"{float(metrics.hit_rate(up, actual)):.1%}", dollars(profit, metrics.mean_error(earned))]
    cells += [f"{float(metrics.profit(last, actual)):.2f}", dollars(*gain(answers, metrics.earnings, h))]
    return [words, *cells, f"{float(metrics.profit(up, actual)):.2f}", f"{profit * n:,.0f}", f"{n:,}"]


def _horizons(answers: Answers) -> list[list[str]]:
    rows = [["horizon", f"MAE {OURS}", f"MAE {AHEAD}", f"MAE {LAST}", "against day-ahead", "R2"]]
    for h in range(6):
        ours, rival, last = (mae(answers, name, h) for name in (OURS, AHEAD, LAST))
        skill = f"{ours / rival - 1:+.1%} ± {metrics.NORMAL * _skill_error(answers, h):.1%}"
        rows.append([f"T+{h + 1}", f"{ours:.2f}", f"{rival:.2f}", f"{last:.2f}", skill, f"{r2(answers, h):.3f}"])
    return rows


def _percent(mean: float, error: float) -> str:
    return f"{mean:.1%} ({mean - metrics.NORMAL * error:.1%} to {mean + metrics.NORMAL * error:.1%})"


def points(mean: float, error: float) -> str:
    """A difference of shares, in percentage points, and what holds it with 95 %."""
    low, high = mean - metrics.NORMAL * error, mean + metrics.NORMAL * error
    return f"{100 * mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def dollars(mean: float, error: float) -> str:
    """USD an hour and what holds them with 95 %."""
    return f"{mean:.2f} ({mean - metrics.NORMAL * error:.2f} to {mean + metrics.NORMAL * error:.2f})"
