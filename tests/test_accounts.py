"""The users file: real argon2id, changes that end sessions, and what is refused."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.access import load_access
from pipeline.accounts import Accounts
from pipeline.errors import AccountRefused, ConfigError
from pipeline.settings import ROOT, Settings
from tests.conftest import Desk, ask

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
CHEAP = (1, 64, 1)
WORD = "correct horse battery"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    made = Accounts(tmp_path / "users.toml", CHEAP)
    made.add("ana", "admin", WORD, NOW)
    return made


def test_only_the_right_password_of_an_existing_user_is_good(accounts: Accounts) -> None:
    found = accounts.check("ana", WORD)
    assert found is not None
    assert (found.name, found.role) == ("ana", "admin")
    assert accounts.check("ana", WORD + " ") is None
    assert accounts.check("bob", WORD) is None
    assert accounts.check("", "") is None


def test_the_file_is_the_owners_and_holds_no_password(accounts: Accounts, tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert "$argon2id$" in text
    assert WORD not in text


def test_a_file_that_others_can_read_is_not_used(accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "users.toml").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        accounts.check("ana", WORD)


@pytest.mark.parametrize(
    "text",
    [
        "[users.ana]\nrole = 'chief'\npassword = 'x'\n",
        "[users.ana]\nrole = 'viewer'\npassword = 5\n",
        "[users.ana]\nrole = ['viewer']\npassword = 'x'\n",
        "[users.ana]\n",
        "users = 3",
        "[",
    ],
)
def test_a_broken_file_lets_nobody_in(accounts: Accounts, tmp_path: Path, text: str) -> None:
    (tmp_path / "users.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"users\.toml"):
        accounts.check("ana", WORD)


def test_a_folder_or_a_link_to_itself_in_its_place_lets_nobody_in(accounts: Accounts, tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    file.unlink()
    file.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"users\.toml cannot be read"):
        accounts.check("ana", WORD)
    file.rmdir()
    file.symlink_to(file)
    with pytest.raises(ConfigError, match=r"users\.toml cannot be read"):
        accounts.check("ana", WORD)


def test_a_file_that_cannot_be_written_keeps_nobody_out(
    accounts: Accounts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "users.toml.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    lock.unlink()
    lock.mkdir()
    dearer = Accounts(tmp_path / "users.toml", (2, 64, 1))
    assert dearer.check("ana", WORD) is not None
    assert "the hash of ana keeps its old cost" in caplog.text


def test_a_stamp_changes_with_role_and_password_and_with_nothing_else(accounts: Accounts, tmp_path: Path) -> None:
    stamps = [accounts.all()["ana"].stamp]
    accounts.set_role("ana", "viewer")
    stamps.append(accounts.all()["ana"].stamp)
    accounts.set_password("ana", "another horse battery", NOW + timedelta(minutes=1))
    stamps.append(accounts.all()["ana"].stamp)
    assert len(set(stamps)) == 3
    grown = Accounts(tmp_path / "users.toml", (2, 128, 1))
    assert grown.check("ana", "another horse battery") is not None
    assert "m=128,t=2" in grown.all()["ana"].hash
    assert accounts.all()["ana"].stamp == stamps[2]
    assert accounts.check("ana", "another horse battery") is not None


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("ana", "viewer", WORD),
        ('b"ob', "viewer", WORD),
        ("", "viewer", WORD),
        ("x" * 65, "viewer", WORD),
        ("bob", "chief", WORD),
        ("bob", "viewer", "too short"),
        ("bob", "viewer", "x" * 1025),
    ],
)
def test_what_is_no_account_is_refused(accounts: Accounts, name: str, role: str, password: str) -> None:
    with pytest.raises(AccountRefused):
        accounts.add(name, role, password, NOW)
    assert list(accounts.all()) == ["ana"]


def test_changes_of_nobody_are_refused(accounts: Accounts) -> None:
    for change in (
        lambda: accounts.set_role("bob", "viewer"),
        lambda: accounts.set_role("ana", "chief"),
        lambda: accounts.set_password("bob", WORD, NOW),
        lambda: accounts.remove("bob"),
    ):
        with pytest.raises(AccountRefused):
            change()
    accounts.remove("ana")
    assert accounts.all() == {}


def test_the_cost_is_that_of_the_recommendation_unless_it_is_set(tmp_path: Path) -> None:
    assert Settings.load({}).auth.argon2 == (3, 65536, 4)
    honest = Accounts(tmp_path / "users.toml", Settings.load({}).auth.argon2)
    honest.add("ana", "viewer", WORD, NOW)
    assert honest.all()["ana"].hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    for wrong in ("3", "3,4,4", "a,b,c", "0,64,1"):
        with pytest.raises(ConfigError, match="SEXTANT_ARGON2"):
            Settings.load({"SEXTANT_ARGON2": wrong})


def test_the_command_line_adds_changes_and_removes_and_tells_the_audit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"SEXTANT_WAREHOUSE": str(desk.settings.warehouse), "SEXTANT_ARGON2": "1,64,1", "PATH": "/usr/bin:/bin"}

    def jobs(*words: str, given: str = "") -> tuple[int, str]:
        command = [sys.executable, str(ROOT / "jobs.py"), *words]
        done = subprocess.run(command, env=env, input=given, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    assert jobs("users", "list")[1].startswith("no users in")
    assert jobs("users", "add", "olga", "--role", "operator", given=f"{WORD}\n") == (
        0,
        "olga added as operator; sessions ended: 0\n",
    )
    assert jobs("users", "add", "vera", "--role", "viewer", given="short\n")[0] == 1
    assert "olga                     operator  password of" in jobs("users", "list")[1]
    assert jobs("users", "password", "olga", given="another horse battery")[0] == 0
    assert jobs("users", "role", "olga", "--role", "admin")[0] == 0
    assert jobs("users", "remove", "olga")[0] == 0
    rows = ask(desk, "SELECT action, outcome, actor, subject FROM audit ORDER BY acted_at")
    assert rows.values.tolist() == [["account", "ok", "cli", "olga"]] * 4
    assert WORD not in str(ask(desk, "SELECT * FROM audit").values.tolist())


def test_access_gives_the_highest_role_and_none_to_others(tmp_path: Path) -> None:
    file = tmp_path / "sextant.toml"
    file.write_text(
        '[access]\nviewer = ["Vera@example.org", "ana@example.org"]\nadmin = ["ana@example.org"]\n'
        '[access.groups]\ndesk = "operator"\n',
        encoding="utf-8",
    )
    access = load_access(file)
    assert access.role_of("ANA@example.org") == "admin"
    assert access.role_of("vera@example.org") == "viewer"
    assert access.role_of("vera@example.org", ["desk", "else"]) == "operator"
    assert access.role_of("eve@example.org", ["else"]) is None
    assert load_access(ROOT / "sextant.toml").role_of("ana@example.org") is None


@pytest.mark.parametrize(
    "text", ["[access]\nchief = []\n", "[access]\nadmin = 'ana'\n", "[access.groups]\na = 'chief'\n", "["]
)
def test_access_that_says_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sextant.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_access(tmp_path / "sextant.toml")
