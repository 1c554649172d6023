"""A folder of plug-ins -> {name: object}: one file declares one constant, whose `name` is the file's."""

import importlib
import pkgutil
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def discover(package: str, constant: str) -> dict[str, Any]:
    """Import every module of `package` that declares `constant` and map its `.name` to it.

    Raises ImportError when a plug-in cannot be imported and ValueError when one is called otherwise than its file.
    """
    names = [module.name for module in _modules(package)]
    plugins = {name: find(package, name, constant) for name in names}
    return {plugin.name: plugin for plugin in plugins.values() if plugin is not None}


def find(package: str, name: str, constant: str) -> Any | None:
    """The plug-in called `name`, importing nothing but its file; None when there is none. Raises as `discover` does.

    A file has _ where a name has -.
    """
    file = name.replace("-", "_")
    if not file.isidentifier() or find_spec(f"{package}.{file}") is None:
        return None
    plugin = getattr(importlib.import_module(f"{package}.{file}"), constant, None)
    if plugin is not None and plugin.name.replace("-", "_") != file:
        raise ValueError(
            f"the plug-in of {package}.{file} calls itself {plugin.name!r}; give file and plug-in one name"
        )
    return plugin


@cache
def declared(package: str, constant: str) -> tuple[str, ...]:
    """The names of the plug-ins of `package`, told from their files alone: nothing is imported."""
    files = {module.name: find_spec(f"{package}.{module.name}") for module in _modules(package)}
    there = re.compile(rf"^{constant}\b", re.MULTILINE)
    return tuple(name for name, spec in files.items() if spec and spec.origin and there.search(_text(spec.origin)))


def listed(package: str, constant: str) -> dict[str, Any]:
    """Map `.name` to each object of the lists `constant` that modules of `package` declare."""
    lists = [getattr(importlib.import_module(f"{package}.{one.name}"), constant, ()) for one in _modules(package)]
    return {member.name: member for members in lists for member in members}


def _modules(package: str) -> list[pkgutil.ModuleInfo]:
    return list(pkgutil.iter_modules(importlib.import_module(package).__path__))


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
