"""Log lines as text and as JSON, and nothing secret in either."""

import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import logs
from pipeline.settings import Settings

SECRET = 'se"cr\\et of the ESIOS door'
HOOK = "https://hooks.example.com/services/T0/B0/abcdefgh"


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The handlers of the test run come back."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers = []
    yield
    logger.handlers, level = handlers, logger.setLevel(level) or level


def written(form: str, level: int = logging.INFO) -> io.StringIO:
    stream = io.StringIO()
    settings = Settings.load({"ESIOS_API_KEY": SECRET, "SEXTANT_SLACK_URL": HOOK})
    logs.set_up(form, level, secrets=settings.secrets, stream=stream)
    return stream


def test_text_is_one_line_a_record() -> None:
    stream = written("text")
    logging.getLogger("pipeline.x").info("%d rows", 3)
    assert stream.getvalue() == "INFO pipeline.x: 3 rows\n"


def test_nobodys_text_begins_a_line_of_its_own_or_moves_the_cursor() -> None:
    stream = written("text")
    logger = logging.getLogger("pipeline.x")
    logger.info("asked for %s", "a\nERROR forged: by me\x1b[2J")
    try:
        raise ValueError("b\nERROR forged: by me\x1b[2J")
    except ValueError:
        logger.exception("broken")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "INFO pipeline.x: asked for a\\nERROR forged: by me\\x1b[2J"
    assert [line for line in lines if not line.startswith(" ")] == [lines[0], "ERROR pipeline.x: broken"]
    assert "\x1b" not in stream.getvalue()


def test_json_is_one_object_a_line_with_what_it_is_about() -> None:
    stream = written("json")
    with logs.about(job="train", run_id="abc"), ThreadPoolExecutor(1) as pool:
        pool.submit(logging.getLogger("pipeline.x").warning, "two\nlines %s", "ü").result()
    logging.getLogger("pipeline.x").warning("after")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["ts"].endswith("+00:00")
    del first["ts"]
    assert first == {
        "level": "WARNING", "logger": "pipeline.x", "message": "two\nlines ü", "job": "train", "run_id": "abc",
    }  # fmt: skip
    assert "job" not in second


def test_the_level_holds() -> None:
    stream = written("text", logging.WARNING)
    logging.getLogger("pipeline.x").info("nothing")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_written_not_even_in_a_traceback(form: str) -> None:
    stream = written(form)
    logger = logging.getLogger("pipeline.x")
    logger.info("token %s", SECRET)
    logger.info("GET https://user:pw1234@example.org/?api_key=k9k9k9 %s", [SECRET])
    # What the HTTP library logs of a request: the address without its host.
    logger.info('https://hooks.example.com:443 "POST %s HTTP/1.1" 200', "/services/T0/B0/abcdefgh")
    try:
        raise ValueError(f"refused {SECRET} at {HOOK}")
    except ValueError:
        logger.exception("broken")
    text = stream.getvalue()
    assert "broken" in text
    assert "ValueError: refused ***" in text
    for hidden in (SECRET, json.dumps(SECRET)[1:-1], "pw1234", "k9k9k9", "abcdefgh"):
        assert hidden not in text
