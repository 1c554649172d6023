"""Units, Dockerfile and compose.yaml start what exists, and systemd understands its share."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.discovery import discover
from pipeline.settings import ROOT

UNITS = sorted((ROOT / "deploy").glob("*.service"))
COMMANDS = set(discover("pipeline.commands", "COMMAND"))


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    return parser


def test_there_is_a_unit_for_each_process() -> None:
    assert [path.stem for path in UNITS] == ["sextant-dashboard", "sextant-scheduler"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_restarts_a_process_that_exists_and_lets_it_stop_in_order(path: Path) -> None:
    service = unit(path)["Service"]
    started = service["ExecStart"].split()[1:]
    assert started[0] == "jobs.py" or started[:2] == ["-m", "dashboard.server"]
    assert started[1] in COMMANDS or "--address 127.0.0.1" in service["ExecStart"]
    assert service["Restart"] == "always"
    assert int(service["TimeoutStopSec"]) >= 20
    assert service["EnvironmentFile"].startswith("-")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_understands_the_unit(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not on this machine: the unit was not verified")
    copy = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/sextant/.venv/bin/python", "/bin/true").replace("/opt/sextant", "/tmp"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_holds_what_runs_and_not_what_is_private() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / one).exists() for one in name.split())
    assert {"pipeline", "dashboard", "jobs.py"} <= set(re.findall(r"[\w.]+", " ".join(re.findall(r"COPY (.+)", text))))
    assert "USER sextant" in text
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    private = {"users.toml*", "sessions.sqlite*", ".env", ".streamlit/secrets.toml"}
    assert {".git", "warehouse.duckdb*", ".venv*"} | private <= set(ignored)
    assert private <= set((ROOT / ".gitignore").read_text(encoding="utf-8").split())


def test_compose_runs_both_on_one_volume_and_publishes_on_loopback_only() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"jobs\.py (\w+)", text)) <= COMMANDS
    assert re.findall(r'ports: \["([^"]+)"\]', text) == ["127.0.0.1:8501:8501"]
    assert text.count("*volumes") == 1
    assert "&volumes" in text
    assert "stop_grace_period" in text
    # Beyond its own loopback the server starts with sign-in only.
    assert "0.0.0.0" in text
    assert "SEXTANT_AUTH: ${SEXTANT_AUTH:-password}" in text
    assert not re.search(r"(TOKEN|PASSWORD|SECRET|KEY)\s*[:=]\s*\S", text)
