"""Settings -> the server of the dashboard: Streamlit behind our own gate. Start: `python -m dashboard.server`."""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from dashboard import data, promptness
from dashboard.signing import gate, menu, oidc, routes
from dashboard.signing.door import door
from pipeline import logs
from pipeline.errors import SextantError
from pipeline.settings import LOOPBACK, ROOT, Settings, locked

HEAVY = ("pandas", "plotly.graph_objects", "pyarrow")


def main(argv: list[str] | None = None) -> int:
    """Serve until stopped; returns the exit code."""
    parser = argparse.ArgumentParser(prog="dashboard.server", description="The dashboard's server.")
    parser.add_argument("--address", default=LOOPBACK[0])
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args(argv)
    try:
        settings = data.desk().settings
        check(settings, options.address)
        more = (oidc.provider(settings).client_secret,) if settings.auth.mode == "oidc" else ()
        door(settings)
        logs.set_up(settings.log_format, secrets=(*settings.secrets, *more))
        # Read from here on by the configuration of Streamlit, which looks into the folder it was started in.
        os.chdir(ROOT)
        # Whose word about the client's address is taken: by default that of whoever is on this machine.
        os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.auth.proxies)
        promptness.be_prompt()
        served = gate.hosts(settings, options.address)
        made(served).run(config=config(options.address, options.port, served))
    except SextantError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def check(settings: Settings, address: str) -> None:
    """Raises ConfigError where anybody could come in without having to sign in."""
    locked(settings, address)


def made(hosts: Iterable[str]) -> st.App:
    """The application: Streamlit's pages, our routes, and the gate before both."""
    return st.App(
        ROOT / "dashboard" / "app.py",
        lifespan=_lifespan,
        routes=[*routes.ROUTES, *oidc.ROUTES],
        middleware=[Middleware(gate.Gate, hosts=tuple(hosts))],
        on_script_error=menu.unhandled,
    )


def config(address: str, port: int, hosts: Iterable[str]) -> dict[str, object]:
    """What the command line decides of Streamlit's configuration; the rest is .streamlit/config.toml."""
    return {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.allowedHosts": list(hosts),
    }


@asynccontextmanager
async def _lifespan(_app: st.App) -> AsyncIterator[None]:
    for name in HEAVY:
        importlib.import_module(name)
    gc.collect()
    # What is loaded now stays: the collector need not look through it after every run of a page.
    gc.freeze()
    yield


if __name__ == "__main__":
    raise SystemExit(main())
