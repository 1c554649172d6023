"""A name -> a commented sextant.toml with one small market, ready to be filled in."""

import argparse
import os
from itertools import count
from pathlib import Path

from pipeline.commands.base import Command, Desk
from pipeline.configuring.kinds import NAME
from pipeline.errors import ConfigError

TEMPLATE = Path(__file__).parent.parent / "configuring" / "template.toml"
FILE = "sextant.toml"


def run(_desk: Desk, options: argparse.Namespace) -> int:
    """Write the file. Raises ConfigError where one is already, or the market's name cannot be one."""
    path = _path(options.path)
    if not NAME.fullmatch(options.market):
        raise ConfigError(f"{options.market!r} is no name for a market; use letters, digits, _ and - only.")
    if path.exists() and not options.force:
        words = "say another path, such as `python jobs.py init mine/`, or --force"
        raise ConfigError(f"{path} is there already and stays as it is; {words} (the old one is kept beside it).")
    text = TEMPLATE.read_text(encoding="utf-8").replace("market.mine", f"market.{options.market}")
    for name in ("mine.load", "publish.mine"):
        text = text.replace(name, name.replace("mine", options.market))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            print(f"kept the old file as {path.rename(_spare(path))}")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); name another path.") from error
    print(f"wrote {path}")
    print(
        f"next: put files into {path.parent / 'data'}, set SEXTANT_CONFIG={path} and SEXTANT_MARKETS={options.market},"
    )
    print("then `python jobs.py check-config` and `python jobs.py demo`")
    return 0


def _path(told: str | None) -> Path:
    """The file that is meant: of a folder, there or to be made, the sextant.toml in it."""
    path = Path(told or FILE).resolve()
    ends = told is not None and told.endswith(("/", os.sep))
    return path / FILE if path.is_dir() or ends or not path.suffix else path


def _spare(path: Path) -> Path:
    """A name beside it that is free."""
    names = (path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in count(1))
    return next(one for one in names if not one.exists())


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help=f"file or folder; default {FILE} in this folder")
    parser.add_argument("--market", default="mine", metavar="NAME", help="the id of its market; default: mine")
    parser.add_argument("--force", action="store_true", help="write it anew; the file that is there is kept as .bak")


COMMAND = Command("init", "write a commented sextant.toml with one small market", run, _arguments, configured=False)
