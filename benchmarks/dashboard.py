"""Twenty sessions, a browser and a year of values -> how quick the dashboard is, beside the same page in its peers.

    python -m benchmarks.dashboard [--quick] [--rounds N]

Loopback only; the peers come from `make peers`. Sessions ask for whole pages while a job writes.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from benchmarks import (
    dashboard_browser,
    dashboard_page,
    dashboard_servers,
    dashboard_sessions,
    dashboard_writer,
    results,
)
from benchmarks.dashboard_browser import Times
from benchmarks.dashboard_sessions import Load
from benchmarks.dashboard_writer import WALK_S
from dashboard.figures import series
from dashboard.figures.palette import of
from tests import filler

SESSIONS, EVERY_S, SECONDS = 20, 5.0, 60.0
P95_MS, CORES, RATIO = 200.0, 0.5, 1.5
YEAR = 365 * 288
MORE = (
    "Peers show the six cards, the fan chart, the table and the errors of 30 days, from one JSON file. Sextant's page "
    "asks its warehouse and shows more: header, call-outs, what changed, provenance, two issues compared."
)


@dataclass
class Line:
    """A year of five-minute values on one chart: what the server needs, sends, and how smooth it is."""

    name: str
    server_ms: float
    kb: float
    drawn_ms: float
    frames: list[float]

    def ms(self, q: float) -> float:
        """The q-th percentile of a frame when panning, in ms."""
        return float(np.percentile(self.frames, q))


@dataclass
class Found:
    """All that was measured."""

    load: Load
    busy: float = float("nan")
    times: dict[str, Times] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def ratio(self, name: str, moment: str) -> float:
        """Sextant's seconds over those of a peer."""
        return self.times["Sextant"].middle(moment) / self.times[name].middle(moment)

    @property
    def open(self) -> float:
        """How many times Dash's time to a usable page, at the first visit or again, whichever is worse."""
        return max(self.ratio("dash", "cold"), self.ratio("dash", "warm"))

    @property
    def switch(self) -> float:
        """How many times Dash's time to come back from another page."""
        return self.ratio("dash", "back")

    def shortcomings(self) -> list[str]:
        """The targets missed, in words; none when all are met."""
        load, first, again = self.load, self.ratio("dash", "cold"), self.ratio("dash", "warm")
        return [
            words
            for words, met in (
                (f"{load.failed} refreshes failed", load.failed == 0),
                (f"p95 of a refresh {load.ms(95):.0f} ms (target {P95_MS:.0f})", load.ms(95) < P95_MS),
                (f"{load.cores:.2f} cores (target {CORES})", load.cores < CORES),
                (f"first visit to usable {first:.2f}x Dash's (target {RATIO})", first <= RATIO),
                (f"usable again {again:.2f}x Dash's (target {RATIO})", again <= RATIO),
                (f"page switch {self.switch:.2f}x Dash's (target {RATIO})", self.switch <= RATIO),
                ("the thinned line is no smoother than all values", self.lines[1].ms(95) <= self.lines[0].ms(95)),
            )
            if not met
        ]


def browsed(playwright: object, servers: list[dashboard_servers.Server], rounds: int) -> dict[str, Times]:
    """Every page in turn, `rounds` times; a new browser each round, so that nothing is cached when it is cold."""
    times = {server.name: Times() for server in servers}
    for _ in range(rounds):
        for server in servers:
            browser = dashboard_browser.launch(playwright)
            dashboard_browser.visit(browser, server, times[server.name])
            browser.close()
    return times


def lines(playwright: object, folder: Path, steps: int) -> list[Line]:
    """All values of the year against what the Data page draws of them: the year, then panned at a fifth of it."""
    hours = pd.date_range("2025-11-01", periods=YEAR, freq="5min", tz="UTC")
    noise = np.random.default_rng(5).normal(0, 250, YEAR).cumsum() * 0.02
    wave = 25_000 + 5_000 * np.sin(np.arange(YEAR) * 2 * np.pi / 288) + noise
    rows = pd.DataFrame({"valid_at": hours, "value": wave})
    browser, made = dashboard_browser.launch(playwright), []
    for name, most in (("all values", YEAR), ("thinned", series.DRAWN)):
        started = time.perf_counter()
        shown = series.thinned(rows, cadence=timedelta(minutes=5), most=most, exact=most)
        figure = series.line(
            shown, palette=of("light"), zone="Europe/Madrid", title="Demand", unit="MW", since=hours[0], until=hours[-1]
        )
        text = str(figure.to_json())
        server_ms = 1000 * (time.perf_counter() - started)
        drawn, took = dashboard_browser.pan(browser, text, folder, steps=steps, width=0.2)
        made.append(Line(name, server_ms, len(text) / 1000, drawn, took))
    browser.close()
    return made


def run(folder: Path, *, seconds: float, rounds: int, steps: int) -> Found:
    """Start everything, measure, end what was started."""
    warehouse, data = folder / "w.duckdb", folder / "page.json"
    busy = os.getloadavg()[0]
    house = filler.fill(warehouse, datetime.now(UTC))
    # What an earlier walk left to be scored is not this one's work.
    dashboard_writer.walk(house, dashboard_page.TARGET, 0, datetime.now(UTC))
    dashboard_page.write(warehouse, data)
    with ExitStack() as stack:
        sextant = stack.enter_context(dashboard_servers.sextant(warehouse, folder / "sextant.log"))
        # Playwright's own loop would be in the way of the sessions'.
        load = dashboard_sessions.measure(sextant, warehouse, sessions=SESSIONS, every_s=EVERY_S, seconds=seconds)
        found = Found(load, busy)
        peers = [
            stack.enter_context(dashboard_servers.peer(name, data, folder / f"{name}.log"))
            for name in dashboard_servers.PEERS
        ]
        with sync_playwright() as playwright:
            found.times |= browsed(playwright, [sextant, *peers], rounds)
    with sync_playwright() as playwright:
        found.lines = lines(playwright, folder, steps)
    return found


def report(found: Found, seconds: float) -> str:
    """The tables."""
    load, times = found.load, found.times
    rows = [["", "figure", "target"]]
    rows += [
        [f"refreshes of {load.sessions} sessions every {EVERY_S:g} s for {seconds:g} s", f"{len(load.waits):,}", ""],
        ["heartbeats of a job meanwhile", f"{load.written.beats:,}", ""],
        [
            f"walks of the chain (raw, actuals, predictions, accuracy), one every {WALK_S:g} s; rows",
            f"{load.written.walks:,}; {load.written.rows:,}",
            "",
        ],
        ["a refresh, p50 ms", f"{load.ms(50):.0f}", ""],
        ["a refresh, p95 ms", f"{load.ms(95):.0f}", f"< {P95_MS:.0f}"],
        ["cores of the server", f"{load.cores:.2f}", f"< {CORES}"],
        ["kB sent for a refresh", f"{np.median(load.sent_kb or [np.nan]):.0f}", ""],
        ["memory of the server with one session, all loaded, MiB", f"{load.base_mb:.0f}", ""],
        [f"memory a session adds (with {load.held} more), MiB", f"{load.session_mb:.1f}", ""],
        [f"memory of the server after {load.sessions} sessions beside the writer, MiB", f"{load.after_mb:.0f}", ""],
        ["refreshes that failed", f"{load.failed}", "0"],
    ]
    moments = ("cold", "warm", "back")
    head = ["seconds until usable", "first visit", "again", "from another page", "Sextant / this: first visit"]
    pages = [[*head, "again", "from another page"]] + [
        [name, *(f"{times[name].middle(one):.2f}" for one in moments)]
        + [f"{found.ratio(name, one):.2f}x" for one in moments]
        for name in times
    ]
    charts = [["a year of five-minute values", *(line.name for line in found.lines)]]
    charts += [
        ["server, ms", *(f"{line.server_ms:.0f}" for line in found.lines)],
        ["sent, kB", *(f"{line.kb:,.0f}" for line in found.lines)],
        ["browser until drawn, ms", *(f"{line.drawn_ms:.0f}" for line in found.lines)],
        ["a frame when panning, p50 / p95 ms", *(f"{line.ms(50):.0f} / {line.ms(95):.0f}" for line in found.lines)],
    ]
    tables = (results.markdown(one) for one in (rows, pages, charts))
    return "\n\n".join([f"Load average of the machine at the start {found.busy:.1f}.", *tables, MORE])


def main() -> int:
    """Run the benchmark; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="short windows, one visit each, in less than a minute")
    parser.add_argument("--rounds", type=int, default=5, help="visits of each page")
    options = parser.parse_args()
    seconds, rounds, steps = (10.0, 1, 20) if options.quick else (SECONDS, options.rounds, 100)
    with tempfile.TemporaryDirectory() as name:
        found = run(Path(name), seconds=seconds, rounds=rounds, steps=steps)
    text, short = report(found, seconds), found.shortcomings()
    print(f"{text}\n\n" + "\n".join(short))
    if not options.quick:
        words = f"`python -m benchmarks.dashboard`: medians of {rounds} visits in Chromium.\n\n{text}\n"
        results.keep("dashboard", "The dashboard", words, libraries=("streamlit", "plotly", "duckdb"))
    figures = f"p95 of a refresh {found.load.ms(95):.0f} ms, {found.load.cores:.2f} cores, "
    figures += (
        f"usable in {found.open:.2f}x Dash's time (the worse of first visit and again), switch {found.switch:.2f}x"
    )
    target = f"target {P95_MS:.0f} ms, {CORES} cores, {RATIO}x"
    print(f"DASHBOARD: {figures} ({target}) {'FALLS SHORT' if short else 'PASS'}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
