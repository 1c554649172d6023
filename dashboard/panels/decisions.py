"""Decisions on versions -> what the policy is, what was decided, and the evidence in plain words."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formats, ui
from dashboard.picking import Picked
from dashboard.ui import Frame
from pipeline.markets import Policy

SHOWN = 200
OUTCOMES = {"promoted": "● promoted", "refused": "○ refused", "waiting": "◐ waiting"}
KINDS = {"train": "training", "rollback": "roll back", "promote": "by a person"}
CHECKS = (
    "All checks passed: its file is the registered one, it forecasts the newest hours by plausible numbers and in "
    "time, and it does not see the future."
)


def policy(frame: Frame) -> None:
    """One line: when a new version of this target takes over."""
    rule = frame.target.policy
    st.caption(
        f":material/policy: Policy **{rule.promotion}**: {_meaning(rule)} The newest {rule.keep_versions} versions and "
        f"every former champion are kept; {formats.count(rule.shadow_versions, 'former champion')} and the newest "
        f"challenger forecast in shadow."
    )


def panel(frame: Frame) -> None:
    """All decisions, newest first, and the evidence of the selected one."""
    rows = frame.ask("page_promotions", target=frame.target.id, n=SHOWN)
    if rows.empty:
        return
    st.header("Decisions", anchor=False)
    table = rows.assign(
        decided_at=[formats.stamp(at, frame.zone) for at in rows["decided_at"]],
        outcome=rows["outcome"].map(OUTCOMES),
        kind=rows["kind"].map(KINDS),
    )
    columns = {
        "decided_at": st.column_config.TextColumn(f"When, {frame.clock}", pinned=True),
        "kind": st.column_config.TextColumn("Kind"),
        "outcome": st.column_config.TextColumn("Outcome"),
        "version_id": st.column_config.TextColumn("Version"),
        "previous_version_id": st.column_config.TextColumn("Champion before"),
        "actor": st.column_config.TextColumn("Who"),
        "reason": st.column_config.TextColumn("Why", width="large"),
    }
    picked = ui.table(
        table, columns, colours=frame.palette, states=("outcome",), rows=8,
        alt="Decisions on versions, newest first", picked=Picked("decisions", "decision", rows["number"]),
    )  # fmt: skip
    if picked is None:
        st.caption("Select a decision to see its evidence.")
        return
    row = rows.iloc[picked]
    with st.container(border=True, gap="xsmall"):
        when = formats.zoned(row.decided_at, frame.zone)
        st.markdown(f"**{formats.plain(row.version_id)}**, {OUTCOMES[row.outcome][2:]} {when}")
        st.markdown("\n".join(f"- {formats.plain(line)}" for line in words(row, frame.unit)))


def words(row: pd.Series, unit: str) -> list[str]:
    """The reason of a decision and its evidence, one sentence a line; `row` as in `promotions`."""
    found: dict[str, Any] = json.loads(row.evidence)
    # The figures that end the reason are told in full by the next line.
    lines = [_sentence(row.reason.partition(": MAE ")[0] if "candidate_mae" in found else row.reason)]
    if "candidate_mae" in found:
        lines.append(_duel(found, unit))
    elif found.get("champion"):
        n = formats.count(int(found.get("n", 0)), "origin")
        lines.append(f"Only {n} in common with {found['champion']}: too few to compare.")
    if "hold_out_mae" in found:
        lines.append(f"MAE on its own hold-out, never trained on: {_mae(unit, found['hold_out_mae'])}.")
    families = sorted(found.get("families", {}).items(), key=lambda one: float(one[1]))
    if len(families) > 1:
        lines.append(
            "Families on that hold-out: "
            + ", ".join(f"{name} {formats.number(value, formats.finer(unit))}" for name, value in families)
            + "."
        )
    if "flaw" in found:
        lines.append(f"A check stopped it: {found['flaw']}." if found["flaw"] else CHECKS)
    if "tried_on" in found:
        tried = formats.count(int(found["tried_on"]), "newest hour")
        lines.append(f"Its file was verified and it forecast the {tried} before the change.")
    return lines


def _duel(found: dict[str, Any], unit: str) -> str:
    difference = found["candidate_mae"] - found["champion_mae"]
    share = difference / found["champion_mae"] if found["champion_mae"] else 0.0
    chance = found.get("p_value")
    if chance is None:
        verdict = "how likely chance is, is not known"
    elif chance < 0.05:
        verdict = f"hardly chance (p = {chance:.2g})"
    else:
        verdict = f"may be chance (p = {chance:.2g})"
    return (
        f"On {found['n']:,} common origins its MAE was {_mae(unit, found['candidate_mae'])} against "
        f"{_mae(unit, found['champion_mae'])} of {found.get('champion', 'the champion')}: "
        f"{formats.signed(difference, formats.finer(unit))} ± "
        f"{formats.number(found.get('standard_error'), formats.finer(unit))} {unit} "
        f"({formats.signed(100 * share, 1)} %), {verdict}."
    )


def _mae(unit: str, value: float) -> str:
    return f"{formats.number(value, formats.finer(unit))} {unit}"


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."


def _meaning(rule: Policy) -> str:
    worse = formats.percent(rule.clearly_worse - 1)
    return {
        "auto": f"a new version takes over unless it fails a check or is clearly worse: by over {worse}.",
        "must_win": "a new version takes over only with a lower error than the champion on common hours.",
        "manual": "a new version waits until somebody promotes it here.",
        "never": "new versions never take over by themselves; somebody may promote one here.",
    }[rule.promotion]
