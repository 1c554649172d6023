"""What the weather service may answer instead of data: each is waited for, held back or refused in one sentence."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Throttled, Transient
from pipeline.settings import Settings
from pipeline.sources import meteo, weather
from pipeline.sources.http import Client
from pipeline.sources.weather import VARIABLES
from tests.servers import faults
from tests.servers.weather import (
    LIMITS,
    WeatherServer,
    failed_at_once,
    failed_streaming,
    limited,
    overloaded,
    refusal,
)
from tests.weather_asking import HOUR, NOW, fetch, series

HOSTS = {
    "api.open-meteo.com": "customer-api.open-meteo.com",
    "previous-runs-api.open-meteo.com": "customer-previous-runs-api.open-meteo.com",
    "customer-api.open-meteo.com": "customer-api.open-meteo.com",
    "weather.example.org": "weather.example.org",
}


@pytest.fixture
def server() -> Iterator[WeatherServer]:
    with WeatherServer(NOW) as running:
        yield running


def edited(edit: Callable[[Any], object]) -> faults.Fault:
    """The answer with something else in it."""
    return faults.edited(lambda document: (edit(document), None)[1])


def column(parts: Any, name: str = "temperature_2m") -> list[Any]:
    """A list of the first place."""
    found: list[Any] = parts[0]["hourly"][name]
    return found


def unit(parts: Any, said: str) -> None:
    parts[1]["hourly_units"]["temperature_2m"] = said


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (refusal(400, "Parameter 'end_date' is out of allowed range"), BadRequest, "HTTP 400, Parameter 'end_date' is"),
        (limited("Minutely"), Throttled, "HTTP 429, asked to slow down"),
        (limited("Too many"), Throttled, "HTTP 429, asked to slow down"),
        (overloaded, Transient, "HTTP 503, The service is overloaded"),
        (failed_streaming, Transient, "not complete JSON"),
        (failed_at_once, Transient, "not complete JSON"),
        (faults.truncated, Transient, "failed or broke off"),
        (faults.web_page, Transient, "a web page came"),
        (refusal(401, "The key is unknown"), AuthRefused, "check OPEN_METEO_API_KEY, or unset it"),
        (edited(lambda parts: parts.pop()), SchemaChanged, "1 places instead of 2"),
        (edited(lambda parts: parts.reverse()), SchemaChanged, "the place 1 where number 0 belongs"),
        (edited(lambda parts: parts[0].pop("hourly")), SchemaChanged, "a place without `hourly_units`"),
        (edited(lambda parts: parts[1].update(utc_offset_seconds=3600)), SchemaChanged, "times that are not GMT"),
        (edited(lambda parts: unit(parts, "°F")), SchemaChanged, "temperature_2m in '°F' instead of '°C'"),
        (edited(lambda parts: column(parts).pop()), SchemaChanged, "no list temperature_2m as long as `time`"),
        (edited(lambda parts: column(parts).__setitem__(0, "7.1")), SchemaChanged, "that is not a number"),
        (
            edited(lambda parts: column(parts).__setitem__(0, 10**400)),
            SchemaChanged,
            "a temperature_2m beyond any number",
        ),
        (edited(lambda parts: column(parts, "time").__setitem__(0, None)), SchemaChanged, "a `time` that is not like"),
        (
            edited(lambda parts: column(parts, "time").__setitem__(0, "0001-01-01T00:00")),
            SchemaChanged,
            "a `time` that",
        ),
        (
            edited(lambda parts: column(parts, "time").__setitem__(0, "7:00")),
            SchemaChanged,
            "a `time` that is not like",
        ),
        (edited(lambda parts: column(parts, "time").__setitem__(0, column(parts, "time")[1])), SchemaChanged, "twice"),
        (faults.answering(b"[1, 2]"), SchemaChanged, "a place without `hourly_units`"),
    ],
)
def test_what_goes_wrong_is_named_with_series_source_and_remedy(
    server: WeatherServer, fault: faults.Fault, kind: type[SourceError], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(server)
    assert str(caught.value).startswith("x.temperature_2m from weather: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [(LIMITS["Minutely"], 60), (LIMITS["Hourly"], 40 * 60), (LIMITS["Daily"], 820 * 60), (LIMITS["Too many"], 5)],
)
def test_how_long_to_wait_is_read_from_its_words(words: str, seconds: float) -> None:
    body = json.dumps({"error": True, "reason": words}).encode()
    assert meteo.wait_s(body, now=NOW) == seconds
    madrid = NOW.astimezone(timezone(HOUR))
    assert meteo.wait_s(body, now=madrid) == seconds, "its day is that of GMT"
    assert meteo.wait_s(b'{"hourly": {"time": []}}', now=NOW) is None
    assert meteo.wait_s(body.ljust(5000), now=NOW) is None, "a long answer is data"


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        (limited("Minutely"), 60.5),
        (limited("Too many"), 5.5),
        (overloaded, 1.0),
        (failed_streaming, 1.0),
        (failed_at_once, 1.0),
    ],
)
def test_what_passes_is_waited_for_and_asked_again(
    server: WeatherServer, monkeypatch: pytest.MonkeyPatch, fault: faults.Fault, waited: float
) -> None:
    slept: list[float] = []
    client = Client(user_agent="test", tries=2, sleep=slept.append, random=lambda: 0.5)
    monkeypatch.setattr(weather, "client_for", lambda _settings: client)
    server.faults.append(fault)
    assert len(fetch(server)) == 36
    assert (slept, len(server.requests)) == ([waited], 2)


@pytest.mark.parametrize(("words", "seconds"), [("Hourly", 2400), ("Daily", 49_200)])
def test_a_limit_that_lasts_is_not_sat_out(server: WeatherServer, words: str, seconds: float) -> None:
    server.faults.append(limited(words))
    with pytest.raises(Throttled) as caught:
        fetch(server, SEXTANT_HTTP_TRIES="4")
    assert (caught.value.retry_after_s, len(server.requests)) == (seconds, 1)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"keys": {"weather": "rain_in_spain"}}, "there is no 'rain_in_spain'; use one of temperature_2m, "),
        ({"keys": {}}, "there is no ''; use one of"),
        ({"places": ()}, 'it has no places; add places = ["NAME", ...]'),
        ({"kind": "measured"}, 'write kind = "forecast"'),
        ({"cadence": timedelta(minutes=15)}, "write cadence_min = 60"),
        ({"unit": "K"}, 'temperature_2m comes in degC; write unit = "degC"'),
    ],
)
def test_a_series_that_cannot_be_had_is_refused_before_anything_is_asked(
    server: WeatherServer, odd: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        fetch(server, series("temperature_2m", **odd))
    assert words in str(caught.value)
    assert server.requests == []


def test_the_server_refuses_what_the_service_refuses(server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "warmth", replace(VARIABLES["temperature_2m"], asked="warmth"))
    with pytest.raises(BadRequest, match="Cannot initialize WeatherVariable from invalid String value warmth for key"):
        fetch(server, series("warmth"))


def test_who_has_a_key_shows_it_to_hosts_of_their_own_and_nobody_reads_it(
    server: WeatherServer, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cret-word"
    caplog.set_level("DEBUG")
    with WeatherServer(NOW, key=secret) as paid:
        assert len(fetch(paid, OPEN_METEO_API_KEY=secret)) == 36
        assert paid.requests[0].one("apikey") == secret
        paid.faults.append(refusal(400, f"The supplied API key {secret} is invalid."))
        with pytest.raises(BadRequest) as caught:
            fetch(paid, OPEN_METEO_API_KEY=secret)
    with pytest.raises(SourceError) as broken:
        fetch(paid, OPEN_METEO_API_KEY=secret)
    assert "The supplied API key *** is invalid" in str(caught.value)
    assert secret not in str(broken.value) + caplog.text
    assert "apikey=***" in caplog.text
    hosts = {
        name: weather._address(f"https://{name}", Settings.load({"OPEN_METEO_API_KEY": secret}))[0] for name in HOSTS
    }
    assert hosts == {name: f"https://{host}/v1/forecast" for name, host in HOSTS.items()}
    free = weather._address("https://api.open-meteo.com", Settings.load({}))
    assert free == ("https://api.open-meteo.com/v1/forecast", {})
