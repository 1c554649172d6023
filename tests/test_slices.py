"""slices: every hour has one hour of day and one type of day, by the local calendar."""

import numpy as np
import pytest

from pipeline.slices import calendar_slices
from tests.hourly import hours


def _slices(first: str, days: int) -> dict[str, np.ndarray]:
    return calendar_slices(hours(first, days), zone="Europe/Madrid", country="ES")


def test_hours_and_day_types_are_partitions() -> None:
    slices = _slices("2024-03-20", 20)
    for prefix in ("hour=", "day="):
        parts = [mask for name, mask in slices.items() if name.startswith(prefix)]
        assert (np.sum(parts, axis=0) == 1).all()


def test_hours_are_local() -> None:
    assert hours("2024-07-01", 1)[_slices("2024-07-01", 1)["hour=02"]].tolist() == [
        np.datetime64("2024-07-01T00").item()
    ]


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2024-04-03", "working"),
        ("2024-04-06", "saturday"),
        ("2024-04-07", "sunday"),
        ("2024-11-01", "holiday"),
        ("2022-10-31", "bridge"),
        ("2024-03-31", "clock_change"),
        ("2024-10-27", "clock_change"),
    ],
)
def test_a_day_has_its_type(day: str, kind: str) -> None:
    noon = np.array([np.datetime64(f"{day}T12", "h")])
    slices = calendar_slices(noon, zone="Europe/Madrid", country="ES")
    assert [name for name, mask in slices.items() if name.startswith("day=") and mask[0]] == [f"day={kind}"]


def test_peak_is_the_day_of_working_days() -> None:
    slices = _slices("2024-04-03", 5)
    peak = hours("2024-04-03", 5)[slices["peak"]]
    assert len(peak) == 3 * 12
    assert peak[0] == np.datetime64("2024-04-03T06")


def test_masks_have_the_shape_of_the_hours() -> None:
    grid = hours("2024-04-03", 2)[:, None] + np.arange(1, 7).astype("timedelta64[h]")
    assert {mask.shape for mask in calendar_slices(grid, zone="UTC", country="ES").values()} == {(48, 6)}
    assert calendar_slices(grid[:0], zone="UTC", country="ES") == {}
