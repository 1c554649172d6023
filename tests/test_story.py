"""The whole story in one browser: an operator mends a feed, retrains, sees the new champion's forecast, rolls back and
finds it all in Audit; a viewer is offered none of it and is refused. Real server, scheduler, jobs and provider."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard import actions
from dashboard.actions import Denied
from dashboard.data import Desk
from dashboard.identity import NEEDS, User
from pipeline.accounts import Accounts
from pipeline.settings import ROOT
from pipeline.sources import demo
from pipeline.warehouse import Warehouse
from tests import browser, conftest
from tests.browser import Watched
from tests.conftest import NOW
from tests.dashboards import seated
from tests.probes import set_clock, wait_for
from tests.served import WORD, sign_in
from tests.servers.grid import GridServer
from tests.servers.store import with_price

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OUTAGE = NOW + 5 * MINUTE
BEGIN = NOW.replace(hour=13, minute=9)
NEXT = NOW.replace(hour=14, minute=10)
OLD, NEW = "demo.load-v1", "demo.load-v2"
ACTING = re.compile(
    r"^(Backfill|Backfill this gap|Retrain|Make champion|Roll back.*|Promote.*|Run now|Cancel .*|Run again"
    r"|Acknowledge|Snooze|Wake|Declare maintenance|End.*)$"
)
WHYS = {
    "backfill": "the token is good again",
    "retrain": "learn from the mended hours",
    "roll_back": "the evening looks too low",
    "reissue": "the evening looks too low",
}
TRIES: dict[str, Callable[[Desk, dict[str, Any]], object]] = {
    "retrain": lambda desk, who: actions.retrain(desk, target="demo.load", **who),
    "promote": lambda desk, who: _change(desk, "promote", who),
    "roll_back": lambda desk, who: _change(desk, "roll_back", who),
    "reissue": lambda desk, who: actions.reissue(desk, target="demo.load", **who),
    "run_now": lambda desk, who: actions.run_now(desk, job="ingest", **who),
    "cancel": lambda desk, who: actions.cancel(desk, run_id="x", **who),
    "retry": lambda desk, who: actions.retry(desk, run_id="x", **who),
    "backfill": lambda desk, who: actions.backfill(desk, series="demo.load", first=NOW - HOUR, last=NOW, **who),
    "acknowledge": lambda desk, who: actions.act_on_alert(desk, kind="acknowledge", alert_id="x", **who),
    "snooze": lambda desk, who: actions.act_on_alert(desk, kind="snooze", alert_id="x", until=NEXT + HOUR, **who),
    "wake": lambda desk, who: actions.act_on_alert(desk, kind="wake", alert_id="x", **who),
    "declare_maintenance": lambda desk, who: actions.declare_maintenance(
        desk, rule="*", subject="*", first=NEXT, last=NEXT + HOUR, **who
    ),
    "end_maintenance": lambda desk, who: actions.end_maintenance(desk, window_id="x", **who),
}


def _change(desk: Desk, action: str, who: dict[str, Any]) -> None:
    actions.change_champion(desk, action=action, target="demo.load", version_id=NEW, expected=OLD, **who)


@dataclass
class World:
    """A desk whose provider refuses its token since OUTAGE, as processes over real sockets."""

    address: str
    warehouse: Warehouse
    provider: GridServer
    clock: Path

    def at(self, moment: Any) -> None:
        """Move provider and processes to `moment`; time goes on from there."""
        self.provider.now = moment
        set_clock(self.clock, moment)

    def idle(self) -> bool:
        return self.warehouse.ask("open_runs").empty


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        folder = tmp_path / "desk"
        provider = stack.enter_context(GridServer(_published(), OUTAGE, token="renewed"))
        env = _outage(template, folder, provider)
        accounts = Accounts(folder / "users.toml", (1, 64, 1))
        for name, role in (("olga", "operator"), ("vera", "viewer")):
            accounts.add(name, role, WORD, NOW)
        made = World("", Warehouse(folder / "warehouse.duckdb", wait_s=20), provider, folder / "clock.json")
        made.at(BEGIN)
        made.address = stack.enter_context(
            browser.serving(made.warehouse.path, folder / "server.log", SEXTANT_AUTH="password", **env)
        )
        stack.enter_context(_scheduler(made.warehouse.path, folder / "scheduler.log", env))
        yield made


def _published() -> pd.DataFrame:
    times = pd.date_range(NOW - 4 * HOUR, NOW + 8 * HOUR, freq="5min").as_unit("us")
    load = demo.demand(times)
    return with_price(pd.DataFrame({"load": load, "forecast": load, "programme": load}, index=times))


def _outage(template: Path, folder: Path, provider: GridServer) -> dict[str, str]:
    """The filled desk three hours later: all series went on but demand, whose provider answers 401; its settings."""
    shutil.copytree(template, folder)
    desk = conftest.desk_in(folder, now=BEGIN - 4 * MINUTE)
    window = {"from": (NOW - HOUR).isoformat(), "to": (BEGIN + 36 * HOUR).isoformat()}
    for series in ("load_forecast", "temperature", "temperature_forecast", "price"):
        desk.done("ingest", series=f"demo.{series}", **window)
    config = folder / "sextant.toml"
    # The others have a source too, a folder in which nothing new ever appears.
    (folder / "none").mkdir()
    text = config.read_text(encoding="utf-8").replace(
        'sources = ["demo"]', 'sources = ["esios", "files"]\nfolder = "none"'
    )
    text = text.replace('keys = { demo = "load" }', 'keys = { esios = "1293" }')
    text = re.sub(r'keys = \{ demo = "(\w+)" \}', r'keys = { files = "\1" }', text)
    config.write_text(f"{text}\n[job.monitor]\nevery_min = 1440\n", encoding="utf-8")
    return {
        "SEXTANT_CONFIG": str(config),
        "SEXTANT_CLOCK": str(folder / "clock.json"),
        "SEXTANT_ESIOS_URL": provider.url,
        "ESIOS_API_KEY": "a-token",
        "SEXTANT_HTTP_TRIES": "1",
        "SEXTANT_ARGON2": "1,64,1",
        "SEXTANT_SESSION_IDLE_MIN": "240",
    }


@contextmanager
def _scheduler(path: Path, log: Path, env: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "jobs.py", "schedule"]
    with (
        log.open("w") as out,
        subprocess.Popen(command, cwd=ROOT, env=browser.environment(path, **env), stdout=out, stderr=out) as child,
    ):
        try:
            wait_for(Warehouse(path, wait_s=20).scheduler_alive)
            yield
        finally:
            child.terminate()
            child.wait(60)


def test_the_whole_story(
    world: World, visit: Callable[..., Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = visit(world.address)
    sign_in(watched, "olga", "data")
    _mend_the_feed(world, watched)
    _retrain(world, watched)
    _see_the_forecast(world, watched)
    _roll_back(world, watched)
    _find_it_in_the_audit(watched, tmp_path)
    _sign_out(watched)
    sign_in(watched, "vera", "models")
    _nothing_is_offered(watched)
    _nothing_is_done(world, monkeypatch)
    assert watched.problems == []


def _mend_the_feed(world: World, watched: Watched) -> None:
    page = watched.page
    refused = page.get_by_text("Esios refuses our identity since")
    expect(refused).to_be_visible()
    expect(page.get_by_text("check the token").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"Actuals \d hours behind")).filter(visible=True).first).to_be_visible()
    world.provider.token = "a-token"
    _confirm(page, "Backfill", "Backfill", WHYS["backfill"])
    expect(refused).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("● filled").first).to_be_attached()
    _well(world, watched)


def _retrain(world: World, watched: Watched) -> None:
    page = watched.go("models")
    page.get_by_role("button", name="Retrain", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Quick: refit").click()
    dialog.get_by_label("Reason").fill(WHYS["retrain"])
    dialog.get_by_role("button", name="Retrain", exact=True).click()
    expect(page.get_by_text(re.compile(r"Training run \w+ is (queued|running)")).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text(f"with {NEW} (ridge): promoted").first).to_be_visible(timeout=120_000)
    _well(world, watched)


def _see_the_forecast(world: World, watched: Watched) -> None:
    """The next hour: the scheduler issues it by the new champion."""
    wait_for(world.idle, 90)
    world.at(NEXT)
    page = watched.go("")
    issued = re.compile(rf"Issued Fri 20 Nov 15:\d\d CET, issued live · model {NEW}")
    expect(page.get_by_text(issued)).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Actuals to the 14:00 hour").filter(visible=True).first).to_be_visible()
    _well(world, watched)


def _roll_back(world: World, watched: Watched) -> None:
    page = watched.open(f"models?version={OLD}")
    page.get_by_role("button", name=f"Roll back: {OLD}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("stPlotlyChart")).to_be_visible()
    expect(dialog.get_by_text("common origin").first).to_be_visible()
    dialog.get_by_label(f"Type {OLD} to confirm").fill(OLD)
    dialog.get_by_label("Reason").fill(WHYS["roll_back"])
    dialog.get_by_text("Issue again at once").click()
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(dialog).to_be_hidden()
    assert world.warehouse.ask("champion", target="demo.load")["version_id"].tolist() == [OLD]
    page = watched.go("")
    expect(page.get_by_text(re.compile(rf"Re-issued .* · model {OLD}"))).to_be_visible(timeout=60_000)
    _well(world, watched)


def _find_it_in_the_audit(watched: Watched, folder: Path) -> None:
    page = watched.open("audit?who=olga")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    waiting.value.save_as(folder / "audit.csv")
    rows = pd.read_csv(folder / "audit.csv", parse_dates=["acted_at"])
    assert set(rows["actor"] + " " + rows["role"]) == {"olga operator"}
    for action, why in WHYS.items():
        mine = rows[rows["action"] == action]
        assert sorted(mine["outcome"]) == ["ok", "started"], action
        assert set(mine["reason"]) == {why}
    assert rows["acted_at"].between(pd.Timestamp(BEGIN), pd.Timestamp(NEXT + HOUR)).all()
    # A roll back and the issue it asks for are of one moment.
    order = rows[rows["action"] != "reissue"].sort_values("acted_at")["action"].drop_duplicates()
    assert order.tolist() == ["sign_in", "backfill", "retrain", "roll_back"]
    page = watched.open(f"audit?who=olga&entry={rows.loc[rows['action'] == 'roll_back', 'audit_id'].iloc[0]}")
    expect(page.get_by_text(f"Why: {WHYS['roll_back']}")).to_be_visible()


def _well(world: World, watched: Watched) -> None:
    """No part of the page has failed; the server's log says why one has."""
    assert watched.exceptions() == [], world.warehouse.path.with_name("server.log").read_text(encoding="utf-8")[-4000:]


def _sign_out(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("button", name="olga").click()
    page.get_by_role("link", name="Sign out …").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()


def _nothing_is_offered(watched: Watched) -> None:
    """Every button that would change something is switched off, on every page that has one."""
    seen = set()
    for path in (f"models?version={NEW}", "data", "jobs", "alerts"):
        buttons = watched.open(path).get_by_role("button", name=ACTING)
        expect(buttons.first).to_be_visible()
        for one in buttons.all():
            expect(one).to_be_disabled()
            seen.add(one.inner_text().splitlines()[-1])
    assert seen >= {"Retrain", f"Roll back: {NEW}", "Backfill", "Run now", "Declare maintenance"}


def _nothing_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called all the same, as a forged message would, every action is refused and leaves its row."""
    assert set(TRIES) == set(NEEDS)
    with seated(world.warehouse.path, monkeypatch, NEXT) as desk:
        for tried in TRIES.values():
            with pytest.raises(Denied, match="vera is viewer"):
                tried(desk, {"user": User("vera", "viewer"), "reason": "just so", "now": NEXT})
    told = world.warehouse.ask("page_audit", action="all", n=1000)
    mine = told[(told["actor"] == "vera") & (told["action"] != "sign_in")]
    assert sorted(mine["action"]) == sorted(NEEDS)
    assert set(mine["outcome"]) == {"denied"}
    assert world.warehouse.ask("champion", target="demo.load")["version_id"].tolist() == [OLD]


def _confirm(page: Page, opener: str, go: str, why: str) -> Locator:
    page.get_by_role("button", name=opener, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(why)
    dialog.get_by_role("button", name=go, exact=True).click()
    expect(dialog).to_be_hidden()
    return dialog
