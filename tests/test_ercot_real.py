"""ERCOT's own loads and prices through a local server: each value to the last digit, each label as ERCOT wrote it."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.settings import ROOT, Settings
from pipeline.sources.base import Window
from pipeline.sources.ercot import Ercot
from pipeline.sources.ercot_clock import starts
from pipeline.sources.ercot_mis import ErcotMis
from tests.servers.ercot import ErcotServer
from tests.servers.ercot_store import ZONES, Store, labels, real_store

DATA = ROOT.parent / "shared" / "data"
LOADS, PRICES = DATA / "ercot_load_hourly.parquet", DATA / "ercot_prices_hourly.parquet"
SERIES = {one.id.partition(".")[2]: one for one in load_markets(ROOT / "sextant.toml", ("ercot",))["ercot"].series}
FIRST, LAST = datetime(2023, 1, 1, 6, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
# Three of the seven: all go the same way.
POINTS = ("HB_HOUSTON", "HB_WEST", "LZ_NORTH")
NAMES = (
    *(f"load_{zone.lower()}" for zone in (*ZONES, "total")),
    *(f"{kind}_{point.lower()}" for kind in ("dam", "rtm") for point in POINTS),
)

pytestmark = pytest.mark.skipif(
    not (LOADS.exists() and PRICES.exists()), reason=f"REAL DATA ABSENT: {LOADS.name} and {PRICES.name} are needed"
)


@pytest.fixture(scope="module")
def store() -> Store:
    return real_store(LOADS, PRICES, "2023-01-01 06:00", "2025-01-01")


@pytest.fixture(scope="module")
def fetched(store: Store) -> dict[str, pd.Series]:
    """Two years of all loads and prices, in the windows the ingest would ask for."""
    source, found = Ercot(), dict[str, list[pd.DataFrame]]()
    with ErcotServer(store, LAST + timedelta(days=3)) as server:
        settings = Settings.load(server.env | {"SEXTANT_HTTP_TRIES": "1"})
        for name in NAMES:
            start, found[name] = FIRST if name.startswith("load") else datetime(2024, 1, 1, 6, tzinfo=UTC), []
            while start < LAST:
                window = Window(start, min(start + source.max_window, LAST))
                found[name].append(source.fetch([SERIES[name]], window, now=server.now, settings=settings))
                start = window.end
        assert len(server.asked("np6-345-cd")) == 9
        assert len(server.asked("np4-190-cd")) == len(server.asked("np6-905-cd")) == 5 * len(POINTS)
    return {name: pd.concat(parts).set_index("valid_at")["value"] for name, parts in found.items()}


@pytest.mark.parametrize("zone", [*ZONES, "ERCOT"])
def test_loads_are_the_files_to_the_last_digit(store: Store, fetched: dict[str, pd.Series], zone: str) -> None:
    name = "load_total" if zone == "ERCOT" else f"load_{zone.lower()}"
    assert fetched[name].sort_index().to_dict() == store.load[zone].dropna().to_dict()
    for day, hours in (("2023-03-12", 23), ("2023-11-05", 25), ("2024-03-10", 23), ("2024-11-03", 25)):
        local = pd.DatetimeIndex(fetched[name].index).tz_convert("America/Chicago")
        assert (local.strftime("%Y-%m-%d") == day).sum() == hours


@pytest.mark.parametrize("point", POINTS)
def test_prices_are_the_files_and_four_quarters_make_an_hour(
    store: Store, fetched: dict[str, pd.Series], point: str
) -> None:
    rows = (
        pd.read_parquet(PRICES).query("settlement_point == @point").set_index("ts_utc").loc[: LAST - timedelta(hours=1)]
    )
    day_ahead = rows["dam_spp"].astype("float64").dropna()
    assert fetched[f"dam_{point.lower()}"].to_dict() == day_ahead.to_dict()
    quarters = fetched[f"rtm_{point.lower()}"]
    hours = quarters.groupby(quarters.index.floor("h"))
    assert set(hours.size()) == {4}
    assert hours.mean().to_dict() == rows["rtm_spp_hourly_mean"].astype("float64").dropna().to_dict()
    assert len(hours) > 8_500


def test_the_raw_labels_of_the_file_mean_the_hours_it_says(store: Store) -> None:
    rows = pd.read_parquet(LOADS, columns=["ts_utc", "hour_ending_raw"])
    parts = rows["hour_ending_raw"].str.extract(r"^(\S+) (.*)$")
    found = starts(parts[0], parts[1], pd.Series("N", index=parts.index))
    assert found.tolist() == rows["ts_utc"].tolist()
    told = labels(pd.DatetimeIndex(store.load.dropna().index))
    written = told["day"].dt.strftime("%m/%d/%Y ") + told["hour"].map("{:02d}:00".format)
    written += told["repeated"].map({True: " DST", False: ""})
    assert written.tolist() == rows["hour_ending_raw"].tolist()


def test_files_say_the_same_as_the_api(store: Store, fetched: dict[str, pd.Series]) -> None:
    day = Window(datetime(2024, 11, 3, 5, tzinfo=UTC), datetime(2024, 11, 4, 6, tzinfo=UTC))
    with ErcotServer(store, datetime(2024, 11, 4, 15, tzinfo=UTC)) as server:
        settings = Settings.load(server.env | {"SEXTANT_HTTP_TRIES": "1"})
        for name in ("load_scent", "dam_hb_west"):
            points = ErcotMis().fetch([SERIES[name]], day, now=server.now, settings=settings)
            expected = fetched[name][lambda values: (values.index >= day.start) & (values.index < day.end)]
            assert points.set_index("valid_at")["value"].to_dict() == expected.to_dict()
