"""Attacks on a real server, each refused and audited where it matters. The issue's list, and the test that shows it:

| attack | shown by |
|---|---|
| no cookie | test_server: without_a_session_nothing_but_the_way_in_is_open (pages, files, websocket) |
| forged cookie | test_sign_in: forged_old_and_ended_cookies_open_nothing; here: what_only_looks_like_a_session |
| foreign origin | test_server: a_foreign_page_may_open_no_websocket; local mode: test_server, test_browser |
| session fixation | test_sign_in: a_session_planted_before_signing_in; here: a_planted_value_becomes_no_session |
| CSRF on sign-in | test_sign_in: a_post_needs_the_forms_token_and_an_origin_of_its_own; sign-out: signing_out_ends |
| revoked, dialog open | here: a_session_revoked_in_the_middle_of_a_roll_back; test_identity: other dialogs |
| path traversal | here: no_path_leads_out_of_what_is_served; names of downloads: test_dashboard_ops_history |
| `<script>` in a log | here: text_of_others_stays_text; test_browser_foreign: on every page |
| `=cmd` in a CSV | here: text_of_others_stays_text (downloaded by a browser); test_dashboard_ops_history: any |
| brute force | test_sign_in: guessing_is_slowed_down; here: guesses_at_once_are_no_way_round |
| role by the address | here: no_address_makes_a_viewer_more; by a header: what_only_looks_like_a_session |
| role by a forged message | here: a_forged_click_on_what_is_switched_off; called all the same: test_story |
| filling the memory | here: nothing_can_be_uploaded; test_sign_in_store: a_flood_of_names_takes_no_more_memory |
"""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus

from pipeline.accounts import Accounts
from pipeline.settings import ROOT
from pipeline.warehouse import Warehouse
from tests import browser, filler
from tests.browser import PATHS, Watched
from tests.served import WORD, Served, folder, process, served, sign_in
from tests.visitors import PAGE, Socket

__all__ = ["folder", "process", "served"]
NASTY = "=cmd|' /C calc'!A0 <script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULA = re.compile(r"^\s*[=+@\t\r]|^\s*-(?![\d.])")
ACTING = re.compile(
    r"^(Retrain|Make champion|Roll back|Promote|Run now|Cancel|Run again|Acknow|Snooze|Declare|Backfill)"
)
# One line of each file that somebody might be after.
SECRETS = re.compile(r"argon2id|SEXTANT_|\[market\.|root:x:|import streamlit|SQLite format|DUCK")
OUTSIDE = ("users.toml", "sessions.sqlite", "w.duckdb", "sextant.toml", "dashboard/app.py", "../etc/passwd")
CLIMBS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "..%252f", "%00../", "/", "%2f")


@pytest.mark.parametrize("start", ["/app/static/", "/static/", "/media/", "/component/x/", "/sign-in/", "/_stcore/"])
@pytest.mark.parametrize("signed_in", [False, True])
def test_no_path_leads_out_of_what_is_served(start: str, signed_in: bool, served: Served) -> None:
    visitor = served.signed_in("vera") if signed_in else served.visitor()
    for climb in CLIMBS:
        for depth in (1, 2, 6):
            for name in OUTSIDE:
                answer = visitor.get(f"{start}{climb * depth}{name}")
                assert answer.status != 500
                assert not SECRETS.search(answer.text), (climb, depth, name)


@pytest.mark.parametrize(
    "claim",
    [
        {"Cookie": "__Host-sextant_session="},
        {"Cookie": "__Host-sextant_session=ana; sextant_user=ana; role=admin"},
        {"Cookie": f"__Host-sextant_session={'A' * 43}"},
        {"Cookie": f"__Host-sextant_session={'A' * 6000}"},
        {"Cookie": "=;;=\xff; __Host-sextant_session"},
        {
            "X-Forwarded-User": "ana",
            "X-Remote-User": "ana",
            "X-Auth-Request-Email": "ana@example.org",
            "X-Role": "admin",
        },
        {"Authorization": "Basic YW5hOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="},
        {"X-Streamlit-User": "eyJlbWFpbCI6ICJhbmEifQ==", "X-Streamlit-User-Mock": "ana"},
    ],
)
def test_what_only_looks_like_a_session_opens_nothing(claim: dict[str, str], served: Served) -> None:
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        for path in ("/models", "/_stcore/stream", "/_stcore/metrics"):
            connection.request("GET", path, headers={"Host": f"localhost:{served.port}"} | claim)
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:6]) in ((403, b"Sign i"), (403, b"Needs "))


def test_a_planted_value_becomes_no_session(served: Served) -> None:
    planted = {"__Host-sextant_session": "A" * 43, "sextant_form": "B" * 43}
    victim = served.visitor(cookies=dict(planted), address="10.4.1.1")  # type: ignore[arg-type]
    assert victim.sign_in("olga", WORD).status == 303
    assert victim.cookies["__Host-sextant_session"] not in planted.values()
    attacker = served.visitor(cookies=dict(planted))  # type: ignore[arg-type]
    assert attacker.get("/", **PAGE).status == 303
    with pytest.raises(InvalidStatus, match="403"):
        Socket(attacker)


def test_guesses_at_once_are_no_way_round(served: Served) -> None:
    """All have the form before the first is sent, so that they race for the free tries."""
    guessers = [served.visitor(address="10.5.1.1") for _ in range(16)]
    tokens = [one.token() for one in guessers]

    def guess(place: int) -> int:
        form = {"token": tokens[place], "name": "mallory", "password": f"a guess number {place}"}
        return guessers[place].post("/sign-in", form).status

    before = len(served.audit("sign_in"))
    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(guess, range(16)))
    assert statuses == [403] * 5 + [429] * 11
    told = served.audit("sign_in").iloc[before:]
    assert set(told["outcome"]) == {"denied"}
    assert "mallory" not in told.to_string()


def test_nothing_can_be_uploaded(served: Served) -> None:
    visitor = served.signed_in("ana")
    for path in ("/_stcore/upload_file/session/file", "/_stcore/upload_file//x"):
        answer = visitor.post(path, {"x": "y"})
        assert (answer.status, answer.text) == (403, "Nothing is uploaded here.")


def elements(told: list[ForwardMsg]) -> list[Element]:
    """What a page put on the screen."""
    return [one.delta.new_element for one in told if one.HasField("delta")]


def buttons(told: list[ForwardMsg]) -> dict[str, Any]:
    """The buttons of a page by what stands on them."""
    return {one.button.label: one.button for one in elements(told) if one.HasField("button")}


@pytest.mark.parametrize("page", PATHS)
def test_no_address_makes_a_viewer_more(page: str, served: Served) -> None:
    """Whatever the address says, the reader stays who the session is, and what acts stays switched off."""
    before = changed(served)
    with closing(Socket(served.signed_in("vera"))) as socket:
        query = (
            "role=admin&user=ana&name=ana&who=ana&admin=1&dialog=roll_back&version=demo.load-v2&run=train0000003"
            "&entry=x&at=2026-11-20T09:00Z&action=Roll+back&sextant_session=x&__Host-sextant_session=x"
        )
        told = socket.told(page=page, query=query)
    assert "**vera** · viewer" in [one.markdown.body for one in elements(told)]
    acting = {label: one.disabled for label, one in buttons(told).items() if ACTING.match(label)}
    assert all(acting.values()), acting
    assert bool(acting) == (page in ("data", "jobs", "models", "alerts"))
    assert changed(served) == before


def changed(served: Served) -> dict[str, int]:
    """How many rows the tables have that actions write to; every attempt at one begins with a row of the audit."""
    with Warehouse(served.folder / "w.duckdb", wait_s=20).read() as session:
        told = {table: session.count(table) for table in ("promotions", "alert_acts", "maintenance", "job_runs")}
    return told | {"retrain": len(served.audit("retrain")), "roll_back": len(served.audit("roll_back"))}


@pytest.mark.parametrize(("name", "opened"), [("vera", []), ("olga", ["Retrain?"])])
def test_a_forged_click_on_what_is_switched_off_does_nothing(name: str, opened: list[str], served: Served) -> None:
    """A message of one's own can name a button that is switched off; the operator's shows that it would count."""
    before = changed(served)
    with closing(Socket(served.signed_in(name))) as socket:
        found = {label: one for label, one in buttons(socket.told(page="models")).items() if ACTING.match(label)}
        assert {one.disabled for one in found.values()} == ({True} if name == "vera" else {True, False})
        told = socket.told(page="models", widgets={one.id: None for one in found.values()})
    dialogs = [one.delta.add_block.dialog for one in told if one.HasField("delta")]
    assert [one.title for one in dialogs if one.is_open] == opened
    assert [one.text_input.label for one in elements(told) if one.text_input.label == "Reason"] == ["Reason"] * len(
        opened
    )
    assert changed(served) == before


@dataclass
class Own:
    """A server with sign-in that a real browser visits."""

    address: str
    warehouse: Warehouse


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    made = tmp_path_factory.mktemp("attacked")
    now = datetime.now(UTC)
    warehouse = filler.fill(made / "w.duckdb", now)
    with warehouse.write() as session:
        session.script("UPDATE job_runs SET log = $text WHERE run_id = 'train0000003'", text=f"all well\n{NASTY}\n")
    Accounts(made / "users.toml", (1, 64, 1)).add("olga", "operator", WORD, now)
    settings = {"SEXTANT_AUTH": "password", "SEXTANT_ARGON2": "1,64,1"}
    with browser.serving(made / "w.duckdb", made / "server.log", **settings) as address:
        yield Own(address, warehouse)


@pytest.fixture
def watched(own: Own, visit: Callable[..., Watched]) -> Iterator[Watched]:
    """Olga's tab; whatever opens a window of the browser's own is a problem."""
    found = visit(own.address)
    found.page.on("dialog", lambda one: (found.problems.append(f"dialog: {one.message}"), one.dismiss()))
    yield found
    found.page.context.clear_cookies()


@pytest.mark.browser
@pytest.mark.slow
def test_a_session_revoked_in_the_middle_of_a_roll_back_does_nothing(own: Own, watched: Watched) -> None:
    sign_in(watched, "olga", "models?version=demo.load-v2")
    page = watched.page
    page.get_by_role("button", name="Roll back: demo.load-v2").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type demo.load-v2 to confirm").fill("demo.load-v2")
    dialog.get_by_label("Reason").fill("too late")
    env = {"PATH": os.environ["PATH"], "SEXTANT_WAREHOUSE": str(own.warehouse.path)}
    words = [sys.executable, "jobs.py", "sessions", "revoke", "--user", "olga"]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "sessions ended: 1" in done.stdout
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_text("You were signed out").first).to_be_visible()
    assert own.warehouse.ask("page_audit", action="roll_back", n=9).query("actor == 'olga'").empty
    assert own.warehouse.ask("champion", target="demo.load")["version_id"].tolist() == ["demo.load-v3"]
    page.goto(f"{own.address}/models")
    expect(page).to_have_url(re.compile("/sign-in"))


@pytest.mark.browser
@pytest.mark.slow
def test_text_of_others_stays_text_on_pages_and_in_files(own: Own, watched: Watched, tmp_path: Path) -> None:
    sign_in(watched, "olga", "jobs?run=train0000003")
    page = watched.page
    expect(page.get_by_text(NASTY).filter(visible=True).first).to_be_visible()
    page.get_by_role("button", name="Run now", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(NASTY)
    dialog.get_by_role("button", name="Run now", exact=True).click()
    expect(dialog).to_be_hidden()
    with own.warehouse.read() as session:
        told = session._cursor.sql("SELECT audit_id FROM audit WHERE reason LIKE '=cmd%'").to_arrow_table().to_pandas()
    watched.open(f"audit?entry={told['audit_id'].iloc[0]}")
    expect(page.get_by_text(f"Why: {NASTY}")).to_be_visible()
    for trace in ("img[onerror]", "[data-testid='stMain'] script"):
        assert page.locator(trace).count() == 0
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    waiting.value.save_as(tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{NASTY}" in cells
    assert [cell for cell in cells if FORMULA.match(cell)] == []
    assert watched.exceptions() == []
    assert watched.problems == []
