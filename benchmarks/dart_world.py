"""ERCOT's real prices -> for each settlement point a spread as the pipeline sees it: target, facts, rows, actuals.

The day-ahead prices of a day are known at 13:30 Central of the day before, a real-time hour ten minutes after it
ended, a forecast is issued two minutes later. The spread's hours come from the pipeline's own spreads.between.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline import features, inputs, spreads
from pipeline.exogenous import Exogenous
from pipeline.features import Actuals, Built
from pipeline.inputs import Facts
from pipeline.markets import HORIZONS, METRICS, Input, Series, Target
from pipeline.settings import ROOT
from pipeline.windows import WINDOW_HOURS, History, Times, Versions

PRICES = ROOT.parent / "shared" / "data" / "ercot_prices_hourly.parquet"
ZONE, UNIT = "America/Chicago", "USD/MWh"
PUBLISHED, RESULTS = timedelta(minutes=10), timedelta(hours=13, minutes=30)
ISSUED = timedelta(minutes=12)
BOUNDS = -251.0, 5001.0


@dataclass(frozen=True)
class World:
    """One settlement point: rows of all origins whose own hour is known, ascending, and the actuals after them."""

    point: str
    facts: Facts
    built: Built
    actuals: Actuals


def prices() -> pd.DataFrame:
    """The file: ts_utc, settlement_point, dam_spp, rtm_spp_hourly_mean. Raises FileNotFoundError."""
    return pd.read_parquet(PRICES).astype({"dam_spp": "float64", "rtm_spp_hourly_mean": "float64"})


def world(point: str, rows: pd.DataFrame) -> World:
    """Of one settlement point, from the rows of `prices`."""
    mine = rows[rows["settlement_point"] == point].sort_values("ts_utc")
    ahead = _leg(mine["ts_utc"], mine["dam_spp"], day_ahead_known(mine["ts_utc"]))
    later = _leg(mine["ts_utc"], mine["rtm_spp_hourly_mean"], mine["ts_utc"] + timedelta(hours=1) + PUBLISHED)
    target = _target(point)
    known = Versions.of(ahead)
    facts = Facts(
        target=target,
        history=History.of(spreads.between(ahead, later)),
        operator=Versions(known.valid_at, np.zeros(len(known)), known.known_at),
        inputs=tuple(Exogenous(one.key, one.kind, one.own_unit, known, one.unit) for one in target.inputs),
    )
    return World(point, facts, *lessons(facts, facts.history.valid_at.max() - max(HORIZONS)))


def lessons(facts: Facts, last: np.datetime64) -> tuple[Built, Actuals]:
    """Rows of the origins up to `last`, each as known at its issue, and their actuals with when they were known."""
    origins: Times = np.arange(facts.history.valid_at.min() + WINDOW_HOURS, last + 1)
    built = facts.built(origins, inputs.usual_as_of(origins, facts.target))
    built = built.rows(built.stale_hours == 0)
    hereafter = facts.history.known_at.max()
    return built, features.training_actuals(facts.history, built.batch.origins, as_of=hereafter)


def day_ahead_known(moments: pd.Series) -> pd.Series:
    """When the day-ahead prices of each hour (aware UTC) were published."""
    day = moments.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    published = day - timedelta(days=1) + RESULTS
    known: pd.Series = published.dt.tz_localize(ZONE).dt.tz_convert("UTC")
    return known


def _leg(moments: pd.Series, values: pd.Series, known_at: pd.Series) -> pd.DataFrame:
    """As of the query hourly_versions; within the hour nothing more is known than its mean."""
    names = ["value", "last_05", "last_15", "last_30"]
    frame = pd.DataFrame({"valid_at": moments, "known_at": known_at, "n": 1} | dict.fromkeys(names, values))
    return frame.dropna().reset_index(drop=True)


def _target(point: str) -> Target:
    ahead, later = (
        _series(f"ercot.{name}_{point.lower()}", kind) for name, kind in (("dam", "price"), ("rtm", "measured"))
    )
    return Target(
        id=f"ercot.dart_{point.lower()}",
        title=f"DART {point}",
        market="ercot",
        zone=ZONE,
        country="US",
        series=later,
        operator=None,
        horizons=HORIZONS,
        issue_delay=ISSUED,
        issue_grace=timedelta(minutes=30),
        kind="spread",
        inputs=(Input(**vars(ahead), own_unit=False),),
        minuend=ahead,
        metrics=METRICS["spread"],
    )


def _series(name: str, kind: str) -> Series:
    no, hour = timedelta(0), timedelta(hours=1)
    return Series(name, name, kind, UNIT, hour, no, no, no, *BOUNDS, {})
