"""What each key of a market's tables may be; the file's other tables say theirs beside what they configure."""

from pipeline.configuring.kinds import (
    ANYTHING,
    HORIZONS,
    LINK,
    MAPPING,
    MOMENT,
    MONEY,
    SWITCH,
    ZONE,
    Key,
    Keys,
    Kind,
    names,
    number,
    text,
    whole,
    word,
)
from pipeline.markets import KINDS, PROMOTIONS, TARGET_KINDS

FRACTIONS_OF_A_DAY = (1, 2, 3, 4, 6, 8, 12, 24)
EVERY = Kind(
    lambda value: isinstance(value, int) and not isinstance(value, bool) and value in FRACTIONS_OF_A_DAY,
    f"use hours that divide a day: one of {', '.join(map(str, FRACTIONS_OF_A_DAY))}",
)
MINUTES, PERCENT = number(0, 10080, what="minutes"), number(0, 1000, what="percent")
DAYS = number(1, 3650, what="days")
LIMIT = number(0.001, what="a number")

MARKET: Keys = {
    "name": Key(text('"Spain"'), needed=True),
    "zone": Key(ZONE, needed=True),
    "country": Key(text('"ES" or, with its state, "US-CA"'), needed=True),
    "sources": Key(names('["files"]', least=1), needed=True),
    "history_days": Key(whole(1, 1100, "days", 20000), needed=True),
    "currency": Key(MONEY),
    "status_url": Key(LINK),
    "folder": Key(text('"data"')),
    "place": Key(ANYTHING),
    "series": Key(Kind(lambda _value: True, "describe at least one as [market.ID.series.NAME]"), needed=True),
    "target": Key(Kind(lambda _value: True, "describe at least one as [market.ID.target.NAME]"), needed=True),
    "event": Key(ANYTHING),
}
PLACE: Keys = {
    "latitude": Key(number(-90, 90, what="degrees north"), needed=True),
    "longitude": Key(number(-180, 180, what="degrees east"), needed=True),
    "weight": Key(number(0, above=True)),
}
SERIES: Keys = {
    "title": Key(text('"Demand"'), needed=True),
    "kind": Key(word(KINDS), needed=True),
    "unit": Key(text('"MW"'), needed=True),
    "cadence_min": Key(whole(1, 5, "minutes"), needed=True),
    "delay_min": Key(MINUTES),
    "ahead_h": Key(number(0, 1000, what="hours")),
    "overlap_h": Key(number(-100, 10000, what="hours")),
    "minimum": Key(number(what="a number of the series' unit"), needed=True),
    "maximum": Key(number(what="a number of the series' unit"), needed=True),
    "keys": Key(MAPPING, needed=True),
    "flat_min": Key(number(0, 525600, what="minutes")),
    "jump": Key(number(0, above=True, what="a number of the series' unit")),
    "places": Key(names('["Madrid"]')),
}
TARGET: Keys = {
    "title": Key(text('"Demand"'), needed=True),
    "kind": Key(word(TARGET_KINDS)),
    "series": Key(text('"load"')),
    "minuend": Key(text('"price_day_ahead"')),
    "operator": Key(text('"load_forecast"')),
    "inputs": Key(names('["load_forecast"]')),
    "parts": Key(names('["load_north", "load_south"]', least=1)),
    "metrics": Key(names('["mae", "skill"]', least=1)),
    "horizons": Key(HORIZONS),
    "every_h": Key(EVERY),
    "off": Key(SWITCH),
    "issue_delay_min": Key(MINUTES),
    "issue_grace_min": Key(MINUTES),
    "promotion": Key(word(PROMOTIONS)),
    "clearly_worse_pct": Key(PERCENT),
    "error_up_pct": Key(PERCENT),
    "keep_versions": Key(whole(1, 20)),
    "shadow_versions": Key(whole(0, 3)),
    "oldest_days": Key(DAYS),
    "deep_every_days": Key(DAYS),
    "mae_limit": Key(LIMIT),
    "mape_limit_pct": Key(LIMIT),
}
EVENT: Keys = {
    "first": Key(MOMENT, needed=True),
    "last": Key(MOMENT, needed=True),
    "reason": Key(text('"Blackout of the north"'), needed=True),
}
