"""adapting: bands follow the errors, from what was known at each issue and nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import intervals
from pipeline.adapting import LEAST_ERRORS, WINDOW, Basis, Track, _volatility
from pipeline.models.base import Floats
from pipeline.windows import Versions

START = np.datetime64("2024-03-20T00", "h")
HOUR = np.timedelta64(1, "h")
HELD = 28 * 24
AFTER = np.timedelta64(72, "m")
ZONE = "Europe/Madrid"


@dataclass
class World:
    """Errors (n, H) by origin, the first HELD of them of the hold-out; actuals are 1000 always."""

    errors: Floats
    revised: Versions | None = None

    @property
    def origins(self) -> np.ndarray:
        return START + np.arange(len(self.errors)) * HOUR

    @property
    def actuals(self) -> Versions:
        hours = START + np.arange(len(self.errors) + 7) * HOUR
        known_at = hours.astype("datetime64[us]") + np.timedelta64(65, "m")
        plain = Versions(hours, np.full(len(hours), 1000.0), known_at)
        if self.revised is None:
            return plain
        pairs = ((getattr(plain, name), getattr(self.revised, name)) for name in ("valid_at", "value", "known_at"))
        return Versions(*(np.concatenate(pair) for pair in pairs))

    @property
    def point(self) -> Floats:
        return 1000.0 + self.errors

    def track(self, first: int, *, own: bool = True) -> tuple[Track, Basis]:
        """A track for the origins from number `first` on, with the hold-out as its basis."""
        track = Track(self.origins[first:], self.actuals, zone=ZONE, since=START)
        held = track.spread(self.origins[:HELD], self.errors[:HELD], np.nan)
        return track, Basis(own=np.full(track.point.shape, own), held=held)

    def as_of(self, number: int) -> np.datetime64:
        return self.origins[number].astype("datetime64[us]") + AFTER

    def issue(self, first: int = HELD) -> Floats:
        """Edges (n, H, 4) of the origins from number `first` on, each issued after the other."""
        track, basis = self.track(first)
        edges = np.full((*self.errors.shape, 4), np.nan)
        for number in range(first, len(self.errors)):
            one = slice(number, number + 1)
            edges[number] = track.band(self.origins[number], self.as_of(number), self.point[number], basis)
            track.remember(self.origins[one], self.point[one], edges[one])
        return edges


def noise(n: int, *, size: float = 100.0, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_t(6, (n, 6)) * size * np.sqrt(np.arange(1, 7))


def coverage(edges: Floats, low: int, high: int) -> float:
    return float(np.mean((edges[..., low] <= 1000) & (edges[..., high] >= 1000)))


def test_bands_of_steady_errors_cover_what_they_promise() -> None:
    edges = World(noise(HELD + 800)).issue()[HELD:]
    assert coverage(edges, 1, 2) == pytest.approx(0.8, abs=0.03)
    assert coverage(edges, 0, 3) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(("factor", "low", "high"), [(3.0, 0.72, 0.90), (1 / 3, 0.75, 0.95)])
def test_a_change_of_regime_is_followed_within_days(factor: float, low: float, high: float) -> None:
    errors = noise(HELD + 336)
    errors[HELD:] *= factor
    hours = np.zeros(errors[:HELD].shape, dtype=np.int64)
    fixed = intervals.apply(intervals.calibrate(errors[:HELD], hours), np.zeros((1, 6)), hours[:1])
    assert not low < np.mean((fixed["p10"] <= -errors[HELD:]) & (-errors[HELD:] <= fixed["p90"])) < high
    edges = World(errors).issue()[HELD:]
    assert low < coverage(edges[72:], 1, 2) < high


def test_a_bias_that_appears_moves_the_band_not_only_its_width() -> None:
    errors = noise(HELD + 480)
    errors[HELD:] += 400.0
    edges = World(errors).issue()
    before = edges[HELD].mean(axis=0) - World(errors).point[HELD].mean()
    after = edges[-1].mean(axis=0) - World(errors).point[-1].mean()
    assert after[1] < before[1] - 200
    assert after[2] < before[2]


def test_the_band_of_an_hour_that_never_misses_becomes_narrower() -> None:
    errors = noise(HELD + 1400)
    clock = (np.arange(len(errors))[:, None] + np.arange(1, 7)) % 24
    # Never small, never large: the usual quantiles of scaled errors would hold them all.
    errors = np.where(clock == 6, 100.0 * np.sign(errors), errors)
    world = World(errors)
    down = (world.point[..., None] - world.issue())[:, :, 1]
    later = (np.arange(len(errors)) >= HELD + 480)[:, None] & (clock == 6)
    assert down[later].mean() < 150


def test_a_loud_day_widens_the_next_band_at_once() -> None:
    errors = noise(HELD + 1)
    calm = World(errors).issue()[HELD]
    errors[HELD - 30 : HELD] *= 3.0
    loud = World(errors).issue()[HELD]
    assert ((loud[:, 2] - loud[:, 1]) > 1.5 * (calm[:, 2] - calm[:, 1])).all()


def test_the_volatility_of_an_issue_is_of_errors_known_by_then() -> None:
    errors = noise(400)
    errors[200] = 5000.0
    before, now = _volatility(errors, np.repeat(np.arange(400)[:, None] % 24, 6, axis=1))
    assert np.argmax(np.diff(before, axis=0), axis=0).tolist() == [200, 201, 202, 203, 204, 205]
    assert now == pytest.approx(before[399, 0], rel=0.3)


def test_loud_and_calm_days_in_turn_are_both_covered() -> None:
    errors = noise(HELD + 1200)
    turn = (np.arange(len(errors)) // 72) % 2
    errors *= np.where(turn, 3.0, 1.0)[:, None]
    edges = World(errors).issue()
    later = np.arange(len(errors)) >= HELD
    assert coverage(edges[later], 1, 2) == pytest.approx(0.8, abs=0.03)
    for regime, least, most in ((0, 0.74, 0.96), (1, 0.66, 0.86)):
        assert least < coverage(edges[later & (turn == regime)], 1, 2) < most


def test_nothing_known_later_than_the_issue_changes_a_band() -> None:
    world = World(noise(HELD + 200))
    number = HELD + 120
    later = world.origins[number - 30 : number + 8]
    known_at = np.full(len(later), world.as_of(number) + np.timedelta64(1, "us"))
    known_at[later > world.origins[number]] = world.as_of(number)
    revised = World(world.errors, revised=Versions(later, np.full(len(later), 5000.0), known_at))
    np.testing.assert_array_equal(world.issue()[number], _alone(revised, number, world.issue()))


def test_a_revision_counts_from_when_it_is_known() -> None:
    world = World(noise(HELD + 200))
    number = HELD + 120
    hours = world.origins[number - 30 : number]
    revised = World(world.errors, revised=Versions(hours, np.full(30, 3000.0), np.full(30, world.as_of(number))))
    assert (_alone(revised, number, world.issue())[:, 3] > world.issue()[number][:, 3] + 50).all()


def test_a_band_made_alone_is_the_one_made_in_a_long_replay() -> None:
    world = World(noise(HELD + 400))
    edges = world.issue()
    for number in (HELD, HELD + 1, HELD + 399):
        np.testing.assert_array_equal(_alone(world, number, edges), edges[number])


def test_the_versions_own_hold_out_comes_before_issues_of_others() -> None:
    world = World(np.concatenate([noise(HELD, size=10), noise(300, size=10)]))
    band = {}
    for own in (True, False):
        track, basis = world.track(HELD + 100, own=own)
        loud = world.point[:HELD] + 300.0 * np.sign(world.errors[:HELD])
        track.remember(world.origins[:HELD], loud, np.full((HELD, 6, 4), np.nan))
        band[own] = track.band(world.origins[HELD + 100], world.as_of(HELD + 100), np.full(6, 1000.0), basis)
    assert (band[False][:, 2] < 1100).all()
    assert (band[True][:, 2] > 1200).all()


def test_an_old_hold_out_serves_until_enough_was_issued() -> None:
    long_ago = HELD + WINDOW + 300
    world = World(noise(long_ago + LEAST_ERRORS + 20))
    track, basis = world.track(long_ago)
    first = track.band(world.origins[long_ago], world.as_of(long_ago), world.point[long_ago], basis)
    assert np.isfinite(first).all()
    loud = world.point[long_ago:] + 5000.0 * np.sign(world.errors[long_ago:])
    track.remember(world.origins[long_ago:], loud, np.full((*loud.shape, 4), np.nan))
    last = len(world.errors) - 1
    assert (track.band(world.origins[last], world.as_of(last), np.full(6, 1000.0), basis)[:, 1] < -3000).all()


def test_without_errors_there_is_no_band() -> None:
    world = World(noise(HELD))
    track = Track(world.origins[-1:], world.actuals, zone=ZONE, since=START)
    nothing = Basis(own=np.ones(track.point.shape, dtype=bool), held=np.full(track.point.shape, np.nan))
    assert np.isnan(track.band(world.origins[-1], world.as_of(-1), world.point[-1], nothing)).all()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.0, 1e4), st.floats(-1e4, 1e4))
def test_edges_never_cross_and_hold_the_point(seed: int, size: float, shift: float) -> None:
    errors = noise(HELD + 60, size=size, seed=seed) + shift
    world = World(errors)
    edges = world.issue()[HELD:]
    point = world.point[HELD:]
    stacked = np.stack([edges[..., 0], edges[..., 1], point, edges[..., 2], edges[..., 3]])
    assert (np.diff(stacked, axis=0) >= 0).all()


def _alone(world: World, number: int, edges: Floats) -> Floats:
    """The band of one origin by a track of its own that is told what was issued before."""
    track, basis = world.track(number)
    past = slice(HELD, number)
    track.remember(world.origins[past], world.point[past], edges[past])
    return track.band(world.origins[number], world.as_of(number), world.point[number], basis)
