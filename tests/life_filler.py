"""A filled warehouse -> the same with shadows, a check for drift, a backtest in slices, and what a story asks for."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import registry
from pipeline.warehouse import Session

SHADOWED = """
INSERT INTO predictions SELECT * REPLACE ('shadow' AS issuer, $version AS version_id, p50 + $off AS p50)
FROM predictions WHERE issuer = 'sextant' AND status = 'ok' AND made_at >= $since;
"""
SCORED = """
INSERT INTO accuracy
SELECT * REPLACE ('shadow' AS issuer, $version AS version_id, p50 + $off AS p50, error + $off AS error)
FROM accuracy WHERE issuer = 'sextant' AND status = 'ok' AND origin >= $since;
"""
REISSUED = """
INSERT INTO predictions
SELECT * REPLACE ('reissue' AS issuer, $version AS version_id, p50 - 90 AS p50, made_at + INTERVAL 15 MINUTE AS made_at)
FROM predictions WHERE issuer = 'sextant' AND origin = (SELECT max(origin) FROM predictions);
"""
EVIDENCE = {
    "hold_out_mae": 301.2, "families": {"boosting": 301.2, "ridge": 355.0}, "champion": "demo.load-v3", "n": 640,
    "candidate_mae": 301.2, "champion_mae": 312.9, "standard_error": 4.1, "p_value": 0.008, "flaw": None,
}  # fmt: skip
SLICES = {"all": 1.0, "peak": 1.2, "day=working": 1.05, "day=sunday": 1.3, "hour=07": 1.6, "hour=15": 0.8}
OF_SPREADS = ("hit_rate", "tail_mae", "profit")
SUBJECTS = {"feature": ("level", "level_24h", "change_1h"), "prediction": ("T+1", "T+6"), "residual": ("T+1", "T+6")}


def pool(when: pd.Timestamp, mae: float) -> dict[str, np.ndarray]:
    """Hold-out errors of four weeks before `when`."""
    last = int(when.timestamp() // 3600)
    origins = np.arange(last - 672, last, dtype=np.int64)
    return {"origin": origins, "error": np.random.default_rng(3).normal(0, mae, (len(origins), 6))}


def content(when: pd.Timestamp, mae: float) -> dict[str, Any]:
    """What an artifact holds."""
    pools = {"residuals": pool(when, mae), "naive_residuals": pool(when, 2 * mae)}
    return dict.fromkeys(registry.CONTENT) | {"state": {}} | pools


def live(session: Session, at: pd.Timestamp, target: str) -> None:
    """Shadows of the last three days, a check for drift that found nothing, a backtest in slices."""
    shadow(session, f"{target}-v2", off=70.0, since=at - timedelta(days=3))
    session.append("drift", drift(at, target))
    session.append("backtests", slices(at, target))


def shadow(session: Session, version_id: str, *, off: float, since: pd.Timestamp) -> None:
    """Shadow forecasts that lie `off` above what was issued."""
    for statement in (SHADOWED, SCORED):
        session.script(statement, version=version_id, off=off, since=since)


def candidate(session: Session, version: dict[str, Any]) -> None:
    """A newly trained version that waits for approval and forecasts in shadow."""
    target, when = version["target"], version["created_at"]
    version_id = registry.register(session, version)
    registry.decide(
        session, target=target, version_id=version_id, expected=f"{target}-v3", kind="train", promote=False,
        otherwise="waiting", actor="train", reason="waits for approval", evidence=EVIDENCE, now=when.to_pydatetime(),
        run_id=version["run_id"],
    )  # fmt: skip
    shadow(session, version_id, off=-15.0, since=when)


def reissue(session: Session, version_id: str) -> None:
    """The newest issue made again by another version."""
    session.script(REISSUED, version=version_id)


def drift(
    at: pd.Timestamp, target: str, *, drifted: tuple[str, ...] = (), run_id: str = "monitor00001"
) -> pd.DataFrame:
    """One check; `drifted` names subjects of the kind feature."""
    rows = [
        {
            "run_id": run_id, "target": target, "kind": kind, "subject": subject,
            "window_start": at - timedelta(days=7), "window_end": at, "n": 168, "n_reference": 2100,
            "psi": 0.08, "ks": 0.06, "effect": 1.4 if kind == "feature" and subject in drifted else 0.12 + 0.01 * place,
            "p_value": 0.4, "p_adjusted": 0.0004 if subject in drifted else 0.8,
            "drifted": kind == "feature" and subject in drifted, "checked_at": at - timedelta(minutes=40),
        }
        for kind, subjects in SUBJECTS.items()
        for place, subject in enumerate(subjects)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def slices(at: pd.Timestamp, target: str) -> pd.DataFrame:
    """A backtest of three families."""
    cuts = [("all", h, 0.5 + 0.14 * h) for h in range(1, 7)] + [(name, 0, factor) for name, factor in SLICES.items()]
    rows = [
        {
            "run_id": "backtest0001", "target": target, "kind": "backtest", "family": family, "horizon": horizon,
            "slice": cut, "window_start": at - timedelta(days=90), "window_end": at - timedelta(hours=3), "n": 2100,
            "mae": 300 * worse * factor, "mae_se": 9.0 * factor, "rmse": 400 * worse * factor, "mape": 1.1,
            "bias": 4.0, "mase": 0.3, "pinball_loss": 80.0, "coverage": 0.81,
            "skill_naive": np.nan if family == "naive" else 1 - worse / 2.1,
            "skill_naive_se": np.nan if family == "naive" else 0.02,
            "skill_operator": 0.3, "skill_operator_se": 0.03, "p_value": 0.001, "scored_at": at - timedelta(hours=2),
        }
        | dict.fromkeys(OF_SPREADS, np.nan)
        for family, worse in {"boosting": 1.0, "ridge": 1.15, "naive": 2.1}.items()
        for cut, horizon, factor in cuts
    ]  # fmt: skip
    return pd.DataFrame(rows)


def scores(run_id: str, target: str, mae: float, when: pd.Timestamp) -> pd.DataFrame:
    """A training run's comparison of families."""
    better = {"naive": 1.0, "ridge": 1.25, "forest_recursive": 1.1, "boosting": 2.4}
    rows = [
        {
            "run_id": run_id, "target": target, "family": family, "horizon": h,
            "window_start": when - timedelta(days=28),
            "window_end": when, "n": 672, "mae": mae * worse * (0.55 + 0.13 * h),
            "rmse": mae * worse * (0.7 + 0.17 * h),
            "mape": 0.01 * worse * h, "bias": 12.0 * (h - 3), "mase": 0.3 * worse * (0.5 + 0.14 * h),
            "pinball_loss": 80.0,
            "coverage": 0.8 + 0.01 * (h - 3), "scored_at": when,
        }
        for family, worse in better.items()
        for h in range(1, 7)
    ]  # fmt: skip
    unknown = ("mae_se", "skill_naive", "skill_naive_se", "skill_operator", "skill_operator_se", "p_value")
    empty = dict.fromkeys((*unknown, *OF_SPREADS), float("nan"))
    return pd.DataFrame(rows).assign(kind="hold_out", slice="all", **empty)
