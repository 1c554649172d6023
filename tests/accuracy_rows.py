"""A warehouse with holes -> the desk of the Accuracy page, and its rows as pandas alone finds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import Desk
from tests import filler
from tests.dashboards import NOW, seated

ZONE = ZoneInfo("Europe/Madrid")
UNTIL = pd.Timestamp(NOW).floor("h") + pd.Timedelta("1h")
SPAIN = holidays.country_holidays("ES", years=2026)
HOLE = "valid_at >= TIMESTAMPTZ '2026-11-12 03:00:00+00' AND valid_at < TIMESTAMPTZ '2026-11-12 09:00:00+00'"


@contextmanager
def holed(path: Path) -> Iterator[Desk]:
    """35 days with a hole in the operator's forecasts and one in the scores."""
    with filler.fill(path, NOW).write() as session:
        session.script(f"DELETE FROM accuracy WHERE issuer = 'operator' AND {HOLE}")
        session.script("DELETE FROM accuracy WHERE valid_at = TIMESTAMPTZ '2026-11-14 05:00:00+00'")
    with pytest.MonkeyPatch.context() as patch, seated(path, patch) as made:
        yield made


def scores(desk: Desk) -> pd.DataFrame:
    """Sextant's scores of 30 days with the errors of the others beside, by pandas alone."""
    with desk.warehouse.read() as session:
        stored = session._cursor.sql("SELECT * FROM accuracy").to_arrow_table().to_pandas()
    stored = stored.sort_values("scored_at").drop_duplicates(["origin", "horizon", "issuer", "version_id"], keep="last")
    stored = stored[(stored["origin"] >= UNTIL - pd.Timedelta("30D")) & (stored["origin"] < UNTIL)]
    stored = stored[stored["issuer"].isin(["sextant", "naive", "operator"])]
    beside = stored.pivot(index=["origin", "horizon"], columns="issuer", values="error")[["naive", "operator"]]
    return stored[stored["issuer"] == "sextant"].join(beside, on=["origin", "horizon"])


def slices(rows: pd.DataFrame, by: str) -> pd.Series:
    """The name of each row's slice, worked out without the project's calendars."""
    local = rows["valid_at"].dt.tz_convert(ZONE)
    if by == "Day type":
        return pd.Series([kind(day) for day in local.dt.date], index=rows.index)
    return {
        "Horizon": "T+" + rows["horizon"].astype(str),
        "Hour": local.dt.strftime("%H:00"),
        "Weekday": local.dt.strftime("%a"),
        "Month": local.dt.strftime("%b %Y"),
        "Version": rows["version_id"].map(
            {"demo.load-v2": "v2", "demo.load-v3": "v3", "naive": "naive (fallback)"}
        ),
    }[by]  # fmt: skip


def kind(day: object) -> str:
    at = pd.Timestamp(str(day))
    if str(day) == "2026-10-25":
        return "Clock change"
    free = [one.date() in SPAIN or one.day_of_week >= 5 for one in (at - pd.Timedelta("1D"), at + pd.Timedelta("1D"))]
    if at.date() in SPAIN:
        return "Holiday"
    if at.day_of_week < 5 and all(free):
        return "Bridge day"
    return {5: "Saturday", 6: "Sunday"}.get(at.day_of_week, "Working day")


def figures(app: AppTest) -> pd.DataFrame:
    """The table of slices."""
    assert not app.exception
    assert not [one.value for one in app.error]
    return next(one.value for one in app.dataframe if "skill_operator" in one.value).set_index("name")


def choose(app: AppTest, **chosen: str) -> AppTest:
    for key, value in chosen.items():
        app.button_group(key=key).set_value(value)
    return app.run()
