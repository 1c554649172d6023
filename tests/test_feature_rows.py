"""features: rows of the table and back, and the id of the feature set."""

import numpy as np
import pandas as pd
import pytest

from pipeline import features
from pipeline.errors import ModelError
from pipeline.features import Built, Versions
from tests.hourly import BESIDE, bits, build_at, history, hours, issued, with_vintages


def _rows(built: Built) -> pd.DataFrame:
    now = pd.Timestamp("2024-03-01", tz="UTC")
    return features.to_rows(built, target="demo.load", mode="replay", written_at=now, run_id="run")


def test_rows_come_back_bit_for_bit_in_any_order() -> None:
    source = with_vintages(history("2024-01-01", 60))
    origins = hours("2024-02-08", 3)
    built = build_at(source, origins, operator=Versions(origins, source.value[: len(origins)], issued(origins, -60)))
    back = features.from_rows(_rows(built).sample(frac=1, random_state=0))
    stored = Built(
        batch=type(built.batch)(**{**vars(built.batch), "recent": np.empty((len(origins), 0))}),
        **{name: getattr(built, name) for name in BESIDE},
    )
    assert bits(back) == bits(stored)
    assert back.as_of.tolist() == built.as_of.tolist()
    assert back.batch.origins.tolist() == origins.tolist()
    assert back.operator.tobytes() == built.operator.tobytes()


def test_rows_have_the_columns_of_the_table_and_one_line_per_horizon() -> None:
    built = build_at(history("2024-01-01", 45), hours("2024-02-08", 1))
    rows = _rows(built)
    assert len(rows) == 24 * 6
    assert set(rows["horizon"]) == {1, 2, 3, 4, 5, 6}
    assert (rows["valid_at"] - rows["origin"] == pd.to_timedelta(rows["horizon"], unit="h")).all()
    assert len(rows["values"].iloc[0]) == len(features.names())


def test_rows_of_another_feature_set_are_refused() -> None:
    rows = _rows(build_at(history("2024-01-01", 45), hours("2024-02-08", 1)))
    with pytest.raises(ModelError, match="feature rows are of set older"):
        features.from_rows(rows.assign(feature_set="older"))


def test_rows_that_lack_a_horizon_are_refused() -> None:
    rows = _rows(build_at(history("2024-01-01", 45), hours("2024-02-08", 1)))
    with pytest.raises(ModelError, match="lack a horizon"):
        features.from_rows(rows.iloc[1:])


def test_no_rows_and_no_origins_make_an_emptybuild_at() -> None:
    built = build_at(history("2024-01-01", 2), hours("2024-01-01", 0))
    assert len(built.batch) == 0
    assert len(_rows(built)) == 0
    assert len(features.from_rows(_rows(built)).batch) == 0


def test_the_feature_set_follows_names_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = features.feature_set()
    assert len(set(features.names())) == len(features.names())
    monkeypatch.setattr(features, "FEATURES_VERSION", features.FEATURES_VERSION + 1)
    assert features.feature_set() != before
