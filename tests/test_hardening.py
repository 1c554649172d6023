"""Attacks on a real server that went through once."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard.signing.door import Door
from dashboard.signing.telling import Teller
from pipeline import auditing
from pipeline.settings import ROOT, Settings
from tests.dashboards import seated
from tests.served import NOW, WORD, Served, folder, process, served
from tests.visitors import Socket, Visitor

__all__ = ["folder", "process", "served"]
MINUTE = timedelta(minutes=1)


def raw(port: int, request: str) -> str:
    """What the server answers to these very bytes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as line:
        line.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: line.recv(4096), b"")).decode("latin-1")


def asked(port: int, path: str, *headers: str, method: str = "GET", host: str = "localhost") -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return raw(port, "\r\n".join(lines) + "\r\n\r\n")


def logged(one: Served) -> str:
    return (one.folder / "password.log").read_text(encoding="utf-8")


def tell(line: Socket, trigger: str, event: str) -> None:
    """What the browser sends when a component of the page tells something."""
    message = BackMsg()
    state = message.rerun_script.widget_states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{trigger}__events")
    state.json_trigger_value = f'[{{"event":"{event}","value":1}}]'
    line._socket.send(message.SerializeToString())


@pytest.mark.parametrize("event", ["tick", "theme"])
def test_what_a_page_tells_by_itself_keeps_no_session(event: str, served: Served) -> None:
    visitor = served.signed_in()
    with closing(Socket(visitor)) as line:
        found = re.search(r"\$\$ID-\w+-watcher", line.run())
        assert found
        served.at(NOW + 25 * MINUTE)
        tell(line, found[0], event)
        time.sleep(0.5)
        served.at(NOW + 31 * MINUTE)
        assert visitor.get("/").status == 403


def test_what_is_asked_after_a_session_has_ended_is_in_the_log(served: Served) -> None:
    visitor = served.signed_in("vera")
    with closing(Socket(visitor)) as line:
        line.run()
        served.store.end_all("vera", why="revoked", now=NOW)
        line.told(widgets={"any-button": None})
    assert "refused what vera did at '127.0.0.1': the session has ended" in logged(served)


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("//evil.example.org/x", "/"),
        ("/\\evil.example.org/x", "/"),
        ("/%2Fevil.example.org/x", "/%2Fevil.example.org/x"),
        ("/%5cevil.example.org/x", "/%5cevil.example.org/x"),
        ("/%09/evil.example.org/x", "/%09/evil.example.org/x"),
        ("/jobs?run=1", "/jobs?run=1"),
    ],
)
def test_no_link_from_elsewhere_leads_elsewhere(path: str, leads: str, served: Served) -> None:
    told = asked(served.port, path, "Accept: text/html", "Sec-Fetch-Site: cross-site")
    assert re.findall(r'content="0;url=([^"]+)"', told) == [leads]


@pytest.mark.parametrize(
    "cookie", ['prefs={"a":"b"}; %s', '%s; prefs={"a":"b"}', "bare; %s", "x=\xe9; %s", "foo bar=1; %s"]
)
@pytest.mark.parametrize("path", ["/", "/sign-out"])
def test_somebody_elses_odd_cookie_hides_nobody(cookie: str, path: str, served: Served) -> None:
    own = f"__Host-sextant_session={served.signed_in().cookies['__Host-sextant_session']}"
    assert " 200 OK" in asked(served.port, path, "Accept: text/html", f"Cookie: {cookie % own}")


def test_a_cookie_planted_beside_ours_signs_nobody_out(served: Served) -> None:
    name, own = "__Host-sextant_session", served.signed_in("vera").cookies["__Host-sextant_session"]
    for first, last in ((own, "planted"), ("planted", own)):
        both = f"Cookie: {name}={first}; {name}={last}"
        assert " 200 OK" in asked(served.port, "/", "Accept: text/html", both)
        with closing(Socket(Visitor(served.port, cookies={name: f"{first}; {name}={last}"}))) as line:
            assert "You were signed out" not in line.run()


def test_nothing_is_there_for_programs(served: Served) -> None:
    visitor = served.signed_in()
    for path in ("/_stcore/agent/openapi.json", "/_stcore/agent/mcp"):
        assert visitor.get(path).text == "Pages are for people here."


@pytest.mark.parametrize(
    "host", ["evil@localhost", "localhost/x", "localhost#x", "localhost:abc", "localhost, evil", "[bad", "", "a b"]
)
def test_odd_names_of_the_server_are_refused(host: str, served: Served) -> None:
    assert " 400 Bad" in asked(served.port, "/health", host=host)


def test_the_scheme_of_an_origin_counts(served: Served) -> None:
    for scheme, status in (("ftp", 403), ("file", 403), ("chrome-extension", 403)):
        answer = served.visitor(address="10.8.1.1").post("/sign-in", {}, Origin=f"{scheme}://localhost:{served.port}")
        assert (answer.status, answer.text) == (status, "Not from elsewhere.")
    assert "Not from elsewhere." not in served.visitor(address="10.8.1.1").post("/sign-in", {}).text
    answer = served.visitor(address="10.8.1.1").post("/sign-in", {}, Origin="http://[bad")
    assert answer.status == 403


def test_nobody_writes_lines_into_the_log(served: Served) -> None:
    asked(served.port, "/x%0aERROR%20forged:%20by%20me%0d", "Origin: https://evil.example.org", method="POST")
    assert "\\nERROR forged: by me" in logged(served)
    assert "\nERROR forged" not in logged(served)


def test_who_asks_for_the_metrics_in_vain_is_in_the_log(served: Served) -> None:
    assert served.signed_in("olga").get("/_stcore/metrics").status == 403
    assert "refused operator olga: /_stcore/metrics asked" in logged(served)


def test_a_form_that_stops_in_the_middle_leaves_no_trace(served: Served) -> None:
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as line:
        head = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 500\r\n\r\n"
        line.sendall(f"{head}name=ana".encode())
        time.sleep(0.2)
    assert served.visitor().get("/health").status == 200
    time.sleep(0.3)
    assert "Traceback" not in logged(served)


def test_tries_count_against_nobody_while_no_password_can_be_checked(served: Served) -> None:
    users, visitor = served.folder / "users.toml", served.visitor(address="10.8.2.1")
    users.chmod(0o644)
    try:
        assert [visitor.sign_in("olga", WORD).status for _ in range(7)] == [503] * 7
    finally:
        users.chmod(0o600)
    assert visitor.sign_in("olga", WORD).status == 303


def test_guesses_from_elsewhere_keep_nobody_out_where_they_signed_in_before(served: Served) -> None:
    served.signed_in("ana", address="10.8.3.1")
    guesser = served.visitor(address="10.8.3.2")
    assert [guesser.sign_in("ana", f"wrong horse {n}").status for n in range(6)] == [403] * 5 + [429]
    assert served.visitor(address="10.8.3.3").sign_in("ana", WORD).status == 429
    assert served.visitor(address="10.8.3.1").sign_in("ana", WORD).status == 303
    served.at(NOW + timedelta(seconds=5))
    assert guesser.sign_in("ana", WORD).status == 303


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The warehouse, kept by another process."""
    command = [sys.executable, "-m", "tests.holder", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.terminate()


def test_a_busy_warehouse_keeps_nobody_waiting_for_others_and_loses_no_row(served: Served) -> None:
    done: list[str] = []
    visitors = {name: served.visitor(address=f"10.8.4.{n}") for n, name in enumerate(("eve", "mallory", "vera"))}
    tokens = {name: one.token() for name, one in visitors.items()}

    def sign_in(name: str) -> None:
        form = {"token": tokens[name], "name": name, "password": WORD}
        done.append(f"{name} {visitors[name].post('/sign-in', form).status}")

    with held(served.folder / "w.duckdb"):
        threads = [threading.Thread(target=sign_in, args=(name,)) for name in visitors]
        threads[0].start()
        time.sleep(0.5)
        for one in threads[1:]:
            one.start()
        for one in threads:
            one.join()
        assert sorted(done) == ["eve 403", "mallory 403", "vera 303"]
        assert done[-1] == "eve 403"
        assert len(served.store.kept()) == 3
    before = set(served.audit("sign_in")["audit_id"])
    served.signed_in("olga")
    told = served.audit("sign_in")
    told = told[~told["audit_id"].isin(before)]
    assert sorted(told["actor"]) == ["olga", "unknown", "unknown", "vera"]
    assert served.store.kept() == {}


def test_a_row_is_written_once_however_often_it_is_tried(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seated(folder / "w.duckdb", monkeypatch) as desk:
        own = Door(Settings.load({"SEXTANT_WAREHOUSE": str(tmp_path / "w.duckdb")}))
        teller = Teller(own.sessions)
        teller.tell(desk, "sign_in", "ok", actor="once")
        rows = list(own.sessions.kept().values())
        assert auditing.append(desk.warehouse, rows)
        teller.write(desk)
        assert own.sessions.kept() == {}
        with desk.warehouse.read() as session:
            told = session._cursor.sql("SELECT acted_at FROM audit WHERE actor = 'once'").to_arrow_table().to_pandas()
        assert told["acted_at"].tolist() == [NOW]


def test_rows_that_cannot_be_kept_are_told_by_the_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sessions.sqlite").write_bytes(b"junk" * 4000)
    with seated(folder / "w.duckdb", monkeypatch) as desk:
        own = Door(Settings.load({"SEXTANT_WAREHOUSE": str(tmp_path / "w.duckdb"), "SEXTANT_AUTH": "password"}))
        cookies = {own.cookie: "secret"}
        assert own.person(cookies, NOW) is None
        own.seen(cookies, NOW)
        own.teller.tell(desk, "sign_in", "ok", actor="ana")
    assert "nobody is signed in" in caplog.text
    assert "a sign of life was not noted" in caplog.text
    assert "the audit row of sign_in by ana is lost" in caplog.text
