from random import Random

import numpy as np
import pytest
from PIL import Image

from gesso.storybook.brush import Brush
from gesso.storybook.kinds import KIND_DRAWERS
from gesso.storybook.palette import PATTERN_SHIFT, Paint
from gesso.storybook.scene import KINDS, RARE_KINDS

SIDE = 96


def painted(kind: str, seed: int = 0) -> np.ndarray:
    """Palette indices of one thing, [SIDE, SIDE]."""
    picture = Image.new("L", (SIDE, SIDE))
    KIND_DRAWERS[kind](Brush(picture, Random(seed)))
    return np.asarray(picture)


def test_every_kind_has_a_drawing() -> None:
    assert set(KIND_DRAWERS) == {*KINDS, *RARE_KINDS}


@pytest.mark.parametrize("kind", [*KINDS, *RARE_KINDS])
def test_a_drawing_names_paints_and_no_patterns(kind: str) -> None:
    assert painted(kind).max() < PATTERN_SHIFT  # patterns are added later, on top of any paint


@pytest.mark.parametrize("kind", [*KINDS, *RARE_KINDS])
def test_a_tenth_of_the_square_or_more_carries_the_pattern(kind: str) -> None:
    assert (painted(kind) == Paint.BODY).mean() > 0.1


@pytest.mark.parametrize("kind", [*KINDS, *RARE_KINDS])
def test_the_main_colour_is_seen_beside_the_pattern(kind: str) -> None:
    plain = np.isin(painted(kind), (Paint.MAIN, Paint.SHADE, Paint.LIGHT))
    assert plain.mean() > 0.02


@pytest.mark.parametrize("kind", [*KINDS, *RARE_KINDS])
def test_no_two_of_a_kind_are_alike_and_all_are_of_one_size(kind: str) -> None:
    shapes = [painted(kind, seed) for seed in range(4)]
    assert len({shape.tobytes() for shape in shapes}) > 1
    areas = [(shape != Paint.NOTHING).mean() for shape in shapes]
    assert max(areas) < 1.2 * min(areas)
