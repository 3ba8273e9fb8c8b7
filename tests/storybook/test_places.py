import numpy as np
import pytest

from gesso.storybook.palette import COLOUR_RGB
from gesso.storybook.places import PLACE_DRAWERS, backdrop
from gesso.storybook.scene import PLACES


def test_every_place_has_a_backdrop() -> None:
    assert set(PLACE_DRAWERS) == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_a_backdrop_follows_from_its_seed(place: str) -> None:
    first, again, other = (np.asarray(backdrop(place, seed, 48)) for seed in (1, 1, 2))
    assert first.shape == (48, 48, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("place", PLACES)
def test_a_backdrop_is_muted_beside_the_colours_of_things(place: str) -> None:
    strongest = min(_chroma(np.array(COLOUR_RGB[name])) for name in ("red", "orange", "yellow", "blue"))
    for seed in range(3):
        pixels = np.asarray(backdrop(place, seed, 48)).reshape(-1, 3)
        assert np.percentile(_chroma(pixels), 95) < 0.75 * strongest


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in PLACES for b in PLACES if a < b])
def test_places_can_be_told_apart(one: str, other: str) -> None:
    means = [
        np.mean([np.asarray(backdrop(place, seed, 32), np.float64) for seed in range(3)], axis=0)
        for place in (one, other)
    ]
    assert np.abs(means[0] - means[1]).mean() > 6


def _chroma(rgb: np.ndarray) -> np.ndarray:
    """Distance between the strongest and the weakest channel, [...]."""
    return rgb.max(-1).astype(int) - rgb.min(-1).astype(int)
