"""`Cookie` headers -> values by name. The one parser for the gate, its routes and the pages, so that all see the same.

Tolerant: somebody else's odd cookie on the same host must not hide ours.
"""

from collections.abc import Iterable, Mapping

# A browser may send several of one name (other path, other domain); more than this nobody has by accident.
TRIED = 5


def jar(lines: Iterable[str]) -> dict[str, str]:
    """Values by name; several of one name stand in one text, by space, which no value of ours has."""
    found: dict[str, list[str]] = {}
    for part in ";".join(lines).split(";"):
        name, is_set, value = part.partition("=")
        if is_set:
            found.setdefault(name.strip(), []).append("".join(value.split()).strip('"'))
    return {name: " ".join(values) for name, values in found.items()}


def each(cookies: Mapping[str, str], name: str) -> list[str]:
    """The values of a name, the last first: browsers send a cookie of a longer path, which is not ours, before."""
    return cookies.get(name, "").split()[::-1][:TRIED]
