"""A path -> a warehouse of three million rows in the shapes that three years of one market leave behind."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.warehouse import Warehouse

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
TARGET = "demo.load"
SERIES = ("load", "load_forecast", "temperature", "temperature_forecast", "price", "programme")
TABLES = ("raw", "actuals", "features", "predictions", "accuracy", "job_runs", "fetches")
# Every statement fills a table from a range, `$slots` five-minute slots or `$hours` hours back from $now.
FILL = """
INSERT INTO raw BY NAME
SELECT 'demo.' || s AS series, time_bucket(INTERVAL 5 MINUTE, $now) - i * INTERVAL 5 MINUTE AS valid_at,
       27000 + 4000 * sin(i / 45.8) + hash(i) % 500 AS value,
       valid_at AS made_at, valid_at AS seen_at, 'demo' AS source, 'filled' AS run_id
FROM unnest($series::VARCHAR[]) AS names (s), range($slots) AS slots (i);

INSERT INTO actuals BY NAME
SELECT $target AS target, date_trunc('hour', $now) - (i + 1) * INTERVAL 1 HOUR AS valid_at,
       27000 + 4000 * sin(i / 3.8) AS value, value AS last_05, value AS last_15, value AS last_30, 12 AS n,
       valid_at + INTERVAL 68 MINUTE AS known_at, known_at AS written_at, 'filled' AS run_id
FROM range($hours) AS hours (i);

INSERT INTO features BY NAME
SELECT $target AS target, date_trunc('hour', $now) - (i + 1) * INTERVAL 1 HOUR AS origin, h AS horizon,
       origin + h * INTERVAL 1 HOUR AS valid_at, 'fs1' AS feature_set, origin + INTERVAL 70 MINUTE AS as_of,
       'live' AS mode, 27000.0 AS level, 27000.0 AS naive, 27000.0 AS operator, 0 AS stale_hours, 0 AS filled_hours,
       list_transform(range(30), lambda x: x * 1.5 + i) AS values, as_of AS written_at, 'filled' AS run_id
FROM range($hours) AS hours (i), range(1, 7) AS horizons (h);

INSERT INTO predictions BY NAME
SELECT $target AS target, date_trunc('hour', $now) - (i + 1) * INTERVAL 1 HOUR AS origin, h AS horizon,
       origin + h * INTERVAL 1 HOUR AS valid_at, issuer, issuer AS version_id, 'live' AS mode, 'ok' AS status,
       '' AS reason, 27000 + hash(i, h, issuer) % 900 AS p50, p50 - 300 AS p05, p50 - 200 AS p10, p50 + 200 AS p90,
       p50 + 300 AS p95, origin + INTERVAL 72 MINUTE AS made_at, made_at AS written_at, 'filled' AS run_id
FROM range($hours) AS hours (i), range(1, 7) AS horizons (h), unnest(['sextant', 'naive', 'operator']) AS who (issuer);

INSERT INTO accuracy BY NAME
SELECT p.target, origin, horizon, valid_at, issuer, version_id, mode, status, p50, 27100.0 AS actual,
       valid_at + INTERVAL 68 MINUTE AS actual_known_at, p50 - 27100 AS error, abs(error) < 200 AS in_band,
       abs(error) / 2 AS pinball_loss, abs(error) < 300 AS in_band90, 400.0 AS width, 500.0 AS winkler, 0.5 AS pit,
       actual_known_at AS scored_at, 'filled' AS run_id
FROM predictions p WHERE valid_at < $now - INTERVAL 1 HOUR;

INSERT INTO job_runs BY NAME
SELECT 'run' || i AS run_id, (['ingest', 'actuals', 'features', 'forecast', 'backfill'])[i % 5 + 1] AS job,
       'succeeded' AS state, 'schedule' AS requested_by, '' AS reason, '{}' AS args,
       $now - i * INTERVAL 1 MINUTE AS queued_at, queued_at AS started_at, queued_at AS heartbeat_at,
       queued_at + INTERVAL 2 SECOND AS ended_at, 100 AS pid, 12 AS rows_in, 12 AS rows_out, NULL AS error,
       repeat('2026-11-20 10:20:00Z 12 rows came, 12 were new' || chr(10), 4) AS log, 1 AS attempt
FROM range($runs) AS runs (i);

INSERT INTO fetches BY NAME
SELECT 'demo.' || s AS series, 'demo' AS source, $now - (i + 36) * INTERVAL 5 MINUTE AS window_start,
       $now - i * INTERVAL 5 MINUTE AS window_end, 'ok' AS outcome, 1 AS rows_new, 0 AS rows_revised, 35 AS rows_same,
       0 AS rows_quarantined, '' AS message, window_end AS seen_at, 'run' || i AS run_id
FROM unnest($series::VARCHAR[]) AS names (s), range($runs // 6) AS fetched (i);
"""


def fill(path: Path, *, years: float) -> int:
    """Make the warehouse at `path`, rows going `years` back from NOW; returns how many rows it has."""
    warehouse = Warehouse(path)
    warehouse.migrate(NOW)
    hours = int(years * 365 * 24)
    params = {"now": NOW, "target": TARGET, "series": list(SERIES), "hours": hours, "slots": 12 * hours, "runs": 60_000}
    for statement in FILL.strip().removesuffix(";").split(";\n"):
        with warehouse.write() as session:
            session.script(statement, **{name: value for name, value in params.items() if f"${name}" in statement})
    with warehouse.read() as session:
        return sum(session.count(table) for table in TABLES)
