"""The Forecasts page's cards, charts and table in Panel; read anew every five seconds. Arguments: data, port."""

import json
import sys
from pathlib import Path

import pandas as pd
import panel as pn

DATA, PORT = Path(sys.argv[1]), int(sys.argv[2])
pn.extension("plotly", "tabulator")


def load() -> dict:
    return json.loads(DATA.read_text(encoding="utf-8"))


def card(one: dict) -> str:
    return (
        '<div style="border:1px solid #D5DBE5;border-radius:8px;padding:12px">'
        f"<div>{one['label']}</div><h2 class='card-value'>{one['value']}</h2><div>{one['change']}</div>"
        f"<small>{one['band']}</small></div>"
    )


def links() -> pn.pane.HTML:
    return pn.pane.HTML('<a id="to-first" href="/">Forecasts</a> <a id="to-second" href="/second">Second</a>')


def first() -> pn.Column:
    page = load()
    cards = [pn.pane.HTML(card(one), sizing_mode="stretch_width") for one in page["cards"]]
    fan = pn.pane.Plotly(page["figure"], sizing_mode="stretch_width", height=470, config={"displayModeBar": False})
    table = pn.widgets.Tabulator(pd.DataFrame(page["table"]), show_index=False, sizing_mode="stretch_width")
    errors = pn.pane.Plotly(page["errors"], sizing_mode="stretch_width", height=262, config={"displayModeBar": False})

    def refresh() -> None:
        now = load()
        for pane, one in zip(cards, now["cards"], strict=True):
            pane.object = card(one)
        fan.object = now["figure"]
        table.value = pd.DataFrame(now["table"])
        errors.object = now["errors"]

    pn.state.add_periodic_callback(refresh, period=5000)
    return pn.Column(links(), "# Forecasts", pn.Row(*cards), fan, table, "## Mean absolute error, 30 days", errors)


def second() -> pn.Column:
    return pn.Column(links(), pn.pane.HTML('<h1 id="second">Second</h1>'))


if __name__ == "__main__":
    pn.serve({"/": first, "/second": second}, address="127.0.0.1", port=PORT, show=False, index=None)
