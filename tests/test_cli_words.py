"""What people type at jobs.py, wrong or right, is answered by a sentence before anything else is done."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jobs
from pipeline.commands.base import EACH
from pipeline.settings import ROOT

Said = tuple[int, str, str]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run jobs.py in this process on an empty warehouse: (exit code, output, errors)."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(jobs, "set_up", lambda *_args, **_more: None)
    monkeypatch.setenv("SEXTANT_WAREHOUSE", str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("SEXTANT_MARKETS", "demo")
    monkeypatch.setenv("SEXTANT_CONFIG", str(ROOT / "sextant.toml"))

    def called(*words: str) -> Said:
        try:
            code = jobs.main(list(words))
        except SystemExit as ended:  # how argparse refuses words
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("ingest --from 2026-13-99 --to 2026-01-01T00:00Z", "'2026-13-99' is no time; write it as 2024-01-31T00:00Z"),
        ("--now yesterday status", "'yesterday' is no time"),
        ("--now 2026-11-20 status", "'2026-11-20' needs an offset"),
        ("metrics --port 99999", "'99999' is no port; give a number from 1 to 65535"),
        ("up --port 0", "'0' is no port"),
        ("up --port web", "'web' is no port"),
        ("ingest --from 2026-01-02T00:00Z --to 2026-01-01T00:00Z", "is later than --to 2026-01-01T00:00:00+00:00"),
        ("reproduce --forecast demo.load", "is no origin; write TARGET@ORIGIN, such as"),
        ("run tidy dance", "no job is called 'dance'; there are:"),
    ],
)
def test_wrong_words_are_a_sentence_and_nothing_is_done(call: Callable[..., Said], words: str, sentence: str) -> None:
    code, out, err = call(*words.split())
    assert (code, out) == (2, "")
    assert sentence in err


def test_metrics_that_cannot_be_written_or_served_are_a_sentence(call: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert call("run", "tidy")[0] == 0
    code, _, err = call("metrics", "--file", str(tmp_path / "taken" / "metrics.prom"))
    assert (code, "cannot be written" in err, "name another file" in err) == (1, True, True)


def test_a_folder_for_backups_that_cannot_be_is_no_bug_of_ours(call: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    code, out, err = call("backup", "--to", str(tmp_path / "taken" / "backups"))
    assert code == 1
    assert "backups cannot be written to" in out
    assert "name another by SEXTANT_BACKUPS or --to." in out
    assert "Traceback" not in out + err


@pytest.mark.parametrize("words", ["list", "check-config"], ids=["at its end", "in the middle"])
def test_a_reader_who_goes_early_is_no_error(words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} jobs.py {words} | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_place_where_no_warehouse_can_lie_is_a_sentence(
    call: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("SEXTANT_WAREHOUSE", str(tmp_path / "taken" / "w.duckdb"))
    code, out, err = call("doctor")
    assert (code, out) == (1, "")
    assert "name another place by SEXTANT_WAREHOUSE." in err


def test_a_line_about_several_targets_is_a_line_each() -> None:
    told = "west.a: late; see Data; west.b-2: 1 ok, last origin 21 Nov 22:00Z; dart.x_y: nothing is due"
    assert EACH.split(told) == [
        "west.a: late; see Data",
        "west.b-2: 1 ok, last origin 21 Nov 22:00Z",
        "dart.x_y: nothing is due",
    ]
    assert EACH.split("demo.lode is no target; there are: demo.load.") == [
        "demo.lode is no target; there are: demo.load."
    ]


def test_a_run_that_failed_says_why_where_it_was_asked_for(call: Callable[..., Said]) -> None:
    code, out, _ = call("backtest", "--target", "demo.moon")
    assert code == 1
    assert out.count("no target is called 'demo.moon'; there are: demo.load.") == 1
    assert "backtest failed in" in out


def test_the_list_shows_each_plan_as_the_file_has_it(
    call: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (
        '[job.chain]\nevery_min = 10\n[job.backup]\nat = "04:15"\nzone = "Europe/Madrid"\n[job.train]\nevery_min = 60\n'
    )
    (tmp_path / "sextant.toml").write_text((ROOT / "sextant.toml").read_text(encoding="utf-8") + changes)
    monkeypatch.setenv("SEXTANT_CONFIG", str(tmp_path / "sextant.toml"))
    code, out, _ = call("list")
    plans = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert plans["backup"].endswith("daily 04:15 Europe/Madrid")
    assert plans["train"].endswith("every 60 min")
    assert plans["forecast"].endswith("every 10 min, if need be")
    assert plans["backtest"].endswith("on demand")
    assert {line[57:].split()[0] for line in plans.values()} == {"every", "daily", "on"}
