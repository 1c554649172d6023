"""job_runs, schedule and missed_issues -> jobs that fail, are late or long, and hours nothing was issued for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline import processes, runs
from pipeline.failures import POLICIES
from pipeline.operations import JobPlan
from pipeline.plans import CHAIN, CHAIN_EVERY, Plan, jitter, plans_of
from pipeline.rules.base import Bad, Rule, View

MONTH, DAY, HOUR, MINUTE = timedelta(days=30), timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
VITAL = ("ingest", "features", "forecast")
"""Without these no forecast is issued."""
LEAST_S = 60.0
"""Three times next to nothing is no long run."""
MOST_WORDS = 240


def failed(view: View, patience_min: float) -> Iterator[Bad]:
    """Jobs whose newest run failed.

    A failure of a kind that passes by itself counts after `patience_min`, or when its tries are used up.
    """
    plans = plans_of(view.jobs, view.operations)
    for row in view.warehouse.ask("failing_jobs", since=view.now - MONTH, now=view.now).to_dict("records"):
        plan = plans.get(row["job"])
        if plan is None or plan.on_demand:
            continue
        young = view.now - row["failed_from"] < patience_min * MINUTE
        if young and row["failure"] in POLICIES and (row["again"] or plan.chained):
            continue
        found = _short(row["error"])
        times = "failed" if row["n"] == 1 else f"failed {row['n']} times since {row['failed_from']:%d %b %H:%M}Z"
        kind = f" ({row['failure']})" if row["failure"] else ""
        yield Bad(
            subject=row["job"] + (f":{row['target']}" if row["target"] else ""),
            message=f"{row['job']} {times}{kind}: {found} Read its log on the Jobs page (run {row['run_id']}).",
            since=row["failed_from"].to_pydatetime(),
            evidence={"run_id": row["run_id"], "n": int(row["n"]), "failure": row["failure"]},
            severity="critical" if row["job"] in VITAL else None,
        )


def late(view: View, limit_min: float) -> Iterator[Bad]:
    """Planned slots that nobody took, and jobs of the chain that have had work for long and were not run.

    Quiet while no scheduler leads, which scheduler_dead says, and until a new one had time to catch up.
    """
    plans = plans_of(view.jobs, view.operations)
    patience = max(limit_min * MINUTE, 3 * (view.operations.jobs.get(CHAIN, JobPlan()).every or CHAIN_EVERY))
    leads_from = view.warehouse.ask("status_term").started_at.iloc[0]
    if not view.warehouse.scheduler_alive() or pd.isna(leads_from) or leads_from > view.now - patience:
        return
    moves = view.warehouse.ask("newest_starts", now=view.now).set_index("job").to_dict("index")
    # The run that asks is itself a step of the chain.
    busy = {plans[job].lane for job, row in moves.items() if row["open"] and job in plans and job != "alert"}
    for row in view.warehouse.ask("passed_slots", before=view.now - patience).to_dict("records"):
        plan = plans.get(row["job"])
        if plan is None or plan.lane in busy or _taken(plan if plan.every or plan.at else plans[CHAIN], row):
            continue
        yield _late(row["job"], row["next_at"].to_pydatetime(), view.now, "its planned run was not made")
    if CHAIN in busy:
        return
    for plan in plans.values():
        move, own = moves.get(plan.name), patience + (plan.every or timedelta())
        waits_from = view.now - own if move is None else move["moved_at"].to_pydatetime()
        if plan.chained and waits_from <= view.now - own and _had_work(view, plan, own):
            yield _late(plan.name, waits_from, view.now, "it has had work to do and was not run")


def _taken(plan: Plan, row: dict[Any, Any]) -> bool:
    """Whether the newest slot that a run stands for is the one of the start that was planned."""
    if pd.isna(row["taken_at"]):
        return False
    slot = row["taken_at"].to_pydatetime()
    return bool(slot + jitter(plan, slot) >= row["next_at"])


def _had_work(view: View, plan: Plan, patience: timedelta) -> bool:
    ready = view.jobs[plan.name].ready
    with view.warehouse.read() as session:
        return ready(session, view.markets, view.now) and ready(session, view.markets, view.now - patience)


def _late(job: str, since: datetime, now: datetime, what: str) -> Bad:
    waited = round((now - since) / MINUTE)
    message = f"{job} is {waited} min late: {what}. Look at what its lane does on the Jobs page; run it from there."
    return Bad(job, message, since, {"late_min": waited})


def long(view: View, times: float) -> Iterator[Bad]:
    """Runs that take `times` as long as usual, or outlive their deadline; by the real age of the process."""
    plans = plans_of(view.jobs, view.operations)
    with view.warehouse.read() as session:
        running = [row for row in runs.rows_of(session.ask("open_runs")) if row["state"] == "running"]
        usual = {row["job"]: runs.usual(session, row["job"]) for row in running}
    for row in running:
        plan = plans.get(row["job"])
        age = None if row["pid"] is None or row["born"] is None else processes.age_s(int(row["pid"]), row["born"])
        # A run whose process is gone is not long but dead; the scheduler buries it.
        if plan is None or age is None:
            continue
        said = _too_long(age, plan, usual[row["job"]], times)
        if said:
            message = (
                f"{row['job']} runs since {_minutes(age)}, {said}. Read its log on the Jobs page; cancel it there."
            )
            yield Bad(row["job"], message, row["started_at"], {"run_id": row["run_id"], "age_s": round(age)})


def _too_long(age_s: float, plan: Plan, usual: runs.Usual | None, times: float) -> str:
    if age_s > plan.deadline.total_seconds():
        return f"over its deadline of {_minutes(plan.deadline.total_seconds())}"
    if usual is None or age_s <= max(LEAST_S, times * usual.median_s):
        return ""
    return f"{age_s / usual.median_s:.0f} times its usual {usual.median_s:.0f} s (median of {usual.n} runs)"


def missed(view: View, limit_h: float) -> Iterator[Bad]:
    """Stretches of hours without an issue noted in the last `limit_h`: over once the issues go on."""
    for row in view.warehouse.ask("missed_stretches", since=view.now - limit_h * HOUR, now=view.now).to_dict("records"):
        first, last, n = row["first_origin"], row["last_origin"], int(row["n"])
        hours = f"{first:%d %b %H:%M}Z" + (f" to {last:%d %b %H:%M}Z" if n > 1 else "")
        issues = "1 issue was" if n == 1 else f"{n} issues were"
        yield Bad(
            subject=row["target"],
            message=f"{issues} not made in time, {hours}: {row['reason']}. They stay missed; see that issues go on.",
            since=row["noted_at"].to_pydatetime(),
            evidence={"n": n, "first": first.isoformat(), "last": last.isoformat()},
            event=first.isoformat(),
            over=bool(row["issued"] == row["issued"] and row["issued"] is not None and row["issued"] > last),
        )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _short(error: Any) -> str:
    line = (error if isinstance(error, str) and error.strip() else "no word why").strip().splitlines()[0]
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"


RULES = (
    Rule("job_failed", "Job failed", "warning", failed, limit=15, unit="minutes a passing failure may last",
         escalate=2 * HOUR, good="its newest run went well"),
    Rule("job_late", "Job late", "warning", late, limit=15, unit="minutes", escalate=2 * HOUR,
         good="it is run in time again"),
    Rule("job_long", "Job takes long", "warning", long, limit=3, unit="times its usual duration", escalate=4 * HOUR,
         good="that run has ended"),
    Rule("missed_issue", "Forecast not issued", "critical", missed, limit=24, unit="hours since it was noted",
         good="the issues go on; the missed hours stay noted"),
)  # fmt: skip
