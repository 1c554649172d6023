"""forecast: what it issues live is explained, adds up to what is shown, and never waits for an explanation."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import explaining
from pipeline.counterfactual import LAST_HOUR, REVISED
from pipeline.errors import ModelError
from tests.conftest import Desk, ask
from tests.life import roll_back


def next_hour(desk: Desk) -> dict[str, Any]:
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features"):
        desk.done(job)
    return desk.done("forecast")


CHANGES = """SELECT r.origin, r.horizon, r.version_id, sum(r.effect) AS effect, any_value(a.p50 - b.p50) AS change
FROM reasons r
JOIN predictions a ON a.origin = r.origin AND a.horizon = r.horizon AND a.version_id = r.version_id
    AND a.issuer IN ('sextant', 'reissue')
JOIN predictions b ON b.origin = r.before_origin AND b.valid_at = r.valid_at AND b.version_id = r.before_version_id
    AND b.issuer = 'sextant'
GROUP BY ALL ORDER BY ALL"""


def test_live_issues_are_explained_and_the_effects_add_up_to_what_is_shown(full: Desk) -> None:
    begun = ask(full, "SELECT count(DISTINCT origin) AS n FROM reasons").n[0]
    assert begun == 1, "the replayed week is not explained, its first live issue is"
    next_hour(full)
    sums = ask(full, CHANGES)
    assert sums.horizon.tolist() == [1, 2, 3, 4, 5] * 2
    np.testing.assert_allclose(sums.effect, sums.change, rtol=0, atol=1e-6)
    rows = ask(full, "SELECT * FROM reasons WHERE origin = (SELECT max(origin) FROM reasons)")
    assert {LAST_HOUR, "rest"} <= set(rows.input)
    assert REVISED not in set(rows.input)
    assert rows.exact.all()
    assert (rows.before_origin == rows.origin - pd.Timedelta(hours=1)).all()


def test_an_issue_made_again_by_another_version_is_explained_too(full: Desk) -> None:
    full.done("train", families=["ridge"], force=True)
    next_hour(full)
    assert "model" in set(ask(full, "SELECT input FROM reasons WHERE version_id = 'demo.load-v2'").input)
    roll_back(full, "demo.load-v1", "demo.load-v2")
    full.now += timedelta(minutes=1)
    full.done("forecast", reissue="demo.load")
    sums = ask(full, CHANGES)
    assert sums.version_id.unique().tolist() == ["demo.load-v1", "demo.load-v2"]
    np.testing.assert_allclose(sums.effect, sums.change, rtol=0, atol=1e-6)


def test_what_cannot_be_explained_is_issued_all_the_same(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> pd.DataFrame:
        raise ModelError("no reason at all")

    monkeypatch.setattr(explaining, "explain", fails)
    row = next_hour(full)
    assert row["state"] == "succeeded"
    assert "demo.load: why the forecast moved is not explained: no reason at all" in row["log"]
    newest = ask(full, "SELECT * FROM predictions WHERE origin = (SELECT max(origin) FROM predictions)")
    assert (newest.issuer == "sextant").sum() == 6
