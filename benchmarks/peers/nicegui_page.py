"""The Forecasts page's cards, charts and table in NiceGUI; read anew every five seconds. Arguments: data, port."""

import json
import sys
from pathlib import Path

from nicegui import ui

DATA, PORT = Path(sys.argv[1]), int(sys.argv[2])


def load() -> dict:
    return json.loads(DATA.read_text(encoding="utf-8"))


def links() -> None:
    with ui.row():
        ui.link("Forecasts", "/").props("id=to-first")
        ui.link("Second", "/second").props("id=to-second")


@ui.page("/")
def first() -> None:
    page = load()
    links()
    ui.label("Forecasts").classes("text-h4")
    labels = []
    with ui.row().classes("w-full no-wrap"):
        for one in page["cards"]:
            with ui.card().classes("col"):
                ui.label(one["label"])
                labels.append((ui.label(one["value"]).classes("text-h5 card-value"), ui.label(one["change"]),
                               ui.label(one["band"])))  # fmt: skip
    fan = ui.plotly(page["figure"] | {"config": {"displayModeBar": False}}).classes("w-full")
    columns = [{"name": name, "label": name, "field": name} for name in page["columns"]]
    table = ui.table(columns=columns, rows=page["table"], row_key="horizon").classes("w-full")
    ui.label("Mean absolute error, 30 days").classes("text-h5")
    errors = ui.plotly(page["errors"] | {"config": {"displayModeBar": False}}).classes("w-full")

    def refresh() -> None:
        now = load()
        for (value, change, band), one in zip(labels, now["cards"], strict=True):
            value.text, change.text, band.text = one["value"], one["change"], one["band"]
        fan.update_figure(now["figure"] | {"config": {"displayModeBar": False}})
        table.update_rows(now["table"])
        errors.update_figure(now["errors"] | {"config": {"displayModeBar": False}})

    ui.timer(5.0, refresh, immediate=False)


@ui.page("/second")
def second() -> None:
    links()
    ui.html('<h1 id="second">Second</h1>', sanitize=False)


ui.run(host="127.0.0.1", port=PORT, show=False, reload=False)
