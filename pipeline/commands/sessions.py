"""Session store -> who is signed in, and the end of it."""

import argparse

from pipeline import auditing
from pipeline.commands.base import Command, Desk
from pipeline.commands.users import sign_ins
from pipeline.errors import AccountRefused

SHOWN = 10


def run(desk: Desk, options: argparse.Namespace) -> int:
    """List sessions, or end those of a user or the one whose id begins so. Raises AccountRefused."""
    return _revoke(desk, options) if options.word == "revoke" else _list(desk)


def _list(desk: Desk) -> int:
    found = sign_ins(desk).alive(desk.runner.clock())
    for one in found:
        print(
            f"{one.id[:SHOWN]}  {one.user:24} {one.mode:8} since {one.began:%Y-%m-%d %H:%M}Z, "
            f"last seen {one.seen:%H:%M}Z  {one.address}"
        )
    if not found:
        print("nobody is signed in")
    return 0


def _revoke(desk: Desk, options: argparse.Namespace) -> int:
    store, now = sign_ins(desk), desk.runner.clock()
    if bool(options.user) == bool(options.id):
        raise AccountRefused("say which: the beginning of a session's id, or --user NAME.")
    chosen = [one for one in store.alive(now, options.user) if one.id.startswith(options.id or "")]
    if not chosen or (options.id and len(chosen) > 1):
        raise AccountRefused(f"{len(chosen)} sessions are meant by that; `python jobs.py sessions list` shows them.")
    for one in chosen:
        store.end_id(one.id, why="revoked", now=now)
    for user in sorted({one.user for one in chosen}):
        detail = {"sessions": [one.id[:SHOWN] for one in chosen if one.user == user]}
        auditing.tell(desk.warehouse, "revoked", "ok", actor=desk.by, subject=user, detail=detail, now=now)
    print(f"sessions ended: {len(chosen)}")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WHAT")
    words.add_parser("list", help="sessions that hold")
    revoke = words.add_parser("revoke", help="end sessions at once")
    revoke.add_argument("id", nargs="?", metavar="ID-PREFIX")
    revoke.add_argument("--user", metavar="NAME")


COMMAND = Command("sessions", "who is signed in, and the end of it", run, _arguments)
