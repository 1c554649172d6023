"""A champion that cannot serve any more: inputs changed or its file is gone; what comes of it without a person."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.models.lightgbm import INSTALLED
from tests.conftest import Desk, ask


def without_inputs(desk: Desk) -> Desk:
    """As if the inputs of its target had been taken out of sextant.toml."""
    (market,) = desk.markets.values()
    desk.markets = {"demo": replace(market, targets=(replace(market.targets[0], inputs=()),))}
    return desk


def last(desk: Desk, table: str, order: str) -> dict[str, object]:
    rows = ask(desk, f"SELECT * FROM {table} ORDER BY {order}")
    return {str(name): value for name, value in rows.iloc[-1].items()}


def test_other_inputs_are_a_reason_to_retrain_at_once_and_quickly(full: Desk) -> None:
    row = without_inputs(full).done("monitor")
    words = "demo.load-v1 looks at other inputs than demo.load has now, so it cannot serve"
    asked = last(full, "job_runs WHERE requested_by = 'monitor'", "queued_at")
    assert (asked["reason"], json.loads(str(asked["args"]))) == (words, {"depth": "quick", "target": "demo.load"})
    assert f"{words}; retrain asked for" in row["log"]


def test_a_worse_version_takes_over_from_one_that_looks_at_other_inputs(full: Desk) -> None:
    # Naive is what a target falls back to, so no version can be worse than a champion that nobody can ask.
    without_inputs(full).done("train", families=["naive"])
    decision = last(full, "promotions", "number")
    assert (decision["version_id"], decision["outcome"]) == ("demo.load-v2", "promoted")
    why = "demo.load-v1 looks at other inputs than demo.load has now"
    assert str(decision["reason"]).startswith(f"sound, and the champion cannot serve: {why} (MAE ")
    assert json.loads(str(decision["evidence"]))["champion"] == "demo.load-v1"


def test_a_worse_version_takes_over_from_one_whose_file_is_gone(full: Desk) -> None:
    for path in (full.settings.models / "demo.load").glob("*.joblib"):
        path.unlink()
    full.done("train", families=["naive"])
    decision = last(full, "promotions", "number")
    assert (decision["version_id"], decision["outcome"]) == ("demo.load-v2", "promoted")
    assert str(decision["reason"]).startswith("sound, and the champion cannot serve: demo.load-v1")


@pytest.mark.skipif(not INSTALLED, reason="LIGHTGBM ABSENT: its own errors cannot be met")
def test_a_model_that_another_lightgbm_made_is_a_reason_and_no_crash() -> None:
    import zlib

    from pipeline.errors import ModelError
    from pipeline.models.lightgbm import LightGbm

    for text in ("tree\nversion=v9\n", "of another day"):
        with pytest.raises(ModelError, match=r"^LightGBM .* cannot use the model: .*; retrain\.$"):
            LightGbm().predict(zlib.compress(text.encode()), np.zeros((1, 3)))
