"""jobs.py as a user meets it: plain words, true exit codes, real processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.discovery import discover
from pipeline.settings import ROOT
from tests.conftest import Desk, ask, settings_for

Environment = Callable[..., dict[str, str]]


def call(*words: str, env: dict[str, str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs.py"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def test_list_names_every_job_in_order(environment: Environment) -> None:
    done = call("list", env=environment())
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(names) == set(discover("pipeline.jobs", "JOB"))
    assert names.index("ingest") < names.index("actuals") < names.index("features") < names.index("forecast")
    assert names.index("forecast") < names.index("backfill") < names.index("alert") < names.index("notify")


def test_an_unknown_job_is_a_sentence_and_exit_code_2(environment: Environment) -> None:
    done = call("run", "dance", env=environment())
    assert done.returncode == 2
    assert "no job is called 'dance'; there are:" in done.stderr
    assert "Traceback" not in done.stderr
    assert call("run", env=environment()).returncode == 2


def test_a_wrong_setting_is_a_sentence_and_exit_code_1(environment: Environment) -> None:
    done = call("doctor", env=environment(SEXTANT_MARKETS="mars"))
    assert done.returncode == 1
    assert "SEXTANT_MARKETS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_tells_how_it_ended(environment: Environment) -> None:
    done = call("--now", "2026-11-20T11:20Z", "run", "ingest", "actuals", env=environment())
    assert done.returncode == 0, done.stderr
    assert "ingest succeeded in" in done.stdout
    assert "rows in" in done.stdout


def test_an_origin_is_issued_again_when_asked_for(full: Desk, environment: Environment) -> None:
    env = environment(SEXTANT_WAREHOUSE=str(full.settings.warehouse), SEXTANT_CONFIG=str(full.settings.config))
    done = call("run", "forecast", "--reissue", "demo.load", env=env)
    assert (done.returncode, "demo.load-v1 has issued" in done.stdout) == (0, True)
    refused = call("run", "forecast", "--reissue", "demo.lode", env=env)
    assert refused.returncode == 1
    assert "demo.lode is no target; there are: demo.load" in refused.stdout


def test_the_doctor_finds_a_sound_warehouse_sound(environment: Environment) -> None:
    done = call("doctor", "--verbose", env=environment())
    assert done.returncode == 0
    assert "0 flaws: the warehouse is sound" in done.stdout
    assert "ok    grain of raw" in done.stdout


def test_the_doctor_names_a_damaged_model(full: Desk, environment: Environment) -> None:
    for path in full.settings.models.rglob("*.joblib"):
        path.write_bytes(b"x")
    done = call("doctor", env=environment())
    assert done.returncode == 1
    assert "was changed since training" in done.stdout


def test_ingest_wants_both_ends_of_a_window_with_offsets(environment: Environment) -> None:
    assert "go together" in call("ingest", "--from", "2025-01-01T00:00Z", env=environment()).stderr
    assert "needs an offset" in call("ingest", "--from", "2025-01-01", "--to", "2025-01-02", env=environment()).stderr


def test_a_window_is_ingested_from_the_command_line(full: Desk, environment: Environment) -> None:
    words = ("--now", "2026-11-20T10:30Z", "ingest", "--from", "2025-01-01T00:00Z", "--to", "2025-01-02T00:00Z")
    assert call(*words, env=environment()).returncode == 0
    assert ask(full, "SELECT count(*) AS n FROM raw WHERE valid_at < '2025-01-02' AND series = 'demo.load'").n[0] == 288


def test_a_file_is_imported_and_its_bad_rows_are_named(full: Desk, environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    rows = ["2024-02-01T00:00Z,25000", "2024-02-01T00:05Z,0", "2024-02-01T00:10Z,25200", "yesterday,25000"]
    path.write_text("valid_at,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    done = call("ingest", "--file", str(path), "--series", "demo.load", env=environment())
    assert done.returncode == 0, done.stderr
    stored = ask(full, "SELECT value FROM raw WHERE source = 'files' ORDER BY valid_at").value
    assert stored.tolist() == [25000.0, 25200.0]
    assert ask(full, "SELECT reason FROM quarantine WHERE source = 'files'").reason.str.contains("demo.load").all()
    assert "0 MW is outside" in done.stdout
    assert "yesterday" in done.stdout


def test_a_file_without_zone_or_series_is_refused(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("valid_at,value\n2024-02-01 00:00,25000\n", encoding="utf-8")
    done = call("ingest", "--file", str(path), "--series", "demo.load", env=environment())
    assert done.returncode == 1
    assert "zone" in done.stdout
    done = call("ingest", "--file", str(path), "--series", "demo.moon", env=environment())
    assert done.returncode == 1
    assert "demo.moon" in done.stdout


@pytest.mark.slow
def test_the_demo_fills_an_empty_warehouse_with_a_forecast_and_its_error(
    tmp_path: Path, environment: Environment
) -> None:
    settings = settings_for(tmp_path)
    env = environment(SEXTANT_WAREHOUSE=str(settings.warehouse), SEXTANT_CONFIG=str(settings.config))
    done = call("demo", env=env, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo.load-v2" in done.stdout
    assert all(f"{job} succeeded" in done.stdout for job in ("backtest", "monitor"))
    assert "0 flaws" in call("doctor", env=env).stdout
    again = call("demo", env=env)
    assert again.returncode == 0
    assert "train ..." not in again.stdout
