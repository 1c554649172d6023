"""Palette and theme -> contrast by WCAG 2.2 and likeness for colour-blind readers; then every figure of every page."""

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.figures import palette
from dashboard.figures.palette import DARK, LIGHT
from pipeline.settings import ROOT
from tests import filler
from tests.dashboards import NOW, opened, seated
from tests.filler import Story

TEXT, MARK = 4.5, 3.0  # WCAG 2.2: 1.4.3 for text, 1.4.11 for marks
ALIKE = 20.0  # CIE 1976 difference below which two colours count as one; about ten times what an eye just notices
THEMES = {"light": LIGHT, "dark": DARK}
# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB.
EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
VIEWS = ("forecasts", "accuracy", "data", "jobs", "models", "alerts")


def linear(colour: str) -> np.ndarray:
    """Linear RGB of '#RRGGBB'."""
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Ratio of relative luminances, 1 to 21."""
    dark, bright = sorted(float(linear(colour) @ TO_XYZ[1]) for colour in (one, other))
    return (bright + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear RGB."""
    part = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(part > 216 / 24389, np.cbrt(part), (24389 / 27 * part + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: str, other: str, eye: str) -> float:
    """CIE 1976 colour difference as `eye` sees it."""
    return float(np.linalg.norm(lab(EYES[eye] @ linear(one)) - lab(EYES[eye] @ linear(other))))


def alike(one: str, other: str) -> list[str]:
    """The eyes to which two colours are one."""
    return [eye for eye in EYES if difference(one, other, eye) < ALIKE]


def test_the_measures_give_known_values() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)
    assert lab(linear("#FF0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert difference("#D40000", "#008000", "all cones") > 100
    assert difference("#D40000", "#5E6A00", "deuteranopia") < difference("#D40000", "#5E6A00", "all cones") / 2
    assert all(EYES[eye] @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-5) for eye in EYES)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_of_figures_stand_out_from_their_ground(theme: str) -> None:
    colours, grounds = THEMES[theme], {"page": THEMES[theme].paper, "theme": config(theme)["backgroundColor"]}
    assert grounds["page"] == grounds["theme"]
    low = {name: contrast(getattr(colours, name), colours.paper) for name in ("text", "muted", "warning")}
    assert not {name: ratio for name, ratio in low.items() if ratio < TEXT}
    marks = ["forecast", "actual", "previous", "naive", "operator", "other", "muted", "bar", "outside"]
    low = {name: contrast(getattr(colours, name), colours.paper) for name in marks}
    assert not {name: ratio for name, ratio in low.items() if ratio < MARK}


@pytest.mark.parametrize("theme", THEMES)
def test_text_of_the_theme_can_be_read_on_its_grounds(theme: str) -> None:
    of = config(theme)
    grounds = [of["backgroundColor"], of["secondaryBackgroundColor"]]
    pairs = [(of["textColor"], ground) for ground in grounds] + [(of["linkColor"], grounds[0])]
    for name in ("green", "orange", "red", "gray"):
        pairs += [(of[f"{name}TextColor"], of[f"{name}BackgroundColor"]), (of[f"{name}TextColor"], grounds[0])]
    assert not [(text, ground) for text, ground in pairs if contrast(text, ground) < TEXT]
    assert contrast(of["primaryColor"], grounds[0]) >= MARK


@pytest.mark.parametrize("theme", THEMES)
def test_a_day_with_holes_is_no_whole_day_to_any_eye(theme: str) -> None:
    colours = THEMES[theme]
    assert not alike(colours.whole, colours.hole)
    assert not alike(colours.whole, colours.outside)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("colours") / "w.duckdb"
    filler.fill(path, NOW, Story(busy=True, waiting=True))
    return path


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", VIEWS)
def test_no_figure_of_a_page_tells_by_colour_alone(
    view: str, theme: str, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(palette, "of", lambda _theme: THEMES[theme])
    with seated(warehouse, monkeypatch):
        app = opened(view)
    confused = [
        f"{title}: {one['name']} and {other['name']} to {', '.join(eyes)}"
        for title, traces in figures(app)
        for one, other in combinations(traces, 2)
        if one["name"] != other["name"] and one["look"] == other["look"]
        if (eyes := alike(one["colour"], other["colour"]))
    ]
    assert not confused, "\n".join(confused)


def test_the_check_of_figures_would_see_two_lines_of_one_look() -> None:
    line = {"type": "scatter", "mode": "lines", "x": [0], "y": [0], "line": {"color": DARK.forecast, "width": 2}}
    one, other = (trace(line | {"name": name}) for name in "ab")
    assert one["look"] == other["look"]
    assert alike(DARK.forecast, DARK.operator) == ["protanopia", "deuteranopia"]
    assert trace(line | {"line": {"color": DARK.forecast, "dash": "dot"}})["look"] != one["look"]


def figures(app: AppTest) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The traces of each figure that stand in a legend, with their colour and all else that tells them apart."""
    for block in app.get("plotly_chart"):
        spec = json.loads(block.proto.spec)
        traces = [trace(one) for one in spec["data"] if one.get("name") and one.get("showlegend") is not False]
        yield block.proto.id, [one for one in traces if re.fullmatch("#[0-9A-Fa-f]{6}", str(one["colour"]))]


def trace(one: dict[str, Any]) -> dict[str, Any]:
    """What a legend shows of a trace."""
    line, marker, mode = one.get("line", {}), one.get("marker", {}), one.get("mode", "")
    look: tuple[Any, ...] = (one["type"], marker.get("pattern", {}).get("shape", ""))
    if one["type"] == "scatter":
        drawn = "lines" in mode
        look = ("scatter", line.get("dash", "solid") if drawn else None, drawn and thickness(line.get("width", 2)))
        look += (marker.get("symbol", "circle") if "markers" in mode else None,)
    return {"name": one.get("name", ""), "look": look, "colour": line.get("color") or marker.get("color")}


def thickness(width: float) -> int:
    """Widths that an eye tells apart: lines of up to 3 px are one, then every 4 px another."""
    return 0 if width <= 3 else 1 + round(width / 4)


def config(theme: str) -> dict[str, Any]:
    """Colours of the page in a theme."""
    text = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["theme"][theme]
    return found
