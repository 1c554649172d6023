"""A server with sign-in over a filled warehouse: its users, its clock and its audit, for the tests that visit it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from pipeline.accounts import Accounts
from pipeline.sign_ins import SignIns
from pipeline.warehouse import Warehouse
from tests import filler
from tests.browser import Watched
from tests.probes import set_clock
from tests.visitors import Visitor, serving

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
WORD = "correct horse battery"


def sign_in(watched: Watched, name: str, path: str) -> None:
    """Fill in the form that stands before the page at `path`, and wait for the page."""
    page = watched.page
    page.goto(f"{watched.address}/{path}", wait_until="domcontentloaded")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(WORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: url.endswith(path))
    watched.settle()
    expect(page.get_by_role("button", name=name)).to_be_visible()


@dataclass
class Served:
    """A server with sign-in; its clock is moved by `now`."""

    port: int
    folder: Path
    accounts: Accounts

    def visitor(self, **more: str) -> Visitor:
        return Visitor(self.port, **more)

    def signed_in(self, name: str = "ana", address: str = "10.1.1.1") -> Visitor:
        visitor = self.visitor(address=address)
        assert visitor.sign_in(name, WORD).status == 303
        return visitor

    def at(self, moment: datetime) -> None:
        set_clock(self.folder / "clock.json", moment, rate=0.0)

    @property
    def store(self) -> SignIns:
        return SignIns(self.folder / "sessions.sqlite", idle=timedelta(minutes=30), longest=timedelta(hours=12))

    def audit(self, action: str) -> pd.DataFrame:
        with Warehouse(self.folder / "w.duckdb", wait_s=20).read() as session:
            told = session._cursor.sql("SELECT * FROM audit ORDER BY acted_at").to_arrow_table().to_pandas()
        return told[told["action"] == action]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    filler.fill(folder / "w.duckdb", NOW)
    return folder


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[Served]:
    accounts = Accounts(folder / "users.toml", (1, 64, 1))
    for name, role in (("ana", "admin"), ("olga", "operator"), ("vera", "viewer")):
        accounts.add(name, role, WORD, NOW)
    set_clock(folder / "clock.json", NOW, rate=0.0)
    env = {
        "SEXTANT_AUTH": "password",
        "SEXTANT_ARGON2": "1,64,1",
        "SEXTANT_CLOCK": str(folder / "clock.json"),
        "SEXTANT_PUBLIC_URL": "https://sextant.example.org",
        "SEXTANT_PROXY": "127.0.0.1",
    }
    with serving(folder / "w.duckdb", folder / "password.log", **env) as port:
        yield Served(port, folder, accounts)


@pytest.fixture
def served(process: Served) -> Iterator[Served]:
    process.at(NOW)
    yield process
    process.at(NOW)
    for one in process.store.alive(NOW):
        process.store.end_id(one.id, why="test", now=NOW)
