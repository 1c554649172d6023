"""Running pages -> seconds until each is usable in Chromium: the first time, again, and on coming back from another.

Usable: six cards with a number, the drawn chart and the table are there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dashboard_servers import Server
from dashboard.screenshots import find_chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
WAIT_MS = 90_000
USABLE = """([cards, table]) =>
  [...document.querySelectorAll(cards)].filter((one) => /[0-9]/.test(one.textContent)).length >= 6
  && !!document.querySelector('.js-plotly-plot .scatterlayer .trace')
  && !!document.querySelector(table)"""
# Panel keeps its parts in shadow roots, where Playwright's own selectors reach and scripts of the page do not.
PIERCING = {"panel": (".card-value", ".js-plotly-plot .scatterlayer .trace", ".tabulator-row")}
PARTS = {
    "Sextant": ('[data-testid="stMetricValue"]', '[data-testid="stDataFrame"]'),
    "dash": (".card-value", "#table td"),
    "nicegui": (".card-value", ".q-table td"),
}
AWAY = {"Sextant": 'a[href$="/audit"]'}
BACK = {"Sextant": 'a[href$="/"], a[href$="/forecasts"]'}
AWAY_SEEN = {"Sextant": 'h1:has-text("Audit")'}


@dataclass
class Times:
    """Seconds until usable: cold (fresh profile), warm (cached files), back (from another page)."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)

    def middle(self, name: str) -> float:
        """The median of one of the three."""
        return median(getattr(self, name) or [float("nan")])


def visit(browser: Any, server: Server, times: Times) -> None:
    """One fresh profile: first visit, second visit, away and back."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    for into in (times.cold, times.warm):
        into.append(_timed(lambda: page.goto(server.address, wait_until="commit"), page, server.name))
    page.locator(AWAY.get(server.name, "#to-second")).first.click()
    page.locator(AWAY_SEEN.get(server.name, "#second")).first.wait_for()
    page.wait_for_timeout(500)
    home = page.locator(BACK.get(server.name, "#to-first")).first
    times.back.append(_timed(home.click, page, server.name))
    context.close()


def _timed(act: Callable[[], Any], page: Any, name: str) -> float:
    started = time.perf_counter()
    act()
    if name in PIERCING:
        page.locator(PIERCING[name][0]).nth(5).wait_for()
        for part in PIERCING[name][1:]:
            page.locator(part).first.wait_for(state="attached")
    else:
        page.wait_for_function(USABLE, arg=list(PARTS[name]), polling=20)
    return time.perf_counter() - started


def launch(playwright: Any) -> Any:
    """Headless Chromium that talks to nobody by itself."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)


PAN = """async ([steps, width]) => {
  const plot = document.querySelector('.js-plotly-plot');
  const [first, last] = plot.layout.xaxis.range.map((one) => new Date(one).getTime());
  const span = (last - first) * width, took = [];
  for (let i = 0; i < steps; i++) {
    const from = first + (last - first - span) * i / steps, began = performance.now();
    await Plotly.relayout(plot, {'xaxis.range': [new Date(from).toISOString(), new Date(from + span).toISOString()]});
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    took.push(performance.now() - began);
  }
  return took;
}"""


def pan(browser: Any, figure_json: str, folder: Path, *, steps: int, width: float) -> tuple[float, list[float]]:
    """Draw a figure by itself and shift its axis: ms until drawn, ms each frame took. `width`: share shown."""
    from plotly.offline import get_plotlyjs

    at = folder / "chart.html"
    # The script is large; the time counts from when it is there.
    at.write_text(
        '<meta charset="utf-8"><div id="chart" style="width:1200px;height:400px"></div>'
        f"<script>{get_plotlyjs()}</script>"
        f'<script id="figure" type="application/json">{figure_json}</script>',
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": 1280, "height": 600})
    page.goto(at.as_uri())
    drawn = page.evaluate(
        "async () => { const began = performance.now(); const f = JSON.parse(document.getElementById('figure')."
        "textContent); await Plotly.newPlot('chart', f.data, f.layout); await new Promise((d) => requestAnimationFrame("
        "() => setTimeout(d, 0))); return performance.now() - began; }"
    )
    took = page.evaluate(PAN, [steps, width])
    page.close()
    return float(drawn), [float(one) for one in took]
