"""Real Streamlit server and real Chromium for tests: a warehouse in, pages out, every request watched."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, expect
from playwright.sync_api import TimeoutError as Late

from dashboard.screenshots import BROWSERS, find_chromium

# A loaded machine of two cores needs longer than the usual five seconds to draw a page.
expect.set_options(timeout=30_000)

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATHS = ("", "accuracy", "data", "jobs", "models", "alerts", "audit")
# Chromium's words about its own features, and Streamlit's when two fragments are changed in one moment: it goes on.
HARMLESS = (
    "Unrecognized feature:",
    "was preloaded using link preload",
    "Unexpected state: Multiple different fragment",
)
WIDER = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    if (!main) return 1;
    return Math.max(main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth);
}"""


def require_chromium() -> str:
    """The browser; without one the test is skipped on a desk and fails in CI."""
    found = find_chromium()
    if found:
        return found
    sentence = f"NO BROWSER: pages were not tested; install one of {', '.join(BROWSERS)} or set SEXTANT_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


def launch(playwright: Playwright) -> Browser:
    """Headless Chromium with a fresh profile that talks to nobody by itself."""
    return playwright.chromium.launch(executable_path=require_chromium(), args=FLAGS)


def environment(warehouse: Path, **more: str) -> dict[str, str]:
    """What a child process needs to work on `warehouse` and on nothing else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "ESIOS_"))}
    return kept | {"SEXTANT_WAREHOUSE": str(warehouse), "SEXTANT_MARKETS": "demo"} | more


@contextmanager
def serving(warehouse: Path, log: Path, **more: str) -> Iterator[str]:
    """The dashboard's server over `warehouse` on a free loopback port; gives its address. `more` are its settings."""
    port = free_port()
    command = [sys.executable, "-m", "dashboard.server", "--port", str(port)]
    env = environment(warehouse, **more)
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(15)


@dataclass
class Watched:
    """A page with what went wrong on it: console errors, page errors, requests that left this machine."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("request", self._request)

    def open(self, path: str) -> Page:
        """Go to a page and wait until its script has run."""
        self.page.goto(f"{self.address}/{path}", wait_until="domcontentloaded")
        self.settle()
        return self.page

    def go(self, path: str) -> Page:
        """Go to another page by the link at the top; the window must be wide enough to show it."""
        link = self.page.get_by_test_id("stTopNavLink").and_(self.page.locator(f"[href$='/{path}']"))
        link.click()
        self.page.wait_for_url(re.compile(rf"^{re.escape(self.address)}/{path}(\?|$)"))
        self.settle()
        return self.page

    def switch(self, theme: Any) -> None:
        """Make the browser prefer 'light' or 'dark', and wait until the page has drawn its figures anew."""
        if ground(self.page) != theme:
            self.page.emulate_media(color_scheme=theme)
            # The page looks twice, 300 ms apart, before it asks for another run.
            self.page.wait_for_timeout(1000)
            self.settle()

    def settle(self) -> None:
        """Wait until the running script is done."""
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)
        self.page.locator('[data-testid="stMainBlockContainer"]').first.wait_for(timeout=60_000)
        self.page.locator('[data-stale="true"]').first.wait_for(state="detached", timeout=60_000)

    def says(self, text: str, seconds: float = 10) -> bool:
        """Whether the page comes to show `text`; cells of tables are hidden text and do not count."""
        told = self.page.get_by_test_id("stMain").get_by_text(text).filter(visible=True)
        try:
            told.first.wait_for(timeout=1000 * seconds)
        except Late:
            return False
        return True

    def exceptions(self) -> list[str]:
        """Texts of uncaught exceptions and of panels that failed or got no answer."""
        shown = self.page.locator('[data-testid="stException"]').all_inner_texts()
        alerts = self.page.locator('[data-testid="stAlert"]').all_inner_texts()
        return shown + [text for text in alerts if "Reference" in text or "Not available" in text]

    def _console(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its own end points below the page's path first; those answers are 404.
        probing = "/_stcore/" in (message.location or {}).get("url", "")
        if message.type in ("error", "warning") and not probing and not message.text.startswith(HARMLESS):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        host = urlsplit(request.url).hostname
        if urlsplit(request.url).scheme in ("http", "https", "ws", "wss") and host not in ("127.0.0.1", "localhost"):
            self.problems.append(f"external request: {request.url}")


def sideways(page: Page) -> int:
    """Pixels by which the page stays wider than its window; a figure or table takes a moment to follow a resize."""
    for _ in range(20):
        if (wider := int(page.evaluate(WIDER))) <= 0:
            return 0
        page.wait_for_timeout(250)
    return wider


def ground(page: Page) -> str:
    """'light' or 'dark', by the colour behind the page."""
    colour = page.evaluate("getComputedStyle(document.querySelector('[data-testid=\"stApp\"]')).backgroundColor")
    return "dark" if sum(int(part) for part in re.findall(r"\d+", colour)[:3]) < 384 else "light"


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the dashboard did not start:\n{log.read_text()}")
