"""A folder of plug-ins -> {name: object}: one file declares one constant, whose `name` is the file's."""

import importlib
import pkgutil
from importlib.util import find_spec
from typing import Any


def discover(package: str, constant: str) -> dict[str, Any]:
    """Import every module of `package` that declares `constant` and map its `.name` to it.

    Raises ImportError when a plug-in cannot be imported and ValueError when one is called otherwise than its file.
    """
    folder = importlib.import_module(package)
    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    plugins = {name: find(package, name, constant) for name in names}
    return {name: plugin for name, plugin in plugins.items() if plugin is not None}


def find(package: str, name: str, constant: str) -> Any | None:
    """The plug-in called `name`, importing nothing but its file; None when there is none. Raises as `discover` does."""
    if not name.isidentifier() or find_spec(f"{package}.{name}") is None:
        return None
    plugin = getattr(importlib.import_module(f"{package}.{name}"), constant, None)
    if plugin is not None and plugin.name != name:
        raise ValueError(
            f"the plug-in of {package}.{name} calls itself {plugin.name!r}; give file and plug-in one name"
        )
    return plugin
