"""Theme -> colours of figures; every pair of lines also differs in width, dash or symbol."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Colours of one theme, as CSS."""

    text: str
    muted: str
    grid: str
    paper: str
    forecast: str
    band: str
    hindcast_band: str
    actual: str
    previous: str
    operator: str
    naive: str
    bar: str
    outside: str
    warning: str
    other: str
    future: str
    whole: str
    hole: str


LIGHT = Palette(
    text="#0F172A",
    muted="#4B5563",
    grid="#E4E8EF",
    paper="#FFFFFF",
    forecast="#0B5FA5",
    band="rgba(11,95,165,0.26)",
    hindcast_band="rgba(11,95,165,0.11)",
    actual="#0F172A",
    previous="#C05F00",
    operator="#6B4FBB",
    naive="#C05F00",
    bar="#7D8A99",
    outside="#D9730D",
    warning="#B04A00",
    other="#0E7C66",
    future="rgba(11,95,165,0.05)",
    whole="#CFE1F2",
    hole="#F6C48F",
)
DARK = Palette(
    text="#E8EDF4",
    muted="#A6B1BF",
    grid="#222E3A",
    paper="#0D131A",
    forecast="#5AB0F2",
    band="rgba(90,176,242,0.32)",
    hindcast_band="rgba(90,176,242,0.13)",
    actual="#F4F7FB",
    previous="#F0A04B",
    operator="#BBA5F5",
    naive="#F0A04B",
    bar="#5B6B7B",
    outside="#F0A04B",
    warning="#F0A04B",
    other="#4CC9A7",
    future="rgba(90,176,242,0.06)",
    whole="#1D3D5C",
    hole="#8A5A22",
)


def of(theme: str | None) -> Palette:
    """The palette of 'light' or 'dark'; light when unknown."""
    return DARK if theme == "dark" else LIGHT
