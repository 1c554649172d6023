"""Real files of CAISO and ERCOT -> markets to replay: configuration, a local provider, and where the truth is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.settings import ROOT
from tests.servers.caiso import CaisoServer, real_hours
from tests.servers.ercot import ErcotServer
from tests.servers.ercot_store import POINTS, ZONES, real_store

DATA = ROOT.parent / "shared" / "data"
AREAS = {"system": "CISO", "np15": "PGAE", "sce": "SCE", "sdge": "SDGE", "vea": "VEA"}
TAC = {"system": "CA ISO-TAC", "np15": "PGE-TAC", "sce": "SCE-TAC", "sdge": "SDGE-TAC", "vea": "VEA-TAC"}
LOAD_BOUNDS = (1.0, 100_000.0)
MARKET = """[market.{market}]
name = "{name}"
zone = "{zone}"
country = "{country}"
currency = "USD"
sources = ["{source}"]
history_days = {history}
"""
LOAD = """[market.{market}.series.{key}]
title = "{key}"
kind = "measured"
unit = "MW"
cadence_min = 60
delay_min = 5
minimum = 1
maximum = 100000
keys = {{ {source} = "{name}" }}

[market.{market}.target.{key}]
title = "{key}"
"""
DART = """[market.ercot.series.dam_{key}]
title = "{point}, day-ahead"
kind = "price"
unit = "USD/MWh"
cadence_min = 60
ahead_h = 40
minimum = -300
maximum = 9000
keys = {{ ercot = "dam:{point}" }}

[market.ercot.series.rtm_{key}]
title = "{point}, real-time"
kind = "measured"
unit = "USD/MWh"
cadence_min = 15
delay_min = 5
flat_min = 0
minimum = -300
maximum = 9000
keys = {{ ercot = "rtm:{point}" }}

[market.ercot.target.dart_{key}]
title = "{point}, day-ahead minus real-time"
kind = "spread"
minuend = "dam_{key}"
series = "rtm_{key}"
inputs = ["dam_{key}"]
"""
PRICE_BOUNDS = (-300.0, 9000.0)


@dataclass(frozen=True)
class World:
    """One market: `server(now)` makes its provider, `truth` says for each target where its hours are published."""

    market: str
    config: str
    start: datetime
    end: datetime
    server: Callable[[datetime], Any]
    environment: Callable[[Any], dict[str, str]]
    truth: dict[str, dict[str, Any]]
    families: dict[str, list[str]]


def caiso(days: int) -> World:
    """Five areas of California around the clock change of November 2023, three years of history before."""
    end = datetime(2023, 12, 15, 8, tzinfo=UTC)
    start = end - timedelta(days=days)
    file = DATA / "caiso_load_hourly.parquet"
    head = MARKET.format(market="caiso", name="California", zone="America/Los_Angeles", country="US-CA",
                         source="caiso", history=1100)  # fmt: skip
    loads = [LOAD.format(market="caiso", key=key, source="caiso", name=f"ACTUAL:{area}") for key, area in TAC.items()]
    return World(
        market="caiso",
        config="\n".join([head, *loads]),
        start=start,
        end=end,
        server=lambda now: CaisoServer({"ACTUAL": real_hours(file)}, now),
        environment=lambda server: {"SEXTANT_CAISO_URL": server.url},
        truth={
            f"caiso.{key}": _truth(file, ["demand_raw_mw"], [LOAD_BOUNDS], ("zone", zone))
            for key, zone in AREAS.items()
        },
        families={"load": ["naive", "ridge"]},
    )


def ercot(days: int) -> World:
    """Eight zones and seven settlement points of Texas around the clock change of November 2024."""
    end = datetime(2024, 12, 1, 6, tzinfo=UTC)
    loads, prices = DATA / "ercot_load_hourly.parquet", DATA / "ercot_prices_hourly.parquet"
    head = MARKET.format(market="ercot", name="Texas", zone="America/Chicago", country="US-TX",
                         source="ercot", history=700)  # fmt: skip
    zones = [LOAD.format(market="ercot", key=zone.lower(), source="ercot", name=f"load:{zone}") for zone in ZONES]
    spreads = [DART.format(key=point.lower(), point=point) for point in POINTS]
    truth = {f"ercot.{zone.lower()}": _truth(loads, [zone], [LOAD_BOUNDS]) for zone in ZONES}
    legs = ["dam_spp", "rtm_spp_hourly_mean"]
    for point in POINTS:
        truth[f"ercot.dart_{point.lower()}"] = _truth(prices, legs, [PRICE_BOUNDS] * 2, ("settlement_point", point))
    return World(
        market="ercot",
        config="\n".join([head, *zones, *spreads]),
        start=end - timedelta(days=days),
        end=end,
        server=lambda now: ErcotServer(real_store(loads, prices, "2023-01-01", "2024-12-08"), now),
        environment=lambda server: server.env,
        truth=truth,
        families={"load": ["naive", "ridge"], "spread": ["naive", "ridge_asinh"]},
    )


def _truth(
    file: Path, columns: list[str], bounds: list[tuple[float, float]], where: tuple[str, str] | None = None
) -> dict[str, Any]:
    return {"file": str(file), "columns": columns, "bounds": bounds, "where": where}


WORLDS = {"caiso": caiso, "ercot": ercot}
