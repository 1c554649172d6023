"""Nothing -> the header by which a browser fetches the largest parts of a page while it still starts the small ones."""

from functools import cache
from pathlib import Path

import streamlit

# Otherwise a browser learns of them only when the page's script has run, one after the other.
CHUNKS = ("PlotlyChart", "DataFrame", "arrowFormatUtils", "Metric", "BidiComponent")
FONT = "</app/static/inter.woff2>; rel=preload; as=font; type=font/woff2; crossorigin"


@cache
def links() -> str:
    """The value of `Link`; parts that this release of Streamlit does not have are left out."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "js"
    found = [path.name for name in CHUNKS for path in sorted(folder.glob(f"{name}.*.js"))]
    return ", ".join([*(f"</static/js/{name}>; rel=modulepreload" for name in found), FONT])
