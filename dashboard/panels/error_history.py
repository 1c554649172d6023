"""Scores of every version -> how each erred over time beside its hold-out, and how shadows do against the champion."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui
from dashboard.data import this_hour
from dashboard.figures import models as figures
from dashboard.ui import Frame
from pipeline.guard import DOUBT, LEAST_COMMON
from pipeline.preview import Apart, apart

DAYS, MONTH = timedelta(days=90), timedelta(days=30)
STEPS = {"By day": "day", "By week": "week"}
HOURS = ("All hours", "Common with the champion")
SHOWN = 6


def show(frame: Frame, versions: pd.DataFrame, champion: str | None) -> None:
    """Error of each version by day or week over 90 days; `versions` as from query `page_versions`."""
    with ui.panel("Error by version over time", "Mean absolute error of each version's own forecasts, all hours ahead"):
        step, common = _choices(champion)
        window = _window(frame, DAYS) | data.declared(frame.target)
        rows = frame.ask(
            "page_error_history", step=step, zone=frame.zone, champion=champion if common else None, **window,
        )  # fmt: skip
        if rows.empty:
            ui.empty(
                "No version has live errors yet",
                "Each forecast, issued or in shadow, is scored as soon as its hour is complete.",
                icon=":material/show_chart:",
            )
            return
        rows = _newest(rows, versions)
        levels: dict[str, float] = dict(versions.dropna(subset=["mae"])[["version_id", "mae"]].itertuples(index=False))
        reigns = frame.ask("timeline", target=frame.target.id)

        def build() -> Any:
            return figures.error_history(
                rows,
                palette=frame.palette,
                zone=frame.zone,
                champion=champion,
                levels=levels,
                reigns=reigns,
                digits=frame.digits,
            )

        figure = frame.figure("error_history", build, step, common, champion, *window.values())
        ui.draw(figure, key="error_history", alt="Mean absolute error of each version over the last 90 days")
        _basis(frame, rows, window, common=common)


def shadows(frame: Frame, champion: str | None) -> None:
    """Who forecasts beside the champion, since when, and how well on the hours that both forecast."""
    count = frame.target.policy.shadow_versions
    beside = frame.ask("shadows", targets=(frame.target.id,), counts=(count,))
    if champion is None or beside.empty:
        return
    with ui.panel("In shadow, against the champion", "Only hours that both forecast count, over the last 30 days"):
        since = frame.ask("page_shadow_since", target=frame.target.id).set_index("version_id")
        duels = _duels(frame, champion, tuple(beside["version_id"]))
        rows = [_duel(frame, row, since, duels.get(row.version_id)) for row in beside.itertuples()]
        ui.table(
            pd.DataFrame(rows), _columns(frame), colours=frame.palette, states=("verdict",), rows=6,
            alt="Versions in shadow against the champion on common hours",
        )  # fmt: skip
        st.caption(
            f"Difference: the version's MAE minus that of {formats.plain(champion)} on the same hours, ± one standard "
            f"error that allows for neighbouring hours erring alike; below zero the version was better. p: how likely "
            f"so large a difference is by chance. Both need {LEAST_COMMON} common issues."
            f"{left_out(frame, frame.now - MONTH)}"
        )


def left_out(frame: Frame, since: datetime) -> str:
    """' Hours of ... do not count.', of the declared events that reach beyond `since`; "" where there is none."""
    reasons = [formats.plain(one.reason) for one in frame.target.events if one.last > since and one.first <= frame.now]
    return f" :material/event_busy: Hours of a declared event do not count: {'; '.join(reasons)}." if reasons else ""


def _choices(champion: str | None) -> tuple[str, bool]:
    """(day or week, whether only hours count that the champion forecast too)."""
    with st.container(horizontal=True, gap="small"):
        step = st.segmented_control(
            "Step", list(STEPS), default="By day", required=True, key="step", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        hours = st.segmented_control(
            "Hours", HOURS, default=HOURS[0], required=True, key="hours", bind="query-params",
            label_visibility="collapsed", disabled=champion is None,
        )  # fmt: skip
    return STEPS[step or "By day"], hours == HOURS[1] and champion is not None


def _window(frame: Frame, length: timedelta) -> dict[str, Any]:
    until = this_hour(frame.now) + timedelta(hours=1)
    return {"target": frame.target.id, "since": until - length, "until": until}


def _newest(rows: pd.DataFrame, versions: pd.DataFrame) -> pd.DataFrame:
    """Those of the newest versions and the champion; more lines than SHOWN cannot be told apart."""
    known = [name for name in versions["version_id"] if name in set(rows["version_id"])]
    kept = set(versions.loc[versions["is_champion"].eq(True), "version_id"]) | set(known[:SHOWN])
    return rows[rows["version_id"].isin(kept)]


def _basis(frame: Frame, rows: pd.DataFrame, window: dict[str, Any], *, common: bool) -> None:
    totals = rows.assign(sum=rows["mae"] * rows["n"]).groupby("version_id")[["sum", "n", "n_shadow"]].sum()
    parts = [
        f"{formats.short(str(name))} {formats.number(row['sum'] / row['n'], frame.finer)} {frame.unit} "
        f"(n = {formats.number(row['n'])}, {formats.number(row['n_shadow'])} in shadow)"
        for name, row in totals.iterrows()
    ]
    st.caption(
        f"{formats.between(window['since'], window['until'], frame.zone)}: {'; '.join(parts)}. n counts forecasts: six "
        f"an issue.{left_out(frame, window['since'])}"
    )
    if common:
        st.caption(
            ":material/balance: Only hours that the present champion forecast too: here the lines can be compared."
        )
        return
    st.caption(
        ":material/info: Versions were live in different hours, and some hours are harder: only common hours can be "
        "compared. Thin dotted lines: MAE on each version's own hold-out. Shades: who was champion."
    )


def _duels(frame: Frame, champion: str, versions: tuple[str, ...]) -> dict[str, Apart]:
    """What each version's errors say against the champion's; remembered, because standard errors take time."""
    window = _window(frame, MONTH) | data.declared(frame.target)

    def build() -> dict[str, Apart]:
        pairs = frame.ask("page_duels", champion=champion, versions=versions, **window)
        return {str(name): apart(part) for name, part in pairs.groupby("version_id")}

    return frame.desk.made(("duels", champion, versions, *window.values()), build)


def _duel(frame: Frame, row: Any, since: pd.DataFrame, found: Apart | None) -> dict[str, Any]:
    first = since["first_origin"].get(row.version_id)
    known = found is not None and found.n > 0
    return {
        "verdict": verdict(found),
        "version": row.version_id,
        "role": "newest challenger" if row.role == "challenger" else "former champion",
        "family": row.family,
        "since": formats.stamp(first, frame.zone),
        "issues": int(since["n"].get(row.version_id, 0)),
        "n": found.n if known and found else 0,
        "mae": found.mae if known and found else float("nan"),
        "other": found.other_mae if known and found else float("nan"),
        "difference": difference(found, frame.unit) if known and found else formats.NONE,
        "p": chance(found.p_value) if known and found else formats.NONE,
    }


def verdict(found: Apart | None) -> str:
    """'● better', '▲ worse', '◌ as good' (may be chance), '◌ too few hours'."""
    if found is None or pd.isna(found.p_value):
        return "◌ too few hours"
    if found.p_value >= DOUBT:
        return "◌ no difference"
    return "● better" if found.difference < 0 else "▲ worse"


def difference(found: Apart, unit: str) -> str:
    """'-11.7 ± 4.1 MW' with a proper minus, without the doubt where it is not known."""
    doubt = "" if pd.isna(found.standard_error) else f" ± {formats.number(found.standard_error, formats.finer(unit))}"
    return f"{formats.signed(found.difference, formats.finer(unit))}{doubt} {unit}"


def chance(p: float) -> str:
    """'0.034', '< 0.001', a dash."""
    return formats.NONE if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _columns(frame: Frame) -> dict[str, Any]:
    return {
        "verdict": st.column_config.TextColumn("Against champion", help=f"A difference counts below p = {DOUBT:g}"),
        "version": st.column_config.TextColumn("Version"),
        "role": st.column_config.TextColumn("Who"),
        "family": st.column_config.TextColumn("Family"),
        "since": st.column_config.TextColumn(f"In shadow since, {frame.clock}"),
        "issues": st.column_config.NumberColumn("Shadow issues", format="%,d"),
        "n": st.column_config.NumberColumn("Common issues", format="%,d"),
        "mae": st.column_config.NumberColumn(f"MAE, {frame.unit}", format=f"%,.{frame.finer}f"),
        "other": st.column_config.NumberColumn("Champion's", format=f"%,.{frame.finer}f"),
        "difference": st.column_config.TextColumn("Difference", alignment="right"),
        "p": st.column_config.TextColumn("p", alignment="right"),
    }
