"""The Forecasts page's cards, charts and table in Dash; read anew every five seconds. Arguments: data, port."""

import json
import sys
from pathlib import Path

from dash import Dash, Input, Output, dash_table, dcc, html

DATA, PORT = Path(sys.argv[1]), int(sys.argv[2])
app = Dash(__name__, serve_locally=True, suppress_callback_exceptions=True)


def load() -> dict:
    return json.loads(DATA.read_text(encoding="utf-8"))


def cards(page: dict) -> list:
    box = {"border": "1px solid #D5DBE5", "borderRadius": "8px", "padding": "12px", "flex": "1"}
    return [
        html.Div([html.Div(one["label"]), html.H2(one["value"], className="card-value"), html.Div(one["change"]),
                  html.Small(one["band"])], style=box)
        for one in page["cards"]
    ]  # fmt: skip


def first() -> html.Div:
    page = load()
    return html.Div([
        html.H1("Forecasts"),
        html.Div(cards(page), id="cards", style={"display": "flex", "gap": "12px"}),
        dcc.Graph(id="fan", figure=page["figure"], config={"displayModeBar": False}),
        dash_table.DataTable(page["table"], [{"name": name, "id": name} for name in page["columns"]], id="table"),
        html.H2("Mean absolute error, 30 days"),
        dcc.Graph(id="errors", figure=page["errors"], config={"displayModeBar": False}),
        dcc.Interval(id="tick", interval=5000),
    ])  # fmt: skip


@app.callback(
    Output("cards", "children"), Output("fan", "figure"), Output("table", "data"), Output("errors", "figure"),
    Input("tick", "n_intervals"), prevent_initial_call=True,
)  # fmt: skip
def refresh(_n: int) -> tuple:
    page = load()
    return cards(page), page["figure"], page["table"], page["errors"]


@app.callback(Output("page", "children"), Input("url", "pathname"))
def route(path: str) -> html.Div:
    return html.Div(html.H1("Second", id="second")) if path == "/second" else first()


app.layout = html.Div([
    dcc.Location(id="url"),
    html.Nav([dcc.Link("Forecasts", href="/", id="to-first"), " ", dcc.Link("Second", href="/second", id="to-second")]),
    html.Div(id="page"),
])  # fmt: skip

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=PORT, debug=False)
