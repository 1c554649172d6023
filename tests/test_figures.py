"""Every figure that a page shows equals what pandas makes of the tables, as read in a real browser.

The clock stands still, so that the pages and `recomputed` speak of the same moment.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from tests import browser, filler, recomputed
from tests.browser import Watched
from tests.reading import COMPARED, Shown, figure, said, same
from tests.recomputed import Tables, signed, whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
ZONE = "Europe/Madrid"
LEAST = 300


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
            known[path] = Shown.of(watched.page)
        return known[path]

    yield opened
    context.close()


@pytest.fixture
def shown(request: pytest.FixtureRequest, pages: Callable[[str], Shown]) -> Shown:
    return pages(request.param)


def local(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_convert(ZONE)


@pytest.mark.parametrize("shown", [""], indirect=True)
def test_forecasts(shown: Shown, tables: Tables) -> None:
    issue, month = recomputed.newest(tables), recomputed.accuracy(tables, 30, ["horizon"])
    table = shown.table("Horizon", "MAE 30 d").set_index("Horizon")
    for row in issue.itertuples():
        name = f"T+{row.Index}"
        same(f"card {name}", shown.tiles[f"{name} · {local(row.valid_at):%H:%M}"], whole(row.p50))
        said(shown, f"{whole(row.p10)} \u2013 {whole(row.p90)} MW", f"band {name}")
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
    said(shown, f"{issues['replayed']} of {issues['n']} issues of the last 30 days replayed", "issues", "replayed")
    said(shown, f"{issues['fallback']} fallback, {issues['missed']} missed", "fallback", "missed")
    reach = local(tables.mine("actuals")["valid_at"].max())
    said(shown, f"Actuals to the {reach:%H:%M} hour", "reach of actuals")


@pytest.mark.parametrize("shown", [""], indirect=True)
def test_what_changed(shown: Shown, tables: Tables) -> None:
    reasons = tables.mine("reasons")
    change = reasons.groupby("horizon")["effect"].sum()
    most = change.abs().idxmax()
    said(shown, f"{signed(change[most])} MW since the last issue", "change")
    effects = reasons[reasons["horizon"] == most]["effect"]
    for place, effect in enumerate(effects):
        said(shown, signed(effect), f"effect {place}")
    issue = recomputed.newest(tables)
    peak, trough = issue.loc[issue["p50"].idxmax()], issue.loc[issue["p50"].idxmin()]
    said(shown, f"Peak {whole(peak.p50)} MW at {local(peak.valid_at):%H:%M}", "peak")
    said(shown, f"Trough {whole(trough.p50)} MW at {local(trough.valid_at):%H:%M}", "trough")
    steps = issue["p50"].diff()
    actual = tables.mine("actuals").sort_values("known_at").groupby("valid_at").last()
    steps.iloc[0] = issue["p50"].iloc[0] - actual["value"][issue["valid_at"].iloc[0] - recomputed.HOUR]
    said(shown, f"Steepest ramp {signed(steps[steps.abs().idxmax()])} MW", "ramp")


@pytest.mark.parametrize("shown", ["accuracy"], indirect=True)
def test_accuracy(shown: Shown, tables: Tables) -> None:
    month = recomputed.accuracy(tables, 30, ["horizon"])
    table = shown.table("Horizon", "RMSE, MW").set_index("Horizon")
    for horizon, row in month.iterrows():
        cells = table.loc[f"T+{horizon}"]
        same(f"accuracy n {horizon}", cells["n"], str(int(row["n"])))
        same(f"accuracy MAE {horizon}", figure(cells["MAE, MW"]), whole(row["mae"]))
        same(f"accuracy RMSE {horizon}", figure(cells["RMSE, MW"]), whole(row["rmse"]))
        same(f"accuracy MAPE {horizon}", figure(cells["MAPE, %"]), f"{row['mape']:.2f}")
        same(f"accuracy bias {horizon}", figure(cells["Bias, MW"]), signed(row["bias"]))
        same(f"accuracy skill {horizon}", figure(cells["Better than naive"]), f"{whole(100 * row['skill'])} %")
        same(f"operator {horizon}", figure(cells["Better than operator"]), f"{whole(100 * row['skill_operator'])} %")
        same(f"accuracy band {horizon}", figure(cells["In P10\u2013P90"]), f"{whole(100 * row['coverage'])} %")
        same(f"MAE of naive {horizon}", cells["MAE of naive"], row["mae_naive"])
        same(f"accuracy replayed {horizon}", cells["Replayed"], str(int(row["replayed"])))
    for horizon in (1, 6):
        same(f"tile MAE {horizon}", shown.tiles[f"MAE T+{horizon}"], f"{whole(month['mae'][horizon])} MW")
        skill = f"{whole(100 * month['skill'][horizon])} %"
        same(f"tile skill {horizon}", shown.tiles[f"Better than naive, T+{horizon}"], skill)


@pytest.mark.parametrize(
    ("shown", "heading", "key"),
    [("accuracy?by=Weekday", "Weekday", "%a"), ("accuracy?by=Hour", "Hour of day", "%H:00")],
    indirect=["shown"],
)
def test_accuracy_by_time(shown: Shown, tables: Tables, heading: str, key: str) -> None:
    rows = recomputed.scored(tables, 30)
    rows = rows.assign(slice=rows["valid_at"].dt.tz_convert(ZONE).dt.strftime(key))
    expected = recomputed.summed(rows, ["slice"])
    table = shown.table(heading, "RMSE, MW").set_index(heading)
    assert len(table) >= 7, "a long table draws the rows that are in its window"
    for name, cells in table.iterrows():
        row = expected.loc[name]
        same(f"{heading} {name} n", cells["n"], str(int(row["n"])))
        same(f"{heading} {name} MAE", figure(cells["MAE, MW"]), whole(row["mae"]))
        same(f"{heading} {name} RMSE", figure(cells["RMSE, MW"]), whole(row["rmse"]))
        same(f"{heading} {name} skill", figure(cells["Better than naive"]), f"{whole(100 * row['skill'])} %")


@pytest.mark.parametrize("shown", ["accuracy"], indirect=True)
def test_bands(shown: Shown, tables: Tables) -> None:
    table = shown.table("Horizon", "In 90 % band").set_index("Horizon")
    for horizon, row in recomputed.bands(tables, 30).iterrows():
        cells = table.loc[f"T+{horizon}"]
        same(f"band n {horizon}", cells["n"], str(int(row["n"])))
        same(f"80 % band {horizon}", figure(cells["In 80 % band"]), f"{whole(100 * row['in80'])} %")
        same(f"90 % band {horizon}", figure(cells["In 90 % band"]), f"{whole(100 * row['in90'])} %")
        same(f"width {horizon}", figure(cells["Width, MW"]), whole(row["width"]))
        same(f"Winkler {horizon}", figure(cells["Winkler, MW"]), whole(row["winkler"]))
    below = recomputed.below(tables, 30)
    words = ", ".join(f"{level.upper()} {100 * share:.1f} %" for level, share in below.items())
    said(shown, f"{words}; n = {len(recomputed.banded(tables, 30)):,}", "n of bands", *below.index)


@pytest.mark.parametrize("shown", ["accuracy"], indirect=True)
def test_worst_hours(shown: Shown, tables: Tables) -> None:
    table = shown.table("Usual MAE", "Error")
    worst = recomputed.worst(tables, 30, len(table))
    assert len(table) >= 10
    for place, row in enumerate(worst.itertuples()):
        cells = table.iloc[place]
        same(f"worst hour {place}", cells["Hour, Madrid"], f"{local(row.valid_at):%a %d %b %H:%M}")
        same(f"worst error {place}", cells["Error"], signed(row.error))
        same(f"usual error {place}", cells["Usual MAE"], f"{row.times:.1f} times {whole(row.usual)}")


@pytest.mark.parametrize("shown", ["models"], indirect=True)
def test_models(shown: Shown, tables: Tables) -> None:
    version_id = recomputed.champion(tables)
    own, held = recomputed.own_errors(tables, version_id, 30), recomputed.hold_out(tables, version_id)
    same("champion", shown.tiles["Champion"], version_id.rpartition("-")[2])
    same("live MAE", shown.tiles["Live MAE"], f"{own['error'].abs().mean():,.1f} MW")
    same("backtest MAE", shown.tiles["Backtest MAE"], f"{held['mae']:,.1f} MW")
    same("backtest coverage", shown.tiles["In P10\u2013P90"], f"{100 * held['coverage']:.0f} %")
    said(shown, f"n = {own['origin'].nunique()} issues of 30 days", "live n")
    version = tables["model_versions"].set_index("version_id").loc[version_id]
    said(shown, f"{version['n_rows']:,} hourly origins", "origins")
    said(shown, version["sha256"], "sha256")
    weights = tables["importances"].query("version_id == @version_id")
    said(shown, f"hold-out MAE of {weights['mae'].iloc[0]:,.1f} MW", "importance MAE")
    said(shown, f"n = {weights['n'].iloc[0]:,} origins", "importance n")


@pytest.mark.parametrize("shown", ["models"], indirect=True)
def test_versions(shown: Shown, tables: Tables) -> None:
    versions = shown.table("Version", "Live MAE 30 d, MW").set_index("Version")
    for version_id, cells in versions.iterrows():
        name = version_id.rpartition("-")[2]
        same(f"backtest of {name}", cells["Backtest MAE, MW"], recomputed.hold_out(tables, version_id)["mae"])
        month, quarter = (recomputed.own_errors(tables, version_id, days) for days in (30, 90))
        if len(month):
            same(f"live MAE of {name}", cells["Live MAE 30 d, MW"], month["error"].abs().mean())
            shadow = (quarter["issuer"] == "shadow").sum()
            words = f"{name} {quarter['error'].abs().mean():,.1f} MW (n = {len(quarter):,}, {shadow} in shadow)"
            said(shown, words, f"history of {name}", f"history n of {name}", f"history shadow of {name}")
    compared = shown.table("Family", "MASE").set_index("Family")
    for family, row in recomputed.families(tables).iterrows():
        same(f"family {family}", compared.loc[family, "MAE, MW"], row["mae"])
        same(f"family n {family}", compared.loc[family, "n"], str(int(row["n"])))


@pytest.mark.parametrize("shown", ["models"], indirect=True)
def test_challenger(shown: Shown, tables: Tables) -> None:
    cells = shown.table("Common issues", "Champion's").set_index("Version").loc["demo.load-v2"]
    own, champion = (recomputed.own_errors(tables, name, 30) for name in ("demo.load-v2", recomputed.champion(tables)))
    both = own[own["issuer"] == "shadow"].merge(champion, on=["origin", "horizon"], suffixes=("", "_champion"))
    mae, theirs = both["error"].abs().mean(), both["error_champion"].abs().mean()
    same("shadow MAE", cells["MAE, MW"], mae)
    same("shadow champion", cells["Champion's"], theirs)
    same("shadow n", cells["Common issues"], str(both["origin"].nunique()))
    same("shadow difference", cells["Difference"], f"{mae - theirs:+.1f} MW".replace("-", recomputed.MINUS))


@pytest.mark.parametrize("shown", ["data"], indirect=True)
def test_data(shown: Shown, tables: Tables) -> None:
    sources = shown.table("Series", "Values stored").set_index("Series")["Values stored"]
    for series, n in tables["raw"].groupby("series")["valid_at"].nunique().items():
        name = next(name for name in sources.index if name.endswith(f"({series})"))
        same(f"values of {series}", sources[name], str(n))
    for series, minutes in (("demo.load", 5), ("demo.temperature", 60)):
        reach = local(recomputed.reach(tables, series) + pd.Timedelta(minutes=minutes))
        said(shown, f"Measured to {reach:%a %d %b %H:%M} CET", f"reach of {series}")
    revised = recomputed.revisions(tables, 30)
    share = whole(100 * revised["revised"] / revised["n"])
    said(shown, f"{revised['revised']} of {revised['n']} hours ({share} %)", "revised", "hours", "share revised")
    said(shown, f"by {revised['mean']:,.1f} MW on average", "mean revision")
    said(shown, f"at most {revised['most']:,.1f} MW", "largest revision")
    for hours, n in recomputed.aged(tables, 30).items():
        said(shown, f"n = {n}", f"hours of age {hours}")


@pytest.mark.parametrize("shown", ["jobs"], indirect=True)
def test_jobs(shown: Shown, tables: Tables) -> None:
    plan, well = (shown.table("Job", name).set_index("Job") for name in ("Failed, 7 d", "By a further try"))
    took = shown.table("Job", "Longest, 7 d").set_index("Job")
    week, month = recomputed.outcomes(tables, 7), recomputed.outcomes(tables, 30)
    for job, row in week.iterrows():
        same(f"failed {job}", plan.loc[job, "Failed, 7 d"], str(int(row["failed"])))
        same(f"missed {job}", plan.loc[job, "Missed, 7 d"], str(int(row["missed"])))
        same(f"runs {job}", well.loc[job, "of runs"].iloc[0], str(int(row["ended"])))
        if row["ended"]:
            same(f"went well {job}", well.loc[job, "Went well, 7 d"], 100 * row["well"] / row["ended"])
        if row["succeeded"]:
            same(f"usual time {job}", took.loc[job, "Usual time, 7 d"], recomputed.lasted(row["median_s"]))
            same(f"longest {job}", took.loc[job, "Longest, 7 d"], recomputed.lasted(row["longest_s"]))
            same(f"runs timed {job}", took.loc[job, "Runs, 7 d"], str(int(row["succeeded"])))
    for job, row in month.iterrows():
        same(f"runs in 30 days {job}", well.loc[job, "of runs"].iloc[1], str(int(row["ended"])))
        same(f"cancelled {job}", well.loc[job, "Cancelled, 30 d"], str(int(row["cancelled"])))
    day = recomputed.drawn_runs(tables, 24)
    words = f"{len(day)} runs in the last 24 hours, {(day['state'] == 'failed').sum()} failed"
    said(shown, words, "runs of a day", "failed of a day")


@pytest.mark.parametrize("shown", ["alerts"], indirect=True)
def test_alerts(shown: Shown, tables: Tables) -> None:
    rows = recomputed.open_alerts(tables)
    said(shown, f"{len(rows)} open alerts, worst first", "open alerts")
    severities = rows["severity"].value_counts()
    words = ", ".join(f"{severities[name]} {name}" for name in ("critical", "warning", "info") if name in severities)
    said(shown, words, *(f"{name} alerts" for name in severities.index))
    for message in rows["message"]:
        said(shown, message, message)
    past = recomputed.past_alerts(tables, 14)
    words = f"{past['n']} alerts, half of the {past['over']} that are over lasted under {past['median']}"
    said(shown, words, "alerts", "alerts over", "half of alerts")
    for (channel, state), n in recomputed.deliveries(tables).items():
        plural = "" if n == 1 else "s"
        words = f"{n} message{plural} sent" if state == "sent" else f"{n} attempt{plural} {state}"
        said(shown, words, f"{channel} {state}")


@pytest.mark.parametrize("shown", ["audit"], indirect=True)
def test_audit(shown: Shown, tables: Tables) -> None:
    audit = tables["audit"]
    for outcome, n in audit["outcome"].value_counts().items():
        said(shown, f"{n} {outcome}", f"audit {outcome}")
    said(shown, f"Rows 1 to {len(audit)} of {len(audit)}", "audit")


def test_enough_figures_were_compared() -> None:
    assert len(COMPARED) >= LEAST, sorted(COMPARED)
