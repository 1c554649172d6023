"""Who a page takes its reader for: the cookie through the store, at every run and at every action."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data, identity
from dashboard.data import Desk
from dashboard.identity import SignedOut, User
from dashboard.signing import menu
from dashboard.signing.door import door
from pipeline.accounts import Accounts
from pipeline.errors import Busy
from pipeline.settings import ROOT
from tests import filler
from tests.dashboards import NOW, opened, seated, words

WORD = "correct horse battery"
ROLES = {"ana": "admin", "olga": "operator", "vera": "viewer"}


class Browser:
    """The cookies of the browser that AppTest stands for."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.cookies: dict[str, str] = {}

    def sign_in(self, name: str) -> None:
        own = door(self.desk.settings)
        secret = own.sign_in(self.desk, name, WORD, address="127.0.0.1", agent="", old="")
        self.cookies = {own.cookie: secret}

    def revoke(self, name: str) -> None:
        door(self.desk.settings).sessions.end_all(name, why="revoked", now=self.desk.clock())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    filler.fill(folder / "w.duckdb", NOW)
    accounts = Accounts(folder / "users.toml", (1, 64, 1))
    for name, role in ROLES.items():
        accounts.add(name, role, WORD, NOW)
    return folder / "w.duckdb"


@pytest.fixture
def browser(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setenv("SEXTANT_AUTH", "password")
    monkeypatch.setenv("SEXTANT_ARGON2", "1,64,1")
    with seated(filled, monkeypatch) as desk:
        found = Browser(desk)
        monkeypatch.setattr(
            "streamlit.runtime.context.ContextProxy.cookies", property(lambda _self: found.cookies), raising=True
        )
        yield found


def started(desk: Desk) -> int:
    with desk.warehouse.read() as session:
        audit = session._cursor.sql("SELECT outcome FROM audit").to_arrow_table().to_pandas()
    return int((audit["outcome"] == "started").sum())


def test_a_page_without_a_session_shows_nothing_of_the_desk(browser: Browser) -> None:
    for view in ("forecasts", "models", "audit"):
        app = opened(view)
        assert not app.exception
        assert "**You were signed out**" in words(app)
        assert not [*app.title, *app.dataframe, *app.metric, *app.button]


@pytest.mark.parametrize("name", ROLES)
def test_the_menu_says_who_as_what_and_since_when(browser: Browser, name: str) -> None:
    browser.sign_in(name)
    told = words(opened())
    assert f"**{name}** · {ROLES[name]}" in told
    assert identity.MAY[ROLES[name]] in told
    assert "Signed in with a password since Fri 20 Nov 11:20 CET." in told


def test_a_role_is_what_the_users_file_says_now(browser: Browser, filled: Path) -> None:
    browser.sign_in("olga")
    assert identity.current_user() == User("olga", "operator")
    accounts = Accounts(filled.parent / "users.toml", (1, 64, 1))
    accounts.set_role("olga", "admin")
    try:
        with pytest.raises(SignedOut):
            identity.current_user()
        browser.sign_in("olga")
        assert identity.current_user() == User("olga", "admin")
    finally:
        accounts.set_role("olga", "operator")


def test_no_address_makes_a_viewer_more(browser: Browser) -> None:
    browser.sign_in("vera")
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60)
    for key, value in {"role": "admin", "user": "ana", "sextant_session": "x"}.items():
        app.query_params[key] = value
    app.run()
    assert "**vera** · viewer" in words(app)
    assert identity.current_user() == User("vera", "viewer")


def test_a_session_that_ran_out_is_none(browser: Browser) -> None:
    browser.sign_in("ana")
    browser.desk.clock = lambda: NOW + timedelta(minutes=31)
    with pytest.raises(SignedOut):
        identity.current_user()


@pytest.mark.parametrize(
    ("view", "opener", "field", "go"),
    [("jobs", "Run ", "ask_reason", "ask_go"), ("models", "Retrain", "retrain_reason", "retrain_go")],
)
def test_a_session_revoked_while_a_dialog_is_open_does_nothing(
    browser: Browser, view: str, opener: str, field: str, go: str
) -> None:
    browser.sign_in("ana")
    app = opened(view)
    next(one for one in app.button if one.label.startswith(opener)).click().run()
    app.text_input(key=field).set_value("because")
    before = started(browser.desk)
    browser.revoke("ana")
    app.button(key=go).click().run()
    assert not app.exception
    assert started(browser.desk) == before
    assert "**You were signed out**" in words(app)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SignedOut("x"), "You were signed out"),
        (Busy("the warehouse is busy."), "the warehouse is busy."),
        (ValueError("a secret detail"), "Reference"),
    ],
)
def test_an_error_of_a_page_is_told_without_its_trace(
    error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    def script(error: Exception) -> None:
        from dashboard.signing import menu

        assert menu.unhandled(error)

    app = AppTest.from_function(script, args=(error,)).run()
    assert told in words(app)
    assert "a secret detail" not in words(app)
    assert ("a secret detail" in caplog.text) is isinstance(error, ValueError)


def test_without_sign_in_everybody_is_admitted(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with seated(filled, monkeypatch):
        assert menu.admitted()
        assert identity.known() is None


def test_settings_that_cannot_be_used_are_told_by_the_page(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with seated(filled, monkeypatch):
        monkeypatch.setenv("SEXTANT_AUTH", "perhaps")
        data.desk.cache_clear()
        app = opened()
    assert "is none of local, password, oidc" in words(app)
