"""Scored forecasts of a spread -> what one megawatt on their side earned, and whether direction and size hold."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import formats, measuring, slicing, ui
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


def show(chosen: Chosen) -> None:
    """The sum over time, hit rate by hour of day, actuals by tenth of the forecast."""
    if "profit" not in chosen.frame.target.metrics:
        return
    frame, horizon = chosen.frame, chosen.horizon or 1
    currency = frame.unit.partition("/")[0]
    rows = measuring.of_horizon(chosen.rows, horizon)
    with ui.panel(f"What one megawatt earned, T+{horizon}, {currency}", by_slice.POSITION):
        if rows.empty:
            ui.empty("No hour of this horizon is scored", "Choose another window or horizon.", ":material/payments:")
            return
        found = chosen.made("earnings", lambda: earnings(rows))
        figure = frame.figure(
            "earned",
            lambda: charts.earned(found, palette=frame.palette, zone=frame.zone, currency=currency),
            *chosen.key,
        )
        ui.draw(figure, key="earned", alt=f"What one megawatt at T+{horizon} earned since the beginning of the window")
        st.caption(_words(chosen, rows, found, currency))
    left, right = st.columns(2, gap="medium")
    with left, ui.panel(f"Direction right by hour of day, T+{horizon}"):
        _hours(chosen, rows)
    with right, ui.panel(f"Actuals by forecast, T+{horizon}, {frame.unit}"):
        _tenths(chosen, rows)


def earnings(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums since the first hour, by `valid_at` of one horizon: `earned` on the forecast's side, `long` always above
    0, `naive` on its side (NaN from where it is unknown), and the 95 % band of `earned` from `low` to `high`.

    The band is that of a sum of so many hours with the mean and its standard error as known so far (see
    metrics.mean_error), at MOMENTS moments; NaN for few days and in between.
    """
    rows = rows.sort_values("valid_at", kind="stable").reset_index(drop=True)
    actual, other = rows["actual"].to_numpy(float), rows["naive"].to_numpy(float)
    gains, naive = metrics.earnings(rows["p50"].to_numpy(float), actual), metrics.earnings(other + actual, actual)
    found = pd.DataFrame(
        {"valid_at": rows["valid_at"], "earned": np.cumsum(gains), "long": np.cumsum(actual), "naive": np.cumsum(naive)}
    )
    places = np.unique(np.linspace(0, len(rows) - 1, MOMENTS).astype(int))
    doubt = np.full(len(rows), np.nan)
    for place in places:
        doubt[place] = (place + 1) * measuring.mean_error(rows.iloc[: place + 1], gains[: place + 1])
    return found.assign(low=found["earned"] - SURE * doubt, high=found["earned"] + SURE * doubt)


def hit_rates(rows: pd.DataFrame, chosen: Chosen) -> pd.DataFrame:
    """One row a local hour of day: `slice`, `hit_rate`, `n_hit_rate` and `sure`, 1.96 standard errors."""
    labels, names = slicing.WAYS["Hour"].cut(rows, chosen.frame.target)
    found = measuring.by_slice(rows, labels, names, chosen.relative, ("hit_rate",))
    return found.assign(sure=SURE * found["hit_rate_se"])


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
        f"All hours {formats.percent(total['hit_rate'])}{_between(total['hit_rate'], total['hit_rate_se'])}, "
        f"n = {formats.number(total['n_hit_rate'])}; dashed: half, as chance gives. Bars hold 95 % and allow for alike "
        f"neighbours. Local hours of {formats.city(frame.target.zone)}, {chosen.span}."
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
    digits = chosen.frame.digits
    one = measuring.spikes(rows, ("profit",))
    total, doubt = found["earned"].iloc[-1], one["profit_se"] * len(rows)
    sure = "" if pd.isna(doubt) else f" ± {formats.number(SURE * doubt)}"
    mean = "" if pd.isna(one["profit_se"]) else f" ± {formats.number(SURE * one['profit_se'], digits)}"
    missing = int((found["valid_at"].diff() > pd.Timedelta("1h")).sum())
    holes = f" {formats.count(missing, 'hole')} in the hours." if missing else ""
    always = formats.signed(found["long"].iloc[-1])
    return (
        f"**{formats.signed(total)}{sure} {currency}** in {formats.count(len(rows), 'hour')}, "
        f"{formats.signed(one['profit'], digits)}{mean} {chosen.frame.unit}; always above zero {always} {currency}, no "
        "position 0. ± and the shade hold 95 %, with hours up to a week apart allowed to be alike; below "
        f"{metrics.LEAST_DAYS} days they are not given.{holes} Before all costs, and not tradeable: at "
        f"T+{chosen.horizon or 1} the day-ahead gate has closed. {chosen.span[:1].upper()}{chosen.span[1:]}."
    )


def _between(share: float, doubt: float) -> str:
    """' (55 % to 66 %)', what holds in 95 of 100 cases; '' where too few days tell."""
    if pd.isna(doubt):
        return ""
    low, high = max(0.0, share - SURE * doubt), min(1.0, share + SURE * doubt)
    return f" ({formats.percent(low)} to {formats.percent(high)})"
