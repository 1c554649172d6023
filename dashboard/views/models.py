"""Registry -> champion, policy, versions, lineage, errors, drift, decisions; retrain, promote and roll back."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, ui, wording
from dashboard.data import this_hour
from dashboard.figures import charts
from dashboard.formats import BAND
from dashboard.panels import decisions, dialogs, error_history, importance, life, lineage, training, versions
from dashboard.panels.by_slice import SIDE
from dashboard.ui import Frame

MONTH = timedelta(days=30)


def page() -> None:
    """Champion, policy, approval, training, versions, lineage, errors, timeline, drift, families, decisions."""
    with ui.page("Models") as frame, ui.panel():
        since = this_hour(frame.now) - MONTH
        rows = frame.ask("page_versions", target=frame.target.id, since=since, **data.declared(frame.target))
        found = rows[rows["is_champion"].eq(True)]
        champion = None if found.empty else found.iloc[0]
        champion_id = None if champion is None else str(champion.version_id)
        _champion(frame, champion)
        decisions.policy(frame)
        with ui.panel():
            versions.waiting(frame, champion_id)
        training.show(frame)
        looked_at = champion_id
        with ui.panel():
            picked = versions.table(frame, rows)
            versions.buttons(frame, picked, champion_id)
            looked_at = st.query_params.get("version") or champion_id
        lineage.show(frame, looked_at)
        error_history.show(frame, rows, champion_id)
        error_history.shadows(frame, champion_id)
        life.timeline(frame)
        importance.show(frame, looked_at)
        life.drift(frame)
        _families(frame, champion)
        with ui.panel():
            decisions.panel(frame)
        dialogs.show(frame)


def _champion(frame: Frame, row: pd.Series | None) -> None:
    if row is None:
        st.info(
            "No champion yet: forecasts are labelled fallbacks until a version is promoted.",
            icon=":material/info:",
        )
        return
    issues = "no scored issues yet" if pd.isna(row.live_n) else f"n = {formats.count(row.live_n, 'issue')} of 30 days"
    held = versions.hold_out(row, frame.zone)
    tiles = [
        ("Champion", formats.short(row.version_id), row.family),
        ("Live MAE", *_quantity(frame, row.live_mae, issues)),
        ("Backtest MAE", *_quantity(frame, row.mae, f"mean over T+1 to T+6 · {held}")),
        (f"In {BAND}", formats.percent(row.coverage), f"in the backtest; 80 % is right · {held}"),
        (
            "Trained to",
            f"{formats.local(row.trained_to, frame.zone):%d %b}",
            f"{formats.number(row.n_rows)} hourly origins",
        ),
    ]
    with st.grid(5, min_column_width=150):
        for label, value, more in tiles:
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.metric(label, value)
                st.caption(more)
    if said := error_history.left_out(frame, frame.now - MONTH):
        st.caption(f"Live MAE:{said}")


def _quantity(frame: Frame, value: float, basis: str) -> tuple[str, str]:
    """A figure and what stands below it; a long unit stands there, or it would be cut off."""
    if pd.isna(value):
        return formats.NONE, basis
    said = formats.number(value, frame.finer)
    return (f"{said} {frame.unit}", basis) if len(frame.unit) < 5 else (said, f"{frame.unit} · {basis}")


def _families(frame: Frame, champion: pd.Series | None) -> None:
    st.header(f"Families compared, MAE in {frame.unit}", anchor=False)
    summary = frame.ask("page_families", target=frame.target.id)
    if summary.empty:
        ui.empty(
            "No backtest yet",
            "Every training run compares all families on the same hold-out weeks.",
            icon=":material/compare:",
        )
        return
    best = summary["family"].iloc[0] if champion is None else champion.family
    rows = frame.ask("page_backtest", target=frame.target.id)
    called = [wording.contender(one, frame.target) for one in rows["family"]]
    rows = rows.assign(name=[f"T+{horizon}" for horizon in rows["horizon"]], family=called)
    left, right = st.columns([1, 2] if frame.is_spread else [2, 3], gap="medium")
    with left, ui.panel():
        figure = frame.figure(
            "families", lambda: charts.families(rows, palette=frame.palette, best=best, digits=frame.digits), best
        )
        ui.draw(figure, key="families", alt="Backtest MAE by horizon for each family")
    with right, ui.panel():
        shares = ("coverage", "hit_rate")
        shown = summary.assign(
            **{name: [formats.percent(share) for share in summary[name]] for name in shares},
            **{name: [formats.signed(one, frame.finer) for one in summary[name]] for name in ("bias", "profit")},
            family=[wording.contender(one, frame.target) for one in summary["family"]],
        )
        ui.table(shown, _measures(frame), colours=frame.palette, alt="Families, mean over horizons, best first")
        first, last = summary["window_start"].min(), summary["window_end"].max()
        st.caption(
            f"The newest comparison, mean over T+1 to T+6, best first; hold-out {formats.date(first, frame.zone)} to "
            f"{formats.date(last, frame.zone)}, never trained on. Errors"
            f"{', losses and the P&L of an hour' if frame.is_spread else ''} are in {frame.unit}. Bold line: the "
            f"champion's family.{wording.rule(summary['family'])}"
        )


def _measures(frame: Frame) -> dict[str, object]:
    """The columns of families: those measures that the target's metrics ask for."""
    number, text = f"%,.{frame.finer}f", st.column_config.TextColumn

    def quantity(label: str, help_text: str | None = None) -> object:
        return st.column_config.NumberColumn(label, format=number, help=help_text)

    columns: dict[str, object] = {
        "family": text("Family", pinned=True),
        "n": st.column_config.NumberColumn("n", format="%,d", width=60),
        "mae": quantity(f"MAE, {frame.unit}" if len(frame.unit) < 5 else "MAE"),
        "rmse": quantity("RMSE"),
        "bias": text("Bias", alignment="right"),
        "mase": st.column_config.NumberColumn("MASE", format="%.3f"),
        "hit_rate": text("Direction right", alignment="right", help=SIDE),
        "profit": text("P&L an hour", alignment="right", help=wording.position(frame.target)),
        "tail_mae": quantity("Tail MAE"),
        "pinball_loss": quantity("Pinball loss"),
        "coverage": text(f"In {BAND}", alignment="right"),
    }
    wanted = {"family", "mae", "n", *frame.target.metrics}
    return {name: column for name, column in columns.items() if name in wanted}


if __name__ == "__main__":
    page()
