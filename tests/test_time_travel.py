"""What the Forecasts page showed at fifty moments, it shows again when looking back, whatever happened since.

In between actuals are revised, another model is trained and promoted, and one issue is made again.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.looking_back import written
from tests.conftest import NOW, Desk, ask, desk_in
from tests.dashboards import opened, seated

pytestmark = pytest.mark.slow
HOURS, MOMENTS = 10, 50
START = NOW - timedelta(hours=HOURS)
FAMILIES = ["naive", "ridge"]
OF_NOW = ("Scheduler", "critical", "warning", "No open alert", "alert")
"""Badges that tell of the present; a page that looks back has none of them."""


@dataclass
class Screen:
    """Everything one run of the page put on screen, by kind of element."""

    texts: list[str] = field(default_factory=list)
    metrics: list[tuple[str, str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, app: AppTest) -> "Screen":
        assert not app.exception
        assert not app.error
        texts = [
            *app.title,
            *app.header,
            *app.subheader,
            *app.markdown,
            *app.caption,
            *app.warning,
            *app.info,
            *app.code,
        ]
        return cls(
            texts=[one.value for one in texts if not _only_now(one.value)],
            metrics=[(one.label, one.value, str(one.delta)) for one in app.metric],
            tables=[one.value.to_json(orient="split", date_format="iso", double_precision=6) for one in app.dataframe],
            figures=[_plain(one.proto.spec) for one in app.get("plotly_chart")],
            choices=[f"{one.label}: {one.value}: {one.options}" for one in app.selectbox],
        )


@dataclass
class Story:
    """The desk after everything happened, with what was on screen at each moment while it did."""

    desk: Desk
    seen: dict[datetime, Screen]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("travel")
    desk = desk_in(folder, now=START)
    _begin(desk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEXTANT_CONFIG", str(desk.settings.config))
        with seated(desk.settings.warehouse, patch) as page:
            page.clock = lambda: desk.now
            app = opened()
            seen: dict[datetime, Screen] = {}
            for hour in range(HOURS):
                _hour(desk, hour)
                for minutes in (2, 8, 13, 24, 35):
                    desk.now = desk.now.replace(minute=0) + timedelta(minutes=20 + minutes)
                    if minutes == 13:
                        _between(desk, hour)
                    seen[desk.now] = Screen.of(app.run())
            _afterwards(desk)
            yield Story(desk, dict(list(seen.items())[:MOMENTS]))


def _begin(desk: Desk) -> None:
    then = desk.now - timedelta(days=3)
    desk.done("ingest")
    desk.done("actuals")
    desk.done("train", as_of=then.isoformat(), families=FAMILIES)
    span = {"replay_from": then.isoformat(), "replay_to": (desk.now - timedelta(hours=2)).isoformat()}
    for job, args in (("features", span), ("forecast", {}), ("backfill", {})):
        desk.done(job, **args)


def _hour(desk: Desk, hour: int) -> None:
    """A cycle of the pipeline at 20 past; every sixth hour nothing runs, so that the page is stale for a while."""
    desk.now = START + timedelta(hours=hour)
    if hour % 6 != 4:
        for job in ("ingest", "actuals", "features", "forecast", "backfill"):
            desk.done(job)


def _between(desk: Desk, hour: int) -> None:
    """What happens while people look."""
    if hour == 3:
        _revise(desk, hours=8, by=400.0)
    if hour == 8:
        desk.done("train", families=FAMILIES, force=True)
        desk.done("forecast", reissue=desk.target.id)


def _afterwards(desk: Desk) -> None:
    """What happens after the last look: all of it must leave the past as it was."""
    desk.now += timedelta(minutes=10)
    _revise(desk, hours=HOURS + 30, by=-700.0)
    desk.done("backfill")
    desk.now += timedelta(minutes=5)
    desk.done("train", families=FAMILIES, force=True)
    desk.done("forecast", reissue=desk.target.id)
    desk.now += timedelta(hours=1)
    for job in ("ingest", "actuals", "features", "forecast", "backfill", "quality", "monitor"):
        desk.done(job)


def _revise(desk: Desk, *, hours: int, by: float) -> None:
    """The provider publishes other values for the newest hours of the target."""
    with desk.warehouse.write() as session:
        session.script(
            "INSERT INTO raw SELECT * REPLACE (value + $by AS value, $now AS seen_at, $now AS made_at) FROM raw_latest "
            "WHERE series = 'demo.load' AND valid_at >= $since",
            by=by, now=desk.now, since=desk.now - timedelta(hours=hours),
        )  # fmt: skip
    desk.done("actuals")


def test_fifty_moments_look_the_same_when_looked_back_at(story: Story) -> None:
    app = opened()
    assert len(story.seen) == MOMENTS
    for at, was in story.seen.items():
        app.query_params["at"] = written(at)
        again = Screen.of(app.run())
        assert again.metrics == was.metrics, at
        assert again.tables == was.tables, at
        assert again.figures == was.figures, at
        assert again.choices == was.choices, at
        assert (_less(again.texts, was.texts), _less(was.texts, again.texts)) == ([], []), at


def test_what_happened_in_between_was_on_screen(story: Story) -> None:
    whole = json.dumps([[*one.texts, *one.tables] for one in story.seen.values()])
    for words in ("issue missing", "Re-issued", "demo.load-v1", "demo.load-v2"):
        assert words in whole
    assert len({one.metrics[0] for one in story.seen.values()}) >= HOURS - HOURS // 6 - 1
    versions = ask(story.desk, "SELECT max(n) AS n FROM (SELECT count(*) AS n FROM actuals GROUP BY valid_at)")
    assert versions["n"].iloc[0] >= 3


def _less(one: list[str], other: list[str]) -> list[str]:
    """What is oftener in `one`; the order of kinds of elements is that of the page in both."""
    return sorted((Counter(one) - Counter(other)).elements())


def _only_now(text: str) -> bool:
    return text.startswith(":material/history: **As it was") or any(word in text for word in OF_NOW)


def _plain(spec: str) -> str:
    """A figure with its numbers as numbers: sums in another order may differ in the last bits."""
    return json.dumps(json.loads(spec, object_hook=_numbers), sort_keys=True)


def _numbers(part: dict[str, Any]) -> Any:
    if "bdata" not in part:
        return {key: round(value, 6) if isinstance(value, float) else value for key, value in part.items()}
    values = np.frombuffer(base64.b64decode(part["bdata"]), dtype=part["dtype"])
    return [round(float(value), 6) for value in values]
