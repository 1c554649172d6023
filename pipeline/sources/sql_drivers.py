"""Settings -> a connection of any DB-API 2.0 driver (PEP 249): one way to ask, our errors, always closed."""

import importlib
import re
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import AuthRefused, BadRequest, SchemaChanged, SourceError, Transient
from pipeline.providers import Providers
from pipeline.redacting import redact
from pipeline.settings import Settings

BATCH = 2_000
PORT = 1433
ODBC = "ODBC Driver 18 for SQL Server"
LONGEST_WORDS = 160
PLAIN = re.compile(r"[\w.,:\\-]+")
STYLES = ("qmark", "numeric", "named", "format", "pyformat")

Connect = Callable[[Any, Providers, float], Any]


@dataclass(frozen=True)
class Driver:
    """How one module is installed and told where to connect.

    `modules` must be there, `packages` bring them; `connect` is given the module, the providers and seconds to wait.
    """

    modules: tuple[str, ...]
    packages: str
    connect: Connect


@dataclass(frozen=True)
class Fault:
    """An error we know by the server's number, by SQLSTATE or by its words, and what to do about it."""

    kind: type[SourceError]
    codes: frozenset[int | str]
    words: str
    what: str
    remedy: str


LOGIN = Fault(
    AuthRefused,
    frozenset({18456, 18452, 18470, 18486, 18487, 18488, 4060, 916, 229, 230, 262, "28000"}),
    r"login failed|permission|denied|cannot open database|readonly database|unable to open database",
    "the server refuses us",
    "check SQL_USERNAME, SQL_PASSWORD, SQL_DATABASE and what that login may do",
)
FAULTS = (
    LOGIN,
    Fault(
        Transient,
        frozenset({1205, 1222, "40001"}),
        r"deadlock|database is locked|database table is locked",
        "another program holds the rows",
        "nothing is to be done, it is tried again",
    ),
    Fault(
        SchemaChanged,
        frozenset({207, 208, "42S02", "42S22"}),
        r"no such table|no such column|invalid object name|invalid column name|has no column named",
        "the table or a column is not there",
        "create it, or take what needs it out of sextant.toml",
    ),
)
SILENT = Fault(
    Transient,
    frozenset(),
    "",
    "no answer",
    "check SQL_SERVER and the network; it is tried again",
)
REJECTED = Fault(
    BadRequest, frozenset(), "", "the server rejects the question", "check that the table is as the README says"
)


class Database:
    """An open connection. SQL has `?` for values, each named once; whatever the driver writes for them."""

    def __init__(self, connection: Any, style: str, *, texts: bool) -> None:
        self._connection, self._style, self._texts = connection, style, texts

    def columns(self, sql: str) -> list[str]:
        """The names of an answer's columns."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql)
            return [str(column[0]) for column in cursor.description]

    def batches(self, sql: str, values: Sequence[Any] = ()) -> Generator[list[tuple[Any, ...]]]:
        """The rows of an answer, at most BATCH at a time; what is not taken is not fetched."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(*self._told(sql, values))
            while batch := cursor.fetchmany(BATCH):
                yield [tuple(row) for row in batch]

    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run `sql` for each of the rows and commit them together."""
        with closing(self._connection.cursor()) as cursor:
            cursor.executemany(self._told(sql, rows[0])[0], [self._told(sql, row)[1] for row in rows])
        self._connection.commit()

    def _told(self, sql: str, values: Sequence[Any]) -> tuple[str, Any]:
        return marked(sql, self._style, [self._bound(value) for value in values])

    def _bound(self, value: Any) -> Any:
        """SQLite has no times: they are text there, "2024-01-31 05:00:00"."""
        if not self._texts or not isinstance(value, date):
            return value
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()


def lacking(settings: Settings) -> str | None:
    """None when a connection can be tried, else one sentence saying what is missing and how to give it."""
    told, name = settings.providers, settings.providers.sql_driver
    driver = driver_of(name)
    missing = [module for module in driver.modules if not _installed(module)]
    if missing:
        remedy = f"install {driver.packages}, or name another DB-API module in SEXTANT_SQL_DRIVER"
        return f"The driver of the SQL server lacks the module {', '.join(missing)}: {remedy}."
    needed = {"SQL_SERVER": told.sql_server, "SQL_USERNAME": told.sql_username, "SQL_PASSWORD": told.sql_password}
    asked = {"SQL_DATABASE": told.sql_database} | ({} if name == "sqlite3" else needed)
    unset = [variable for variable, value in asked.items() if not value]
    return f"The SQL server is not known: set {', '.join(unset)}." if unset else None


@contextmanager
def database(settings: Settings, *, subject: str) -> Iterator[Database]:
    """Connect, lend the connection, close it; what was not committed is rolled back.

    Every wait for the server ends after `settings.http_timeout_s`. Raises SourceError with one sentence that begins
    with `subject`, also for what the driver raises while the connection is lent.
    """
    told, lacks = settings.providers, lacking(settings)
    if lacks:
        raise BadRequest(f"{subject}: {lacks}")
    module = importlib.import_module(told.sql_driver)
    if getattr(module, "paramstyle", None) not in STYLES or not hasattr(module, "Error"):
        raise BadRequest(f"{subject}: {told.sql_driver} is no DB-API module; set SEXTANT_SQL_DRIVER to one.")
    try:
        connection = driver_of(told.sql_driver).connect(module, told, settings.http_timeout_s)
        try:
            yield Database(connection, module.paramstyle, texts=told.sql_driver == "sqlite3")
        finally:
            with suppress(module.Error, OSError):
                connection.close()
    except (module.Error, OSError) as error:
        fault = fault_of(error)
        words = " ".join(redact(_words(error), settings.secrets).split())[:LONGEST_WORDS]
        raise fault.kind(f"{subject}: {fault.what} ({words.rstrip('. ')}); {fault.remedy}.") from error


def marked(sql: str, style: str, values: Sequence[Any]) -> tuple[str, Any]:
    """SQL with `?` and its values as a driver of this `paramstyle` (PEP 249) wants them."""
    if style == "qmark":
        return sql, tuple(values)
    marks = {"numeric": ":{}", "named": ":p{}", "format": "%s", "pyformat": "%(p{})s"}
    plain = sql.replace("%", "%%") if style in ("format", "pyformat") else sql
    first, *rest = plain.split("?")
    text = first + "".join(marks[style].format(n) + part for n, part in enumerate(rest, start=1))
    if style in ("named", "pyformat"):
        return text, {f"p{n}": value for n, value in enumerate(values, start=1)}
    return text, tuple(values)


def fault_of(error: BaseException) -> Fault:
    """What a driver's error means: by number or SQLSTATE, then by its words, then by its class."""
    codes, words = set(_codes(error)), str(error).lower()
    for fault in FAULTS:
        if codes & fault.codes or re.search(fault.words, words):
            return fault
    kinds = {kind.__name__ for kind in type(error).__mro__}
    slow = re.search(r"time.?out|timed out", words)
    return SILENT if slow or kinds & {"OperationalError", "InterfaceError", "InternalError", "OSError"} else REJECTED


def _codes(error: BaseException) -> Iterator[int | str]:
    """Numbers and SQLSTATEs of an error: drivers put them into attributes, or first into (nested) arguments."""
    yield from (getattr(error, name) for name in ("number", "msg_no") if isinstance(getattr(error, name, None), int))
    first = error.args[0] if error.args else None
    first = first[0] if isinstance(first, tuple) and first else first
    if isinstance(first, int | str):
        yield first


def _words(error: BaseException) -> str:
    """What an error says; pymssql says it in bytes behind the number, a silent server says nothing."""
    first = error.args[0] if error.args else None
    if isinstance(first, tuple) and len(first) > 1 and isinstance(first[1], bytes):
        return first[1].decode("utf-8", errors="replace")
    return str(error) or type(error).__name__


def driver_of(name: str) -> Driver:
    """How the module `name` is used; one we do not know is given the keywords that PEP 249 names."""
    return DRIVERS.get(name) or Driver((name,), name, _plain)


def _installed(module: str) -> bool:
    """Whether it can be loaded: pyodbc may be there without the system's library it needs."""
    try:
        importlib.import_module(module)
    except (ImportError, ValueError):
        return False
    return True


def _place(told: Providers) -> tuple[str, int | None]:
    """Host (with its instance) and port of SQL_SERVER: "host", "host,1433", "host:1433", "tcp:host,1433"."""
    text = (told.sql_server or "").removeprefix("tcp:")
    host, _, port = text.replace(":", ",").partition(",")
    return host, int(port) if port.isdecimal() else None


def _pytds(module: Any, told: Providers, wait_s: float) -> Any:
    """Only with a file of certificates does it encrypt at all, and then it checks the server's."""
    ca = ssl.get_default_verify_paths().cafile
    if ca is None:
        raise OSError("no certificates of authorities are on this machine; install them or set SSL_CERT_FILE")
    host, port = _place(told)
    return module.connect(**_who(told), dsn=host, port=port, timeout=wait_s, login_timeout=wait_s, cafile=ca)


def _pymssql(module: Any, told: Providers, wait_s: float) -> Any:
    host, port = _place(told)
    waits = {"timeout": max(1, round(wait_s)), "login_timeout": max(1, round(wait_s))}
    # An instance is looked up by its name, so there a port would mislead.
    there = {} if "\\" in host and port is None else {"port": str(port or PORT)}
    return module.connect(**_who(told), server=host, **there, **waits, encryption="require")


def _pyodbc(module: Any, told: Providers, wait_s: float) -> Any:
    words = {"DRIVER": ODBC, "SERVER": told.sql_server, "DATABASE": told.sql_database}
    words |= {"UID": told.sql_username, "PWD": told.sql_password, "Encrypt": "yes", "TrustServerCertificate": "no"}
    connection = module.connect(connection_string(words), timeout=max(1, round(wait_s)))
    connection.timeout = max(1, round(wait_s))
    return connection


def connection_string(words: Mapping[str, str | None]) -> str:
    """ODBC's `KEY=value;`, in braces what is no plain word, so that no value can end early or bring keys of its own."""
    pairs = {key: value or "" for key, value in words.items()}
    braced = {key: "{" + value.replace("}", "}}") + "}" for key, value in pairs.items() if not PLAIN.fullmatch(value)}
    return "".join(f"{key}={value};" for key, value in (pairs | braced).items())


def _sqlite(module: Any, told: Providers, wait_s: float) -> Any:
    """A file as the schema ERCOT; it must be there."""
    connection = module.connect(":memory:", timeout=wait_s, uri=True)
    address = f"{Path(told.sql_database or '').resolve().as_uri()}?mode=rw"
    try:
        connection.execute("ATTACH ? AS ERCOT", (address,))
    except module.Error:
        connection.close()
        raise
    return connection


def _plain(module: Any, told: Providers, _wait_s: float) -> Any:
    return module.connect(host=told.sql_server, **_who(told))


def _who(told: Providers) -> dict[str, Any]:
    return {"database": told.sql_database, "user": told.sql_username, "password": told.sql_password}


DRIVERS = {
    "pytds": Driver(("pytds", "OpenSSL"), "python-tds and pyOpenSSL", _pytds),
    "pymssql": Driver(("pymssql",), "pymssql", _pymssql),
    "pyodbc": Driver(("pyodbc",), "pyodbc and Microsoft's ODBC driver 18", _pyodbc),
    "sqlite3": Driver(("sqlite3",), "Python with SQLite", _sqlite),
}
