"""Hours and their truth -> actuals, raw values and requests of the demo market, the same every time."""

from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline.warehouse import Session

SERIES = ("demo.load", "demo.load_forecast", "demo.temperature", "demo.price")


def fill(session: Session, target: str, hours: pd.DatetimeIndex, truth: np.ndarray, at: pd.Timestamp) -> None:
    """Actuals of `hours`, known and written an hour and some after each; raw values; one request a series."""
    known = hours + timedelta(hours=1, minutes=8)
    session.append(
        "actuals",
        pd.DataFrame({
            "target": target, "valid_at": hours, "value": truth, "last_05": truth, "last_15": truth,
            "last_30": truth, "n": 12,
            "known_at": known, "written_at": known + timedelta(minutes=2), "run_id": "actuals00001",
        }),
    )  # fmt: skip
    for series in SERIES:
        late = {target: at - timedelta(minutes=14), "demo.temperature": at - timedelta(hours=9)}
        last = late.get(series, at + timedelta(hours=30))
        ahead = pd.date_range(hours[-48], last, freq="5min" if series == target else "h").as_unit("us")
        session.append(
            "raw",
            pd.DataFrame({
                "series": series, "valid_at": ahead, "value": 20000.0, "made_at": at, "seen_at": at, "source": "demo",
                "run_id": "ingest000001",
            }),
        )  # fmt: skip
        session.append("fetches", _fetch(series, at))


def _fetch(series: str, at: pd.Timestamp) -> pd.DataFrame:
    broken = series == "demo.temperature"
    message = "demo: the source did not answer within 30 s; it is asked again next time."
    row = {
        "series": series, "source": "demo", "window_start": at - timedelta(hours=3), "window_end": at, "rows_new": 12,
        "outcome": "transient" if broken else "ok", "message": message if broken else "", "rows_revised": 1,
        "rows_same": 23, "rows_quarantined": 0, "seen_at": at, "again_at": pd.NaT, "run_id": "ingest000001",
    }  # fmt: skip
    return pd.DataFrame([row])
