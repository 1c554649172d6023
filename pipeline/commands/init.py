"""A name -> a commented sextant.toml with one small market, ready to be filled in."""

import argparse
from pathlib import Path

from pipeline.commands.base import Command, Desk
from pipeline.configuring.kinds import NAME
from pipeline.errors import ConfigError

TEMPLATE = Path(__file__).parent.parent / "configuring" / "template.toml"


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Write the file. Raises ConfigError where one is already, or the market's name cannot be one."""
    path = Path(options.path).resolve() if options.path else desk.settings.config
    if path.is_dir():
        path = path / "sextant.toml"
    if not NAME.fullmatch(options.market):
        raise ConfigError(f"{options.market!r} is no name for a market; use letters, digits, _ and - only.")
    if path.exists() and not options.force:
        raise ConfigError(f"{path.name} is there already and stays as it is; name another path, or say --force.")
    text = TEMPLATE.read_text(encoding="utf-8").replace("market.mine", f"market.{options.market}")
    try:
        path.write_text(text.replace("mine.load", f"{options.market}.load"), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); name another path.") from error
    print(f"wrote {path}")
    print(f"next: put files into its folder, set SEXTANT_CONFIG={path} and SEXTANT_MARKETS={options.market},")
    print("then `python jobs.py check-config` and `python jobs.py demo`")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help="file or folder; default the one of SEXTANT_CONFIG")
    parser.add_argument("--market", default="mine", metavar="NAME", help="the id of its market; default: mine")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


COMMAND = Command("init", "write a commented sextant.toml with one small market", run, _arguments, configured=False)
