"""Nothing -> where benchmarks keep what they computed and where the peers' interpreter is."""

import os
from pathlib import Path

from pipeline.settings import ROOT

CACHE = Path(os.environ.get("SEXTANT_BENCH_CACHE", Path.home() / ".cache" / "sextant-benchmarks"))


def peers_python() -> Path:
    """The interpreter of the peers' environment. Raises FileNotFoundError where there is none."""
    path = Path(os.environ.get("SEXTANT_PEERS_PYTHON", ROOT / ".venv-peers" / "bin" / "python"))
    if not path.exists():
        raise FileNotFoundError(f"the peers' interpreter {path} is missing; run `make peers`.")
    return path
