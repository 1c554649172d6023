"""Scored forecasts -> how good they were, beside naive and operator on the same hours, and where they were not."""

import pandas as pd
import streamlit as st

from dashboard import formats, measuring, ui, wording
from dashboard.formats import BAND
from dashboard.panels import by_slice, calibration, heat_map, slices, spread, trend, worst_hours
from dashboard.panels.chosen import Chosen, choose

SHARES = {
    "skill": ("Better than naive", ""), "coverage": (f"In {BAND}", " · 80 % is right"),
    "hit_rate": ("Direction right", ""),
}  # fmt: skip
FEW = 100


def page() -> None:
    """Window and horizon, headline figures, then one panel a question."""
    with ui.page("Accuracy", travels=True) as frame:
        chosen = choose(frame)
        with ui.panel():
            if chosen.rows.empty:
                ui.empty(
                    "Nothing is scored in this window",
                    "A forecast is scored as soon as its hour is complete; run `python jobs.py run backfill`.",
                    icon=":material/target:",
                )
                _left_out(chosen)
            else:
                _head(chosen)
        if not chosen.rows.empty:
            by_slice.show(chosen)
            spread.show(chosen)
            trend.show(chosen)
            heat_map.show(chosen)
            worst_hours.show(chosen)
            with ui.panel():
                calibration.show(chosen)
        with ui.panel():
            slices.show(frame)


def _head(chosen: Chosen) -> None:
    rows = by_slice.sliced(chosen, "Horizon")
    if chosen.horizon is not None:
        rows = rows[rows["slice"] == f"T+{chosen.horizon}"]
    if rows.empty:
        ui.empty("This horizon is not scored in the window", "Choose another one.", icon=":material/target:")
        return
    tiles = _ends(chosen, rows) if len(rows) > 1 else _one(chosen, rows.iloc[0])
    with st.grid(6, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.metric(label, value)
                st.caption(more)
    _basis(chosen, rows)
    _left_out(chosen)


def _ends(chosen: Chosen, rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The shortest and the longest horizon."""
    ends = [rows.iloc[0], rows.iloc[-1]]
    offered = by_slice.offered(chosen)
    names = ["MAE", *(["Hit rate", "P&L"] if {"Hit rate", "P&L"} <= set(offered) else ["Skill", "Coverage"])]
    return [_tile(chosen, row, name) for name in names if name in offered for row in ends]


def _one(chosen: Chosen, row: pd.Series) -> list[tuple[str, str, str]]:
    """All measures of one horizon."""
    return [_tile(chosen, row, name) for name in by_slice.offered(chosen)]


def _tile(chosen: Chosen, row: pd.Series, name: str) -> tuple[str, str, str]:
    """Name, value and basis of one measure of a horizon."""
    column, horizon, relative = by_slice.METRICS[name], row["slice"], chosen.relative.name
    if column == "relative":
        value = formats.number(row["relative"], 2) + (" %" if relative == "MAPE" else "")
        return f"{relative} {horizon}", value, _doubt(formats.number(row["relative_se"], 2), row["n"])
    if column in SHARES:
        title, more = SHARES[column]
        return f"{title}, {horizon}", *_share(row, column, more + _rule(chosen, row, column))
    said = f" · an hour{_rule(chosen, row, column)}; not tradeable" if column == "profit" else ""
    return f"{name} {horizon}", *_size(chosen, row, column, said)


def _rule(chosen: Chosen, row: pd.Series, name: str) -> str:
    """What the simplest rule of direction does on these hours: the side of the last known hour goes on."""
    value = row.get(f"side_{name}", float("nan"))
    if pd.isna(value):
        return ""
    shown = formats.percent(value) if name in SHARES else formats.signed(value, chosen.frame.digits)
    n = "" if row[f"n_side_{name}"] == row[f"n_{name}"] else f" (n = {formats.number(row[f'n_side_{name}'])})"
    return f" · last hour's side: {shown}{n}"


def _size(chosen: Chosen, row: pd.Series, name: str, more: str = "") -> tuple[str, str]:
    digits, unit = chosen.frame.digits, chosen.frame.unit
    say = formats.signed if name in by_slice.SIGNED else formats.number
    n = row.get(f"n_{name}", row["n"])
    value, doubt = say(row[name], digits), _doubt(formats.number(row[f"{name}_se"], digits), n) + more
    # A long unit would leave no room for the figure.
    return (f"{value} {unit}", doubt) if len(unit) < 5 else (value, f"{unit} {doubt}")


def _share(row: pd.Series, name: str, more: str = "") -> tuple[str, str]:
    n = row["n_band" if name == "coverage" else "n_hit_rate" if name == "hit_rate" else "n"]
    return formats.percent(row[name]), _doubt(formats.percent(row[f"{name}_se"]), n) + more


def _doubt(said: str, n: float) -> str:
    counted = f"n = {formats.number(n)}"
    return counted if said.startswith(formats.NONE) else f"± {said} · {counted}"


def _basis(chosen: Chosen, rows: pd.DataFrame) -> None:
    frame, common = chosen.frame, chosen.common
    names = {"naive": "Naive", "operator": frame.operator}
    issues = frame.ask("page_issues", **chosen.window).iloc[0]
    compared = ", ".join(["Sextant", *(names[name] for name in measuring.comparators(chosen.rows))])
    fallbacks = int(measuring.of_horizon(common, chosen.horizon)["status"].eq("fallback").sum())
    least, most = formats.number(rows["n"].min()), formats.number(rows["n"].max())
    st.caption(
        f"{compared} on common hours, "
        f"{formats.between(common['valid_at'].min(), common['valid_at'].max(), frame.zone)}, n = "
        f"{least if least == most else f'{least} to {most}'} a horizon. "
        f"**{issues.replayed:,} of {formats.count(issues.n, 'issue')} "
        f"replayed**: computed afterwards with what was known then, not issued live. "
        f"{formats.count(fallbacks, 'scored hour')} from fallbacks. {_missed(issues.missed)}" + _reading(chosen)
    )
    if rows["n"].min() < FEW:
        st.info(f"Fewer than {FEW} hours a horizon: these figures may still change a lot.", icon=":material/info:")


def _reading(chosen: Chosen) -> str:
    """What the comparator of a spread says, where it is known."""
    known = chosen.frame.is_spread and "operator" in measuring.comparators(chosen.rows)
    said = wording.reading(chosen.frame.target) if known else ""
    return f" {said}" if said else ""


def _missed(n: int) -> str:
    if not n:
        return "No issue was missed."
    return f"**{formats.count(n, 'issue')} missed**: not made in time, so they have no score as issued live."


def _left_out(chosen: Chosen) -> None:
    """Say which hours the figures leave out because of declared events."""
    frame, whole = chosen.frame, chosen.whole
    hours = whole[whole["declared"].notna()].groupby("declared")["valid_at"].nunique()
    for event in frame.target.events:
        n = int(hours.get(pd.Timestamp(event.first), 0))
        if n:
            configured = " As configured now, whenever it was declared." if frame.looks_back else ""
            st.caption(
                f":material/event_busy: **{formats.count(n, 'hour')} left out** of all figures of this page: "
                f"{formats.plain(event.reason)} ({formats.between(event.first, event.last, frame.zone)}).{configured}"
            )


if __name__ == "__main__":
    page()
