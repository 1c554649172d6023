"""A short replay through the real connectors: an outage, revisions, a clock change and a provider in trouble."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.replay_spain import DATA, Plan, Replay, judge
from tests.servers.store import invented_store, spain_store

PLAN = Plan(datetime(2024, 10, 26, 17, tzinfo=UTC), 18, timedelta(days=135), ("naive", "ridge"))


def store(kind: str) -> pd.DataFrame:
    start, end = str((PLAN.start - PLAN.history).date()), str((PLAN.end + timedelta(days=2)).date())
    if kind == "invented":
        return invented_store(start, end)
    if not DATA.exists():
        pytest.skip("REAL DATA ABSENT: ../shared/data/spain_5min.parquet is not beside this checkout")
    return spain_store(DATA, start, end)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "kind"), [("redata", "real"), ("esios", "invented")])
def test_a_replayed_day_has_every_issue_and_an_accuracy_that_pandas_recomputes(
    tmp_path: Path, source: str, kind: str
) -> None:
    replay = Replay(PLAN, tmp_path, source, store=store(kind))
    with replay.server:
        replay.history()
        assert not replay.failed
        replay.hourly()
    verdict = judge(replay)
    assert verdict.wrong_issues == 0
    assert verdict.missing_slots == verdict.foreign_values == 0
    assert verdict.flaws == 0
    assert verdict.largest_difference < 1e-6
    assert 6 <= verdict.fallbacks <= 9
    assert verdict.rescored > 0
    assert verdict.table["sextant"].mean() < verdict.table["naive"].mean()
    sources = set(replay.ask("SELECT DISTINCT source FROM raw").source)
    assert sources == {source}
