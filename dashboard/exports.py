"""Frame -> bytes of a file somebody downloads, harmless in a spreadsheet. Pure."""

import io
import re
from typing import Any

import pandas as pd

# Signs also of double width, after blanks and what cannot be seen, which some programs drop.
FORMULA = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
    r"[-=+@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b]|[\x00-\x1f]"
)
NUMBER = re.compile(r"[+-]\d[\d,.]*( ?[%A-Za-z/]+)?( ± \d[\d,.]*)?")


def csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 with a header; times in ISO 8601. Text that a spreadsheet would take for a formula gets an apostrophe
    in front (OWASP, CSV injection); numbers stay numbers."""
    return _safe(frame).to_csv(index=False).encode()


def tsv(frame: pd.DataFrame) -> str:
    """The same separated by tabs, as sheets take it from the clipboard."""
    return _safe(frame).to_csv(index=False, sep="\t", lineterminator="\n")


def parquet(frame: pd.DataFrame) -> bytes:
    """With types and time zones kept."""
    content = io.BytesIO()
    frame.to_parquet(content, index=False)
    return content.getvalue()


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The same for a table on a page, out of which readers copy and download; a signed number stays as it is."""
    safe = frame.copy(deep=False)
    for name in safe.columns:
        if _is_text(safe[name]) and any(_harmless(cell, NUMBER) is not cell for cell in safe[name]):
            safe[name] = safe[name].map(lambda cell: _harmless(cell, NUMBER), na_action="ignore")
    return safe


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    safe = frame.rename(columns=_harmless).copy()
    for name in safe.columns:
        if _is_text(safe[name]):
            safe[name] = safe[name].map(_harmless, na_action="ignore")
    return safe


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_datetime64_any_dtype(column)


def _harmless(cell: Any, but: re.Pattern[str] | None = None) -> Any:
    risky = isinstance(cell, str) and FORMULA.match(cell) and not (but and but.fullmatch(cell))
    return f"'{cell}" if risky else cell
