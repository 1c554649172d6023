"""The shape of the code: imports point down, files and functions stay short, words have one home."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.discovery import discover
from pipeline.settings import ROOT

FOLDERS = ("pipeline", "dashboard", "benchmarks", "tests")
FILES = [*sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), ROOT / "jobs.py"]
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]

CORE = {"errors", "markets", "redacting", "settings", "contracts", "sources.base", "sources.http"}
NUMERIC = {
    "errors", "markets", "models.base", "calendars", "recipe", "windows", "exogenous", "assembly", "features",
    "metrics", "intervals",
}  # fmt: skip
RULES = {
    "discovery", "erring", "errors", "failures", "freshness", "machine", "markets", "operations", "plans",
    "processes", "quality", "registry", "rules", "runner", "runs", "settings", "warehouse",
}  # fmt: skip
RUNNER = {
    "errors", "failures", "logs", "markets", "operations", "processes", "recording", "redacting", "runrows", "runs",
    "settings", "warehouse",
}  # fmt: skip
SCHEDULER = {
    "attaching", "dispatching", "errors", "leading", "plans", "processes", "runner", "runrows", "tending",
    "timetable", "warehouse",
}  # fmt: skip
ROOMS: dict[str, set[str]] = {
    "pipeline.errors": set(),
    "pipeline.discovery": set(),
    "pipeline.queries": set(),
    "pipeline.locks": {"errors"},
    "pipeline.redacting": set(),
    "pipeline.logs": {"redacting"},
    "pipeline.settings": {"errors"},
    "pipeline.contracts": {"errors"},
    "pipeline.markets": {"errors", "settings"},
    "pipeline.metrics": {"errors", "models.base"},
    "pipeline.clocks": {"errors"},
    "pipeline.operations": {"errors"},
    "pipeline.machine": {"contracts", "settings", "warehouse"},
    "pipeline.status": {"errors", "freshness", "machine", "markets", "punctuality", "settings", "warehouse"},
    "pipeline.exposition": {"contracts", "status"},
    "pipeline.migrating": {"errors", "queries"},
    "pipeline.attaching": {"errors"},
    "pipeline.copying": set(),
    "pipeline.workroom": set(),
    "pipeline.generations": {"queries"},
    "pipeline.session": {"contracts", "generations", "migrating", "queries"},
    "pipeline.warehouse": {
        "attaching",
        "errors",
        "generations",
        "locks",
        "migrating",
        "queries",
        "session",
        "workroom",
    },
    "pipeline.compacting": {"attaching", "errors", "warehouse", "workroom"},
    "pipeline.archive": {"attaching", "errors"},
    "pipeline.backups": {"archive", "attaching", "doctor", "errors", "settings", "warehouse", "workroom"},
    "pipeline.restoring": {"archive", "attaching", "backups", "doctor", "errors", "settings", "warehouse", "workroom"},
    "pipeline.tidying": {"markets", "operations", "warehouse"},
    "pipeline.intake": {"errors", "markets", "sources.base"},
    "pipeline.storing": {"errors", "intake", "markets", "runner", "sources.base", "warehouse"},
    "pipeline.planning": {"sources.base"},
    "pipeline.freshness": {"markets", "warehouse"},
    "pipeline.quality": {"freshness", "markets", "warehouse"},
    "pipeline.registry": {"attaching", "errors", "warehouse", "metrics", "models.base"},
    "pipeline.channels.": {"clocks", "errors", "settings", "channels", "sources.answers"},
    "pipeline.notifying": {"alerting", "channels", "contracts", "errors", "redacting", "settings", "warehouse"},
    "pipeline.pinging": {"channels", "errors", "redacting", "settings", "warehouse"},
    "pipeline.failures": {"attaching", "errors"},
    "pipeline.processes": {"settings"},
    "pipeline.runrows": set(),
    "pipeline.alerting": {"errors", "operations", "rules.base", "warehouse"},
    "pipeline.judging": {"alerting", "attaching", "errors", "failures", "operations", "rules.base", "warehouse"},
    "pipeline.erring": {"markets", "warehouse"},
    "pipeline.rules.": RULES,
    "pipeline.runs": {"errors", "failures", "processes", "runrows", "warehouse"},
    "pipeline.recording": {"errors", "redacting", "runs", "warehouse"},
    "pipeline.runner": RUNNER,
    "pipeline.plans": {"errors", "failures", "operations", "runner"},
    "pipeline.timetable": {"plans", "warehouse"},
    "pipeline.leading": {"errors", "processes", "warehouse"},
    "pipeline.tending": {"attaching", "errors", "plans", "processes", "runrows", "runs", "warehouse"},
    "pipeline.dispatching": {
        "leading",
        "markets",
        "plans",
        "runner",
        "runrows",
        "runs",
        "tending",
        "timetable",
        "warehouse",
    },
    "pipeline.scheduler": SCHEDULER,
    "pipeline.punctuality": {"warehouse"},
    "pipeline.asof": {"queries", "warehouse"},
    "pipeline.signals": set(),
    "pipeline.accounts": {"errors"},
    "pipeline.access": {"errors"},
    "pipeline.sign_ins": {"errors"},
    "pipeline.auditing": {"errors", "warehouse"},
    "dashboard.signing.": {
        "access",
        "accounts",
        "auditing",
        "dashboard",
        "errors",
        "redacting",
        "settings",
        "sign_ins",
    },
    "pipeline.tether": set(),
    "pipeline.supervising": {"processes", "settings"},
    "pipeline.doctor": {"errors", "contracts", "warehouse"},
    "pipeline.sources.": CORE | {"sources.answers", "sources"},
    "pipeline.models.": {"errors", "models.base", "models"},
    "pipeline.backtest": NUMERIC | {"scoring", "slices"},
    "pipeline.scoring": {"intervals", "metrics", "models.base"},
    "pipeline.slices": {"calendars", "windows"},
    "pipeline.drift": {"features", "models.base", "windows"},
    "pipeline.reproducing": NUMERIC | {"discovery", "inputs", "issuing", "queries", "recall", "registry", "warehouse"},
    "pipeline.exogenous": NUMERIC - {"features", "assembly"},
    "pipeline.assembly": NUMERIC - {"features"},
    "pipeline.features": NUMERIC,
    "pipeline.intervals": NUMERIC,
    "pipeline.adapting": NUMERIC,
    "pipeline.recall": {"adapting", "intervals", "markets", "models.base", "warehouse", "windows"},
    "pipeline.issuing": NUMERIC | {"adapting", "recall", "registry"},
    "pipeline.feeds": NUMERIC,
    "pipeline.guard": NUMERIC | {"inputs", "registry"},
    "pipeline.training": NUMERIC | {"feeds", "inputs", "warehouse"},
    "pipeline.counterfactual": NUMERIC | {"inputs"},
    "pipeline.explaining": NUMERIC | {"counterfactual", "inputs", "registry"},
    "pipeline.importance": NUMERIC | {"comparing", "training"},
    "pipeline.comparing": NUMERIC | {"backtest", "guard", "registry", "training"},
    "pipeline.promoting": NUMERIC | {"discovery", "guard", "inputs", "registry", "warehouse"},
    "pipeline.preview": NUMERIC | {"discovery", "guard", "registry", "warehouse"},
    "pipeline.retention": {"markets", "warehouse"},
    "dashboard.figures.": {"dashboard.formats", "dashboard.figures", "machine"},
    "dashboard.formats": set(),
}
HOMES = {
    "duckdb": ("pipeline/attaching.py", "pipeline/session.py", "pipeline/warehouse.py", "tests/", "benchmarks/"),
    "requests": (
        "pipeline/sources/http.py",
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
    settings = set(
        re.findall(r'"((?:SEXTANT|ESIOS)_\w+)"', (ROOT / "pipeline/settings.py").read_text(encoding="utf-8"))
    )
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
