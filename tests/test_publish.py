"""Forecasts written to somebody's table: once each, as issued, over faults and kills, and only where asked for."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.configuring.markets import load_markets
from pipeline.errors import ConfigError
from pipeline.jobs import publish
from pipeline.operations import JobPlan
from pipeline.plans import plan_of
from pipeline.publishing import load_publishing, rows_of, versions_like
from pipeline.runner import ordered
from pipeline.settings import ROOT
from tests.conftest import NOW, Desk, ask, desk_in
from tests.servers import sql

TABLE = "[ERCOT].[predictions_dart_spread]"
WANTED = f'\n[publish.dart]\ntable = "{TABLE}"\ntargets = ["demo.load"]\n'
VERSION = "demo.load-v3"


def desk_for(folder: Path, wanted: str = WANTED, **env: str) -> Desk:
    """A desk whose file asks for a publication, and the table it goes to."""
    told = {"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(folder / "out.db")}
    sql.make(folder / "out.db", [sql.OUT])
    desk = desk_in(folder, **(told | env))
    with desk.settings.config.open("a", encoding="utf-8") as config:
        config.write(wanted)
    desk.markets = load_markets(desk.settings.config, ("demo",))
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_for(tmp_path)


def issue(desk: Desk, origins: list[datetime], **changes: Any) -> None:
    """Issued forecasts of `origins`, T+1 to T+6, made ten minutes after the origin's hour."""
    told = {"issuer": "sextant", "mode": "live", "version_id": VERSION, "status": "ok"} | changes
    rows = [
        {"target": "demo.load", "origin": pd.Timestamp(origin), "horizon": h, "run_id": "r", "reason": "",
         "valid_at": pd.Timestamp(origin + timedelta(hours=h)), "p05": 1.0, "p10": 2.0, "p50": 100.0 + h / 3,
         "p90": 200.0, "p95": 201.0, "made_at": pd.Timestamp(origin + timedelta(minutes=70))} | told
        for origin in origins for h in range(1, 7)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    with desk.warehouse.write() as session:
        session.append("predictions", frame.assign(written_at=frame["made_at"]))
        if session.ask("version_by_id", version_id=VERSION).empty:
            mine = f"'{VERSION}' AS version_id, 'demo.load' AS target, 'ridge' AS family"
            rows = f"SELECT * REPLACE ({mine}) FROM model_versions WHERE version_id = 'naive'"
            session.script(f"INSERT INTO model_versions BY NAME {rows}")


def hours(n: int, last: datetime = NOW) -> list[datetime]:
    newest = last.replace(minute=0) - timedelta(hours=1)
    return [newest - timedelta(hours=back) for back in range(n)][::-1]


def out(desk: Desk) -> list[tuple[Any, ...]]:
    return sql.all_of(Path(desk.settings.providers.sql_database or ""), f"SELECT * FROM {sql.OUT} ORDER BY rowid")


def is_ready(desk: Desk) -> bool:
    with desk.warehouse.read() as session:
        return publish.ready(session, desk.markets, desk.now)


def test_forecasts_are_written_as_issued_and_once(desk: Desk) -> None:
    issue(desk, hours(3))
    issue(desk, hours(3)[-1:], issuer="shadow", version_id="demo.load-v2")
    issue(desk, hours(9)[:1], mode="replay")
    issue(desk, hours(4)[:1], p50=None, status="withheld")
    assert is_ready(desk)
    row = desk.done("publish")
    assert (row["rows_out"], row["state"]) == (18, "succeeded")
    found = out(desk)
    assert len({key for key, *_ in found}) == len(found) == 18
    key, hour, point, value, model, made = found[0]
    # The hour after the first origin is 08:00Z, 09:00 in Madrid.
    assert (hour, point, value, model) == ("2026-11-20 09:00:00", "load", 100.0 + 1 / 3, "ridge demo.load-v3")
    assert made == "2026-11-20 08:10:00"
    assert len(key) == 36
    desk.now += timedelta(minutes=5)
    assert not is_ready(desk)
    assert desk.done("publish")["rows_out"] == 0
    assert out(desk) == found


def test_what_comes_later_is_added_and_nothing_is_changed(desk: Desk) -> None:
    issue(desk, hours(2))
    desk.done("publish")
    before = out(desk)
    desk.now += timedelta(hours=1)
    issue(desk, hours(1, desk.now))
    issue(desk, hours(1, desk.now), issuer="reissue", p50=7.0)
    assert is_ready(desk)
    assert desk.done("publish")["rows_out"] == 12
    assert out(desk)[:12] == before
    assert [value for *_, value, _, _ in out(desk)[-6:]] == [7.0] * 6


def test_what_was_issued_while_the_table_was_away_for_weeks_is_made_up_for(desk: Desk) -> None:
    issue(desk, hours(2))
    desk.done("publish")
    desk.now += timedelta(days=20)
    issue(desk, hours(20 * 24, desk.now))
    assert desk.done("publish")["rows_out"] == 20 * 24 * 6
    assert len({key for key, *_ in out(desk)}) == (2 + 20 * 24) * 6
    assert desk.done("publish")["rows_out"] == 0


def test_a_row_that_somebody_removed_long_ago_stays_away_but_a_recent_one_is_healed(desk: Desk) -> None:
    issue(desk, hours(60))
    desk.done("publish")
    path = Path(desk.settings.providers.sql_database or "")
    sql.run(path, f"DELETE FROM {sql.OUT} WHERE rowid IN (1, 350)")
    desk.now += timedelta(minutes=5)
    assert desk.done("publish")["rows_out"] == 1
    assert len(out(desk)) == 359


def test_rows_of_other_programs_are_no_sign_that_ours_are_there(desk: Desk) -> None:
    path = Path(desk.settings.providers.sql_database or "")
    theirs = ("5", "2026-11-20 09:00:00", "load", 1.0, "XGBoost", "2026-11-20 09:00:00")
    sql.fill(path, sql.OUT, publish.COLUMNS, [theirs])
    issue(desk, hours(60))
    assert desk.done("publish")["rows_out"] == 360
    assert out(desk)[0] == theirs


def test_versions_of_a_target_whose_name_differs_by_a_wildcard_do_not_count() -> None:
    demand = load_markets(ROOT / "sextant.toml", ("demo",))["demo"].targets[0]
    pattern = versions_like(replace(demand, id="tx.rt_hub"))
    models = ("ridge tx.rt_hub-v3", "ridge tx.rt1hub-v3", "ridge tx.rt_hub2-v3")
    with closing(sqlite3.connect(":memory:")) as memory:
        found = [memory.execute("SELECT ? LIKE ? ESCAPE '!'", (one, pattern)).fetchone()[0] for one in models]
    assert found == [1, 0, 0]


def test_since_bounds_what_is_written(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, WANTED + "since = 2026-11-19T00:00:00Z\n")
    issue(desk, hours(24 * 10)[::-24])
    assert desk.done("publish")["rows_out"] == 2 * 6
    assert min(row[-1] for row in out(desk)) > "2026-11-19"


def test_the_repeated_hour_gives_two_rows_of_one_local_hour(desk: Desk) -> None:
    origin = datetime(2026, 10, 24, 23, tzinfo=UTC)
    issue(desk, [origin])
    issued = desk.warehouse.ask("publishable", target="demo.load", since=origin, now=desk.now)
    rows = rows_of(issued, desk.target)
    assert [row[1].hour for row in rows] == [2, 2, 3, 4, 5, 6]
    assert len({row[0] for row in rows}) == 6


def test_without_a_publication_there_is_never_work(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, "")
    issue(desk, hours(1))
    assert not is_ready(desk)
    row = desk.done("publish")
    assert (row["state"], row["rows_out"]) == ("skipped", 0)
    assert "no [publish.NAME]" in row["reason"]


def test_a_table_that_is_not_there_fails_the_run_and_not_the_other_table(tmp_path: Path) -> None:
    other = WANTED.replace("publish.dart", "publish.gone").replace("dart_spread", "of_mine")
    desk = desk_for(tmp_path, other + WANTED)
    issue(desk, hours(1))
    row = desk.run("publish")
    assert (row["state"], row["failure"], row["rows_out"]) == ("failed", "refused", 6)
    assert row["error"].startswith("publish.gone of demo.load: the table or a column is not there")
    assert is_ready(desk)


def test_a_refused_login_waits_an_hour_and_a_silent_server_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_named: Any) -> Any:
        raise sqlite3.OperationalError("Login failed for user 'desk' (18456) with hunter2hunter2")

    env = {"SQL_SERVER": "db", "SQL_USERNAME": "desk", "SQL_PASSWORD": "hunter2hunter2"}
    desk = desk_for(tmp_path, SEXTANT_SQL_DRIVER="invented_sql", **env)
    issue(desk, hours(1))
    sql.driver(monkeypatch, tmp_path / "out.db", connect=refused)
    row = desk.run("publish")
    assert row["failure"] == "auth"
    assert "hunter2" not in row["error"] + row["log"]
    desk.now += timedelta(minutes=5)
    assert not is_ready(desk)
    desk.now += timedelta(hours=1)
    assert is_ready(desk)
    sql.driver(monkeypatch, tmp_path / "out.db")
    assert desk.done("publish")["rows_out"] == 6


KILLER = """
import os, signal, sqlite3
from sqlite3 import Error, OperationalError, ProgrammingError
paramstyle = "named"
class Connection:
    def __init__(self, path):
        self.inner, self.commits = sqlite3.connect(":memory:"), 0
        self.inner.execute("ATTACH ? AS ERCOT", (path,))
        sqlite3.register_adapter(__import__("datetime").datetime, str)
        self.cursor, self.close = self.inner.cursor, self.inner.close
    def commit(self):
        self.commits += 1
        if os.environ["KILL"] == f"before {self.commits}":
            os.kill(os.getpid(), signal.SIGKILL)
        self.inner.commit()
        if os.environ["KILL"] == f"after {self.commits}":
            os.kill(os.getpid(), signal.SIGKILL)
def connect(host, database, user, password):
    return Connection(database)
"""


def test_killed_in_the_middle_it_repeats_and_loses_nothing(tmp_path: Path) -> None:
    desk = desk_for(tmp_path)
    issue(desk, hours(100))
    (tmp_path / "killing_sql.py").write_text(KILLER, encoding="utf-8")
    own = {"SEXTANT_WAREHOUSE": desk.settings.warehouse, "SEXTANT_CONFIG": desk.settings.config, "SQL_SERVER": "db",
           "SEXTANT_SQL_DRIVER": "killing_sql", "SQL_DATABASE": tmp_path / "out.db", "SQL_USERNAME": "u",
           "SQL_PASSWORD": "secret", "PYTHONPATH": tmp_path}  # fmt: skip
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "SQL_"))}
    command = [sys.executable, str(ROOT / "jobs.py"), "--now", NOW.isoformat(), "run", "publish"]
    counts, codes = [], []
    for kill in ("before 2", "after 1", "never"):
        env = kept | {key: str(value) for key, value in own.items()} | {"KILL": kill}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        codes.append(done.returncode)
        counts.append(len(out(desk)))
    assert codes == [-9, -9, 0]
    assert counts == [500, 600, 600]
    assert len({key for key, *_ in out(desk)}) == 600
    ended = ask(desk, "SELECT state FROM job_runs WHERE job = 'publish' AND ended_at IS NOT NULL")
    assert sorted(ended.state) == ["failed", "failed", "succeeded"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [(WANTED.replace("demo.load", "demo.laod"), r"names the target .demo\.laod., which there is not; did you mean"),
     (WANTED.replace(TABLE, "x; DROP TABLE y"), "write schema and table such as"),
     ('\n[publish.dart]\ntargets = ["demo.load"]\n', "lacks table"),
     (WANTED + "sinse = 1\n", "did you mean since"), (WANTED + "since = 2026-11-01T00:00:00\n", "with its offset")],
)  # fmt: skip
def test_a_wrong_publication_is_refused_with_its_place(tmp_path: Path, wanted: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        desk_for(tmp_path, wanted)
    assert str(refusal.value).startswith("sextant.toml:")
    with pytest.raises(ConfigError, match=words):
        load_publishing(tmp_path / "sextant.toml")


def test_a_table_s_name_is_bracketed(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, WANTED.replace(TABLE, "mine.dbo.[out]"))
    assert load_publishing(desk.settings.config)["dart"].table == "[mine].[dbo].[out]"


def test_it_follows_the_forecast_in_the_chain(desk: Desk) -> None:
    plan = plan_of(desk.jobs["publish"], JobPlan())
    names = [job.name for job in ordered(desk.jobs, desk.jobs)]
    assert plan.chained
    assert names.index("publish") > names.index("forecast")
