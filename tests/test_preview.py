"""Before a champion changes, both versions are seen side by side, and it is said what each figure rests on."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline import registry
from pipeline.errors import ArtifactDamaged, ModelError
from pipeline.markets import Event
from pipeline.preview import Preview, preview
from tests.conftest import Desk, ask

TARGET = "demo.load"


def shown(desk: Desk, version_id: str) -> Preview:
    return preview(desk.warehouse, desk.settings.models, desk.target, version_id, now=desk.now)


def test_an_untried_version_is_shown_by_its_hold_out_beside_what_the_champion_issued(full: Desk) -> None:
    full.done("train", families=["naive"])
    seen = shown(full, "demo.load-v2")
    rows = seen.errors.set_index(["days", "role"])
    assert list(rows.loc[7].basis) == ["backtest", "as issued"]
    assert list(rows.loc[30].basis) == ["backtest", "as issued + backtest"]
    assert rows.n.loc[(7, "candidate")] == rows.n.loc[(7, "champion")] >= 160
    assert rows.n.loc[(30, "champion")] > 600
    issued = ask(
        full,
        "SELECT avg(abs(error)) AS mae FROM accuracy_latest WHERE issuer = 'sextant' AND status = 'ok' "
        f"AND origin >= '{full.now - timedelta(days=7)}'",
    )
    assert rows.mae.loc[(7, "champion")] == pytest.approx(issued.mae.iloc[0], rel=0.02)
    assert rows.mae.loc[(7, "candidate")] > 1.3 * rows.mae.loc[(7, "champion")]


def test_both_forecasts_of_the_newest_origin_are_shown(full: Desk) -> None:
    full.done("train", families=["naive"])
    seen = shown(full, "demo.load-v2").forecasts
    assert list(seen.groupby("role").size()) == [6, 6]
    assert seen.origin.nunique() == 1
    mine, other = seen[seen.role == "candidate"], seen[seen.role == "champion"]
    assert set(mine.basis) == {"computed"}
    naive = ask(full, "SELECT p50 FROM predictions WHERE issuer = 'naive' ORDER BY origin DESC, horizon LIMIT 6")
    np.testing.assert_array_equal(mine.p50, naive.p50)
    assert set(other.basis) == {"as issued"}
    assert (other.p10 <= other.p50).all()
    assert (other.p50 <= other.p90).all()


def test_a_version_left_behind_is_judged_on_rows_it_had_not_learned_from(full: Desk) -> None:
    full.done("train", families=["ridge"])
    rows = shown(full, "demo.load-v1").errors.set_index(["days", "role"])
    assert rows.basis.loc[(7, "candidate")] == "as issued"
    with full.warehouse.write() as session:
        session.script("DELETE FROM accuracy")
    recomputed = shown(full, "demo.load-v1").errors.set_index(["days", "role"])
    assert recomputed.basis.loc[(7, "candidate")] == "backtest"
    assert recomputed.mae.loc[(7, "candidate")] == pytest.approx(rows.mae.loc[(7, "candidate")], rel=1e-9)


def test_hours_that_a_version_has_learned_say_nothing_of_it(full: Desk) -> None:
    full.done("train", families=["ridge"])
    seen = shown(full, "demo.load-v2").errors.set_index(["days", "role"])
    assert seen.basis.loc[(7, "candidate")] == "backtest"
    row = registry.version(full.warehouse, TARGET, "demo.load-v2")
    pool = registry.load(row, folder=full.settings.models).residuals
    origins = pool["origin"].astype("datetime64[h]")
    recent = origins >= np.datetime64((full.now - timedelta(days=7)).replace(tzinfo=None))
    held_out = np.nanmean(np.abs(pool["error"][recent]))
    assert seen.mae.loc[(7, "candidate")] == pytest.approx(held_out, rel=0.01)


def test_hours_of_declared_events_speak_for_and_against_nobody(full: Desk) -> None:
    """Of an hour that was issued, one that was held out and one that is computed alike."""
    full.done("train", families=["naive"])
    first, last = full.now - timedelta(days=3, hours=5), full.now - timedelta(days=3)
    target = replace(full.target, events=(Event(first, last, "a blackout"),))

    def seen() -> Preview:
        return preview(full.warehouse, full.settings.models, target, "demo.load-v2", now=full.now)

    whole, less = shown(full, "demo.load-v2"), seen()
    # Six hours touch the event, with six horizons each.
    assert [whole.apart[days].n_hours - less.apart[days].n_hours for days in (7, 30)] == [36, 36]
    with full.warehouse.write() as session:
        spoilt = "UPDATE accuracy SET error = 50 * error WHERE valid_at > $first - INTERVAL 1 HOUR AND valid_at < $last"
        session.script(spoilt, first=first, last=last)
    assert seen().apart == less.apart
    np.testing.assert_array_equal(seen().errors["mae"], less.errors["mae"])
    assert shown(full, "demo.load-v2").apart[7].other_mae > 1.5 * less.apart[7].other_mae


def test_shadow_forecasts_count_and_are_called_so(full: Desk) -> None:
    full.done("train", families=["naive"])
    with full.warehouse.write() as session:
        for table in ("accuracy", "predictions"):
            rows = f"SELECT * REPLACE ('shadow' AS issuer, '{TARGET}-v2' AS version_id, 'ok' AS status) FROM {table}"
            session.script(f"INSERT INTO {table} BY NAME {rows} WHERE issuer = 'naive'")
    seen = shown(full, "demo.load-v2")
    assert seen.errors.basis.iloc[0] == "shadow"
    assert set(seen.forecasts[seen.forecasts.role == "candidate"].basis) == {"shadow"}


def test_a_damaged_champion_is_shown_by_what_it_issued_and_a_damaged_candidate_not_at_all(full: Desk) -> None:
    full.done("train", families=["naive"])
    champion = registry.champion(full.warehouse, TARGET)
    (full.settings.models / champion["artifact"]).write_bytes(b"broken")
    seen = shown(full, "demo.load-v2")
    assert list(seen.errors.basis) == ["backtest", "as issued"] * 2
    assert len(seen.forecasts) == 12
    (full.settings.models / registry.version(full.warehouse, TARGET, "demo.load-v2")["artifact"]).unlink()
    with pytest.raises(ArtifactDamaged):
        shown(full, "demo.load-v2")
    with pytest.raises(ModelError, match="is no version of"):
        shown(full, "demo.load-v77")
