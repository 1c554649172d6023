"""Every page and open dialog, light and dark, wide and on a phone -> no violation that axe-core finds."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests import states
from tests.browser import PATHS, Watched
from tests.states import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("accessible")]
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_violation(theme: str, served: Served, visit: Callable[..., Watched]) -> None:
    watched = visit(served.address, theme=theme)
    found = []
    for place, path in enumerate(PATHS):
        page = watched.go(path) if place else watched.open(path)
        for size in SIZES:
            page.set_viewport_size(size)
            watched.settle()
            found += [f"/{path} {size['width']} px: {one}" for one in violations(page)]
        page.set_viewport_size(SIZES[0])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("path", "button"), [("models", "Retrain"), ("jobs", "Run now"), ("alerts", "Acknowledge")])
def test_no_dialog_has_a_violation(
    path: str, button: str, theme: str, served: Served, visit: Callable[..., Watched]
) -> None:
    watched = visit(served.address, 390, theme)
    page = watched.open(path)
    page.get_by_role("button", name=button, exact=True).filter(visible=True).first.click()
    page.get_by_role("dialog").get_by_label("Reason").wait_for()
    watched.settle()
    assert violations(page, {"include": [['[role="dialog"]']]}) == []


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
