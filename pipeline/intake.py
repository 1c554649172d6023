"""Points of any source -> points fit for `raw`, and refused ones with a sentence each."""

import pandas as pd

from pipeline.markets import Series
from pipeline.sources.base import POINT_COLUMNS

REFUSED_COLUMNS = ("series", "valid_at", "value", "reason")
# Clocks of provider and desk may differ by this much.
TOLERANCE = pd.Timedelta(minutes=2)
LAST_WORD = pd.Timedelta(hours=6)
"""Of several issues of a forecast of an hour the newest that was made this long before it counts: what was known when
the longest horizon of a forecast of ours reached that hour."""


def sift(points: pd.DataFrame, series: Series, *, now: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the points of one series into (good, refused); nulls and exact repeats are dropped.

    `points` has POINT_COLUMNS in any order of rows. Good rows are unique by `valid_at`, ascending. Refused
    rows have REFUSED_COLUMNS: off the series' grid, in the future, outside its bounds, or stated twice
    with different values (the last one stated is kept). A forecast of one hour that was made several times is no
    contradiction: the last word (LAST_WORD) is kept and the others are dropped.
    """
    points = points.loc[points["value"].notna(), list(POINT_COLUMNS)].drop_duplicates(ignore_index=True)
    reason = pd.Series("", index=points.index, dtype=object)
    for flawed, words in _flaws(points, series, now):
        reason = reason.mask(flawed & (reason == ""), words)
    if series.kind != "measured":
        points = points.drop(index=_other_issues(points[reason == ""]))
        reason = reason.loc[points.index]
    twice = (reason == "") & points["valid_at"].where(reason == "").duplicated(keep="last")
    reason = reason.mask(twice, "stated more than once with different values; the last one stated was kept")
    refused = points[reason != ""].assign(reason=reason[reason != ""])
    good = points[reason == ""].sort_values("valid_at", ignore_index=True)
    return good, _as_text(refused, series)


def _other_issues(points: pd.DataFrame) -> pd.Index:
    """The rows that were made at another moment than the last word on their hour; without one, than the earliest."""
    lead, hour = points["valid_at"] - points["made_at"], points["valid_at"]
    last_word = lead.where(lead >= LAST_WORD).groupby(hour).transform("min")
    counts = last_word.fillna(lead.groupby(hour).transform("max"))
    return points.index[lead.notna() & (lead != counts)]


def _flaws(points: pd.DataFrame, series: Series, now: pd.Timestamp) -> list[tuple[pd.Series, str]]:
    cadence, valid_at = pd.Timedelta(series.cadence), points["valid_at"]
    minutes = int(cadence.total_seconds() // 60)
    bounds = f"{series.minimum:,.0f} to {series.maximum:,.0f} {series.unit}"
    latest = now + pd.Timedelta(series.ahead) + TOLERANCE
    measured = series.kind == "measured"
    ends = valid_at + cadence if measured else valid_at
    return [
        (valid_at.isna(), "has no time"),
        (valid_at != valid_at.dt.floor(cadence), f"is not on the {minutes}-minute grid; check the time zone"),
        (ends > latest, "lies in the future; check the time zone and the clock"),
        (~points["value"].between(series.minimum, series.maximum), f"is outside {bounds}; check unit and meter"),
        (points["made_at"] > now + TOLERANCE, "was made in the future; check the clock"),
    ]


def _as_text(refused: pd.DataFrame, series: Series) -> pd.DataFrame:
    rows = [
        (series.id, str(stamp), f"{value:,.10g}", f"{series.id} at {stamp}: {value:,.10g} {series.unit} {reason}.")
        for stamp, value, reason in refused[["valid_at", "value", "reason"]].itertuples(index=False, name=None)
    ]
    return pd.DataFrame(rows, columns=list(REFUSED_COLUMNS))
