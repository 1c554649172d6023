"""accuracy, drift, versions and their files -> targets that err more than they may, and models not to be trusted."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline import erring, registry
from pipeline.errors import ArtifactDamaged
from pipeline.markets import HORIZONS, Target
from pipeline.rules.base import Bad, Rule, View

DAY = timedelta(days=1)
ERROR_DAYS, BAND_DAYS = 7, 14
LEAST_N, FEWEST_N = 100, 6
BAND = 80.0


def error_up(view: View, times: float) -> Iterator[Bad]:
    """Targets whose MAE of 7 days is above that of the 28 before by `times` what their policy allows."""
    targets = _targets(view)
    with view.warehouse.read():
        changes = [erring.change(view.warehouse, target, view.now) for target in targets]
    for target, change in zip(targets, changes, strict=True):
        allowed = erring.allowed(target, times)
        if change is None or change.mae <= allowed * change.mae_before:
            continue
        message = (
            f"{change.words(target.series.unit)}; {allowed - 1:.0%} is allowed (n = {change.n:,}). "
            "Look at the newest data and the drift on the Models page; a retrain is asked for by itself."
        )
        yield Bad(target.id, f"{target.id}: {message}", None, vars(change))


def error_limit(view: View, times: float) -> Iterator[Bad]:
    """Targets whose error of 7 days, as issued, is above `times` their own `mae_limit` or `mape_limit_pct`."""
    limited = [target for target in _targets(view) if erring.limits(target, times)]
    for target, scores in _scores(view, limited, ERROR_DAYS):
        limits = erring.limits(target, times)
        enough = scores["n"] >= erring.least(target, LEAST_N, FEWEST_N)
        over = [name for name in limits if enough and scores[name] > limits[name]]
        units = {"mae": f" {target.series.unit}", "mape": " %"}
        said = [f"{name.upper()} {scores[name]:,.1f}{units[name]}, limit {limits[name]:,.1f}" for name in over]
        if said:
            message = f"{target.id}: over the last 7 days as issued (n = {scores['n']:,}) {' and '.join(said)}. "
            yield Bad(target.id, message + "Compare versions on the Models page; roll back or retrain.", None, scores)


def coverage_off(view: View, points: float) -> Iterator[Bad]:
    """Targets whose 80 % bands held more or fewer actuals of 14 days than 80 by over `points`, and not by chance."""
    for target, scores in _scores(view, _targets(view), BAND_DAYS):
        if scores["n_band"] < erring.least(target, LEAST_N, FEWEST_N):
            continue
        margin = margin_points(scores["n_band"], len(target.horizons))
        if abs(scores["inside"] - BAND) <= max(points, margin):
            continue
        way = "wide" if scores["inside"] > BAND else "narrow"
        message = (
            f"{target.id}: {scores['inside']:.0f} % of the actuals of the last 14 days lay in the 80 % band, too {way} "
            f"(n = {scores['n_band']:,}, chance explains {margin:.0f} points). Bands adapt; retrain if it lasts."
        )
        yield Bad(target.id, message, None, scores)


def margin_points(n: int, together: int = len(HORIZONS)) -> float:
    """By how many points the share in an 80 % band of `n` scores may miss 80 by chance (95 %).

    The horizons of an issue err together: `together` scores tell about as much as one.
    """
    share = BAND / 100
    return float(196 * (share * (1 - share) / (n / together)) ** 0.5)


def drifted(view: View, least: float) -> Iterator[Bad]:
    """Targets whose newest check found at least `least` drifted subjects."""
    targets = _targets(view)
    found = view.warehouse.ask("newest_drift", targets=[target.id for target in targets], now=view.now)
    for target in targets:
        rows = found[found["target"] == target.id]
        if rows.empty or len(rows) < least:
            continue
        worst = ", ".join(f"{row.kind} {row.subject} by {row.effect:.1f} SD" for row in rows.head(3).itertuples())
        message = (
            f"{target.id}: {len(rows)} of {rows.n_watched.iloc[0]} watched distributions drifted in a week: {worst}. "
            "Check those inputs on the Data page; a retrain is asked for by itself."
        )
        evidence = {"subjects": [f"{row.kind} {row.subject}" for row in rows.itertuples()]}
        yield Bad(target.id, message, rows.checked_at.iloc[0].to_pydatetime(), evidence)


def model_old(view: View, grace_days: float) -> Iterator[Bad]:
    """Targets whose champion is more than `grace_days` older than their policy's `oldest`."""
    champions = registry.champions(view.warehouse)
    for target in _targets(view):
        row = champions.get(target.id)
        if row is None:
            continue
        since: datetime = row["as_of"].to_pydatetime() + target.policy.oldest + grace_days * DAY
        if view.now <= since:
            continue
        age = (view.now - row["as_of"]) / DAY
        message = (
            f"{target.id}: {row['version_id']} was trained {age:.0f} days ago, {target.policy.oldest.days} are wanted. "
            "Read on the Jobs page why newer trainings failed or were refused."
        )
        yield Bad(target.id, message, since, {"version_id": row["version_id"], "age_days": round(age, 1)})


def artifact_damaged(view: View, _limit: float) -> Iterator[Bad]:
    """Versions that serve, live or in shadow, whose file is gone or not the registered bytes.

    Each is read whole each time: a rotten bit moves neither the date nor the size of a file.
    """
    targets = _targets(view)
    with view.warehouse.read():
        champions = registry.champions(view.warehouse)
        shadows = registry.shadows_of(view.warehouse, {one.id: one.policy.shadow_versions for one in targets})
    live = [champions[one.id] for one in targets if one.id in champions]
    for row, severity in [*((row, "critical") for row in live), *((row, "warning") for row in shadows)]:
        try:
            registry.read_bytes(
                row["artifact"], row["sha256"], folder=view.settings.models, version_id=row["version_id"]
            )
        except ArtifactDamaged as error:
            yield Bad(row["version_id"], str(error), None, {"artifact": row["artifact"]}, severity)


def _scores(view: View, targets: Sequence[Target], days: int) -> Iterator[tuple[Target, dict[str, Any]]]:
    """Those of the targets that have any, each with what its forecasts scored in the last `days`."""
    events = [(target.id, event) for target in targets for event in target.events]
    rows = view.warehouse.ask(
        "recent_scores",
        targets=[target.id for target in targets],
        since=view.now - days * DAY,
        until=view.now,
        of_targets=[name for name, _ in events],
        firsts=[event.first for _, event in events],
        lasts=[event.last for _, event in events],
    ).set_index("target")
    found: dict[Any, dict[Any, Any]] = rows.to_dict("index")
    yield from ((target, found[target.id]) for target in targets if target.id in found)


def _targets(view: View) -> list[Target]:
    return [target for market in view.markets.values() for target in market.targets]


RULES = (
    Rule("error_up", "Error has grown", "warning", error_up, limit=erring.USUAL, unit="times the target's error_up_pct",
         escalate=None, good="its MAE of 7 days is near that of the 28 before again", clear=0.9),
    Rule("error_limit", "Error above its limit", "warning", error_limit, limit=erring.USUAL,
         unit="times the target's own limit", good="its error of 7 days is within its limit again",
         escalate=DAY, clear=0.95),
    Rule("coverage_off", "Bands miss their share", "warning", coverage_off, limit=10, unit="points off 80 %",
         good="its bands hold about 80 % of the actuals again", escalate=None, clear=0.9),
    Rule("drift", "Data drifted", "info", drifted, limit=1, unit="drifted distributions", escalate=None,
         good="the newest check found no drift"),
    Rule("model_old", "Model too old", "warning", model_old, limit=2, unit="days beyond the target's oldest_days",
         escalate=DAY, good="a newer version took over"),
    Rule("artifact_damaged", "Model file damaged", "critical", artifact_damaged, limit=0, unit="(no limit)",
         good="its file is the registered one again, or it serves no more"),
)  # fmt: skip
