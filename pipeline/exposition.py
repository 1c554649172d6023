"""Status -> metrics in the text format that Prometheus reads, as a text, a file or an endpoint on loopback."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.contracts import RUN_STATES, SEVERITIES
from pipeline.status import WORDS, Row, Status

LOOPBACK = "127.0.0.1"


def text(found: Status) -> str:
    """The metrics of a status."""
    return generate_latest(_registry(lambda: found)).decode()


def write(found: Status, path: Path) -> None:
    """The same as a file, replaced in one step, for a collector that reads files. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), _registry(lambda: found))


def serve(look: Callable[[], Status], port: int) -> tuple[Any, Any]:
    """Answer /metrics on loopback from now on, each time anew; returns (server, thread). Raises OSError."""
    return start_http_server(port, addr=LOOPBACK, registry=_registry(look))


class _Looking(Collector):
    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._look()
        yield _one("sextant_status", "0 ok, 1 warning, 2 critical, 3 unknown", WORDS.index(found.worst))
        yield _one("sextant_scheduler_alive", "1 when a scheduler leads", found.scheduler["alive"])
        heartbeat = found.scheduler["heartbeat_at"]
        yield _one("sextant_scheduler_heartbeat_timestamp_seconds", "last sign of life", _seconds(heartbeat))
        yield _one("sextant_queue_length", "runs that wait", found.scheduler["n_queued"])
        yield _one("sextant_backup_timestamp_seconds", "newest good backup", _seconds(found.backup["made_at"]))
        yield from _targets(found)
        yield from _series(found)
        yield from _jobs(found)
        yield _many("sextant_alerts_open", "open alerts", ("severity",), _by_severity(found))
        yield from _sizes(found.capacity)


def _registry(look: Callable[[], Status]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Looking(look))
    return registry


def _targets(found: Status) -> Iterator[GaugeMetricFamily]:
    def each(name: str, words: str, value: Callable[[Row], float | None]) -> GaugeMetricFamily:
        return _many(name, words, ("target",), [((row["target"],), value(row)) for row in found.targets])

    yield each("sextant_forecast_timestamp_seconds", "when the newest was made", lambda row: _seconds(row["made_at"]))
    yield each("sextant_forecast_hours_late", "issues that are due and missing", lambda row: row["hours_late"])
    yield each("sextant_missed_issues", "hours without an issue in 7 days", lambda row: row["n_missed"])
    yield each("sextant_mae", "MAE as issued, 7 days, all horizons, unit of the target", lambda row: row["mae"])
    yield each("sextant_mae_naive", "naive MAE on the same forecasts", lambda row: row["mae_naive"])
    yield each("sextant_mae_n", "scored forecasts behind both", lambda row: row["n_scored"])
    yield each(
        "sextant_model_timestamp_seconds", "what the champion knows of", lambda row: _seconds(row["champion_as_of"])
    )
    rows = [((row["target"], row["status"]), 1.0) for row in found.targets if row["status"]]
    yield _many("sextant_forecast_status", "state of the newest forecast", ("target", "status"), rows)


def _series(found: Status) -> Iterator[GaugeMetricFamily]:
    newest = [((row["series"],), _seconds(row["newest"])) for row in found.series]
    yield _many("sextant_series_newest_timestamp_seconds", "how far a series reaches", ("series",), newest)
    missed = [((row["series"],), float(row["missed"])) for row in found.series]
    yield _many("sextant_series_missed_intervals", "intervals due and missing", ("series",), missed)


def _jobs(found: Status) -> Iterator[GaugeMetricFamily]:
    success = [((row["job"],), _seconds(row["succeeded_at"])) for row in found.jobs]
    yield _many("sextant_job_success_timestamp_seconds", "last good run", ("job",), success)
    took = [((row["job"],), row["took_s"]) for row in found.jobs]
    yield _many("sextant_job_duration_seconds", "newest run", ("job",), took)
    counts = {"succeeded": "n_good", "failed": "n_failed", "missed": "n_missed"}
    runs = [((row["job"], state), float(row[name])) for row in found.jobs for state, name in counts.items()]
    yield _many("sextant_job_runs", "runs of 7 days; succeeded counts nothing to do too", ("job", "state"), runs)
    states = [((row["job"], state), float(row["state"] == state)) for row in found.jobs for state in RUN_STATES]
    yield _many("sextant_job_state", "state of the newest run", ("job", "state"), states)


def _by_severity(found: Status) -> list[tuple[tuple[str], float]]:
    return [((word,), float(sum(row["severity"] == word for row in found.alerts))) for word in SEVERITIES]


def _sizes(capacity: Row) -> Iterator[GaugeMetricFamily]:
    sizes = {name: value for name, value in capacity.items() if name.endswith("_bytes")}
    for name, value in sizes.items():
        yield _one(f"sextant_{name}", "bytes", value)
    rows = [((name.removeprefix("rows:"),), value) for name, value in capacity.items() if name.startswith("rows:")]
    yield _many("sextant_rows", "rows of a table", ("table",), rows)


def _one(name: str, words: str, value: float | None) -> GaugeMetricFamily:
    return _many(name, words, (), [((), value)])


def _many(
    name: str, words: str, labels: tuple[str, ...], rows: Sequence[tuple[Sequence[str], float | None]]
) -> GaugeMetricFamily:
    """A family of gauges; what is not known is left out, because 0 would be a claim."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, float(value))
    return family


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
