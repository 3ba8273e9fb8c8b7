from dataclasses import replace
from itertools import combinations

import pytest

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.colours import COLOURS, luminance
from gesso.canvas.sketch import chip, free_place, ink, mix, scaled, shapes


def test_shapes_are_numbered_by_depth_and_know_their_region() -> None:
    near = replace(TOWER, distance_to_viewer=1)
    found = shapes(Canvas(HARBOUR, (near, BOAT, TOWER)), (90, 180))
    assert [(shape.number, shape.index) for shape in found] == [(1, 2), (2, 1), (3, 0)]
    assert [shape.region for shape in found] == list(Canvas(HARBOUR, (near, BOAT, TOWER)).by_depth)
    assert found[1].box == (0, 40, 40, 140)


def test_boxes_stretch_with_the_picture() -> None:
    assert scaled((0, 45, 30, 90), (900, 90)) == (300, 0, 900, 45)


@pytest.mark.parametrize("size", [(63, 512), (512, 2049), (0, 0)])
def test_sizes_have_bounds(size: tuple[int, int]) -> None:
    assert "give sides from 64 to 2048" in str(refusal(shapes, CANVAS, size))


@pytest.mark.parametrize("colour", COLOURS)
def test_names_can_be_read_on_every_colour(colour: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 (success criterion 1.4.3)."""
    paper, letters = (luminance(f(COLOURS[colour])) for f in (chip, ink))
    assert (max(paper, letters) + 0.05) / (min(paper, letters) + 0.05) >= 4.5


def test_colours_are_mixed_by_share() -> None:
    assert mix((0, 100, 200), (200, 100, 0), 0.25) == (50, 100, 150)


def test_names_find_places_of_their_own() -> None:
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(6):
        taken.append(free_place((0, 0, 100, 100), (40, 20), 2, taken))
    assert taken[0] == (2, 2, 40, 20)
    assert taken[1] == (58, 2, 40, 20)
    for (x, y, *_), (left, top, *_) in combinations(taken, 2):
        assert abs(x - left) >= 40 or abs(y - top) >= 20
    assert all(0 <= x <= 60 and 0 <= y <= 80 for x, y, *_ in taken)


def test_where_there_is_no_room_names_overlap() -> None:
    assert free_place((0, 0, 10, 10), (40, 20), 2, [(0, 0, 50, 50)]) == (2, 2, 40, 20)
