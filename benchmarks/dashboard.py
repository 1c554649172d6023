"""Twenty sessions, a browser and a year of values -> how quick the dashboard is, beside the same page in its peers.

    python -m benchmarks.dashboard [--quick] [--rounds N]

Loopback only; the peers come from `make peers`. Sessions ask for whole pages while a job writes.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from benchmarks import dashboard_browser, dashboard_page, dashboard_servers, dashboard_sessions, results
from benchmarks.dashboard_browser import Times
from benchmarks.dashboard_sessions import Load
from dashboard.figures import series
from dashboard.figures.palette import of
from tests import filler

SESSIONS, EVERY_S, SECONDS = 20, 5.0, 60.0
P95_MS, CORES, RATIO = 200.0, 0.5, 1.5
YEAR = 365 * 288


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
    times: dict[str, Times] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def ratio(self, name: str, moment: str) -> float:
        """Sextant's seconds over those of a peer."""
        return self.times["Sextant"].middle(moment) / self.times[name].middle(moment)

    def shortcomings(self) -> list[str]:
        """The targets missed, in words; none when all are met."""
        load, ratio = self.load, self.ratio("dash", "cold")
        return [
            words
            for words, met in (
                (f"{load.failed} refreshes failed", load.failed == 0),
                (f"p95 of a refresh {load.ms(95):.0f} ms (target {P95_MS:.0f})", load.ms(95) < P95_MS),
                (f"{load.cores:.2f} cores (target {CORES})", load.cores < CORES),
                (f"cold to usable {ratio:.2f}x Dash's (target {RATIO})", ratio <= RATIO),
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
    filler.fill(warehouse, datetime.now(UTC))
    dashboard_page.write(warehouse, data)
    # Playwright's own loop would be in the way of the sessions'.
    with dashboard_servers.sextant(warehouse, folder / "sextant.log") as sextant:
        load = dashboard_sessions.measure(sextant, warehouse, sessions=SESSIONS, every_s=EVERY_S, seconds=seconds)
        found = Found(load)
        with sync_playwright() as playwright:
            found.times |= browsed(playwright, [sextant], rounds)
    with sync_playwright() as playwright:
        for name in dashboard_servers.PEERS:
            with dashboard_servers.peer(name, data, folder / f"{name}.log") as server:
                found.times |= browsed(playwright, [server], rounds)
        found.lines = lines(playwright, folder, steps)
    return found


def report(found: Found, seconds: float) -> str:
    """The tables."""
    load, times = found.load, found.times
    rows = [["", "figure", "target"]]
    rows += [
        [f"refreshes of {load.sessions} sessions every {EVERY_S:g} s for {seconds:g} s", f"{len(load.waits):,}", ""],
        ["writes of a job meanwhile", f"{load.writes:,}", ""],
        ["a refresh, p50 ms", f"{load.ms(50):.0f}", ""],
        ["a refresh, p95 ms", f"{load.ms(95):.0f}", f"< {P95_MS:.0f}"],
        ["cores of the server", f"{load.cores:.2f}", f"< {CORES}"],
        ["kB sent for a refresh", f"{np.median(load.sent_kb or [np.nan]):.0f}", ""],
        ["memory of the server with one page shown, MiB", f"{load.base_mb:.0f}", ""],
        ["memory a session adds, MiB", f"{load.session_mb:.1f}", ""],
        ["refreshes that failed", f"{load.failed}", "0"],
    ]
    head = ["seconds until usable", "first visit", "again", "from another page", "first visit, Sextant / this"]
    pages = [head] + [
        [
            name,
            *(f"{times[name].middle(one):.2f}" for one in ("cold", "warm", "back")),
            f"{found.ratio(name, 'cold'):.2f}x",
        ]
        for name in times
    ]
    charts = [["a year of five-minute values", *(line.name for line in found.lines)]]
    charts += [
        ["server, ms", *(f"{line.server_ms:.0f}" for line in found.lines)],
        ["sent, kB", *(f"{line.kb:,.0f}" for line in found.lines)],
        ["browser until drawn, ms", *(f"{line.drawn_ms:.0f}" for line in found.lines)],
        ["a frame when panning, p50 / p95 ms", *(f"{line.ms(50):.0f} / {line.ms(95):.0f}" for line in found.lines)],
    ]
    return "\n\n".join(results.markdown(one) for one in (rows, pages, charts))


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
    figures += f"usable in {found.ratio('dash', 'cold'):.2f}x Dash's time"
    target = f"target {P95_MS:.0f} ms, {CORES} cores, {RATIO}x"
    print(f"DASHBOARD: {figures} ({target}) {'FALLS SHORT' if short else 'PASS'}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
