"""Scored forecasts -> every measure with its standard error, by horizon, hour, weekday, month, type of day, version."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboard import exports, formats, measuring, slicing, ui, wording
from dashboard.figures import accuracy as charts
from dashboard.formats import BAND
from dashboard.panels.chosen import ALL, Chosen
from pipeline import metrics

METRICS = {
    "MAE": "mae", "RMSE": "rmse", "Relative": "relative", "Bias": "bias", "Skill": "skill", "Coverage": "coverage",
    "Hit rate": "hit_rate", "Tail MAE": "tail_mae", "Pinball loss": "pinball_loss", "P&L": "profit",
}  # fmt: skip
SIGNED = ("bias", "profit")
SETS = {
    "Errors": ("n", "mae_said", "rmse_said", "relative_said", "bias_said", "skill_said", "skill_operator_said",
               "tail_mae_said", "n_tail_mae", "pinball_loss_said"),
    "Direction": ("n", "hit_rate_said", "side_hit_rate_said", "profit_said", "side_profit_said", "more_said"),
    "Bands and basis": ("n", "coverage_said", "n_band", "naive_mae", "operator_mae", "n_replay", "n_fallback"),
}  # fmt: skip
"""Columns that fit beside each other, where all of them would not; names are in addresses (`?columns=`)."""
SIDE = "Hours of 0 do not count. Neighbouring hours mostly have the same side: Accuracy says how many."
TAIL = "Over the twentieth of hours with the largest actuals in size"
LAST_SIDE = "the side that the origin's hour had, as far as its actual was known at issue, goes on"


def show(chosen: Chosen) -> None:
    """The choice of a cut and a measure, one figure and one table."""
    frame = chosen.frame
    with ui.panel("How good, by", "Sextant beside naive and operator on the hours that all of them forecast"):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            by = st.segmented_control(
                "By", list(slicing.WAYS), default="Horizon", required=True, key="by", bind="query-params",
                label_visibility="collapsed",
            ) or "Horizon"  # fmt: skip
            metric = st.segmented_control(
                "Measure", offered(chosen), default=offered(chosen)[0], required=True, key="metric",
                bind="query-params", format_func=str, label_visibility="collapsed",
            ) or "MAE"  # fmt: skip
        rows = sliced(chosen, by)
        if rows.empty:
            ui.empty("Nothing to compare", "No hour of this horizon is scored in the window.", ":material/target:")
            return
        about = "" if by == "Horizon" else f"{chosen.about}, "
        st.caption(f"**{_title(chosen, metric)}** by {slicing.WAYS[by].one}, {about}{chosen.span}.")
        figure = frame.figure(
            "by_slice",
            lambda: charts.by_slice(rows, METRICS[metric], palette=frame.palette, digits=frame.digits),
            *chosen.key, by, metric,
        )  # fmt: skip
        ui.draw(figure, key="by_slice", alt=f"{_title(chosen, metric)} by {slicing.WAYS[by].one}")
        _table(chosen, rows, by)
        _words(chosen, by)


def sliced(chosen: Chosen, by: str) -> pd.DataFrame:
    """The measures, one row a slice; see measuring.measured. `name` is the slice as a reader names it."""

    def build() -> pd.DataFrame:
        rows = measuring.of_horizon(chosen.common, None if by == "Horizon" else chosen.horizon)
        if rows.empty:
            return rows
        labels, names = slicing.WAYS[by].cut(rows, chosen.frame.target)
        found = measuring.by_slice(rows, labels, names, chosen.relative, chosen.frame.target.metrics)
        return found.assign(name=[_name(one, by) for one in found["slice"]])

    return chosen.made("sliced", build, by)


def offered(chosen: Chosen) -> list[str]:
    """The measures that the target's metrics ask for, by the name they are offered under; MAE is always there."""
    asked = {"mae", *chosen.frame.target.metrics, *(["relative"] if chosen.relative.name else [])}
    return [name for name, one in METRICS.items() if one in asked]


def _name(one: str, by: str) -> str:
    if by == "Month":
        return f"{pd.Period(one):%b %Y}"
    if by == "Hour":
        return f"{one}:00"
    if by == "Version":
        return formats.short(one) if "-" in one else f"{one} (fallback)"
    return one


def _title(chosen: Chosen, metric: str) -> str:
    unit = chosen.frame.unit
    titles = {
        "MAE": f"Mean absolute error, {unit}",
        "RMSE": f"Root mean squared error, {unit}",
        "Relative": "Mean absolute percentage error, %" if chosen.relative.name == "MAPE" else "MASE",
        "Bias": f"Bias (forecast minus actual), {unit}",
        "Skill": f"Better than naive and {formats.named(chosen.frame.operator)}, share of their MAE saved",
        "Coverage": f"Actuals in {BAND}; 80 % is right",
        "Hit rate": "Hours whose sign was forecast right, beside the rule “last hour's side”",
        "Tail MAE": f"Mean absolute error of the twentieth of hours with the largest actuals, {unit}",
        "Pinball loss": f"Pinball loss, mean over five quantiles, {unit}",
        "P&L": f"What one megawatt on the forecast's side earned an hour, {unit}",
    }
    return titles[metric]


def _doubted(value: float, doubt: float, digits: int, *, sign: bool = False) -> str:
    """'150 ± 5', without the second part where it is not known."""
    text = formats.signed(value, digits) if sign else formats.number(value, digits)
    return text if text == formats.NONE or pd.isna(doubt) else f"{text} ± {formats.number(doubt, digits)}"


def _share(value: float, doubt: float) -> str:
    text = formats.percent(value)
    return text if text == formats.NONE or pd.isna(doubt) else f"{text} ± {formats.number(100 * doubt, 1)}"


def _table(chosen: Chosen, rows: pd.DataFrame, by: str) -> None:
    frame, said = chosen.frame, {}
    for name in ("mae", "rmse", "bias", "tail_mae", "pinball_loss", "profit"):
        if name in rows:
            pairs = zip(rows[name], rows[f"{name}_se"], strict=True)
            said[f"{name}_said"] = [_doubted(*pair, frame.digits, sign=name in SIGNED) for pair in pairs]
    pairs = zip(rows["relative"], rows["relative_se"], strict=True)
    said["relative_said"] = [_doubted(*pair, 2) for pair in pairs]
    for name in ("skill", "skill_operator", "coverage", *(["hit_rate"] if "hit_rate" in rows else [])):
        said[f"{name}_said"] = [_share(*pair) for pair in zip(rows[name], rows[f"{name}_se"], strict=True)]
    if "side_hit_rate" in rows:
        said["side_hit_rate_said"] = [formats.percent(one) for one in rows["side_hit_rate"]]
    if "side_profit" in rows:
        said["side_profit_said"] = [formats.signed(one, frame.digits) for one in rows["side_profit"]]
    if "profit_more" in rows:
        pairs = zip(rows["profit_more"], rows["profit_more_se"], strict=True)
        said["more_said"] = [_doubted(*pair, frame.digits, sign=True) for pair in pairs]
    table = rows.assign(**said)
    ui.table(
        table, _chosen_set(_columns(chosen, rows, by)), colours=frame.palette, rows=12, alt=f"Measures by {by.lower()}"
    )
    _downloads(chosen, rows, by)


def _chosen_set(columns: dict[str, object]) -> dict[str, object]:
    """All columns, or of many those of one of SETS, as the reader chooses."""
    if "tail_mae_said" not in columns:
        return columns
    offered = {
        name: {"name", *wanted} & set(columns) for name, wanted in SETS.items() if set(wanted[1:]) & set(columns)
    }
    chosen = st.segmented_control(
        "Columns", list(offered), default="Errors", required=True, key="columns", bind="query-params",
        label_visibility="collapsed",
    ) or "Errors"  # fmt: skip
    return {name: columns[name] for name in columns if name in offered.get(chosen, offered["Errors"])}


def _unit(chosen: Chosen) -> str:
    return "" if _is_short(chosen) else f" Errors, losses and P&L of an hour in {chosen.frame.unit}."


def _is_short(chosen: Chosen) -> bool:
    """Whether the unit fits into the head of a column."""
    return len(chosen.frame.unit) < 5


def _count(label: str, about: str | None = None) -> object:
    return st.column_config.NumberColumn(label, format="%,d", help=about)


def _columns(chosen: Chosen, rows: pd.DataFrame, by: str) -> dict[str, object]:
    text, other = st.column_config.TextColumn, formats.named(chosen.frame.operator)
    number = f"%,.{chosen.frame.digits}f"
    unit = f", {chosen.frame.unit}" if _is_short(chosen) else ""
    better = "Better than" if _is_short(chosen) else "Beats"
    relative = "MAPE, %" if chosen.relative.name == "MAPE" else "MASE"
    columns: dict[str, object] = {
        "name": text(slicing.WAYS[by].one.capitalize(), pinned=True),
        "n": _count("n", "Scored forecasts, each horizon of an hour is one"),
        "mae_said": text(f"MAE{unit}", alignment="right"),
        "rmse_said": text(f"RMSE{unit}", alignment="right"),
        "relative_said": text(relative, alignment="right"),
        "bias_said": text(f"Bias{unit}", alignment="right"),
        "skill_said": text(f"{better} naive", alignment="right", help="The share of its MAE that is saved"),
        "skill_operator_said": text(f"{better} {other}", alignment="right", help="The share of its MAE that is saved"),
        "hit_rate_said": text("Direction right", alignment="right", help=SIDE),
        "side_hit_rate_said": text("Last side right", alignment="right", help=f"The rule: {LAST_SIDE}"),
        "profit_said": text(f"P&L an hour{unit}", alignment="right", help=wording.position(chosen.frame.target)),
        "side_profit_said": text("Last side's P&L", alignment="right", help=f"The rule: {LAST_SIDE}"),
        "more_said": text("Ours less that", alignment="right", help="On the hours for which that side is known"),
        "tail_mae_said": text(f"Tail MAE{unit}", alignment="right", help=TAIL),
        "n_tail_mae": _count("n of tail", "Hours behind the tail MAE"),
        "pinball_loss_said": text(f"Pinball loss{unit}", alignment="right", help="Mean over P05, P10, P50, P90, P95"),
        "coverage_said": text(f"In {BAND}", alignment="right"),
        "n_band": _count("n of bands"),
        "naive_mae": st.column_config.NumberColumn("MAE of naive", format=number),
        "operator_mae": st.column_config.NumberColumn(f"MAE of {other}", format=number),
        "n_replay": _count("Replayed"),
        "n_fallback": _count("From fallbacks"),
    }
    unknown = {name for name in ("operator", "naive") if rows[f"{name}_mae"].isna().all()}
    gone = {f"{name}_mae" for name in unknown} | {"skill_operator_said" for name in unknown if name == "operator"}
    gone |= {"skill_said" for name in unknown if name == "naive"}
    gone |= {f"{name}_said" for name in (*measuring.SPIKY, "side_hit_rate", "side_profit") if name not in rows}
    gone |= set() if "profit_more" in rows else {"more_said"}
    gone |= {"n_tail_mae"} - set(rows)
    gone |= set() if chosen.relative.name else {"relative_said"}
    gone |= {"n_band"} if rows["n_band"].equals(rows["n"]) else set()
    return {name: column for name, column in columns.items() if name not in gone}


def _downloads(chosen: Chosen, rows: pd.DataFrame, by: str) -> None:
    frame = chosen.frame
    relative = chosen.relative.name.lower()
    file = rows.drop(columns=["name", *([] if relative else ["relative", "relative_se"])])
    file = file.rename(columns={"relative": relative, "relative_se": f"{relative}_se"}).assign(
        by=by, horizons=ALL if by == "Horizon" else chosen.about, target=frame.target.id, unit=frame.unit,
        since=pd.Timestamp(chosen.since), until=pd.Timestamp(chosen.until),
    )  # fmt: skip
    name = f"{frame.target.id}-accuracy-by-{by.lower().replace(' ', '-')}-{chosen.since:%Y%m%d}-{chosen.until:%Y%m%d}"
    downloads(file, name, "by_slice")


def downloads(file: pd.DataFrame, name: str, key: str) -> None:
    """Two buttons: `file` as CSV and as Parquet."""
    kinds = {"CSV": ("text/csv", exports.csv), "Parquet": ("application/vnd.apache.parquet", exports.parquet)}
    with st.container(horizontal=True, gap="xsmall", width="content"):
        for label, (mime, write) in kinds.items():
            st.download_button(
                label, partial(write, file), f"{name}.{label.lower()}", mime, key=f"{key}_{label.lower()}",
                icon=":material/download:", type="tertiary", on_click="ignore",
            )  # fmt: skip


def _words(chosen: Chosen, by: str) -> None:
    relative = chosen.relative
    scale = "" if relative.name != "MASE" else (
        " MASE is the MAE over that of “same hour last week” on the actuals of the year up to the window's end, "
        f"{formats.number(relative.scale, chosen.frame.digits)} {chosen.frame.unit}: below 1 is better than that."
    )  # fmt: skip
    clock = (
        "" if by in ("Horizon", "Version") else f" Local hours and days of {formats.city(chosen.frame.target.zone)}."
    )
    st.caption(
        "± is one standard error. The horizons of an issue count as one, and hours up to a week apart may err alike "
        "(Newey and West), those of a day at the least; a slice is blanked out in time and not cut out, so that "
        f"neighbours stay neighbours. Below {metrics.LEAST_DAYS} days it is not given: they say too little of others. "
        f"Differences within two of them may be chance.{clock}{scale}{_unit(chosen)}"
    )
