"""Every page, dialog and form of the sign-in, light and dark, wide and on a phone -> no violation axe-core finds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from pipeline.accounts import Accounts
from tests import browser, states
from tests.browser import PATHS, Watched
from tests.served import WORD, sign_in
from tests.states import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
THEMES = ("light", "dark")
SIZES = ({"width": 1440, "height": 900}, {"width": 390, "height": 844})
# What is not ours to mend: rule -> part of the element it may be found in, and why.
EXCEPTIONS: dict[str, tuple[str, str]] = {
    "empty-table-header": (
        'aria-colindex="1"',
        "the column of row markers that Streamlit draws where a row can be chosen",
    ),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with states.served("waiting", tmp_path_factory.mktemp("accessible")) as one:
        yield one


def test_no_page_has_a_violation(served: Served, visit: Callable[..., Watched]) -> None:
    watched = visit(served.address)
    found = []
    for place, path in enumerate(PATHS):
        page = watched.go(path) if place else watched.open(path)
        for theme in THEMES if place % 2 == 0 else THEMES[::-1]:
            watched.switch(theme)
            for size in SIZES:
                page.set_viewport_size(size)
                watched.settle()
                found += [f"/{path} {theme} {size['width']} px: {one}" for one in violations(page)]
            page.set_viewport_size(SIZES[0])
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "button"),
    [
        ("models", "Retrain"),
        ("models", "Promote demo.load-v4"),
        ("models?version=demo.load-v2", "Roll back: demo.load-v2"),
        ("jobs", "Run now"),
        ("alerts", "Acknowledge"),
    ],
)
def test_no_dialog_has_a_violation(path: str, button: str, served: Served, visit: Callable[..., Watched]) -> None:
    watched = visit(served.address, 390)
    page = watched.open(path)
    for theme in THEMES:
        watched.switch(theme)
        page.get_by_role("button", name=button, exact=True).filter(visible=True).first.click()
        page.get_by_role("dialog").get_by_label("Reason").wait_for()
        watched.settle()
        assert violations(page, {"include": [['[role="dialog"]']]}) == [], theme
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="hidden")


@pytest.fixture(scope="module")
def guarded(served: Served) -> Iterator[str]:
    """The same desk behind a sign-in; its address."""
    folder = served.warehouse.parent
    Accounts(folder / "users.toml", (1, 64, 1)).add("vera", "viewer", WORD, datetime.now(UTC))
    settings = {"SEXTANT_AUTH": "password", "SEXTANT_ARGON2": "1,64,1"}
    with browser.serving(served.warehouse, folder / "guarded.log", **settings) as address:
        yield address


def test_no_page_of_the_sign_in_has_a_violation(guarded: str, visit: Callable[..., Watched]) -> None:
    """The form, the form with a complaint, a viewer's page with what is switched off, and the way out."""
    watched = visit(guarded)
    page = watched.page
    page.goto(f"{guarded}/sign-in?next=/models")
    found = each_look(watched)
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("not the word")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    found += each_look(watched)
    sign_in(watched, "vera", "models")
    found += each_look(watched)
    page.goto(f"{guarded}/sign-out")
    found += each_look(watched)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("heading", name="Signed out").wait_for()
    found += each_look(watched)
    assert not found, "\n".join(found)


def each_look(watched: Watched) -> list[str]:
    """Violations in both themes and at both sizes, light and wide last."""
    page, found = watched.page, []
    for theme in reversed(THEMES):
        if page.get_by_test_id("stApp").count():
            watched.switch(theme)
        else:
            page.emulate_media(color_scheme=theme)
        for size in reversed(SIZES):
            page.set_viewport_size(size)
            found += [f"{page.url} {theme} {size['width']} px: {one}" for one in violations(page)]
    return found


def test_the_check_finds_what_is_wrong(served: Served, visit: Callable[..., Watched]) -> None:
    page = visit(served.address).open("audit")
    page.evaluate("document.querySelector('[data-testid=stMain]').insertAdjacentHTML('beforeend', '<img src=x>')")
    assert [one for one in violations(page) if one.startswith("image-alt")]


def violations(page: Page, context: dict[str, Any] | None = None) -> list[str]:
    """Rule, element and words of each violation on the page as it stands."""
    # The wrapper writes a context as Python, which for lists and texts is JavaScript too.
    answer = Axe().run(page, context=context, options={"resultTypes": ["violations"]}).response
    return [
        f"{rule['id']}: {node['html'][:300]} ({node['failureSummary'].splitlines()[-1].strip()})"
        for rule in answer["violations"]
        for node in rule["nodes"]
        if EXCEPTIONS.get(rule["id"], ("\0",))[0] not in node["html"]
    ]
