"""The shape of the code: imports point down, files and functions stay short, words have one home."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline.discovery import discover
from pipeline.settings import ROOT
from tests.rooms import ROOMS

FOLDERS = ("pipeline", "dashboard", "benchmarks", "tests")
FILES = [*sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), ROOT / "jobs.py"]
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]

HOMES = {
    "duckdb": ("pipeline/attaching.py", "pipeline/session.py", "pipeline/warehouse.py", "tests/", "benchmarks/"),
    "requests": (
        "pipeline/sources/http.py",
        "pipeline/sources/questions.py",
        "pipeline/sources/answers.py",
        "pipeline/channels/",
        "dashboard/signing/oidc.py",
        "tests/",
    ),
    "argon2": ("pipeline/accounts.py", "tests/"),
    "sqlite3": ("pipeline/sign_ins.py", "tests/"),
    "joserfc": ("dashboard/signing/oidc.py", "tests/"),
    "starlette": ("dashboard/server.py", "dashboard/signing/", "tests/"),
    "psutil": ("pipeline/processes.py", "pipeline/machine.py", "tests/", "benchmarks/"),
    "prometheus_client": ("pipeline/exposition.py", "tests/"),
    "smtplib": ("pipeline/channels/", "tests/"),
    "schedule": ("pipeline/scheduler.py",),
    "tsdownsample": ("dashboard/figures/", "tests/"),
    "scipy": ("pipeline/metrics.py", "pipeline/drift.py", "tests/", "benchmarks/"),
    "sklearn": ("pipeline/models/", "tests/", "benchmarks/"),
    "lightgbm": ("pipeline/models/", "tests/", "benchmarks/"),
    "xgboost": ("pipeline/models/", "tests/", "benchmarks/"),
    "streamlit": ("dashboard/", "tests/", "benchmarks/dashboard_sessions.py"),
    "playwright": ("tests/", "dashboard/screenshots.py", "benchmarks/dashboard.py"),
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")


def allowed(name: str) -> set[str] | None:
    for room, may in ROOMS.items():
        if name == room or (room.endswith(".") and name.startswith(room)):
            return may
    return None


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_down(path: Path) -> None:
    may = allowed(module(path))
    ours = {name for name in imports(path) if name.split(".")[0] in ("pipeline", "dashboard")}
    if path.is_relative_to(ROOT / "pipeline"):
        assert not [name for name in ours if name.startswith("dashboard")]
    if module(path).startswith("pipeline.jobs."):
        assert not [name for name in ours if name.startswith("pipeline.jobs")]
    if may is None:
        return
    short = {name.removeprefix("pipeline.") for name in ours} - {"__version__"}
    assert not [name for name in short if not any(name == one or name.startswith(one + ".") for one in may)]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_third_parties_have_one_home(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    for name in {name.split(".")[0] for name in imports(path)} & set(HOMES):
        assert where.startswith(HOMES[name]), f"{name} belongs in {HOMES[name]}"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 40, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_module_says_what_flows_in_and_out(path: Path) -> None:
    assert ast.get_docstring(tree(path)) or not path.read_text(encoding="utf-8").strip()


def test_only_the_runner_and_the_panel_guard_catch_everything() -> None:
    broad = [
        name for name, path in zip(NAMES, FILES, strict=True) if "except Exception" in path.read_text(encoding="utf-8")
    ]
    assert [name for name in broad if not name.startswith("tests/")] in (
        ["pipeline/runner.py"],
        ["dashboard/states.py", "pipeline/runner.py"],
    )


def test_the_clock_is_asked_at_the_doors_only() -> None:
    asks = re.compile(r"datetime\.now\(|Timestamp\.now\(|Timestamp\.utcnow\(|time\.time\(\)")
    found = [
        name
        for name, path in zip(NAMES, FILES, strict=True)
        if name.startswith("pipeline/")
        and name != "pipeline/clocks.py"
        and asks.search(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("package", "constant"),
    [
        ("pipeline.jobs", "JOB"),
        ("pipeline.sources", "SOURCE"),
        ("pipeline.models", "FAMILY"),
        ("pipeline.channels", "CHANNEL"),
        ("pipeline.commands", "COMMAND"),
    ],
)
def test_the_readme_names_every_plug_in(package: str, constant: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in discover(package, constant) if f"`{name}`" not in readme]
    assert not missing


def test_the_readme_names_every_setting_and_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = {
        name
        for file in ("settings.py", "providers.py")
        for name in re.findall(
            r'"((?:SEXTANT|ESIOS|ERCOT|OPEN_METEO|SQL)_\w+)"', (ROOT / "pipeline" / file).read_text(encoding="utf-8")
        )
    }
    pages = {path.stem.replace("_", " ").capitalize() for path in (ROOT / "dashboard/views").glob("[a-z]*.py")}
    assert not [name for name in settings if f"`{name}`" not in readme]
    assert not [page for page in pages if page not in readme]


def test_nothing_of_one_machine_and_no_secret_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    traces = re.compile("/" + "work/|/" + "root/|py" + "pi\\.org|npm" + "js\\.org")
    found = []
    for name in listed:
        path = ROOT / name
        if path.suffix in (".png", ".woff2") or not path.exists():
            continue
        if traces.search(path.read_text(encoding="utf-8")):
            found.append(name)
    assert not found
