"""Dataset -> bands of the field on every origin of a window: LightGBM quantile regression, plain and conformalised.

Both see the same features as our families and learn the change from T, per horizon and level. CQR is Romano,
Patterson & Candes 2019, "Conformalized quantile regression": models that do not know the last 60 days before the
window are corrected by their misses there; `rolling` corrects them anew each day by the last 60 days known.
"""

import hashlib
from collections.abc import Callable, Sequence

import lightgbm
import numpy as np
from tqdm import tqdm

from benchmarks.datasets import HOUR, Dataset
from benchmarks.places import CACHE
from pipeline.intervals import EDGES, NOMINAL
from pipeline.models.base import Batch, Floats
from pipeline.windows import Times

PLAIN, CONFORMAL, ROLLING = "LightGBM quantiles", "CQR", "CQR, rolling"
DAYS = 60
TREES = 400
SETTINGS = {
    "objective": "quantile",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "max_bin": 63,
    "feature_fraction": 0.5,
    "num_threads": 1,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
PAIRS = ((1, 2, 0.8), (0, 3, 0.9))


def bands(dataset: Dataset, window: str, *, fresh: bool) -> dict[str, Floats]:
    """Edges (n, H, 4) of the window's origins by contender."""
    batch, actual = dataset.built(window).batch, dataset.actuals(window).value
    first = dataset.periods[window].first
    plain = _fitted(dataset.name, batch, actual, learn_to=first, forecast_from=first, fresh=fresh)
    start = max(first - DAYS * 24 * HOUR, batch.origins[len(batch) // 3])
    raw = _fitted(dataset.name, batch, actual, learn_to=start, forecast_from=start, fresh=fresh)
    late = batch.origins[batch.origins >= start] >= first
    truth = actual[batch.origins >= start]
    return {PLAIN: plain, CONFORMAL: _conformal(raw, truth, late), ROLLING: _rolling(raw, truth, late)}


def _fitted(
    name: str, batch: Batch, actual: Floats, *, learn_to: np.datetime64, forecast_from: np.datetime64, fresh: bool
) -> Floats:
    """Edges of the origins from `forecast_from` on by models of what was known at `learn_to`."""
    past, ahead = batch.origins < learn_to - actual.shape[1] * HOUR, batch.origins >= forecast_from

    def fit() -> Floats:
        edges = np.empty((int(ahead.sum()), actual.shape[1], len(EDGES)))
        steps = [(h, place) for h in range(actual.shape[1]) for place in range(len(EDGES))]
        for h, place in tqdm(steps, desc=f"  {name} quantiles", delay=2, leave=False):
            rows = np.concatenate([batch.shared, batch.target[:, h]], axis=1)
            known = past & ~np.isnan(actual[:, h])
            lesson = lightgbm.Dataset(rows[known], actual[known, h] - batch.level[known])
            model = lightgbm.train(SETTINGS | {"alpha": NOMINAL[place]}, lesson, TREES)
            edges[:, h, place] = batch.level[ahead] + model.predict(rows[ahead])
        return np.sort(edges, axis=2)

    words = f"{name} quantiles {SETTINGS} {TREES} {learn_to} {forecast_from}"
    return kept(words, [batch.shared, batch.target, actual], fit, fresh=fresh)


def kept(words: str, arrays: Sequence[Floats], compute: Callable[[], Floats], *, fresh: bool) -> Floats:
    """What `compute` gives, from the cache unless `fresh`; `words` and `arrays` are all that it depends on."""
    digest = hashlib.sha256(words.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    path = CACHE / f"{words.split()[0]}-{words.split()[1]}-{digest.hexdigest()[:16]}.npy"
    if fresh or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, compute())
    values: Floats = np.load(path)
    return values


def _conformal(raw: Floats, actual: Floats, late: Times) -> Floats:
    return _widened(raw[late], _corrections(raw[~late], actual[~late]))


def _rolling(raw: Floats, actual: Floats, late: Times) -> Floats:
    """As `_conformal`, anew every day; the last six hours before a day are not known when it begins."""
    first, parts = int(np.argmax(late)), []
    for start in range(first, len(raw), 24):
        past = slice(max(0, start - DAYS * 24), start - actual.shape[1])
        parts.append(_widened(raw[start : start + 24], _corrections(raw[past], actual[past])))
    return np.concatenate(parts)


def _corrections(edges: Floats, actual: Floats) -> Floats:
    """(H, 2) how far the bands of PAIRS must be widened to have covered what they promise."""
    found = np.empty((actual.shape[1], len(PAIRS)))
    for h in range(actual.shape[1]):
        for place, (low, high, share) in enumerate(PAIRS):
            miss = np.maximum(edges[:, h, low] - actual[:, h], actual[:, h] - edges[:, h, high])
            miss = np.sort(miss[~np.isnan(miss)])
            found[h, place] = miss[min(int(np.ceil((len(miss) + 1) * share)), len(miss)) - 1]
    return found


def _widened(edges: Floats, by: Floats) -> Floats:
    wider = edges.copy()
    for place, (low, high, _) in enumerate(PAIRS):
        wider[:, :, low] -= by[:, place]
        wider[:, :, high] += by[:, place]
    return wider
