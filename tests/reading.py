"""An open page in a browser -> what its reader has: text, tiles by label and tables by heading."""

from dataclasses import dataclass

import pandas as pd
import pytest
from playwright.sync_api import Page

GRIDS = """() => [...document.querySelectorAll('[data-testid="stDataFrame"]')].filter(one => one.checkVisibility())
    .map(one => [[...one.querySelectorAll('[role=columnheader]')].map(cell => cell.textContent),
                 [...one.querySelectorAll('[role=gridcell]')].map(cell => cell.textContent)])"""
TILES = """() => [...document.querySelectorAll('[data-testid="stMetric"]')].map(one => [
    one.querySelector('[data-testid="stMetricLabel"]').innerText.trim(),
    one.querySelector('[data-testid="stMetricValue"]').innerText.trim()])"""

PATIENCE = 100


@dataclass(frozen=True)
class Shown:
    """A page as its reader has it; cells of tables are the values the page gave them, before their format."""

    text: str
    tiles: dict[str, str]
    tables: list[pd.DataFrame]

    @classmethod
    def of(cls, page: Page) -> "Shown":
        """Read a page with tables once they are drawn: they write their cells a moment after its script has ended."""
        grids, before = page.evaluate(GRIDS), None
        for _ in range(PATIENCE):
            if grids and grids == before and all(names and cells for names, cells in grids):
                break
            page.wait_for_timeout(300)
            grids, before = page.evaluate(GRIDS), grids
        # What is hard to see for a reader, such as the joiners that keep a text from being a link, is no difference.
        text = page.locator('[data-testid="stMainBlockContainer"]').inner_text().replace("\u2060", "")
        tables = [_table(*grid) for grid in grids]
        return cls(" ".join(text.split()), dict(page.evaluate(TILES)), tables)

    def table(self, *headings: str) -> pd.DataFrame:
        """The first table that has these headings."""
        return next(table for table in self.tables if set(headings) <= set(table.columns))


def _table(names: list[str], cells: list[str]) -> pd.DataFrame:
    rows = [cells[first : first + len(names)] for first in range(0, len(cells), len(names))]
    return pd.DataFrame(rows, columns=names)


def figure(cell: str) -> str:
    """'150 ± 5' -> '150', '60 % ± 1.8' -> '60 %'."""
    return cell.partition(" ±")[0].strip()


COMPARED: set[str] = set()


def same(name: str, found: str, expected: str | float) -> None:
    """Note a figure as compared; text must be equal, a number equal but for rounding by the machine."""
    assert name not in COMPARED, f"{name} is compared twice"
    COMPARED.add(name)
    if isinstance(expected, str):
        assert found == expected, name
    else:
        assert float(found) == pytest.approx(expected, rel=1e-9), name


def said(shown: Shown, words: str, *names: str) -> None:
    """Note the figures in `words`, which the page must say."""
    assert words in shown.text, words
    assert not COMPARED & set(names), f"{names} are compared twice"
    COMPARED.update(names)
