"""A filled warehouse -> docs/*.png: every page, wide and on a phone, light and dark. Needs Chromium.

    python -m dashboard.screenshots [--address http://127.0.0.1:8501] [--folder docs] [--prefix stale_]
    python -m dashboard.screenshots --states [full empty ...] [--folder build/gallery]

Without an address servers of its own are started: over SEXTANT_WAREHOUSE, to sign in at, and over invented alerts,
audit rows and late data. With --states every page is taken in each state a warehouse can be in, as
`python -m tests.states` serves them, and an index.html shows them all. Of a long page the top is taken.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.settings import ROOT

PATHS = {
    "forecasts": "",
    "accuracy": "accuracy",
    "data": "data",
    "jobs": "jobs",
    "models": "models",
    "alerts": "alerts",
    "audit": "audit",
}
SIGN_IN = "sign_in"
EXTRA = {
    "full": (["alerts", "audit"], ""),
    "stale": (["forecasts"], "stale_"),
    "zones": (["forecasts"], "zones_"),
    "spread": (["forecasts", "accuracy"], "spread_"),
}
"""State -> pages taken in it and the prefix of their files: nothing has gone wrong yet in a new warehouse."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {1440: "", 390: "_phone"}
TALLEST = {1440: 1800, 390: 2400}
COLOURS = 160
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
HEIGHT = "(document.querySelector('[data-testid=\"stMain\"]') || document.documentElement).scrollHeight"
START_S = 60
STATES = (sys.executable, "-m", "tests.states")


def main(argv: list[str] | None = None) -> int:
    """Take the pictures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="a running dashboard")
    parser.add_argument("--states", nargs="*", help="take these states instead; none named: all")
    parser.add_argument("--folder", type=Path, help="default docs, with --states build/gallery")
    parser.add_argument("--pages", nargs="*", choices=PATHS, default=list(PATHS))
    parser.add_argument("--prefix", default="", help="put before every file name")
    options = parser.parse_args(argv)
    options.folder = options.folder or (ROOT / "docs" if options.states is None else ROOT / "build" / "gallery")
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.states is not None:
        for name in options.states or _states():
            with _state(name, options) as address:
                options.prefix = f"{name}_"
                _shoot(address, options)
        index(options.folder)
        return 0
    if options.address:
        _shoot(options.address, options)
        return 0
    with _serving() as address:
        _shoot(address, options)
    if options.pages == list(PATHS):
        _complete(options)
    return 0


def _complete(options: argparse.Namespace) -> None:
    """Take what a warehouse that was just filled cannot show."""
    options.pages = [SIGN_IN]
    with _serving(SEXTANT_AUTH="password") as address:
        _shoot(address, options)
    for state, (pages, prefix) in EXTRA.items():
        options.pages, options.prefix = pages, prefix
        with _state(state, options) as address:
            _shoot(address, options)


def find_chromium() -> str | None:
    """The browser named by SEXTANT_CHROMIUM, or the first known one on the path."""
    named = os.environ.get("SEXTANT_CHROMIUM")
    return next((found for name in ([named] if named else BROWSERS) if (found := shutil.which(name))), None)


def _shoot(address: str, options: argparse.Namespace) -> None:
    # Only this command needs a browser; the dashboard itself must start without one.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        for width, suffix in WIDTHS.items():
            for theme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                for name in options.pages:
                    target = options.folder / f"{options.prefix}{name}{suffix}_{theme}.png"
                    _picture(context.new_page(), f"{address}/{PATHS.get(name, 'sign-in')}", target)
                context.close()
        browser.close()


def _picture(page: Any, url: str, target: Path) -> None:
    page.goto(url, wait_until="domcontentloaded")
    if not target.name.startswith(SIGN_IN):
        page.locator(SETTLED).wait_for(timeout=60_000)
        page.locator('[data-testid="stSkeleton"]').first.wait_for(state="detached", timeout=60_000)
    page.wait_for_timeout(2000)
    width = page.viewport_size["width"]
    height = min(TALLEST[width], max(700, page.evaluate(HEIGHT)))
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(900)
    picture = Image.open(io.BytesIO(page.screenshot()))
    # A page has few colours; a palette makes the file a third as big.
    picture.convert("RGB").quantize(COLOURS).save(target, optimize=True)
    page.close()


def index(folder: Path) -> Path:
    """A page that shows every picture of `folder`, one state and page a row; returns its path."""
    names = sorted(path.name for path in folder.glob("*.png"))
    shown = "".join(
        f'<figure><img src="{name}" alt="{name}" loading="lazy"><figcaption>{name}</figcaption></figure>'
        for name in names
    )
    style = "body{font:14px sans-serif;display:flex;flex-wrap:wrap;gap:16px}figure{margin:0;width:360px}img{width:100%}"
    target = folder / "index.html"
    target.write_text(
        f'<!doctype html><html lang="en"><title>Sextant</title><style>{style}</style>{shown}</html>', encoding="utf-8"
    )
    return target


def _states() -> list[str]:
    said = subprocess.run([*STATES], cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.split()


@contextmanager
def _state(name: str, options: argparse.Namespace) -> Iterator[str]:
    """The address of a server in a state; pages are looked at once before the warehouse is made busy."""
    with subprocess.Popen([*STATES, name], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the process has no pipes")
        try:
            address = child.stdout.readline().strip()
            if name == "busy":
                options.prefix = "warm_"
                _shoot(address, options)
                for picture in options.folder.glob("warm_*.png"):
                    picture.unlink()
                child.stdin.write("hold\n")
                child.stdin.flush()
                child.stdout.readline()
            yield address
        finally:
            child.stdin.close()
            child.wait()


@contextmanager
def _serving(**env: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard.server", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stdout=subprocess.DEVNULL) as server:
        try:
            _wait(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(address: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    raise SystemExit(main())
