"""Every figure that a page shows equals what pandas makes of the tables, as read in a real browser.

The clock stands still, so that the pages and `recomputed` speak of the same moment.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from tests import browser, filler, recomputed
from tests.browser import Watched
from tests.recomputed import Tables, signed, whole

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("figures")]
NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
ZONE = "Europe/Madrid"
LEAST = 150
COMPARED: set[str] = set()


GRIDS = """() => [...document.querySelectorAll('[data-testid="stDataFrame"]')].map(one => [
    [...one.querySelectorAll('[role=columnheader]')].map(cell => cell.textContent),
    [...one.querySelectorAll('[role=gridcell]')].map(cell => cell.textContent)])"""
TILES = """() => [...document.querySelectorAll('[data-testid="stMetric"]')].map(one => [
    one.querySelector('[data-testid="stMetricLabel"]').innerText.trim(),
    one.querySelector('[data-testid="stMetricValue"]').innerText.trim()])"""


class Shown:
    """A page as its reader has it: tiles by label, tables by their headings, and all its text."""

    def __init__(self, page: Page) -> None:
        self.text = " ".join(page.locator('[data-testid="stMainBlockContainer"]').inner_text().split())
        self.tiles: dict[str, str] = dict(page.evaluate(TILES))
        self.tables = []
        for names, cells in page.evaluate(GRIDS):
            rows = [cells[first : first + len(names)] for first in range(0, len(cells), len(names))]
            self.tables.append(pd.DataFrame(rows, columns=names))

    def table(self, *headings: str) -> pd.DataFrame:
        """The cells of the first table that has these headings, as the page gave them to the browser."""
        return next(table for table in self.tables if set(headings) <= set(table.columns))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("figures")
    filler.fill(made / "w.duckdb", NOW)
    (made / "clock.json").write_text(json.dumps({"real": 0, "simulated": NOW.isoformat(), "rate": 0}))
    return made


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return Tables.of(folder / "w.duckdb", pd.Timestamp(NOW), filler.TARGET)


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    with browser.serving(folder / "w.duckdb", folder / "log", SEXTANT_CLOCK=str(folder / "clock.json")) as address:
        yield address


@pytest.fixture(scope="module")
def pages(chromium: Browser, served: str) -> Iterator[Callable[[str], Shown]]:
    """Gives what the reader of a path sees; each path is opened once, all in one session of a browser."""
    context, known = chromium.new_context(viewport={"width": 1900, "height": 4200}), dict[str, Shown]()
    watched = Watched(context.new_page(), served)

    def opened(path: str) -> Shown:
        if path not in known:
            watched.open(path)
            watched.page.locator("[role=gridcell]").first.wait_for(state="attached")
            # A table below the others writes its cells a moment later.
            watched.page.wait_for_timeout(400)
            known[path] = Shown(watched.page)
        return known[path]

    yield opened
    context.close()


@pytest.fixture
def shown(request: pytest.FixtureRequest, pages: Callable[[str], Shown]) -> Shown:
    return pages(request.param)


def same(name: str, found: str, expected: str | float) -> None:
    """Note a figure as compared; text must be equal, a number equal but for rounding by the machine."""
    assert name not in COMPARED, f"{name} is compared twice"
    COMPARED.add(name)
    if isinstance(expected, str):
        assert found == expected, name
    else:
        assert float(found) == pytest.approx(expected, rel=1e-9), name


def local(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_convert(ZONE)


@pytest.mark.parametrize("shown", [""], indirect=True)
def test_forecasts(shown: Shown, tables: Tables) -> None:
    issue, month = recomputed.newest(tables), recomputed.accuracy(tables, 30, ["horizon"])
    table = shown.table("Horizon", "MAE 30 d").set_index("Horizon")
    for row in issue.itertuples():
        name = f"T+{row.Index}"
        same(f"card {name}", shown.tiles[f"{name} · {local(row.valid_at):%H:%M}"], whole(row.p50))
        band = f"{whole(row.p10)} \u2013 {whole(row.p90)} MW"
        assert band in shown.text
        COMPARED.add(f"band {name}")
        cells = table.loc[name]
        for heading, value in (("P50, MW", row.p50), ("P10", row.p10), ("P90", row.p90), ("Operator", row.operator)):
            same(f"{heading} {name}", cells[heading], float(value))
        same(f"MAE {name}", cells["MAE 30 d"], month["mae"][row.Index])
        same(f"in band {name}", cells["In band, 30 d"], 100 * month["coverage"][row.Index])
        same(f"n {name}", cells["n"], str(month["n"][row.Index]))
        if pd.notna(row.change):
            same(f"change {name}", cells["Δ last"], signed(row.change))
    _counts(shown, tables)


def _counts(shown: Shown, tables: Tables) -> None:
    issues = recomputed.issues(tables, 30)
    words = f"{issues['replayed']} of {issues['n']} issues of the last 30 days replayed"
    assert words in shown.text
    assert f"{issues['fallback']} fallback, {issues['missed']} missed" in shown.text
    COMPARED.update({"issues", "replayed", "fallback", "missed"})
    reach = local(tables.mine("actuals")["valid_at"].max())
    assert f"Actuals to the {reach:%H:%M} hour" in shown.text
    COMPARED.add("reach of actuals")


@pytest.mark.parametrize("shown", [""], indirect=True)
def test_what_changed(shown: Shown, tables: Tables) -> None:
    reasons = tables.mine("reasons")
    change = reasons.groupby("horizon")["effect"].sum()
    most = change.abs().idxmax()
    assert f"{signed(change[most])} MW since the last issue" in shown.text
    effects = reasons[reasons["horizon"] == most]["effect"]
    for place, effect in enumerate(effects):
        assert signed(effect) in shown.text
        COMPARED.add(f"effect {place}")
    issue = recomputed.newest(tables)
    peak, trough = issue.loc[issue["p50"].idxmax()], issue.loc[issue["p50"].idxmin()]
    assert f"Peak {whole(peak.p50)} MW at {local(peak.valid_at):%H:%M}" in shown.text
    assert f"Trough {whole(trough.p50)} MW at {local(trough.valid_at):%H:%M}" in shown.text
    steps = issue["p50"].diff()
    actual = (
        tables.mine("actuals").sort_values("known_at").drop_duplicates("valid_at", keep="last").set_index("valid_at")
    )
    steps.iloc[0] = issue["p50"].iloc[0] - actual["value"][issue["valid_at"].iloc[0] - recomputed.HOUR]
    assert f"Steepest ramp {signed(steps[steps.abs().idxmax()])} MW" in shown.text
    COMPARED.update({"change", "peak", "trough", "ramp"})


@pytest.mark.parametrize("shown", ["accuracy"], indirect=True)
def test_accuracy(shown: Shown, tables: Tables) -> None:
    month = recomputed.accuracy(tables, 30, ["horizon"])
    naive = recomputed.scored(tables, 30).query("issuer == 'naive'")
    naive = naive["error"].abs().groupby(naive["horizon"]).mean()
    table = shown.table("Horizon", "RMSE, MW").set_index("Horizon")
    for horizon, row in month.iterrows():
        cells = table.loc[f"T+{horizon}"]
        same(f"accuracy n {horizon}", cells["n"], str(int(row["n"])))
        same(f"accuracy MAE {horizon}", _figure(cells["MAE, MW"]), whole(row["mae"]))
        same(f"accuracy RMSE {horizon}", _figure(cells["RMSE, MW"]), whole(row["rmse"]))
        same(f"accuracy MAPE {horizon}", _figure(cells["MAPE, %"]), f"{row['mape']:.2f}")
        same(f"accuracy bias {horizon}", _figure(cells["Bias, MW"]), signed(row["bias"]))
        same(f"accuracy skill {horizon}", _figure(cells["Better than naive"]), f"{whole(100 * row['skill'])} %")
        same(f"operator {horizon}", _figure(cells["Better than operator"]), f"{whole(100 * row['skill_operator'])} %")
        same(f"accuracy band {horizon}", _figure(cells["In P10\u2013P90"]), f"{whole(100 * row['coverage'])} %")
        same(f"MAE of naive {horizon}", cells["MAE of naive"], float(naive[horizon]))
        same(f"accuracy replayed {horizon}", cells["Replayed"], str(int(row["replayed"])))
    for horizon in (1, 6):
        same(f"tile MAE {horizon}", shown.tiles[f"MAE T+{horizon}"], f"{whole(month['mae'][horizon])} MW")
        skill = f"{whole(100 * month['skill'][horizon])} %"
        same(f"tile skill {horizon}", shown.tiles[f"Better than naive, T+{horizon}"], skill)


@pytest.mark.parametrize(
    ("shown", "heading", "key"),
    [
        ("accuracy?by=Weekday", "Weekday", "%A"),
        ("accuracy?by=Hour", "Hour", "%H"),
        ("accuracy?by=Month", "Month", "%Y-%m"),
    ],
    indirect=["shown"],
)
def test_accuracy_by_time(shown: Shown, tables: Tables, heading: str, key: str) -> None:
    rows = recomputed.scored(tables, 30)
    rows = rows[rows["issuer"] == "sextant"]
    expected = rows["error"].abs().groupby(rows["valid_at"].dt.tz_convert(ZONE).dt.strftime(key)).agg(["size", "mean"])
    table = shown.table(heading, "RMSE, MW")
    found = sorted(zip(table["n"].str.replace(",", "").astype(int), table["MAE, MW"].map(_figure), strict=True))
    wanted = sorted(zip(expected["size"], expected["mean"].map(whole), strict=True))
    assert set(found) <= set(wanted)
    assert len(found) >= min(len(wanted), 7)
    COMPARED.update(f"{heading} {place}" for place in range(len(found)))


def _figure(cell: str) -> str:
    """'150 ± 5' -> '150', '60 % ± 1.8' -> '60 %'."""
    return cell.partition(" ±")[0].strip()


@pytest.mark.parametrize("shown", ["models"], indirect=True)
def test_models(shown: Shown, tables: Tables) -> None:
    version_id = recomputed.champion(tables)
    own, held = recomputed.own_errors(tables, version_id, 30), recomputed.hold_out(tables, version_id)
    same("champion", shown.tiles["Champion"], version_id.rpartition("-")[2])
    same("live MAE", shown.tiles["Live MAE"], f"{own['error'].abs().mean():,.1f} MW")
    same("backtest MAE", shown.tiles["Backtest MAE"], f"{held['mae']:,.1f} MW")
    same("backtest coverage", shown.tiles["In P10\u2013P90"], f"{100 * held['coverage']:.0f} %")
    assert f"30 days, {own['origin'].nunique()} issues" in shown.text
    COMPARED.add("live n")
    version = tables["model_versions"].set_index("version_id").loc[version_id]
    assert f"{version['n_rows']:,} hourly origins" in shown.text
    assert version["sha256"] in shown.text
    COMPARED.update({"origins", "sha256"})
    weights = tables["importances"].query("version_id == @version_id")
    assert f"hold-out MAE of {weights['mae'].iloc[0]:,.1f} MW" in shown.text
    assert f"n = {weights['n'].iloc[0]:,} origins" in shown.text
    COMPARED.update({"importance MAE", "importance n"})


@pytest.mark.parametrize("shown", ["data"], indirect=True)
def test_data(shown: Shown, tables: Tables) -> None:
    sources = shown.page.get_by_test_id("stDataFrame").first.locator("[role=gridcell]").all_text_contents()
    counts = tables["raw"].groupby("series").size()
    for series, n in counts.items():
        row = next(place for place, cell in enumerate(sources) if cell.endswith(f"({series})"))
        same(f"values of {series}", sources[row + 6], str(n))
    actuals = tables.mine("actuals")
    actuals = actuals[actuals["valid_at"] >= tables.now.floor("h") - pd.Timedelta(days=30)]
    versions = actuals.groupby("valid_at").size()
    assert f"{(versions > 1).sum()} of {len(versions)} hours" in shown.text
    COMPARED.update({"revised hours", "hours"})


@pytest.mark.parametrize("shown", ["jobs"], indirect=True)
def test_jobs(shown: Shown, tables: Tables) -> None:
    day = recomputed.recent_runs(tables, 1)
    table = shown.table("Job", "Went well, 7 d", "Failed, 7 d").set_index("Job")
    week = recomputed.recent_runs(tables, 7)
    for job, runs in week.groupby("job"):
        states = runs["state"].value_counts()
        if job in table.index:
            same(f"failed {job}", table.loc[job, "Failed, 7 d"], str(states.get("failed", 0)))
            same(f"missed {job}", table.loc[job, "Missed, 7 d"], str(states.get("missed", 0)))
    assert len(day) > 0


@pytest.mark.parametrize("shown", ["alerts"], indirect=True)
def test_alerts(shown: Shown, tables: Tables) -> None:
    rows = recomputed.open_alerts(tables)
    assert f"{len(rows)} open alerts, worst first" in shown.text
    severities = rows["severity"].value_counts()
    words = ", ".join(f"{severities[name]} {name}" for name in ("critical", "warning", "info") if name in severities)
    assert words in shown.text
    for message in rows["message"]:
        assert message.replace("\u2060", "") in shown.text.replace("\u2060", "")
    COMPARED.update({"open alerts", *(f"{name} alerts" for name in severities.index)})


@pytest.mark.parametrize("shown", ["audit"], indirect=True)
def test_audit(shown: Shown, tables: Tables) -> None:
    audit = tables["audit"]
    for outcome, n in audit["outcome"].value_counts().items():
        assert f"{n} {outcome}" in shown.text
        COMPARED.add(f"audit {outcome}")
    assert f"Rows 1 to {len(audit)} of {len(audit)}" in shown.text


def test_enough_figures_were_compared() -> None:
    assert len(COMPARED) >= LEAST, sorted(COMPARED)
