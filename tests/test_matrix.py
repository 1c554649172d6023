"""Every page x state x theme x width in a real browser: nothing fails, nothing leaves, nothing is too wide."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import states
from tests.browser import PATHS, Watched, ground, sideways
from tests.states import STATES, Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WHOLE = ("full", "empty", "stale", "mid_job", "provider_down", "busy")
# States of the newest issue or of the models show on these pages; the others are as in a full warehouse.
PARTS: dict[str, tuple[str, ...]] = {
    "missing": ("", "models"),
    "fallback": ("",),
    "withheld": ("",),
    "reissued": ("",),
}
THEMES = ("light", "dark")
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOG_SHOWN = 4000


@pytest.fixture(params=(*WHOLE, *PARTS))
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def served(state: str, tmp_path: Path) -> Iterator[Served]:
    with states.served(state, tmp_path) as one:
        yield one


def test_every_page_is_sound(state: str, served: Served, visit: Callable[..., Watched]) -> None:
    paths = PARTS.get(state, PATHS)
    if state == "busy":
        # Only what was once shown can still be shown when nobody may read.
        for _ in tour(visit(served.address), paths):
            pass
        served.hold()
    found = []
    watched = visit(served.address, theme=THEMES[0])
    for place, path in enumerate(tour(watched, paths)):
        # A page in the theme it was opened in, then in the other, in which the next one is opened.
        for theme in THEMES if place % 2 == 0 else THEMES[::-1]:
            watched.switch(theme)
            found += [f"{theme} /{path}: {flaw}" for flaw in flaws(watched, state, path, theme)]
    log = served.warehouse.with_name("server.log").read_text(encoding="utf-8")
    assert not found, "\n".join([*found, log[-LOG_SHOWN:]])


def tour(watched: Watched, paths: tuple[str, ...]) -> Iterator[str]:
    """Open the first page, then go by the navigation, which loads nothing anew."""
    for place, path in enumerate(paths):
        watched.go(path) if place else watched.open(path)
        yield path


def flaws(watched: Watched, state: str, path: str, theme: str) -> Iterator[str]:
    """What is wrong with the open page, wide and on a phone."""
    page = watched.page
    if broken := watched.exceptions():
        yield from broken
        return
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        watched.settle()
        for text in filter(None, (STATES[state].everywhere, STATES[state].shown.get(path))):
            if not watched.says(text):
                yield f"{size['width']} px: nothing says {text!r}"
        if (wider := sideways(page)) > 0:
            yield f"{size['width']} px: {wider} px wider than the window"
    if ground(page) != theme:
        yield f"drawn {ground(page)}"
    yield from watched.problems
    watched.problems.clear()
    page.set_viewport_size(WIDE)
