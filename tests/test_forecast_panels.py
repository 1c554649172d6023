"""The Forecasts page below its cards: what changed, where numbers come from, two issues, several markets."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data, exports
from dashboard.data import Desk
from dashboard.figures import issues, palette
from dashboard.panels import reasons
from pipeline.settings import ROOT
from tests import filler
from tests.dashboards import NOW, opened, seated, words
from tests.filler import Story

TARGET = "demo.load"
TWO = """
[market.north]
name = "North"
zone = "Europe/Lisbon"
country = "PT"
sources = ["demo"]
history_days = 30

[market.north.series.load]
title = "Demand"
kind = "measured"
unit = "MW"
cadence_min = 5
delay_min = 8
minimum = 10000
maximum = 60000
keys = { demo = "load" }

[market.north.target.load]
title = "Demand"
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("panels") / "w.duckdb"
    filler.fill(path, NOW)
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        yield made


def at(**params: str) -> AppTest:
    app = opened()
    for name, value in params.items():
        app.query_params[name] = value
    app = app.run()
    assert not app.exception
    assert not app.error
    return app


def stored(desk: Desk, hour: str) -> pd.DataFrame:
    rows = desk.ask("page_reasons", target=TARGET, due=NOW)
    return rows[rows["valid_at"] == pd.Timestamp(hour)].reset_index(drop=True)


def test_the_hour_that_moved_most_is_explained_first_and_adds_up(desk: Desk) -> None:
    issue = desk.ask("page_issue", target=TARGET, due=NOW)
    most = issue.loc[issue["change"].abs().idxmax()]
    assert f"**{most.change:+,.0f}".replace("-", "\u2212") in words(at())
    rows = stored(desk, str(most.valid_at))
    assert rows["effect"].sum() == pytest.approx(most.change, abs=1e-9)
    figure = issues.waterfall(rows, palette=palette.LIGHT, unit="MW", digits=0)
    bar = figure.data[0]
    assert list(bar.x)[:-1] == pytest.approx(rows["effect"].tolist())
    assert bar.x[-1] == pytest.approx(most.change)
    assert list(bar.base) == pytest.approx([0.0, *rows["effect"].cumsum()[:-1], 0.0])
    assert list(bar.marker.pattern.shape) == ["" if exact else "/" for exact in rows["exact"]] + [""]


def test_an_hour_in_the_address_is_explained_and_traced(desk: Desk) -> None:
    app = at(hour="2026-11-20T12:00Z")
    rows = stored(desk, "2026-11-20T12:00Z")
    assert reasons.sentence(rows, "MW", 0) in words(app)
    assert f"{rows['p50'].iloc[0]:,.0f} MW" in words(app)
    assert "T+3 of the issue from origin Fri 20 Nov 10:00" in words(app)
    assert "`python jobs.py reproduce --forecast demo.load@2026-11-20T09:00Z`" in words(app)


def test_words_of_a_reason_do_nothing_in_text_or_figure() -> None:
    rows = pd.DataFrame(
        {"input": ["a", "rest"], "words": ["<script>x</script> *loud*", "nearer"], "effect": [30.0, -10.0],
         "exact": [False, True], "p50": [100.0, 100.0]}
    )  # fmt: skip
    assert r"\<script" in reasons.sentence(rows, "MW", 0)
    figure = issues.waterfall(rows, palette=palette.LIGHT, unit="MW", digits=0)
    texts = " ".join(note.text for note in figure.layout.annotations)
    assert "<script" not in texts
    assert "\u2248 &lt;script&gt;" in texts


def test_reasons_that_cancel_out_are_said_to() -> None:
    rows = pd.DataFrame({"input": ["a", "b"], "words": ["up", "down"], "effect": [30.0, -30.2]})
    assert "cancels out" in reasons.sentence(rows, "MW", 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "fallback"}, "is a fallback"),
        ({"status": "withheld"}, "is withheld"),
        ({"mode": "replay"}, "replayed afterwards"),
        ({"issuer": "reissue"}, "made again"),
        ({"change": None}, "no issue before it"),
        ({}, "No reasons were stored"),
    ],
)
def test_an_issue_without_reasons_says_why(change: dict[str, object], expected: str) -> None:
    row = {"status": "ok", "mode": "live", "issuer": "sextant", "change": 1.0} | change
    assert expected in reasons.why_none(pd.DataFrame([row]))


def test_a_past_hour_leads_to_its_actual_and_all_its_issues(desk: Desk) -> None:
    app = at(hour="2026-11-20T05:00Z")
    actual = desk.ask("page_hour_actual", target=TARGET, hour=pd.Timestamp("2026-11-20T05:00Z")).iloc[0]
    assert f"{actual.value:,.0f} MW, known Fri 20 Nov 07:08" in words(app)
    rows = desk.ask("page_hour", target=TARGET, hour=pd.Timestamp("2026-11-20T05:00Z"), due=NOW)
    assert rows["horizon"].tolist() == [1, 2, 3, 4, 5, 6]
    assert app.expander[0].label == "All 6 issues for this hour"
    assert f"{rows['p50'].iloc[0]:,.0f} MW" in words(app)


def test_a_revised_actual_says_how_often_and_by_how_much(desk: Desk) -> None:
    revised = desk.ask("page_hour_actual", target=TARGET, hour=pd.Timestamp("2026-11-20T05:00Z"))
    assert revised.columns.tolist()[-2:] == ["versions", "first_value"]
    with desk.warehouse.read() as session:
        hour, value = session.rows(
            "SELECT valid_at, min_by(value, known_at) FROM actuals GROUP BY valid_at HAVING count(*) > 1 LIMIT 1"
        )[0]
    row = desk.ask("page_hour_actual", target=TARGET, hour=hour).iloc[0]
    assert row.versions >= 2
    assert row.first_value == value
    app = at(hour=f"{pd.Timestamp(hour).tz_convert('UTC'):%Y-%m-%dT%H:%MZ}")
    assert f"version {row.versions}" in words(app)


def test_an_hour_nobody_forecast_says_so(desk: Desk) -> None:
    assert "forecast the hour" in words(at(hour="2020-01-01T00:00Z"))


@pytest.mark.parametrize("other", ["2026-11-20T08:00Z", "2026-11-20T04:00Z", "2026-10-25T04:00Z"])
def test_two_issues_are_shown_hour_by_hour(desk: Desk, other: str) -> None:
    app = at(**{"with": other})
    origin, second = pd.Timestamp("2026-11-20T09:00Z"), pd.Timestamp(other)
    rows = desk.ask("page_compared", target=TARGET, origin=origin, other=second)
    shown = app.dataframe[-1].value
    assert shown["newest"].tolist() == pytest.approx(rows["p50"].tolist(), nan_ok=True)
    assert shown["other"].tolist() == pytest.approx(rows["other_p50"].tolist(), nan_ok=True)
    hours = [second + pd.Timedelta(hours=h) for h in range(1, 7)]
    assert rows.dropna(subset="other_p50")["valid_at"].tolist() == hours
    measured = rows.dropna(subset=["other_p50", "actual"])
    mae = (measured["other_p50"] - measured["actual"]).abs().mean()
    assert f"MAE {mae:,.0f} MW over {len(measured)} measured hour" in words(app)
    common = rows["difference"].notna().sum()
    assert (f"{common} common hour" if common else "No common hours") in words(app)


def test_an_issue_that_is_not_there_is_told(desk: Desk) -> None:
    assert "No earlier issue counts from" in words(at(**{"with": "2020-01-01T04:00Z"}))


def test_a_chosen_hour_is_kept_in_the_address(desk: Desk) -> None:
    app = opened()
    app.selectbox(key="source_hour").set_value(app.selectbox(key="source_hour").options[-1]).run()
    assert "T+6 of the issue" in words(app)
    assert app.query_params["hour"] in ("2026-11-20T15:00Z", ["2026-11-20T15:00Z"])


def test_a_reissue_is_a_badge_and_a_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler.fill(tmp_path / "w.duckdb", NOW, Story(reissued=True))
    with seated(tmp_path / "w.duckdb", monkeypatch):
        said = words(at())
    assert "Re-issued" in said
    assert "**Issue**: re-issued" in said


def test_the_market_is_chosen_by_name_and_kept_in_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sextant.toml").write_text((ROOT / "sextant.toml").read_text(encoding="utf-8") + TWO, encoding="utf-8")
    filler.fill(tmp_path / "w.duckdb", NOW)
    with seated(tmp_path / "w.duckdb", monkeypatch):
        monkeypatch.setenv("SEXTANT_CONFIG", str(tmp_path / "sextant.toml"))
        monkeypatch.setenv("SEXTANT_MARKETS", "demo,north")
        data.desk.cache_clear()
        data.desk().clock = lambda: NOW
        app = opened()
        assert app.title[0].value == "Forecasts"
        assert list(app.button_group(key="target").options) == ["Demo Demand", "North Demand"]
        assert len(app.metric) == 6
        app.button_group(key="target").set_value("North Demand").run()
        assert not app.exception
        assert "No forecast was issued yet" in words(app)
        assert list(app.button_group(key="clock").options) == ["Lisbon", "UTC"]
        linked = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60)
        linked.query_params["target"] = "North Demand"
        linked.run()
        assert linked.button_group(key="target").value == "North Demand"
        assert "No forecast was issued yet" in words(linked)


def test_targets_of_one_name_are_offered_by_their_id(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    market = next(iter(desk.markets.values()))
    monkeypatch.setattr(Desk, "targets", {"one": market.targets[0], "two": market.targets[0]})
    assert list(desk.target_names()) == [TARGET]


def test_what_is_copied_pastes_into_a_sheet_and_calculates_nothing() -> None:
    rows = pd.DataFrame({"hour": ["Fri 11:00", "=1+1"], "p50": [31332.25, None]})
    assert exports.tsv(rows) == "hour\tp50\nFri 11:00\t31332.25\n'=1+1\t\n"


def test_the_copy_button_is_given_the_table(desk: Desk) -> None:
    found = [one for one in opened().get("bidi_component") if "copy" in str(one.proto)]
    text = json.loads(json.dumps(str(found[0].proto)))
    assert "Copy the next six hours as a table" in text
    assert "horizon\\\\tvalid_at" in text or "horizon\\tvalid_at" in text
