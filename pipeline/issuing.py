"""Feature rows + a model -> its forecasts with bands, each ok, reduced, a labelled fallback or withheld."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import features
from pipeline.adapting import Basis, Track
from pipeline.features import Built
from pipeline.intervals import EDGES, LEVELS
from pipeline.markets import HORIZONS, Target
from pipeline.models.base import SPIKY, Family, Floats
from pipeline.recall import Made, Recent
from pipeline.registry import Model, Pool
from pipeline.windows import Times

# A step of demand beyond this share of its level within six hours is no forecast but a fault, unless the last day went
# nearly as far: zones with much sun double between noon and evening (San Diego, in a tenth of all hours).
WILDEST_CHANGE, WILDEST_EXCESS = 0.6, 0.3
TRUSTED = ("ok", "reduced")

Words = NDArray[np.object_]
Bools = NDArray[np.bool_]


NAIVE_UNKNOWN = ("; naive has no value of last week either", "; naive has no value of the day before either")
"""What issuing adds to a reason when naive has no value, of steady targets and of prices and spreads."""


@dataclass(frozen=True)
class Issue:
    """Quantiles (n, H) by name, and per origin (n,): version, status and reason of what is issued."""

    bands: dict[str, Floats]
    version_id: Words
    status: Words
    reason: Words


def issue(
    built: Built,
    target: Target,
    model: Model | None,
    family: Family | None,
    *,
    recent: Recent,
    made_at: Times,
    excuse: str,
) -> Issue:
    """The champion's forecast where it can be trusted, else naive with the reason, else withheld.

    The rows of `built` ascend by origin; `recent` is of the same origins, `made_at` (n,) datetime64[us] UTC when
    each is issued. Bands of later origins adapt to those of earlier ones. `excuse` says why `model` is None.
    """
    naive = built.batch.naive
    possible: Bools = np.all(np.isfinite(naive[:, : target.width]), axis=1)
    if model is None or family is None:
        point, status = naive.copy(), np.full(len(naive), "", dtype=object)
        reason = np.full(len(naive), excuse, dtype=object)
        edges = np.full((*naive.shape, len(EDGES)), np.nan)
    else:
        point, status, reason = _trusted(built, target, model, family, made_at)
        made = recent.made("sextant")
        edges = _edges(built, model, recent, made, point, status)
    lost: Bools = np.asarray(status == "")
    status[lost] = np.where(possible, "fallback", "withheld")[lost]
    reason[lost & ~possible] += NAIVE_UNKNOWN[target.kind in SPIKY]
    point[lost] = np.where(possible[:, None], naive, np.nan)[lost]
    pool = None if model is None else model.naive_residuals
    edges[lost] = _naive_edges(built, pool, recent, lost & possible)[lost]
    version = np.where(lost, "naive", "" if model is None else model.version_id).astype(object)
    return Issue(_bands(point, edges), version, status, reason)


def shadow(built: Built, target: Target, model: Model, family: Family, *, recent: Recent, made_at: Times) -> Issue:
    """What `model` would issue were it the champion, with bands from its own past; withheld where it cannot."""
    point, status, reason = _trusted(built, target, model, family, made_at)
    made = recent.made("sextant", "shadow", version_id=model.version_id)
    edges = _edges(built, model, recent, made, point, status)
    status[status == ""] = "withheld"
    point[status == "withheld"] = np.nan
    version = np.full(len(point), model.version_id, dtype=object)
    return Issue(_bands(point, edges), version, status, reason)


def comparators(built: Built) -> dict[str, Floats]:
    """Point forecasts (n, H) of the issuers that are recorded beside ours, NaN where they have none."""
    return {"naive": built.batch.naive, "operator": built.operator}


def rows(
    built: Built,
    issued: Issue,
    *,
    issuer: str,
    target: str,
    mode: Words,
    made_at: Times,
    horizons: tuple[int, ...] = HORIZONS,
) -> pd.DataFrame:
    """Rows of table `predictions` without `written_at` and `run_id`, of `horizons` only: models make all of them."""
    n, width = issued.bands["p50"].shape
    origins = np.repeat(built.batch.origins.astype("datetime64[us]"), width)
    horizon = np.tile(np.array(HORIZONS), n)
    frame = {
        "target": target,
        "origin": pd.to_datetime(origins, utc=True),
        "horizon": horizon,
        "valid_at": pd.to_datetime(np.add(origins, horizon * np.timedelta64(1, "h")), utc=True),
        "issuer": issuer,
        "version_id": np.repeat(issued.version_id, width),
        "mode": np.repeat(mode, width),
        "status": np.repeat(issued.status, width),
        "reason": np.repeat(issued.reason, width),
        "made_at": pd.to_datetime(np.repeat(made_at, width), utc=True),
    }
    table = pd.DataFrame(frame | {name: values.ravel() for name, values in issued.bands.items()})
    return table[np.isin(horizon, horizons)].reset_index(drop=True)


def comparator_rows(
    built: Built, *, target: str, mode: Words, made_at: Times, horizons: tuple[int, ...] = HORIZONS
) -> pd.DataFrame:
    """The same of the comparators, only where they have a value; they have no bands."""
    frames = []
    for issuer, point in comparators(built).items():
        n = len(point)
        plain = Issue(
            bands=_bands(point, np.full((*point.shape, len(EDGES)), np.nan)),
            version_id=np.full(n, issuer, dtype=object),
            status=np.full(n, "ok", dtype=object),
            reason=np.full(n, "", dtype=object),
        )
        frame = rows(built, plain, issuer=issuer, target=target, mode=mode, made_at=made_at, horizons=horizons)
        frames.append(frame[frame["p50"].notna()])
    return pd.concat(frames, ignore_index=True)


def _trusted(built: Built, target: Target, model: Model, family: Family, made_at: Times) -> tuple[Floats, Words, Words]:
    """(Points (n, H), status ok, reduced or "" where they are not to be used, reason) of the model."""
    missing = built.missing_inputs
    point = family.predict(model.state, built.batch)
    reduced = (missing != "") & (model.reduced is not None)
    if model.reduced is not None and reduced.any():
        point[reduced] = family.predict(model.reduced, features.without_inputs(built.batch.rows(reduced)))
    doubts = _doubts(point, built, target, model, made_at, np.where(reduced, "", missing))
    status = np.select([doubts != "", reduced], ["", "reduced"], "ok").astype(object)
    without = np.array([f"made without {keys}: not known at issue" for keys in missing], dtype=object)
    return point, status, np.where(status == "reduced", without, doubts)


def _doubts(point: Floats, built: Built, target: Target, model: Model, made_at: Times, missing: Words) -> Words:
    """(n,) why the model's forecast is not to be used; empty where it is. Hours that are not issued do not count."""
    unknown, wild = (~np.isfinite(point))[:, : target.width], _wild(point, built, target)[:, : target.width]
    trained = np.datetime64(model.as_of.tz_convert("UTC").tz_localize(None), "us")
    words = [
        (built.stale_hours > 0, [f"stale data: the last {n} hours of actuals are missing" for n in built.stale_hours]),
        (made_at < trained, f"{model.version_id} was trained on later data"),
        (missing != "", [f"{model.version_id} lacks {keys} and has no model without it" for keys in missing]),
        (unknown.any(axis=1), f"{model.version_id} lacks an input"),
        (wild.any(axis=1), f"{model.version_id} gave an implausible value"),
    ]
    return np.select([mask for mask, _ in words], [np.asarray(text, dtype=object) for _, text in words], "")


def _wild(point: Floats, built: Built, target: Target) -> Bools:
    """(n, H) forecasts no hour can come to."""
    wild: Bools = (point < target.minimum) | (point > target.maximum)
    if target.kind == "load":
        batch, level = built.batch, built.batch.level[:, None]
        low, high = (level + batch.shared[:, [batch.shared_names.index(name)]] for name in ("min_24", "max_24"))
        excess = np.maximum(point - high, low - point)
        far = np.abs(point - level) > WILDEST_CHANGE * np.abs(level)
        wild |= far & (excess > WILDEST_EXCESS * np.abs(level))
    return wild


def _edges(built: Built, model: Model, recent: Recent, made: Made, point: Floats, status: Words) -> Floats:
    """(n, H, 4) edges of the trusted origins, one after the other, NaN for the rest."""
    pools = {"ok": model.residuals, "reduced": model.reduced_residuals or model.residuals}
    track = recent.track(made, since=min(_first(pool) for pool in pools.values()))
    bases = {}
    for word, pool in pools.items():
        before = (made.version == model.version_id) & (made.status == word)
        own = _on_axis(track, made.origins, before) | _on_axis(track, built.batch.origins, status == word)
        bases[word] = Basis(own=own, held=track.spread(pool["origin"].astype("datetime64[h]"), pool["error"], np.nan))
    edges = np.full((*point.shape, len(EDGES)), np.nan)
    for place in np.flatnonzero(np.isin(status, TRUSTED)):
        origin = built.batch.origins[place]
        edges[place] = track.band(origin, built.as_of[place], point[place], bases[status[place]])
        track.remember(built.batch.origins[[place]], point[[place]], edges[[place]])
    return edges


def _naive_edges(built: Built, pool: Pool | None, recent: Recent, wanted: Bools) -> Floats:
    """The same for the naive forecast of the origins `wanted`, whose errors are known of every origin."""
    origins, naive = built.batch.origins, built.batch.naive
    edges = np.full((*naive.shape, len(EDGES)), np.nan)
    if not wanted.any():
        return edges
    track = recent.track(recent.made("naive"), since=origins[0] if pool is None else _first(pool))
    track.remember(origins, naive, edges)
    held = np.full(track.point.shape, np.nan)
    if pool is not None:
        held = track.spread(pool["origin"].astype("datetime64[h]"), pool["error"], np.nan)
    basis = Basis(own=np.ones(held.shape, dtype=bool), held=held)
    for place in np.flatnonzero(wanted):
        edges[place] = track.band(origins[place], built.as_of[place], naive[place], basis)
    return edges


def _bands(point: Floats, edges: Floats) -> dict[str, Floats]:
    by_name = {name: edges[:, :, place] for place, name in enumerate(EDGES)} | {"p50": point}
    return {name: by_name[name] for name in LEVELS}


def _on_axis(track: Track, origins: Times, mask: Bools) -> Bools:
    return track.spread(origins, np.repeat(mask[:, None].astype(bool), len(HORIZONS), axis=1), False)


def _first(pool: Pool) -> np.datetime64:
    first: np.datetime64 = pool["origin"].min().astype("datetime64[h]")
    return first
