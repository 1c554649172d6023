"""A moment -> a warehouse of two markets in other zones: loads with a total, and spreads with their legs.

West (Los Angeles): three zones and the system they add up to. South (Chicago): a load, a price and two spreads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.data import Desk
from pipeline import registry
from pipeline.configuring.markets import load_markets
from pipeline.markets import Target
from pipeline.warehouse import Session, Warehouse
from tests import kept, life_filler
from tests.dashboards import NOW, seated

DAYS = 9
LEVELS = {"p05": -1.645, "p10": -1.2816, "p50": 0.0, "p90": 1.2816, "p95": 1.645}
LOAD, POWER, PRICE = (
    "load",
    'unit = "MW"\nminimum = 0\nmaximum = 90000',
    'unit = "USD/MWh"\nminimum = -500\nmaximum = 9000',
)
ZONES = {"north": 9000.0, "coast": 12000.0, "desert": 2500.0}
POINTS = ("hub", "valley")
MEASURED = {"cadence_min": 60, "delay_min": 10}


def settings(folder: Path, *, more: int = 0) -> Path:
    """The two markets as a file in `folder`; `more` targets without data beside them."""
    path = folder / "sextant.toml"
    lines = [*_market("west", "America/Los_Angeles"), *_west(more), *_market("south", "America/Chicago"), *_south()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _market(name: str, zone: str) -> list[str]:
    return [
        f"[market.{name}]", f'name = "{name.capitalize()}"', f'zone = "{zone}"', 'country = "US"', 'sources = ["demo"]',
        "history_days = 400", 'currency = "USD"',
    ]  # fmt: skip


def _series(market: str, key: str, title: str, kind: str, bounds: str) -> list[str]:
    ahead = "ahead_h = 36" if kind == "price" else "delay_min = 10"
    return [
        f"[market.{market}.series.{key}]", f'title = "{title}"', f'kind = "{kind}"', "cadence_min = 60", ahead, bounds,
        'keys = { demo = "load" }',
    ]  # fmt: skip


def _west(more: int) -> list[str]:
    lines = []
    for key in ["system", *ZONES, *(f"zone{place:02d}" for place in range(more))]:
        lines += _series("west", key, f"{key.capitalize()} load", "measured", POWER)
        lines += [f"[market.west.target.{key}]", f'title = "{key.capitalize()}"']
        lines += [f"parts = {list(ZONES)}"] if key == "system" else []
    return lines


def _south() -> list[str]:
    lines = _series("south", "load", "Load", "measured", POWER)
    for point in POINTS:
        lines += _series("south", f"dam_{point}", f"Day-ahead price, {point}", "price", PRICE)
        lines += _series("south", f"rtm_{point}", f"Real-time price, {point}", "measured", PRICE)
    for point in POINTS:
        lines += [
            f"[market.south.target.dart_{point}]", f'title = "DART {point}"', 'kind = "spread"',
            f'series = "rtm_{point}"', f'minuend = "dam_{point}"', f'inputs = ["dam_{point}"]',
        ]  # fmt: skip
    lines += ["[market.south.target.rtm]", 'title = "Real-time hub"', 'kind = "price"', 'series = "rtm_hub"']
    return [*lines, "[market.south.target.load]", 'title = "Load"']


@contextmanager
def desk(folder: Path, patch: pytest.MonkeyPatch, now: datetime = NOW, *, more: int = 0) -> Iterator[Desk]:
    """Pages over `folder`/w.duckdb, whatever that holds, with both markets."""
    patch.setenv("SEXTANT_CONFIG", str(settings(folder, more=more)))
    with seated(folder / "w.duckdb", patch, now, markets="west,south") as made:
        yield made


def fill(folder: Path, now: datetime = NOW, days: int = DAYS) -> Warehouse:
    """`days` of forecasts, scores and raw values of every target up to `now`, each issued live."""
    kept.empty(folder / "w.duckdb", now)
    warehouse = Warehouse(folder / "w.duckdb", wait_s=10)
    markets = load_markets(settings(folder), ("west", "south"))
    at = pd.Timestamp(now)
    last = at.floor("h") - timedelta(hours=1)
    hours = pd.date_range(last - timedelta(days=days), last + timedelta(hours=30), freq="h").as_unit("us")
    with warehouse.write() as session:
        series = raw(session, hours, last, at)
        for market in markets.values():
            for target in market.targets:
                truth = series[target.series.id]
                if target.minuend is not None:
                    truth = series[target.minuend.id] - truth
                _target(session, target, hours[: len(hours) - 24], truth[: len(hours) - 24], at)
    return warehouse


def raw(session: Session, hours: pd.DatetimeIndex, last: pd.Timestamp, at: pd.Timestamp) -> dict[str, np.ndarray]:
    """What every series holds by id: measured hours up to `last`, day-ahead prices further. The truth goes on."""
    rng = np.random.default_rng(5)
    day = np.sin((hours.hour.to_numpy() - 14) / 24 * 2 * np.pi)
    found = {
        f"west.{zone}": size * (1 + 0.2 * day) + rng.normal(0, size / 90, len(hours)) for zone, size in ZONES.items()
    }
    found["west.system"] = sum(found.values()) + 35.0
    found["south.load"] = 45000 + 9000 * day
    for place, point in enumerate(POINTS):
        ahead = 38 + 14 * day + rng.normal(0, 2, len(hours))
        found[f"south.dam_{point}"] = ahead.round(2)
        shocks = rng.normal(-1.5, 9, len(hours)) + np.where(rng.random(len(hours)) < 0.03, -160.0, 0.0)
        found[f"south.rtm_{point}"] = (ahead - shocks - 3 * place).round(2)
    for name, values in found.items():
        known = hours <= (hours[-1] if ".dam_" in name else last)
        ready = np.where(hours <= last, hours + timedelta(hours=1, minutes=8), hours - timedelta(hours=20))
        rows = pd.DataFrame({"series": name, "valid_at": hours, "value": values, "made_at": ready, "seen_at": ready})
        rows = (
            rows[known]
            .assign(source="demo", run_id="ingest000001")
            .astype({"made_at": hours.dtype, "seen_at": hours.dtype})
        )
        session.append("raw", rows)
    return found


def _target(session: Session, target: Target, hours: pd.DatetimeIndex, truth: np.ndarray, at: pd.Timestamp) -> None:
    measured = hours[:-6]
    known = measured + timedelta(hours=1, minutes=8)
    session.append("actuals", pd.DataFrame({
        "target": target.id, "valid_at": measured, "value": truth[:-6], "last_05": truth[:-6], "last_15": truth[:-6],
        "last_30": truth[:-6], "n": 1, "known_at": known, "written_at": known, "run_id": "actuals00001",
    }))  # fmt: skip
    version = _version(session, target, at)
    grid = pd.MultiIndex.from_product([measured, range(1, 7)], names=["origin", "horizon"]).to_frame(index=False)
    grid["valid_at"] = grid["origin"] + pd.to_timedelta(grid["horizon"], unit="h")
    grid["made_at"] = grid["origin"] + timedelta(hours=1, minutes=12)
    grid["truth"] = pd.Series(truth, index=hours).reindex(grid["valid_at"]).to_numpy()
    spread = target.kind == "spread"
    size = 8.0 if target.series.unit != "MW" else 0.006 * float(np.abs(truth).mean())
    rng, parts = np.random.default_rng(len(target.id)), []
    for issuer, times in (("sextant", 1.0), ("naive", 2.4), *([("operator", 0.0)] if spread else [])):
        point = grid["truth"] * (0.4 if spread else 1) + rng.normal(0, size * times or 1, len(grid))
        point = 0.0 * point if issuer == "operator" else point
        bands = {
            name: point + z * size if issuer == "sextant" or name == "p50" else np.nan for name, z in LEVELS.items()
        }
        parts.append(grid.assign(issuer=issuer, version_id=version if issuer == "sextant" else issuer, **bands))
    rows = pd.concat(parts, ignore_index=True).assign(
        target=target.id, mode="live", status="ok", reason="", run_id="forecast0001"
    )
    session.append("predictions", rows.drop(columns="truth").assign(written_at=rows["made_at"]))
    session.append("accuracy", _scores(rows[rows["valid_at"] <= measured[-1]]))


def _scores(done: pd.DataFrame) -> pd.DataFrame:
    error, width = done["p50"] - done["truth"], done["p90"] - done["p10"]
    banded = done["p10"].notna()
    beyond = (done["p10"] - done["truth"]).clip(lower=0) + (done["truth"] - done["p90"]).clip(lower=0)
    inside = {f"in_band{more}": done["truth"].between(done[low], done[high]).astype(object).where(banded, None)
              for more, low, high in (("", "p10", "p90"), ("90", "p05", "p95"))}  # fmt: skip
    loss = (error.abs() / 2 + beyond).where(banded)
    names = ["target", "origin", "horizon", "valid_at", "issuer", "version_id", "mode", "status", "p50", "run_id"]
    known = done["valid_at"] + timedelta(hours=1, minutes=8)
    pit = (0.5 - error / (4 * width)).clip(0, 1)
    return done[names].assign(
        actual=done["truth"], actual_known_at=known, error=error, pinball_loss=loss, scored_at=known, width=width,
        winkler=width + 10 * beyond, pit=pit, **inside,
    )  # fmt: skip


def _version(session: Session, target: Target, at: pd.Timestamp) -> str:
    when, run_id = at - timedelta(days=20), f"train-{target.id}"
    row = {
        "target": target.id, "family": "ridge", "created_at": when, "as_of": when,
        "trained_from": when - timedelta(days=300), "trained_to": when, "data_hash": "f3a" * 20, "n_rows": 7000,
        "feature_set": "fs1", "params": {}, "metrics": {}, "libraries": {}, "code_commit": "", "seed": 7,
        "artifact": f"{target.id}.joblib", "sha256": "ab" * 32, "run_id": run_id,
    }  # fmt: skip
    version = registry.register(session, row)
    scale = 6.0 if target.series.unit != "MW" else 200.0
    scores = life_filler.scores(run_id, target.id, scale, when)
    spiky = {"hit_rate": 0.58, "tail_mae": 3 * scale, "profit": 0.31}
    shown = spiky if target.kind == "spread" else dict.fromkeys(spiky, float("nan"))
    mape = {} if "mape" in target.metrics else {"mape": float("nan")}
    session.append("backtests", scores.assign(**shown, **mape))
    registry.decide(
        session, target=target.id, version_id=version, expected=None, kind="train", promote=True, actor="train",
        reason="the first version", evidence={"hold_out_mae": scale}, now=when.to_pydatetime(), run_id=run_id,
    )  # fmt: skip
    return version
