"""Environment -> Providers: where providers of data are, and what they know us by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ADDRESSES = {
    "esios_url": ("SEXTANT_ESIOS_URL", "https://api.esios.ree.es"),
    "redata_url": ("SEXTANT_REDATA_URL", "https://apidatos.ree.es"),
    "caiso_url": ("SEXTANT_CAISO_URL", "https://oasis.caiso.com"),
    "caiso_outlook_url": ("SEXTANT_CAISO_OUTLOOK_URL", "https://www.caiso.com"),
    "ercot_url": ("SEXTANT_ERCOT_URL", "https://api.ercot.com"),
    "ercot_login_url": ("SEXTANT_ERCOT_LOGIN_URL", "https://ercotb2c.b2clogin.com"),
    "ercot_public_url": ("SEXTANT_ERCOT_PUBLIC_URL", "https://www.ercot.com"),
    "weather_url": ("SEXTANT_WEATHER_URL", "https://api.open-meteo.com"),
    "weather_history_url": ("SEXTANT_WEATHER_HISTORY_URL", "https://historical-forecast-api.open-meteo.com"),
    "weather_runs_url": ("SEXTANT_WEATHER_RUNS_URL", "https://previous-runs-api.open-meteo.com"),
}
NAMES = {
    "esios_api_key": "ESIOS_API_KEY",
    "ercot_username": "ERCOT_USERNAME",
    "ercot_password": "ERCOT_PASSWORD",
    "ercot_subscription_key": "ERCOT_SUBSCRIPTION_KEY",
    "weather_api_key": "OPEN_METEO_API_KEY",
    "sql_server": "SQL_SERVER",
    "sql_database": "SQL_DATABASE",
    "sql_username": "SQL_USERNAME",
    "sql_password": "SQL_PASSWORD",
}
SECRET = ("esios_api_key", "ercot_password", "ercot_subscription_key", "weather_api_key", "sql_password")


@dataclass(frozen=True)
class Providers:
    """Addresses without a slash at the end, names and secrets (None: not given); `sql_driver` is a DB-API module."""

    esios_url: str
    redata_url: str
    caiso_url: str
    caiso_outlook_url: str
    ercot_url: str
    ercot_login_url: str
    ercot_public_url: str
    weather_url: str
    weather_history_url: str
    weather_runs_url: str
    ercot_username: str | None
    sql_server: str | None
    sql_database: str | None
    sql_username: str | None
    sql_driver: str
    esios_api_key: str | None = field(repr=False)
    ercot_password: str | None = field(repr=False)
    ercot_subscription_key: str | None = field(repr=False)
    weather_api_key: str | None = field(repr=False)
    sql_password: str | None = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear in no message, row or log line."""
        return tuple(value for value in (getattr(self, name) for name in SECRET) if value)

    @classmethod
    def load(cls, env: Mapping[str, str]) -> "Providers":
        """Read addresses and tokens from `env`."""
        addresses = {key: (env.get(name) or usual).rstrip("/") for key, (name, usual) in ADDRESSES.items()}
        told = {key: env.get(name) or None for key, name in NAMES.items()}
        return cls(**addresses, **told, sql_driver=env.get("SEXTANT_SQL_DRIVER") or "pytds")  # type: ignore[arg-type]
