"""init and check-config: a first file, what is understood of one, and that both work while it is broken."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import jobs
from dashboard import data, server
from pipeline.configuring.markets import check
from pipeline.configuring.tables import MARKET, SERIES, TARGET
from pipeline.discovery import declared, discover, find, listed
from tests.configured import BASE, written

Said = tuple[int, str, str]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run jobs.py in this process on the file of `tmp_path`: (exit code, output, errors)."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(jobs, "set_up", lambda *_args, **_more: None)

    monkeypatch.chdir(tmp_path)

    def called(*words: str, markets: str = "north") -> Said:
        for name, value in {"CONFIG": "sextant.toml", "WAREHOUSE": "w.duckdb"}.items():
            monkeypatch.setenv(f"SEXTANT_{name}", str(tmp_path / value))
        monkeypatch.setenv("SEXTANT_MARKETS", markets)
        code = jobs.main(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


def test_a_first_file_is_sound_as_it_stands_and_explains_every_key(tmp_path: Path, call: Callable[..., Said]) -> None:
    code, out, _ = call("init", "--market", "north")
    assert (code, f"wrote {tmp_path / 'sextant.toml'}" in out) == (0, True)
    found = check(tmp_path / "sextant.toml")
    assert (found.mistakes, list(found.markets)) == ((), ["north"])
    code, out, _ = call("check-config")
    assert code == 0
    assert out.splitlines()[-1] == "1 market, 1 target: sound"


def test_every_key_of_the_first_file_is_good_when_it_is_used(tmp_path: Path, call: Callable[..., Said]) -> None:
    """What is commented out is what one uncomments; so uncomment all that is no default of a thing there is not."""
    call("init")
    path = tmp_path / "sextant.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = [one for one in lines if (one.startswith("# ") and "=" in one) or one.startswith("# [")]
    plain = [one[2:] if one in keys and '"..."' not in one and "`" not in one else one for one in lines]
    path.write_text("\n".join(plain), encoding="utf-8")
    assert check(path).mistakes == ()
    target = path.read_text(encoding="utf-8").partition("[market.mine.target.load]")[2]
    told = path.read_text(encoding="utf-8")
    assert not [key for key in (*MARKET, *SERIES) if key not in told]
    assert not [key for key in TARGET if key not in target]


def test_what_is_there_is_not_written_over_unless_one_says_so(tmp_path: Path, call: Callable[..., Said]) -> None:
    path = written(tmp_path, "precious = true")
    code, _, err = call("init")
    assert (code, path.read_text(encoding="utf-8")) == (1, "precious = true")
    assert err.strip() == (
        f"ConfigError: {path} is there already and stays as it is; say another path, such as `python jobs.py init "
        "mine/`, or --force (the old one is kept beside it)."
    )
    for kept in ("sextant.toml.bak", "sextant.toml.bak2"):
        assert call("init", "--force")[:2] == (0, f"kept the old file as {tmp_path / kept}\n" + told(path))
        assert "precious" not in path.read_text(encoding="utf-8")
    assert (tmp_path / "sextant.toml.bak").read_text(encoding="utf-8") == "precious = true"


def told(path: Path) -> str:
    """What is said of a file that was written."""
    return (
        f"wrote {path}\nnext: put files into {path.parent / 'data'}, set SEXTANT_CONFIG={path} and "
        "SEXTANT_MARKETS=mine,\nthen `python jobs.py check-config` and `python jobs.py demo`\n"
    )


def test_the_file_is_written_where_one_stands_and_folders_are_made(tmp_path: Path, call: Callable[..., Said]) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    os.chdir(folder)
    for word, path in (
        ("", folder / "sextant.toml"),
        ("mine/", folder / "mine" / "sextant.toml"),
        ("a/b", folder / "a" / "b" / "sextant.toml"),
        (str(tmp_path), tmp_path / "sextant.toml"),
        ("own/market.toml", folder / "own" / "market.toml"),
    ):
        assert call("init", *[one for one in (word,) if one])[:2] == (0, told(path))
        assert path.is_file()
    os.chdir(tmp_path)
    assert call("init", str(tmp_path / "sub"), "--market", "a.b")[2].startswith("ConfigError: 'a.b' is no name")
    (tmp_path / "file").touch()
    assert "cannot be written" in call("init", str(tmp_path / "file" / "sextant.toml"))[2]


def test_check_says_what_it_understood(tmp_path: Path, call: Callable[..., Said]) -> None:
    text = BASE.replace('title = "DART"', 'title = "DART"\noff = true').replace('demo = "price"', 'esios = "600"')
    written(
        tmp_path,
        text.replace('["demo", "weather"]', '["demo", "weather", "esios"]').replace("parts", "every_h = 6\nparts"),
    )
    code, out, _ = call("check-config")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "north: North, Europe/Madrid, holidays of ES, EUR, active"
    assert "  source demo: ready" in lines
    assert any(line.startswith("  source esios: esios needs a token: set ESIOS_API_KEY") for line in lines)
    assert "  series north.load: measured, MW, every 5 min, from demo" in lines
    assert "  series north.warm: forecast, degC, every 60 min, of city, from weather" in lines
    assert (
        "  series north.early: price, EUR/MWh, every 60 min, will not be fetched: no source that has it is ready"
    ) in lines
    (target,) = [line for line in lines if line.startswith("  target north.load")]
    assert target == (
        "  target north.load: load of north.load, T+1 to T+6, every 6 h, operator north.plan, inputs plan warm, "
        "metrics mae rmse mape bias mase skill coverage, the sum of north.half"
    )
    assert "  target north.dart: switched off" in lines
    assert lines[-1] == "1 market, 2 targets: sound"
    code, out, _ = call("check-config", markets="south")
    assert (code, "not active: SEXTANT_MARKETS does not name it" in out) == (1, True)
    assert out.splitlines()[-1] == "SEXTANT_MARKETS names south, which this file has not; it has north"


def test_check_lists_every_mistake_where_other_commands_are_refused(tmp_path: Path, call: Callable[..., Said]) -> None:
    written(tmp_path, BASE.replace("cadence_min = 5\n", 'cadence_min = "five"\n').replace('"plan", "warm"', '"plna"'))
    code, out, _ = call("check-config")
    assert code == 1
    assert out.splitlines() == [
        'sextant.toml:18: market.north.series.load has cadence_min "five"; write whole minutes such as 5.',
        'sextant.toml:66: market.north.target.load has input "plna", which is no series of its market; did you mean '
        "plan?",
        "2 mistakes: mend sextant.toml and check again",
    ]
    for words in (("list",), ("doctor",), ("run", "ingest"), ("schedule", "--no-wait"), ("up",)):
        code, _, err = call(*words)
        assert code in (1, 3)
        assert err.startswith("ConfigError: sextant.toml:18: ")
        assert err.rstrip().endswith("such as 5. And 1 more: run `python jobs.py check-config`.")
    assert not (tmp_path / "w.duckdb").exists()


def test_the_dashboard_is_refused_at_its_door_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, BASE.replace('zone = "Europe/Madrid"', "zone = 1"))
    monkeypatch.setenv("SEXTANT_CONFIG", str(tmp_path / "sextant.toml"))
    monkeypatch.setenv("SEXTANT_MARKETS", "north")
    data.desk.cache_clear()
    assert server.main([]) == 1
    data.desk.cache_clear()
    assert capsys.readouterr().err.startswith("ConfigError: sextant.toml:3: market.north has zone 1; write a time zone")


def test_check_of_what_is_no_toml_is_one_sentence(tmp_path: Path, call: Callable[..., Said]) -> None:
    written(tmp_path, "[market.north\n")
    code, out, err = call("check-config")
    assert (code, out) == (1, "")
    assert err.startswith("ConfigError: sextant.toml:1: Expected ']'")


def test_plug_ins_are_named_from_their_files_as_they_are_when_loaded() -> None:
    for package, constant in (("pipeline.jobs", "JOB"), ("pipeline.sources", "SOURCE")):
        assert set(declared(package, constant)) == set(discover(package, constant))
    assert find("pipeline.commands", "check-config", "COMMAND").name == "check-config"
    assert "stale_data" in listed("pipeline.rules", "RULES")
