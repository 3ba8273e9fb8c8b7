"""Patterns are coarse, leave most of the main colour, and differ."""

from itertools import combinations, product

import numpy as np
import pytest

from gesso.storybook.palette import PATTERN_SHIFT
from gesso.storybook.patterns import PHASES, pattern_tile

PATTERNED = ("striped", "dotted", "checked")


@pytest.mark.parametrize(("pattern", "phase"), list(product(PATTERNED, range(PHASES))))
def test_a_tile_covers_a_quarter_to_a_half(pattern: str, phase: int) -> None:
    tile = pattern_tile(pattern, phase, 120)
    assert (tile.mode, tile.size) == ("L", (120, 120))
    assert set(np.unique(np.asarray(tile))) == {0, PATTERN_SHIFT}
    assert 0.27 < (np.asarray(tile) > 0).mean() < 0.55


@pytest.mark.parametrize("pattern", PATTERNED)
def test_marks_are_coarse_enough_for_small_things(pattern: str) -> None:
    for phase in range(PHASES):
        on = np.asarray(pattern_tile(pattern, phase, 200)) > 0
        changes = (np.diff(on, axis=0).sum(0).max(), np.diff(on, axis=1).sum(1).max())
        assert 6 <= max(changes) <= 8  # about four marks across the thing


def test_stripes_run_one_way_and_dots_and_checks_both_ways() -> None:
    rows = np.asarray(pattern_tile("striped", 0, 90)).astype(int).std(axis=0)
    assert np.allclose(rows, 0)
    for pattern in ("dotted", "checked"):
        tile = np.asarray(pattern_tile(pattern, 0, 90)).astype(int)
        assert tile.std(axis=0).max() > 10
        assert tile.std(axis=1).max() > 10


def test_patterns_and_their_versions_differ() -> None:
    tiles = [np.asarray(pattern_tile(p, phase, 96)) for p, phase in product(PATTERNED, range(PHASES))]
    for one, other in combinations(tiles, 2):
        assert (one != other).mean() > 0.1
