"""Errors of issued forecasts -> standard errors of the figures that a page shows of them. Pure."""

import numpy as np
import pandas as pd

from pipeline import metrics


def standard_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """One row a horizon and issuer: `mae_se` in the target's unit and `skill_se` against naive, as a share.

    `errors` as from query `page_errors`. Neighbouring hours err alike; see metrics.standard_error for how that
    is allowed for. NaN where there are too few hours, or no naive forecast to compare with.
    """
    rows = []
    for horizon, part in errors.groupby("horizon"):
        loss = part.pivot(index="origin", columns="issuer", values="error").abs().asfreq("h")
        unknown = np.full(len(loss), np.nan)
        naive = loss["naive"].to_numpy() if "naive" in loss else unknown
        for issuer in loss:
            own = loss[issuer].to_numpy()
            rows.append(
                {
                    "horizon": horizon,
                    "issuer": issuer,
                    "mae_se": metrics.standard_error(own),
                    "skill_se": metrics.skill_error(own, unknown if issuer == "naive" else naive),
                }
            )
    return pd.DataFrame(rows, columns=["horizon", "issuer", "mae_se", "skill_se"])
