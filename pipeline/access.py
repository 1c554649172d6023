"""[access] of sextant.toml -> which role somebody has whom an identity provider vouches for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.configuring.kinds import Checker, Key, Kind, names, text
from pipeline.configuring.toml import read

# From the least to the most, so that the last one found is the highest.
ROLES = ("viewer", "operator", "admin")
GROUPS = Kind(
    lambda value: isinstance(value, dict) and all(role in ROLES for role in value.values()),
    "give each group one of the roles viewer, operator and admin",
)
ACCESS = {role: Key(names('["ana@example.org"]')) for role in ROLES} | {
    "groups_claim": Key(text('"groups"')),
    "groups": Key(GROUPS),
}


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
    checker = Checker(read(path))
    found = check_access(checker)
    checker.refuse()
    return found


def check_access(checker: Checker) -> Access:
    """The same of a file that is read already; mistakes are noted and give nobody a role."""
    told = checker.table(("access",), checker.file.tables.get("access", {}), ACCESS)
    people = {email.lower(): role for role in ROLES for email in told.get(role, [])}
    return Access(people, told.get("groups", {}), told.get("groups_claim", "groups"))
