"""A warehouse file -> the figures that pages show, worked out from its tables by pandas alone.

Knows none of the project's queries and none of its code: it reads the file with DuckDB and follows the words of README.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

HOUR = pd.Timedelta(hours=1)
MINUS = "\u2212"


@dataclass(frozen=True)
class Tables:
    """Every table as a frame; `now` is the moment that the pages were shown at, `target` whose pages they are."""

    frames: dict[str, pd.DataFrame]
    now: pd.Timestamp
    target: str

    @classmethod
    def of(cls, path: Path, now: pd.Timestamp, target: str) -> "Tables":
        """Read the whole file, times in UTC."""
        with duckdb.connect(str(path), read_only=True) as file:
            file.execute("SET TimeZone = 'UTC'")
            names = [row[0] for row in file.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return cls({name: file.sql(f"FROM {name}").to_arrow_table().to_pandas() for name in names}, now, target)

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.frames[name]

    @property
    def until(self) -> pd.Timestamp:
        """The end of the hour that runs."""
        return self.now.floor("h") + HOUR

    def mine(self, table: str) -> pd.DataFrame:
        """The rows of the target."""
        rows = self[table]
        return rows[rows["target"] == self.target]


def shown(tables: Tables) -> pd.DataFrame:
    """What is shown for each origin and horizon: the issue, or the re-issue that followed it."""
    rows = tables.mine("predictions")
    rows = rows[rows["issuer"].isin(["sextant", "reissue"]) & (rows["origin"] <= tables.until - 2 * HOUR)]
    return rows.sort_values(["made_at", "issuer"]).drop_duplicates(["origin", "horizon"], keep="last")


def newest(tables: Tables) -> pd.DataFrame:
    """The newest issue by horizon, with its change against the one before and the operator's forecast."""
    rows = shown(tables)
    origins = sorted(rows["origin"].unique())
    own = rows[rows["origin"] == origins[-1]].set_index("horizon").sort_index()
    before = rows[rows["origin"] == origins[-2]].set_index("valid_at")["p50"]
    operator = tables.mine("predictions")
    operator = operator[(operator["issuer"] == "operator") & (operator["origin"] == origins[-1])]
    return own.assign(
        change=own["p50"] - own["valid_at"].map(before),
        operator=operator.set_index("horizon")["p50"].reindex(own.index),
    )


def scored(tables: Tables, days: int) -> pd.DataFrame:
    """The newest score of each forecast of the window, on hours that every issuer forecast."""
    rows = tables.mine("accuracy").sort_values(["actual_known_at", "scored_at"])
    rows = rows.drop_duplicates(["origin", "horizon", "issuer", "version_id"], keep="last")
    rows = rows[rows["issuer"].isin(["sextant", "naive", "operator"])]
    rows = rows[(rows["origin"] >= tables.until - pd.Timedelta(days=days)) & (rows["origin"] < tables.until)]
    issuers = rows.groupby(["origin", "horizon"])["issuer"].transform("nunique")
    return rows[issuers == rows["issuer"].nunique()]


def accuracy(tables: Tables, days: int, by: list[str]) -> pd.DataFrame:
    """The figures of `summed` over the last `days`."""
    return summed(scored(tables, days), by)


def summed(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """MAE, RMSE, bias, MAPE, coverage and n of Sextant, and skill against naive and operator; a row a group."""
    rows = rows.assign(loss=lambda all_: all_["error"].abs())
    loss = rows.pivot_table(index=by, columns="issuer", values="loss", aggfunc="mean")
    own = rows[rows["issuer"] == "sextant"]
    groups = own.groupby(by)
    return pd.DataFrame(
        {
            "n": groups["error"].size(),
            "mae": groups["loss"].mean(),
            "mae_naive": loss["naive"],
            "rmse": groups["error"].apply(lambda part: float(np.sqrt((part**2).mean()))),
            "bias": groups["error"].mean(),
            "mape": groups.apply(lambda part: 100 * float((part["loss"] / part["actual"].abs()).mean())),
            "coverage": groups["in_band"].apply(lambda part: float(part.dropna().astype(float).mean())),
            "replayed": groups["mode"].apply(lambda part: int((part == "replay").sum())),
            "skill": 1 - loss["sextant"] / loss["naive"],
            "skill_operator": 1 - loss["sextant"] / loss["operator"],
        }
    )


def banded(tables: Tables, days: int) -> pd.DataFrame:
    """The scored forecasts of Sextant with the quantiles they were issued with."""
    rows = scored(tables, days)
    rows = rows[rows["issuer"] == "sextant"].drop(columns=["width", "winkler"])
    quantiles = tables.mine("predictions")
    quantiles = quantiles[quantiles["issuer"] == "sextant"][["origin", "horizon", "p05", "p10", "p90", "p95"]]
    return rows.merge(quantiles, on=["origin", "horizon"]).dropna(subset=["p10", "p90"])


def bands(tables: Tables, days: int) -> pd.DataFrame:
    """Share in the bands of 80 and 90 %, width of the first and its Winkler score, by horizon."""
    rows = banded(tables, days)
    actual, width = rows["actual"], rows["p90"] - rows["p10"]
    outside = (rows["p10"] - actual).clip(lower=0) + (actual - rows["p90"]).clip(lower=0)
    rows = rows.assign(
        in80=actual.between(rows["p10"], rows["p90"]),
        in90=actual.between(rows["p05"], rows["p95"]),
        width=width,
        winkler=width + outside * 2 / 0.2,
        n=1,
    )
    parts = rows.groupby("horizon")[["in80", "in90", "width", "winkler"]].mean()
    return parts.assign(n=rows.groupby("horizon")["n"].sum())


def below(tables: Tables, days: int) -> pd.Series:
    """The share of actuals at or below each quantile."""
    rows = banded(tables, days)
    levels = ["p05", "p10", "p50", "p90", "p95"]
    return rows[levels].ge(rows["actual"], axis=0).mean()


def worst(tables: Tables, days: int, n: int) -> pd.DataFrame:
    """The `n` hours of the largest errors, with the MAE of that horizon at that local hour of day."""
    rows = scored(tables, days)
    rows = rows[rows["issuer"] == "sextant"]
    size, hour = rows["error"].abs(), rows["valid_at"].dt.tz_convert("Europe/Madrid").dt.hour
    usual = size.groupby([rows["horizon"], hour]).transform("mean")
    rows = rows.assign(size=size, usual=usual, times=size / usual)
    return rows.sort_values("size", ascending=False).drop_duplicates("valid_at").head(n)


def issues(tables: Tables, days: int) -> dict[str, int]:
    """How many issues the window has, and of which kinds."""
    rows = tables.mine("predictions")
    since = tables.until - pd.Timedelta(days=days)
    rows = rows[(rows["issuer"] == "sextant") & (rows["origin"] >= since) & (rows["origin"] < tables.until)]
    first = rows.drop_duplicates("origin")
    missed = tables.mine("missed_issues")["origin"]
    return {
        "n": len(first),
        "replayed": int((first["mode"] == "replay").sum()),
        "fallback": int((first["status"] == "fallback").sum()),
        "missed": int(((missed >= since) & (missed < tables.until)).sum()),
    }


def whole(value: float) -> str:
    """31332.4 -> '31,332', with a minus as wide as a plus."""
    return f"{value:,.0f}".replace("-", MINUS)


def signed(value: float) -> str:
    """54.2 -> '+54'."""
    text = whole(value)
    return text if text.startswith(MINUS) or text == "0" else f"+{text}"


def champion(tables: Tables) -> str:
    """The version of the newest promotion that went through."""
    rows = tables.mine("promotions")
    return str(rows[rows["outcome"] == "promoted"].sort_values("number")["version_id"].iloc[-1])


def own_errors(tables: Tables, version_id: str, days: int) -> pd.DataFrame:
    """The newest scores of a version's own forecasts, one an origin and horizon, issued ones before shadow ones."""
    rows = tables.mine("accuracy").sort_values(["actual_known_at", "scored_at"])
    rows = rows.drop_duplicates(["origin", "horizon", "issuer", "version_id"], keep="last")
    kinds = rows["issuer"].isin(["sextant", "reissue", "shadow"]) & rows["status"].isin(["ok", "reduced"])
    since = tables.now.floor("h") - pd.Timedelta(days=days)
    rows = rows[(rows["version_id"] == version_id) & kinds & (rows["origin"] >= since)]
    rank = rows["issuer"].map({"sextant": 0, "reissue": 1, "shadow": 2})
    return rows.assign(rank=rank).sort_values("rank").drop_duplicates(["origin", "horizon"])


def hold_out(tables: Tables, version_id: str) -> dict[str, float]:
    """Mean over the horizons of the comparison that a version came from."""
    version = tables.mine("model_versions").set_index("version_id").loc[version_id]
    rows = tables.mine("backtests")
    rows = rows[(rows["run_id"] == version["run_id"]) & (rows["family"] == version["family"])]
    rows = rows[(rows["kind"] == "hold_out") & (rows["slice"] == "all")]
    return {"mae": float(rows["mae"].mean()), "coverage": float(rows["coverage"].mean())}


def recent_runs(tables: Tables, days: float) -> pd.DataFrame:
    """Runs that were asked for in the window, the running ones too."""
    rows = tables["job_runs"]
    return rows[rows["queued_at"] >= tables.now.floor("h") - pd.Timedelta(days=days)]


def drawn_runs(tables: Tables, hours: int) -> pd.DataFrame:
    """Runs that went on at any time of the last hours."""
    rows = tables["job_runs"]
    until = tables.now + pd.Timedelta(minutes=1)
    began = rows["started_at"] < until
    return rows[began & (rows["ended_at"].fillna(until) > until - pd.Timedelta(hours=hours))]


def outcomes(tables: Tables, days: float) -> pd.DataFrame:
    """How the runs of the window ended, and what those that succeeded took, by job."""
    rows = recent_runs(tables, days)
    states = pd.crosstab(rows["job"], rows["state"])
    states = states.reindex(columns=["succeeded", "skipped", "failed", "missed", "cancelled"], fill_value=0)
    good = rows[rows["state"] == "succeeded"]
    seconds = (good["ended_at"] - good["started_at"]).dt.total_seconds().groupby(good["job"])
    well = states["succeeded"] + states["skipped"]
    return states.assign(well=well, ended=well + states["failed"], median_s=seconds.median(), longest_s=seconds.max())


def lasted(seconds: float) -> str:
    """3.1 -> '3.1 s', 41 -> '41 s', 214 -> '3 min 34 s'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def families(tables: Tables) -> pd.DataFrame:
    """Mean over the horizons of the newest hold-out comparison, by family."""
    rows = tables.mine("backtests")
    rows = rows[(rows["kind"] == "hold_out") & (rows["slice"] == "all")]
    rows = rows[rows["scored_at"] == rows["scored_at"].max()]
    return rows.groupby("family").agg(mae=("mae", "mean"), n=("n", "max"))


def reach(tables: Tables, series: str) -> pd.Timestamp:
    """The newest measured slot of a series."""
    rows = tables["raw"]
    return rows[rows["series"] == series]["valid_at"].max()


def _changes(tables: Tables, days: int) -> pd.DataFrame:
    """The versions of each actual of the window, oldest first, with the age of each at its `known_at`."""
    rows = tables.mine("actuals").sort_values(["valid_at", "known_at"])
    rows = rows[rows["valid_at"] >= tables.now.floor("h") - pd.Timedelta(days=days)]
    first = rows.groupby("valid_at")[["value", "known_at"]].transform("first")
    return rows.assign(first=first["value"], age=rows["known_at"] - first["known_at"], born=first["known_at"])


def revisions(tables: Tables, days: int) -> dict[str, float]:
    """How many hours have more than one version, and by how much the newest of those differ from the first."""
    rows = _changes(tables, days)
    newest = rows.groupby("valid_at").tail(1)
    moved = newest[newest["age"] > pd.Timedelta(0)]
    change = (moved["value"] - moved["first"]).abs()
    return {"n": len(newest), "revised": len(moved), "mean": change.mean(), "most": change.max()}


def aged(tables: Tables, days: int) -> dict[int, int]:
    """Age in hours since first publication -> how many hours of the window were that old when this hour began."""
    born = _changes(tables, days).groupby("valid_at")["born"].first()
    return {hours: int((born + hours * HOUR <= tables.now.floor("h")).sum()) for hours in (1, 6, 24, 168)}


def open_alerts(tables: Tables) -> pd.DataFrame:
    """Firings that no row has ended."""
    flips = tables["alert_flips"]
    ended = set(flips[flips["state"] == "resolved"]["alert_id"])
    return flips[(flips["state"] == "firing") & ~flips["alert_id"].isin(ended)]


def past_alerts(tables: Tables, days: float) -> dict[str, int | str]:
    """Alerts that fired or ended within the window, and how long half of those that are over lasted."""
    flips = tables["alert_flips"]
    since = tables.now - pd.Timedelta(days=days)
    began = flips[flips["state"] == "firing"].set_index("alert_id")["flipped_at"]
    ended = flips[flips["state"] == "resolved"].set_index("alert_id")["flipped_at"].reindex(began.index)
    shown = ended.isna() | (ended >= since)
    took = (ended - began)[shown].dropna()
    hours, seconds = divmod(took.median().total_seconds(), 3600)
    return {"n": int(shown.sum()), "over": len(took), "median": f"{hours:.0f} h {seconds // 60:02.0f} min"}


def deliveries(tables: Tables) -> pd.Series:
    """How many messages a channel sent and how many attempts of it failed."""
    return tables["notifications"].groupby(["channel", "state"]).size()
