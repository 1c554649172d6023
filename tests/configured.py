"""A sound sextant.toml with a place, a forecast, weather, prices, a sum, a spread and an event, to be changed."""

from pathlib import Path

BASE = """\
[market.north]
name = "North"
zone = "Europe/Madrid"
country = "ES"
sources = ["demo", "weather"]
history_days = 300
currency = "EUR"

[market.north.place.city]
latitude = 40.4
longitude = -3.7
weight = 2

[market.north.series.load]
title = "Demand"
kind = "measured"
unit = "MW"
cadence_min = 5
minimum = 0
maximum = 9000
keys = { demo = "load" }

[market.north.series.plan]
title = "Plan"
kind = "forecast"
unit = "MW"
cadence_min = 60
ahead_h = 36
minimum = 0
maximum = 9000
keys = { demo = "load_forecast" }

[market.north.series.warm]
title = "Temperature"
kind = "forecast"
unit = "degC"
cadence_min = 60
ahead_h = 48
minimum = -40
maximum = 50
keys = { weather = "temperature_2m" }
places = ["city"]

[market.north.series.early]
title = "Day-ahead price"
kind = "price"
unit = "EUR/MWh"
cadence_min = 60
ahead_h = 24
minimum = -500
maximum = 4000
keys = { demo = "price" }

[market.north.series.late]
title = "Real-time price"
kind = "measured"
unit = "EUR/MWh"
cadence_min = 15
minimum = -500
maximum = 4000
keys = { demo = "late" }

[market.north.target.load]
title = "Demand"
operator = "plan"
inputs = ["plan", "warm"]
parts = ["half"]

[market.north.target.half]
title = "Half"
series = "load"

[market.north.target.dart]
title = "DART"
kind = "spread"
series = "late"
minuend = "early"

[[market.north.event]]
first = 2026-03-01T10:00:00Z
last = 2026-03-02T10:00:00Z
reason = "A strike"

[job.train]
at = "03:30"

[alert.stale_data]
limit = 60

[channel.log]
least = "warning"

[retention]
logs_days = 30

[access]
admin = ["ana@example.org"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sextant.toml"
    path.write_text(text, encoding="utf-8")
    return path
