"""A reader's choice of window and horizon -> the scored forecasts that the Accuracy page is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import data, formats, looking_back, measuring
from dashboard.data import this_hour
from dashboard.measuring import Relative
from dashboard.ui import Frame
from pipeline import metrics

WINDOWS = {f"{days} days": timedelta(days=days) for days in (7, 30, 90, 365)}
CUSTOM, ALL = "Custom", "All"
WEEK, YEAR = timedelta(days=7), timedelta(days=365)
T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """Issues from `since` to `until` (aware UTC) and a horizon (None: all)."""

    frame: Frame
    since: datetime
    until: datetime
    horizon: int | None

    @property
    def key(self) -> tuple[Any, ...]:
        """What the reader chose and how it is counted, to remember figures by."""
        return (
            self.since,
            self.until,
            self.horizon,
            self.frame.target.kind,
            self.frame.target.metrics,
            self.frame.target.events,
        )

    @property
    def about(self) -> str:
        """The horizon in words."""
        return "all horizons" if self.horizon is None else f"T+{self.horizon}"

    @property
    def span(self) -> str:
        """The window in words."""
        zone = self.frame.zone
        return f"issues {formats.between(self.since, self.until, zone)}"

    @property
    def window(self) -> dict[str, Any]:
        """The window as queries take it."""
        return {"target": self.frame.target.id, "since": self.since, "until": self.until}

    @cached_property
    def longer(self) -> pd.DataFrame:
        """Rows of `page_scores` from a week before the window on; of a spread `last` too, as `page_last_sides` has it
        for their origin, NaN where the issue did not know it."""
        asked = self.window | {"since": self.since - WEEK}
        rows: pd.DataFrame = self.frame.ask("page_scores", **asked, **data.declared(self.frame.target))
        if not self.frame.is_spread:
            return rows
        return rows.merge(self.frame.ask("page_last_sides", **asked), on="origin", how="left")

    @cached_property
    def whole(self) -> pd.DataFrame:
        """Those of the window, declared events too."""
        return self.longer[self.longer["origin"] >= self.since]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Those of the window that count, of all horizons."""
        return measuring.counted(self.longer, pd.Timestamp(self.since))

    @cached_property
    def common(self) -> pd.DataFrame:
        """Those for which naive and operator are known too."""
        return measuring.common(self.rows)

    @cached_property
    def relative(self) -> Relative:
        """MAPE for load; else MASE, because a value near zero makes percentages meaningless; as the target's metrics
        ask for them."""
        target = self.frame.target
        if "mape" in target.metrics and (target.kind == "load" or "mase" not in target.metrics):
            return Relative("MAPE")
        if "mase" not in target.metrics:
            return Relative("")
        asked = self.window | {"since": self.until - YEAR}
        values = self.frame.ask("page_scale", **asked).set_index("valid_at")["value"]
        return Relative("MASE", metrics.seasonal_scale(values.asfreq("h").to_numpy()) if len(values) else np.nan)

    def made(self, name: str, build: Callable[[], T], *depends: Any) -> T:
        """What `build` makes of these rows, remembered like a figure."""
        return self.frame.desk.made(("accuracy", name, self.frame.target.id, *self.key, *depends), build)


def choose(frame: Frame) -> Chosen:
    """Draw the choices and read them."""
    horizons = [ALL, *(f"T+{one}" for one in frame.target.horizons)]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        window = st.segmented_control(
            "Window", [*WINDOWS, CUSTOM], default="30 days", required=True, key="window", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        horizon = st.segmented_control(
            "Horizon", horizons, default=ALL, required=True, key="horizon", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        until = this_hour(frame.now) + timedelta(hours=1)
        since = until - WINDOWS.get(window or "", WINDOWS["30 days"])
        if window == CUSTOM:
            since, until = _custom(frame, until)
    number = None if horizon in (None, ALL) else int(str(horizon)[2:])
    return Chosen(frame, since, until, number)


def _custom(frame: Frame, end: datetime) -> tuple[datetime, datetime]:
    """Whole local days of the market, both chosen ones included, up to `end`."""
    today = formats.local(frame.now, frame.target.zone).date()
    picked = st.date_input(
        f"From and to, days of {formats.city(frame.target.zone)}", (today - timedelta(days=13), today),
        max_value=today, key="days", bind="query-params", label_visibility="collapsed", width=240,
    )  # fmt: skip
    days = [one for one in picked if one] if isinstance(picked, tuple) else [picked or today]
    first, last = (days[0], days[-1]) if days else (today, today)
    return _midnight(first, frame.target.zone), min(_midnight(last + timedelta(days=1), frame.target.zone), end)


def _midnight(day: date, zone: str) -> datetime:
    return looking_back.instant(day, time(), zone)
