"""jobs.py status and metrics say how the service is, with figures that the tables give and true exit codes."""

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import exposition, machine, status
from pipeline.commands import base, schedule
from pipeline.errors import NoWarehouse
from pipeline.settings import ROOT
from pipeline.warehouse import SCHEDULER
from tests.conftest import NOW, Desk, ask

Environment = Callable[..., dict[str, str]]


def looked(desk: Desk) -> status.Status:
    return status.look(desk.warehouse, desk.settings, desk.markets, desk.now)


def call(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", NOW.isoformat(), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def alert(desk: Desk, severity: str) -> None:
    row = {
        "flip_id": "f1", "alert_id": "f1", "rule": "disk_low", "subject": "warehouse", "state": "firing",
        "severity": severity, "message": "2 GB are left.", "evidence": "{}", "run_id": "r",
        "since": pd.Timestamp(desk.now), "flipped_at": pd.Timestamp(desk.now),
    }  # fmt: skip
    with desk.warehouse.write() as session:
        session.append("alert_flips", pd.DataFrame([row]))


def test_all_is_well_while_a_scheduler_leads_and_nothing_is_late(full: Desk) -> None:
    with full.warehouse.job_lock(SCHEDULER):
        found = looked(full)
    assert found.scheduler["alive"]
    assert (found.worst, found.reasons) == ("ok", ())


def test_figures_are_those_of_the_tables(full: Desk) -> None:
    row = looked(full).targets[0]
    own = "SELECT origin, horizon, error FROM accuracy_latest WHERE issuer = '{}' AND origin >= '{}'"
    ours, naive = (ask(full, own.format(name, NOW - timedelta(days=7))) for name in ("sextant", "naive"))
    both = ours.merge(naive, on=["origin", "horizon"])
    assert row["n_scored"] == len(both) > 900
    assert row["mae"] == pytest.approx(both["error_x"].abs().mean())
    assert row["mae_naive"] == pytest.approx(both["error_y"].abs().mean())
    assert row["n_replay"] == len(both)
    assert row["champion"] == "demo.load-v1"


def test_a_dead_scheduler_is_critical_and_a_late_forecast_too(full: Desk) -> None:
    dead = looked(full)
    assert dead.worst == "critical"
    assert "no scheduler runs" in dead.reasons[0]
    full.now += timedelta(hours=4)
    with full.warehouse.job_lock(SCHEDULER):
        late = looked(full)
    assert late.targets[0]["hours_late"] == 3
    assert "demo.load: 3 issues are due and missing" in late.reasons


@pytest.mark.parametrize(("severity", "word"), [("warning", "warning"), ("critical", "critical"), ("info", "warning")])
def test_an_open_alert_counts_by_its_severity(full: Desk, severity: str, word: str) -> None:
    alert(full, severity)
    with full.warehouse.job_lock(SCHEDULER):
        found = looked(full)
    assert found.worst == word
    assert found.reasons == ("alert disk_low: 2 GB are left.",)


def test_the_exit_code_tells_monitoring_how_it_is(full: Desk, environment: Environment, tmp_path: Path) -> None:
    assert call("status", env=environment()).returncode == 2
    with full.warehouse.job_lock(SCHEDULER):
        good = call("status", env=environment())
        assert (good.returncode, good.stderr) == (0, "")
        assert good.stdout.startswith("● OK  Sextant at 20 Nov 10:20Z")
        alert(full, "warning")
        assert call("status", env=environment()).returncode == 1
    none = call("status", env=environment(SEXTANT_WAREHOUSE=str(tmp_path / "none.duckdb")))
    assert (none.returncode, none.stdout[:10]) == (3, "? unknown:")
    assert not (tmp_path / "none.duckdb").exists()


def test_settings_that_cannot_be_used_are_unknown_too(environment: Environment) -> None:
    done = call("status", env=environment(SEXTANT_SMTP_PORT="x"))
    assert (done.returncode, "SEXTANT_SMTP_PORT" in done.stderr) == (3, True)


def test_a_series_that_no_source_in_use_carries_is_no_warning(full: Desk) -> None:
    with full.warehouse.write() as session:
        session.script("DELETE FROM raw WHERE series = 'demo.price'")
        session.script("DELETE FROM fetches WHERE series = 'demo.price'")
    with full.warehouse.job_lock(SCHEDULER):
        assert looked(full).worst == "ok"
    with full.warehouse.write() as session:
        session.script("DELETE FROM raw WHERE series = 'demo.temperature'")
    with full.warehouse.job_lock(SCHEDULER):
        assert looked(full).reasons[0].startswith("demo.temperature: ")


def test_growth_counts_models_and_backups_on_the_same_disk(full: Desk) -> None:
    full.settings.backups.mkdir()
    sizes = {"warehouse_bytes": 1.0, "models_bytes": 2.0, "backups_bytes": 4.0, "wal_bytes": 8.0}
    for day in range(10):
        at = pd.Timestamp(full.now) - timedelta(days=10 - day)
        rows = [{"measured_at": at, "what": name, "value": 1e6 * size * day} for name, size in sizes.items()]
        with full.warehouse.write() as session:
            session.append("capacity", pd.DataFrame(rows).assign(run_id="r"))
    growth = looked(full).capacity["growth"]
    assert growth["per_day"] == pytest.approx(7e6)


def test_json_holds_everything_and_is_json_when_nothing_can_be_told_too(
    environment: Environment, tmp_path: Path
) -> None:
    found = json.loads(call("status", "--json", env=environment()).stdout)
    assert found["worst"] == "critical"
    assert found["targets"][0]["mae"] > 0
    assert found["capacity"]["rows:predictions"] > 0
    assert {row["job"] for row in found["jobs"]} >= {"ingest", "train", "forecast"}
    none = json.loads(call("status", "--json", env=environment(SEXTANT_WAREHOUSE=str(tmp_path / "none"))).stdout)
    assert none["worst"] == "unknown"


def test_a_warehouse_of_an_older_release_is_unknown_not_a_crash(full: Desk, environment: Environment) -> None:
    with full.warehouse.write() as session:
        session.script("DELETE FROM schema_migrations WHERE number = 3")
    done = call("status", env=environment())
    assert (done.returncode, "older release" in done.stdout) == (3, True)


def test_metrics_are_readable_and_leave_out_what_is_not_known(full: Desk) -> None:
    families = {one.name: one for one in text_string_to_metric_families(exposition.text(looked(full)))}
    values = {tuple(one.labels.values()): one.value for one in families["sextant_mae"].samples}
    assert values == {("demo.load",): pytest.approx(looked(full).targets[0]["mae"])}
    assert families["sextant_status"].samples[0].value == 2
    assert families["sextant_backup_timestamp_seconds"].samples == []
    rows = {one.labels["table"]: one.value for one in families["sextant_rows"].samples}
    assert rows["raw"] == full.rows("raw")
    states = {(one.labels["job"], one.labels["state"]): one.value for one in families["sextant_job_state"].samples}
    assert states[("ingest", "succeeded")] == 1
    assert states[("ingest", "failed")] == 0


def test_metrics_go_to_a_file_and_to_an_endpoint(full: Desk, environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "text" / "sextant.prom"
    assert call("metrics", "--file", str(path), env=environment()).returncode == 0
    assert "sextant_status 2.0" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]
    server, thread = exposition.serve(lambda: looked(full), 0)
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            assert b"sextant_status 2.0" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert isinstance(thread, threading.Thread)


def test_the_scheduler_keeps_a_file_of_metrics_where_one_is_asked_for(
    full: Desk, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sextant.prom"
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    schedule.measure(base.Desk(argparse.Namespace(now=full.now)))
    assert not path.exists()
    monkeypatch.setenv("SEXTANT_METRICS_FILE", str(path))
    schedule.measure(base.Desk(argparse.Namespace(now=full.now)))
    assert 'sextant_forecast_hours_late{target="demo.load"} 0.0' in path.read_text(encoding="utf-8")


def history(days: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    start = pd.Timestamp("2026-10-01", tz="UTC")
    return pd.DataFrame({"measured_at": start + pd.to_timedelta(days, unit="D"), "value": values})


def test_growth_is_a_median_that_one_clean_up_does_not_bend() -> None:
    days = np.arange(20.0)
    steady = machine.project(history(days, 1000 + 50 * days), room=1000.0)
    assert steady is not None
    assert (steady.per_day, steady.days_left, steady.n) == (pytest.approx(50), pytest.approx(20), 20)
    jump = machine.project(history(days, 1000 + 50 * days + 10_000 * (days == 19)), room=1000.0)
    assert jump is not None
    assert jump.per_day == pytest.approx(50)
    shrinking = machine.project(history(days, 1000 - days), room=1000.0)
    assert shrinking is not None
    assert shrinking.days_left is None


def test_growth_is_not_claimed_from_less_than_three_days() -> None:
    assert machine.project(history(np.array([0.0, 1.0, 2.0]), np.arange(3.0))) is None
    assert machine.project(history(np.array([]), np.array([]))) is None


def test_measurements_count_files_and_rows(full: Desk, tmp_path: Path) -> None:
    found = machine.measure(full.warehouse, full.settings)
    assert found["warehouse_bytes"] == full.warehouse.path.stat().st_size
    assert found["models_bytes"] == sum(p.stat().st_size for p in full.settings.models.rglob("*.joblib"))
    assert 0 < found["disk_free_bytes"] < found["disk_total_bytes"]
    assert found["rows:job_runs"] == full.rows("job_runs")
    with pytest.raises(NoWarehouse):
        machine.measure(full.warehouse.__class__(tmp_path / "none"), replace(full.settings))
