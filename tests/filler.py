"""A moment -> a small warehouse with rows in every table, the same every time for the same moment.

Target demo.load: 35 days of forecasts, three versions, a roll back, a fallback issue, failed runs.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import features, registry
from pipeline.configuring.markets import load_markets
from pipeline.runrows import new_run, run_frame
from pipeline.settings import ROOT
from pipeline.warehouse import Session, Warehouse
from tests import explained_filler, facts_filler, kept, life_filler, ops_filler

TARGET = "demo.load"
INPUTS = load_markets(ROOT / "sextant.toml", ("demo",))["demo"].targets[0].inputs
DAYS = 35
LEVELS = ("p05", "p10", "p50", "p90", "p95")
Z = {"p05": -1.645, "p10": -1.2816, "p50": 0.0, "p90": 1.2816, "p95": 1.645}


@dataclass(frozen=True)
class Story:
    """What the newest issue looks like and how many hours ago the pipeline stopped.

    waiting: a fourth version waits for approval; reissued: the newest issue was made again by the second version;
    busy: one run is going on and another waits.
    """

    hours_old: int = 0
    status: str = "ok"
    reason: str = ""
    mode: str = "live"
    waiting: bool = False
    reissued: bool = False
    busy: bool = False


def empty(path: Path, now: datetime) -> Warehouse:
    """A migrated warehouse without data."""
    kept.empty(path, now)
    return Warehouse(path, wait_s=10)


def fill(path: Path, now: datetime, story: Story | None = None) -> Warehouse:
    """A full warehouse at `path`; model files go to `path.parent`/models."""
    told = story or Story()
    name = "filled-" + sha256(repr(told).encode()).hexdigest()[:12]
    kept.warehouse(name, path, now, lambda place: _fill(place, now, told))
    return Warehouse(path, wait_s=10)


def _fill(path: Path, now: datetime, story: Story) -> None:
    warehouse = empty(path, now)
    at = pd.Timestamp(now).tz_convert(UTC) - timedelta(hours=story.hours_old)
    origin = at.floor("h") - timedelta(hours=1)
    hours = pd.date_range(origin - timedelta(days=DAYS), origin + timedelta(hours=6), freq="h").as_unit("us")
    truth = load(hours)
    with warehouse.write() as session:
        _versions(session, path.parent / "models", at)
        facts_filler.fill(session, TARGET, hours[:-6], truth[:-6], at)
        _forecasts(session, hours, truth, at, story)
        _runs(session, at)
        _life(session, path.parent / "models", at, story)
        explained_filler.fill(session, TARGET, at)
        ops_filler.fill(session, at, TARGET)
        if story.busy:
            ops_filler.busy(session, at)
        session.append("audit", _audit(at))


def load(hours: pd.DatetimeIndex) -> np.ndarray:
    """MW with a daily and a weekly shape and a little noise."""
    day = (
        np.sin((hours.hour.to_numpy() - 8) / 24 * 2 * np.pi) * 4200
        + np.sin(hours.hour.to_numpy() / 12 * 2 * np.pi) * 1500
    )
    week = np.where(hours.day_of_week.to_numpy() >= 5, -2600, 0)
    return 27500 + day + week + np.random.default_rng(4).normal(0, 160, len(hours))


def _versions(session: Session, models: Path, at: pd.Timestamp) -> None:
    champion = None
    for number, (family, mae, days) in enumerate([("naive", 402.0, 60), ("naive", 318.0, 32), ("naive", 305.0, 3)], 1):
        when, run_id = at - timedelta(days=days), f"train{number:07d}"
        artifact = registry.store(life_filler.content(when, mae), folder=models, name=f"{TARGET}/{run_id}")
        version = _version(family, when, run_id, artifact, number)
        version_id = registry.register(session, version)
        session.append("backtests", life_filler.scores(run_id, TARGET, mae, when))
        registry.decide(
            session, target=TARGET, version_id=version_id, expected=champion, kind="train", promote=True, actor="train",
            reason="sound and not clearly worse than the champion", evidence={"hold_out_mae": mae},
            now=when.to_pydatetime(),
            run_id=run_id,
        )  # fmt: skip
        champion = version_id


def _life(session: Session, models: Path, at: pd.Timestamp, story: Story) -> None:
    life_filler.live(session, at, TARGET)
    if story.waiting:
        when = at - timedelta(hours=30)
        artifact = registry.store(life_filler.content(when, 301.2), folder=models, name=f"{TARGET}/train0000004")
        life_filler.candidate(session, _version("naive", when, "train0000004", artifact, 4))
    if story.reissued:
        life_filler.reissue(session, f"{TARGET}-v2")


def _version(family: str, when: pd.Timestamp, run_id: str, artifact: registry.Artifact, number: int) -> dict[str, Any]:
    return {
        "target": TARGET, "family": family, "created_at": when, "as_of": when,
        "trained_from": when - timedelta(days=1000),
        "trained_to": when - timedelta(hours=2), "data_hash": f"{number}f3a" * 16, "n_rows": 24000 + number,
        "feature_set": features.feature_set(INPUTS),
        "params": {}, "metrics": {}, "libraries": {"numpy": "2"}, "code_commit": "9f31c2e0aa11",
        "artifact": artifact.path,
        "sha256": artifact.sha256, "seed": 7, "run_id": run_id,
    }  # fmt: skip


def _forecasts(session: Session, hours: pd.DatetimeIndex, truth: np.ndarray, at: pd.Timestamp, story: Story) -> None:
    rng = np.random.default_rng(11)
    value = dict(zip(hours, truth, strict=True))
    origins = hours[:-6]
    replayed = origins < hours[-6] - timedelta(days=20)
    grid = pd.MultiIndex.from_product([origins, range(1, 7)], names=["origin", "horizon"]).to_frame(index=False)
    grid["valid_at"] = grid["origin"] + pd.to_timedelta(grid["horizon"], unit="h")
    grid["truth"] = grid["valid_at"].map(value)
    grid["mode"] = np.where(np.repeat(replayed, 6), "replay", story.mode)
    grid["made_at"] = grid["origin"] + timedelta(hours=1, minutes=12)
    width = 130 + 55 * grid["horizon"]
    parts = []
    for issuer, spread in {"sextant": width, "naive": width * 2.6, "operator": width * 1.3}.items():
        point = grid["truth"] + rng.normal(0, 1, len(grid)) * spread
        bands = {name: point + Z[name] * width if issuer == "sextant" or name == "p50" else np.nan for name in LEVELS}
        version = (
            np.where(grid["origin"] < at - timedelta(days=3), f"{TARGET}-v2", f"{TARGET}-v3")
            if issuer == "sextant"
            else issuer
        )
        parts.append(grid.assign(issuer=issuer, version_id=version, status="ok", reason="", **bands))
    rows = pd.concat(parts, ignore_index=True)
    _mark(rows, origins[-60], "fallback", "stale data: the last 2 hours of actuals are missing")
    if story.status != "ok":
        _mark(rows, origins[-1], story.status, story.reason)
    _write_forecasts(session, rows, at, last=hours[-7])


def _mark(rows: pd.DataFrame, origin: pd.Timestamp, status: str, reason: str) -> None:
    hit = (rows["origin"] == origin) & (rows["issuer"] == "sextant")
    rows.loc[hit, ["status", "reason", "version_id"]] = [status, reason, "naive"]
    if status == "withheld":
        rows.loc[hit, list(LEVELS)] = np.nan


def _write_forecasts(session: Session, rows: pd.DataFrame, at: pd.Timestamp, *, last: pd.Timestamp) -> None:
    shared = rows.assign(target=TARGET, run_id="forecast0001")
    session.append(
        "predictions",
        shared.drop(columns="truth").assign(written_at=shared["made_at"].where(shared["mode"] == "live", at)),
    )
    done = shared[(shared["valid_at"] <= last) & shared["p50"].notna()]
    error = done["p50"] - done["truth"]
    banded = done["p10"].notna()
    in_band = done["truth"].between(done["p10"], done["p90"]).astype(object).where(banded, None)
    in_band90 = done["truth"].between(done["p05"], done["p95"]).astype(object).where(banded, None)
    width = done["p90"] - done["p10"]
    beyond = (done["p10"] - done["truth"]).clip(lower=0) + (done["truth"] - done["p90"]).clip(lower=0)
    scores = done[
        ["target", "origin", "horizon", "valid_at", "issuer", "version_id", "mode", "status", "p50", "run_id"]
    ]
    session.append(
        "accuracy",
        scores.assign(actual=done["truth"], actual_known_at=done["valid_at"] + timedelta(hours=1, minutes=8),
        error=error,
                      in_band=in_band, pinball_loss=error.abs() / 2,
                      scored_at=(done["valid_at"] + timedelta(minutes=75)).where(done["mode"] == "live", at),
                      in_band90=in_band90, width=width, winkler=width + 10 * beyond, pit=_pit(done)),
    )  # fmt: skip
    newest = shared[(shared["issuer"] == "sextant") & (shared["origin"] >= last - timedelta(hours=3))]
    features = newest[["target", "origin", "horizon", "valid_at", "mode", "run_id"]].assign(
        feature_set="fs1",
        as_of=newest["made_at"],
        level=1.0,
        naive=1.0,
        operator=1.0,
        stale_hours=0,
        filled_hours=0,
        written_at=at,
    )
    features["values"] = [[1.0, 2.0]] * len(features)
    session.append("features", features)


def _pit(done: pd.DataFrame) -> np.ndarray:
    """Where the truth lies in the forecast distribution, NaN without bands; the outer parts as one number each."""
    knots = done[list(LEVELS)].to_numpy(float)
    shares = (0.05, 0.1, 0.5, 0.9, 0.95)
    rows = zip(done["truth"], knots, strict=True)
    return np.array([np.interp(x, k, shares, left=0.0, right=1.0) if k[0] == k[0] else np.nan for x, k in rows])


def _runs(session: Session, at: pd.Timestamp) -> None:
    rows = []
    chain = [("ingest", 41.0), ("actuals", 1.4), ("features", 2.2), ("forecast", 3.1), ("backfill", 1.9)]
    for back in range(30):
        for place, (job, took) in enumerate(chain):
            start = (at - timedelta(hours=back, minutes=5 - place)).to_pydatetime()
            rows.append(
                _run(
                    job,
                    start,
                    took,
                    "skipped" if back % 4 == 3 and job != "ingest" else "succeeded",
                    f"{job}{back:07d}",
                )
            )
    rows[10] |= {
        "state": "failed",
        "error": "Transient: demo: the source did not answer within 30 s; it is asked again next time.",
    }
    for number, days in enumerate((60, 32, 3), 1):
        rows.append(
            _run("train", (at - timedelta(days=days)).to_pydatetime(), 214.0, "succeeded", f"train{number:07d}")
        )
    session.append("job_runs", run_frame(rows + ops_filler.runs(at)))


def _run(job: str, start: datetime, took_s: float, state: str, run_id: str) -> dict[str, Any]:
    row = new_run(job, by="scheduler", reason="", args={}, now=start)
    return row | {
        "run_id": run_id, "state": state, "started_at": start, "heartbeat_at": start,
        "ended_at": start + timedelta(seconds=took_s),
        "cpu_s": took_s / 2, "peak_mb": 180 + 2 * took_s, "pid": 4242, "rows_in": 1200,
        "rows_out": 0 if state == "skipped" else 48,
        "log": f"{start:%Y-%m-%d %H:%M:%S}Z {job}: 48 rows",
    }  # fmt: skip


def _audit(at: pd.Timestamp) -> pd.DataFrame:
    row = {
        "actor": "local",
        "role": "admin",
        "action": "retrain",
        "subject": TARGET,
        "reason": "new meters since Monday",
    }
    outcomes = [
        ("started", 3, {}),
        ("ok", 3, {"run_id": "train0000003"}),
        ("denied", 30, {"error": "retrain needs the role operator"}),
    ]
    rows = [
        row
        | {
            "audit_id": f"a{place}",
            "acted_at": at - timedelta(days=days) + timedelta(milliseconds=place),
            "outcome": outcome,
            "detail": json.dumps(detail),
        }
        for place, (outcome, days, detail) in enumerate(outcomes)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(acted_at=frame["acted_at"].dt.as_unit("us"))
