"""The store of sessions: real SQLite, two processes, expiry by a clock that is given."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.signing import throttle
from dashboard.signing.throttle import Throttle, of_address, of_name
from pipeline.errors import SessionsUnusable
from pipeline.settings import ROOT
from pipeline.sign_ins import SignIns

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=12)
SECOND = timedelta(seconds=1)
END_IN_ANOTHER_PROCESS = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from pipeline.sign_ins import SignIns
store = SignIns(Path(sys.argv[1]), idle=timedelta(minutes=30), longest=timedelta(hours=12))
now = datetime.fromisoformat(sys.argv[2])
print(len(store.alive(now)), store.end_all("ana", why="revoked", now=now))
"""


@pytest.fixture
def store(tmp_path: Path) -> SignIns:
    return SignIns(tmp_path / "sessions.sqlite", idle=IDLE, longest=LONGEST)


def begun(store: SignIns, user: str = "ana", now: datetime = NOW) -> str:
    return store.begin(user, mode="password", stamp="s", now=now, address="10.0.0.1", agent="x" * 500)


def test_a_session_holds_until_its_user_is_idle_for_too_long(store: SignIns) -> None:
    secret = begun(store)
    assert store.find(secret, NOW + IDLE) is not None
    assert store.find(secret, NOW + IDLE + SECOND) is None
    store.touch(secret, NOW + IDLE)
    assert store.find(secret, NOW + IDLE * 2) is not None


def test_no_sign_of_life_makes_it_last_longer_than_the_longest(store: SignIns) -> None:
    secret, now = begun(store), NOW
    while now - NOW < LONGEST:
        now += timedelta(minutes=20)
        store.touch(secret, now)
    assert store.find(secret, NOW + LONGEST) is not None
    assert store.find(secret, NOW + LONGEST + SECOND) is None


def test_signs_are_written_once_a_minute(store: SignIns, tmp_path: Path) -> None:
    secret = begun(store)
    store.touch(secret, NOW + timedelta(seconds=59))
    assert store.alive(NOW)[0].seen == NOW
    store.touch(secret, NOW + timedelta(seconds=60))
    assert store.alive(NOW)[0].seen == NOW + timedelta(seconds=60)


def test_the_secret_is_stored_nowhere_and_the_file_is_the_owners(store: SignIns, tmp_path: Path) -> None:
    secret = begun(store)
    assert len(secret) >= 43
    files = list(tmp_path.iterdir())
    assert all(secret.encode() not in file.read_bytes() for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_forged_or_missing_secret_is_nobodys(store: SignIns) -> None:
    assert store.find("anything", NOW) is None
    secret = begun(store)
    identity = store.alive(NOW)[0].id
    for wrong in ("", "anything", secret[:-1], identity, secret.upper()):
        assert store.find(wrong, NOW) is None


def test_another_process_ends_them_and_this_one_knows_at_once(store: SignIns, tmp_path: Path) -> None:
    secrets = [begun(store), begun(store), begun(store, "bob")]
    assert all(store.find(one, NOW) for one in secrets)
    command = [sys.executable, "-c", END_IN_ANOTHER_PROCESS, str(tmp_path / "sessions.sqlite"), NOW.isoformat()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "2"]
    assert [store.find(one, NOW) is not None for one in secrets] == [False, False, True]
    store.touch(secrets[0], NOW + timedelta(minutes=2))
    assert store.find(secrets[0], NOW + timedelta(minutes=2)) is None


def test_ending_what_is_not_there_ends_nothing(store: SignIns) -> None:
    assert store.end_all("ana", why="x", now=NOW) == 0
    assert store.alive(NOW) == []
    secret = begun(store)
    store.end("other", why="x", now=NOW)
    assert store.find(secret, NOW)
    store.end(secret, why="x", now=NOW)
    assert store.find(secret, NOW) is None


def test_old_sessions_are_forgotten(store: SignIns) -> None:
    begun(store)
    begun(store, now=NOW + timedelta(days=31))
    with store._open() as file:
        assert file.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_a_file_that_is_none_or_locked_is_told_and_mended_by_taking_it_away(store: SignIns, tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    file.write_bytes(b"junk" * 4000)
    for use in (lambda: store.find("secret", NOW), lambda: store.touch("secret", NOW), lambda: begun(store)):
        with pytest.raises(SessionsUnusable, match=r"sessions\.sqlite cannot be used"):
            use()
    file.unlink()
    secret = begun(store)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.find(secret, NOW) is not None
    file.unlink()
    file.mkdir()
    with pytest.raises(SessionsUnusable):
        store.find(secret, NOW)


def test_rows_for_the_audit_wait_in_order_and_are_no_more_than_so_many(
    store: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.kept() == {}
    for n in (2, 1, 2):
        store.keep(str(n), {"actor": f"a{n}"})
    assert list(store.kept().items()) == [("2", {"actor": "a2"}), ("1", {"actor": "a1"})]
    monkeypatch.setattr("pipeline.sign_ins.UNWRITTEN", 2)
    with pytest.raises(SessionsUnusable, match="wait for the warehouse already"):
        store.keep("3", {})
    store.drop(["2"])
    assert list(store.kept()) == ["1"]


def test_where_somebody_signed_in_from_is_known(store: SignIns) -> None:
    assert store.addresses("ana") == set()
    store.end(begun(store), why="x", now=NOW)
    assert (store.addresses("ana"), store.addresses("bob")) == ({"10.0.0.1"}, set())


def tried(one: Throttle, times: int, now: datetime, name: str = "ana", address: str = "10.0.0.1") -> list[bool]:
    return [one.begin((of_name(name), of_address(address)), now) is None for _ in range(times)]


def test_five_failures_are_free_then_waits_grow_and_end() -> None:
    one = Throttle()
    assert tried(one, 7, NOW) == [True] * 5 + [False] * 2
    waits, now = [], NOW
    for _ in range(4):
        wait = one.begin((of_name("ana"),), now)
        assert wait is not None
        waits.append(wait)
        now += wait
        assert one.begin((of_name("ana"),), now) is None
    assert waits == [throttle.FIRST * 2**n for n in range(4)]
    assert tried(one, 1, now + throttle.FORGOTTEN + SECOND) == [True]
    assert one.tries(of_name("ana"), now + throttle.FORGOTTEN + SECOND) == 1


def test_names_and_addresses_count_by_themselves() -> None:
    one = Throttle()
    assert all(tried(one, 1, NOW, name=f"n{n}")[0] for n in range(5))
    assert tried(one, 1, NOW, name="n6") == [False]
    assert tried(one, 1, NOW, name="n6", address="10.0.0.2") == [True]
    assert of_address("2001:db8::1") == of_address("2001:db8::ffff") != of_address("2001:db9::1")
    assert of_address("::ffff:10.0.0.1") == of_address("10.0.0.1") != of_address("::ffff:10.0.0.2")
    assert of_name(" ANA ") == of_name("ana") != of_name("ana", "10.0.0.1")
    assert of_address("nonsense") == "address nonsense"


def test_a_right_password_forgives_the_name_and_its_own_try() -> None:
    one = Throttle()
    tried(one, 5, NOW)
    one.good(of_name("ana"), (of_address("10.0.0.1"),))
    assert tried(one, 2, NOW) == [True, False]


def test_a_flood_of_names_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS", 100)
    one = Throttle()
    for n in range(300):
        one.begin((of_name(str(n)), of_address("10.0.0.1")), NOW + timedelta(hours=n))
    assert len(one._counts) == 100


def test_a_flood_of_others_makes_nobodys_wait_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS", 100)
    one = Throttle()
    tried(one, 6, NOW)
    for n in range(300):
        one.begin((of_name(str(n)), of_address(f"2001:db8:0:{n:x}::1")), NOW)
    assert one.begin((of_name("ana"),), NOW) == throttle.FIRST
    assert len(one._counts) == 100


def test_what_could_not_be_decided_counts_against_nobody() -> None:
    one = Throttle()
    keys = (of_name("ana"), of_address("10.0.0.1"))
    for _ in range(20):
        assert one.begin(keys, NOW) is None
        one.undecided(keys)
    assert [one.tries(key, NOW) for key in keys] == [0, 0]
