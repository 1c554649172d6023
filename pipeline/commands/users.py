"""Users file -> users listed, added, changed, removed. A password comes from a prompt or a pipe, never an argument."""

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import timedelta

from pipeline import auditing
from pipeline.accounts import ROLES, Accounts
from pipeline.commands.base import Command, Desk
from pipeline.errors import AccountRefused
from pipeline.sign_ins import SignIns


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Do what was asked; each change ends the user's sessions and is audited. Raises AccountRefused, ConfigError."""
    accounts = Accounts(desk.settings.auth.users, desk.settings.auth.argon2)
    return WORDS[options.word](desk, accounts, options)


def sign_ins(desk: Desk) -> SignIns:
    """The sessions of this desk's server."""
    auth = desk.settings.auth
    return SignIns(auth.sessions, idle=timedelta(minutes=auth.idle_min), longest=timedelta(hours=auth.longest_h))


def _list(desk: Desk, accounts: Accounts, _options: argparse.Namespace) -> int:
    found = accounts.all()
    signed_in = {one.user for one in sign_ins(desk).alive(desk.runner.clock())}
    for one in found.values():
        here = "signed in" if one.name in signed_in else ""
        print(f"{one.name:24} {one.role:9} password of {one.changed[:10]}  {here}".rstrip())
    if not found:
        print(f"no users in {desk.settings.auth.users}; add one: python jobs.py users add NAME --role admin")
    return 0


def _add(desk: Desk, accounts: Accounts, options: argparse.Namespace) -> int:
    accounts.add(options.name, options.role, _password(), desk.runner.clock())
    return _done(desk, options.name, f"added as {options.role}")


def _role(desk: Desk, accounts: Accounts, options: argparse.Namespace) -> int:
    accounts.set_role(options.name, options.role)
    return _done(desk, options.name, f"now {options.role}")


def _renew(desk: Desk, accounts: Accounts, options: argparse.Namespace) -> int:
    accounts.set_password(options.name, _password(), desk.runner.clock())
    return _done(desk, options.name, "password changed")


def _remove(desk: Desk, accounts: Accounts, options: argparse.Namespace) -> int:
    accounts.remove(options.name)
    return _done(desk, options.name, "removed")


def _done(desk: Desk, name: str, what: str) -> int:
    now = desk.runner.clock()
    ended = sign_ins(desk).end_all(name, why=what, now=now)
    detail = {"what": what, "sessions_ended": ended}
    auditing.tell(desk.warehouse, "account", "ok", actor=desk.by, subject=name, detail=detail, now=now)
    print(f"{name} {what}; sessions ended: {ended}")
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise AccountRefused("the two passwords differ; nothing was changed.")
    return first


WORDS: dict[str, Callable[[Desk, Accounts, argparse.Namespace], int]] = {
    "list": _list,
    "add": _add,
    "role": _role,
    "password": _renew,
    "remove": _remove,
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WHAT")
    words.add_parser("list", help="names and roles")
    for word, told in (
        ("add", "a new user"),
        ("role", "give another role"),
        ("password", "set another password"),
        ("remove", "take away the account"),
    ):
        one = words.add_parser(word, help=told)
        one.add_argument("name")
        if word in ("add", "role"):
            one.add_argument("--role", choices=ROLES, required=True)


COMMAND = Command("users", "who may sign in, and as what", run, _arguments)
