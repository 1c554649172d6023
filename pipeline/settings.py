"""Environment -> Settings: every knob, read once and validated; secrets come from nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import __version__
from pipeline.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What a process needs to know before it starts. Paths are absolute, waits are seconds.

    `cores` is how many processor cores training may use.
    """

    warehouse: Path
    models: Path
    config: Path
    markets: tuple[str, ...]
    lock_wait_s: float
    http_timeout_s: float
    http_tries: int
    cores: int
    esios_url: str
    redata_url: str
    user_agent: str
    backups: Path
    clock: Path | None = None
    esios_api_key: str | None = field(default=None, repr=False)

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read SEXTANT_* and provider tokens from `env` (default: the process environment).

        Raises ConfigError naming the variable when a value cannot be used.
        """
        env = os.environ if env is None else env
        warehouse = Path(env.get("SEXTANT_WAREHOUSE") or ROOT / "warehouse.duckdb").resolve()
        return cls(
            warehouse=warehouse,
            models=Path(env.get("SEXTANT_MODELS") or warehouse.parent / "models").resolve(),
            config=Path(env.get("SEXTANT_CONFIG") or ROOT / "sextant.toml").resolve(),
            markets=tuple(m.strip() for m in env.get("SEXTANT_MARKETS", "demo").split(",") if m.strip()),
            lock_wait_s=_number(env, "SEXTANT_LOCK_WAIT_S", 30.0),
            http_timeout_s=_number(env, "SEXTANT_HTTP_TIMEOUT_S", 30.0),
            http_tries=int(_number(env, "SEXTANT_HTTP_TRIES", 4)),
            cores=max(1, int(_number(env, "SEXTANT_CORES", os.cpu_count() or 1))),
            esios_url=env.get("SEXTANT_ESIOS_URL", "https://api.esios.ree.es").rstrip("/"),
            redata_url=env.get("SEXTANT_REDATA_URL", "https://apidatos.ree.es").rstrip("/"),
            user_agent=f"sextant/{__version__}",
            backups=Path(env.get("SEXTANT_BACKUPS") or warehouse.parent / "backups").resolve(),
            clock=Path(env["SEXTANT_CLOCK"]).resolve() if env.get("SEXTANT_CLOCK") else None,
            esios_api_key=env.get("ESIOS_API_KEY") or None,
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(env.get(name, default))
    except ValueError as error:
        raise ConfigError(f"{name}={env[name]!r} is not a number; set it to seconds or a count.") from error
    if value <= 0:
        raise ConfigError(f"{name}={value:g} must be above 0.")
    return value
