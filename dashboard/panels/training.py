"""The newest training run -> its progress as it goes, read off its own log, and its outcome when it is done."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard import data, formats, links, live, ui
from dashboard.formats import code, plain
from dashboard.panels import decisions
from dashboard.ui import Frame

OPEN = ("queued", "running")
EVERY_S = 2
USUAL_OF = 30
FRESH = timedelta(hours=12)
"""So long the outcome has a card of its own; then a line says it."""
ICONS = {"promoted": ":material/check_circle:", "waiting": ":material/pending_actions:", "refused": ":material/block:"}


@dataclass
class Progress:
    """What a training run's log says of one target: which families it compares and how far it is.

    done: hold-out MAE and the seconds it took, as the log has them, by family; left_out: why, by family.
    """

    depth: str = ""
    families: tuple[str, ...] = ()
    done: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    fitting: str = ""

    @property
    def to_come(self) -> tuple[str, ...]:
        """Families that run or wait still."""
        return tuple(name for name in self.families if name not in self.done and name not in self.left_out)

    @property
    def share(self) -> float:
        """0 to 1: one step a family, one for the fit on everything, one for the checks."""
        passed = len(self.families) - len(self.to_come) + (1 if self.fitting else 0)
        return passed / (len(self.families) + 2) if self.families else 0.0


def progress(log: str, target: str) -> Progress:
    """Read the log of a training run; lines of other targets, and lines nobody knows, say nothing."""
    found, name = Progress(), re.escape(target)
    for line in log.splitlines():
        if plan := re.search(rf"\b{name}: [\d,]+ origins, (\w+): comparing (.+)$", line):
            found = Progress(plan[1], tuple(one.strip() for one in plan[2].split(",")))
        elif lost := re.search(rf"\b{name}: (\w+) is left out: (.+)$", line):
            found.left_out[lost[1]] = lost[2]
        elif scored := re.search(rf"\b{name}: (\w+), hold-out MAE ([\d,.]+\d), (.+)$", line):
            found.done[scored[1]] = f"{scored[2]}|{scored[3]}"
        elif fitted := re.search(rf"\b{name}: fitting (\w+) on everything", line):
            found.fitting = fitted[1]
    return found


def show(frame: Frame) -> None:
    """The newest training run of the target, looked at again every other second while it is open."""
    rows = frame.ask("page_training", target=frame.target.id)
    is_open = not rows.empty and rows["state"].iloc[0] in OPEN

    @st.fragment
    def follow() -> None:
        if is_open:
            live.beat("training", EVERY_S)
        newest = frame.ask("page_training", target=frame.target.id)
        if newest.empty:
            return
        run = newest.iloc[0]
        with ui.panel():
            _state(frame, run)
        if is_open and run.state not in OPEN and not st.session_state.get("dialog"):
            st.rerun(scope="app")

    follow()


def _state(frame: Frame, run: pd.Series) -> None:
    asked = f"Asked by {plain(run.requested_by)} {formats.zoned(run.queued_at, frame.zone)}"
    why = f": {plain(run.reason)}" if run.reason else ""
    if run.state == "queued":
        _queued(frame, run, f"{asked}{why}")
    elif run.state == "running":
        _running(frame, run, f"{asked}{why}")
    elif run.state == "failed":
        st.error(f"**Training run {run.run_id} failed.** {plain(run.error)} {asked}.", icon=":material/error:")
        _links(run)
    elif data.word(run.version_id):
        _ended(frame, run, asked)
    else:
        st.caption(f":material/check_circle: Newest training run `{run.run_id}` {run.state}: no new version. {asked}.")


def _queued(frame: Frame, run: pd.Series, asked: str) -> None:
    st.info(f"**Training run {run.run_id} is queued.** {asked}", icon=":material/schedule:")
    if not frame.desk.warehouse.scheduler_alive():
        st.warning(
            "No scheduler is running, so nobody will start it: run `python jobs.py schedule`.",
            icon=":material/pause_circle:",
        )


def _running(frame: Frame, run: pd.Series, asked: str) -> None:
    took = formats.span((frame.desk.clock() - run.started_at).total_seconds())
    at = progress(run.log, frame.target.id)
    with st.container(border=True, gap="small"):
        st.markdown(
            f":material/progress_activity: **Training run {run.run_id} is running** for {took}"
            f"{usual_words(frame, at.depth)}. {asked}"
        )
        st.progress(at.share, text=_now(at))
        if at.families:
            st.markdown("\n".join(_steps(at, frame.unit)))
        if run.log:
            st.caption(f"Last said: {plain(run.log.splitlines()[-1])}")
        _links(run)


def usual_words(frame: Frame, depth: str) -> str:
    """'; usual is 3 min 34 s (n = 12)', by runs of the same depth; '' where there was none."""
    rows = frame.ask("page_training_usual", target=frame.target.id, n=USUAL_OF)
    alike = rows[rows["depth"] == depth]
    if alike.empty:
        return ""
    return f"; usual is {formats.span(alike['median_s'].iloc[0])} (n = {alike['n'].iloc[0]:,})"


def _now(at: Progress) -> str:
    if not at.families:
        return "Gathers what it learns from"
    if at.fitting:
        return f"Fits {plain(at.fitting)} on everything, then checks it and lets the policy decide"
    passed = len(at.families) - len(at.to_come)
    return f"{passed} of {formats.count(len(at.families), 'family', 'families')} compared"


def _steps(at: Progress, unit: str) -> list[str]:
    """One line a family that is done or left out, the best first, and one for those to come."""
    scored = {name: said.split("|", 1) for name, said in at.done.items()}
    order = sorted(scored, key=lambda name: float(scored[name][0].replace(",", "")))
    lines = [
        f"- :material/check: {plain(name)}: hold-out MAE {scored[name][0]} {plain(unit)}, {plain(scored[name][1])}"
        for name in order
    ]
    lines += [f"- :material/block: {plain(name)} is left out: {plain(why)}" for name, why in at.left_out.items()]
    if at.to_come:
        lines.append(f"- :material/more_horiz: to come: {plain(', '.join(at.to_come))}")
    return lines


def _ended(frame: Frame, run: pd.Series, asked: str) -> None:
    started, now = data.moment(run.started_at), frame.desk.clock()
    took = formats.span((run.ended_at - run.started_at).total_seconds()) if started else formats.NONE
    said = (
        f"Newest training run {code(run.run_id)} ended {formats.age(run.ended_at, now)} after {took} with "
        f"**{plain(run.version_id)}**"
    )
    outcome = data.word(run.decision)
    if outcome is None or now - run.ended_at > FRESH:
        verdict = plain(f"{outcome}: {run.decision_reason}") if outcome else "not judged"
        st.caption(f":material/check_circle: {said}, {verdict}. {asked}.")
        return
    with st.container(border=True, gap="xsmall"):
        word = "waits for approval" if outcome == "waiting" else outcome
        st.markdown(f"{ICONS.get(outcome, ':material/info:')} {said} ({plain(run.family)}): **{word}**.")
        row = pd.Series({"reason": run.decision_reason, "evidence": run.evidence})
        st.markdown("\n".join(f"- {plain(line)}" for line in decisions.words(row, frame.unit)))
        st.caption(f"{asked}.")
        _links(run)


def _links(run: pd.Series) -> None:
    with st.container(horizontal=True, gap="medium"):
        links.page("jobs", f"Run {run.run_id} on Jobs", icon=":material/monitor_heart:", run=run.run_id)
        if data.word(run.version_id):
            label = f"Lineage of {plain(run.version_id)}"
            links.page("models", label, icon=":material/account_tree:", version=run.version_id)
