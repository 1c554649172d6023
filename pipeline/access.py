"""[access] of sextant.toml -> which role somebody has whom an identity provider vouches for."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError

# From the least to the most, so that the last one found is the highest.
ROLES = ("viewer", "operator", "admin")
KNOWN = {*ROLES, "groups_claim", "groups"}


@dataclass(frozen=True)
class Access:
    """E-mail addresses and groups by role; nobody has a role that is not named here."""

    people: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    groups_claim: str = "groups"

    def role_of(self, email: str, groups: Iterable[str] = ()) -> str | None:
        """The highest role that the address or one of the groups gives; None: not one."""
        found = {self.people.get(email.lower()), *(self.groups.get(one) for one in groups)}
        return next((role for role in reversed(ROLES) if role in found), None)


def load_access(path: Path) -> Access:
    """The table [access]; nobody may do anything where there is none. Raises ConfigError."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8")).get("access", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}.") from error
    if unknown := sorted(set(told) - KNOWN):
        raise ConfigError(f"[access] has no {unknown[0]}; there are {', '.join(sorted(KNOWN))}.")
    people = {email.lower(): role for role in ROLES for email in _words(told, role)}
    groups = told.get("groups", {})
    if not isinstance(groups, dict) or any(role not in ROLES for role in groups.values()):
        raise ConfigError("[access.groups] gives each group one of the roles viewer, operator and admin.")
    return Access(people, groups, str(told.get("groups_claim", "groups")))


def _words(told: Mapping[str, Any], role: str) -> list[str]:
    found = told.get(role, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigError(f"[access] {role} is a list of e-mail addresses.")
    return found
