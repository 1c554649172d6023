"""The dashboard's server as a process: who is let in, what is refused, and what it tells a browser."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from dashboard.signing import preloading
from pipeline import __version__
from pipeline.settings import ROOT
from tests.served import NOW, WORD, Served, folder, process, served
from tests.visitors import PAGE, Socket, Visitor, serving

__all__ = ["folder", "process", "served"]
MINUTE = timedelta(minutes=1)
CLOSED = ["/", "/models", "/_stcore/metrics", "/_stcore/host-config", "/media/x.png", "/_stcore/agent/openapi.json"]
OPEN = ["/health", "/_stcore/health", "/sign-in", "/app/static/inter.woff2", "/app/static/icon.png"]


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[int]:
    with serving(folder / "w.duckdb", folder / "local.log") as port:
        yield port


@pytest.mark.parametrize(
    "command", [["-m", "dashboard.server", "--address", "0.0.0.0"], ["jobs.py", "up", "--address", "0.0.0.0"]]
)
def test_without_sign_in_it_listens_on_this_machine_only(command: list[str], tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "SEXTANT_WAREHOUSE": str(tmp_path / "w.duckdb")}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ConfigError: Without sign-in everybody")
    assert done.stderr.count("\n") == 1


def test_local_mode_asks_nobody_and_still_guards_names_origins_and_metrics(local: int) -> None:
    visitor = Visitor(local)
    assert visitor.get("/health").text == f'{{"ok":true,"version":"{__version__}"}}'
    assert visitor.get("/", **PAGE).status == 200
    assert visitor.get("/_stcore/metrics").status == 403
    assert Visitor(local, host="rebound.example.org").get("/").status == 400
    with pytest.raises(InvalidStatus, match="403"):
        Socket(visitor, origin="http://evil.example.org")
    socket = Socket(visitor)
    assert "Forecasts" in socket.run()
    socket.close()


def test_a_page_names_its_largest_parts_and_browsers_keep_them(served: Served, local: int) -> None:
    visitor = Visitor(local)
    told = visitor.get("/", **PAGE).headers["Link"]
    parts = [one for one in re.findall(r"<([^>]+)>", told) if one.endswith(".js")]
    assert len(parts) == len(preloading.CHUNKS)
    for one in parts:
        part = visitor.get(one)
        assert part.status == 200
        assert part.headers["Cache-Control"] == "public, immutable, max-age=31536000"
    assert "no-store" in visitor.get("/", **PAGE).headers["Cache-Control"]
    assert "Link" not in served.visitor().get("/sign-in", **PAGE).headers


def test_a_small_file_does_not_wait_for_the_browser(local: int) -> None:
    # With the socket as Streamlit makes it each of them takes 40 ms and more, on the quickest machine.
    connection = HTTPConnection("127.0.0.1", local, timeout=30)
    took = []
    for _ in range(30):
        began = time.perf_counter()
        connection.request("GET", "/_stcore/health")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    assert min(took) < 0.035


def test_every_answer_keeps_the_browser_strict(served: Served, local: int) -> None:
    for visitor, path in ((Visitor(local), "/"), (served.visitor(), "/sign-in"), (served.visitor(), "/media/x")):
        headers = visitor.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
    assert served.visitor().get("/sign-in").headers["Cache-Control"] == "no-store"
    assert "max-age" in served.visitor().get("/health").headers["Strict-Transport-Security"]
    assert Visitor(local).get("/health").headers["Strict-Transport-Security"] is None


def test_without_a_session_nothing_but_the_way_in_is_open(served: Served) -> None:
    visitor = served.visitor()
    assert {path: visitor.get(path).status for path in CLOSED} == dict.fromkeys(CLOSED, 403)
    assert {path: visitor.get(path).status for path in OPEN} == dict.fromkeys(OPEN, 200)
    answer = visitor.get("/models?target=Demand&x=%3Cb%3E", **PAGE)
    assert (answer.status, answer.headers["Location"]) == (
        303,
        "/sign-in?next=%2Fmodels%3Ftarget%3DDemand%26x%3D%253Cb%253E",
    )
    with pytest.raises(InvalidStatus, match="403"):
        Socket(visitor)


def test_a_link_from_elsewhere_is_asked_for_again_from_here(served: Served) -> None:
    answer = served.visitor().get("/jobs?run=1", Accept="text/html", Sec_Fetch_Site="cross-site")
    assert answer.status == 200
    assert 'content="0;url=/jobs?run=1"' in answer.text


def test_a_foreign_page_may_open_no_websocket_with_the_cookie(served: Served) -> None:
    visitor = served.signed_in()
    with pytest.raises(InvalidStatus, match="403"):
        Socket(visitor, origin="https://evil.example.org")
    with pytest.raises(InvalidStatus, match="403"):
        Socket(visitor, origin="null")
    socket = Socket(visitor)
    assert "Forecasts" in socket.run()
    socket.close()


@pytest.mark.parametrize(
    "words", [["users", "role", "vera", "--role", "operator"], ["sessions", "revoke", "--user", "vera"]]
)
def test_the_command_line_ends_sessions_of_a_running_server_at_once(served: Served, words: list[str]) -> None:
    visitor = served.signed_in("vera")
    socket = Socket(visitor)
    assert "You were signed out" not in socket.run()
    env = {"PATH": os.environ["PATH"], "SEXTANT_WAREHOUSE": str(served.folder / "w.duckdb")}
    env |= {"SEXTANT_CLOCK": str(served.folder / "clock.json")}
    done = subprocess.run(
        [sys.executable, "jobs.py", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip().endswith("sessions ended: 1"), done.stderr
    assert visitor.get("/").status == 403
    assert "You were signed out" in socket.run()
    assert "You were signed out" in socket.run("any-fragment", auto=True)
    socket.close()


def test_only_what_the_user_does_keeps_a_session(served: Served) -> None:
    visitor = served.signed_in()
    socket = Socket(visitor)
    socket.run()
    served.at(NOW + 25 * MINUTE)
    assert "You were signed out" not in socket.run(auto=True)
    served.at(NOW + 31 * MINUTE)
    assert "You were signed out" in socket.run(auto=True)
    assert visitor.get("/").status == 403
    served.at(NOW)
    again = Socket(visitor)
    served.at(NOW + 25 * MINUTE)
    again.run()
    served.at(NOW + 31 * MINUTE)
    assert "You were signed out" not in again.run(auto=True)
    socket.close()
    again.close()


def test_no_session_outlives_half_a_day(served: Served) -> None:
    visitor = served.signed_in()
    for step in range(1, 36):
        served.at(NOW + step * 20 * MINUTE)
        assert visitor.get("/", **PAGE).status == 200
    served.at(NOW + 36 * 20 * MINUTE + MINUTE)
    assert visitor.get("/").status == 403


def test_a_users_file_open_to_others_lets_nobody_in_and_says_why_in_the_log(served: Served) -> None:
    visitor = served.signed_in()
    users = served.folder / "users.toml"
    users.chmod(0o644)
    try:
        assert visitor.get("/").status == 403
        assert served.visitor(address="10.3.1.1").sign_in("ana", WORD).status == 503
    finally:
        users.chmod(0o600)
    assert visitor.get("/").status == 200
    assert "chmod 600" in (served.folder / "password.log").read_text(encoding="utf-8")
