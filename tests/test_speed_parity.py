"""What is fast gives the numbers of what is slow: many series at once, lines of hours, and pandas."""

from pathlib import Path

import holidays
import numpy as np
import pandas as pd
import pytest

from pipeline import features, windows
from pipeline.features import Built, build, build_each
from tests.hourly import BESIDE, COUNTRY, ZONE, bits, build_at, history, hours, issued, subset, with_vintages

FIELD = Path(__file__).parents[1] / "benchmarks" / "speed_peers"
CLOCK_CHANGE = "2024-03-31"


def joined(builds: list[Built]) -> list[bytes]:
    """The numbers of several builds as of one."""
    parts = [[np.frombuffer(one, dtype=np.uint8) for one in bits(built)] for built in builds]
    return [np.concatenate(column).tobytes() for column in zip(*parts, strict=True)]


def test_many_series_at_once_give_the_rows_of_each_alone() -> None:
    plain = [history("2024-02-01", 60, seed=seed) for seed in range(4)]
    broken = [with_vintages(one, seed=seed) for seed, one in enumerate(plain)]
    none = subset(plain[0], np.zeros(len(plain[0]), dtype=bool))
    series = [*plain, *broken, none]
    origins = np.datetime64(f"{CLOCK_CHANGE}T00", "h") - np.arange(len(series))
    together = build_each(series, origins, issued(origins), zone=ZONE, country=COUNTRY)
    alone = [
        build(one, origins[k : k + 1], issued(origins[k : k + 1]), zone=ZONE, country=COUNTRY)
        for k, one in enumerate(series)
    ]
    assert bits(together) == joined(alone)


def test_no_series_make_no_rows() -> None:
    nothing = np.empty(0, dtype="datetime64[h]")
    assert len(build_each([], nothing, issued(nothing), zone=ZONE, country=COUNTRY).batch) == 0


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "with a hole"])
def test_rows_read_from_a_line_of_hours_are_those_of_their_windows(
    broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, origins = history("2024-02-01", 100), hours("2024-03-20", 20)
    if broken:
        source = subset(source, ~np.isin(source.valid_at, hours("2024-04-06", 1)[3:7]))
    monkeypatch.setattr(features, "CHUNK", 100)
    fast = build_at(source, origins)
    monkeypatch.setattr(windows.Windows, "_whole", lambda self, offsets, ranks: np.zeros(len(offsets), dtype=bool))
    slow = build_at(source, origins)
    assert bits(fast) == bits(slow)
    assert [getattr(fast, name).tobytes() for name in BESIDE] == [getattr(slow, name).tobytes() for name in BESIDE]


@pytest.mark.parametrize("script", ["pandas_features", "pandas_by_hand"])
def test_the_field_computes_our_columns(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FIELD))
    module = pytest.importorskip(script)
    stamps = pd.date_range("2024-02-01", end="2024-04-09", inclusive="left", freq="5min", tz="UTC")
    value = 1000 + 100 * np.sin(np.arange(len(stamps)) / 46) + np.random.default_rng(0).normal(0, 9, len(stamps))
    raw = pd.DataFrame({"series": "a", "valid_at": stamps, "value": value})
    off = [str(day) for day in holidays.country_holidays(COUNTRY, years=2024)]
    read = getattr(module, "all_series", None) or module.features
    theirs = read(raw, ZONE, off)
    ours = build_at(hourly(raw), hours("2024-03-10", 30)).batch
    rows = slice(-len(ours), None)
    for name in features.SHARED_NAMES:
        mine = ours.shared[:, ours.shared_names.index(name)]
        assert theirs["shared"][name].to_numpy()[rows] == pytest.approx(mine, abs=1e-6), name
    for name in features.TARGET_NAMES:
        for h in range(6):
            mine = ours.target[:, h, ours.target_names.index(name)]
            assert theirs[f"h{h + 1}"][name].to_numpy()[rows] == pytest.approx(mine, abs=1e-6), name


def hourly(raw: pd.DataFrame) -> features.History:
    """Hourly means and those of the last minutes."""
    points = raw.set_index("valid_at")["value"]
    columns = {"value": points.resample("h").mean()}
    for name, minute in (("last_05", 55), ("last_15", 45), ("last_30", 30)):
        columns[name] = points[points.index.minute >= minute].resample("h").mean()
    frame = pd.DataFrame(columns).rename_axis("valid_at").reset_index()
    return features.History.of(frame.assign(known_at=frame["valid_at"] + pd.Timedelta(minutes=70)))
