"""A folder of plug-ins -> {name: object}: one file declares one constant."""

import importlib
import pkgutil
from typing import Any


def discover(package: str, constant: str) -> dict[str, Any]:
    """Import every module of `package` that declares `constant` and map its `.name` to it.

    Raises ImportError when a plug-in cannot be imported and ValueError when two share a name.
    """
    found: dict[str, Any] = {}
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__):
        plugin = getattr(importlib.import_module(f"{package}.{module.name}"), constant, None)
        if plugin is None:
            continue
        if plugin.name in found:
            raise ValueError(f"two plug-ins in {package} are called {plugin.name!r}")
        found[plugin.name] = plugin
    return found
