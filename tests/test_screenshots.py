"""Pictures in a folder -> one page that shows them; the states that can be taken are those that are tested."""

from pathlib import Path

from dashboard import screenshots
from tests.states import STATES


def test_the_index_shows_every_picture(tmp_path: Path) -> None:
    for name in ("stale_data_light.png", "full_jobs_phone_dark.png"):
        (tmp_path / name).write_bytes(b"")
    text = screenshots.index(tmp_path).read_text(encoding="utf-8")
    assert text.index('src="full_jobs_phone_dark.png"') < text.index('src="stale_data_light.png"')


def test_the_command_knows_the_states() -> None:
    assert screenshots._states() == list(STATES)


def test_the_named_state_is_served_until_the_pictures_are_taken(tmp_path: Path) -> None:
    options = screenshots.argparse.Namespace(folder=tmp_path, prefix="")
    with screenshots._state("missing", options) as address:
        screenshots._wait(address)
