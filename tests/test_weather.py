"""The weather service over real HTTP: places by order, weights, stamps, and when a value was known."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import exogenous
from pipeline.configuring.markets import load_markets
from pipeline.errors import NotYetPublished
from pipeline.markets import Place
from pipeline.settings import ROOT, Settings
from pipeline.sources import meteo, weather
from pipeline.sources.base import Window
from pipeline.sources.weather import SOURCE, VARIABLES
from tests.servers.weather import OUT_AFTER, WeatherServer, invented, weight
from tests.weather_asking import BARCELONA, DAY, HOUR, MADRID, NOW, SEVILLE, TODAY, fetch, series

REAL = ROOT.parent / "shared" / "data" / "spain_weather_2015_2018.parquet"


@pytest.fixture
def server() -> Iterator[WeatherServer]:
    with WeatherServer(NOW) as running:
        yield running


def sky(variable: str, place: Place, hours: pd.Series, runs: pd.Series | pd.Timestamp) -> np.ndarray:
    times = pd.DatetimeIndex(hours)
    runs = pd.DatetimeIndex([runs] * len(times) if isinstance(runs, pd.Timestamp) else runs).as_unit("us")
    return invented(variable, (place.latitude, place.longitude), times, runs)


def test_one_question_brings_all_series_and_places_and_is_as_documented(server: WeatherServer) -> None:
    wanted = (
        series("temperature_2m"),
        series("cooling_degrees", SEVILLE),
        series("shortwave_radiation", SEVILLE, MADRID),
    )
    points = fetch(server, *wanted)
    (request,) = server.requests
    assert request.path == "/live/v1/forecast"
    assert request.one("latitude") == "40.4165,41.3888,37.3828"
    assert request.one("longitude") == "-3.7026,2.159,-5.9732"
    assert request.one("hourly") == "temperature_2m,shortwave_radiation"
    assert (request.one("timezone"), request.one("wind_speed_unit")) == ("GMT", "ms")
    assert (request.one("start_date"), request.one("end_date")) == ("2026-11-20", "2026-11-21")
    assert "apikey" not in request.query
    for one in wanted:
        mine = points[points["series"] == one.id]
        assert mine["valid_at"].tolist() == pd.date_range(TODAY.start, TODAY.end, freq="h", inclusive="left").tolist()
    assert points["made_at"].isna().all(), "known when seen"


def test_values_are_weighted_means_by_order_and_degrees_are_made_place_by_place(server: WeatherServer) -> None:
    points = fetch(server, series("temperature_2m"), series("heating_degrees"), series("wind_speed_100m", SEVILLE))
    found = {name: part.reset_index(drop=True) for name, part in points.groupby("series")}
    hours = found["x.temperature_2m"]["valid_at"]
    madrid, barcelona = (sky("temperature_2m", place, hours, server.out()) for place in (MADRID, BARCELONA))
    assert np.abs(madrid - barcelona).min() > 0.5
    assert found["x.temperature_2m"]["value"].to_numpy() == pytest.approx((6 * madrid + 5 * barcelona) / 11)
    cold = [np.maximum(18 - values, 0) for values in (madrid, barcelona)]
    assert (np.maximum(18 - found["x.temperature_2m"]["value"], 0) < (6 * cold[0] + 5 * cold[1]) / 11 - 0.1).any()
    assert found["x.heating_degrees"]["value"].to_numpy() == pytest.approx((6 * cold[0] + 5 * cold[1]) / 11)
    windy = sky("wind_speed_100m", SEVILLE, hours, server.out())
    assert found["x.wind_speed_100m"]["value"].tolist() == windy.tolist(), "a single place comes as an object, in m/s"


def test_degrees_have_the_bases_of_those_made_of_a_mean() -> None:
    assert (meteo.HEATED_BELOW, meteo.COOLED_ABOVE) == (exogenous.HEATED_BELOW, exogenous.COOLED_ABOVE)
    celsius = np.array([10.0, 18.0, 20.0, 22.0, 30.0])
    assert VARIABLES["heating_degrees"].of(celsius).tolist() == [8.0, 0.0, 0.0, 0.0, 0.0]
    assert VARIABLES["cooling_degrees"].of(celsius).tolist() == [0.0, 0.0, 0.0, 0.0, 8.0]


def test_a_place_without_a_value_is_left_out_of_the_mean_and_none_at_all_is_no_value(server: WeatherServer) -> None:
    server.holes = {("temperature_2m", 0)}
    points = fetch(server)
    expected = sky("temperature_2m", BARCELONA, points["valid_at"], server.out())
    assert points["value"].to_numpy() == pytest.approx(expected)
    server.holes |= {("temperature_2m", 1)}
    assert fetch(server)["value"].isna().all()
    weights = weather.mean([np.array([1.0, np.nan, np.nan]), np.array([4.0, 4.0, np.nan])], [2.0, 1.0])
    assert weights == pytest.approx([2.0, 4.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("key", ["shortwave_radiation", "precipitation"])
def test_a_mean_of_the_hour_before_its_stamp_belongs_to_the_hour_it_speaks_of(server: WeatherServer, key: str) -> None:
    points = fetch(server, series(key, MADRID))
    assert points["valid_at"].iloc[[0, -1]].tolist() == [TODAY.start, TODAY.end - HOUR]
    assert points["value"].tolist() == sky(key, MADRID, points["valid_at"], server.out()).tolist()


@pytest.mark.parametrize(("start", "end"), [("2024-03-30T12", "2024-04-01T12"), ("2024-10-26T12", "2024-10-28T12")])
def test_hours_go_on_evenly_over_both_clock_changes(server: WeatherServer, start: str, end: str) -> None:
    window = Window(*(datetime.fromisoformat(f"{text}:00+00:00") for text in (start, end)))
    points = fetch(server, series("temperature_2m", MADRID), window=window)
    assert (points["valid_at"].diff().dropna() == HOUR).all()
    assert len(points) == 48
    runs = (points["valid_at"] - DAY).dt.floor("6h")
    assert points["value"].tolist() == sky("temperature_2m", MADRID, points["valid_at"], runs).tolist()


def test_history_comes_from_the_archives_and_nothing_is_dated_before_it_was_out(server: WeatherServer) -> None:
    wanted = series("temperature_2m", MADRID), series("shortwave_radiation", MADRID)
    points = fetch(server, *wanted, window=Window(datetime(2023, 11, 1, tzinfo=UTC), TODAY.end))
    assert [request.path.split("/")[1] for request in server.requests] == ["history", "runs", "live"]
    assert server.requests[1].one("hourly") == "temperature_2m_previous_day1,shortwave_radiation_previous_day1"
    dated = points[points["made_at"].notna()]
    assert dated["valid_at"].max() == TODAY.start - HOUR
    stamp = dated["valid_at"] + pd.Series(np.where(dated["series"] == wanted[1].id, 1, 0), dated.index) * HOUR
    old = dated["valid_at"] < weather.RUNS_SINCE
    runs = (stamp - pd.Series(np.where(old, 0, 1), dated.index) * DAY).dt.floor("6h")
    assert (dated["made_at"] >= runs + OUT_AFTER).all()
    for one in wanted:
        mine = dated["series"] == one.id
        expected = sky(one.keys["weather"], MADRID, dated["valid_at"][mine], runs[mine])
        assert dated["value"][mine].tolist() == expected.tolist()
    ahead = dated["valid_at"] - dated["made_at"]
    assert set(ahead[~old]) == {pd.Timedelta(hours=17)}, "known at any issue that forecasts the hour"
    assert (ahead[old] < pd.Timedelta(0)).all(), "whatever the archive's runs, never before the hour"


def test_the_newest_hours_are_renewed_from_the_newest_run_alone(server: WeatherServer) -> None:
    fetch(server, window=Window(TODAY.start - 3 * HOUR, TODAY.end))
    assert [request.path for request in server.requests] == ["/live/v1/forecast"]


def test_what_nobody_forecasts_yet_and_what_nobody_kept_is_not_asked_for(server: WeatherServer) -> None:
    with pytest.raises(NotYetPublished, match="nothing yet from 2027-01-01"):
        fetch(server, window=Window(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)))
    before = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    empty = fetch(server, window=before)
    assert empty.empty
    assert str(empty["made_at"].dtype) == "datetime64[us, UTC]"
    assert server.requests == []
    far = fetch(server, window=Window(TODAY.start, TODAY.start + 30 * DAY))
    assert far["valid_at"].max() == pd.Timestamp("2026-12-04T23:00Z")


def test_a_question_never_weighs_too_much(server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weather, "WEIGHT", 5.0)
    wanted = [series(key, MADRID, BARCELONA, SEVILLE) for key in VARIABLES]
    points = fetch(server, *wanted, window=Window(TODAY.start - 60 * DAY, TODAY.start - 20 * DAY))
    assert len(points) == len(VARIABLES) * 40 * 24
    assert not points.duplicated(["series", "valid_at"]).any()
    weights = [weight({name: value[0] for name, value in request.query.items()}) for request in server.requests]
    assert len(weights) == 2
    assert max(weights) <= 5


def test_it_is_always_ready() -> None:
    assert SOURCE.ready(Settings.load({})) is None


def test_the_weather_of_spain_comes_with_the_marks_taken_away(server: WeatherServer, tmp_path: Path) -> None:
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
    marked = re.sub(r"(?m)^#(?=[\[A-Za-z])", "", text)
    assert "\n[market.es.place]" in marked
    marked = marked.replace('sources = ["esios", "redata"]', 'sources = ["esios", "redata", "weather"]')
    marked = marked.replace('operator = "load_forecast"\n\n# Weather', 'inputs = ["temperature"]\n\n# Weather')
    (tmp_path / "sextant.toml").write_text(marked, encoding="utf-8")
    market = load_markets(tmp_path / "sextant.toml", ("es",))["es"]
    (found,) = market.targets[0].inputs
    assert len(fetch(server, found)) == 36
    assert [len(request.one("latitude").split(",")) for request in server.requests] == [5]


@pytest.mark.skipif(not REAL.exists(), reason=f"REAL DATA ABSENT: {REAL.name} is needed beside the repository")
@pytest.mark.parametrize("start", ["2016-03-26", "2016-10-29"])
def test_real_weather_of_five_cities_comes_out_as_pandas_weighs_it(start: str) -> None:
    kelvin = pd.read_parquet(REAL).assign(city=lambda frame: frame["city"].str.strip())
    first = pd.Timestamp(start, tz="UTC")
    table = (
        kelvin.pivot_table(index="ts_utc", columns="city", values="temp_k", aggfunc="last").astype("float64") - 273.15
    )
    table = table.loc[first - pd.Timedelta(days=3) : first + pd.Timedelta(days=6)]
    places = {name: Place(name, 36.0 + nth, -3.0, 1.0 + nth) for nth, name in enumerate(table.columns)}
    # Ten years and three days later, since the service keeps nothing of the time before 2022.
    later = pd.Timedelta(days=3653)

    def real(_: str, place: tuple[float, float], times: pd.DatetimeIndex, _runs: pd.DatetimeIndex) -> np.ndarray:
        return table[table.columns[round(place[0] - 36.0)]].reindex(times - later).to_numpy()

    window = Window(*(moment.to_pydatetime() for moment in (first + later, first + later + pd.Timedelta(days=3))))
    cold, one = series("heating_degrees", *places.values()), series("temperature_2m", places["Madrid"])
    with WeatherServer(NOW, sky=real) as server:
        found = {
            key: part.set_index("valid_at")["value"]
            for key, part in fetch(server, cold, one, window=window).groupby("series")
        }
    plain = table.loc[first : first + pd.Timedelta(days=3)].iloc[:-1]
    assert found[one.id].tolist() == plain["Madrid"].tolist(), "to the last digit"
    weights = [place.weight for place in places.values()]
    assert found[cold.id].to_numpy() == pytest.approx(
        np.average((18.0 - plain).clip(lower=0), axis=1, weights=weights), rel=1e-12
    )
