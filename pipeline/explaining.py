"""Two issues + the facts that both could know -> why the newer one says otherwise, reason by reason, adding up.

The newer row is built anew with only what the older issue knew, then group by group of facts is let in. An effect
is the Shapley value of its group: the mean, over all orders in which the groups can come in, of what the forecast
moves by as it does (Shapley 1953; for forecasts Lundberg & Lee 2017, here with groups of features as players). Where
a linear model moves by the same in whatever order, that is weight times change, to rounding; else it is an
approximation in the sense that groups that act together share what they do: of other models, and of groups that meet
in a feature that is not linear in the facts, such as the lowest of the last 24 hours. What remains is the same
knowledge seen from an hour nearer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import exogenous, features
from pipeline.counterfactual import LAST_HOUR, REVISED, Coalition, Rows, Told
from pipeline.errors import ModelError
from pipeline.exogenous import Exogenous
from pipeline.inputs import Facts
from pipeline.markets import HORIZONS, Target
from pipeline.models.base import Batch, Family, Floats, is_linear
from pipeline.registry import Model

MODEL, REST, OTHERS = "model", "rest", "other_inputs"
MOST_PLAYERS = 8
"""2 to this many rows are forecast; with more, those that do least by themselves come in together."""
ROUNDING = 1e-9
"""Share of a forecast by which sums may differ for no reason but rounding."""
SMALL = 10.0
"""Below, an amount is told with a decimal."""

Predict = Callable[[Batch], Floats]
Player = tuple[str, Coalition]


@dataclass(frozen=True)
class Side:
    """An issue, by which version, and how that version answers to other rows: None where it cannot be asked."""

    told: Told
    version_id: str
    predict: Predict | None
    linear: bool


def side(told: Told, version_id: str, model: Model | None, family: Family | None) -> Side:
    """The issue `told` of a version; without model and family it is a fallback, the naive forecast."""
    if model is None or family is None:
        return Side(told, version_id, lambda batch: batch.naive, linear=True)
    return Side(told, version_id, lambda batch: _asked(model, family, batch), linear=is_linear(family))


def explain(target: Target, facts: Facts, before: Side, after: Side, *, made_at: pd.Timestamp) -> pd.DataFrame:
    """Rows of table `reasons`, without `written_at` and `run_id`, for the hours that both issues forecast.

    The effects of an hour, in the target's unit, add up to its p50 less that of the issue before. `facts` as of
    inputs.facts for both origins, known at the as_of of `after`.
    Raises ModelError when a version has no number for a row of the comparison.
    """
    rows = Rows(facts, before.told, after.told)
    apart = len(rows.hours)
    later = before.told.point[apart:]
    change = after.told.point[: len(later)] - later[: len(after.told.point)]
    if apart < 1 or not len(change) or not np.isfinite([*change, *before.told.point[:apart]]).all():
        return pd.DataFrame()
    players, effects, exact = _effects(rows, before, after)
    effects = effects[:, : len(change)]
    words = _Words(target, rows, before, after)
    told = {name: words.of(name) for name, _ in players}
    rest = MODEL if before.predict is None else REST
    lines = [(name, *told[name], effect) for (name, _), effect in zip(players, effects, strict=True)]
    lines.append((rest, *words.of(rest), change - effects.sum(axis=0)))
    return _frame(target, before, after, lines, exact=exact, made_at=made_at)


def shapley(worth: Floats) -> Floats:
    """(k, H) Shapley values of k players from (2^k, H) the worth of each coalition, bit i telling if player i is in."""
    count = len(worth).bit_length() - 1
    masks = np.arange(len(worth))
    size = np.array([int(mask).bit_count() for mask in masks])
    values = np.zeros((count, worth.shape[1]))
    for player in range(count):
        out = masks[masks >> player & 1 == 0]
        share = [factorial(n) * factorial(count - n - 1) / factorial(count) for n in size[out]]
        values[player] = share @ (worth[out | 1 << player] - worth[out])
    return values


def additive(worth: Floats) -> NDArray[np.bool_]:
    """(H,) whether each player adds the same to every coalition, but for rounding; `worth` as in `shapley`."""
    count = len(worth).bit_length() - 1
    bits = np.arange(len(worth))[:, None] >> np.arange(count) & 1
    alone = worth[1 << np.arange(count)] - worth[0]
    room = ROUNDING * np.maximum(np.abs(worth).max(axis=0), 1.0)
    same: NDArray[np.bool_] = (np.abs(worth - worth[0] - bits @ alone) <= room).all(axis=0)
    return same


def _effects(rows: Rows, before: Side, after: Side) -> tuple[list[Player], Floats, NDArray[np.bool_]]:
    """(Players, their effects (k, H), (H,) whether these follow from the model's arithmetic alone)."""
    other = before.version_id != after.version_id and before.predict is not None
    players: list[Player] = [(name, frozenset({name})) for name in rows.moved]
    players = _few(rows, after, players, MOST_PLAYERS - other)
    coalitions = _coalitions([groups for _, groups in players])
    batch = rows.batch(coalitions)
    worth = _answer(after, batch)
    if other:
        worth = np.concatenate([_answer(before, batch), worth])
        players.append((MODEL, frozenset()))
    linear = after.linear and before.version_id == after.version_id
    exact = linear and not any(exogenous.missing(batch))
    return players, shapley(worth), additive(worth) & exact


def _few(rows: Rows, after: Side, players: list[Player], most: int) -> list[Player]:
    """At most `most` players: the inputs that do least by themselves become one."""
    if len(players) <= most:
        return players
    alone = _answer(after, rows.batch([frozenset(), *(groups for _, groups in players)]))
    reach = np.abs(alone[1:] - alone[0]).max(axis=1)
    inputs = [place for place, (name, _) in enumerate(players) if name not in (LAST_HOUR, REVISED)]
    least = sorted(inputs, key=lambda place: reach[place])[: len(players) - most + 1]
    together = frozenset[str]().union(*(players[place][1] for place in least))
    return [one for place, one in enumerate(players) if place not in least] + [(OTHERS, together)]


def _coalitions(groups: list[Coalition]) -> list[Coalition]:
    """All of them; bit i of the place tells whether groups[i] is in."""
    return [
        frozenset[str]().union(*(one for bit, one in enumerate(groups) if mask >> bit & 1))
        for mask in range(1 << len(groups))
    ]


def _answer(of: Side, batch: Batch) -> Floats:
    if of.predict is None:
        raise ModelError(f"{of.version_id} cannot be asked; it is of another feature set, family or file.")
    point = of.predict(batch)
    if not np.isfinite(point).all():
        raise ModelError(f"{of.version_id} has no number for what was known before; the issue stands as it is.")
    return point


def _asked(model: Model, family: Family, batch: Batch) -> Floats:
    """What the version would issue, as issuing does: reduced where an input is missing, else naive where it must."""
    point = family.predict(model.state, batch)
    lacks = exogenous.missing(batch).astype(bool)
    if model.reduced is not None and lacks.any():
        point[lacks] = family.predict(model.reduced, features.without_inputs(batch.rows(lacks)))
    return np.where(np.isfinite(point).all(axis=1, keepdims=True), point, batch.naive)


@dataclass(frozen=True)
class _Words:
    """What each player did, as a sentence piece, with by how much it moved: (words, (H,) moved, unit) by horizon."""

    target: Target
    rows: Rows
    before: Side
    after: Side

    def of(self, name: str) -> tuple[list[str], Floats, str]:
        unit, count = self.target.series.unit, len(HORIZONS)
        if name in (LAST_HOUR, REVISED):
            words, moved = self._last_hour() if name == LAST_HOUR else self._revised()
            return [words] * count, np.full(count, moved), unit
        for one, series in zip(self.rows.facts.inputs, self.target.inputs, strict=True):
            if one.key == name:
                return *self._input(one, series.title), series.unit
        texts = {MODEL: self._model(), OTHERS: "other inputs moved"}
        return [texts.get(name, self._nearer())] * count, np.full(count, np.nan), unit

    def _last_hour(self) -> tuple[str, float]:
        rows, apart = self.rows, len(self.rows.hours)
        actual = features.training_actuals(rows.facts.history, rows.hours - 1, as_of=rows.after.as_of).value[:, 0]
        moved = float(np.mean(actual - rows.before.point[:apart]))
        first, last = (
            f"{pd.Timestamp(hour).tz_localize('UTC').tz_convert(self.target.zone):%H:%M}"
            for hour in rows.hours[[0, -1]]
        )
        which, mean = (f"the {first} hour", "") if apart == 1 else (f"the hours {first} to {last}", " on average")
        if np.isnan(moved):
            return f"{which} {'has' if apart == 1 else 'have'} not come in", moved
        amount, side_of = _amount(moved, self.target.series.unit), "above" if moved > 0 else "below"
        return f"{which} came in {f'{amount} {side_of}' if amount else 'as in'} the forecast{mean}", moved

    def _revised(self) -> tuple[str, float]:
        old, new = self.rows.window(self.rows.before), self.rows.window(self.rows.after)
        late, changed = int((np.isnan(old) & ~np.isnan(new)).sum()), (new - old)[(new != old) & np.isfinite(new - old)]
        if not len(changed):
            return (f"{_hours(late)} came in late" if late else "earlier hours were taken back"), float("nan")
        moved = float(np.mean(changed))
        amount = _amount(moved, self.target.series.unit)
        by = f", {'up' if moved > 0 else 'down'} by {amount} on average" if amount else ""
        return f"{_hours(len(changed))} {'was' if len(changed) == 1 else 'were'} revised{by}", moved

    def _input(self, one: Exogenous, title: str) -> tuple[list[str], Floats]:
        name = f"the {title[0].lower() if title[1:2].islower() else title[0]}{title[1:]}"
        old, new = (self._values(one, told.as_of) for told in (self.rows.before, self.rows.after))
        told = _measured if one.kind == "measured" else _moved
        return [told(name, *pair, one.unit) for pair in zip(old, new, strict=True)], new - old

    def _values(self, one: Exogenous, as_of: np.datetime64) -> Floats:
        """(H,) the input's value of each target hour, of a measurement that of the origin, as known at `as_of`."""
        if one.kind != "measured":
            origin = np.array([self.rows.after.origin])
            if one.versions is None:
                return np.full(len(HORIZONS), np.nan)
            values: Floats = features.training_actuals(one.versions, origin, as_of=as_of).value[0]
            return values
        whole = frozenset(self.rows.groups)
        batch = self.rows.batch([whole if as_of == self.rows.after.as_of else whole - {one.key}])
        now = batch.shared[0, batch.shared_names.index(f"{exogenous.PREFIX}{one.key}_now")]
        return np.full(len(HORIZONS), now)

    def _model(self) -> str:
        if self.after.version_id == "naive":
            return f"the fallback stands in for {self.before.version_id}"
        if self.before.version_id == "naive":
            return f"{self.after.version_id} is back after the fallback"
        return f"{self.after.version_id} took over from {self.before.version_id}"

    def _nearer(self) -> str:
        apart = len(self.rows.hours)
        return f"the same knowledge seen from {'an hour' if apart == 1 else f'{apart} hours'} nearer"


def _moved(name: str, old: float, new: float, unit: str) -> str:
    if np.isnan(new):
        return f"{name} is not known any more" if np.isfinite(old) else f"{name} of this hour is not known"
    if np.isnan(old):
        return f"{name} came in"
    amount = _amount(new - old, unit)
    return f"{name} {'rose' if new > old else 'fell'} by {amount}" if amount else f"{name} of this hour hardly moved"


def _measured(name: str, expected: float, new: float, unit: str) -> str:
    amount = _amount(new - expected, unit)
    if not np.isfinite(new - expected) or not amount:
        return _moved(name, expected, new, unit).replace(" of this hour hardly moved", " came in as usual")
    return f"{name} came in {amount} {'above' if new > expected else 'below'} its course of the day before"


def _amount(moved: float, unit: str) -> str:
    """The size with its unit; empty where it would read as nothing."""
    text = f"{abs(moved):,.0f}" if abs(moved) >= SMALL else f"{abs(moved):.1f}"
    return f"{text} {unit}" if float(text.replace(",", "")) else ""


def _hours(count: int) -> str:
    return "an earlier hour" if count == 1 else f"{count} earlier hours"


def _frame(
    target: Target, before: Side, after: Side, lines: list[Any], *, exact: NDArray[np.bool_], made_at: pd.Timestamp
) -> pd.DataFrame:
    origin, former = (pd.Timestamp(one.told.origin).tz_localize("UTC").as_unit("us") for one in (after, before))
    return pd.DataFrame(
        {
            "target": target.id,
            "origin": origin,
            "horizon": place + 1,
            "valid_at": origin + pd.Timedelta(hours=place + 1),
            "version_id": after.version_id,
            "before_origin": former,
            "before_version_id": before.version_id,
            "input": name,
            "words": words[place],
            "moved": moved[place],
            "unit": unit,
            "effect": effect,
            "exact": exact[place],
            "made_at": made_at,
        }
        for name, words, moved, unit, effects in lines
        for place, effect in enumerate(effects)
    )
