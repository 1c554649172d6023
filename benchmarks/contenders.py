"""Dataset + contender -> its forecasts of every origin of a window, computed in a process of its own and cached."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.datasets import HOUR, Dataset
from benchmarks.places import CACHE, peers_python
from pipeline import models
from pipeline.calendars import Clock, Days
from pipeline.models import forest_recursive
from pipeline.models.base import Batch, Floats
from pipeline.settings import ROOT
from pipeline.windows import WINDOW_HOURS

PEERS = ROOT / "benchmarks" / "peers"
MODELS = Path(models.__path__[0])
EXTRAS = ("lightgbm", "xgboost")
CALENDAR = ("holiday", "eve", "after", "bridge", "christmas", "weekday")


@dataclass(frozen=True)
class Peer:
    """A peer's script in benchmarks/peers, plain or on differences."""

    name: str
    script: str
    difference: bool


@dataclass(frozen=True)
class Ours:
    """A family of pipeline.models.

    `extras` False hides the optional libraries, `operator` gives its forecast as an input, `tails` False takes
    the last minutes of each hour away.
    """

    name: str
    family: str
    extras: bool = True
    operator: bool = False
    tails: bool = True


FIELD = (
    Peer("skforecast", "skforecast_recursive.py", False),
    Peer("skforecast diff", "skforecast_recursive.py", True),
    Peer("mlforecast", "mlforecast_recursive.py", False),
    Peer("mlforecast diff", "mlforecast_recursive.py", True),
)
FOREST = Ours("forest_recursive", "forest_recursive")


@dataclass(frozen=True)
class Answer:
    """Forecasts (n, 6) of the window's origins in MW and the CPU seconds they took, fit included."""

    values: Floats
    cpu_s: float


def ask(contender: Peer | Ours, dataset: Dataset, window: str, *, quick: bool, fresh: bool) -> Answer:
    """The contender's forecasts, from the cache unless `fresh`.

    Raises CalledProcessError when its process fails and FileNotFoundError without the peers' environment.
    """
    if isinstance(contender, Peer):
        return _peer(contender, dataset, window, fresh)
    return _ours(contender, dataset, window, quick, fresh)


def peers_hours(dataset: Dataset, window: str) -> pd.DataFrame:
    """What a peer is given: every hour's y, holes filled from the hours before, and its local calendar.

    It reaches as far back as our features do, and six hours beyond the last origin.
    """
    period = dataset.periods[window]
    hours = np.arange(period.train_from - np.timedelta64(WINDOW_HOURS, "h"), period.last + 7 * HOUR)
    local = Clock.over(hours[0], hours[-1], zone=dataset.zone).local_of(hours)
    days = Days.over(int(local[0] // 24), int(local[-1] // 24), country=dataset.country)
    place = local // 24 - days.first
    columns = {name: getattr(days, name)[place].astype(np.int64) for name in CALENDAR}
    month = (local.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12) + 1
    index = pd.DatetimeIndex(hours.astype("datetime64[us]"))
    known = dataset.hourly.reindex(index).to_numpy(dtype=np.float64)
    off = np.maximum(columns["holiday"], (columns["weekday"] >= 5).astype(np.int64))
    return pd.DataFrame({"y": filled(known), "hour": local % 24, "month": month, "off": off} | columns, index=index)


def filled(values: Floats) -> Floats:
    """Missing hours replaced from the hours before: y(u-168) + y(u-1) - y(u-169), as our own features do."""
    values = values.copy()
    for place in np.flatnonzero(np.isnan(values)):
        if place >= 169:
            values[place] = values[place - 168] + values[place - 1] - values[place - 169]
    first = int(np.argmax(~np.isnan(values)))
    values[:first] = values[first]
    return pd.Series(values).ffill().to_numpy()


def slimmed(family: str, batch: Batch) -> Batch:
    """The part of a batch that the family looks at: the forest only the recent hours and the calendar."""
    if family != FOREST.family:
        return batch
    keep = [batch.target_names.index(name) for name in forest_recursive.CALENDAR]
    return replace(
        batch,
        shared=batch.shared[:, :0],
        shared_names=(),
        target=np.ascontiguousarray(batch.target[:, :, keep]),
        target_names=forest_recursive.CALENDAR,
    )


def _peer(peer: Peer, dataset: Dataset, window: str, fresh: bool) -> Answer:
    hours, period = peers_hours(dataset, window), dataset.periods[window]
    code = [PEERS / "exchange.py", PEERS / peer.script]
    text = f"{peer}{period}"
    answer = _cached(dataset.name, peer.name, _key(text, code, [hours.to_numpy(np.float64)]))
    if fresh or not answer.exists():
        source = answer.with_suffix(".in")
        hours.to_parquet(source)
        flags = [f"--first={period.first}", f"--last={period.last}", *["--difference"] * peer.difference]
        _run([str(peers_python()), str(PEERS / peer.script), str(source)], answer, flags)
        source.unlink()
    return _read(answer)


def _ours(ours: Ours, dataset: Dataset, window: str, quick: bool, fresh: bool) -> Answer:
    dataset = dataset if ours.tails else dataset.without_tails()
    batch = slimmed(ours.family, dataset.built(window, operator=ours.operator).batch)
    code = [MODELS / "forest_recursive.py"] if ours.family == FOREST.family else sorted(MODELS.glob("*.py"))
    arrays = [batch.shared, batch.target, batch.recent, batch.level, dataset.actuals(window).value]
    answer = _cached(dataset.name, ours.name, _key(f"{ours}{dataset.periods[window]}", code, arrays))
    if fresh or not answer.exists():
        flags = ["--quick"] * quick + ["--operator"] * ours.operator + ["--no-tails"] * (not ours.tails)
        flags += [] if ours.extras else [f"--without={','.join(EXTRAS)}"]
        _run([sys.executable, "-m", "benchmarks.ours", dataset.name, window, ours.family], answer, flags)
    return _read(answer)


def _run(command: list[str], answer: Path, flags: list[str]) -> None:
    """One thread for everybody; what a library prints is shown only when it fails, and only whole answers are kept."""
    part = answer.with_suffix(".part")
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*command, str(part), *flags], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    done.check_returncode()
    part.replace(answer)


def _key(text: str, code: Iterable[Path], arrays: Iterable[Floats]) -> str:
    digest = hashlib.sha256(text.encode())
    for path in code:
        digest.update(path.read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _cached(dataset: str, contender: str, key: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE / f"{dataset}-{contender.replace(' ', '_')}-{key}.parquet"


def _read(path: Path) -> Answer:
    frame = pd.read_parquet(path)
    return Answer(frame.filter(regex=r"^h\d$").to_numpy(), float(frame["cpu_s"].iloc[0]))
