"""The brush paints in unit coordinates at any scale."""

from math import dist, hypot
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gesso.storybook.brush import Brush, petals, wavy


def canvas(side: int) -> tuple[Brush, Image.Image]:
    picture = Image.new("L", (side, side))
    return Brush(picture, Random(1)), picture


def area(picture: Image.Image, ink: int) -> float:
    """Share of the picture that has this index."""
    values: NDArray[np.uint8] = np.asarray(picture)
    return float((values == ink).mean())


@pytest.mark.parametrize(("side", "tolerance"), [(60, 0.3), (400, 0.05)])
def test_shapes_have_the_same_area_at_every_scale(side: int, tolerance: float) -> None:
    brush, picture = canvas(side)
    brush.ellipse((0.25, 0.25), (0.2, 0.1), 1)
    brush.polygon([(0.5, 0.5), (0.9, 0.5), (0.9, 0.9)], 2)
    brush.box((0.6, 0.1, 0.9, 0.3), 3)
    brush.line([(0.1, 0.8), (0.4, 0.8)], 4, 0.1)
    brush.sector((0.25, 0.6), (0.1, 0.1), (180, 360), 5)
    expected = {1: 0.0628, 2: 0.08, 3: 0.06, 4: 0.0379, 5: 0.0157}
    for ink, share in expected.items():
        assert area(picture, ink) == pytest.approx(share, rel=tolerance), ink


def test_an_edge_is_painted_inside_in_its_own_ink() -> None:
    for shape in ("ellipse", "box"):
        brush, picture = canvas(100)
        if shape == "ellipse":
            brush.ellipse((0.5, 0.5), (0.4, 0.4), 1, 2)
        else:
            brush.box((0.1, 0.1, 0.9, 0.9), 1, edge=2, radius=0.1)
        values = np.asarray(picture)
        assert values[50, 50] == 1
        assert values[50, 10] == 2
        assert values[50, 8] == 0


@pytest.mark.parametrize("side", range(16, 90))
def test_round_boxes_can_be_painted_at_every_scale(side: int) -> None:
    brush, picture = canvas(side)
    brush.box((0.3, 0.88, 0.48, 0.99), 1, edge=2, radius=0.05)
    brush.box((0.54, 0.2, 0.65, 0.31), 3, edge=4, radius=0.2)
    assert area(picture, 1) + area(picture, 2) == pytest.approx(0.0198, abs=0.02)
    assert area(picture, 3) + area(picture, 4) > 0


def test_rings_and_arcs_leave_the_middle_free() -> None:
    brush, picture = canvas(100)
    brush.ring((0.5, 0.5), (0.4, 0.4), 1, 0.1)
    brush.arc((0.5, 0.5), (0.2, 0.2), (0, 180), 2, 0.05)
    values = np.asarray(picture)
    assert (values[50, 50], values[50, 15], values[68, 50], values[32, 50]) == (0, 1, 2, 0)


def test_faces_have_light_in_their_eyes_and_smile_upwards() -> None:
    brush, picture = canvas(200)
    brush.eye(0.5, 0.3, 0.1)
    brush.smile(0.5, 0.7, 0.1, ink=3)
    values = np.asarray(picture)
    assert len({int(value) for value in np.unique(values)}) == 4  # nothing, white, dark, smile
    rows, columns = np.nonzero(values == 3)
    corner, middle = rows[columns == columns.min()].mean(), rows[columns == 100].mean()
    assert corner < middle


def test_waves_run_from_start_to_end_and_petals_stand_in_a_circle() -> None:
    points = wavy((0.2, 0.9), (0.2, 0.3), 0.05, 2)
    assert points[0] == pytest.approx((0.2, 0.9))
    assert points[-1] == pytest.approx((0.2, 0.3))
    assert max(abs(x - 0.2) for x, _ in points) == pytest.approx(0.05, rel=0.1)
    corners = petals((0.5, 0.5), 0.3, 6, 0.1)
    assert all(hypot(x - 0.5, y - 0.5) == pytest.approx(0.3) for x, y in corners)
    assert dist(corners[0], corners[1]) == pytest.approx(0.3)


def test_variation_stays_within_bounds() -> None:
    brush, _ = canvas(32)
    values = [brush.vary(0.2) for _ in range(200)]
    assert -0.2 <= min(values) < -0.1
    assert 0.1 < max(values) <= 0.2
