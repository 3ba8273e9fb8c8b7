from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.canvas.colours import COLOURS
from gesso.canvas.from_boxes import LabelledBox, Manner, canvas_from_boxes, colour_of, nearest_layout
from gesso.canvas.parse import read_canvas
from gesso.canvas.vocabulary import AREAS, GRID, LOCATIONS, OFFSETS
from gesso.core.errors import UsageError

SPANS = st.tuples(st.integers(0, 98), st.integers(2, 100)).map(lambda p: (p[0] / 100, min(sum(p), 100) / 100))
PATIENT = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def box(
    label: str = "cat", x: tuple[float, float] = (0.3, 0.7), y: tuple[float, float] = (0.3, 0.7), **more
) -> LabelledBox:
    return LabelledBox(label=label, xmin=x[0], xmax=x[1], ymin=y[0], ymax=y[1], **more)


def edges(layout: tuple[str, str, str]) -> tuple[float, ...]:
    """The edges of a layout in cells, not cut at the picture's."""
    location, offset, area = layout
    (x, y), (dx, dy), (width, height) = LOCATIONS[location], OFFSETS[offset], AREAS[area]
    return (x + dx - width / 2, x + dx + width / 2, y + dy - height / 2, y + dy + height / 2)


@PATIENT
@given(x=SPANS, y=SPANS)
def test_no_other_layout_has_its_edges_nearer(x: list[float], y: list[float]) -> None:
    wanted = [value * GRID for value in (*x, *y)]

    def apart(layout: tuple[str, str, str]) -> float:
        return sum((a - b) ** 2 for a, b in zip(edges(layout), wanted, strict=True))

    best = min(map(apart, product(LOCATIONS, OFFSETS, AREAS)))
    assert apart(nearest_layout(box(x=tuple(x), y=tuple(y)))) <= best + 1e-6


@pytest.mark.parametrize(
    ("x", "y", "layout"),
    [
        ((0.2, 0.8), (0.2, 0.8), ("in the center", "no offset", "a small square area")),
        ((0.0, 1.0), (0.0, 1.0), ("in the center", "no offset", "a large square area")),
        ((0.0, 0.3), (0.0, 0.3), ("on the top-left", "no offset", "a small square area")),
        ((0.7, 0.9), (0.1, 0.9), ("on the right", "no offset", "a small vertical area")),
        ((0.1, 0.9), (0.8, 0.9), ("on the bottom", "slightly to the lower", "a small horizontal area")),
    ],
)
def test_boxes_lie_where_one_would_say(x, y, layout) -> None:
    found = nearest_layout(box(x=x, y=y))
    assert (found[0], found[2].split()[-2]) == (layout[0], layout[2].split()[-2])


def test_a_box_that_is_a_layout_is_found_again() -> None:
    layout = ("on the left", "slightly to the right", "a small vertical area")
    left, right, top, bottom = (value / GRID for value in edges(layout))
    assert nearest_layout(box(x=(left, right), y=(top, bottom))) == layout


def test_the_canvas_says_what_the_annotation_says() -> None:
    boxes = [
        box("brown dog", details=("its ears fly",)),
        box("ball", (0.0, 0.2), (0.8, 1.0), rgb=(250, 5, 5), group=True),
    ]
    canvas = canvas_from_boxes("a dog and balls", boxes, rgb=(100, 180, 90))
    assert canvas.background.description == "a dog and balls"
    assert canvas.background.tags == "brown dog, ball"
    dog, balls = canvas.regions
    assert (dog.description, dog.colour, dog.detailed_descriptions) == (
        "brown dog",
        "brown",
        ("its ears fly",),
    )
    assert (balls.description, balls.colour, balls.location) == (
        "a group of ball",
        "red",
        "on the bottom-left",
    )
    assert (dog.atmosphere, dog.style, dog.quality_meta) == ("natural", "photograph", "clear")
    assert read_canvas(canvas.to_source()).canvas == canvas


def test_smaller_is_farther_and_inside_is_in_front() -> None:
    person, tree = box("person", (0.1, 0.5), (0.1, 0.9)), box("tree", (0.8, 0.9), (0.1, 0.3))
    hat = box("hat", (0.2, 0.3), (0.1, 0.2))
    distances = {
        region.tags: region.distance_to_viewer
        for region in canvas_from_boxes("x", [hat, tree, person]).regions
    }
    assert distances["hat"] < distances["person"] < distances["tree"]


@PATIENT
@given(boxes=st.lists(st.builds(lambda x, y: box(x=tuple(x), y=tuple(y)), SPANS, SPANS), max_size=12))
def test_any_boxes_give_a_canvas_with_the_largest_of_them(boxes: list[LabelledBox]) -> None:
    canvas = canvas_from_boxes("many cats", boxes, most=4)
    assert len(canvas.regions) == min(len(boxes), 4)
    assert all(0 < region.distance_to_viewer <= 10 for region in canvas.regions)


@pytest.mark.parametrize(
    ("text", "rgb", "colour"),
    [
        ("a red ball", (0, 0, 255), "red"),
        ("light blue hat", None, "lightblue"),
        ("a Grey cat", None, "gray"),
        ("a ball", (1, 2, 250), "blue"),
        ("a ball", None, "gray"),
        ("a hundred hats", None, "gray"),
    ],
)
def test_colours_come_from_words_then_from_pixels(text, rgb, colour) -> None:
    assert colour_of(text, rgb) == colour


@PATIENT
@given(rgb=st.tuples(*[st.integers(0, 255)] * 3))
def test_the_nearest_colour_is_nearest(rgb) -> None:
    def apart(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(COLOURS[name], rgb, strict=True))

    assert apart(colour_of("", rgb)) == min(map(apart, COLOURS))


@pytest.mark.parametrize("span", [(0.5, 0.5), (0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_edges_outside_or_the_wrong_way_round_are_refused(span: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="box of 'cat' has the edges"):
        box(x=span)
    with pytest.raises(UsageError, match="box of 'cat' has the edges"):
        box(y=span)


def test_boxes_need_a_label_and_canvases_a_box() -> None:
    with pytest.raises(UsageError, match="no label"):
        box(" ")
    with pytest.raises(UsageError, match="most is 0"):
        canvas_from_boxes("x", [], most=0)


def test_the_manner_of_regions_can_be_told() -> None:
    manner = Manner(atmosphere="gloomy", style="etching", quality_meta="fine lines")
    region = canvas_from_boxes("x", [box()], manner=manner).regions[0]
    assert (region.atmosphere, region.style, region.quality_meta) == ("gloomy", "etching", "fine lines")
