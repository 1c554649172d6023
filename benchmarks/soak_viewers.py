"""A world's environment -> one viewer that reads what pages ask and the dashboard over HTTP, until it is ended.

    python -m benchmarks.soak_viewers NUMBER OUT.jsonl http://127.0.0.1:PORT

What it met goes to OUT, a line an error, and every so often how much it has read.
"""

import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from benchmarks.pages import OFTEN, questions
from dashboard import data
from pipeline.errors import NoWarehouse, SextantError

PAUSE_S = 4.0
TELL_EVERY = 10


def watch(number: int, out: Path, address: str) -> None:
    """Look at pages at random for ever."""
    desk, rng, seen = data.desk(), random.Random(number), Counter[str]()
    target = next(iter(desk.targets.values()))
    series = [one.id for market in desk.markets.values() for one in market.series]
    while True:
        page = rng.choices(list(OFTEN), list(OFTEN.values()))[0]
        for query, params in questions(target.id, series, desk.clock(), target.zone)[page]:
            seen["queries"] += 1
            try:
                desk.ask(query, **params)
            except NoWarehouse:
                seen["no warehouse"] += 1
            except SextantError as error:
                _tell(out, {"error": f"{query}: {type(error).__name__}: {error}"})
        seen["outdated answers"] += desk.late()
        seen[_get(address, out)] += 1
        seen["pages"] += 1
        if seen["pages"] % TELL_EVERY == 0:
            _tell(out, {"viewer": number} | dict(seen))
        time.sleep(rng.expovariate(1 / PAUSE_S))


def _get(address: str, out: Path) -> str:
    """The dashboard's own answer, in a word; it may be down, but must not fail."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        _tell(out, {"error": f"the dashboard answered {error.code}"})
        return f"HTTP {error.code}"
    except (urllib.error.URLError, OSError):
        return "dashboard away"


def _tell(out: Path, words: dict[str, object]) -> None:
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
