"""Scored forecasts of a spread -> what one megawatt on their side earned, and whether direction and size hold."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import formats, measuring, slicing, ui, wording
from dashboard.figures import spread as charts
from dashboard.panels import by_slice
from dashboard.panels.chosen import Chosen
from pipeline import metrics
from pipeline.models.base import Floats

SURE = 1.96
"""Standard errors to each side that leave out 5 %."""
MOMENTS = 40
"""At how many moments the band of the sum is worked out."""
TENTHS, LEAST = 10, 50
LIKELY = ("hit_rate", "hit_rate_se", "n_hit_rate")


def show(chosen: Chosen) -> None:
    """The sum over time, hit rate by hour of day, actuals by tenth of the forecast."""
    if "profit" not in chosen.frame.target.metrics:
        return
    frame, horizon = chosen.frame, chosen.horizon or 1
    currency = frame.unit.partition("/")[0]
    rows = measuring.of_horizon(chosen.rows, horizon)
    with ui.panel(f"{wording.earned(frame.target)}, T+{horizon}, {currency}", wording.position(frame.target)):
        if rows.empty:
            ui.empty("No hour of this horizon is scored", "Choose another window or horizon.", ":material/payments:")
            return
        found = chosen.made("earnings", lambda: earnings(rows))
        figure = frame.figure(
            "earned",
            lambda: charts.earned(found, palette=frame.palette, zone=frame.zone, currency=currency),
            *chosen.key,
        )
        ui.draw(
            figure, key="earned", alt=f"{wording.earned(frame.target)} at T+{horizon} since the beginning of the window"
        )
        st.caption(_words(chosen, rows, found, currency))
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Direction right by hour of day, T+{horizon}"):
        _hours(chosen, rows)
    with right, ui.panel(f"Actuals by forecast, T+{horizon}, {frame.unit}"):
        _tenths(chosen, rows)


def earnings(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums since the first hour, by `valid_at` of one horizon: `earned` on the forecast's side, `long` always above
    0, `naive` on its side (NaN from where it is unknown), `side` on that of the last known hour (without a position
    where the issue knew none), and the 95 % band of `earned` from `low` to `high`.

    The band is that of a sum of so many hours with the mean and its standard error as known so far (see
    metrics.mean_error), at MOMENTS moments; NaN for few days and in between.
    """
    rows = rows.sort_values("valid_at", kind="stable").reset_index(drop=True)
    actual, other = rows["actual"].to_numpy(float), rows["naive"].to_numpy(float)
    gains, naive = metrics.earnings(rows["p50"].to_numpy(float), actual), metrics.earnings(other + actual, actual)
    rule = _rule(rows)
    side = np.cumsum(np.nan_to_num(rule)) if np.isfinite(rule).any() else rule
    found = pd.DataFrame(
        {"valid_at": rows["valid_at"], "earned": np.cumsum(gains), "long": np.cumsum(actual), "side": side,
         "naive": np.cumsum(naive)}
    )  # fmt: skip
    places = np.unique(np.linspace(0, len(rows) - 1, MOMENTS).astype(int))
    doubt = np.full(len(rows), np.nan)
    for place in places:
        doubt[place] = (place + 1) * measuring.mean_error(rows.iloc[: place + 1], gains[: place + 1])
    return found.assign(low=found["earned"] - SURE * doubt, high=found["earned"] + SURE * doubt)


def _rule(rows: pd.DataFrame) -> Floats:
    """What the side of the last known hour earned in each; NaN where the issue knew none."""
    if "last" not in rows:
        return np.full(len(rows), np.nan)
    return metrics.earnings(rows["last"].to_numpy(float), rows["actual"].to_numpy(float))


def hit_rates(rows: pd.DataFrame, chosen: Chosen) -> pd.DataFrame:
    """One row a local hour of day: `slice`, as measuring.spikes has `hit_rate`, and what holds it with 95 %, from `low`
    to `high`."""
    labels, names = slicing.WAYS["Hour"].cut(rows, chosen.frame.target)
    found = measuring.by_slice(rows, labels, names, chosen.relative, ("hit_rate",))
    pairs = [measuring.likely(*one) for one in zip(*(found[n] for n in LIKELY), strict=True)]
    return found.assign(low=[low for low, _ in pairs], high=[high for _, high in pairs])


def tenths(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a tenth of the forecasts, from the lowest: mean `forecast`, mean and `median` of the `actual`, `n`, and
    `sure`: 1.96 standard errors of the mean, NaN for few days."""
    place = np.floor(rows["p50"].rank(method="first").sub(1) * TENTHS / len(rows)).astype(int)
    found = []
    for one in range(TENTHS):
        part = rows[place == one]
        actual: Floats = part["actual"].to_numpy(float)
        found.append({"forecast": part["p50"].mean(), "actual": actual.mean(), "median": np.median(actual),
                      "sure": SURE * measuring.mean_error(part, actual), "n": len(part)})  # fmt: skip
    return pd.DataFrame(found)


def _hours(chosen: Chosen, rows: pd.DataFrame) -> None:
    frame = chosen.frame
    found = chosen.made("hit_rates", lambda: hit_rates(rows, chosen))
    figure = frame.figure("hit_hours", lambda: charts.by_hour(found, palette=frame.palette), *chosen.key)
    ui.draw(figure, key="hit_hours", alt="Share of hours whose direction was forecast right, by local hour of day")
    total = measuring.spikes(rows, ("hit_rate",))
    st.caption(
        f"All hours {formats.percent(total['hit_rate'])}{_between(total)}, n = {formats.number(total['n_hit_rate'])}"
        f"{_rule_hits(total)}. Bars hold 95 % and allow for alike neighbours. Local hours of "
        f"{formats.city(frame.target.zone)}, {chosen.span}."
    )


def _rule_hits(total: dict[str, float]) -> str:
    """How often the side of the last known hour was right, and the difference to that."""
    if pd.isna(total.get("side_hit_rate", float("nan"))):
        return ""
    more, doubt = 100 * total["hit_rate_more"], 100 * total["hit_rate_more_se"]
    return (
        f"; **last hour's side {formats.percent(total['side_hit_rate'])}**, n = "
        f"{formats.number(total['n_side_hit_rate'])}, Sextant less that on the same hours "
        f"{formats.signed(more, 1)} points{_range(more, doubt, 1)}"
    )


def _tenths(chosen: Chosen, rows: pd.DataFrame) -> None:
    if len(rows) < LEAST:
        ui.empty("Too few hours for tenths", f"They need {LEAST}; choose a longer window.", ":material/scatter_plot:")
        return
    frame = chosen.frame
    found = chosen.made("tenths", lambda: tenths(rows))
    figure = frame.figure("tenths", lambda: charts.bins(found, palette=frame.palette, unit=frame.unit), *chosen.key)
    ui.draw(figure, key="tenths", alt="Mean and median of the actual by tenth of the forecast")
    st.caption(
        f"Forecasts in tenths, lowest to highest, n = {formats.number(found['n'].min())} to "
        f"{formats.number(found['n'].max())} each; on the dashed line is right. Bars hold 95 %. Where mean and median "
        f"part, a few spikes carry the mean. {chosen.span[:1].upper()}{chosen.span[1:]}."
    )


def _words(chosen: Chosen, rows: pd.DataFrame, found: pd.DataFrame, currency: str) -> str:
    digits, n = chosen.frame.digits, len(rows)
    one = measuring.spikes(rows, ("profit",))
    total, mean, doubt = found["earned"].iloc[-1], one["profit"], one["profit_se"]
    missing = int((found["valid_at"].diff() > pd.Timedelta("1h")).sum())
    holes = f" {formats.count(missing, 'hole')} in the hours." if missing else ""
    always = formats.signed(found["long"].iloc[-1])
    return (
        f"**{formats.signed(total)} {currency}**{_range(total, n * doubt)} in {formats.count(n, 'hour')}, "
        f"{formats.signed(mean, digits)} {chosen.frame.unit}{_range(mean, doubt, digits)}; {_rule_words(one, currency)}"
        f"always above zero {always} {currency}, no position 0. The shade holds 95 % too, with hours up to a week "
        f"apart allowed to be alike; below {metrics.LEAST_DAYS} days it is not given.{holes} Before all costs, and not "
        f"tradeable: {wording.why_not(chosen.frame.target, f'at T+{chosen.horizon or 1}')}. {chosen.span[:1].upper()}"
        f"{chosen.span[1:]}."
    )


def _rule_words(one: dict[str, float], currency: str) -> str:
    """What the side of the last known hour earned, and the difference to that on the same hours."""
    n = one.get("n_side_profit", 0)
    if not n:
        return ""
    more, doubt = n * one["profit_more"], n * one["profit_more_se"]
    return (
        f"**last hour's side {formats.signed(n * one['side_profit'])} {currency}**, n = {formats.number(n)} "
        f"({by_slice.LAST_SIDE}), Sextant less that on the same hours {formats.signed(more)} {currency}"
        f"{_range(more, doubt)}; "
    )


def _range(value: float, doubt: float, digits: int = 0) -> str:
    """' (95 %: +12 to +40)', from a standard error; '' where too few days tell."""
    if pd.isna(doubt):
        return ""
    low, high = (formats.signed(value + sign * SURE * doubt, digits) for sign in (-1, 1))
    return f" (95 %: {low} to {high})"


def _between(total: dict[str, float]) -> str:
    """' (95 %: 55 % to 66 %)'; '' where too few days tell."""
    low, high = measuring.likely(*(total[name] for name in LIKELY))
    return "" if pd.isna(low) else f" (95 %: {formats.percent(low)} to {formats.percent(high)})"
