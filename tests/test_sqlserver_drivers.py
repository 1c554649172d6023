"""Any DB-API driver: how it is asked and connected, what its errors mean; no secret gets out, nothing stays open."""

import re
import sqlite3
import ssl
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Transient
from pipeline.settings import Settings
from pipeline.sources import sql_drivers, sqlserver
from pipeline.sources.sql_drivers import connection_string, database, driver_of, fault_of, marked
from tests.servers import sql
from tests.test_sqlserver import NOW, WEEK, read, series, values

WHO = {"SQL_SERVER": "db.example,1450", "SQL_DATABASE": "grid", "SQL_USERNAME": "desk", "SQL_PASSWORD": "p;w}d=hunter2"}


def settings(**env: str) -> Settings:
    return Settings.load(WHO | {"SEXTANT_SQL_DRIVER": "invented_sql", "SEXTANT_HTTP_TIMEOUT_S": "7"} | env)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = sql.make(tmp_path / "ercot.db")
    rows = [("2024-06-02", 1, "HB_WEST", 20.5), ("2024-06-02", 2, "HB_WEST", 21.5), ("2024-06-02", 1, "X%d?", 9.0)]
    sql.fill(path, sql.DAM, ["DeliveryDate", "HourEnding", "SettlementPoint", "SettlementPointPrice"], rows)
    return path


@pytest.mark.parametrize("style", ["qmark", "numeric", "named", "format", "pyformat"])
def test_every_way_to_write_values_gives_the_same(file: Path, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    opened = sql.driver(monkeypatch, file, style=style)
    for point, expected in (("HB_WEST", [20.5, 21.5]), ("X%d?", [9.0])):
        one = series(f"dam:{point}", kind="price")
        assert sqlserver.SOURCE.fetch([one], WEEK, now=NOW, settings=settings())["value"].tolist() == expected
    assert all(connection.closed for connection in opened)


def test_only_the_columns_and_days_that_are_asked_for_are_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = sql.driver(monkeypatch, file)
    sqlserver.SOURCE.fetch([series("dam:HB_WEST", kind="price")], WEEK, now=NOW, settings=settings())
    (names, none), (question, told) = opened[0].asked
    assert names.endswith("WHERE 1 = 0")
    assert not none
    assert "*" not in question
    assert question.startswith("SELECT [DeliveryDate], [HourEnding], [SettlementPointPrice] FROM [ERCOT].[hist_DAM")
    assert told == (date(2024, 5, 31), date(2024, 6, 8), "HB_WEST")


def test_a_percent_sign_of_the_text_is_no_mark() -> None:
    assert marked("a % ?", "pyformat", [1]) == ("a %% %(p1)s", {"p1": 1})
    assert marked("a % ?", "format", [1]) == ("a %% %s", (1,))
    assert marked("a % ? ?", "numeric", [1, 2]) == ("a % :1 :2", (1, 2))


def told(monkeypatch: pytest.MonkeyPatch, name: str, **env: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a driver of this name is connected with."""
    seen: list[Any] = []

    class Connection(sql.Connection):
        timeout = 0

    def connect(*words: Any, **named: Any) -> Any:
        seen.append((words, named))
        return Connection(Path(":memory:"), "qmark", lambda _what: None)

    if name == "pytds":
        sql.driver(monkeypatch, Path(), name="OpenSSL")
    sql.driver(monkeypatch, Path(), name=name, connect=connect)
    with database(settings(SEXTANT_SQL_DRIVER=name, **env), subject="x") as opened:
        assert list(opened.batches("SELECT 1 WHERE 1 = 0")) == []
        if name == "pyodbc":
            assert opened._connection.timeout == 7
    found: tuple[tuple[Any, ...], dict[str, Any]] = seen[0]
    return found


def test_pytds_encrypts_and_checks_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("", encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    who = {"database": "grid", "user": "desk", "password": WHO["SQL_PASSWORD"]}
    place = {"dsn": "db.example", "port": 1450, "cafile": str(tmp_path / "ca.pem")}
    assert told(monkeypatch, "pytds") == ((), who | place | {"timeout": 7.0, "login_timeout": 7.0})


def test_without_certificates_pytds_would_not_encrypt_so_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: bare)
    with pytest.raises(Transient, match="set SSL_CERT_FILE"):
        told(monkeypatch, "pytds")


def test_pymssql_must_encrypt_and_an_instance_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    who = {"database": "grid", "user": "desk", "password": WHO["SQL_PASSWORD"], "encryption": "require"}
    waits = {"timeout": 7, "login_timeout": 7}
    assert told(monkeypatch, "pymssql")[1] == who | waits | {"server": "db.example", "port": "1450"}
    assert told(monkeypatch, "pymssql", SQL_SERVER="tcp:db:1433")[1]["port"] == "1433"
    assert told(monkeypatch, "pymssql", SQL_SERVER="db")[1]["port"] == "1433"
    assert "port" not in told(monkeypatch, "pymssql", SQL_SERVER="db\\two")[1]


def test_pyodbc_gets_a_string_that_no_password_can_end(monkeypatch: pytest.MonkeyPatch) -> None:
    words, named = told(monkeypatch, "pyodbc")
    assert words == (
        "DRIVER={ODBC Driver 18 for SQL Server};SERVER=db.example,1450;DATABASE=grid;UID=desk;"
        "PWD={p;w}}d=hunter2};Encrypt=yes;TrustServerCertificate=no;",
    )
    assert named == {"timeout": 7}
    assert connection_string({"UID": "", "PWD": None}) == "UID={};PWD={};"


def test_a_driver_we_do_not_know_gets_the_usual_keywords(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = {"host": WHO["SQL_SERVER"], "database": "grid", "user": "desk", "password": WHO["SQL_PASSWORD"]}
    assert told(monkeypatch, "anothersql") == ((), who)
    assert driver_of("anothersql").packages == "anothersql"


@pytest.mark.parametrize(
    ("env", "words"),
    [({"SEXTANT_SQL_DRIVER": "nosuchsql"}, "install nosuchsql, or name another"), ({}, "python-tds and pyOpenSSL"),
     ({"SEXTANT_SQL_DRIVER": "pyodbc"}, "Microsoft's ODBC driver 18"), ({"SEXTANT_SQL_DRIVER": "no.such"}, "no.such"),
     ({"SEXTANT_SQL_DRIVER": "sqlite3"}, "set SQL_DATABASE."),
     ({"SEXTANT_SQL_DRIVER": "json", "SQL_SERVER": "a"}, "set SQL_USERNAME, SQL_PASSWORD, SQL_DATABASE")],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_sentence(env: dict[str, str], words: str) -> None:
    missing = sqlserver.SOURCE.ready(Settings.load(env)) or ""
    if env.get("SEXTANT_SQL_DRIVER", "pytds") not in ("json", "sqlite3") and "lacks" not in missing:
        pytest.skip("the driver is installed here")
    assert all(word in missing for word in words.replace("set ", "").rstrip(".").split(", "))
    assert missing.endswith(".")
    with pytest.raises(BadRequest, match="x: "), database(Settings.load(env), subject="x"):
        pass


def test_a_module_that_is_no_driver_is_refused() -> None:
    with (
        pytest.raises(BadRequest, match="json is no DB-API module"),
        database(settings(SEXTANT_SQL_DRIVER="json"), subject="x"),
    ):
        pass


class Numbered(sqlite3.DatabaseError):
    """An error that says its number in an attribute, as python-tds' do."""

    def __init__(self, number: int, words: str = "x") -> None:
        super().__init__(words)
        self.number = number


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Numbered(18456), AuthRefused), (Numbered(4060), AuthRefused), (Numbered(229), AuthRefused),
     (sqlite3.Error((18456, b"Login failed for user 'desk'.DB-Lib error message 20018")), AuthRefused),
     (sqlite3.Error("28000", "[28000] [Microsoft] Login failed"), AuthRefused),
     (sqlite3.OperationalError("attempt to write a readonly database"), AuthRefused),
     (Numbered(1205), Transient), (sqlite3.Error("40001", "deadlock victim"), Transient),
     (sqlite3.OperationalError("database is locked"), Transient), (TimeoutError(), Transient),
     (sqlite3.Error("HYT00", "[HYT00] Login timeout expired"), Transient), (ConnectionResetError(104), Transient),
     (sqlite3.OperationalError((20009, b"Unable to connect: TDS server is unavailable")), Transient),
     (sqlite3.InterfaceError("Server closed connection"), Transient),
     (Numbered(208), SchemaChanged), (Numbered(207), SchemaChanged),
     (sqlite3.ProgrammingError("42S02", "[42S02] Invalid object name 'ERCOT.x'. (208)"), SchemaChanged),
     (sqlite3.OperationalError("no such column: t.LMP"), SchemaChanged),
     (sqlite3.ProgrammingError((102, b"Incorrect syntax near 'FORM'")), BadRequest), (Numbered(8115), BadRequest)],
)  # fmt: skip
def test_an_error_means_the_same_whichever_driver_raised_it(error: Exception, kind: type[SourceError]) -> None:
    assert fault_of(error).kind is kind


@pytest.mark.parametrize("at", ["connect", "cursor"])
def test_an_error_is_one_sentence_without_the_password(file: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def fail(*_words: Any, **_named: Any) -> Any:
        raise sqlite3.OperationalError(f"timed out\nfor {WHO['SQL_PASSWORD']} " + "on and on " * 40)

    wrong = {"connect": fail} if at == "connect" else {"before": fail}
    opened = sql.driver(monkeypatch, file, **wrong)
    with pytest.raises(Transient) as refusal:
        sqlserver.SOURCE.fetch([series("dam:X", kind="price")], WEEK, now=NOW, settings=settings())
    words = str(refusal.value)
    assert words.startswith("tx.one from sqlserver: no answer (timed out for *** on and on")
    assert words.endswith("check SQL_SERVER and the network; it is tried again.")
    assert "hunter2" not in words
    assert len(words) < 320
    assert all(connection.closed for connection in opened)


@pytest.mark.parametrize(
    ("error", "words"),
    [(TimeoutError(), "no answer (TimeoutError); check"),
     (sqlite3.OperationalError((20009, b"Unable to connect\nto 10.0.0.1")), "(Unable to connect to 10.0.0.1); check")],
)  # fmt: skip
def test_what_a_driver_says_is_said_in_plain_words(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(**_named: Any) -> Any:
        raise error

    sql.driver(monkeypatch, file, connect=fail)
    with pytest.raises(Transient, match=re.escape(words)), database(settings(), subject="x"):
        pass


def test_a_driver_without_its_library_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halfsql.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    missing = sqlserver.SOURCE.ready(settings(SEXTANT_SQL_DRIVER="halfsql"))
    assert missing is not None
    assert "lacks the module halfsql" in missing


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AuthRefused, match="check SQL_USERNAME, SQL_PASSWORD, SQL_DATABASE"):
        read(tmp_path / "none.db", series("dam:X", kind="price"))
    assert not (tmp_path / "none.db").exists()


def test_a_table_that_stays_locked_is_said_after_the_wait(file: Path) -> None:
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    env = {"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(file), "SEXTANT_HTTP_TIMEOUT_S": "0.2"}
    with pytest.raises(Transient, match="another program holds the rows"):
        sqlserver.SOURCE.fetch([series("dam:X", kind="price")], WEEK, now=NOW, settings=Settings.load(env))
    holder.close()
    assert values(read(file, series("dam:X%d?", kind="price"))) == {"02 05:00": 9.0}


def test_stamps_are_text_for_sqlite_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sql.make(tmp_path / "x.db")
    with database(Settings.load({"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(path)}), subject="x") as opened:
        moments = [datetime(2024, 1, 31, 5), date(2024, 1, 31)]  # noqa: DTZ001
        assert list(opened.batches("SELECT ?, ?", moments)) == [[("2024-01-31 05:00:00", "2024-01-31")]]
    monkeypatch.setattr(sql_drivers, "BATCH", 2)
    with database(Settings.load({"SEXTANT_SQL_DRIVER": "sqlite3", "SQL_DATABASE": str(path)}), subject="x") as opened:
        rows = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
        assert [len(batch) for batch in opened.batches(rows)] == [2, 1]


def test_several_series_come_over_one_connection(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = sql.driver(monkeypatch, file)
    both = [series("dam:HB_WEST", kind="price"), series("load_zone:COAST")]
    found = sqlserver.SOURCE.fetch(both, WEEK, now=NOW, settings=settings())
    assert len(opened) == 1
    assert found["valid_at"].tolist() == [pd.Timestamp("2024-06-02 05:00Z"), pd.Timestamp("2024-06-02 06:00Z")]
    assert NOW - timedelta(days=1) > datetime(2024, 6, 2, tzinfo=UTC)
